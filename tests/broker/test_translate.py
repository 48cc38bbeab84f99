"""Between the client library's objects and our values."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from ib_insync import BarData, Execution, Fill, Order, OrderStatus, Stock, Trade, TradeLogEntry
from ib_insync.objects import CommissionReport
from ib_insync.util import UNSET_DOUBLE

from broker.translate import (
    STATES,
    bar_from_ib,
    epoch_s,
    execution_from_ib,
    ib_time,
    is_set,
    money_from_ib,
    order_to_ib,
    position_from_ib,
    price_from_ib,
    quote_from_ib,
    report_from_ib,
    resting_from_ib,
)
from tests.gateway_world import EARLY_CLOSE, MONDAY
from trading.bars import Bar
from trading.orders import Action, IntentState, OrderIntent, entry_bracket
from trading.strategy import Parameters

NOON = datetime(2026, 9, 28, 16, 0, tzinfo=UTC)


# Numbers


@pytest.mark.parametrize("nothing", [math.nan, -1.0, 0.0, -0.0, UNSET_DOUBLE, math.inf, -math.inf])
def test_what_stands_for_no_price_is_zero(nothing: float) -> None:
    assert price_from_ib(nothing) == 0


def test_prices_keep_a_hundredth_of_a_cent() -> None:
    assert price_from_ib(340.52) == 3_405_200
    assert price_from_ib(0.1235) == 1_235
    assert price_from_ib(100.20999999999999) == 1_002_100  # float noise of an average


def test_money_keeps_a_millionth_and_may_be_negative() -> None:
    assert money_from_ib(1.245747) == 1_245_747
    assert money_from_ib(-0.5) == -500_000


@pytest.mark.parametrize("nothing", [math.nan, UNSET_DOUBLE, math.inf])
def test_an_amount_that_was_not_given_is_no_zero(nothing: float) -> None:
    assert not is_set(nothing)
    with pytest.raises(ValueError, match="gave no amount"):
        money_from_ib(nothing)


# Time


def test_instants_are_told_in_new_york_time_on_both_sides_of_the_clock_change() -> None:
    assert ib_time(int(MONDAY.eod.timestamp())) == "20260928 15:55:00 US/Eastern"
    assert ib_time(int(EARLY_CLOSE.eod.timestamp())) == "20261127 12:55:00 US/Eastern"


def test_any_zone_is_understood_and_none_is_an_error() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert epoch_s(NOON.astimezone(tokyo)) == epoch_s(NOON) == int(NOON.timestamp())
    with pytest.raises(ValueError, match="naive datetime"):
        epoch_s(NOON.replace(tzinfo=None))


# Bars and quotes


def ib_bar(when: datetime | date, volume: float = 6_000) -> BarData:
    return BarData(date=when, open=100.0, high=100.2, low=99.98, close=100.18, volume=volume)


def test_a_minute_bar_starts_where_the_gateway_says() -> None:
    assert bar_from_ib(ib_bar(NOON)) == Bar(int(NOON.timestamp()), 1_000_000, 1_002_000, 999_800, 1_001_800, 6_000)


def test_a_daily_bar_starts_at_midnight_or_at_the_open_it_is_given() -> None:
    day = date(2026, 9, 28)
    assert bar_from_ib(ib_bar(day)).start_s == int(datetime(2026, 9, 28, tzinfo=UTC).timestamp())
    assert bar_from_ib(ib_bar(day), open_s=MONDAY.open_s).start_s == MONDAY.open_s


def test_a_bar_without_volume_has_none() -> None:
    assert bar_from_ib(ib_bar(NOON, volume=-1)).volume == 0


def test_a_quote_is_empty_halted_or_delayed_when_the_gateway_says_so() -> None:
    empty = quote_from_ib(math.nan, -1.0, math.nan, math.nan, 1, 7)
    assert (empty.bid, empty.ask, empty.last, empty.halted, empty.delayed) == (0, 0, 0, False, False)
    assert [quote_from_ib(1.0, 1.0, 1.0, halted, 1, 7).halted for halted in (0, 1, 2)] == [False, True, True]
    assert [quote_from_ib(1.0, 1.0, 1.0, 0, kind, 7).delayed for kind in (1, 2, 3, 4)] == [False, False, True, True]


# Orders


def bracket() -> tuple[OrderIntent, ...]:
    numbers = iter(range(1, 10))
    return entry_bracket(
        new_id=lambda: f"id{next(numbers)}",
        symbol="AAA",
        quantity=249,
        collar=1_003_100,
        expected_fill=1_002_100,
        parameters=Parameters(),
        good_till_s=MONDAY.open_s + 15,
        eod_s=int(MONDAY.eod.timestamp()),
        decision_id="d",
    )


def test_an_entry_becomes_a_limit_order_that_expires_by_itself() -> None:
    order = order_to_ib(bracket()[0], order_id=7, parent_id=0, account="DU1", transmit=False)
    assert (order.action, order.totalQuantity, order.orderType, order.lmtPrice) == ("BUY", 249, "LMT", 100.31)
    assert (order.tif, order.goodTillDate, order.goodAfterTime) == ("GTD", "20260928 09:30:15 US/Eastern", "")
    assert (order.orderRef, order.orderId, order.parentId, order.account, order.transmit) == ("id2", 7, 0, "DU1", False)
    assert (order.ocaGroup, order.outsideRth, order.auxPrice) == ("", False, UNSET_DOUBLE)


def test_exits_become_one_group_that_reduces() -> None:
    stop, target, time_exit = (
        order_to_ib(intent, order_id=8, parent_id=7, account="DU1", transmit=True) for intent in bracket()[1:]
    )
    assert (stop.orderType, stop.auxPrice, stop.lmtPrice, stop.tif) == ("STP", 99.40, UNSET_DOUBLE, "GTC")
    assert (target.orderType, target.lmtPrice, target.auxPrice, target.tif) == ("LMT", 101.62, UNSET_DOUBLE, "DAY")
    assert (time_exit.orderType, time_exit.tif) == ("MKT", "GTC")
    assert time_exit.goodAfterTime == "20260928 15:55:00 US/Eastern"
    for order in (stop, target, time_exit):
        assert (order.action, order.parentId, order.ocaGroup, order.ocaType) == ("SELL", 7, "exit-id1", 2)


# Reports


def ib_trade(status: str, *log: TradeLogEntry, why_held: str = "") -> Trade:
    order = Order(orderId=7, orderRef="intent", permId=11)
    state = OrderStatus(orderId=7, status=status, filled=100, remaining=149, avgFillPrice=100.21, whyHeld=why_held)
    return Trade(Stock("AAA", "SMART", "USD"), order, state, [], list(log))


@pytest.mark.parametrize("status", sorted(OrderStatus.ActiveStates | OrderStatus.DoneStates | {"Inactive"}))
def test_every_status_of_the_library_has_a_state(status: str) -> None:
    assert STATES[status] is not IntentState.UNKNOWN
    report = report_from_ib(ib_trade(status))
    assert report.state is STATES[status]
    assert (report.order_ref, report.filled, report.remaining, report.average_price) == ("intent", 100, 149, 1_002_100)
    assert (report.order_id, report.perm_id) == (7, 11)


def test_a_status_nobody_knows_is_unknown() -> None:
    assert report_from_ib(ib_trade("Reticulating")).state is IntentState.UNKNOWN


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (201, IntentState.REJECTED),
        (321, IntentState.REJECTED),
        (10349, IntentState.UNKNOWN),
        (104, IntentState.UNKNOWN),
    ],
)
def test_a_cancel_that_the_library_made_up_from_an_error_is_judged_by_its_code(code: int, state: IntentState) -> None:
    report = report_from_ib(ib_trade("Cancelled", TradeLogEntry(NOON, "Cancelled", f"Error {code}: words", code)))
    assert (report.state, report.detail) == (state, f"Error {code}: words")


def test_an_error_about_an_order_that_was_alive_leaves_its_state_open() -> None:
    """It may be about a modification: a stop that is taken for dead while it rests would be sold twice."""
    log = [
        TradeLogEntry(NOON, "PendingSubmit", "", 0),
        TradeLogEntry(NOON, "PreSubmitted", "", 0),
        TradeLogEntry(NOON, "Cancelled", "Error 201: words", 201),
    ]
    assert report_from_ib(ib_trade("Cancelled", *log)).state is IntentState.UNKNOWN
    assert report_from_ib(ib_trade("Inactive", *log)).state is IntentState.REJECTED  # this the gateway said itself


@pytest.mark.parametrize(
    ("before", "state", "held"),
    [("PreSubmitted", IntentState.WORKING, True), ("Submitted", IntentState.WORKING, False)],
)
def test_an_order_that_a_message_only_warned_of_is_where_it_was_before(
    before: str, state: IntentState, *, held: bool
) -> None:
    log = [TradeLogEntry(NOON, before, "", 0), TradeLogEntry(NOON, "ValidationError", "Warning 399: words", 399)]
    report = report_from_ib(ib_trade("ValidationError", *log))
    assert (report.state, report.held) == (state, held)


@pytest.mark.parametrize("code", [105, 321, 329])
def test_of_an_order_whose_change_was_refused_nobody_knows_whether_it_lives(code: int) -> None:
    log = [TradeLogEntry(NOON, "Submitted", "", 0), TradeLogEntry(NOON, "ValidationError", f"Warning {code}", code)]
    assert report_from_ib(ib_trade("ValidationError", *log)).state is IntentState.UNKNOWN


def test_a_cancel_that_the_gateway_reported_is_one() -> None:
    assert report_from_ib(ib_trade("Cancelled", TradeLogEntry(NOON, "Cancelled", "", 0))).state is IntentState.CANCELLED


def test_inactive_while_shares_are_located_is_alive() -> None:
    assert report_from_ib(ib_trade("Inactive", why_held="locate")).state is IntentState.WORKING


def test_an_execution_carries_the_gateways_time_and_our_reference() -> None:
    execution = Execution(
        execId="e1", time=NOON, side="SLD", shares=100.0, price=99.39, permId=11, orderId=7, orderRef="intent"
    )
    wall = datetime(2030, 1, 1, tzinfo=UTC)  # the library's own reading of the clock
    report = execution_from_ib(Fill(Stock("AAA"), execution, CommissionReport(), wall))
    assert (report.exec_id, report.order_ref, report.symbol, report.action) == ("e1", "intent", "AAA", Action.SELL)
    assert (report.quantity, report.price, report.at_s) == (100, 993_900, int(NOON.timestamp()))


def test_resting_orders_show_the_price_that_triggers_them() -> None:
    def shown(order: Order) -> float:
        state = OrderStatus(status="PreSubmitted")
        return resting_from_ib(Trade(Stock("AAA"), order, state, [], [])).price_usd

    assert shown(Order(orderType="STP", auxPrice=99.40)) == 99.40
    assert shown(Order(orderType="LMT", lmtPrice=101.62)) == 101.62
    assert shown(Order(orderType="MKT")) == 0.0
    assert shown(Order(orderType="LMT", lmtPrice=UNSET_DOUBLE)) == 0.0


def test_a_position_keeps_its_fraction_and_its_kind() -> None:
    position = position_from_ib(Stock("AAA"), -10.5, 99.5)
    assert (position.symbol, position.quantity, position.average_cost, position.is_stock) == (
        "AAA",
        -10.5,
        995_000,
        True,
    )
