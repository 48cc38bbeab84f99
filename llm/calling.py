"""One request to one model: reserved in the budget, sent within a deadline, settled, read, put on record."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol
from uuid import uuid4

from llm.backends import Backend, Request, Trace, untraced
from llm.budget import Budget, OverBudget
from llm.faults import detail_of, reason_of
from llm.outcomes import LATCHING, RETRYABLE, Completion, Reason, ReplyT
from llm.pricing import MICROS_PER_USD
from llm.replay import NotRecorded, prompt_text
from llm.structured import Unusable, read_reply
from market_hours import Clock, new_york_date
from records.rows import LlmCallRow
from telemetry import tracing

log = logging.getLogger(__name__)

ANSWERED = "answered"  # the outcome of a call that has no Reason
BLANKED = "***"
UNSERVED = RETRYABLE | LATCHING | {Reason.BAD_REQUEST}  # nothing was generated, so nothing is billed


class CallLog(Protocol):
    """Where calls are put on record; `observability.TradingHistory` is one."""

    @property
    def trouble(self) -> str:
        """Why nothing new should be begun; empty when all is well."""

    def record_llm_call(self, call: LlmCallRow) -> None:
        """Returns at once."""


class Deadline:
    """A point of wall time: outside calls take wall time, also in simulated time."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._end_s = time.monotonic() + limit_s

    @property
    def left_s(self) -> float:
        """Seconds, not below zero."""
        return max(0.0, self._end_s - time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[ReplyT]):
    """What came of one request."""

    call_id: str
    answer: ReplyT | Unusable
    model: str
    cost_usd: float


@dataclass(slots=True, kw_only=True)
class _Call:
    """What is known of a request under way; it goes on record however it ends."""

    backend: Backend
    request: Request
    call_id: str = field(default_factory=lambda: uuid4().hex)
    began_s: float = field(default_factory=time.monotonic)
    model: str = "unknown"
    completion: Completion | None = None
    cost_usd: float | None = None


class Caller:
    """Makes requests. No exception of a library, a network or the budget leaves `call`.

    Cancellation does, and RecordsFailed of a call log that takes nothing any more.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        budget: Budget,
        call_log: CallLog,
        secrets: Sequence[str] = (),
        trace: Trace = untraced,
    ) -> None:
        self._clock = clock
        self._budget = budget
        self._call_log = call_log
        self._secrets = sorted((secret for secret in secrets if secret), key=len, reverse=True)
        self._trace = trace

    @property
    def trouble(self) -> str:
        """Why no call could be put on record."""
        return self._call_log.trouble

    async def call(
        self, backend: Backend, request: Request, reply_class: type[ReplyT], deadline: Deadline
    ) -> Attempt[ReplyT]:
        """Send `request` once and read the reply."""
        call = _Call(backend=backend, request=request)
        answer: ReplyT | Unusable = Unusable(reason=Reason.CANCELLED, detail="the program stopped waiting")
        try:
            answer = await self._answer(call, reply_class, deadline)
        finally:
            self._record(call, answer)
        return Attempt(call_id=call.call_id, answer=answer, model=call.model, cost_usd=call.cost_usd or 0.0)

    async def _answer(self, call: _Call, reply_class: type[ReplyT], deadline: Deadline) -> ReplyT | Unusable:
        try:
            async with self._clock.outside(deadline.left_s):
                said = await self._converse(call)
        except TimeoutError:
            return Unusable(reason=Reason.TIMEOUT, detail=f"no answer within {deadline.limit_s:g} s")
        except NotRecorded as error:
            return Unusable(reason=error.reason, detail=str(error))
        except Exception as error:  # noqa: BLE001 (the border to other people's clients: classified, recorded, counted)
            self._blank_error(error)
            return Unusable(reason=reason_of(error), detail=detail_of(error))
        return said if isinstance(said, Unusable) else read_reply(said, reply_class)

    async def _converse(self, call: _Call) -> Completion | Unusable:
        """The part that waits for others. Raises whatever the backend raises."""
        backend = call.backend
        call.model = await backend.prepare()
        reservation = await self._reserve(call)
        if isinstance(reservation, Unusable):
            return reservation
        try:
            with self._trace(call.model, provider=backend.provider) as span:
                call.completion = completion = await self._completed(call)
                micros = self._micros(call, completion)
                call.cost_usd = micros / MICROS_PER_USD
                if (usage := completion.usage) is not None:
                    span.answered(
                        model=completion.model,
                        finish_reason=completion.finish_reason,
                        input_tokens=usage.input_tokens,
                        output_tokens=usage.output_tokens,
                        cached_tokens=usage.cached_tokens,
                        reasoning_tokens=usage.reasoning_tokens,
                        cost_usd=call.cost_usd,
                    )
        except Exception as error:
            if not isinstance(error, TimeoutError | NotRecorded) and reason_of(error) in UNSERVED:
                call.cost_usd = 0.0
                await self._settle(reservation, 0)
            raise
        await self._settle(reservation, micros)
        return completion

    async def _completed(self, call: _Call) -> Completion:
        """The completion. The span around shows what an error says."""
        try:
            return await call.backend.complete(call.request)
        except Exception as error:
            self._blank_error(error)
            raise

    # Money

    def _most_micros(self, call: _Call) -> int:
        prompt = prompt_text(call.request.messages) + str(call.request.schema)
        return call.backend.prices.most_micros(prompt, call.request.max_output_tokens)

    def _micros(self, call: _Call, completion: Completion) -> int:
        """What it cost; where the service does not say how many tokens there were, the most it can have been."""
        prices = call.backend.prices
        if prices.free or completion.usage is not None:
            return 0 if completion.usage is None else prices.micros(completion.usage, self._budget.now())
        return self._most_micros(call)

    async def _reserve(self, call: _Call) -> int | Unusable | None:
        """A reservation, None where the model is free, or why nothing may be spent."""
        if call.backend.prices.free:
            return None
        try:
            reserved = await asyncio.to_thread(self._budget.reserve, self._most_micros(call), call.backend.provider)
        except (sqlite3.Error, OSError) as error:
            return Unusable(reason=Reason.BUDGET_UNKNOWN, detail=f"{self._budget.path}: {error}")
        if isinstance(reserved, OverBudget):
            return Unusable(reason=Reason.OVER_BUDGET, detail=str(reserved))
        return reserved

    async def _settle(self, reservation: int | None, micros: int) -> None:
        if reservation is None:
            return
        try:
            await asyncio.to_thread(self._budget.settle, reservation, micros)
        except (sqlite3.Error, OSError) as error:
            log.warning("%s: %s; the request counts with all that was reserved for it", self._budget.path, error)

    # Record

    def _record(self, call: _Call, answer: ReplyT | Unusable) -> None:
        now = self._clock.now()
        completion = call.completion
        usage = completion.usage if completion is not None else None
        unusable = answer if isinstance(answer, Unusable) else None
        self._call_log.record_llm_call(
            LlmCallRow(
                llm_call_id=call.call_id,
                timestamp=now,
                session_date=new_york_date(now).isoformat(),
                purpose=call.request.purpose,
                provider=call.backend.provider,
                model=call.model,
                prompt=self._blank(prompt_text(call.request.messages)),
                reply=self._blank(completion.text) if completion is not None else None,
                outcome=unusable.reason.value if unusable is not None else ANSWERED,
                error=self._blank(unusable.detail) if unusable is not None else None,
                input_tokens=usage.input_tokens if usage is not None else None,
                output_tokens=usage.output_tokens if usage is not None else None,
                cost_usd=call.cost_usd,
                duration_s=round(time.monotonic() - call.began_s, 3),
                trace_id=f"{link.trace_id:032x}" if (link := tracing.current()) is not None else None,
            )
        )

    def _blank_error(self, error: Exception) -> None:
        """What a service says in an error may repeat the key. Blanked before anything cuts it in two."""
        error.args = tuple(self._blank(part) if isinstance(part, str) else part for part in error.args)

    def _blank(self, text: str) -> str:
        """`text` without any secret, and as UTF-8 can say it."""
        for secret in self._secrets:
            text = text.replace(secret, BLANKED)
        return text.encode("utf-8", "replace").decode()
