"""Three ways to weigh names by their returns, from the best informed to the one that hardly can fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from portfolio.history import Floats

LEAST_VOLATILITY = 1e-4  # of a day, so that a name that hardly moves does not take everything
SOLVER_SLACK = 1e-4  # of all weights: what an interior point leaves of a limit


class Problem(NamedTuple):
    """What a solver is told. Arrays are over the n names that can be bought; weights are fractions of one."""

    daily: Floats  # returns (n_days, n_names)
    expected: Floats  # daily return of the views (n_names,), NaN where nothing is said
    previous: Floats  # weights today (n_names,)
    sectors: Floats  # membership (n_sectors, n_names), 0 or 1
    sector_rooms: Floats  # (n_sectors,)
    max_weight: float
    room: float  # what all may weigh together
    least_invested: float  # of which weights that obey all this are known to exist
    max_turnover: float
    risk_aversion: float
    cvar_tail: float
    daily_cost: float  # one way, as a fraction of what is traded, a day of the horizon


def mean_cvar(problem: Problem) -> Floats:
    """Most expected return − aversion × CVaR − costs under the limits, by skfolio's `MeanRisk` and Clarabel.

    Past mean returns play no part: risk is that of returns around their mean, and what views do not say comes from
    the equilibrium of Black and Litterman (1992).
    """
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk, ObjectiveFunction

    model = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
        risk_measure=RiskMeasure.CVAR,
        risk_aversion=problem.risk_aversion,
        cvar_beta=1.0 - problem.cvar_tail,
        prior_estimator=_prior(problem.expected),
        max_weights=problem.max_weight,
        budget=None,
        min_budget=max(problem.least_invested - SOLVER_SLACK, 0.0),
        max_budget=problem.room,
        transaction_costs=problem.daily_cost,
        previous_weights=np.array(problem.previous),
        max_turnover=problem.max_turnover + SOLVER_SLACK,
        left_inequality=problem.sectors,
        right_inequality=problem.sector_rooms,
    )
    model.fit(problem.daily - problem.daily.mean(axis=0))
    return np.asarray(model.weights_, dtype=np.float64)


def _prior(expected: Floats) -> Any:
    from skfolio.moments import EquilibriumMu, LedoitWolf
    from skfolio.prior import BlackLitterman, EmpiricalPrior

    equilibrium = EmpiricalPrior(mu_estimator=EquilibriumMu(), covariance_estimator=LedoitWolf())
    views = [f"x{i} == {float(view):.12f}" for i, view in enumerate(expected) if np.isfinite(view)]
    if not views:
        return equilibrium
    names = [[f"x{i}" for i in range(len(expected))]]  # as the views call them
    return BlackLitterman(views=views, groups=names, prior_estimator=equilibrium)


def hierarchical_risk_parity(problem: Problem) -> Floats:
    """Shares of risk by clusters of correlated names, without expected returns. Source: López de Prado (2016).

    Raises ValueError for fewer than two names.
    """
    from skfolio.optimization import HierarchicalRiskParity

    if len(problem.previous) < 2:
        raise ValueError("clusters need two names")
    return np.asarray(HierarchicalRiskParity().fit(problem.daily).weights_, dtype=np.float64)


def inverse_volatility(problem: Problem) -> Floats:
    """Weights in proportion to 1 ÷ standard deviation, adding up to one."""
    weights = 1.0 / np.maximum(problem.daily.std(axis=0), LEAST_VOLATILITY)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


SOLVERS: Mapping[str, Callable[[Problem], Floats]] = {  # method -> its solver, in the order in which they are tried
    "mean_cvar": mean_cvar,
    "hierarchical_risk_parity": hierarchical_risk_parity,
    "inverse_volatility": inverse_volatility,
}
