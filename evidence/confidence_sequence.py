"""A confidence sequence for a mean: intervals that hold at all times at once, however often one looks.

Normal mixture for normal data of unknown spread: the likelihood ratio of the t statistic, with a normal prior on the
effect in units of the spread, is a martingale from 1 when the mean is as supposed, so by Ville's inequality it ever
reaches 1 ÷ α with probability α at most. Sources: Lai (1976); Wang & Ramdas (2025), "Anytime-valid t-tests and
confidence sequences for Gaussian means with unknown variance"; Robbins (1970).
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, inf, log, sqrt

import numpy as np

from evidence.bootstrap import Floats


@lru_cache(1_024)
def prior_days_for(horizon_days: int, alpha: float) -> float:
    """The weight of the prior, in days, that makes the interval at `horizon_days` as narrow as it can be.

    Raises ValueError for a horizon under three days, in which no spread can be known.
    """
    if horizon_days < 3:
        raise ValueError(f"a horizon of {horizon_days} days is too short to know a spread")
    candidates = np.exp(np.linspace(log(1e-3), log(10.0 * horizon_days), 400))
    radii = [relative_radius(horizon_days, alpha, float(days)) for days in candidates]
    return float(candidates[int(np.argmin(radii))])


@lru_cache(maxsize=100_000)
def relative_radius(days: int, alpha: float, prior_days: float) -> float:
    """Half the interval's width in units of the sample's spread (with n − 1); infinite while too little is known."""
    if days < 2:
        return inf
    growth = exp((2.0 * log(1.0 / alpha) + log((days + prior_days) / prior_days)) / days)
    room = 1.0 - growth * prior_days / (days + prior_days)
    return sqrt((growth - 1.0) * (days - 1) / (days * room)) if room > 0 else inf


def confidence_sequence(values: Floats, alpha: float, prior_days: float) -> tuple[Floats, Floats]:
    """Lower and upper bounds (n,) of the mean after each of `values` (n,). Their running intersection holds, too."""
    counts = np.arange(1, len(values) + 1, dtype=np.float64)
    if not len(values):
        return counts, counts
    shifted = values - values[0]  # sums of squares of differences do not lose digits
    means, squares = np.cumsum(shifted) / counts, np.cumsum(shifted**2)
    spreads = np.sqrt(np.maximum(squares - counts * means**2, 0.0) / np.maximum(counts - 1, 1))
    radii = np.array([relative_radius(int(days), alpha, prior_days) for days in counts])
    with np.errstate(invalid="ignore"):
        reach = np.where(np.isinf(radii), inf, radii * spreads)
    return values[0] + means - reach, values[0] + means + reach


def days_needed(effect: float, spread: float, alpha: float, prior_days: float, most_days: int) -> int | None:
    """The first day on which an estimate of `effect` shows beyond doubt; None when not within `most_days`."""
    if spread <= 0:
        return None
    return next(
        (days for days in range(2, most_days + 1) if relative_radius(days, alpha, prior_days) * spread < effect), None
    )
