"""A name or an order that a rule refused: a value, recorded and reported, never an exception."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`limit` and `actual` share the rule's unit; None where the rule has no number or the value is missing."""

    symbol: str
    rule: str
    limit: float | str | None = None
    actual: float | str | None = None

    def __str__(self) -> str:
        if self.limit is None and self.actual is None:
            return f"{self.symbol}: {self.rule}"
        return f"{self.symbol}: {self.rule} (limit {self.limit}, actual {self.actual})"
