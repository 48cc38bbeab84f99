"""Whether a universe looks as if it had been chosen with hindsight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from portfolio.history import PriceHistory

LEAST_SESSIONS = 504  # in two years some names of a real universe are taken over or fail


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivorshipWarning:
    """Every name is still there at the end of a long history: those that failed were left out beforehand."""

    names: int
    sessions: int

    def __str__(self) -> str:
        return (
            f"survivorship: all {self.names} names trade to the end of {self.sessions} sessions; the universe was "
            "chosen with hindsight, and the result, like that of equal weight, is better than anyone could have had"
        )


def survivorship(history: PriceHistory) -> SurvivorshipWarning | None:
    """Warn when no name of `history` leaves it, though it is long enough that some should."""
    if len(history.sessions) < LEAST_SESSIONS or not history.symbols:
        return None
    if not np.isfinite(history.closes_usd[-1]).all():
        return None
    return SurvivorshipWarning(names=len(history.symbols), sessions=len(history.sessions))
