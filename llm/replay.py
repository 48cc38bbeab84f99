"""Recorded replies instead of models: the same prompts get the replies of an earlier run, without a key."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from llm.backends import Request
from llm.outcomes import Completion, Reason, Usage
from llm.pricing import Prices
from llm.prompts import Message
from records.connections import open_for_reading
from utils import Misconfigured

_SELECT = """
SELECT purpose, prompt, reply, outcome, model, provider, input_tokens, output_tokens
FROM llm_calls ORDER BY rowid
"""


class NotRecorded(Exception):
    """The recording does not know this prompt, or knows only that it got no reply."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def prompt_text(messages: Sequence[Message]) -> str:
    """A conversation as `llm_calls.prompt` keeps it, and as a recording finds it again."""
    return json.dumps([{"role": role, "content": text} for role, text in messages], ensure_ascii=False)


class RecordedReplies:
    """The replies in `llm_calls` of the database `path`; of several to one prompt the last that had a text.

    Raises Misconfigured when the file is no such database or holds no call.
    """

    provider = "replay"
    prices = Prices()

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise Misconfigured(f"{path}: no such recording of language models")
        try:
            with closing(open_for_reading(path)) as connection:
                found = connection.execute(_SELECT).fetchall()
        except sqlite3.Error as error:
            raise Misconfigured(f"{path}: is not a recording of language models: {error}") from error
        if not found:
            raise Misconfigured(f"{path}: holds no call of a language model")
        self._replies: dict[tuple[str, str], sqlite3.Row] = {}  # (purpose, prompt) -> its row
        for row in found:
            key = row["purpose"], row["prompt"]
            if row["reply"] is not None or key not in self._replies:
                self._replies[key] = row

    async def prepare(self) -> str:
        return "recorded"

    async def complete(self, request: Request) -> Completion:
        """The recorded completion. Raises NotRecorded."""
        row = self._replies.get((request.purpose, prompt_text(request.messages)))
        if row is None:
            raise NotRecorded(Reason.NOT_RECORDED, f"no recorded reply to this prompt of {request.purpose}")
        if row["reply"] is None:
            raise NotRecorded(Reason(row["outcome"]), "as recorded")
        counted = row["input_tokens"] is not None and row["output_tokens"] is not None
        return Completion(
            text=row["reply"],
            finish_reason="length" if row["outcome"] == Reason.TRUNCATED else "stop",
            model=row["model"],
            usage=Usage(input_tokens=row["input_tokens"], output_tokens=row["output_tokens"]) if counted else None,
            refusal="as recorded" if row["outcome"] == Reason.REFUSED else "",
            tool_calls=int(row["outcome"] == Reason.TOOL_CALL),
        )

    async def close(self) -> None:
        """Nothing is open."""
