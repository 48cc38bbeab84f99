"""The Monte Carlo filter: what five days could do to each name, under two models, and which names fail it.

Closes alone are simulated: a stop or target that was only touched within a day is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from portfolio.bootstrap import block_length, stationary_days
from portfolio.garch import fit_garch
from portfolio.history import Floats, Returns
from portfolio.refusal import Refusal

LEAST_GROWTH = 0.01  # a simulated day never loses more than 99 %


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarloRules:
    """What is simulated, and what a name may show. Losses, targets and stops are fractions of the price, > 0."""

    paths: int = 10_000
    horizon_days: int = 5
    drift_kept: float = 0.0  # 0: no drift, so that the filter is not hidden momentum; 1: the history's own
    loss: float = 0.10
    target: float = 0.05
    stop: float = 0.05
    tail: float = 0.05  # expected shortfall is over the worst share
    max_loss_probability: float = 0.10
    max_expected_shortfall: float = 0.20
    min_target_first: float = 0.0  # 0 switches it off


class Estimate(NamedTuple):
    """A simulated number and the standard error that more paths would shrink."""

    value: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One name under one model over the horizon."""

    symbol: str
    model: str  # bootstrap or garch
    loss_probability: Estimate
    expected_shortfall: Estimate  # mean loss of the worst `tail` paths; a gain is below zero
    target_first: Estimate  # the target's close came before the stop's


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """Names that passed, refusals, and both models' outlooks of every name."""

    passed: tuple[str, ...]
    refused: tuple[Refusal, ...]
    outlooks: tuple[Outlook, ...]
    mean_block_days: float


def monte_carlo_filter(returns: Returns, rules: MonteCarloRules, seed: int) -> Filtered:
    """Judge each name by the worse of a joint stationary bootstrap and a GARCH-filtered model. The seed decides all."""
    if not returns.symbols:
        return Filtered(passed=(), refused=returns.refused, outlooks=(), mean_block_days=1.0)
    block = block_length(returns.daily)
    first, second = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    models = {
        "bootstrap": bootstrap_steps(returns.daily, rules, block, first),
        "garch": garch_steps(returns.daily, rules, second),
    }
    outlooks = tuple(
        outlook for model, steps in models.items() for outlook in outlooks_of(returns.symbols, model, steps, rules)
    )
    verdicts = {symbol: _worse(symbol, outlooks, rules) for symbol in returns.symbols}
    return Filtered(
        passed=tuple(symbol for symbol, verdict in verdicts.items() if verdict is None),
        refused=returns.refused + tuple(verdict for verdict in verdicts.values() if verdict is not None),
        outlooks=outlooks,
        mean_block_days=block,
    )


def bootstrap_steps(
    daily: Floats, rules: MonteCarloRules, mean_block: float, rng: np.random.Generator
) -> Iterator[Floats]:
    """Simulated returns of each step (paths, n_names), from days of history that all names share."""
    drawn = daily - (1.0 - rules.drift_kept) * daily.mean(axis=0)
    for rows in stationary_days(len(daily), rules.horizon_days, rules.paths, mean_block, rng):
        yield drawn[rows]


def garch_steps(daily: Floats, rules: MonteCarloRules, rng: np.random.Generator) -> Iterator[Floats]:
    """Simulated returns of each step (paths, n_names): joint residuals, scaled by a variance that reacts to them."""
    fit = fit_garch(daily)
    drift = rules.drift_kept * daily.mean(axis=0)
    variance = np.broadcast_to(fit.variance, (rules.paths, len(fit.variance)))
    for rows in stationary_days(len(daily), rules.horizon_days, rules.paths, 1.0, rng):
        shock = fit.residuals[rows]
        shock *= np.sqrt(variance)
        yield shock + drift
        variance = fit.beta * variance
        variance += fit.omega
        shock *= shock
        shock *= fit.alpha
        variance += shock


def outlooks_of(
    symbols: tuple[str, ...], model: str, steps: Iterator[Floats], rules: MonteCarloRules
) -> Iterator[Outlook]:
    """Follow the paths to the horizon and count."""
    worth = np.ones((rules.paths, len(symbols)))
    open_still = np.ones(worth.shape, dtype=bool)
    hit_target = np.zeros(worth.shape, dtype=bool)
    for step in steps:
        worth *= np.maximum(1.0 + step, LEAST_GROWTH)
        above, below = worth >= 1.0 + rules.target, worth <= 1.0 - rules.stop
        hit_target |= open_still & above
        open_still &= ~(above | below)
    losses = 1.0 - worth
    beyond = (losses > rules.loss).mean(axis=0)
    target = hit_target.mean(axis=0)
    shortfall, shortfall_error = expected_shortfall(losses, rules.tail)
    for i, symbol in enumerate(symbols):
        yield Outlook(
            symbol=symbol,
            model=model,
            loss_probability=_proportion(float(beyond[i]), rules.paths),
            expected_shortfall=Estimate(float(shortfall[i]), float(shortfall_error[i])),
            target_first=_proportion(float(target[i]), rules.paths),
        )


def expected_shortfall(losses: Floats, tail: float) -> tuple[Floats, Floats]:
    """Mean of the worst `tail` share of losses (n, n_names), and its standard error.

    The error is that of VaR + (loss − VaR)⁺ ÷ tail, whose mean it is (Rockafellar and Uryasev 2000).
    """
    n = len(losses)
    worst = max(int(np.ceil(tail * n)), 1)
    columns = np.ascontiguousarray(losses.T)
    columns.partition(n - worst, axis=1)
    beyond = columns[:, n - worst :]
    threshold = beyond[:, :1]
    excess = beyond - threshold
    first, second = excess.sum(axis=1) / n, (excess**2).sum(axis=1) / n
    error = np.sqrt(np.maximum(second - first**2, 0.0) / n) * n / worst
    return beyond.mean(axis=1), error


def _proportion(share: float, paths: int) -> Estimate:
    """A probability and its error; one that was never, or always, seen has the error of one path (rule of three)."""
    inner = min(max(share, 1.0 / paths), 1.0 - 1.0 / paths)
    return Estimate(share, float(np.sqrt(inner * (1.0 - inner) / paths)))


def _worse(symbol: str, outlooks: tuple[Outlook, ...], rules: MonteCarloRules) -> Refusal | None:
    mine = [outlook for outlook in outlooks if outlook.symbol == symbol]
    probability = max(outlook.loss_probability.value for outlook in mine)
    shortfall = max(outlook.expected_shortfall.value for outlook in mine)
    target = min(outlook.target_first.value for outlook in mine)
    if probability > rules.max_loss_probability:
        return Refusal(symbol=symbol, rule="loss_probability", limit=rules.max_loss_probability, actual=probability)
    if shortfall > rules.max_expected_shortfall:
        return Refusal(symbol=symbol, rule="expected_shortfall", limit=rules.max_expected_shortfall, actual=shortfall)
    if target < rules.min_target_first:
        return Refusal(symbol=symbol, rule="target_first", limit=rules.min_target_first, actual=target)
    return None
