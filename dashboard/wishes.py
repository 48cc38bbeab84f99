"""The bodies of the two steps of a command: checked field by field, and described for OpenAPI."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from dashboard.commanding import Wish
from dashboard.schema import Schema
from trading.commands import CommandKind
from trading.watchlist import SYMBOL

LONGEST_DETAIL = 200
NAME = re.compile(r"[\w .@-]{1,40}")

CONFIRMATION_BODY: Schema = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": [kind.value for kind in CommandKind]},
        "symbol": {"type": "string", "description": "of close"},
        "detail": {"type": "string", "maxLength": LONGEST_DETAIL, "description": "of research"},
    },
    "required": ["kind"],
    "additionalProperties": False,
}
COMMAND_BODY: Schema = {
    **CONFIRMATION_BODY,
    "properties": {
        **CONFIRMATION_BODY["properties"],
        "confirmation_id": {"type": "string"},
        "name": {"type": "string", "description": "who commands, for the record", "maxLength": 40},
    },
    "required": ["kind", "confirmation_id"],
}


class Body(NamedTuple):
    """What the body of a step says."""

    wish: Wish
    confirmation_id: str = ""
    name: str = ""


def body_of(content: bytes, allowed: Schema) -> Body:
    """The body of a step. Raises ValueError in words for what is not allowed in it."""
    given = _object(content)
    known: dict[str, Any] = allowed["properties"]
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{name[:40]!r} is no field of this request")
        if not isinstance(value, str):
            raise ValueError(f"{name} must be a text")
    for name in allowed["required"]:
        if not given.get(name):
            raise ValueError(f"{name} is missing")
    wish = _wish(given["kind"], given.get("symbol", ""), given.get("detail", ""))
    name = given.get("name", "")
    if name and not NAME.fullmatch(name):
        raise ValueError("name must be 1 to 40 letters, digits, blanks or . @ - _")
    return Body(wish, given.get("confirmation_id", ""), name)


def _wish(kind: str, symbol: str, detail: str) -> Wish:
    if kind not in [each.value for each in CommandKind]:
        raise ValueError(f"kind must be one of {', '.join(CommandKind)}")
    if symbol and not SYMBOL.fullmatch(symbol):
        raise ValueError("symbol must be a symbol such as AAPL")
    if len(detail) > LONGEST_DETAIL or not detail.isprintable():
        raise ValueError(f"detail must be {LONGEST_DETAIL} printable characters at most")
    wanted = CommandKind(kind)
    if bool(symbol) != (wanted is CommandKind.CLOSE):
        raise ValueError("close needs a symbol, and nothing else takes one")
    return Wish(wanted, symbol, detail)


def _object(content: bytes) -> dict[str, Any]:
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(given, dict):
        raise ValueError("the body is not a JSON object")
    return given
