"""Conditional orders: they wait at the gateway until a price, a time, a volume or a change has come.

The price of AAA stands at 10.00 in the first minute, goes 10.00, 9.90, 10.30, 10.20 in the second one (at its
seconds 0, 20, 40 and 59) and stands at 10.20 in the third. The half-spread is one cent.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ib_simulator.conditions import are_met, rules_of
from ib_simulator.contracts import StockList
from ib_simulator.market import SymbolMarket
from ib_simulator.orders import ConditionRule, Refusal, Status
from ib_simulator.wire_order import (
    Condition,
    ExecutionCondition,
    MarginCondition,
    PercentChangeCondition,
    PriceCondition,
    TimeCondition,
    VolumeCondition,
)
from tests.ib_simulator.ib_insync_peer import imported_ib_insync
from tests.ib_simulator.order_desk import Desk
from tests.ib_simulator.test_market import OPEN_S, Minute, tape_of
from tests.ib_simulator.test_state import loaded, restarted

MINUTES = (
    Minute(0, 100_000, 100_000, 100_000, 100_000),
    Minute(1, 100_000, 103_000, 99_000, 102_000),
    Minute(2, 102_000, 102_000, 102_000, 102_000),
)
STOCK = StockList(["AAA", "BBB"]).find(0, "AAA")
assert STOCK is not None
AAA = STOCK.con_id


@pytest.fixture(autouse=True, scope="module")
def ib_insync() -> Iterator[ModuleType]:
    yield from imported_ib_insync()


def price(usd: float, *, above: bool = True, joined: str = "a") -> PriceCondition:
    return PriceCondition(conjunction=joined, is_more=above, price=usd, con_id=AAA, exchange="SMART", trigger_method=0)


def after(clock_text: str, *, joined: str = "a", is_more: bool = True) -> TimeCondition:
    return TimeCondition(conjunction=joined, is_more=is_more, time=f"20251007 {clock_text} US/Eastern")


def desk_with(*conditions: Condition, to: int = 10, **terms: Any) -> Desk:
    """A desk at which a market order of 10 shares waits for the conditions."""
    desk = Desk(*MINUTES)
    desk.to(to)
    desk.place(1, "BUY", 10, conditions=conditions, **terms)
    return desk


def filled_at(desk: Desk, to: int = 170) -> list[int]:
    """Seconds after the open at which something was filled."""
    desk.to(to)
    return [filed.execution.at_s - OPEN_S for filed in desk.orders.register.executions]


def test_a_price_condition_lets_the_order_go_when_the_price_is_there() -> None:
    desk = desk_with(price(10.25))
    assert desk.client.story() == ["openOrder 1 PreSubmitted", "orderStatus 1 PreSubmitted 0/10"]
    assert filled_at(desk) == [100]  # 10.30 at the 40th second of the second minute


def test_a_price_below_is_another_condition_than_a_price_above() -> None:
    assert filled_at(desk_with(price(9.95, above=False))) == [80]


def test_a_condition_that_is_true_already_lets_the_order_go_at_once() -> None:
    assert filled_at(desk_with(price(9.5))) == [10]


def test_a_time_condition_lets_the_order_go_at_its_second() -> None:
    assert filled_at(desk_with(after("09:31:30"))) == [90]


def test_both_or_one_of_two_conditions() -> None:
    assert filled_at(desk_with(price(10.25), after("09:32:10"))) == []  # at 09:32:10 the price is 10.20
    assert filled_at(desk_with(price(10.25, joined="o"), after("09:31:10"))) == [70]


def test_once_met_a_condition_stays_so() -> None:
    desk = desk_with(price(9.95, above=False), order_type="LMT", limit_price=9.5)
    assert filled_at(desk) == []
    order = desk.orders.find(1, 1)
    assert order is not None and order.conditions_met and order.status is Status.SUBMITTED


def test_a_condition_may_cancel_the_order_instead() -> None:
    desk = desk_with(price(10.25), conditions_cancel_order=True, order_type="LMT", limit_price=9.5)
    assert desk.client.story()[-1] == "orderStatus 1 Submitted 0/10"
    desk.to(99)
    assert desk.client.story() == []
    desk.to(100)
    assert desk.client.story() == ["orderStatus 1 Cancelled 0/10", "error 1 202"]


def test_the_volume_of_the_day_and_the_change_since_the_close_are_conditions_as_well() -> None:
    market = SymbolMarket(tape_of(MINUTES), previous_close=100_000)
    rules = rules_of(
        (
            VolumeCondition(conjunction="a", is_more=True, volume=1, con_id=AAA, exchange="SMART"),
            PercentChangeCondition(conjunction="a", is_more=True, change_percent=2.5, con_id=AAA, exchange="SMART"),
        ),
        lambda con_id: "AAA" if con_id == AAA else None,
    )
    assert not isinstance(rules, Refusal)
    seen = []
    for second in range(170):
        while (due_s := market.next_point_s()) is not None and due_s <= OPEN_S + second:
            market.step()
        while (due_s := market.next_publication_s()) is not None and due_s <= OPEN_S + second:
            market.publish()
        seen.append(are_met(rules, {"AAA": market}, OPEN_S + second))
    assert [second for second, is_met in enumerate(seen) if is_met] == list(range(100, 119))


def test_a_changed_condition_counts_anew() -> None:
    desk = desk_with(price(9.5), order_type="LMT", limit_price=9.0)
    order = desk.orders.find(1, 1)
    assert order is not None and order.active
    desk.place(1, "BUY", 10, "MKT", conditions=(price(10.25),))
    assert not order.active
    assert filled_at(desk) == [100]


def test_a_child_waits_for_its_parent_and_its_condition() -> None:
    desk = Desk(*MINUTES)
    desk.to(10)
    desk.place(1, "BUY", 10, "LMT", limit_price=9.92, transmit=False)
    desk.place(2, "SELL", 10, "MKT", parent_id=1, conditions=(after("09:31:05"),))
    assert filled_at(desk) == [80, 80]
    desk = Desk(*MINUTES)
    desk.to(10)
    desk.place(1, "BUY", 10, "LMT", limit_price=9.92, transmit=False)
    desk.place(2, "SELL", 10, "MKT", parent_id=1, conditions=(after("09:32:05"),))
    assert filled_at(desk) == [80, 125]


def test_of_two_orders_of_a_group_with_one_condition_only_the_first_fills() -> None:
    desk = Desk(*MINUTES)
    desk.to(10)
    for order_id in (1, 2):
        desk.place(order_id, "BUY", 10, conditions=(price(10.25),), oca_group="one", oca_type=1)
    assert filled_at(desk) == [100]
    second = desk.orders.find(1, 2)
    assert second is not None and second.status is Status.CANCELLED


def test_conditions_wait_for_the_open() -> None:
    desk = Desk(*MINUTES, is_open=False)
    desk.place(1, "BUY", 10, conditions=(after("04:00:00"),))
    desk.exchange.open_session(OPEN_S)
    assert filled_at(desk) == [0]


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (MarginCondition(conjunction="a", is_more=True, percent=5), 321),
        (ExecutionCondition(conjunction="a", sec_type="STK", exchange="SMART", symbol="AAA"), 321),
        (after("nonsense"), 10314),
        (price(-1.0), 321),
        (PriceCondition(conjunction="a", is_more=True, price=1.0, con_id=7, exchange="", trigger_method=0), 200),
    ],
)
def test_what_cannot_be_watched_is_refused(condition: Condition, code: int) -> None:
    desk = desk_with(condition)
    assert desk.client.story() == [f"error 1 {code}"]


def test_conditions_survive_a_restart(tmp_path: Path) -> None:
    desk = Desk(*MINUTES)
    state = loaded(desk, tmp_path / "state.db", OPEN_S)
    desk.to(10)
    desk.place(1, "BUY", 10, conditions=(price(10.25), after("09:31:00")), tif="GTC")
    state.save(0)
    state.close()
    again = restarted(tmp_path / "state.db", OPEN_S + 10, *MINUTES)
    order = again.orders.find(1, 1)
    assert order is not None
    assert order.conditions[0] == ConditionRule("price", "AAA", True, 102_500, True)
    told: Any = order.request
    assert told.order.conditions == (price(10.25), after("09:31:00"))
    again.exchange.open_session(OPEN_S + 10)
    assert filled_at(again) == [100]
