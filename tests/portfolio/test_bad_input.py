"""What cannot be judged is refused in words before any of it becomes a weight or an order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from portfolio.attribution import attribution
from portfolio.backtest import BacktestRules, backtest
from portfolio.construction import Target
from portfolio.curves import curve_numbers
from portfolio.exposures import exposures, risk_numbers
from portfolio.history import PriceHistory, Returns, believable_returns, split_like_move
from portfolio.limits import Bounds, WeightLimits
from portfolio.monte_carlo import MonteCarloRules, monte_carlo_filter
from portfolio.policy import Evidence
from portfolio.rebalance import Funds, PlanRules, Position, make_plan
from portfolio.refusal import Refusal
from portfolio.solvers import Problem, hierarchical_risk_parity
from portfolio.views import make_views
from trading.costs import fee_schedule_on
from trading.money import money_from_usd

DAYS = tuple(date(2026, 1, 1) + timedelta(days=i) for i in range(40))
HISTORY = PriceHistory(symbols=("A", "B"), sessions=DAYS, closes_usd=np.full((40, 2), 10.0))
TWO_YEARS = Returns(symbols=("A",), daily=np.random.default_rng(1).normal(0, 0.01, (500, 1)))
BOUNDS = Bounds(
    symbols=("A", "B"),
    sectors=("x", "x"),
    previous=np.array([0.1, 0.2]),
    locked=(False, False),
    limits=WeightLimits(),
)


def nothing(evidence: Evidence) -> Target:
    raise AssertionError("no cycle may begin")


def played(**changes: Any) -> Any:
    rules = BacktestRules(warm_up_sessions=20, start_cash=money_from_usd(1_000))
    return backtest(HISTORY, nothing, {}, rules, **changes)


def planned(*owned_and_price: tuple[int, int]) -> Any:
    positions = [Position(symbol="A", owned=owned, price=price) for owned, price in owned_and_price]
    rules = PlanRules(rates=fee_schedule_on(date(2026, 9, 1)), allocation_ppm=1_000_000)
    funds = Funds(net_liquidation=money_from_usd(10_000), settled_buying_power=money_from_usd(10_000))
    return make_plan("c", {}, positions, funds, rules)


def one_name() -> Problem:
    return Problem(
        daily=TWO_YEARS.daily,
        expected=np.zeros(1),
        previous=np.zeros(1),
        sectors=np.ones((1, 1)),
        sector_rooms=np.ones(1),
        max_weight=1.0,
        room=1.0,
        least_invested=0.0,
        max_turnover=1.0,
        risk_aversion=1.0,
        cvar_tail=0.05,
        daily_cost=0.0,
    )


@pytest.mark.parametrize(
    ("words", "attempt"),
    [
        ("no such source of weights: moon", lambda: attribution({}, {"moon": {}}, 1)),
        ("the index has 3 sessions, the history 40", lambda: played(index_usd=np.ones(3))),
        ("a curve needs two closes", lambda: curve_numbers("bot", np.array([1.0]))),
        ("all above zero", lambda: curve_numbers("bot", np.array([1.0, 0.0]))),
        ("all above zero", lambda: curve_numbers("bot", np.array([1.0, np.nan]))),
        ("capital is 0", lambda: exposures([], 0, {}, {})),
        ("the benchmark has 3 days", lambda: risk_numbers({"A": 1.0}, TWO_YEARS, np.ones(3))),
        ("closes_usd is", lambda: replace(HISTORY, closes_usd=np.ones((40, 3)))),
        ("opens_usd is", lambda: replace(HISTORY, opens_usd=np.ones((39, 2)))),
        ("a symbol comes twice", lambda: replace(HISTORY, symbols=("A", "A"))),
        ("not in order", lambda: replace(HISTORY, sessions=DAYS[:1] + DAYS[:39])),
        ("max_weight is 1.5", lambda: WeightLimits(max_weight=1.5)),
        ("min_cash is nan", lambda: WeightLimits(min_cash=float("nan"))),
        ("max_turnover is -0.1", lambda: WeightLimits(max_turnover=-0.1)),
        ("differ in number", lambda: replace(BOUNDS, locked=(False,))),
        ("must be finite and not below zero", lambda: replace(BOUNDS, previous=np.array([0.1, -0.1]))),
        ("must be finite and not below zero", lambda: replace(BOUNDS, previous=np.array([0.1, np.inf]))),
        ("a symbol comes twice", lambda: planned((1, 100_000), (2, 100_000))),
        ("cannot be below zero", lambda: planned((-1, 100_000))),
        ("cannot be below zero", lambda: planned((1, -100_000))),
        ("clusters need two names", lambda: hierarchical_risk_parity(one_name())),
        ("llm_influence is 1.1", lambda: make_views({}, {}, {}, llm_influence=1.1)),
    ],
)
def test_bad_input_is_refused_in_words(words: str, attempt: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=words):
        attempt()


def test_a_history_of_one_close_gives_no_returns_and_says_so_of_each_name() -> None:
    found = believable_returns(HISTORY.first(1), least_days=120)
    assert (found.symbols, found.daily.size) == ((), 0)
    assert [(each.symbol, each.rule, each.limit, each.actual) for each in found.refused] == [
        ("A", "history_days", 120, 0),
        ("B", "history_days", 120, 0),
    ]


@pytest.mark.parametrize(
    ("day_return", "ratio"),
    [(-0.5, 0.5), (1.0, 2.0), (-0.75, 0.25), (-0.43, None), (0.75, None), (-0.2, None)],
    ids=["2 for 1", "1 for 2", "4 for 1", "a crash", "a bid", "a bad day"],
)
def test_a_move_is_a_split_by_its_ratio_and_not_by_its_size(day_return: float, ratio: float | None) -> None:
    assert split_like_move(np.array([0.01, day_return, -0.02])) == ratio


def test_a_name_without_volatility_has_no_view() -> None:
    views = make_views({"A": 1.0, "B": 1.0, "C": 1.0}, {}, {"A": 0.0, "B": float("nan"), "C": 0.02}, llm_influence=0.0)
    assert [view.symbol for view in views.views] == ["C"]


def test_a_name_that_seldom_reaches_its_target_first_is_refused() -> None:
    rules = MonteCarloRules(paths=200, max_loss_probability=1.0, max_expected_shortfall=1.0, min_target_first=0.99)
    (refusal,) = monte_carlo_filter(TWO_YEARS, rules, seed=1).refused
    assert (refusal.symbol, refusal.rule, refusal.limit) == ("A", "target_first", 0.99)


def test_a_refusal_tells_its_numbers_where_its_rule_has_any() -> None:
    assert str(Refusal(symbol="A", rule="no_price")) == "A: no_price"
    assert str(Refusal(symbol="A", rule="adv", limit=2, actual=1)) == "A: adv (limit 2, actual 1)"
