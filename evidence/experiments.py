"""Two variants compared day by day on the same sessions: what was promised beforehand, and what can be said now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from evidence.bootstrap import Floats, Interval
from evidence.confidence_sequence import confidence_sequence, days_needed, prior_days_for

DAYS_WITHOUT_A_VERDICT = 5  # so many sessions on which the variants differed decide nothing yet
MOST_DAYS = 2_520  # ten years: beyond it "days still needed" is no plan


class Verdict(StrEnum):
    """`inconclusive` unless shown otherwise; `no_gain`: better by less than the least effect, no better, or worse."""

    INCONCLUSIVE = "inconclusive"
    BETTER = "better"
    NO_GAIN = "no_gain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What is fixed before the first day. Differences are candidate − baseline, in bps of equity a day.

    `trials` is how many candidates are tried at once: each gets its share of `alpha`. Raises ValueError for what
    cannot be an experiment.
    """

    name: str
    baseline: str
    candidate: str
    horizon_days: int
    least_effect_bps: float
    alpha: float = 0.05
    trials: int = 1

    def __post_init__(self) -> None:
        if not DAYS_WITHOUT_A_VERDICT < self.horizon_days <= MOST_DAYS:
            raise ValueError(f"{self.name}: a horizon of {self.horizon_days} days is not in 6 to {MOST_DAYS}")
        if not 0 < self.alpha < 0.5 or self.trials < 1 or self.least_effect_bps <= 0:
            raise ValueError(f"{self.name}: needs 0 < alpha < 0.5, a trial at least and an effect above 0")

    @property
    def alpha_each(self) -> float:
        """The probability of a false verdict that one of the trials may have."""
        return self.alpha / self.trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an experiment is after `days`. `decided_on` is the day of the verdict, None while there is none.

    `days_still_needed` would show the least effect at the present spread; None when ten years would not.
    """

    verdict: Verdict
    days: int
    effect_bps: float | None
    interval_bps: Interval | None
    decided_on: int | None
    days_still_needed: int | None
    is_over: bool


def standing(registration: Registration, differences_bps: Floats) -> Standing:
    """Judge the paired `differences_bps` (n_days,), in the order of the sessions.

    The first day that shows something decides; what follows cannot take it back. Days beyond the horizon do not count.
    Raises ValueError when a difference is not a finite number.
    """
    if not np.isfinite(differences_bps).all():
        raise ValueError(f"{registration.name}: a difference is not a number")
    seen = np.asarray(differences_bps[: registration.horizon_days], dtype=np.float64)
    alpha, prior_days = registration.alpha_each, prior_days_for(registration.horizon_days, registration.alpha_each)
    low, high = confidence_sequence(seen, alpha, prior_days)
    verdict, day = _first_verdict(registration, seen, low, high)
    counted = day or len(seen)
    if not counted:
        return Standing(
            verdict=verdict,
            days=0,
            effect_bps=None,
            interval_bps=None,
            decided_on=None,
            days_still_needed=None,
            is_over=False,
        )
    needed = None
    if day is None and counted > 1:
        spread = float(seen.std(ddof=1))
        total = days_needed(registration.least_effect_bps, spread, alpha, prior_days, MOST_DAYS)
        needed = None if total is None else max(0, total - counted)
    return Standing(
        verdict=verdict,
        days=counted,
        effect_bps=float(seen[:counted].mean()),
        interval_bps=Interval(float(low[counted - 1]), float(high[counted - 1]), 1 - alpha),
        decided_on=day,
        days_still_needed=needed,
        is_over=day is not None or len(seen) == registration.horizon_days,
    )


def _first_verdict(registration: Registration, seen: Floats, low: Floats, high: Floats) -> tuple[Verdict, int | None]:
    """The verdict and the day (from 1) on which it fell."""
    if not len(seen):
        return Verdict.INCONCLUSIVE, None
    ripe = np.cumsum(seen != 0) > DAYS_WITHOUT_A_VERDICT  # equal results have no spread, and prove nothing
    means = np.cumsum(seen) / np.arange(1, len(seen) + 1)
    grounds = (
        (Verdict.NO_GAIN, high < registration.least_effect_bps),
        (Verdict.BETTER, (low > 0) & (means >= registration.least_effect_bps)),
    )
    days = [(int(np.argmax(shown & ripe)) + 1, verdict) for verdict, shown in grounds if (shown & ripe).any()]
    if not days:
        return Verdict.INCONCLUSIVE, None
    day, verdict = min(days, key=lambda found: found[0])
    return verdict, day
