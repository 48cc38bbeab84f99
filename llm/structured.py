"""From the text of a model to a value of its schema, or to the reason why not. Nothing is guessed or mended."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from llm.outcomes import Completion, Reason, ReplyT

LONGEST_REPLY = 64_000  # characters
FAULTS_TOLD = 5

_FENCED = re.compile(r"\A```(?:json)?\s*\n(.*?)\n?```\Z", re.DOTALL)  # small models wrap JSON in Markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A completion that is no answer. `detail` never repeats what the model wrote."""

    reason: Reason
    detail: str


def read_reply(completion: Completion, reply_class: type[ReplyT]) -> ReplyT | Unusable:
    """The validated reply, or why there is none."""
    if completion.tool_calls:
        return Unusable(reason=Reason.TOOL_CALL, detail="it called a tool, and none was offered")
    if completion.finish_reason == "content_filter":
        return Unusable(reason=Reason.FILTERED, detail="stopped by the content filter")
    if completion.finish_reason == "insufficient_system_resource":
        return Unusable(reason=Reason.SERVER_ERROR, detail="the service ran out of resources")
    text = completion.text.strip()
    if completion.refusal:
        return Unusable(reason=Reason.REFUSED, detail="it refused to answer")
    cut = completion.finish_reason == "length"
    if not text:
        detail = "nothing left for the reply after reasoning" if cut else "an empty reply"
        return Unusable(reason=Reason.TRUNCATED if cut else Reason.BLANK, detail=detail)
    if len(text) > LONGEST_REPLY:
        return Unusable(reason=Reason.INVALID, detail=f"longer than {LONGEST_REPLY} characters")
    if (fenced := _FENCED.match(text)) is not None:
        text = fenced[1].strip()
    value = _read_json(text, cut=cut)
    return value if isinstance(value, Unusable) else _validated(value, reply_class)


def _read_json(text: str, *, cut: bool) -> Any:
    if "{" not in text:
        return Unusable(reason=Reason.REFUSED, detail="prose instead of JSON")
    try:
        # grammars of local servers allow bare line breaks in texts: one reading only, and our texts lose them anyway
        return json.loads(text, strict=False, object_pairs_hook=_unique, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        ended = error.pos >= len(text) or error.msg.startswith("Unterminated string")
        reason = Reason.TRUNCATED if cut or ended else Reason.NOT_JSON
        return Unusable(reason=reason, detail=f"{error.msg} at character {error.pos}")
    except (ValueError, RecursionError) as error:
        return Unusable(reason=Reason.NOT_JSON, detail=str(error))


def _validated(value: Any, reply_class: type[ReplyT]) -> ReplyT | Unusable:
    try:
        return reply_class.model_validate(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        told = [f"{'.'.join(map(_place, fault['loc'])) or 'reply'}: {fault['msg']}" for fault in faults[:FAULTS_TOLD]]
        more = f" and {len(faults) - FAULTS_TOLD} more" if len(faults) > FAULTS_TOLD else ""
        return Unusable(reason=Reason.INVALID, detail="; ".join(told) + more)


def _place(part: int | str) -> str:
    """A part of a fault's path. A key that the model invented is its own text and is not repeated."""
    return str(part) if isinstance(part, int) or re.fullmatch(r"[a-z_]{1,30}", part) else "(unknown key)"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
