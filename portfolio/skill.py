"""How much a source of forecasts has earned: its measured skill, and the influence that follows from it.

Forecasts of one cycle share a market and are not independent, so a cycle counts once: its mean gain in Brier score
over climatology, which knows only outcomes of earlier cycles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z_95 = 1.645  # one-sided
LEAST_CYCLES = 8  # before that no skill is believed
HALF_TRUST_CYCLES = 26  # half a year of weekly cycles earn half of what the skill would give
FULL_SKILL = 0.10  # a proven Brier skill that deserves all the influence there is
MAX_INFLUENCE = 0.50  # of a perfect source: the deterministic score is never outvoted


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledForecast:
    """A probability said in a cycle, and whether the event came."""

    cycle: int
    probability: float
    came_true: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSkill:
    """Brier skill against climatology: 1 is perfect, 0 none. `lower` is its one-sided 95 % bound over cycles."""

    cycles: int
    forecasts: int
    skill: float
    lower: float

    @property
    def influence(self) -> float:
        """Share of the view that is the source's, 0 … `MAX_INFLUENCE`: zero at first, and while nothing is proven."""
        if self.cycles < LEAST_CYCLES or not math.isfinite(self.lower):
            return 0.0
        trust = self.cycles / (self.cycles + HALF_TRUST_CYCLES)
        return MAX_INFLUENCE * trust * min(max(self.lower / FULL_SKILL, 0.0), 1.0)


NO_SKILL = MeasuredSkill(cycles=0, forecasts=0, skill=0.0, lower=0.0)


def measured_skill(forecasts: Sequence[SettledForecast]) -> MeasuredSkill:
    """Judge settled forecasts. Raises `ValueError` for a probability that is none."""
    by_cycle: dict[int, list[SettledForecast]] = {}
    for forecast in forecasts:
        if not 0.0 <= forecast.probability <= 1.0:
            raise ValueError(f"{forecast.probability!r} is not a probability")
        by_cycle.setdefault(forecast.cycle, []).append(forecast)
    gains, baselines = [], []
    came, seen = 1.0, 2.0  # climatology begins as if one of two events had come true
    for cycle in sorted(by_cycle):
        said = np.array([each.probability for each in by_cycle[cycle]])
        truth = np.array([each.came_true for each in by_cycle[cycle]], dtype=np.float64)
        baseline = float(np.mean((came / seen - truth) ** 2))
        gains.append(baseline - float(np.mean((said - truth) ** 2)))
        baselines.append(baseline)
        came, seen = came + float(truth.sum()), seen + len(truth)
    if len(gains) < 2:
        return MeasuredSkill(cycles=len(gains), forecasts=len(forecasts), skill=0.0, lower=0.0)
    scale = max(float(np.mean(baselines)), 1e-9)
    error = float(np.std(gains, ddof=1)) / math.sqrt(len(gains))
    mean = float(np.mean(gains))
    return MeasuredSkill(
        cycles=len(gains), forecasts=len(forecasts), skill=mean / scale, lower=(mean - Z_95 * error) / scale
    )
