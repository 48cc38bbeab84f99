"""A plan is performed on a desk whose answers are given: what is sent, what waits, and when it ends.

The desk stands in for the broker, so that it can fail in ways that a gateway seldom does; the whole way to an exchange
is in `test_cycle.py` and `test_kills.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ib_simulator.simulated_time import SimulatedClock, simulated_loop
from portfolio.rebalance import Funds, Plan, PlanRules, Position, make_plan
from tests.gateway_world import MONDAY
from trading.costs import fee_schedule_on
from trading.errors import BrokerUnavailable
from trading.money import money_from_usd, price_from_usd
from trading.orders import OrderIntent
from utils import HaltTrading
from weekly.performing import BEFORE_CLOSE, GRACE, WITHDRAWAL_LIMIT, Performing, PerformingRules, Timing

RATES = fee_schedule_on(MONDAY.date)
PATIENCE = timedelta(minutes=2)
FUNDS = Funds(net_liquidation=money_from_usd(100_000), settled_buying_power=money_from_usd(100_000))
MORNING = MONDAY.open + timedelta(minutes=30)


@dataclass
class Desk:
    """The part of `PortfolioDesk` that is needed. Orders work until `fills` says otherwise."""

    fills: bool = True
    loses: str = ""  # the symbol whose order cannot be sent
    doubts: str = ""
    held: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    sent: list[OrderIntent] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    asked: int = 0
    fault: Exception | None = None

    def __post_init__(self) -> None:
        self.supervisor = SimpleNamespace(is_ready=True, ask_for_sync=self._ask)
        self.broker = self  # its fault
        self.keeper = SimpleNamespace(warn=self.warnings.append, doubt=lambda _: self.doubts, book=self)

    @property
    def owned(self) -> dict[str, Any]:
        return {symbol: SimpleNamespace(quantity=shares) for symbol, shares in self.held.items()}

    def _ask(self) -> None:
        self.asked += 1

    async def send(self, intent: OrderIntent) -> None:
        if intent.symbol == self.loses:
            raise BrokerUnavailable("the connection was lost")
        self.sent.append(intent)

    def filled_by(self, intent_id: str) -> tuple[int, int]:
        intent = self._find(intent_id)
        return (intent.quantity, intent.limit_price) if intent is not None and self.fills else (0, 0)

    def executed(self, intent_id: str) -> int:
        return self.filled_by(intent_id)[0]

    def may_still_fill(self, intent_id: str) -> int:
        intent = self._find(intent_id)
        return intent.quantity if intent is not None and not self.fills else 0

    def cancel(self, intent_ids: Sequence[str]) -> None:
        self.cancelled += intent_ids

    def _find(self, intent_id: str) -> OrderIntent | None:
        return next((intent for intent in self.sent if intent.intent_id == intent_id), None)


def sell_one_buy_one() -> Plan:
    """Sell 100 A at 50 or so, buy 200 B at 20 or so."""
    rules = PlanRules(rates=RATES, allocation_ppm=1_000_000)
    positions = (
        Position(symbol="A", owned=100, price=price_from_usd(50)),
        Position(symbol="B", owned=0, price=price_from_usd(20)),
    )
    return make_plan("2026-W40", {"A": 0.0, "B": 0.04}, positions, FUNDS, rules)


def perform(
    desk: Desk, *, begins: timedelta = timedelta(0), trouble: str = "", **changes: Any
) -> tuple[Performing, float]:
    """The performing of the plan to its end, and how many seconds it took."""
    loop = simulated_loop()
    clock = SimulatedClock(loop, MORNING + begins)
    rules = PerformingRules(rates=RATES, patience=PATIENCE, timing=Timing.NOW, kill_order=lambda: "")
    history: Any = SimpleNamespace(intent=lambda _: None, trouble=trouble)
    stand_in: Any = desk
    run = Performing(sell_one_buy_one(), FUNDS, stand_in, MONDAY, clock, history, replace(rules, **changes))
    try:
        loop.run_until_complete(run.run())
        return run, (clock.now() - MORNING - begins).total_seconds()
    finally:
        loop.close()
        asyncio.set_event_loop(None)


def told(desk: Desk) -> list[tuple[str, str, int]]:
    return [(intent.symbol, intent.action.value, intent.quantity) for intent in desk.sent]


def test_a_purchase_follows_the_sale_that_pays_for_it() -> None:
    desk = Desk(held={"A": 100})
    _, took_s = perform(desk)
    assert [symbol for symbol, _, _ in told(desk)] == ["A", "B"]
    assert took_s < 5
    assert (desk.cancelled, desk.warnings) == ([], [])


def test_no_more_is_sold_than_is_owned_and_there() -> None:
    desk = Desk(held={"A": 100}, missing={"A": 30})
    perform(desk)
    assert told(desk)[0] == ("A", "SELL", 70)
    nothing = Desk(held={})
    perform(nothing)
    assert ("A", "SELL") not in [(symbol, side) for symbol, side, _ in told(nothing)]
    assert nothing.warnings == ["A: no shares are left to sell"]


def test_an_order_that_may_have_been_lost_is_not_sent_again() -> None:
    desk = Desk(held={"A": 100}, loses="A")
    perform(desk)
    assert "A" not in [symbol for symbol, _, _ in told(desk)]
    assert desk.warnings == ["A: the connection was lost; it is not sent again in this cycle"]


def test_orders_wait_while_they_cannot_be_recorded_and_none_is_sent() -> None:
    desk = Desk(held={"A": 100})
    perform(desk, trouble="the disk is full")
    assert desk.sent == []
    assert set(desk.warnings) == {"orders wait: the disk is full"}


def test_what_never_fills_ends_with_the_patience_and_is_withdrawn_and_named() -> None:
    desk = Desk(held={"A": 100}, fills=False)
    _, took_s = perform(desk)
    assert told(desk) == [("A", "SELL", 100)]  # nothing is bought with money that did not come
    assert len(desk.cancelled) == 1
    assert took_s == pytest.approx((2 * PATIENCE + GRACE + WITHDRAWAL_LIMIT).total_seconds(), abs=2)
    (order,) = sell_one_buy_one().sells
    assert desk.warnings == [f"{order.order_id}: 100 shares may still execute, the broker has not said"]


def test_a_doubt_is_put_to_the_broker_every_quarter_of_a_minute() -> None:
    desk = Desk(held={"A": 100}, fills=False, doubts="no fee was reported")
    _, took_s = perform(desk)
    assert desk.asked == int((took_s - WITHDRAWAL_LIMIT.total_seconds()) // 15)


def test_orders_for_the_open_are_left_to_rest() -> None:
    desk = Desk(held={"A": 100}, fills=False)
    _, took_s = perform(desk, timing=Timing.AT_OPEN)
    assert sorted(told(desk)) == [("A", "SELL", 100), ("B", "BUY", told(desk)[1][2])]
    assert {intent.tif for intent in desk.sent} == {"OPG"}
    assert took_s == pytest.approx(WITHDRAWAL_LIMIT.total_seconds(), abs=1)
    assert desk.cancelled == []


def test_nothing_is_sent_in_the_last_moments_of_a_session() -> None:
    desk = Desk(held={"A": 100})
    run, _ = perform(desk, begins=MONDAY.close - MORNING - BEFORE_CLOSE)
    assert (run.stopped_because, desk.sent) == ("the session is about to close", [])


def test_a_kill_switch_thrown_between_two_orders_keeps_the_second_back() -> None:
    desk = Desk(held={"A": 100})
    run, _ = perform(desk, timing=Timing.AT_OPEN, kill_order=lambda: "stop" if desk.sent else "")
    assert [symbol for symbol, _, _ in told(desk)] == ["A"]
    assert (run.is_killed, run.stopped_because) == (True, "the kill switch stopped trading")


def test_a_fault_of_the_brokers_reports_ends_it() -> None:
    desk = Desk(held={"A": 100}, fault=HaltTrading("the account is another one"))
    with pytest.raises(HaltTrading, match="another one"):
        perform(desk)
    assert desk.sent == []
