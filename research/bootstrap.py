"""Intervals and comparisons that keep the order of sessions: stationary bootstrap and the SPA test, both of `arch`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evidence.overfitting import LEAST_PERIODS, sharpe
from research.tapes import Floats

RESAMPLES = 2_000
LEVEL = 0.95


class Interval(NamedTuple):
    """Where a figure lies with 95 % confidence; NaN for too few sessions."""

    low: float
    high: float


NOTHING = Interval(float("nan"), float("nan"))


def mean_and_sharpe(returns: Floats, seed: int = 0) -> tuple[Interval, Interval]:
    """Intervals of the mean and of the Sharpe ratio of (n_sessions,) returns, by percentiles.

    The mean length of a block is the one that Politis and White (2004) choose for these returns.
    """
    if len(returns) < LEAST_PERIODS or not returns.std():
        return NOTHING, NOTHING
    from arch.bootstrap import StationaryBootstrap

    bootstrap = StationaryBootstrap(max(1, round(_block(returns))), returns, seed=seed)
    found = bootstrap.apply(lambda sample: np.array([sample.mean(), float(sharpe(sample))]), RESAMPLES)
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Interval(low[0], high[0]), Interval(low[1], high[1])


def superior_predictive_ability(current: Floats, others: Floats, seed: int = 0) -> float:
    """Hansen's (2005) consistent p-value that none of `others` (n_sets, n_sessions) beats `current` (n_sessions,).

    A small value says that the search found something better than the parameters in use, its breadth considered.
    NaN for too few sessions or where nothing differs.
    """
    differs = (others != current).any(axis=1)
    if len(current) < LEAST_PERIODS or not differs.any():
        return float("nan")
    from arch.bootstrap import SPA

    test = SPA(-current, -others[differs].T, block_size=max(1, round(_block(current))), reps=RESAMPLES, seed=seed)
    test.compute()
    return float(test.pvalues["consistent"])


def _block(returns: Floats) -> float:
    """Mean length of a block in sessions, from 1 to a quarter of them."""
    from arch.bootstrap import optimal_block_length

    if not returns.std():
        return 1.0
    found = float(optimal_block_length(returns)["stationary"].iloc[0])
    return min(max(found, 1.0), len(returns) / 4) if found == found else 1.0
