"""Target weights: mean-CVaR on Black-Litterman views, else risk parity, else inverse volatility; each try is recorded.

The optimiser knows the limits, and its answer is made to obey them again: no solver is trusted with a limit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from portfolio.history import Floats, Returns
from portfolio.limits import Bounds, WeightLimits, breaches, filled, obeying, turnover
from portfolio.refusal import Refusal
from portfolio.solvers import SOLVERS, Problem, inverse_volatility
from portfolio.views import Views

NO_SECTOR = "unknown"  # names without a sector share one, and its limit
NO_NAME = "no name can be bought"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstructionRules:
    """How weights are made. `cost` is one way, as a fraction of what is traded."""

    limits: WeightLimits = field(default_factory=WeightLimits)
    risk_aversion: float = 0.1  # daily return given up per unit of daily CVaR: at 1 no sane view would ever show
    cvar_tail: float = 0.05
    cost: float = 0.0007
    horizon_days: int = 5
    methods: tuple[str, ...] = tuple(SOLVERS)
    attribute_sources: bool = True  # solve without the LLM and without views as well, to say what each changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A method that was tried. `failure` is empty where it gave the weights."""

    method: str
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Weights by symbol (zero where a holding is to be sold), how they came about, and what each source changed.

    `sources` splits each weight into risk (the optimiser without views), factor, llm and constraint (the limits, and
    what is still to be traded because of the turnover limit); the four add up to the weight.
    """

    weights: Mapping[str, float]
    method: str
    attempts: tuple[Attempt, ...]
    refused: tuple[Refusal, ...]
    locked: tuple[str, ...]
    turnover: float
    turnover_allowed: float
    sources: Mapping[str, Mapping[str, float]]  # source -> symbol -> part of the weight


def construct(
    returns: Returns,
    views: Views,
    previous: Mapping[str, float],
    sectors: Mapping[str, str],
    rules: ConstructionRules,
    *,
    untradable: frozenset[str] = frozenset(),
) -> Target:
    """Weights of the names in `returns` and of every holding in `previous`.

    A holding in `untradable` is locked at its weight; one without believable returns is sold, as far as the turnover
    limit goes; an untradable name that is not held is left alone. Raises `ValueError` for previous weights that are
    negative or not finite, ArithmeticError should the weights found break a limit.
    """
    bounds = _bounds(returns, previous, sectors, rules.limits, untradable)
    chosen = [i for i, symbol in enumerate(bounds.symbols) if symbol in returns.symbols and not bounds.locked[i]]
    problem = _problem(returns, views, bounds, chosen, rules)
    wanted, method, attempts = _climb(problem, rules.methods)
    weights = obeying(filled(_spread(wanted, chosen, bounds), bounds), bounds)
    broken = breaches(weights, bounds)
    if broken:
        raise ArithmeticError(f"weights break a limit: {broken[0]}")
    return Target(
        weights=_by_symbol(bounds.symbols, weights),
        method=method,
        attempts=attempts,
        refused=returns.refused,
        locked=tuple(symbol for symbol, locked in zip(bounds.symbols, bounds.locked, strict=True) if locked),
        turnover=turnover(weights, bounds.previous),
        turnover_allowed=bounds.turnover_allowed,
        sources=_sources(problem, views, bounds, chosen, wanted, weights, method, rules),
    )


# what binds


def _bounds(
    returns: Returns,
    previous: Mapping[str, float],
    sectors: Mapping[str, str],
    limits: WeightLimits,
    untradable: frozenset[str],
) -> Bounds:
    held = {symbol for symbol, weight in previous.items() if weight != 0}
    symbols = tuple(sorted((set(returns.symbols) - untradable) | held))
    return Bounds(
        symbols=symbols,
        sectors=tuple(sectors.get(symbol, NO_SECTOR) for symbol in symbols),
        previous=np.array([float(previous.get(symbol, 0.0)) for symbol in symbols]),
        locked=tuple(symbol in untradable for symbol in symbols),
        limits=limits,
    )


def _problem(returns: Returns, views: Views, bounds: Bounds, chosen: list[int], rules: ConstructionRules) -> Problem:
    """The optimiser's part of them. Weights that obey it exist: those that inverse volatility would reach."""
    symbols = [bounds.symbols[i] for i in chosen]
    rooms = bounds.sector_rooms()
    names = sorted({bounds.sectors[i] for i in chosen})
    problem = Problem(
        daily=returns.daily[:, [returns.symbols.index(symbol) for symbol in symbols]],
        expected=_expected({view.symbol: view.horizon_return for view in views.views}, symbols, rules),
        previous=bounds.previous[chosen],
        sectors=np.array([[float(bounds.sectors[i] == name) for i in chosen] for name in names]),
        sector_rooms=np.array([rooms[name] for name in names]),
        max_weight=bounds.limits.max_weight,
        room=bounds.room,
        least_invested=0.0,
        max_turnover=0.0,
        risk_aversion=rules.risk_aversion,
        cvar_tail=rules.cvar_tail,
        daily_cost=rules.cost / rules.horizon_days,
    )
    if not symbols:
        return problem
    reachable = obeying(filled(_spread(inverse_volatility(problem), chosen, bounds), bounds), bounds)[chosen]
    others = bounds.previous * bounds.free
    others[chosen] = 0.0
    left = bounds.turnover_allowed - float(others.sum())
    return problem._replace(
        least_invested=float(reachable.sum()), max_turnover=max(left, turnover(reachable, problem.previous))
    )


def _expected(views: Mapping[str, float], symbols: list[str], rules: ConstructionRules) -> Floats:
    return np.array([views.get(symbol, np.nan) for symbol in symbols]) / rules.horizon_days


def _spread(wanted: Floats, chosen: list[int], bounds: Bounds) -> Floats:
    weights = np.zeros(len(bounds.symbols))
    weights[chosen] = wanted
    return weights


def _by_symbol(symbols: tuple[str, ...], weights: Floats) -> Mapping[str, float]:
    return MappingProxyType({symbol: float(weight) for symbol, weight in zip(symbols, weights, strict=True)})


# the ladder


def _climb(problem: Problem, methods: tuple[str, ...]) -> tuple[Floats, str, tuple[Attempt, ...]]:
    """Weights of the first method that gives any; cash when none does."""
    nothing = np.zeros(len(problem.previous))
    if not len(nothing):
        return nothing, "cash", (Attempt(method="cash", failure=NO_NAME),)
    attempts: list[Attempt] = []
    for method in methods:
        weights, failure = _attempt(method, problem)
        attempts.append(Attempt(method=method, failure=failure))
        if weights is not None:
            return weights, method, tuple(attempts)
    return nothing, "cash", tuple(attempts)


def _attempt(method: str, problem: Problem) -> tuple[Floats | None, str]:
    """Weights, or why there are none: what numerical libraries raise on bad numbers. Any other error is a fault."""
    from cvxpy.error import SolverError
    from skfolio.exceptions import OptimizationError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # solvers warn where they are inexact; the answer is judged here
            weights = np.asarray(SOLVERS[method](problem), dtype=np.float64)
    except (SolverError, OptimizationError, ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        reason = str(error).strip().splitlines()
        return None, f"{type(error).__name__}: {reason[0] if reason else 'no reason given'}"
    if weights.shape != problem.previous.shape or not np.isfinite(weights).all():
        return None, "its weights are not finite"
    return np.maximum(weights, 0.0), ""


# what each source changed


def _sources(
    problem: Problem,
    views: Views,
    bounds: Bounds,
    chosen: list[int],
    wanted: Floats,
    weights: Floats,
    method: str,
    rules: ConstructionRules,
) -> Mapping[str, Mapping[str, float]]:
    """Differences between solutions that know more and more: nothing, scores, the LLM too, and all limits."""
    plain = with_scores = wanted
    if method == "mean_cvar" and rules.attribute_sources and views.views:
        symbols = [bounds.symbols[i] for i in chosen]
        scores = _expected({view.symbol: view.factor_return for view in views.views}, symbols, rules)
        if any(view.llm_share > 0 for view in views.views):
            with_scores = _or_else(_attempt(method, problem._replace(expected=scores))[0], wanted)
        plain = _or_else(_attempt(method, problem._replace(expected=np.full(len(chosen), np.nan)))[0], with_scores)
    parts = {"risk": plain, "factor": with_scores - plain, "llm": wanted - with_scores}
    spread = {source: _spread(part, chosen, bounds) for source, part in parts.items()}
    spread["constraint"] = weights - _spread(wanted, chosen, bounds)
    return MappingProxyType({source: _by_symbol(bounds.symbols, part) for source, part in spread.items()})


def _or_else(weights: Floats | None, other: Floats) -> Floats:
    return other if weights is None else weights
