"""The stationary bootstrap: resamples of dependent data in blocks of random length.

Source: Politis & Romano (1994), "The stationary bootstrap"; the block length: Politis & White (2004) with the
correction of Patton, Politis & White (2009).
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log10, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
RESAMPLES = 2_000
LEVEL = 0.95


class Interval(NamedTuple):
    """A confidence interval. `level` is its coverage, 0.95 say."""

    low: float
    high: float
    level: float = LEVEL


def block_length(values: Floats) -> float:
    """The mean block length that suits `values` (n,), at least 1; 1 for what has no spread."""
    n = len(values)
    centred = values - values.mean()
    variance = float(centred @ centred) / n
    if n < 4 or variance <= 1e-300:
        return 1.0
    reach = min(n - 1, ceil(sqrt(n)) + max(5, ceil(log10(n))))
    covariances = np.array([float(centred[: n - lag] @ centred[lag:]) / n for lag in range(reach + 1)])
    cut = _first_quiet_lag(covariances[1:] / variance, n)
    lags = np.arange(-min(2 * cut, reach), min(2 * cut, reach) + 1)
    weights = np.clip(2.0 * (1.0 - np.abs(lags) / max(2 * cut, 1)), 0.0, 1.0)  # flat-top window
    taken = weights * covariances[np.abs(lags)]
    spectrum, slope = float(taken.sum()), float((np.abs(lags) * taken).sum())
    if spectrum <= 0:
        return 1.0
    longest = ceil(min(3 * sqrt(n), n / 3))
    return float(np.clip((2 * slope**2 / (2 * spectrum**2)) ** (1 / 3) * n ** (1 / 3), 1.0, longest))


def resampled(n: int, block: float, resamples: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Indices (resamples, n) of the stationary bootstrap; the series is a ring."""
    begins = rng.random((resamples, n)) < 1.0 / block
    begins[:, 0] = True
    places = np.arange(n)
    latest = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    starts = np.take_along_axis(rng.integers(n, size=(resamples, n)), latest, axis=1)
    return np.asarray((starts + places - latest) % n, dtype=np.int64)


def bootstrap_interval(
    values: Floats,
    statistic: Callable[[Floats], Floats],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Percentile interval of `statistic`, which maps samples (resamples, n) to values (resamples,)."""
    rng = np.random.default_rng(seed)
    found = statistic(values[resampled(len(values), block_length(values), resamples, rng)])
    low, high = np.quantile(found[np.isfinite(found)], [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)


def means(samples: Floats) -> Floats:
    """The statistic of `bootstrap_interval` that is the mean."""
    return np.asarray(samples.mean(axis=1), dtype=np.float64)


def _first_quiet_lag(correlations: Floats, n: int) -> int:
    """The last lag before several in a row are too small to matter."""
    bound, run = 2.0 * sqrt(log10(n) / n), max(5, ceil(log10(n)))
    loud = np.abs(correlations) > bound
    for lag in range(len(correlations)):
        if not loud[lag : lag + run].any():
            return max(lag, 1)
    return int(np.flatnonzero(loud)[-1]) + 1
