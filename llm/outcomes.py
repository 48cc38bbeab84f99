"""What asking a model can end with: an answer, or an abstention with its reason. Both are values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

ReplyT = TypeVar("ReplyT", bound=BaseModel)


class Reason(StrEnum):
    """Why there is no answer. The value is stored in `llm_calls` as the outcome."""

    # before anything is sent
    NO_MODEL = "no_model"  # none is configured for this hour
    NOTHING_ASKED = "nothing_asked"  # no symbol, or no evidence
    PAUSED = "paused"  # the circuit breaker is open
    OVER_BUDGET = "over_budget"
    BUDGET_UNKNOWN = "budget_unknown"  # it cannot be read or written, so nothing is spent
    NOT_RECORDED = "not_recorded"  # a replay that does not know the prompt
    UNRECORDABLE = "unrecordable"  # the call could not be put on record, so it is not made
    # from the service
    NO_CREDIT = "no_credit"
    UNAUTHORISED = "unauthorised"
    WRONG_MODEL = "wrong_model"
    BAD_REQUEST = "bad_request"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    NOT_AN_API = "not_an_api"  # an answer that no chat service gives, such as a page of HTML
    # from the model
    BLANK = "blank"
    TRUNCATED = "truncated"
    NOT_JSON = "not_json"
    INVALID = "invalid"  # JSON, but not of the schema
    REFUSED = "refused"
    FILTERED = "filtered"  # stopped by the vendor's content filter
    TOOL_CALL = "tool_call"  # no tool is ever offered
    UNGROUNDED = "ungrounded"  # numbers that the evidence does not have
    # from outside
    CANCELLED = "cancelled"


LATCHING = frozenset({Reason.NO_CREDIT, Reason.UNAUTHORISED, Reason.WRONG_MODEL})  # no later call can do better
RETRYABLE = frozenset({Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.UNREACHABLE})
FAILURES = RETRYABLE | LATCHING | {Reason.TIMEOUT, Reason.NOT_AN_API, Reason.BAD_REQUEST}  # of the service
OURS = frozenset({Reason.OVER_BUDGET, Reason.BUDGET_UNKNOWN, Reason.NOT_RECORDED, Reason.UNRECORDABLE})
REPAIRABLE = frozenset({Reason.BLANK, Reason.TRUNCATED, Reason.NOT_JSON, Reason.INVALID, Reason.TOOL_CALL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstained:
    """No answer. `provider` is empty when none was asked, `detail` is one line for the operator, without secrets."""

    reason: Reason
    detail: str
    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[ReplyT]):
    """A reply that its schema accepted. `cost_usd` is that of the accepted request."""

    reply: ReplyT
    provider: str
    model: str
    llm_call_id: str
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the service counted them. `cached` are part of `input`, `reasoning` part of `output`."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model said, before anything is believed. `usage` is None where the service does not tell."""

    text: str
    finish_reason: str
    model: str
    usage: Usage | None
    refusal: str = ""
    tool_calls: int = 0
