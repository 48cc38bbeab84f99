"""Orders, brackets, OCA groups and time conditions at the simulated exchange, on hand-made price paths.

Prices are in 1e-4 USD: 100_000 is 10.00. Near 10.00 the modelled half-spread is one cent (100).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ib_simulator.account import Account
from ib_simulator.exchange import Exchange
from ib_simulator.market import SymbolMarket
from ib_simulator.orders import BUY, SELL, Refusal, SimExecution, SimOrder, Status
from tests.ib_simulator.test_market import OPEN_S, Minute, tape_of
from trading.costs import FeeSchedule
from trading.money import notional

CASH = 1_000_000_000_000
CLOSE_S = OPEN_S + 1_800  # a short session keeps the tests fast
OVERNIGHT_S = 86_400
BUDGET = 100  # shares a minute before any volume is published


class Fill(NamedTuple):
    """A fill as a test writes it: seconds after the open."""

    name: str
    quantity: int
    price: int
    second: int


@dataclass
class Recorder:
    """An ExchangeListener that notes everything in order, orders by their `order_ref`."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    executions: list[SimExecution] = field(default_factory=list)
    open_s: int = OPEN_S

    def on_order(self, order: SimOrder) -> None:
        self.events.append(("order", order.order_ref, order.status.value, order.filled, order.remaining))

    def on_modified(self, order: SimOrder) -> None:
        self.on_order(order)

    def on_execution(self, execution: SimExecution) -> None:
        self.executions.append(execution)
        self.events.append(("fill", execution.order.order_ref, execution.quantity, execution.price))

    def on_cancelled(self, order: SimOrder, reason: str) -> None:
        self.events.append(("cancelled", order.order_ref, order.remaining, reason))

    def on_refused(self, order: SimOrder, refusal: Refusal) -> None:
        raise AssertionError(f"the exchange refused {order.order_ref}: {refusal}")

    def fills(self) -> list[Fill]:
        return [Fill(e.order.order_ref, e.quantity, e.price, e.at_s - self.open_s) for e in self.executions]


class Floor:
    """An open exchange with the market AAA, driven second by second as the gateway does it."""

    def __init__(self, *minutes: Minute, is_open: bool = True) -> None:
        self.recorder = Recorder()
        self.account = Account("DU1", CASH, lambda symbol: self.exchange.markets[symbol].last)
        self.exchange = Exchange(self.recorder, {"DU1": self.account}, FeeSchedule())
        self.exchange.now_s = OPEN_S - 60
        self.orders: list[SimOrder] = []
        self.load(*minutes)
        if is_open:
            self.open()

    @property
    def fills(self) -> list[Fill]:
        return self.recorder.fills()

    def load(self, *minutes: Minute) -> None:
        self.market = SymbolMarket(tape_of(minutes), previous_close=0)
        self.exchange.markets = {"AAA": self.market}

    def open(self, second: int = 0) -> None:
        self.exchange.open_session(OPEN_S + second)

    def to(self, second: int) -> None:
        """Play everything up to and including `second` after the open."""
        exchange, market, end_s = self.exchange, self.market, OPEN_S + second
        while True:
            due = (market.next_point_s(), market.next_publication_s(), exchange.next_condition_s())
            # what came due while the exchange was closed is late: it comes with the first second of the session
            now_s = max(min((moment for moment in due if moment is not None), default=end_s + 1), exchange.now_s)
            if now_s > end_s:
                break
            exchange.now_s = now_s
            if due[0] is not None and due[0] <= now_s:
                exchange.on_point(market, market.step())
            if due[1] is not None and due[1] <= now_s:
                market.publish()
            exchange.on_second(now_s)
        exchange.now_s = end_s

    def order(self, name: str, side: int, quantity: int, order_type: str = "MKT", **terms: Any) -> SimOrder:
        """An order, placed and (unless `held`) transmitted. `good_after` and `good_till`: seconds after the open."""
        number = len(self.orders) + 1
        held = terms.pop("held", False)
        for moment in ("good_after", "good_till"):
            if moment in terms:
                terms[f"{moment}_s"] = OPEN_S + terms.pop(moment)
        order = SimOrder(
            perm_id=number,
            client_id=2,
            order_id=number,
            account="DU1",
            symbol="AAA",
            side=side,
            quantity=quantity,
            order_type=order_type,
            order_ref=name,
            **terms,
        )
        self.orders.append(order)
        self.exchange.place(order)
        if not held:
            self.exchange.transmit(order)
        return order

    def buy_limit(self, quantity: int, limit: int, name: str = "buy", **terms: Any) -> SimOrder:
        return self.order(name, BUY, quantity, "LMT", limit=limit, **terms)

    def sell_limit(self, quantity: int, limit: int, name: str = "target", **terms: Any) -> SimOrder:
        return self.order(name, SELL, quantity, "LMT", limit=limit, **terms)

    def sell_stop(self, quantity: int, stop: int, name: str = "stop", **terms: Any) -> SimOrder:
        return self.order(name, SELL, quantity, "STP", stop=stop, **terms)


def flat(minute: int, price: int = 100_000, volume: int = 10_000) -> Minute:
    return Minute(minute, price, price, price, price, volume)


FLAT = (flat(0), flat(1), flat(2))
FALL = Minute(1, 100_000, 100_000, 97_000, 98_000)  # 10.00 at 60 and 80 s, 9.70 at 100 s, 9.80 at 119 s
RISE = Minute(1, 100_000, 103_000, 100_000, 102_000)  # 10.00 at 60 and 80 s, 10.30 at 100 s, 10.20 at 119 s


# --- on arrival -------------------------------------------------------------------------------------------------


def test_marketable_limit_fills_on_arrival_at_the_standing_ask() -> None:
    floor = Floor(*FLAT)
    floor.to(25)  # the last trade was at 20 s
    order = floor.buy_limit(100, 101_000)
    assert floor.fills == [Fill("buy", 100, 100_100, 25)]
    assert order.status is Status.FILLED


def test_a_limit_equal_to_the_ask_is_marketable_and_one_tick_less_is_not() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    assert floor.buy_limit(10, 100_100).status is Status.FILLED
    assert floor.buy_limit(10, 100_000).status is Status.SUBMITTED


def test_a_limit_sale_at_the_bid_fills_on_arrival() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    assert floor.sell_limit(10, 99_900).status is Status.FILLED
    assert floor.sell_limit(10, 100_000).status is Status.SUBMITTED
    assert floor.fills == [Fill("target", 10, 99_900, 0)]


@pytest.mark.parametrize(("side", "price"), [(BUY, 100_100), (SELL, 99_900)])
def test_a_market_order_takes_the_far_quote_on_arrival(side: int, price: int) -> None:
    floor = Floor(*FLAT)
    floor.to(30)
    floor.order("market", side, 100)
    assert floor.fills == [Fill("market", 100, price, 30)]


def test_an_order_before_the_first_trade_of_a_symbol_waits_for_it() -> None:
    floor = Floor(flat(2))
    floor.to(60)
    floor.order("market", BUY, 100)
    floor.to(120)
    assert floor.fills == [Fill("market", 100, 100_100, 120)]


def test_a_collar_not_reached_rests_and_expires_at_its_good_till_second() -> None:
    floor = Floor(*FLAT, RISE._replace(minute=3))
    floor.to(10)
    order = floor.buy_limit(100, 100_000, tif="GTD", good_till=15)
    floor.to(14)
    assert not order.is_done
    floor.to(15)
    assert order.status is Status.CANCELLED
    assert floor.recorder.events[-1] == ("cancelled", "buy", 100, "")
    assert floor.fills == []


def test_a_path_point_at_the_good_till_second_still_fills() -> None:
    floor = Floor(Minute(0, 100_000, 100_000, 99_000, 100_000))  # 9.90 at 20 s
    floor.to(10)
    floor.buy_limit(100, 99_500, tif="GTD", good_till=20)
    floor.to(20)
    assert floor.fills == [Fill("buy", 100, 99_500, 20)]


def test_an_order_transmitted_late_keeps_its_good_till_second() -> None:
    floor = Floor(*FLAT)
    order = floor.buy_limit(100, 99_000, tif="GTD", good_till=30, held=True)
    floor.to(40)
    assert not order.is_done
    floor.exchange.transmit(order)
    floor.to(41)
    assert order.status is Status.CANCELLED


# --- along the path ---------------------------------------------------------------------------------------------


def test_a_stop_reached_within_a_bar_fills_half_a_spread_under_its_stop() -> None:
    floor = Floor(flat(0), FALL)
    order = floor.sell_stop(100, 98_500)
    floor.to(99)
    assert (order.status, order.triggered, order.why_held) == (Status.PRE_SUBMITTED, False, "trigger")
    floor.to(100)
    assert floor.fills == [Fill("stop", 100, 98_400, 100)]


def test_a_stop_triggers_when_the_last_price_equals_it() -> None:
    floor = Floor(flat(0), FALL)
    floor.sell_stop(10, 97_000)
    floor.sell_stop(10, 96_900, "lower")
    floor.to(119)
    assert floor.fills == [Fill("stop", 10, 96_900, 100)]


def test_a_stop_jumped_over_fills_at_the_bid() -> None:
    floor = Floor(flat(0), flat(1, 97_000))
    floor.sell_stop(100, 98_500)
    floor.to(60)
    assert floor.fills == [Fill("stop", 100, 96_900, 60)]


@pytest.mark.parametrize("stop", [100_000, 100_500])
def test_a_stop_at_or_above_the_last_price_triggers_on_arrival(stop: int) -> None:
    floor = Floor(*FLAT)
    floor.to(30)
    floor.sell_stop(100, stop)
    assert floor.fills == [Fill("stop", 100, 99_900, 30)]


def test_a_buy_stop_is_the_mirror_of_a_sell_stop() -> None:
    floor = Floor(flat(0), RISE, flat(2, 105_000))
    floor.order("inside", BUY, 50, "STP", stop=101_000)
    floor.order("jumped", BUY, 50, "STP", stop=104_000)
    floor.to(120)
    assert floor.fills == [Fill("inside", 50, 101_100, 100), Fill("jumped", 50, 105_100, 120)]


def test_a_target_reached_within_a_bar_fills_at_its_limit() -> None:
    floor = Floor(flat(0), RISE)
    floor.sell_limit(100, 101_500)
    floor.to(119)
    assert floor.fills == [Fill("target", 100, 101_500, 100)]


def test_a_target_needs_the_bid_and_not_the_last_price() -> None:
    floor = Floor(flat(0), RISE)  # at 10.30 the half-spread is a cent: the bid is 10.29
    floor.sell_limit(50, 103_000, "last")
    floor.sell_limit(50, 102_900, "bid")
    floor.to(119)
    assert floor.fills == [Fill("bid", 50, 102_900, 100)]


def test_a_target_jumped_over_fills_at_the_bid() -> None:
    floor = Floor(flat(0), flat(1, 103_000))
    floor.sell_limit(100, 101_500)
    floor.to(60)
    assert floor.fills == [Fill("target", 100, 102_900, 60)]


def test_a_resting_purchase_fills_at_its_limit_and_on_a_jump_at_the_ask() -> None:
    floor = Floor(flat(0), FALL, flat(2, 95_000))
    floor.buy_limit(50, 97_500, "inside")
    floor.buy_limit(50, 96_000, "jumped")
    floor.to(120)
    assert floor.fills == [Fill("inside", 50, 97_500, 100), Fill("jumped", 50, 95_100, 120)]


def test_a_rising_minute_reaches_its_low_before_its_high() -> None:
    floor = Floor(flat(0), Minute(1, 100_000, 103_000, 97_000, 100_000))
    floor.sell_limit(10, 102_000)
    floor.sell_stop(10, 98_000)
    floor.to(119)
    assert floor.fills == [Fill("stop", 10, 97_900, 80), Fill("target", 10, 102_000, 100)]


def test_a_falling_minute_reaches_its_high_before_its_low() -> None:
    floor = Floor(flat(0), Minute(1, 100_000, 103_000, 97_000, 99_900))
    floor.sell_limit(10, 102_000)
    floor.sell_stop(10, 98_000)
    floor.to(119)
    assert floor.fills == [Fill("target", 10, 102_000, 80), Fill("stop", 10, 97_900, 100)]


# --- the volume of the minute -----------------------------------------------------------------------------------


def test_a_quiet_minute_fills_a_hundred_shares_and_the_rest_later() -> None:
    floor = Floor(*(flat(minute, volume=500) for minute in range(3)))
    floor.to(30)
    order = floor.order("exit", SELL, 250)
    assert (order.status, order.filled, order.remaining) == (Status.SUBMITTED, 100, 150)
    floor.to(179)
    assert floor.fills == [
        Fill("exit", 100, 99_900, 30),
        Fill("exit", 100, 99_900, 60),
        Fill("exit", 50, 99_900, 120),
    ]


def test_a_tenth_of_the_published_volume_fills() -> None:
    floor = Floor(flat(0, volume=2_345), flat(1))
    floor.to(70)
    floor.order("exit", SELL, 300)
    assert floor.fills == [Fill("exit", 234, 99_900, 70)]


def test_a_minute_that_is_not_published_yet_lends_no_volume() -> None:
    floor = Floor(flat(0, volume=1_000_000), flat(1))
    floor.to(59)
    floor.order("exit", SELL, 300)
    assert floor.fills == [Fill("exit", BUDGET, 99_900, 59)]


def test_the_budget_is_shared_by_all_orders_of_a_symbol_oldest_first() -> None:
    floor = Floor(flat(0), FALL)
    floor.to(0)
    floor.order("early", BUY, 70)
    floor.order("late", BUY, 70)
    floor.to(60)
    assert floor.fills == [
        Fill("early", 70, 100_100, 0),
        Fill("late", 30, 100_100, 0),
        Fill("late", 40, 100_100, 60),
    ]


def test_the_remainder_of_a_stop_takes_the_bid_of_later_points() -> None:
    floor = Floor(flat(0, volume=0), FALL._replace(volume=0), flat(2, 99_000))
    floor.sell_stop(150, 98_500)
    floor.to(120)
    # 100 shares in the minute of the trigger, 50 at the first point of the next, even above the stop
    assert floor.fills == [Fill("stop", 100, 98_400, 100), Fill("stop", 50, 98_900, 120)]


def test_the_remainder_of_a_target_takes_the_bid_while_that_is_not_below_its_limit() -> None:
    floor = Floor(flat(0, volume=0), RISE._replace(volume=0), flat(2, 101_000), flat(3, 104_000))
    order = floor.sell_limit(150, 101_500)
    floor.to(120)
    assert order.filled == 100  # the bid of 10.09 is below the limit
    floor.to(180)
    assert floor.fills == [Fill("target", 100, 101_500, 100), Fill("target", 50, 103_900, 180)]


def test_the_remainder_of_a_target_takes_the_bid_also_within_a_bar() -> None:
    floor = Floor(flat(0, volume=2_000), Minute(1, 102_000, 103_000, 102_000, 102_500))
    floor.sell_limit(200, 101_500)
    floor.to(100)
    # at 60 s the volume of the first minute was not published yet; at 80 s it is, and the bid is 10.19
    assert floor.fills == [Fill("target", 100, 101_900, 60), Fill("target", 100, 101_900, 80)]


def test_an_order_that_finds_no_volume_is_reported_once_and_fills_in_the_next_minute() -> None:
    floor = Floor(*(flat(minute, volume=0) for minute in range(2)))
    floor.to(10)
    floor.order("first", BUY, 100)
    before = len(floor.recorder.events)
    floor.order("second", BUY, 40)
    floor.to(59)
    taken, waiting = (("order", "second", status, 0, 40) for status in ("PreSubmitted", "Submitted"))
    assert floor.recorder.events[before:] == [taken, waiting]
    floor.to(60)
    assert floor.fills[1:] == [Fill("second", 40, 100_100, 60)]


# --- OCA groups -------------------------------------------------------------------------------------------------


def exits(floor: Floor, quantity: int = 100, oca_type: int = 2, **stop_terms: Any) -> tuple[SimOrder, SimOrder]:
    """A target at 10.15 and a stop at 9.85 in one group."""
    target = floor.sell_limit(quantity, 101_500, oca_group="exits", oca_type=oca_type)
    return target, floor.sell_stop(quantity, 98_500, oca_group="exits", oca_type=oca_type, **stop_terms)


def test_a_full_fill_cancels_the_group_at_the_same_instant() -> None:
    floor = Floor(flat(0), RISE)
    target, stop = exits(floor)
    floor.to(100)
    assert (target.status, stop.status, stop.quantity) == (Status.FILLED, Status.CANCELLED, 100)
    assert floor.recorder.events[-3:] == [
        ("fill", "target", 100, 101_500),
        ("order", "target", "Filled", 100, 0),
        ("cancelled", "stop", 100, ""),
    ]


@pytest.mark.parametrize("oca_type", [2, 3])
def test_a_partial_fill_reduces_the_group_at_the_same_instant(oca_type: int) -> None:
    floor = Floor(flat(0, volume=0), RISE)
    target, stop = exits(floor, 250, oca_type)
    floor.to(100)
    assert (target.filled, target.remaining) == (100, 150)
    assert (stop.quantity, stop.remaining, stop.status) == (150, 150, Status.PRE_SUBMITTED)
    assert floor.recorder.events[-1] == ("order", "stop", "PreSubmitted", 0, 150)


def test_a_group_of_type_one_is_cancelled_by_a_partial_fill() -> None:
    floor = Floor(flat(0, volume=0), RISE)
    target, stop = exits(floor, 250, 1)
    floor.to(100)
    assert (target.status, stop.status) == (Status.SUBMITTED, Status.CANCELLED)


def test_a_reduced_stop_sells_only_what_the_target_left() -> None:
    floor = Floor(flat(0, volume=0), RISE._replace(volume=5_000), Minute(2, 101_000, 101_000, 97_000, 98_000))
    target, stop = exits(floor, 250)
    floor.to(179)
    assert floor.fills == [Fill("target", 100, 101_500, 100), Fill("stop", 150, 98_400, 160)]
    assert (target.status, stop.status) == (Status.CANCELLED, Status.FILLED)
    assert (target.filled, target.quantity) == (100, 250)  # cancelled with what it did not fill: 150


def test_a_member_smaller_than_the_fill_is_cancelled() -> None:
    floor = Floor(flat(0, volume=0), RISE)
    target = floor.sell_limit(250, 101_500, oca_group="exits", oca_type=2)
    stop = floor.sell_stop(80, 98_500, oca_group="exits", oca_type=2)
    floor.to(100)
    assert (target.status, stop.status) == (Status.SUBMITTED, Status.CANCELLED)


def test_cancelling_one_member_cancels_the_group() -> None:
    floor = Floor(*FLAT)
    target, stop = exits(floor)
    time_exit = floor.order("time", SELL, 100, good_after=1_000, oca_group="exits", oca_type=2)
    other = floor.sell_stop(100, 98_500, "other", oca_group="another")
    floor.exchange.cancel(stop, "by hand")
    assert [target.status, stop.status, time_exit.status] == [Status.CANCELLED] * 3
    assert other.status is Status.PRE_SUBMITTED
    assert floor.recorder.events[-3:] == [
        ("cancelled", "stop", 100, "by hand"),
        ("cancelled", "target", 100, "by hand"),
        ("cancelled", "time", 100, "by hand"),
    ]


def test_a_cancelled_order_is_not_cancelled_again() -> None:
    floor = Floor(*FLAT)
    order = floor.sell_stop(100, 98_500)
    floor.exchange.cancel(order)
    events = len(floor.recorder.events)
    floor.exchange.cancel(order)
    assert len(floor.recorder.events) == events


def test_the_expiry_of_a_member_leaves_the_rest_of_the_group() -> None:
    floor = Floor(*FLAT)
    target = floor.sell_limit(100, 101_500, oca_group="exits", oca_type=2, tif="GTD", good_till=30)
    stop = floor.sell_stop(100, 98_500, oca_group="exits", oca_type=2)
    floor.to(30)
    assert (target.status, stop.status) == (Status.CANCELLED, Status.PRE_SUBMITTED)


def test_orders_without_a_group_do_not_form_one() -> None:
    floor = Floor(*FLAT)
    first, second = floor.sell_stop(100, 98_500), floor.sell_stop(100, 98_000)
    floor.exchange.cancel(first)
    assert not second.is_done


# --- brackets ---------------------------------------------------------------------------------------------------


def bracket(floor: Floor, limit: int, quantity: int = 100, **parent_terms: Any) -> tuple[SimOrder, SimOrder, SimOrder]:
    """A purchase with a target at 10.15 and a stop at 9.85; the stop transmits all three."""
    parent = floor.buy_limit(quantity, limit, "parent", held=True, **parent_terms)
    group: dict[str, Any] = {"parent": parent, "oca_group": "1000", "oca_type": 3}
    target = floor.sell_limit(quantity, 101_500, held=True, **group)
    return parent, target, floor.sell_stop(quantity, 98_500, tif="GTC", **group)


def test_nothing_is_reported_before_the_last_child_transmits() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    parent = floor.buy_limit(100, 101_000, "parent", held=True)
    floor.sell_limit(100, 101_500, parent=parent, held=True)
    floor.to(30)
    assert (floor.recorder.events, parent.transmitted) == ([], False)


def test_children_wait_for_an_unfilled_parent() -> None:
    floor = Floor(flat(0), RISE, FALL._replace(minute=2))
    floor.to(0)
    parent, target, stop = bracket(floor, 95_000)
    assert (parent.why_held, target.why_held, stop.why_held) == ("", "child", "child,trigger")
    assert floor.recorder.events == [
        ("order", "parent", "Submitted", 0, 100),
        ("order", "target", "PreSubmitted", 0, 100),
        ("order", "stop", "PreSubmitted", 0, 100),
    ]
    floor.to(179)  # through both levels
    assert floor.fills == []


def test_children_work_once_the_parent_filled() -> None:
    floor = Floor(flat(0), RISE)
    floor.to(0)
    _, target, stop = bracket(floor, 101_000)
    assert (target.status, target.why_held) == (Status.SUBMITTED, "")
    assert (stop.status, stop.why_held) == (Status.PRE_SUBMITTED, "trigger")
    floor.to(100)
    assert floor.fills == [Fill("parent", 100, 100_100, 0), Fill("target", 100, 101_500, 100)]
    assert stop.status is Status.CANCELLED


def test_children_work_from_the_first_partial_fill_of_the_parent() -> None:
    floor = Floor(flat(0, volume=0), FALL)
    floor.to(0)
    parent, target, stop = bracket(floor, 101_000, 200)
    assert (parent.filled, target.active, stop.active) == (100, True, True)


def test_a_child_that_is_marketable_at_the_fill_of_the_parent_fills_at_once() -> None:
    floor = Floor(flat(0), Minute(1, 100_000, 100_000, 97_000, 98_000))
    floor.to(0)
    parent = floor.buy_limit(50, 99_000, "parent", held=True)
    floor.sell_stop(50, 98_500, parent=parent)
    floor.to(100)  # 9.70: the purchase at 9.90 and the stop under it in one segment
    assert floor.fills == [Fill("parent", 50, 99_000, 100), Fill("stop", 50, 96_900, 100)]


def test_cancelling_an_unfilled_parent_cancels_its_children() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    parent, target, stop = bracket(floor, 95_000)
    floor.exchange.cancel(parent)
    assert [order.status for order in (parent, target, stop)] == [Status.CANCELLED] * 3
    assert [event[:2] for event in floor.recorder.events[-3:]] == [
        ("cancelled", "parent"),
        ("cancelled", "target"),
        ("cancelled", "stop"),
    ]


def test_children_die_with_a_parent_that_expires_unfilled() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    parent, target, stop = bracket(floor, 95_000, tif="GTD", good_till=5)
    floor.to(5)
    assert [order.status for order in (parent, target, stop)] == [Status.CANCELLED] * 3
    assert floor.exchange.orders == {}


def test_children_live_on_when_the_rest_of_their_parent_expires() -> None:
    floor = Floor(flat(0, volume=0), flat(1))
    floor.to(0)
    parent, target, stop = bracket(floor, 100_100, 200, tif="GTD", good_till=5)
    floor.to(5)
    assert (parent.status, parent.filled) == (Status.CANCELLED, 100)
    assert (target.active, stop.active) == (True, True)


def test_children_die_with_an_unfilled_parent_that_its_group_cancels() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    parent, target, stop = bracket(floor, 95_000, oca_group="entries", oca_type=1)
    floor.buy_limit(10, 101_000, "other", oca_group="entries", oca_type=1)
    assert [order.status for order in (parent, target, stop)] == [Status.CANCELLED] * 3


# --- time -------------------------------------------------------------------------------------------------------


def test_a_good_after_order_fires_after_the_path_point_of_its_second() -> None:
    floor = Floor(flat(0), Minute(1, 100_000, 103_000, 100_000, 102_000))
    order = floor.order("time", SELL, 100, good_after=100, tif="GTC")
    floor.to(99)
    assert (order.active, order.status, floor.fills) == (False, Status.PRE_SUBMITTED, [])
    floor.to(100)
    assert floor.fills == [Fill("time", 100, 102_900, 100)]


def test_a_good_after_order_fires_after_the_publication_of_its_second() -> None:
    floor = Floor(flat(0, volume=3_000), flat(1))
    floor.order("time", SELL, 400, good_after=60, tif="GTC")
    floor.to(60)
    assert floor.fills == [Fill("time", 300, 99_900, 60)]  # a tenth of the volume published at this second


def test_a_good_after_order_fires_between_two_path_points() -> None:
    floor = Floor(*FLAT)
    floor.order("time", SELL, 100, good_after=30)
    floor.to(40)
    assert floor.fills == [Fill("time", 100, 99_900, 30)]


def test_a_good_after_time_that_is_past_is_now() -> None:
    floor = Floor(*FLAT)
    floor.to(30)
    floor.order("time", SELL, 100, good_after=10)
    assert floor.fills == [Fill("time", 100, 99_900, 30)]


def test_the_time_exit_ends_the_group_of_the_resting_exits() -> None:
    floor = Floor(*FLAT)
    target, stop = exits(floor)
    floor.order("time", SELL, 100, good_after=70, tif="GTC", oca_group="exits", oca_type=2)
    floor.to(70)
    assert floor.fills == [Fill("time", 100, 99_900, 70)]
    assert (target.status, stop.status) == (Status.CANCELLED, Status.CANCELLED)


def test_a_cancelled_good_after_order_never_fires() -> None:
    floor = Floor(*FLAT)
    floor.exchange.cancel(floor.order("time", SELL, 100, good_after=30))
    floor.to(60)
    assert floor.fills == []


@pytest.mark.parametrize(
    ("place", "price"),
    [
        (lambda floor: floor.order("early", BUY, 100), 98_100),
        (lambda floor: floor.buy_limit(100, 99_000, "early"), 98_100),
        (lambda floor: floor.sell_limit(100, 97_000, "early"), 97_900),
        (lambda floor: floor.sell_stop(100, 99_000, "early"), 97_900),
    ],
)
def test_an_order_placed_before_the_open_matches_at_the_first_path_point_by_a_jump(
    place: Callable[[Floor], SimOrder], price: int
) -> None:
    floor = Floor(flat(0, 98_000), is_open=False)
    order = place(floor)
    assert (order.status, order.active) == (Status.PRE_SUBMITTED, False)
    floor.open()
    assert floor.fills == []
    floor.to(0)
    assert floor.fills == [Fill("early", 100, price, 0)]


def test_day_orders_expire_at_the_close() -> None:
    floor = Floor(*FLAT)
    order = floor.buy_limit(100, 95_000)
    floor.exchange.close_session(CLOSE_S)
    assert order.status is Status.CANCELLED
    assert floor.recorder.events[-1] == ("cancelled", "buy", 100, "")


def test_a_good_till_order_that_ends_with_the_session_expires_at_the_close() -> None:
    floor = Floor(*FLAT)
    order = floor.buy_limit(100, 95_000, tif="GTD", good_till=CLOSE_S - OPEN_S)
    floor.exchange.close_session(CLOSE_S)
    assert order.status is Status.CANCELLED


def next_session(floor: Floor, *minutes: Minute) -> None:
    """Close, wait a night and open again. Seconds still count from the first open."""
    floor.exchange.close_session(CLOSE_S)
    floor.load(*(minute._replace(minute=minute.minute + OVERNIGHT_S // 60) for minute in minutes))
    floor.open(OVERNIGHT_S)


def test_a_good_till_cancelled_stop_works_in_the_next_session() -> None:
    floor = Floor(*FLAT)
    stop = floor.sell_stop(100, 98_500, tif="GTC")
    floor.to(179)
    floor.exchange.close_session(CLOSE_S)
    assert (stop.active, stop.is_done) == (False, False)
    next_session(floor, flat(0), FALL)
    floor.to(OVERNIGHT_S + 100)
    assert floor.fills == [Fill("stop", 100, 98_400, OVERNIGHT_S + 100)]


def test_a_gap_over_night_fills_the_stop_at_the_bid_of_the_first_trade() -> None:
    floor = Floor(*FLAT)
    floor.sell_stop(100, 98_500, tif="GTC")
    next_session(floor, flat(0, 90_000))
    floor.to(OVERNIGHT_S)
    assert floor.fills == [Fill("stop", 100, 89_900, OVERNIGHT_S)]


def test_the_expiry_of_a_day_target_leaves_the_stop_of_its_group() -> None:
    floor = Floor(*FLAT)
    target, stop = exits(floor, tif="GTC")
    next_session(floor, flat(0, 90_000))
    assert (target.status, stop.status) == (Status.CANCELLED, Status.PRE_SUBMITTED)
    floor.to(OVERNIGHT_S)
    assert floor.fills == [Fill("stop", 100, 89_900, OVERNIGHT_S)]


def test_the_stop_of_a_filled_bracket_works_in_the_next_session() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    _, target, stop = bracket(floor, 101_000)
    next_session(floor, flat(0, 98_000))
    floor.to(OVERNIGHT_S)
    assert floor.fills == [Fill("parent", 100, 100_100, 0), Fill("stop", 100, 97_900, OVERNIGHT_S)]
    assert (target.status, stop.status) == (Status.CANCELLED, Status.FILLED)


def test_a_bracket_whose_parent_expires_at_the_close_leaves_nothing() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    bracket(floor, 95_000)
    floor.exchange.close_session(CLOSE_S)
    assert floor.exchange.orders == {}


@pytest.mark.parametrize("outside_rth", [False, True])
def test_an_order_placed_after_the_close_does_not_fill_at_the_last_quote(outside_rth: bool) -> None:
    floor = Floor(*FLAT)
    floor.to(179)
    floor.exchange.close_session(CLOSE_S)
    floor.exchange.now_s = CLOSE_S + 60
    floor.buy_limit(100, 101_000, "late", outside_rth=outside_rth)
    assert floor.fills == []
    floor.load(flat(OVERNIGHT_S // 60, 95_000))
    floor.open(OVERNIGHT_S)
    floor.to(OVERNIGHT_S)
    assert floor.fills == [Fill("late", 100, 95_100, OVERNIGHT_S)]


def test_an_order_that_expires_over_night_does_not_see_the_next_session() -> None:
    floor = Floor(*FLAT)
    order = floor.buy_limit(100, 95_000, tif="GTD", good_till=OVERNIGHT_S - 3_600)
    floor.exchange.close_session(CLOSE_S)
    assert not order.is_done
    next_session(floor, flat(0, 90_000))
    floor.to(OVERNIGHT_S)
    assert (order.status, floor.fills) == (Status.CANCELLED, [])


def test_a_time_exit_that_came_due_over_night_fires_at_the_open() -> None:
    floor = Floor(*FLAT)
    floor.order("time", SELL, 100, good_after=CLOSE_S - OPEN_S + 600, tif="GTC")
    next_session(floor, flat(0, 90_000))
    floor.to(OVERNIGHT_S)
    assert floor.fills == [Fill("time", 100, 89_900, OVERNIGHT_S)]


# --- changes ----------------------------------------------------------------------------------------------------


def test_a_modified_limit_is_matched_anew() -> None:
    floor = Floor(*FLAT)
    floor.to(30)
    target = floor.sell_limit(100, 101_500)
    assert floor.exchange.modify(target, quantity=100, limit=99_500, stop=0) is None
    assert floor.fills == [Fill("target", 100, 99_900, 30)]
    assert [event[0] for event in floor.recorder.events] == ["order", "order", "fill", "order"]


def test_a_modified_stop_works_at_its_new_level() -> None:
    floor = Floor(flat(0), FALL)
    stop = floor.sell_stop(100, 95_000)
    floor.exchange.modify(stop, quantity=80, limit=0, stop=99_000)
    floor.to(119)
    assert floor.fills == [Fill("stop", 80, 98_900, 100)]


def test_a_modified_child_of_an_unfilled_parent_keeps_waiting() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    _, target, _ = bracket(floor, 95_000)
    assert floor.exchange.modify(target, quantity=100, limit=99_000, stop=0) is None
    assert (floor.fills, target.limit, target.status) == ([], 99_000, Status.PRE_SUBMITTED)


def test_a_filled_order_is_not_modified() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    order = floor.buy_limit(100, 101_000)
    events = len(floor.recorder.events)
    refusal = floor.exchange.modify(order, quantity=200, limit=102_000, stop=0)
    assert refusal == Refusal(104, "Cannot modify a filled order.")
    assert (order.quantity, order.limit, len(floor.recorder.events)) == (100, 101_000, events)


def test_a_cancelled_order_is_not_modified() -> None:
    floor = Floor(*FLAT)
    order = floor.sell_stop(100, 98_500)
    floor.exchange.cancel(order)
    refusal = floor.exchange.modify(order, quantity=200, limit=0, stop=98_000)
    assert refusal is not None
    assert (refusal.code, order.stop) == (104, 98_500)


def test_an_order_is_not_made_smaller_than_what_it_filled() -> None:
    floor = Floor(flat(0, volume=0))
    floor.to(0)
    order = floor.order("exit", SELL, 250)
    refusal = floor.exchange.modify(order, quantity=100, limit=0, stop=0)
    assert refusal is not None
    assert (refusal.code, order.quantity) == (105, 250)
    assert floor.exchange.modify(order, quantity=101, limit=0, stop=0) is None


# --- reports and fees -------------------------------------------------------------------------------------------


def test_an_execution_tells_what_the_order_did_so_far() -> None:
    floor = Floor(flat(0, volume=0), flat(1, 102_000))
    floor.to(0)
    floor.order("buy", BUY, 150)
    floor.to(60)
    first, second = floor.recorder.executions
    assert (first.cumulative, first.average_price_usd) == (100, 10.01)
    assert (second.cumulative, second.price) == (150, 102_100)
    assert second.average_price_usd == pytest.approx((100 * 10.01 + 50 * 10.21) / 150, abs=1e-12)
    assert first.exec_id != second.exec_id


def test_the_minimum_commission_is_charged_once_per_order() -> None:
    floor = Floor(flat(0, volume=0), flat(1, volume=0), flat(2))
    floor.to(0)
    floor.order("buy", BUY, 260)
    floor.to(120)
    # 1.00 USD covers 200 shares; then half a cent a share. CAT adds 0.000003 USD a share.
    assert [(e.quantity, e.fees) for e in floor.recorder.executions] == [
        (100, 1_000_300),
        (100, 300),
        (60, 300_180),
    ]
    assert floor.account.fees_paid == 1_300_780


def test_each_order_pays_its_own_minimum() -> None:
    floor = Floor(flat(0, volume=0))
    floor.to(0)
    floor.order("one", BUY, 50)
    floor.order("two", BUY, 50)
    assert [e.fees for e in floor.recorder.executions] == [1_000_150, 1_000_150]


def test_a_sale_adds_the_fees_of_the_regulators() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    floor.order("exit", SELL, 100)
    # 1.00 + CAT 0.0003 + TAF 0.0195 + SEC 20.60 per million on 999 USD = 0.0205794
    assert floor.recorder.executions[0].fees == 1_040_379


def test_a_round_trip_realises_the_difference_less_all_fees() -> None:
    floor = Floor(flat(0), RISE)
    floor.to(0)
    bracket(floor, 101_000)
    floor.to(100)
    bought, sold = floor.recorder.executions
    assert bought.realised is None
    # sold at 10.15: 1.00 + 0.0003 + 0.0195 + 0.020909; 14.00 USD of gain less 1.0003 and 1.040709
    assert (bought.fees, sold.fees, sold.realised) == (1_000_300, 1_040_709, 11_958_991)
    assert floor.account.cash == CASH + 11_958_991


# --- whatever happens -------------------------------------------------------------------------------------------

CENTS = st.integers(950, 1_050).map(lambda cents: cents * 100)
QUANTITY = st.integers(1, 300)


@st.composite
def sessions(draw: st.DrawFn) -> list[Minute]:
    rows = draw(
        st.lists(st.tuples(CENTS, CENTS, CENTS, CENTS, st.sampled_from([0, 900, 1_500, 4_000])), min_size=2, max_size=6)
    )
    return [Minute(i, row[0], max(row[:4]), min(row[:4]), row[1], row[4]) for i, row in enumerate(rows)]


class Step(NamedTuple):
    """One thing that a client does, `wait` seconds after the one before."""

    wait: int
    kind: str
    side: int
    quantity: int
    price: int
    group: str


STEPS = st.lists(
    st.builds(
        Step,
        wait=st.integers(0, 45),
        kind=st.sampled_from(["MKT", "LMT", "STP", "LATER", "GTD", "bracket", "cancel", "reprice"]),
        side=st.sampled_from([BUY, SELL]),
        quantity=QUANTITY,
        price=CENTS,
        group=st.sampled_from(["", "", "g1", "g2"]),
    ),
    min_size=1,
    max_size=12,
)


def do(floor: Floor, step: Step, second: int) -> None:
    terms: dict[str, Any] = {"oca_group": step.group, "oca_type": 2}
    live = list(floor.exchange.orders.values())
    if step.kind == "cancel":
        if live:
            floor.exchange.cancel(live[step.quantity % len(live)])
    elif step.kind == "reprice":
        if live:
            order = live[step.quantity % len(live)]
            limit, stop = (step.price if order.limit else 0), (step.price if order.stop else 0)
            floor.exchange.modify(order, quantity=order.quantity, limit=limit, stop=stop)
    elif step.kind == "bracket":
        bracket(floor, step.price, step.quantity)
    elif step.kind == "LATER":
        floor.order("later", step.side, step.quantity, good_after=second + 30, **terms)
    elif step.kind == "GTD":
        till = {"tif": "GTD", "good_till": second + 25}
        floor.order("gtd", step.side, step.quantity, "LMT", limit=step.price, **till, **terms)
    else:
        prices = {"LMT": {"limit": step.price}, "STP": {"stop": step.price}}.get(step.kind, {})
        floor.order(step.kind, step.side, step.quantity, step.kind, **prices, **terms)


def play(minutes: Sequence[Minute], steps: Sequence[Step]) -> Floor:
    """A session in which a client takes these steps."""
    floor = Floor(*minutes)
    second = 0
    for step in steps:
        second += step.wait
        floor.to(second)
        do(floor, step, second)
    floor.to(max(second, 60 * len(minutes)) + 60)
    return floor


@settings(derandomize=True, deadline=None)
@given(minutes=sessions(), steps=STEPS)
def test_cash_and_cost_of_holdings_change_by_realised_profit_only(minutes: list[Minute], steps: list[Step]) -> None:
    floor = play(minutes, steps)
    executions = floor.recorder.executions
    realised = sum(execution.realised or 0 for execution in executions)
    cost = sum(holding.cost for holding in floor.account.holdings.values())
    assert floor.account.cash + cost - realised == CASH
    paid = sum(
        execution.side * notional(execution.price, execution.quantity) + execution.fees for execution in executions
    )
    assert floor.account.cash == CASH - paid


@settings(derandomize=True, deadline=None)
@given(minutes=sessions(), steps=STEPS)
def test_an_order_never_fills_more_than_its_size(minutes: list[Minute], steps: list[Step]) -> None:
    floor = play(minutes, steps)
    for order in floor.orders:
        mine = [execution for execution in floor.recorder.executions if execution.order is order]
        assert sum(execution.quantity for execution in mine) == order.filled <= order.quantity
        assert all(execution.quantity > 0 for execution in mine)
        assert (order.status is Status.FILLED) == (order.remaining == 0)


@settings(derandomize=True, deadline=None)
@given(minutes=sessions(), steps=STEPS)
def test_fills_of_a_minute_stay_within_its_volume(minutes: list[Minute], steps: list[Step]) -> None:
    floor = play(minutes, steps)
    filled: dict[int, int] = {}  # minute -> shares
    for execution in floor.recorder.executions:
        minute, second = divmod(execution.at_s - OPEN_S, 60)
        filled[minute] = filled.get(minute, 0) + execution.quantity
        # at second 0 a fill comes before or after the publication of the last minute
        known = [minutes[:minute], minutes[: minute - 1] if minute and second == 0 else []]
        assert filled[minute] <= max([BUDGET, *(bars[-1].volume // 10 for bars in known if bars)])


@settings(derandomize=True, deadline=None)
@given(minutes=sessions(), steps=STEPS)
def test_a_limit_order_never_fills_at_a_worse_price(minutes: list[Minute], steps: list[Step]) -> None:
    floor = play(minutes, [step for step in steps if step.kind != "reprice"])
    for execution in floor.recorder.executions:
        limit = execution.order.limit
        assert limit == 0 or execution.side * execution.price <= execution.side * limit


@settings(derandomize=True, deadline=None)
@given(
    minutes=sessions(),
    members=st.lists(st.tuples(st.sampled_from(["LMT", "STP", "LATER"]), QUANTITY, CENTS), min_size=2, max_size=5),
    wait=st.integers(0, 90),
)
@example(
    minutes=[flat(0, volume=0), RISE, FALL._replace(minute=2), flat(3)],
    members=[("LMT", 250, 101_500), ("STP", 250, 98_500), ("LATER", 250, 100_000)],
    wait=0,
)
def test_a_group_never_sells_more_than_its_largest_member(
    minutes: list[Minute], members: list[tuple[str, int, int]], wait: int
) -> None:
    floor = Floor(*minutes)
    floor.to(wait)
    group: dict[str, Any] = {"oca_group": "exits", "oca_type": 2, "held": True}
    for kind, quantity, price in members:
        if kind == "LMT":
            floor.sell_limit(quantity, price, **group)
        elif kind == "STP":
            floor.sell_stop(quantity, price, **group)
        else:
            floor.order("time", SELL, quantity, good_after=150, **group)
    for order in floor.orders:
        floor.exchange.transmit(order)
    floor.to(600)
    sold = sum(execution.quantity for execution in floor.recorder.executions)
    assert sold <= max(quantity for _, quantity, _ in members)
    assert not (any(order.status is Status.FILLED for order in floor.orders) and floor.exchange.orders)
