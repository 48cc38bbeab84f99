"""Numbers after a cycle, worked by hand: fulfilment, exposures, risk, attribution, calibration."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from portfolio.attribution import Holding, attribution
from portfolio.calibration import calibration_table, wilson_interval
from portfolio.exposures import exposures, risk_numbers
from portfolio.fulfilment import PlanFill, fulfilment
from portfolio.history import Returns
from portfolio.rebalance import Funds, Plan, PlanRules, Position, make_plan
from portfolio.skill import SettledForecast
from trading.costs import fee_schedule_on
from trading.money import money_from_usd, price_from_usd


def position(symbol: str, owned: int, usd: float) -> Position:
    return Position(symbol=symbol, owned=owned, price=price_from_usd(usd))


def two_orders() -> Plan:
    """Sell 100 A at 50, buy 200 B at 20."""
    rules = PlanRules(rates=fee_schedule_on(date(2026, 9, 1)), allocation_ppm=1_000_000)
    funds = Funds(net_liquidation=money_from_usd(10_000), settled_buying_power=money_from_usd(9_000))
    return make_plan("c", {"A": 0.0, "B": 0.4}, [position("A", 100, 50), position("B", 0, 20)], funds, rules)


def fill(order_id: str, quantity: int, usd: float, exec_id: str) -> PlanFill:
    return PlanFill(exec_id, order_id, quantity, price_from_usd(usd), money_from_usd(1))


def test_slippage_is_a_cost_on_both_sides() -> None:
    plan = two_orders()
    sell, buy = plan.orders
    fills = [fill(sell.order_id, 100, 49.90, "1"), fill(buy.order_id, 100, 20.10, "2"), fill("else", 5, 1.0, "3")]
    done = fulfilment(plan, [*fills, fills[0]])
    assert [each.slippage for each in done.outcomes] == [money_from_usd(10), money_from_usd(10)]
    assert [each.slippage_bps for each in done.outcomes] == pytest.approx([20.0, 50.0])
    assert done.slippage_bps == pytest.approx(10_000 * 20 / 7_000)
    assert [each.missing for each in done.outcomes] == [0, 100]
    assert done.done_share == pytest.approx(7_000 / 9_000)
    assert (done.fees, done.strangers) == (money_from_usd(2), ("3",))


def test_nothing_done_has_no_slippage_and_not_zero() -> None:
    done = fulfilment(two_orders(), [])
    assert (done.slippage_bps, done.done_share) == (None, 0.0)


def test_exposures_and_drift_by_hand() -> None:
    found = exposures(
        [position("A", 30, 100), position("B", 10, 100)], money_from_usd(10_000), {"A": 0.25, "C": 0.1}, {"A": "tech"}
    )
    assert found.weights == pytest.approx({"A": 0.3, "B": 0.1})
    assert found.drift == pytest.approx({"A": 0.05, "B": 0.1, "C": -0.1})
    assert found.sectors == pytest.approx({"tech": 0.3, "unknown": 0.1})
    assert found.cash == pytest.approx(0.6)
    assert found.effective_names == pytest.approx(1.6)
    assert found.largest_drift == pytest.approx(0.1)


def test_risk_of_a_known_history() -> None:
    daily = np.tile([0.01, -0.02, 0.03, 0.0], 25)[:, None]
    found = risk_numbers({"A": 0.5, "LOST": 0.2}, Returns(symbols=("A",), daily=daily), benchmark=2 * daily[:, 0])
    assert found is not None
    assert found.value_at_risk == pytest.approx(0.01)
    assert found.expected_shortfall == pytest.approx(0.01)
    assert found.beta == pytest.approx(0.25)
    assert found.max_drawdown == pytest.approx(-0.01)
    assert found.uncovered == pytest.approx(0.2)


def test_too_few_days_give_no_risk_number() -> None:
    assert risk_numbers({"A": 1.0}, Returns(symbols=("A",), daily=np.zeros((59, 1)))) is None


def test_attribution_adds_up_by_name_and_by_source() -> None:
    up = Holding(symbol="UP", shares_before=10, price_before=1_000_000, shares_after=10, price_after=1_100_000)
    sold = Holding(
        symbol="SOLD",
        shares_before=10,
        price_before=1_000_000,
        shares_after=0,
        price_after=900_000,
        cash_flow=money_from_usd(948),
    )
    found = attribution(
        {"UP": up, "SOLD": sold},
        {"factor": {"UP": 0.06}, "llm": {"UP": 0.04, "SOLD": 0.01}},
        money_from_usd(10_000),
    )
    assert found.by_name == {"UP": money_from_usd(100), "SOLD": money_from_usd(-52)}
    assert found.by_source["factor"] == money_from_usd(60)
    assert found.by_source["llm"] == money_from_usd(30)
    assert found.by_source["execution"] == money_from_usd(-42)
    assert sum(found.by_source.values()) == found.total == money_from_usd(48)


def test_calibration_names_the_row_that_is_off() -> None:
    honest = [SettledForecast(cycle=i, probability=0.25, came_true=i % 4 == 0) for i in range(100)]
    boaster = [SettledForecast(cycle=i, probability=1.0, came_true=i % 2 == 0) for i in range(100)]
    table = calibration_table(honest + boaster)
    assert [(row.low, row.high, row.forecasts) for row in table] == [(0.2, 0.4, 100), (0.8, 1.0, 100)]
    assert [row.came_low <= row.said <= row.came_high for row in table] == [True, False]


def test_wilson_interval_of_a_published_example() -> None:
    assert wilson_interval(0.1, 10) == pytest.approx((0.0179, 0.4042), abs=5e-4)  # 1 of 10
    assert wilson_interval(0.0, 10)[0] == 0.0
