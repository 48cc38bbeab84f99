"""What daily returns say about a strategy: Sharpe and Sortino with their uncertainty, or that it is too early to say.

Returns are fractions of the equity at the open, one for each session, sessions without a trade included. Sources:
Bailey & López de Prado, "The Sharpe ratio efficient frontier" (2012) and "The deflated Sharpe ratio" (2014).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import e, sqrt
from statistics import NormalDist

import numpy as np

from evidence.bootstrap import Floats, Interval, bootstrap_interval
from evidence.too_few import TooFew

SESSIONS_PER_YEAR = 252
LEAST_DAYS = 20  # a Sharpe ratio of fewer has an interval wider than anything one could hope for
EULER = 0.5772156649015329
FLAT = 1e-12  # a spread below this share of the mean is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class SharpeEvidence:
    """The Sharpe ratio of `days` returns after `trials` variants were tried; see the functions for the parts."""

    days: int
    trials: int
    sharpe: float
    sortino: float | None
    probabilistic_sharpe: float
    deflated_sharpe: float
    interval: Interval


def sharpe(returns: Floats) -> float | None:
    """Mean return for its spread, of a year; over the sessions on record up to this one.

    Unit: ratio, annualised
    Formula: √252 · mean(r) ÷ s(r), s with n − 1
    """
    rate = _rate(returns)
    return None if rate is None else sqrt(SESSIONS_PER_YEAR) * rate


def sortino(returns: Floats) -> float | None:
    """Mean return for its spread below zero, of a year; unsaid without a losing day.

    Unit: ratio, annualised
    Formula: √252 · mean(r) ÷ √mean(min(r, 0)²)
    """
    if len(returns) < 2:
        return None
    downside = sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return sqrt(SESSIONS_PER_YEAR) * float(returns.mean()) / downside if downside > 0 else None


def probabilistic_sharpe(returns: Floats, benchmark: float = 0.0) -> float | None:
    """How sure it is that the true Sharpe ratio exceeds `benchmark` (of a day), skew and fat tails considered.

    Unit: probability
    Formula: Φ((SR − SR*) · √(n − 1) ÷ √(1 − γ₃·SR + (γ₄ − 1)·SR² ÷ 4)), SR of a day
    """
    rate = _rate(returns)
    if rate is None:
        return None
    centred = returns - returns.mean()
    spread = sqrt(float(np.mean(centred**2)))
    skew, kurtosis = (float(np.mean(centred**power)) / spread**power for power in (3, 4))
    variance = 1.0 - skew * rate + (kurtosis - 1.0) / 4.0 * rate**2  # > 0: kurtosis is at least 1 + skew²
    return NormalDist().cdf((rate - benchmark) * sqrt(len(returns) - 1) / sqrt(max(variance, FLAT)))


def deflated_sharpe(returns: Floats, trials: int = 1, trials_variance: float | None = None) -> float | None:
    """The same against the best Sharpe ratio that `trials` variants without any merit would have shown by luck.

    Unit: probability
    Formula: the probabilistic form with SR* = √V · ((1 − γ)·Φ⁻¹(1 − 1÷N) + γ·Φ⁻¹(1 − 1÷(N·e))), N trials of variance V

    `trials_variance` is that of the trials' daily Sharpe ratios; when not known, what chance gives: 1 ÷ (n − 1).
    """
    if len(returns) < 2:
        return None
    variance = 1.0 / (len(returns) - 1) if trials_variance is None else trials_variance
    return probabilistic_sharpe(returns, sqrt(variance) * luckiest(trials))


def luckiest(trials: int) -> float:
    """Expected maximum of `trials` standard normals, 0 for one. Raises ValueError below one."""
    if trials < 1:
        raise ValueError(f"{trials} trials: the variant itself is one")
    if trials == 1:
        return 0.0
    quantile = NormalDist().inv_cdf
    return (1.0 - EULER) * quantile(1.0 - 1.0 / trials) + EULER * quantile(1.0 - 1.0 / (trials * e))


def sharpe_evidence(
    returns: Floats, *, trials: int = 1, trials_variance: float | None = None, seed: int = 0
) -> SharpeEvidence | TooFew:
    """All that can be said about the Sharpe ratio of daily `returns` (n_days,), with a 95 % bootstrap interval."""
    annual, certain = sharpe(returns), probabilistic_sharpe(returns)
    deflated = deflated_sharpe(returns, trials, trials_variance)
    if len(returns) < LEAST_DAYS or annual is None or certain is None or deflated is None:
        return TooFew(what="days", found=len(returns), needed=LEAST_DAYS)
    return SharpeEvidence(
        days=len(returns),
        trials=trials,
        sharpe=annual,
        sortino=sortino(returns),
        probabilistic_sharpe=certain,
        deflated_sharpe=deflated,
        interval=bootstrap_interval(returns, _annual_sharpes, seed=seed),
    )


OF_DAYS: tuple[Callable[..., float | None], ...] = (sharpe, sortino, probabilistic_sharpe, deflated_sharpe)


def _rate(returns: Floats) -> float | None:
    """The Sharpe ratio of a day; None when there is no spread."""
    if len(returns) < 2:
        return None
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    return mean / spread if spread > FLAT * abs(mean) and spread > 0 else None


def _annual_sharpes(samples: Floats) -> Floats:
    spreads = samples.std(axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sqrt(SESSIONS_PER_YEAR) * samples.mean(axis=1) / spreads, dtype=np.float64)
