"""Reading the text fields of one inbound message, in order, by the types of a dataclass."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_type_hints

from ib_simulator.wire import UNSET_DOUBLE, UNSET_INTEGER, UNSET_INTEGER_TEXT

INT32_MIN = -(2**31)
INFINITE_TEXTS = frozenset({"infinite", "infinity", "inf"})  # ib_insync writes the first, Java the second
TRUE_TEXTS = frozenset({"1", "true"})
FALSE_TEXTS = frozenset({"0", "false"})

Default = TypeVar("Default")
Read = Callable[["FieldReader", str, Any], Any]  # (reader, name of the field, value when unset) -> value


class FieldFault(Exception):
    """A field is missing or is not of its type. The text names it."""


class FieldReader:
    """A cursor over the fields of one message.

    An empty field, DBL_MAX in any case of its `e`, and 2147483647 mean *unset* and give the default. Every
    method raises FieldFault, naming the field, when the message ends too early or the text is of another type.
    """

    __slots__ = ("_fields", "_next", "identity_seen")

    def __init__(self, fields: Sequence[str], start: int = 0) -> None:
        self._fields = fields
        self._next = start
        self.identity_seen: int | None = None  # request or order id, once read: an error reply needs it

    def text(self, name: str, default: str = "") -> str:
        """The next field as it is."""
        try:
            value = self._fields[self._next]
        except IndexError:
            raise FieldFault(f"the message ends before {name}") from None
        self._next += 1
        return value or default

    def identity(self, name: str, default: object = None) -> int:
        """The next field as the id of a request or an order, which has no default."""
        value = self.integer(name, None)
        if value is None:
            raise FieldFault(f"{name} is empty")
        self.identity_seen = value
        return value

    def integer(self, name: str, default: Default) -> int | Default:
        """The next field as a 32-bit integer; `5.0` is 5."""
        text = self.text(name)
        if not text or text == UNSET_INTEGER_TEXT:
            return default
        try:
            value = int(text)
        except ValueError:
            number = self._float(name, text)
            if number == UNSET_DOUBLE:
                return default
            if not math.isfinite(number) or number != int(number):
                raise FieldFault(f"{name} is not a whole number: {text[:40]!r}") from None
            value = int(number)
        if not INT32_MIN <= value <= UNSET_INTEGER:
            raise FieldFault(f"{name} does not fit 32 bits: {text[:40]!r}")
        return default if value == UNSET_INTEGER else value

    def number(self, name: str, default: Default) -> float | Default:
        """The next field as a finite float. It can be negative and as large as a float is."""
        value = self.extended_number(name, default)
        if isinstance(value, float) and math.isinf(value):
            raise FieldFault(f"{name} is infinite")
        return value

    def extended_number(self, name: str, default: Default) -> float | Default:
        """The next field as a float that may be infinite."""
        text = self.text(name)
        if not text or text == UNSET_INTEGER_TEXT:
            return default
        value = self._float(name, text)
        return default if value == UNSET_DOUBLE else value

    def flag(self, name: str, default: bool = False) -> bool:
        """The next field as a bool."""
        text = self.text(name)
        if not text or text == UNSET_INTEGER_TEXT:
            return default
        if text in TRUE_TEXTS or text.lower() in TRUE_TEXTS:
            return True
        if text in FALSE_TEXTS or text.lower() in FALSE_TEXTS:
            return False
        raise FieldFault(f"{name} is neither 1 nor 0: {text[:40]!r}")

    def count(self, name: str) -> int:
        """The next field as the number of repetitions that follow; empty is none."""
        value = self.integer(name, 0)
        if not 0 <= value <= len(self._fields) - self._next:
            raise FieldFault(f"{name} is {value}, more than the message holds or negative")
        return value

    def comma_list(self, name: str, default: object = ()) -> tuple[str, ...]:
        """The next field, split at its commas."""
        return tuple([part for part in self.text(name).split(",") if part])

    def tag_values(self, name: str, default: object = ()) -> tuple[tuple[str, str], ...]:
        """The next field, `tag=value;tag=value;`."""
        parts = [part.partition("=") for part in self.text(name).split(";") if part]
        return tuple([(tag, value) for tag, _, value in parts])

    def skip(self, n_fields: int) -> None:
        """Pass over fields that carry nothing, such as message versions."""
        for _ in range(n_fields):
            self.text("a field without use")

    @staticmethod
    def _float(name: str, text: str) -> float:
        if text.lower() in INFINITE_TEXTS:
            return math.inf
        try:
            value = float(text)
        except ValueError:
            raise FieldFault(f"{name} is not a number: {text[:40]!r}") from None
        if math.isnan(value):
            raise FieldFault(f"{name} is not a number: {text[:40]!r}")
        return value


class Step(NamedTuple):
    """How one attribute is read."""

    name: str
    read: Read
    default: Any


_READS: dict[Any, tuple[Read, Any]] = {  # type of an attribute -> how it is read, value when unset
    str: (FieldReader.text, ""),
    int: (FieldReader.integer, 0),
    int | None: (FieldReader.integer, None),
    float: (FieldReader.number, 0.0),
    float | None: (FieldReader.number, None),
    bool: (FieldReader.flag, False),
    tuple[str, ...]: (FieldReader.comma_list, ()),
    tuple[tuple[str, str], ...]: (FieldReader.tag_values, ()),
}
_IDENTITIES = frozenset({"req_id", "order_id"})


def plan(cls: type, names: str = "", extra: Mapping[Any, Read] | None = None) -> tuple[Step, ...]:
    """Steps that read attributes of the dataclass `cls`, in the order of the fields on the wire.

    `names` are words, by default all attributes in their order; `extra` says how further types are read. The
    default of an attribute is its value when unset. Raises KeyError on a type without a way to read it.
    """
    types = get_type_hints(cls)
    defaults = {item.name: item.default for item in dataclasses.fields(cls)}
    steps = []
    for name in names.split() or list(defaults):
        if name in _IDENTITIES:
            steps.append(Step(name, FieldReader.identity, None))
            continue
        kind = types[name]
        read, unset = (extra[kind], None) if extra and kind in extra else _READS[kind]
        default = defaults[name]
        steps.append(Step(name, read, unset if default is dataclasses.MISSING else default))
    return tuple(steps)


def read_steps(reader: FieldReader, steps: tuple[Step, ...]) -> dict[str, Any]:
    """The attributes that `steps` name, read in order. Raises FieldFault."""
    return {name: read(reader, name, default) for name, read, default in steps}
