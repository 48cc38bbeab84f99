"""What is said instead of a number that the data cannot carry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TooFew:
    """`found` of the `needed` days, round trips or forecasts (`what`). Enough of them: they do not differ."""

    what: str
    found: int
    needed: int

    def __str__(self) -> str:
        if self.found < self.needed:
            return f"too few {self.what}: {self.found} of {self.needed}"
        return f"{self.found} {self.what} without a spread"
