"""An OpenAPI description: which requests it allows, and which bodies it calls valid, as examples and at random."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import reduce
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from openapi_schema_validator import OAS30Validator

Schema = dict[str, Any]
INT64 = 2**63 - 1
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates as well: JSON can spell them
SYMBOLS = st.from_regex(r"[A-Z]{1,5}", fullmatch=True)
RANGE_SUFFIXES = ("", ".gt", ".gte", ".lt", ".lte")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What can be asked of one path, and what is answered."""

    path: str  # with {names}
    parameters: tuple[Schema, ...]
    schema: Schema  # of the answer, without references
    example: Any

    def filled(self, path: str) -> dict[str, str] | None:
        """What stands for the names in the path; None when it is another one."""
        here, there = self.path.split("/"), path.split("/")
        if len(here) != len(there) or any(a != b and not a.startswith("{") for a, b in zip(here, there, strict=True)):
            return None
        return {a[1:-1]: b for a, b in zip(here, there, strict=True) if a.startswith("{")}

    def faults(self, path: str, query: dict[str, str]) -> list[str]:
        """What of the request is not described."""
        known = {name: each["schema"] for each in self.parameters for name in _names(each)}
        given = (self.filled(path) or {}) | query
        return [f"{self.path}: {name}={value}" for name, value in given.items() if not _fits(value, known.get(name))]


def operations(file: Path) -> dict[str, Operation]:
    """By path; those with the fewest names first, so that the first that matches a path is meant."""
    content = json.loads(file.read_text(encoding="utf-8"))
    schemas = content["components"]["schemas"]
    found: list[Operation] = []
    for path, methods in content["paths"].items():
        answer = methods["get"]["responses"]["200"]["content"]["application/json"]
        parameters, schema = tuple(methods["get"]["parameters"]), resolved(answer["schema"], schemas)
        found.append(Operation(path=path, parameters=parameters, schema=schema, example=answer["example"]))
    return {each.path: each for each in sorted(found, key=lambda each: each.path.count("{"))}


def resolved(schema: Any, schemas: dict[str, Schema]) -> Any:
    """The schema with references and `allOf` written out."""
    if isinstance(schema, list):
        return [resolved(each, schemas) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "allOf" in schema:
        return reduce(_merged, resolved(schema["allOf"], schemas))
    return {key: resolved(value, schemas) for key, value in schema.items()}


def _merged(one: Schema, other: Schema) -> Schema:
    required = one.get("required", []) + other.get("required", [])
    return {"type": "object", "properties": one["properties"] | other["properties"], "required": required}


def is_valid(value: Any, schema: Schema) -> bool:
    """By the schema, whatever the formats of texts. Some published examples are not."""
    valid: bool = OAS30Validator(schema).is_valid(value)
    return valid


def with_nulls(schema: Schema) -> Schema:
    """The schema with null allowed wherever a field may be absent: servers do not keep the two apart."""
    if "items" in schema:
        return schema | {"items": with_nulls(schema["items"])}
    optional = schema.get("properties", {}).keys() - set(schema.get("required", []))
    fields = {name: with_nulls(each) for name, each in schema.get("properties", {}).items()}
    return schema | {"properties": fields | {name: fields[name] | {"nullable": True} for name in optional}}


def bodies(schema: Schema, example: Any, *, without: frozenset[str]) -> st.SearchStrategy[Any]:
    """Valid bodies: fields that are not required may be absent, nullable ones null, unknown ones added.

    Half of them are the example but for two fields of each object, so that rows are kept; the others have any values.
    `without`: names that no added field has, and texts that no field is, in capitals.
    """
    return _Maker(without, tame=True).make(schema, example) | _Maker(without, tame=False).make(schema, example)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Values of a schema. `likely` is an example's; a tame maker stays close to it."""

    without: frozenset[str]
    tame: bool

    def make(self, schema: Schema, likely: Any) -> st.SearchStrategy[Any]:
        made = self._values(schema, likely)
        return st.none() | made if schema.get("nullable") and not self.tame else made

    def _values(self, schema: Schema, likely: Any) -> st.SearchStrategy[Any]:
        if schema["type"] == "object":
            return self._objects(schema, likely or {})
        if schema["type"] == "array":
            return st.lists(
                self.make(schema["items"], likely[0] if likely else None), min_size=int(self.tame), max_size=4
            )
        if likely is None or not is_valid(likely, schema):
            return self._any(schema)
        return st.just(likely) if self.tame else st.just(likely) | self._any(schema)

    def _objects(self, schema: Schema, likely: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        known = schema["properties"]
        names = TEXT.filter(lambda name: name not in known and name.strip().upper() not in self.without)
        added = st.dictionaries(names, st.none() | st.booleans() | st.integers(-INT64, INT64) | TEXT, max_size=2)
        described = self._near(schema, likely) if self.tame else self._far(schema, likely)
        return st.builds(lambda extra, body: extra | body, added, described)

    def _near(self, schema: Schema, likely: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        known = schema["properties"]
        whole = {name: self.make(known[name], value) for name, value in likely.items() if name in known}
        optional = sorted(whole.keys() - set(schema.get("required", [])))
        nulls = {name for name in optional if known[name].get("nullable")}

        def depart(body: dict[str, Any], changes: dict[str, bool]) -> dict[str, Any]:
            kept = {name: value for name, value in body.items() if name not in changes}
            return kept | {name: None for name, is_null in changes.items() if is_null and name in nulls}

        if not optional:
            return st.fixed_dictionaries(whole)
        changes = st.dictionaries(st.sampled_from(optional), st.booleans(), max_size=2)
        return st.builds(depart, st.fixed_dictionaries(whole), changes)

    def _far(self, schema: Schema, likely: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        known = schema["properties"]
        fields = {name: self.make(each, likely.get(name)) for name, each in known.items()}
        required = {name: fields[name] for name in schema.get("required", [])}
        optional = {name: each for name, each in fields.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)

    def _any(self, schema: Schema) -> st.SearchStrategy[Any]:
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        match schema["type"], schema.get("format"):
            case "boolean", _:
                return st.booleans()
            case "integer", _:
                return st.integers(-INT64, INT64)
            case "number", _:
                return st.floats(allow_nan=False, allow_infinity=False) | st.integers(-INT64, INT64)
            case _, "date":
                return st.dates().map(date.isoformat)
            case _, "date-time":
                return st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
        texts = TEXT | SYMBOLS | TEXT.map("https://{}".format)
        return texts.filter(lambda text: text.strip().upper() not in self.without)


def _names(parameter: Schema) -> list[str]:
    ranged = parameter.get("x-polygon-filter-field", {}).get("range", False)
    return [parameter["name"] + suffix for suffix in (RANGE_SUFFIXES if ranged else ("",))]


def _fits(text: str, schema: Schema | None) -> bool:
    """Whether a value in a URL is of the schema. A list is its elements with commas."""
    if schema is None or text not in schema.get("enum", [text]):
        return False
    try:
        match (schema["type"], schema.get("format")):
            case ("boolean", _):
                return text in ("true", "false")
            case ("integer", _):
                return schema.get("minimum", int(text)) <= int(text) <= schema.get("maximum", int(text))
            case ("string", "date"):
                date.fromisoformat(text)
            case ("string", "date-time"):
                return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
    return True
