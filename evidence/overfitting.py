"""How much of a search's best result is luck: probabilistic and deflated Sharpe ratio, probability of overfitting.

Sharpe ratios are of one period (a session), not annualised; returns are shares of the account.
"""

from __future__ import annotations

from itertools import combinations
from math import e, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EULER_MASCHERONI = 0.5772156649015329
MOST_BLOCKS = 12  # 924 ways to halve them
LEAST_PERIODS = 20  # fewer say nothing about a Sharpe ratio
NORMAL = NormalDist()


def sharpe(returns: Floats) -> Floats:
    """Mean over standard deviation along the last axis (n - 1); 0 where nothing varies, as in a single period."""
    if returns.shape[-1] < 2:
        return np.zeros(returns.shape[:-1])
    spread = returns.std(axis=-1, ddof=1)
    varies = spread > 1e-15 * np.maximum(np.abs(returns).max(axis=-1), 1e-300)
    return np.where(varies, returns.mean(axis=-1) / np.where(varies, spread, 1.0), 0.0)


def probabilistic_sharpe(returns: Floats, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds `benchmark`, given skew and fat tails of (n,) returns.

    Source: Bailey and López de Prado, The Sharpe Ratio Efficient Frontier (2012). NaN for too few periods.
    """
    if len(returns) < LEAST_PERIODS or not returns.std():
        return float("nan")
    ratio = float(sharpe(returns))
    scaled = (returns - returns.mean()) / returns.std()
    skew, kurtosis = float((scaled**3).mean()), float((scaled**4).mean())
    variance = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    if variance <= 0:
        return float("nan")
    return NORMAL.cdf((ratio - benchmark) * sqrt(len(returns) - 1) / sqrt(variance))


def expected_best_sharpe(trials: Floats) -> float:
    """The Sharpe ratio that the best of these trials would show if none had any skill. `trials` has shape (n,)."""
    if len(trials) < 2:
        return 0.0
    n = len(trials)
    first, second = NORMAL.inv_cdf(1 - 1 / n), NORMAL.inv_cdf(1 - 1 / (n * e))
    return float(trials.std(ddof=1)) * ((1 - EULER_MASCHERONI) * first + EULER_MASCHERONI * second)


def deflated_sharpe(returns: Floats, trials: Floats) -> float:
    """Probability that the best trial's Sharpe ratio is real, after all `trials` (n,) that were made to find it.

    Source: Bailey and López de Prado, The Deflated Sharpe Ratio (2014). NaN for too few periods.
    """
    return probabilistic_sharpe(returns, expected_best_sharpe(trials))


def overfitting_probability(returns: Floats) -> float:
    """How often the best of (n_sets, n_periods) in one half of the time is below the median in the other half.

    Combinatorially symmetric cross-validation: Bailey, Borwein, López de Prado and Zhu, The Probability of Backtest
    Overfitting (2015). A result at the median counts half. NaN for too few periods or less than two sets.
    """
    n_sets, n_periods = returns.shape
    blocks = min(MOST_BLOCKS, n_periods // 4 * 2)
    if n_sets < 2 or n_periods < LEAST_PERIODS or blocks < 4:
        return float("nan")
    edges = np.linspace(0, n_periods, blocks + 1).astype(int)
    sums = np.add.reduceat(returns, edges[:-1], axis=1)
    squares = np.add.reduceat(returns**2, edges[:-1], axis=1)
    lengths = np.diff(edges)
    below = 0.0
    halves = list(combinations(range(blocks), blocks // 2))
    for half in halves:
        inside = np.zeros(blocks, dtype=np.bool_)
        inside[list(half)] = True
        chosen = int(np.argmax(_sharpe_of(sums, squares, lengths, inside)))
        outside = _sharpe_of(sums, squares, lengths, ~inside)
        worse, equal = (outside < outside[chosen]).sum(), (outside == outside[chosen]).sum() - 1
        rank = (worse + equal / 2 + 1) / (n_sets + 1)  # 0 to 1, the median at 0.5
        below += 1.0 if rank < 0.5 else 0.5 if rank == 0.5 else 0.0
    return below / len(halves)


def _sharpe_of(sums: Floats, squares: Floats, lengths: NDArray[np.int64], inside: NDArray[np.bool_]) -> Floats:
    """Sharpe ratio of each set over the chosen blocks, from their sums and sums of squares."""
    n = int(lengths[inside].sum())
    mean = sums[:, inside].sum(axis=1) / n
    variance = np.maximum(squares[:, inside].sum(axis=1) / n - mean**2, 0.0)
    varies = variance > 1e-30
    return np.asarray(np.where(varies, mean / np.sqrt(np.where(varies, variance, 1.0)), 0.0), dtype=np.float64)
