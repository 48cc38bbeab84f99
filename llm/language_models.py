"""One question to the models in their order: `Answered`, or `Abstained` with the reason of the first one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from llm.backends import Backend, Request
from llm.breaker import Breaker
from llm.calling import Caller, Deadline
from llm.outcomes import LATCHING, REPAIRABLE, RETRYABLE, Abstained, Answered, Reason, ReplyT
from llm.prompts import Message
from llm.questions import schema_of
from llm.structured import Unusable
from market_hours import Clock

log = logging.getLogger(__name__)

REPAIR = "Your last reply was refused: {fault}. Answer again with the JSON object of the schema and nothing else."


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one model may take for one answer. Pauses double with each retry."""

    timeout_s: float
    retries: int
    retry_pause_s: float
    max_output_tokens: int


class LanguageModels:
    """Asks the backends of `order()`, one after the other, until one answers.

    Each gets `limits.timeout_s` of wall time for everything: loading, the request, `retries`, one repair of an
    unusable reply. What goes wrong outside is a value. Close it on the event loop that asked.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        order: Callable[[], Sequence[str]],
        caller: Caller,
        *,
        clock: Clock,
        limits: Limits,
        breaker: Breaker,
    ) -> None:
        self._backends = {backend.provider: backend for backend in backends}
        self._order = order
        self._caller = caller
        self._clock = clock
        self._limits = limits
        self._breakers = dict.fromkeys(self._backends, breaker)  # provider -> its state
        self._jitter = Random(0)  # spreads retries; no decision depends on it

    @property
    def order(self) -> tuple[str, ...]:
        """The providers that would be asked now, in their order."""
        return tuple(name for name in self._order() if name in self._backends)

    async def ask(
        self, purpose: str, messages: Sequence[Message], reply_class: type[ReplyT]
    ) -> Answered[ReplyT] | Abstained:
        """The reply of the first model that gives one; with none, the first model's reason and all details."""
        refusals: list[Abstained] = []
        for provider in self.order:
            outcome = await self._ask_one(self._backends[provider], purpose, tuple(messages), reply_class)
            if isinstance(outcome, Answered):
                return outcome
            log.warning("%s: %s abstains: %s (%s)", purpose, provider, outcome.reason, outcome.detail)
            refusals.append(outcome)
        if not refusals:
            return Abstained(reason=Reason.NO_MODEL, detail="no model is configured for this hour")
        details = "; ".join(f"{each.provider}: {each.reason} ({each.detail})" for each in refusals)
        return Abstained(reason=refusals[0].reason, detail=details, provider=refusals[0].provider)

    async def close(self) -> None:
        """Give the connections of all models back."""
        for backend in self._backends.values():
            await backend.close()

    async def _ask_one(
        self, backend: Backend, purpose: str, messages: tuple[Message, ...], reply_class: type[ReplyT]
    ) -> Answered[ReplyT] | Abstained:
        deadline = Deadline(self._limits.timeout_s)
        conversation, retries, repaired = messages, 0, False
        while (refusal := self._refusal(backend.provider)) is None:
            request = Request(
                purpose=purpose,
                messages=conversation,
                schema=schema_of(reply_class),
                max_output_tokens=self._limits.max_output_tokens,
            )
            attempt = await self._caller.call(backend, request, reply_class, deadline)
            answer = attempt.answer
            self._note(backend.provider, answer.reason if isinstance(answer, Unusable) else None)
            if not isinstance(answer, Unusable):
                return Answered(
                    reply=answer,
                    provider=backend.provider,
                    model=attempt.model,
                    llm_call_id=attempt.call_id,
                    cost_usd=attempt.cost_usd,
                )
            pause_s = self._limits.retry_pause_s * 2**retries * (0.5 + self._jitter.random())
            if answer.reason in RETRYABLE and retries < self._limits.retries and pause_s < deadline.left_s:
                retries += 1
                await self._clock.sleep_until(self._clock.now() + timedelta(seconds=pause_s))
            elif answer.reason in REPAIRABLE and not repaired and deadline.left_s > 0:
                repaired = True
                conversation = (*messages, ("user", REPAIR.format(fault=answer.detail)))
            else:
                return Abstained(reason=answer.reason, detail=answer.detail, provider=backend.provider)
        return refusal

    def _refusal(self, provider: str) -> Abstained | None:
        """Why nothing may be sent now."""
        if words := self._breakers[provider].refusal(self._clock.now()):
            return Abstained(reason=Reason.PAUSED, detail=words, provider=provider)
        if words := self._caller.trouble:
            return Abstained(reason=Reason.UNRECORDABLE, detail=words, provider=provider)
        return None

    def _note(self, provider: str, reason: Reason | None) -> None:
        self._breakers[provider] = self._breakers[provider].after(reason, self._clock.now())
        if reason in LATCHING:
            log.error("%s is not asked again in this run: %s", provider, reason)
