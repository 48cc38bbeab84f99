"""Weekly cycles over history: nothing is known early, every cent is accounted for, and losing is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from portfolio.backtest import BacktestResult, BacktestRules, backtest, weekly_decisions
from portfolio.construction import ConstructionRules, Target
from portfolio.curves import comparison, curve_numbers, verdict
from portfolio.history import Floats, PriceHistory
from portfolio.limits import WeightLimits
from portfolio.monte_carlo import MonteCarloRules
from portfolio.policy import Evidence, PriceRules, price_policy
from portfolio.survivorship import survivorship
from trading.costs import SELL, fee_schedule_on, fill_fees
from trading.money import money_from_usd, notional, price_from_usd

WARM_UP = 130
LIMITS = WeightLimits(max_weight=0.4, max_sector_weight=1.0, min_cash=0.05, max_turnover=2.0)
RULES = BacktestRules(warm_up_sessions=WARM_UP, start_cash=money_from_usd(50_000))


def weekdays(count: int) -> tuple[date, ...]:
    days = (date(2024, 1, 1) + timedelta(days=i) for i in range(2 * count))
    return tuple(day for day in days if day.weekday() < 5)[:count]


def market(names: int = 4, sessions: int = 200, seed: int = 1) -> PriceHistory:
    rng = np.random.default_rng(seed)
    closes = 50.0 * np.exp(rng.normal(0.0003, 0.012, (sessions, names)).cumsum(axis=0))
    opens = closes * np.exp(rng.normal(0, 0.004, closes.shape))
    symbols = tuple(f"S{i}" for i in range(names))
    return PriceHistory(symbols=symbols, sessions=weekdays(sessions), closes_usd=closes, opens_usd=opens)


def changed(history: PriceHistory, rows: slice, column: int | slice, factor: float) -> PriceHistory:
    """The same history with other prices in some rows; NaN as a factor takes them away."""
    assert history.opens_usd is not None
    closes, opens = history.closes_usd.copy(), history.opens_usd.copy()
    closes[rows, column] *= factor
    opens[rows, column] *= factor
    return replace(history, closes_usd=closes, opens_usd=opens)


def policy_rules(methods: tuple[str, ...] = ("inverse_volatility",)) -> PriceRules:
    construction = ConstructionRules(limits=LIMITS, methods=methods, attribute_sources=False)
    return PriceRules(construction=construction, monte_carlo=MonteCarloRules(paths=200, max_loss_probability=1.0))


def run(history: PriceHistory, **changes: Any) -> BacktestResult:
    return backtest(history, price_policy(policy_rules()), {}, replace(RULES, **changes))


def test_week_ends_where_the_calendar_says_and_not_on_fridays() -> None:
    sessions = [day for day in weekdays(15) if day != date(2024, 1, 12)]  # a holiday on a Friday
    history = PriceHistory(symbols=("A",), sessions=tuple(sessions), closes_usd=np.ones((14, 1)))
    assert [sessions[row] for row in weekly_decisions(history, 1)] == [date(2024, 1, 5), date(2024, 1, 11)]


def test_prices_of_the_future_change_nothing_before_them() -> None:
    history, row = market(), 170
    as_it_was, otherwise = run(history), run(changed(history, slice(row, None), slice(None), 3.0))
    known = row - as_it_was.first
    assert (as_it_was.equity_usd[:known] == otherwise.equity_usd[:known]).all()
    assert as_it_was.equity_usd[known] != otherwise.equity_usd[known]


def test_policy_is_shown_no_session_after_its_decision() -> None:
    seen: list[Evidence] = []
    inner = price_policy(policy_rules())

    def watching(evidence: Evidence) -> Target:
        seen.append(evidence)
        return inner(evidence)

    history = market()
    result = backtest(history, watching, {}, RULES)
    assert [each.history.sessions[-1] for each in seen] == [history.sessions[c.decided] for c in result.cycles]
    assert all(cycle.traded == cycle.decided + 1 for cycle in result.cycles)


def test_cash_and_shares_follow_from_the_fills_to_the_last_unit() -> None:
    history = market()
    result = run(history)
    cash, shares = RULES.start_cash, dict.fromkeys(history.symbols, 0)
    for cycle in result.cycles:
        rates = fee_schedule_on(history.sessions[cycle.traded])
        for order, fill in zip(cycle.plan.orders, cycle.fills, strict=True):
            assert fill.fees == fill_fees(order.side, fill.quantity, fill.price, 0, rates)
            cash -= order.side * notional(fill.price, fill.quantity) + fill.fees
            shares[order.symbol] += order.side * fill.quantity
        assert cash == cycle.cash >= 0
        assert min(shares.values()) >= 0
    worth = sum(count * history.closes_usd[-1, i] for i, count in enumerate(shares.values()))
    assert result.equity_usd[-1] == pytest.approx(cash / 1e6 + worth, abs=0.2)
    assert len(result.cycles) > 10


def test_orders_fill_at_the_next_open_across_the_spread() -> None:
    history = market()
    assert history.opens_usd is not None
    first = run(history).cycles[0]
    order, fill = first.plan.orders[0], first.fills[0]
    opened = price_from_usd(float(history.opens_usd[first.traded, history.symbols.index(order.symbol)]))
    assert fill.price == opened + opened * 3 // 10_000


def test_history_without_opens_trades_at_the_next_close() -> None:
    history = replace(market(), opens_usd=None)
    first = run(history, half_spread_bps=0).cycles[0]
    column = history.symbols.index(first.plan.orders[0].symbol)
    assert first.fills[0].price == price_from_usd(float(history.closes_usd[first.traded, column]))


def test_name_that_disappears_is_written_down_and_not_sold_at_its_last_price() -> None:
    history = changed(market(), slice(160, None), 1, float("nan"))
    result = run(history)
    gone = result.delistings[0]
    last = price_from_usd(float(history.closes_usd[159, 1]))
    assert (gone.symbol, gone.session) == ("S1", 169)
    assert gone.proceeds == notional(last * 7 // 10, gone.shares)
    late = [order for cycle in result.cycles if cycle.traded >= 160 for order in cycle.plan.orders]
    assert not any(order.symbol == "S1" for order in late)


def test_name_that_is_halted_for_days_is_neither_traded_nor_lost() -> None:
    history = changed(market(), slice(158, 163), 1, float("nan"))
    result = run(history)
    assert result.delistings == ()
    halted = [cycle for cycle in result.cycles if 158 <= cycle.traded < 163]
    assert halted
    assert not any(order.symbol == "S1" for cycle in halted for order in cycle.plan.orders)


def test_holding_whose_history_shows_a_split_is_sold() -> None:
    history = changed(market(), slice(150, None), 1, 0.25)
    later = [cycle for cycle in run(history).cycles if cycle.decided >= 150]
    exits = [order.side for order in later[0].plan.orders if order.symbol == "S1"]
    assert exits == [SELL]
    assert any(refusal.rule == "unadjusted_split" for refusal in later[0].refused)


def test_same_run_gives_the_same_result() -> None:
    first, again = run(market()), run(market())
    assert first.cycles == again.cycles
    assert (first.equity_usd == again.equity_usd).all()


def test_history_shorter_than_its_warm_up_is_refused() -> None:
    with pytest.raises(ValueError, match="leave no cycle"):
        run(market(sessions=WARM_UP))


def test_equal_weight_buys_nothing_where_its_share_of_the_cash_pays_no_share() -> None:
    poor = run(market(), start_cash=money_from_usd(100))
    assert set(poor.equal_weight_usd.tolist()) == {100.0}


def test_an_index_keeps_its_level_over_a_day_without_one() -> None:
    levels = np.linspace(100.0, 120.0, 200)
    levels[150] = np.nan
    held = backtest(market(), price_policy(policy_rules()), {}, RULES, index_usd=levels).index_usd
    assert held is not None
    hole = 150 - (len(levels) - len(held))
    assert np.isfinite(held).all()
    assert held[hole] == held[hole - 1] < held[hole + 1]


def result_of(bot: list[float], held: list[float]) -> BacktestResult:
    return BacktestResult(
        first=0,
        equity_usd=np.array(bot),
        equal_weight_usd=np.array(held),
        index_usd=None,
        cycles=(),
        delistings=(),
        warning=None,
    )


def test_verdict_says_that_the_bot_was_worse() -> None:
    assert verdict(result_of([100.0, 101.0], [100.0, 105.0]).curves) == "the bot earned less than equal weight, held"
    assert verdict(result_of([100.0, 105.0], [100.0, 101.0]).curves).endswith("at least as much as every baseline")


def test_numbers_of_a_curve_by_hand() -> None:
    curve: Floats = np.concatenate([np.linspace(100, 120, 127), np.linspace(90, 110, 126)])  # 252 steps: one year
    numbers = curve_numbers("x", curve)
    assert numbers.annual_return == pytest.approx(0.10)
    assert numbers.max_drawdown == pytest.approx(-0.25)


def test_survivors_alone_are_warned_of() -> None:
    long = market(sessions=600)
    assert "chosen with hindsight" in str(survivorship(long))
    assert survivorship(changed(long, slice(500, None), 0, float("nan"))) is None
    assert survivorship(market(sessions=300)) is None


def test_real_prices_run_through_every_step() -> None:
    from skfolio.datasets import load_sp500_dataset, load_sp500_index

    prices = load_sp500_dataset().iloc[-600:]
    index = load_sp500_index().iloc[:, 0].reindex(prices.index).to_numpy(dtype=np.float64, copy=True)
    history = PriceHistory(
        symbols=tuple(prices.columns),
        sessions=tuple(day.date() for day in prices.index),
        closes_usd=prices.to_numpy(dtype=np.float64, copy=True),
    )
    policy = price_policy(policy_rules(methods=("mean_cvar",)))
    result = backtest(history, policy, {}, BacktestRules(warm_up_sessions=560), index)
    assert {cycle.method for cycle in result.cycles} == {"mean_cvar"}
    assert len(result.cycles) == 8
    assert [numbers.name for numbers in comparison(result.curves)][2] == "index, held (no costs)"
    assert result.warning is not None
    assert all(cycle.cash >= 0 for cycle in result.cycles)
