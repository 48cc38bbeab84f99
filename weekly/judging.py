"""The analyst's judgement, pure: which names are fit, and what is expected of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from portfolio.factors import FactorScore, factor_scores, price_factors
from portfolio.history import PriceHistory, Returns, believable_returns
from portfolio.monte_carlo import Filtered, monte_carlo_filter
from portfolio.refusal import Refusal
from portfolio.screening import (
    Candidate,
    Screened,
    check_liquidity,
    check_never_trade,
    check_price,
    screen,
)
from portfolio.skill import MeasuredSkill
from portfolio.views import make_views
from vendors.facts import Fundamentals
from weekly.analysis import Analysis, Said
from weekly.options import CycleOptions
from weekly.snapshot import Snapshot

LOOKBACK_DAYS = 504
CHECKS_OF_OWN = (check_never_trade, check_price, check_liquidity)  # the rest the user vouches for


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Names that may be weighed, best score first, and why the others may not."""

    symbols: tuple[str, ...]
    returns: Returns  # of `symbols`
    scores: tuple[FactorScore, ...]  # of all names that passed the filter
    filtered: Filtered
    refused: tuple[Refusal, ...]


def fit_names(snapshot: Snapshot, options: CycleOptions, held: Sequence[str], seed: int) -> Fit:
    """Screen, history, Monte Carlo filter and score. Names `held` are judged beside the candidates that passed.

    A name that is held and fails is in `refused`: without returns it is sold, as far as the turnover limit goes.
    """
    screened = screened_candidates(snapshot, options)
    looked_at = dict.fromkeys([*(each.symbol for each in screened.passed), *held])
    history = _history_of(snapshot.history, list(looked_at))
    believable = believable_returns(history, lookback_days=LOOKBACK_DAYS)
    filtered = monte_carlo_filter(believable, options.monte_carlo_rules(), seed)
    passed = frozenset(filtered.passed)
    scores = factor_scores(_factors(history, snapshot, passed))
    ranked = sorted(scores, key=lambda score: (-score.score, score.symbol))
    most = options.settings.weekly_weighed_names
    kept = [score.symbol for score in ranked[:most]]
    left_out = [score for score in ranked[most:] if score.symbol not in held]
    kept += [score.symbol for score in ranked[most:] if score.symbol in held]
    columns = [believable.symbols.index(symbol) for symbol in kept]
    return Fit(
        symbols=tuple(kept),
        returns=Returns(symbols=tuple(kept), daily=believable.daily[:, columns], refused=filtered.refused),
        scores=scores,
        filtered=filtered,
        refused=(
            *screened.refused,
            *filtered.refused,
            *(
                Refusal(symbol=score.symbol, rule="rank", limit=most, actual=round(score.score, 4))
                for score in left_out
            ),
        ),
    )


def screened_candidates(snapshot: Snapshot, options: CycleOptions) -> Screened:
    """The screen. Of the user's own names only what their history tells is judged."""
    rules = options.screening_rules()
    if not snapshot.own_names:
        return screen(snapshot.candidates, rules)
    passed: list[Candidate] = []
    refused: list[Refusal] = []
    for row in snapshot.candidates:
        refusal = next((found for check in CHECKS_OF_OWN if (found := check(row, rules)) is not None), None)
        if refusal is None:
            passed.append(row)
        else:
            refused.append(refusal)
    return Screened(passed=tuple(passed), refused=tuple(refused))


def analysis_of(
    snapshot: Snapshot, fit: Fit, said: Said, skill: MeasuredSkill, factor_skill: MeasuredSkill, options: CycleOptions
) -> Analysis:
    """What is expected of each fit name: its score, and what a model said by as much as the model has earned."""
    volatility = dict(zip(fit.symbols, fit.returns.daily.std(axis=0).tolist(), strict=True))
    rules = options.monte_carlo_rules()
    views = make_views(
        {score.symbol: score.score for score in fit.scores},
        said.probabilities,
        volatility,
        llm_influence=skill.influence,
        horizon_days=rules.horizon_days,
    )
    return Analysis(
        screened=len(snapshot.candidates),
        returns=fit.returns,
        refused=fit.refused,
        outlooks=fit.filtered.outlooks,
        mean_block_days=fit.filtered.mean_block_days,
        scores=fit.scores,
        said=said,
        skill=skill,
        factor_skill=factor_skill,
        views=views,
        sectors=snapshot.sectors(),
    )


def _history_of(history: PriceHistory, symbols: Sequence[str]) -> PriceHistory:
    """The columns of some names; one without any price is a column of NaN."""
    place = {symbol: column for column, symbol in enumerate(history.symbols)}
    closes = np.full((len(history.sessions), len(symbols)), np.nan)
    for column, symbol in enumerate(symbols):
        if symbol in place:
            closes[:, column] = history.closes_usd[:, place[symbol]]
    return PriceHistory(symbols=tuple(symbols), sessions=history.sessions, closes_usd=closes)


def _factors(
    history: PriceHistory, snapshot: Snapshot, passed: frozenset[str]
) -> Mapping[str, Mapping[str, float | None]]:
    found = {symbol: parts for symbol, parts in price_factors(history).items() if symbol in passed}
    for symbol, parts in found.items():
        about = snapshot.names.get(symbol)
        if about is not None and about.fundamentals is not None:
            parts |= _company_factors(about.fundamentals)
    return found


def _company_factors(facts: Fundamentals) -> dict[str, float | None]:
    """The parts of the score that a company's figures give. How estimates changed no vendor here tells."""
    earnings = facts.price_to_earnings
    return {
        "earnings_yield": 1.0 / earnings if earnings else None,
        "return_on_equity": facts.return_on_equity,
        "revenue_growth": facts.revenue_growth,
        "debt_to_equity": facts.debt_to_equity,
    }
