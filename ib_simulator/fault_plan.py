"""What shall go wrong, and when: the faults as values, and the TOML timeline that names them.

    [[fault]]
    at = "10:15:00"                 # New York time in the first session; also date = "2025-10-08", every_session = true
    kind = "connectivity"           # a name of KINDS; its other keys are the fields of that class
    seconds = 40

    [[fault]]
    after = { message = "placeOrder", count = 3, direction = "in" }
    kind = "lose_acknowledgement"   # fires when the third placeOrder has been served, before anything is written

`after` with direction "out" fires when the count-th message of that kind has been written; what follows it in the
same instant waits for the fault. `client` (in `after` and in most faults) is a client id; absent, it is any client.
Seconds are seconds of the session. Faults of the same instant happen in the order of the file, before the market.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from ib_simulator.fault_kinds import (
    CHOICES,
    KINDS,
    NAME_OF,
    SIGNED_FIELDS,
    Delay,
    Duplicate,
    Fault,
    Lose,
    Reorder,
    Segmented,
)
from ib_simulator.message_names import Direction, message_ids
from market_hours import NEW_YORK
from utils import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTime:
    """A moment in New York. Without `day`: in the first session, or in every one."""

    time: time
    day: date | None = None
    every_session: bool = False

    def on(self, day: date) -> float:
        """The moment on `day`, in epoch seconds."""
        return datetime.combine(day, self.time, NEW_YORK).timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterMessage:
    """The `count`-th message of these ids (None: any) since the gateway started. `client`: None is any client."""

    direction: Direction
    ids: frozenset[int] | None
    count: int = 1
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """A fault and its trigger; None: at once."""

    fault: Fault
    when: AtTime | AfterMessage | None = None


def read_fault_plan(path: Path) -> tuple[PlannedFault, ...]:
    """The timeline of a TOML file. Raises Misconfigured with one line that names the file and the entry."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: {error}") from error
    entries = content.pop("fault", [])
    if content or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Misconfigured(f"{path}: only [[fault]] tables are known")
    planned = []
    for number, entry in enumerate(entries, start=1):
        try:
            planned.append(planned_fault(entry))
        except ValueError as error:
            raise Misconfigured(f"{path}: fault {number}: {error}") from error
    return tuple(planned)


def planned_fault(entry: Mapping[str, Any]) -> PlannedFault:
    """One entry of a timeline. Raises ValueError that says what is wrong."""
    values = dict(entry)
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    when = _trigger(values)
    fault = _built(KINDS[kind], values)
    for field in dataclasses.fields(fault):
        allowed = CHOICES.get((type(fault), field.name))
        if allowed is not None and getattr(fault, field.name) not in allowed:
            raise ValueError(f"{field.name} {getattr(fault, field.name)!r} is not one of {allowed}")
    if isinstance(fault, Lose | Delay | Duplicate | Reorder):
        message_ids(_direction(fault.direction), fault.message)
    if isinstance(fault, Segmented) and fault.bytes < 1:
        raise ValueError("bytes = 0 is not a size of segments")
    return PlannedFault(fault=fault, when=when)


def _trigger(values: dict[str, Any]) -> AtTime | AfterMessage | None:
    """Take the keys of the trigger out of `values`."""
    at, after = values.pop("at", None), values.pop("after", None)
    day, every = values.pop("date", None), values.pop("every_session", False)
    if at is not None and after is not None:
        raise ValueError("at and after exclude each other")
    if at is None and (day is not None or every):
        raise ValueError("date and every_session need at")
    if at is not None:
        moment = at if isinstance(at, time) else time.fromisoformat(str(at))
        on = day if day is None or isinstance(day, date) else date.fromisoformat(str(day))
        return AtTime(time=moment, day=on, every_session=bool(every))
    if after is None:
        return None
    if not isinstance(after, dict) or not isinstance(after.get("message"), str):
        raise ValueError("after needs a message, as in { message = 'placeOrder', count = 3, direction = 'in' }")
    unknown = [key for key in after if key not in ("message", "count", "direction", "client")]
    if unknown:
        raise ValueError(f"after has the unknown key {unknown[0]!r}")
    direction = _direction(after.get("direction", "in"))
    count, client = after.get("count", 1), after.get("client")
    if not _fits(count, int) or count < 1:
        raise ValueError(f"count {count!r} is not a whole number of at least 1")
    if client is not None and not _fits(client, int):
        raise ValueError(f"client {client!r} is not a client id")
    ids = message_ids(direction, after["message"])
    return AfterMessage(direction=direction, ids=ids, count=count, client=client)


def _direction(text: Any) -> Direction:
    if text not in tuple(Direction):
        raise ValueError(f"direction {text!r} is neither 'in' nor 'out'")
    return Direction(text)


def _built(kind: type[Fault], values: dict[str, Any]) -> Fault:
    types = get_type_hints(kind)
    for key, value in values.items():
        if key not in types:
            nearest = get_close_matches(key, types, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise ValueError(f"{NAME_OF[kind]} has no field {key!r}{hint}")
        if isinstance(value, list):
            values[key] = value = tuple(value)
        if not _fits(value, types[key]):
            raise ValueError(f"{key} = {value!r} is of the wrong type")
        if isinstance(value, int | float) and not isinstance(value, bool) and key not in SIGNED_FIELDS and value < 0:
            raise ValueError(f"{key} = {value!r} is negative")
    missing = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.name not in values
    ]
    if missing:
        raise ValueError(f"{NAME_OF[kind]} needs {missing[0]}")
    return kind(**values)


def _fits(value: Any, kind: Any) -> bool:
    """Whether `value` is of a field's type: int, float, bool, str, one of these or None, or a tuple of texts."""
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if get_args(kind):
        return any(_fits(value, each) for each in get_args(kind))
    if kind in (int, float):
        allowed = int if kind is int else (int, float)
        return isinstance(value, allowed) and not isinstance(value, bool)
    return isinstance(value, kind)
