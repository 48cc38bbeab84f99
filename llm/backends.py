"""What `LanguageModels` asks of a model, whoever serves it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from llm.outcomes import Completion
from llm.pricing import Prices
from llm.prompts import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: the conversation, the schema of the reply, its longest length in tokens."""

    purpose: str
    messages: Sequence[Message]
    schema: dict[str, Any]
    max_output_tokens: int


class Backend(Protocol):
    """One model. Its methods raise whatever its library raises; `faults` classifies it. Bounded by the caller."""

    provider: str
    prices: Prices

    async def prepare(self) -> str:
        """Load the library, ask the service what it serves: the model's name. Raises WrongModel if it is not there."""

    async def complete(self, request: Request) -> Completion:
        """Send one request, once: no retries."""

    async def close(self) -> None:
        """Give connections back."""


class WrongModel(Exception):
    """The service does not serve the configured model. `status_code` is what it would have answered."""

    status_code = 404

    def __init__(self, model: str, served: Sequence[str]) -> None:
        super().__init__(f"model {model!r} not found, there are: {', '.join(served[:10]) or 'none'}")


class TracedCall(Protocol):
    """A span of one request."""

    def answered(
        self,
        *,
        model: str,
        finish_reason: str,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        reasoning_tokens: int = 0,
        cost_usd: float = 0.0,
    ) -> None:
        """What the model answered with, and what it costs."""


class Trace(Protocol):
    """Opens the span `chat MODEL`; `telemetry.conventions.chat_call` is one."""

    def __call__(self, model: str, *, provider: str) -> AbstractContextManager[TracedCall]: ...


class _Untraced:
    def answered(self, **_: object) -> None:
        """Nobody listens."""


def untraced(model: str, *, provider: str) -> AbstractContextManager[TracedCall]:
    """Where no telemetry is wired."""
    return nullcontext(_Untraced())
