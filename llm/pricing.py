"""What requests cost, in millionths of a US dollar. Prices are settings; here is only how they are applied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from llm.outcomes import Usage

MICROS_PER_USD = 1_000_000
TOKENS_PER_PRICE = 1_000_000
OVERHEAD_TOKENS = 100  # what a service puts around a conversation: roles, template, response format

# 01:00-04:00 and 06:00-10:00 UTC, Monday to Friday: DeepSeek's price list of 2026-09
PEAK_HOURS_UTC = frozenset({1, 2, 3, 6, 7, 8, 9})
SATURDAY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """USD per million tokens at peak hours; outside them `off_peak` (0 to 1] of that."""

    input_usd: float = 0.0
    cached_usd: float = 0.0
    output_usd: float = 0.0
    off_peak: float = 1.0

    @property
    def free(self) -> bool:
        return not (self.input_usd or self.cached_usd or self.output_usd)

    def most_micros(self, prompt: str, max_output_tokens: int) -> int:
        """More than the request can cost: a token is at least one byte, no cache, peak hours."""
        input_tokens = len(prompt.encode()) + OVERHEAD_TOKENS
        return self._micros(input_tokens * self.input_usd + max_output_tokens * self.output_usd)

    def micros(self, usage: Usage, sent_at: datetime) -> int:
        """What it did cost. A request belongs to the hour in which it was sent."""
        fresh = max(0, usage.input_tokens - usage.cached_tokens)
        at_peak = fresh * self.input_usd + usage.cached_tokens * self.cached_usd + usage.output_tokens * self.output_usd
        return self._micros(at_peak if is_peak(sent_at) else at_peak * self.off_peak)

    @staticmethod
    def _micros(usd_times_tokens: float) -> int:
        return math.ceil(usd_times_tokens / TOKENS_PER_PRICE * MICROS_PER_USD)


def is_peak(when: datetime) -> bool:
    """Whether DeepSeek charges the full price at `when` (aware, UTC)."""
    return when.weekday() < SATURDAY and when.hour in PEAK_HOURS_UTC
