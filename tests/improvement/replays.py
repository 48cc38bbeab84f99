"""Replays by formula: what each set brings is said, not played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from evidence.bootstrap import Floats
from improvement.gate import WINDOW
from improvement.parameters import ParameterSet

BASE = ParameterSet(profit_target_pct=1.4, stop_loss_pct=0.8, rsi_cap=60.0, atr_floor_pct=1.5)
EQUAL_SHARE_PCT = 2.5
Result = Callable[[ParameterSet, int], float]  # a set and the number of a session -> bps


def date_of(session: int) -> str:
    """Names that sort in time."""
    return f"2026-{session // 28 + 1:02}-{session % 28 + 1:02}"


class SaidReplays:
    """`improvement.gate.Replays` of the last sessions before `end`; doubled costs take `stress_bps` from every set but
    `BASE`."""

    def __init__(self, result: Result, end: int, stress_bps: float = 0.0) -> None:
        self._result = result
        self._numbers = range(max(0, end - WINDOW), end)
        self._stress_bps = stress_bps

    @property
    def sessions(self) -> tuple[str, ...]:
        return tuple(date_of(number) for number in self._numbers)

    def bps(self, sets: Sequence[ParameterSet], *, stressed: bool = False) -> Floats:
        return np.array(
            [
                [
                    self._result(each, number) - (self._stress_bps if stressed and each != BASE else 0.0)
                    for number in self._numbers
                ]
                for each in sets
            ]
        )


@lru_cache(maxsize=1_000_000)
def noise(session: int, of: str = "market", spread_bps: float = 10.0) -> float:
    """The same for the same session and name."""
    rng = np.random.default_rng([session, *of.encode()])
    return float(rng.normal(0.0, spread_bps))
