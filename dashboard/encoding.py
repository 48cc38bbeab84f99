"""Values of the program as JSON: names of fields become keys, instants ISO-8601, what is no number null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_FIELDS: dict[type, tuple[str, ...]] = {}  # class -> its fields, empty where it is no shape


def to_json(value: Any) -> bytes:
    """`value` as compact JSON in UTF-8. Raises TypeError for what has no JSON form."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def plain(value: Any) -> Any:
    """`value` in the types of JSON. Raises TypeError when it holds something that has no form there."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = _field_names(kind)
    if names:
        return {name: plain(getattr(value, name)) for name in names}
    if kind in (list, tuple):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"a {kind.__name__} has no JSON form")


def _field_names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass or NamedTuple; of anything else none."""
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind))
    return tuple(getattr(kind, "_fields", ()))
