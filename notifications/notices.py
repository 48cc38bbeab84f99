"""A notice, and `notify`, by which any room above gives one. Where nobody listens nothing happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a notice is about; `NOTIFY_EVENTS` chooses among them."""

    FILL = "fill"
    STOP_HIT = "stop_hit"
    REJECT = "reject"
    LIMIT = "limit"
    KILL_SWITCH = "kill_switch"
    CONNECTION = "connection"
    INVARIANT = "invariant"
    HEALTH = "health"
    FAULT = "fault"
    DAY_SUMMARY = "day_summary"
    WEEKLY_REPORT = "weekly_report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell: `words` are a line, or several for a summary; `at` is the instant of the session's clock."""

    kind: Kind
    words: str
    at: datetime


Listener = Callable[[Notice], None]

_listener: Listener | None = None


def notify(notice: Notice) -> None:
    """Hand a notice on. Takes microseconds, never waits and never fails."""
    if _listener is not None:
        _listener(notice)


def listen(listener: Listener | None) -> None:
    """From now on `listener` hears every notice; None: nobody does. It must not wait and must not raise."""
    global _listener
    _listener = listener
