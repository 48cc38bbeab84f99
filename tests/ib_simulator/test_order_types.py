"""Stop limits, trailing stops, auctions, market-to-limit and immediate orders on hand-made price paths.

Prices are in 1e-4 USD; near 10.00 the modelled half-spread is one cent (100).
"""

from __future__ import annotations

import pytest

from ib_simulator.orders import BUY, SELL, Auction, Status
from tests.ib_simulator.test_exchange import CLOSE_S, FALL, FLAT, RISE, Fill, Floor, flat
from tests.ib_simulator.test_market import OPEN_S, Minute

GAP_DOWN = flat(1, 97_000)  # jumps from 10.00 to 9.70 at 60 s


# --- stop limits ------------------------------------------------------------------------------------------------


def test_a_sell_stop_limit_fills_at_the_bid_where_it_triggers() -> None:
    floor = Floor(flat(0), FALL)
    floor.to(0)
    floor.order("exit", SELL, 100, "STP LMT", stop=99_000, limit=98_500)
    floor.to(100)
    assert floor.fills == [Fill("exit", 100, 98_900, 100)]


def test_a_gap_through_a_stop_limit_leaves_it_resting_at_its_limit() -> None:
    floor = Floor(flat(0), GAP_DOWN, Minute(2, 97_000, 99_000, 97_000, 98_000))
    floor.to(0)
    order = floor.order("exit", SELL, 100, "STP LMT", stop=99_000, limit=98_500)
    assert (order.status, order.why_held) == (Status.PRE_SUBMITTED, "trigger")
    floor.to(119)
    assert (order.status, order.why_held, floor.fills) == (Status.SUBMITTED, "", [])
    assert floor.recorder.events[-1] == ("order", "exit", "Submitted", 0, 100)
    floor.to(179)  # up to 9.90 again: the bid passes 9.85
    assert floor.fills == [Fill("exit", 100, 98_500, 160)]


def test_a_stop_limit_whose_limit_is_above_the_bid_at_its_trigger_rests() -> None:
    floor = Floor(flat(0), FALL)
    floor.to(0)
    order = floor.order("exit", SELL, 100, "STP LMT", stop=99_000, limit=99_000)
    floor.to(119)
    assert (order.triggered, floor.fills) == (True, [])


def test_a_buy_stop_limit_that_is_reached_already_fills_on_arrival_within_its_limit() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    floor.order("in", BUY, 10, "STP LMT", stop=99_000, limit=100_100)
    tight = floor.order("tight", BUY, 10, "STP LMT", stop=99_000, limit=100_000)
    assert floor.fills == [Fill("in", 10, 100_100, 0)]
    assert (tight.triggered, tight.status) == (True, Status.SUBMITTED)


# --- trailing stops ---------------------------------------------------------------------------------------------


def test_a_sell_trail_follows_the_price_up_and_fills_on_the_way_down() -> None:
    floor = Floor(flat(0), Minute(1, 100_000, 103_000, 100_000, 100_500))  # 10.30 at 100 s, 10.05 at 119 s
    floor.to(0)
    order = floor.order("trail", SELL, 100, "TRAIL", trail=2_000)
    assert (order.stop, order.why_held) == (98_000, "trigger")
    floor.to(100)
    assert order.stop == 101_000
    assert floor.recorder.events[-1] == ("order", "trail", "PreSubmitted", 0, 100)
    floor.to(119)
    assert floor.fills == [Fill("trail", 100, 100_900, 119)]  # the bid at 10.10


def test_a_buy_trail_in_percent_follows_the_price_down() -> None:
    floor = Floor(flat(0), Minute(1, 100_000, 100_000, 95_000, 97_000))  # 9.50 at 100 s, 9.70 at 119 s
    floor.to(0)
    order = floor.order("trail", BUY, 10, "TRAIL", trail_ppm=10_000)
    assert order.stop == 101_000
    floor.to(100)
    assert order.stop == 96_000  # 9.50 + 0.095, up to the cent
    floor.to(119)
    assert floor.fills == [Fill("trail", 10, 96_100, 119)]


def test_a_trail_never_moves_away_from_the_price() -> None:
    floor = Floor(flat(0), FALL)
    floor.to(0)
    order = floor.order("trail", SELL, 10, "TRAIL", trail=5_000)
    floor.to(119)
    assert (order.stop, floor.fills) == (95_000, [])


def test_a_first_stop_holds_until_the_distance_is_closer() -> None:
    floor = Floor(flat(0), RISE)
    floor.to(0)
    order = floor.order("trail", SELL, 10, "TRAIL", trail=2_000, stop=99_500)
    assert order.stop == 99_500
    floor.to(100)
    assert order.stop == 101_000


def test_a_trail_begins_with_the_fill_of_its_parent() -> None:
    floor = Floor(flat(0), FALL, flat(2, 98_000), RISE._replace(minute=3))
    floor.to(0)
    parent = floor.buy_limit(10, 98_000, "parent", held=True)
    child = floor.order("trail", SELL, 10, "TRAIL", trail=1_000, parent=parent)
    assert (child.stop, child.why_held) == (0, "child,trigger")
    floor.to(100)
    assert (parent.status, child.stop) == (Status.FILLED, 96_000)  # from 9.70, the last price then


def test_a_trailing_limit_becomes_a_limit_behind_its_stop() -> None:
    floor = Floor(flat(0), GAP_DOWN, Minute(2, 97_000, 99_500, 97_000, 98_000))
    floor.to(0)
    order = floor.order("trail", SELL, 10, "TRAIL LIMIT", trail=1_000, limit_offset=500)
    floor.to(119)
    assert (order.stop, order.limit, order.status, floor.fills) == (99_000, 98_500, Status.SUBMITTED, [])
    floor.to(179)
    assert floor.fills == [Fill("trail", 10, 98_500, 160)]


# --- market-to-limit, immediate, all-or-none ---------------------------------------------------------------------


def test_market_to_limit_rests_at_the_price_of_its_first_fill() -> None:
    floor = Floor(flat(0), RISE, flat(2))
    floor.to(0)
    order = floor.order("mtl", BUY, 250, "MTL")
    assert (order.limit, order.filled, order.status) == (100_100, 100, Status.SUBMITTED)
    floor.to(100)  # the ask is 10.31
    assert {fill.price for fill in floor.fills} == {100_100}
    assert order.is_done


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
def test_an_immediate_order_that_is_not_reached_is_cancelled(tif: str) -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    assert floor.buy_limit(10, 100_000, tif=tif).status is Status.CANCELLED
    assert floor.fills == []


def test_immediate_or_cancel_takes_what_there_is() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    order = floor.buy_limit(150, 100_100, tif="IOC")
    assert (order.filled, order.status) == (100, Status.CANCELLED)
    assert floor.recorder.events[-1] == ("cancelled", "buy", 50, "")


@pytest.mark.parametrize(("quantity", "status"), [(100, Status.FILLED), (101, Status.CANCELLED)])
def test_fill_or_kill_takes_all_or_nothing(quantity: int, status: Status) -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    order = floor.buy_limit(quantity, 100_100, tif="FOK")
    assert (order.status, order.filled) == (status, 100 if status is Status.FILLED else 0)


def test_an_immediate_order_from_before_the_open_is_judged_at_the_first_price() -> None:
    floor = Floor(*FLAT, is_open=False)
    low, high = floor.buy_limit(10, 100_000, tif="IOC"), floor.buy_limit(10, 100_100, tif="IOC")
    floor.open()
    assert (low.is_done, high.is_done) == (False, False)
    floor.to(0)
    assert (low.status, high.status) == (Status.CANCELLED, Status.FILLED)


def test_all_or_none_waits_for_the_volume() -> None:
    floor = Floor(flat(0), flat(1), flat(2))  # 100 shares in the first minute, 1,000 after its volume is known
    floor.to(0)
    order = floor.buy_limit(400, 100_100, all_or_none=True)
    assert (order.status, order.filled) == (Status.SUBMITTED, 0)
    floor.to(119)
    assert floor.fills == [Fill("buy", 400, 100_100, 80)]


def test_a_minimum_quantity_binds_the_first_fill_only() -> None:
    floor = Floor(flat(0), flat(1), flat(2))
    floor.to(0)
    order = floor.buy_limit(1_500, 100_100, min_quantity=500)
    floor.to(80)
    assert [fill.quantity for fill in floor.fills] == [1_000]
    floor.to(179)
    assert order.status is Status.FILLED


# --- auctions ---------------------------------------------------------------------------------------------------


def test_opening_orders_trade_at_the_first_price_whole_and_without_spread() -> None:
    floor = Floor(*FLAT, is_open=False)
    market = floor.order("moo", BUY, 5_000, tif="OPG", auction=Auction.OPENING)
    limit = floor.buy_limit(10, 100_000, "loo", tif="OPG", auction=Auction.OPENING)
    missed = floor.buy_limit(10, 99_900, "missed", tif="OPG", auction=Auction.OPENING)
    floor.open()
    assert market.status is Status.PRE_SUBMITTED
    floor.to(0)
    assert floor.fills == [Fill("moo", 5_000, 100_000, 0), Fill("loo", 10, 100_000, 0)]
    assert (limit.status, missed.status) == (Status.FILLED, Status.CANCELLED)


def test_an_opening_order_in_the_session_waits_for_the_next_one() -> None:
    floor = Floor(*FLAT)
    floor.to(10)
    order = floor.order("moo", BUY, 10, tif="OPG", auction=Auction.OPENING)
    floor.to(179)
    floor.exchange.close_session(CLOSE_S)
    assert (order.is_done, floor.fills) == (False, [])


def test_an_opening_order_in_a_symbol_that_does_not_trade_is_cancelled_at_the_close() -> None:
    floor = Floor(is_open=False)
    order = floor.order("moo", BUY, 10, tif="OPG", auction=Auction.OPENING)
    floor.open()
    floor.exchange.close_session(CLOSE_S)
    assert order.status is Status.CANCELLED


def test_closing_orders_trade_at_the_last_price() -> None:
    floor = Floor(flat(0), FALL)  # closes at 9.80
    floor.to(0)
    floor.order("moc", BUY, 5_000, "MOC", auction=Auction.CLOSING)
    reached = floor.order("loc", SELL, 10, "LOC", limit=98_000, auction=Auction.CLOSING)
    missed = floor.order("missed", SELL, 10, "LOC", limit=98_100, auction=Auction.CLOSING)
    floor.to(1_799)
    assert floor.fills == []
    floor.exchange.close_session(CLOSE_S)
    assert [(fill.name, fill.quantity, fill.price) for fill in floor.fills] == [
        ("moc", 5_000, 98_000),
        ("loc", 10, 98_000),
    ]
    assert (reached.status, missed.status) == (Status.FILLED, Status.CANCELLED)


def test_a_closing_child_of_an_unfilled_parent_ends_with_it() -> None:
    floor = Floor(*FLAT)
    floor.to(0)
    parent = floor.buy_limit(10, 99_000, "parent", held=True)
    child = floor.order("moc", SELL, 10, "MOC", auction=Auction.CLOSING, parent=parent)
    floor.to(179)
    floor.exchange.close_session(CLOSE_S)
    assert (floor.fills, child.status) == ([], Status.CANCELLED)


def test_a_cancel_on_its_way_is_no_longer_than_its_delay() -> None:
    floor = Floor(*FLAT)
    floor.exchange.cancel_delay_s = 5
    floor.to(10)
    order = floor.buy_limit(10, 99_000)
    floor.exchange.request_cancel(order)
    assert (order.told_status, floor.exchange.next_condition_s()) == (Status.PENDING_CANCEL, OPEN_S + 15)
    floor.to(15)
    assert order.status is Status.CANCELLED
