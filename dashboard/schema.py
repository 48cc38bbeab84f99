"""JSON schemas of the program's values, from their type hints: the description of the API cannot say something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    NoneType: {"type": "null"},
    Any: {},
}


class Schemas:
    """Collects the named shapes that `of` meets; `found` maps their names to schemas."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}

    def of(self, hint: Any) -> Schema:
        """The schema of a hint. Raises TypeError for one that has no JSON form."""
        if hint in _PLAIN:
            return dict(_PLAIN[hint])
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in (Union, UnionType):
            return {"anyOf": [self.of(each) for each in arguments]}
        if origin is Literal:
            return {"type": "string", "enum": list(arguments)}
        if origin is tuple:
            return self._tuple(arguments)
        if origin in (list, Sequence):
            return {"type": "array", "items": self.of(arguments[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if isinstance(hint, type) and issubclass(hint, Enum):
            return {"type": "string", "enum": [each.value for each in hint]}
        shape = origin or hint
        if is_dataclass(shape) or hasattr(shape, "_fields"):
            return self._shape(shape, arguments)
        raise TypeError(f"{hint!r} has no JSON schema")

    def _tuple(self, arguments: tuple[Any, ...]) -> Schema:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": self.of(arguments[0])}
        items = [self.of(each) for each in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    def _shape(self, shape: Any, arguments: tuple[Any, ...]) -> Schema:
        """A reference to an object with the fields of `shape`; a generic one is named after what it holds."""
        name = shape.__name__ + "".join(f"Of{getattr(each, '__name__', '')}" for each in arguments)
        if name not in self.found:
            self.found[name] = {}  # it may hold itself
            kinds = dict(zip(getattr(shape, "__parameters__", ()), arguments, strict=True))
            fields = {field: _filled(hint, kinds) for field, hint in get_type_hints(shape).items()}
            about = (shape.__doc__ or "").strip().partition("\n")[0]
            self.found[name] = {
                "type": "object",
                "description": about,
                "properties": {field: self.of(hint) for field, hint in fields.items()},
                "required": list(fields),
                "additionalProperties": False,
            }
        return {"$ref": f"#/components/schemas/{name}"}


def _filled(hint: Any, kinds: Mapping[TypeVar, Any]) -> Any:
    """`hint` with its type variables replaced."""
    if isinstance(hint, TypeVar):
        return kinds[hint]
    if any(isinstance(each, TypeVar) for each in get_args(hint)):
        return hint[tuple(kinds[each] for each in hint.__parameters__)]
    return hint
