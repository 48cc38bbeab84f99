"""The way between a row class and its table: statement, parameters, and back."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

RowT = TypeVar("RowT")
Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]  # to the database, from the database; never of None


class Table(Generic[RowT]):
    """Columns of `name` as the fields of `row_class`, in the order of the fields.

    Usage: `connection.execute(table.insert, table.values(row))`, `table.rows(sqlite_rows)`.
    """

    def __init__(self, name: str, row_class: type[RowT]) -> None:
        hints = get_type_hints(row_class)
        names = tuple(field.name for field in fields(row_class))  # type: ignore[arg-type]
        self.name = name
        self.columns = tuple(column_of(field) for field in names)
        self.insert = f"INSERT INTO {name} ({', '.join(self.columns)}) VALUES ({', '.join('?' * len(self.columns))})"
        self._row_class = row_class
        self._fields = names
        self._get = attrgetter(*names)
        self._owner = [names.index(field) for field in ("bot", "mode") if field in names]
        self._codecs = [  # (position, to the database, from the database) of the fields that need one
            (position, *codec) for position, field in enumerate(names) if (codec := _codec(hints[field])) is not None
        ]
        self._to_database = {  # field -> to the database
            self._fields[position]: encode for position, encode, _ in self._codecs
        }

    def values(self, row: RowT, *owner: str) -> list[Any]:
        """Parameters of `insert`; `owner` is the bot and the mode of a row that names none.

        Raises ValueError for a naive datetime, TypeError for what JSON cannot say.
        """
        values = list(self._get(row))
        for position, name in zip(self._owner if owner else (), owner, strict=True):
            values[position] = values[position] or name
        for position, encode, _ in self._codecs:
            if values[position] is not None:
                values[position] = encode(values[position])
        return values

    def rows(self, found: Sequence[sqlite3.Row]) -> list[RowT]:
        """Rows of the database, by the names of their columns. Equal JSON texts give one object."""
        if not found:
            return []
        there = found[0].keys()
        pick = itemgetter(*(there.index(column) for column in self.columns))  # a Row searches for names, slowly
        known: dict[str, Any] = {}  # JSON -> what it says
        return [self._decoded(list(pick(row)), known) for row in found]

    def _decoded(self, values: list[Any], known: dict[str, Any]) -> RowT:
        for position, _, decode in self._codecs:
            value = values[position]
            if value is None:
                continue
            if decode is json.loads:
                if value not in known:
                    known[value] = decode(value)
                values[position] = known[value]
            else:
                values[position] = decode(value)
        return self._row_class(**dict(zip(self._fields, values, strict=True)))

    def value(self, field: str, value: Any) -> Any:
        """One field as the database stores it."""
        encode = self._to_database.get(field)
        return value if value is None or encode is None else encode(value)


def column_of(field: str) -> str:
    """The database is in USD throughout, so its columns do not repeat the unit."""
    return field.removesuffix("_usd")


@lru_cache(maxsize=256)  # the orders of a bracket have one instant
def utc_text(when: datetime) -> str:
    """ISO-8601 in UTC with six decimals: text order is time order. A naive datetime raises ValueError."""
    if when.tzinfo is None:
        raise ValueError(f"naive datetime: {when!r}")
    utc = when if when.tzinfo is UTC else when.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")


def json_text(value: Any) -> str:
    """Compact JSON with sorted keys. NaN and infinity, which JSON lacks, become null, as NaN does in REAL."""
    try:
        return json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, sort_keys=True, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _json_tuple(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def _codec(hint: Any) -> Codec | None:
    for kind in get_args(hint) if type(None) in get_args(hint) else (hint,):
        if kind is datetime:
            return utc_text, datetime.fromisoformat
        if kind is bool:
            return int, bool
        if get_origin(kind) is tuple:
            return json_text, _json_tuple
        if get_origin(kind) is Mapping:
            return json_text, json.loads
    return None
