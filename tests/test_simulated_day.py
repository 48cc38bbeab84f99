"""Whole days of the day trader over TCP, in simulated time, worked out by hand to the cent.

All of them begin alike. 100,000 USD, a quarter of it for one symbol: a budget of 25,000 USD. Twenty minutes of
`warm_up` leave VWAP 100.05 and RSI 46.87; thirty days with a range of 2.00 make ATR 2.00, which is 1.996 % of 100.20.
Bar 20 opens at 9:50:00 at 100.00 (below VWAP) and shows its high 100.20 at 9:50:40: bid 100.19, ask 100.21.

    entry     9:50:40 is a whole second, the agent acts half a second later; collar 100.21 · 1.001 = 100.31021,
              down to 100.31; 25,000 / 100.31 = 249.2 shares; the ask is taken: 249 at 100.21 = 24,952.29
    fees      249 · 0.005 = 1.245 commission (above the minimum of 1.00) + 249 · 0.000003 CAT = 1.245747
    cost      24,952.29 + 1.245747 = 24,953.535747, that is 100.215003 a share
    exits     stop 100.21 · 0.992 = 99.40832, down to 99.40; target 100.21 · 1.014 = 101.61294, up to 101.62;
              market at 15:55

A sale of all 249 shares pays 1.245 commission + 0.000747 CAT + 249 · 0.000195 = 0.048555 TAF = 1.294302, and
the SEC 20.60 per million USD.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from market_hours import Session
from tests.gateway_world import (
    EARLY_CLOSE,
    MONDAY,
    USD,
    HandMadeFeed,
    Played,
    World,
    daily_history,
    in_world,
    market_order,
    minute,
    play_day,
    run_until,
    warm_up,
    what_is_left,
)
from trading.bars import Bar

ENTRY = ("09:50:40", "AAA", "BUY", 249, 100.21, "entry")
ENTRY_FEE = 1.245747
CASH = 100_000 * USD


def until_entry(session: Session = MONDAY) -> list[Bar]:
    """The warm-up and the bar that is bought: it shows 100.00, 99.98, 100.20, 100.18."""
    return [*warm_up(session), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000, session)]


def played(folder: Path, *bars: Bar, session: Session = MONDAY, **options: Any) -> Played:
    """A day of the entry bars and `bars`, to its end. Nothing but money is left of it."""
    feed = HandMadeFeed({"AAA": [*until_entry(session), *bars]}, {"AAA": daily_history(session)})
    day = play_day(feed, folder, session=session, **options)
    assert (day.held, day.resting, day.report.positions_left, day.report.warnings) == ({}, [], {}, ())
    return day


def money(day: Played) -> list[tuple[float | None, float | None]]:
    """Commission and P&L of each execution, in USD."""
    return [(row.commission_usd, row.pnl_usd) for row in day.trades]


# The entry


def test_the_entry_is_decided_at_the_first_instant_that_can_know_its_price(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": until_entry()}), tmp_path, stop_at="09:51")
    told = [(d["timestamp"][11:19], d["kind"], d["rule"], d["bars"], d["price"]) for d in day.decisions]
    assert told == [
        ("13:30:00", "deny", "warming_up", 0, 100.0),
        ("13:50:00", "deny", "not_above_vwap", 20, 100.0),
        ("13:50:40", "enter", "approved", 20, 100.2),
        ("13:50:45", "deny", "position_open", 20, 100.2),
    ]
    entered = day.decisions[2]
    assert (entered["bid"], entered["ask"], entered["vwap"], entered["quantity"]) == (100.19, 100.21, 100.05, 249)
    assert entered["rsi"] == pytest.approx(46.8697, abs=5e-5)
    assert entered["atr_pct"] == pytest.approx(2 / 100.20 * 100)
    assert day.told() == [ENTRY]
    assert money(day) == [(ENTRY_FEE, None)]


def test_the_bracket_rests_at_the_gateway_as_it_is_on_record(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": until_entry()}), tmp_path, stop_at="09:51")
    columns = ("role", "action", "quantity", "order_type", "tif", "limit_price", "stop_price", "good_after", "state")
    eod = "2026-09-28T19:55:00.000000+00:00"
    assert [tuple(intent[column] for column in columns) for intent in day.intents] == [
        ("entry", "BUY", 249, "LMT", "GTD", 100.31, None, None, "filled"),
        ("stop", "SELL", 249, "STP", "GTC", None, 99.40, None, "working"),
        ("target", "SELL", 249, "LMT", "DAY", 101.62, None, None, "working"),
        ("time_exit", "SELL", 249, "MKT", "GTC", None, None, eod, "working"),
    ]
    assert day.intents[0]["good_till"] == "2026-09-28T13:50:55.000000+00:00"  # it expires by itself after 15 seconds
    assert {intent["decision_id"] for intent in day.intents} == {day.decisions[2]["decision_id"]}
    resting = [(o.order_type, o.quantity, o.limit, o.stop, o.tif, o.oca_type, o.order_ref) for o in day.resting]
    refs = [intent["intent_id"] for intent in day.intents]
    assert resting == [
        ("STP", 249, 0, 994_000, "GTC", 2, refs[1]),
        ("LMT", 249, 1_016_200, 0, "DAY", 2, refs[2]),
        ("MKT", 249, 0, 0, "GTC", 2, refs[3]),
    ]
    assert len({order.oca_group for order in day.resting}) == 1
    assert day.report.positions_left == {"AAA": 249}
    assert [order["order_type"] for order in day.report.resting_orders or ()] == ["STP", "LMT", "MKT"]


# The exits


def test_the_target_fills_at_its_limit_when_the_bid_reaches_it(tmp_path: Path) -> None:
    # 101.00, 100.90, 102.00 at :40 — on the way up the bid passes 101.62
    day = played(tmp_path, minute("09:55", 101.00, 102.00, 100.90, 101.90, 6_000))
    assert day.told() == [ENTRY, ("09:55:40", "AAA", "SELL", 249, 101.62, "profit_target")]
    # 249 · 101.62 = 25,303.38; SEC 0.521249628: fees 1.294302 + 0.521250 = 1.815552
    # 25,303.38 − 24,953.535747 − 1.815552 = 348.028701
    assert money(day) == [(ENTRY_FEE, None), (1.815552, 348.028701)]
    assert day.trades[1].pnl_pct == pytest.approx(348.028701 / 24_953.535747 * 100)
    assert day.cash == CASH + 348_028_701


def test_the_stop_fills_half_a_spread_below_itself(tmp_path: Path) -> None:
    # 99.80, 99.90, 99.00 at :40 — on the way down the last price passes 99.40
    day = played(tmp_path, minute("09:55", 99.80, 99.90, 99.00, 99.10, 6_000))
    assert day.told() == [ENTRY, ("09:55:40", "AAA", "SELL", 249, 99.39, "stop_loss")]
    # 249 · 99.39 = 24,748.11; SEC 0.509811066: fees 1.804113; 24,748.11 − 24,953.535747 − 1.804113 = −207.229860
    assert money(day) == [(ENTRY_FEE, None), (1.804113, -207.229860)]
    assert day.cash == CASH - 207_229_860


def test_the_stop_that_is_gapped_through_at_the_open_of_a_bar_fills_at_the_bid(tmp_path: Path) -> None:
    day = played(tmp_path, minute("09:55", 98.90, 99.00, 98.80, 98.95, 6_000))
    assert day.told() == [ENTRY, ("09:55:00", "AAA", "SELL", 249, 98.89, "stop_loss")]
    # 249 · 98.89 = 24,623.61; SEC 0.507246366: fees 1.801548; 24,623.61 − 24,953.535747 − 1.801548 = −331.727295
    assert money(day) == [(ENTRY_FEE, None), (1.801548, -331.727295)]
    assert day.cash == CASH - 331_727_295


def test_the_time_exit_sells_at_eod_after_the_price_of_that_second(tmp_path: Path) -> None:
    # 15:55:00 opens at 100.60: bid 100.59. The minute before traded 3,000 shares: 300 may fill.
    last = (
        minute("15:54", 100.40, 100.50, 100.40, 100.50, 3_000),
        minute("15:55", 100.60, 100.70, 100.50, 100.65, 3_000),
    )
    day = played(tmp_path, *last)
    assert day.told() == [ENTRY, ("15:55:00", "AAA", "SELL", 249, 100.59, "time_exit")]
    # 249 · 100.59 = 25,046.91; SEC 0.515966346: fees 1.810268; 25,046.91 − 24,953.535747 − 1.810268 = 91.563985
    assert money(day) == [(ENTRY_FEE, None), (1.810268, 91.563985)]
    assert day.cash == CASH + 91_563_985


def test_an_early_close_moves_eod_to_five_minutes_before_it(tmp_path: Path) -> None:
    last = (
        minute("12:54", 100.40, 100.50, 100.40, 100.50, 3_000, EARLY_CLOSE),
        minute("12:55", 100.60, 100.70, 100.50, 100.65, 3_000, EARLY_CLOSE),
    )
    day = played(tmp_path, *last, session=EARLY_CLOSE)
    assert day.told() == [ENTRY, ("12:55:00", "AAA", "SELL", 249, 100.59, "time_exit")]
    assert money(day) == [(ENTRY_FEE, None), (1.810268, 91.563985)]
    assert day.cash == CASH + 91_563_985
    assert day.report.ended_at == EARLY_CLOSE.eod.replace(second=20, microsecond=500_000)


def test_an_exit_larger_than_the_volume_sells_its_rest_at_later_points_at_the_bid(tmp_path: Path) -> None:
    # The last minute published before the stop traded 600 shares: 100 may fill a minute, the least there is.
    # 9:55:40  100 at 99.39, the stop's own price; 9:55:59 is the same minute
    # 9:56:00  price 99.20: 100 at the bid 99.19. Then 9:55 is published with 4,000 shares: 400 a minute, 300 left
    # 9:56:20  price 99.10: the last 49 at the bid 99.09
    day = played(
        tmp_path,
        minute("09:53", 100.00, 100.05, 99.95, 100.00, 600),
        minute("09:55", 99.80, 99.90, 99.00, 99.10, 4_000),
        minute("09:56", 99.20, 99.30, 99.10, 99.30, 6_000),
    )
    assert day.told() == [
        ENTRY,
        ("09:55:40", "AAA", "SELL", 100, 99.39, "stop_loss"),
        ("09:56:00", "AAA", "SELL", 100, 99.19, "stop_loss"),
        ("09:56:20", "AAA", "SELL", 49, 99.09, "stop_loss"),
    ]
    # One order, one minimum: 1.00 for the first 100, nothing more up to 200, 1.245 − 1.00 = 0.245 for the last 49.
    # 100 · 0.000003 + 100 · 0.000195 = 0.0198; SEC 0.2047434, 0.2043314, 0.100021446
    # fees  1.00 + 0.0198 + 0.2047434 = 1.224543, 0.0198 + 0.2043314 = 0.224131,
    #       0.245 + 0.009702 + 0.100021446 = 0.354723
    # P&L   9,939.00 − 10,021.5003 − 1.224543 = −83.724843
    #       9,919.00 − 10,021.5003 − 0.224131 = −102.724431
    #       4,855.41 − 4,910.535147 − 0.354723 = −55.479870
    assert money(day) == [
        (ENTRY_FEE, None),
        (1.224543, -83.724843),
        (0.224131, -102.724431),
        (0.354723, -55.479870),
    ]
    assert day.cash == CASH - 241_929_144
    assert day.report.metrics["total_pnl_usd"] == -241.929144
    assert [intent["state"] for intent in day.intents] == ["filled", "filled", "cancelled", "cancelled"]


# More than one trip


def test_the_next_entry_waits_for_the_cool_down_and_shares_what_the_loss_left(tmp_path: Path) -> None:
    # Stopped out at 9:55:40. At 10:00:00 the price is 100.19, above the VWAP of
    # (18 · 100.05 + 100.12 + 99.3333) / 20 = 100.0177, and RSI is 29.9; the 300 seconds end at 10:00:40.
    # Ask 100.20, collar 100.30. The budget would buy 249, but a quarter of 100,000 − 207.23 is 24,948.19: 248.
    day = played(
        tmp_path,
        minute("09:55", 99.80, 99.90, 99.00, 99.10, 6_000),
        minute("10:00", 100.19, 100.19, 100.19, 100.19, 6_000),
    )
    assert day.told()[2:] == [
        ("10:00:40", "AAA", "BUY", 248, 100.20, "entry"),
        ("15:55:00", "AAA", "SELL", 248, 100.18, "time_exit"),
    ]
    # bought for 24,849.60, fee 1.24 + 0.000744 = 1.240744
    # sold for 24,844.64, fees 1.24 + 0.000744 + 0.04836 + 0.511799584 = 1.800904
    # P&L −4.96 − 1.240744 − 1.800904 = −8.001648
    assert money(day)[2:] == [(1.240744, None), (1.800904, -8.001648)]
    assert day.cash == CASH - 207_229_860 - 8_001_648
    assert day.report.metrics["total_pnl_usd"] == -215.231508
    assert day.report.metrics["max_drawdown_usd"] == -215.231508  # the peak was the zero before the first entry
    cooling = [d["timestamp"][11:19] for d in day.decisions if d["rule"] == "cool_down"]
    assert cooling == ["14:00:00"]


def test_two_symbols_share_the_capital_in_rank_order(tmp_path: Path) -> None:
    # 12,500 each: 12,500 / 100.31 = 124.6 shares. BBB ranks first: its daily range is larger.
    # AAA: 124 · 100.21 = 12,426.04, fee 1.00 + 0.000372 = 1.000372 (the minimum)
    #      sold at 101.62: 12,600.88, fees 1.00 + 0.000372 + 0.02418 + 0.259578128 = 1.284130
    #      P&L 174.84 − 1.000372 − 1.284130 = 172.555498
    # BBB: sold at 99.39: 12,324.36, fees 1.00 + 0.000372 + 0.02418 + 0.253881816 = 1.278434
    #      P&L −101.68 − 1.000372 − 1.278434 = −103.958806
    feed = HandMadeFeed(
        {
            "AAA": [*until_entry(), minute("09:55", 101.00, 102.00, 100.90, 101.90, 6_000)],
            "BBB": [*until_entry(), minute("09:55", 99.80, 99.90, 99.00, 99.10, 6_000)],
        },
        {"AAA": daily_history(), "BBB": daily_history(range_usd=2.50)},
    )
    day = play_day(feed, tmp_path)
    assert day.report.watchlist == ("BBB", "AAA")
    assert day.told() == [
        ("09:50:40", "BBB", "BUY", 124, 100.21, "entry"),
        ("09:50:40", "AAA", "BUY", 124, 100.21, "entry"),
        ("09:55:40", "BBB", "SELL", 124, 99.39, "stop_loss"),
        ("09:55:40", "AAA", "SELL", 124, 101.62, "profit_target"),
    ]
    assert money(day) == [(1.000372, None), (1.000372, None), (1.278434, -103.958806), (1.284130, 172.555498)]
    assert day.cash == CASH + 172_555_498 - 103_958_806
    metrics = day.report.metrics
    assert (metrics["round_trips"], metrics["wins"], metrics["losses"]) == (2, 1, 1)
    assert metrics["total_pnl_usd"] == 68.596692
    assert metrics["commissions_usd"] == pytest.approx(4.563308)


# An entry that gets less than it asked for


def test_exits_shrink_to_what_a_partly_filled_entry_bought(tmp_path: Path) -> None:
    # 600 shares may fill in the minute of the entry; another client takes 500 of them at 9:50:20.
    # The entry gets 100, its rest dies at 9:50:55. The target then sells 100.
    feed = HandMadeFeed({"AAA": [*until_entry(), minute("09:55", 101.00, 102.00, 100.90, 101.90, 6_000)]})

    async def main(world: World) -> tuple[Played, list[int]]:
        other = world.broker(client_id=9)
        with world.history() as history:
            trader = world.trader(history)

            async def interfere() -> list[int]:
                await other.open()
                await world.until("09:50:20")
                await other.orders.place([market_order("AAA", 500)])
                await world.until("09:50:56")
                return [order.quantity for order in world.resting()]

            async with asyncio.TaskGroup() as group:
                resting = group.create_task(interfere())
                report = await run_until(world, trader, ["AAA"])
            other.disconnect()
        return what_is_left(world, report), resting.result()

    day, resting = in_world(main, feed, tmp_path)
    assert resting == [100, 100, 100]
    assert day.told() == [
        ("09:50:40", "AAA", "BUY", 100, 100.21, "entry"),
        ("09:55:40", "AAA", "SELL", 100, 101.62, "profit_target"),
    ]
    # fees: 1.00 + 0.0003 = 1.0003; 1.00 + 0.0198 + 10,162 · 20.60e-6 = 1.229137; P&L 141 − 1.0003 − 1.229137
    assert money(day) == [(1.0003, None), (1.229137, 138.770563)]
    assert day.held == {"AAA": 500}  # the other client's
    assert day.intents[0]["state"] == "cancelled"
    assert day.intents[0]["filled_quantity"] == 100
