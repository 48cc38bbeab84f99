"""The circuit breaker of one model: after failures in a row it is left alone for a while. Pure; time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from llm.outcomes import FAILURES, LATCHING, OURS, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """`latched` is why this run asks no more; after a pause one request may try, and a failure pauses again."""

    limit: int
    pause: timedelta
    failures: int = 0
    paused_until: datetime | None = None
    latched: Reason | None = None

    def refusal(self, now: datetime) -> str:
        """Why nothing may be sent at `now`; empty when it may."""
        if self.latched is not None:
            return f"not asked again in this run: {self.latched}"
        if self.paused_until is not None and now < self.paused_until:
            return f"{self.failures} failures in a row, asked again after {self.paused_until:%H:%M:%S} UTC"
        return ""

    def after(self, reason: Reason | None, now: datetime) -> Breaker:
        """The breaker after one attempt. None is an answer; what our own side refused says nothing of the service."""
        if reason in OURS:
            return self
        if reason not in FAILURES:
            return replace(self, failures=0, paused_until=None)
        failures = self.failures + 1
        latched = reason if reason in LATCHING else self.latched
        paused_until = now + self.pause if failures >= self.limit else None
        return replace(self, failures=failures, paused_until=paused_until, latched=latched)
