"""What the weekly bot decides when prices are all it knows: the policy of backtests, and of a cycle without vendors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from portfolio.construction import ConstructionRules, Target, construct
from portfolio.factors import factor_scores, price_factors
from portfolio.history import PriceHistory, Returns, believable_returns
from portfolio.monte_carlo import MonteCarloRules, monte_carlo_filter
from portfolio.views import make_views


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known at a decision: prices up to that close and no later, and the bot's weights."""

    cycle: int
    history: PriceHistory
    previous: Mapping[str, float]
    sectors: Mapping[str, str]
    untradable: frozenset[str]


Policy = Callable[[Evidence], Target]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRules:
    """Settings of the price policy. Fewer paths than live: a cycle is one of hundreds."""

    construction: ConstructionRules = field(default_factory=lambda: ConstructionRules(attribute_sources=False))
    monte_carlo: MonteCarloRules = field(default_factory=lambda: MonteCarloRules(paths=2_000))
    lookback_days: int = 252
    seed: int = 1


def price_policy(rules: PriceRules) -> Policy:
    """Believable returns, Monte Carlo filter, momentum and volatility as views, target weights; no LLM."""

    def decide(evidence: Evidence) -> Target:
        found = believable_returns(evidence.history, lookback_days=rules.lookback_days)
        passed = monte_carlo_filter(found, rules.monte_carlo, seed=rules.seed + evidence.cycle)
        kept = [i for i, symbol in enumerate(found.symbols) if symbol in passed.passed]
        returns = Returns(
            symbols=tuple(found.symbols[i] for i in kept), daily=found.daily[:, kept], refused=passed.refused
        )
        factors = price_factors(evidence.history)
        scores = {score.symbol: score.score for score in factor_scores(factors)}
        volatility = dict(zip(returns.symbols, returns.daily.std(axis=0).tolist(), strict=True))
        views = make_views(scores, {}, volatility, llm_influence=0.0, horizon_days=rules.monte_carlo.horizon_days)
        return construct(
            returns,
            views,
            evidence.previous,
            evidence.sectors,
            rules.construction,
            untradable=evidence.untradable,
        )

    return decide
