"""GARCH(1,1) of many names at once: today's volatility, and residuals from which it was filtered.

Variance targeting and a grid of the two parameters instead of an optimiser: no starting values, no failure to
converge, and all names in one pass over the days. Sources: Bollerslev (1986), Engle and Mezrich (1996); filtered
historical simulation: Barone-Adesi, Giannopoulos and Vosper (1999).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio.history import Floats

ALPHAS = (0.01, 0.03, 0.05, 0.08, 0.11, 0.15, 0.20)  # weight of yesterday's shock
PERSISTENCES = (0.70, 0.85, 0.92, 0.95, 0.97, 0.985, 0.995)  # alpha + beta
LEAST_VARIANCE = 1e-10  # of a day; a name that never moved


class Garch(NamedTuple):
    """Fits of n names: parameters and tomorrow's variance (n_names,), residuals of unit variance (n_days, n_names)."""

    omega: Floats
    alpha: Floats
    beta: Floats
    variance: Floats
    residuals: Floats


def fit_garch(daily: Floats) -> Garch:
    """Fit each column of `daily` returns (n_days, n_names) by Gaussian quasi-likelihood on the grid."""
    shocks = daily - daily.mean(axis=0)
    target = np.maximum(np.mean(shocks**2, axis=0), LEAST_VARIANCE)
    alphas, betas = _grid()
    best = _likelihoods(shocks**2, target, alphas, betas).argmax(axis=0)
    alpha, beta = alphas[best], betas[best]
    omega = target * (1.0 - alpha - beta)
    variances = np.empty((len(shocks) + 1, len(target)))
    variances[0] = target
    for day, shock in enumerate(shocks):
        variances[day + 1] = omega + alpha * shock**2 + beta * variances[day]
    residuals = shocks / np.sqrt(variances[:-1])
    residuals -= residuals.mean(axis=0)
    residuals /= np.maximum(residuals.std(axis=0), 1e-12)
    return Garch(omega, alpha, beta, variances[-1], residuals)


def _grid() -> tuple[Floats, Floats]:
    pairs = [(alpha, persistence - alpha) for alpha in ALPHAS for persistence in PERSISTENCES]
    alphas, betas = np.array(pairs).T
    return alphas, betas


def _likelihoods(squares: Floats, target: Floats, alphas: Floats, betas: Floats) -> Floats:
    """Log-likelihood up to a constant, (n_grid, n_names)."""
    scaled = squares / target  # each name with a long-run variance of one, so that a column's scale does not matter
    base = (1.0 - alphas - betas)[:, None]
    variance = np.ones((len(alphas), squares.shape[1]))
    total = np.zeros_like(variance)
    product = np.ones_like(variance)  # logarithms are dear: one for eight days
    for day, square in enumerate(scaled):
        total -= square / variance
        product *= variance
        if day % 8 == 7:
            total -= np.log(product)
            product.fill(1.0)
        variance = base + alphas[:, None] * square + betas[:, None] * variance
    return np.asarray(total - np.log(product), dtype=np.float64)
