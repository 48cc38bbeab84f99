"""What is done about owned shares at each instant, by the state of their orders: never sold twice, never naked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.position_desk import BREACH_S, MOST_REPRICINGS, SWEEP_AFTER_EOD_S, PositionDesk
from observability import TradingHistory
from tests.broker.test_bookkeeper import EOD_S, OPEN_S, Kept
from trading.indicators import VwapState
from trading.orders import Action, ExecutionReport, IntentState, OrderReport, Reason, Role
from trading.strategy import Market, Parameters

STOP = 994_000  # of shares bought at 100.21


class Owned:
    """249 AAA at 100.21 with their exits at work, the desk that looks after them, and a price that a test sets.

    `told`: whether the execution of the purchase was told, or the state of its order alone.
    """

    def __init__(self, history: TradingHistory, *, told: bool = True) -> None:
        self.kept = Kept(history)
        self.orders = self.kept.desk
        self.orders.shares["AAA"] = 249
        if told:
            self.kept.executed("b", self.kept.entry, 249, 1_002_100)
        self.kept.reported(self.kept.entry, IntentState.FILLED, 249)
        for leg in self.kept.legs[1:]:
            self.working(leg.intent_id, held=leg.role is not Role.TARGET)
        self.price = 1_002_000
        numbers = itertools.count(1)
        self.desk = PositionDesk(
            self.kept.keeper,
            self.orders,
            lambda: f"new{next(numbers)}",
            Parameters(),
            EOD_S,
            lambda _: self._market(),
        )

    def working(self, intent_id: str, quantity: int = 249, *, held: bool = False) -> None:
        self.kept.keeper.on_order(OrderReport(intent_id, IntentState.WORKING, 0, quantity, 0, 1, 1, "", held))

    def lose_exits(self) -> None:
        for leg in self.kept.legs[1:]:
            self.kept.reported(leg, IntentState.CANCELLED)

    def lose_sale(self) -> None:
        self.kept.reported(self.orders.placed[-1], IntentState.CANCELLED)

    def watch(self, now_s: int) -> None:
        asyncio.run(self.desk.watch(now_s))

    def close(self) -> None:
        asyncio.run(self.desk.close("AAA", Reason.MANUAL))

    def _market(self) -> Market:
        return Market(
            last=self.price,
            bid=self.price - 100,
            ask=self.price + 100,
            bars=20,
            minute_volume=6_000,
            vwap=VwapState(),
            rsi=50.0,
            atr_pct=2.0,
            quote_age_s=0,
        )


@pytest.fixture
def history(tmp_path: Path) -> Iterator[TradingHistory]:
    with TradingHistory(tmp_path / "history.db", bot="day_trader", mode="simulated") as history:
        yield history


@pytest.fixture
def owned(history: TradingHistory) -> Owned:
    return Owned(history)


def test_shares_that_are_being_sold_at_market_get_no_exits_beside_the_sale(owned: Owned) -> None:
    owned.lose_exits()
    owned.close()
    (sale,) = owned.orders.placed
    assert (sale.role, sale.quantity, sale.order_type) == (Role.CLOSE, 249, "MKT")
    owned.working(sale.intent_id)
    for now_s in (OPEN_S, EOD_S + SWEEP_AFTER_EOD_S):
        owned.watch(now_s)
    assert owned.orders.placed == [sale]
    assert owned.orders.cancelled == []


def test_between_eod_and_the_sweep_the_time_exits_are_left_to_themselves(owned: Owned) -> None:
    owned.lose_exits()
    for now_s in (EOD_S, EOD_S + SWEEP_AFTER_EOD_S - 1):
        owned.watch(now_s)
    assert owned.orders.placed == []
    owned.watch(EOD_S + SWEEP_AFTER_EOD_S)
    assert [(intent.role, intent.quantity) for intent in owned.orders.placed] == [(Role.CLOSE, 249)]


def test_a_stop_that_does_not_trigger_is_waited_for_and_then_the_target_takes_the_bid(owned: Owned) -> None:
    # The bid is 99.39: less 20 bp 99.19122, down to 99.19.
    owned.price = STOP
    for now_s in (OPEN_S, OPEN_S + BREACH_S - 1):
        owned.watch(now_s)
    assert owned.orders.changes == []
    owned.watch(OPEN_S + BREACH_S)
    assert owned.orders.changes == [(owned.kept.target.intent_id, 249, 991_900, 0)]
    assert owned.kept.keeper.warnings == ["AAA: the stop at the broker did not trigger, closing"]


def test_a_price_that_comes_back_above_its_stop_is_no_breach(owned: Owned) -> None:
    for second, price in ((0, STOP), (5, STOP + 100), (BREACH_S, STOP), (2 * BREACH_S - 1, STOP)):
        owned.price = price
        owned.watch(OPEN_S + second)
    assert owned.orders.changes == []
    assert owned.kept.keeper.warnings == []


def test_a_target_that_cannot_be_repriced_is_cancelled_with_its_group_and_is_not_believed_cheaper(
    owned: Owned,
) -> None:
    owned.orders.refuses = True
    owned.close()
    target = owned.kept.keeper.brackets["AAA"].legs[Role.TARGET]
    assert target.limit_price == 1_016_200
    assert owned.orders.cancelled == [owned.kept.stop.intent_id]
    assert owned.orders.placed == []  # nothing is sold beside orders that may still sell


def test_a_refused_repricing_is_not_one_of_the_tries(owned: Owned) -> None:
    owned.orders.refuses = True
    for _ in range(MOST_REPRICINGS):
        owned.close()
    owned.orders.refuses = False
    owned.orders.cancelled.clear()
    owned.close()
    assert owned.orders.cancelled == []
    assert owned.kept.keeper.brackets["AAA"].legs[Role.TARGET].limit_price == 999_800  # 100.19 less 20 bp, down


def test_an_exit_whose_shares_somebody_else_sold_is_withdrawn_again_while_it_lives(owned: Owned) -> None:
    stop, target, time_exit = (leg.intent_id for leg in owned.kept.legs[1:])
    owned.kept.keeper.on_positions({"AAA": 249.0})
    owned.kept.keeper.on_execution(ExecutionReport("x", "", "AAA", Action.SELL, 249, 1_002_000, OPEN_S, 9, 9))
    assert owned.orders.cancelled == [stop, target, time_exit]
    owned.watch(OPEN_S)
    assert owned.orders.cancelled[3:] == [stop]  # the rest of its group goes with it
    assert owned.kept.keeper.warnings[-1] == "AAA: an exit was left without shares, it is withdrawn"
    assert owned.orders.placed == []


def test_exits_of_shares_whose_executions_are_not_told_yet_are_not_withdrawn(history: TradingHistory) -> None:
    owned = Owned(history, told=False)
    owned.watch(OPEN_S)
    assert owned.kept.keeper.book.positions == {}
    assert (owned.orders.cancelled, owned.kept.keeper.warnings) == ([], [])
