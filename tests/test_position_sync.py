"""Position sync and restarts of the day trader: what it adopts, what it leaves alone, what it takes up again.

The days are those of `test_simulated_day`: 249 shares bought at 9:50:40 for 100.21, stop 99.40, target 101.62.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from ib_simulator.client import ClientConnection
from ib_simulator.orders import SimOrder
from ib_simulator.replies_account import position, position_end
from ib_simulator.request_types import ReqPositions
from ib_simulator.wire_order import WireContract
from observability import TradingHistory
from records.rows import TradeRow
from tests.gateway_world import (
    LIVE,
    MONDAY,
    PAPER,
    USD,
    HandMadeFeed,
    Played,
    World,
    in_world,
    market_order,
    minute,
    play_day,
    rows,
    run_until,
    run_until_killed,
    second,
    session_on,
    warm_up,
    what_is_left,
)
from trading.bars import Bar
from trading.orders import Action
from trading.settings import RiskSettings, SafetySettings

BOUGHT = ("09:50:40", "AAA", "BUY", 249, 100.21, "entry")


def bought_by_the_weekly_bot(quantity: int) -> TradeRow:
    return TradeRow(
        exec_id="weekly-1",
        session_date="2026-09-25",
        timestamp=MONDAY.open - timedelta(days=3),
        symbol="AAA",
        action="BUY",
        quantity=quantity,
        price_usd=99.50,
        reason="rebalance",
        commission_usd=1.0,
    )


def quiet() -> list[Bar]:
    """A morning in which nothing is bought: the price never leaves the warm-up's range, always below its VWAP."""
    return [*warm_up(), minute("09:50", 100.00, 100.02, 99.98, 100.00, 6_000)]


def entered(*bars: Bar) -> list[Bar]:
    """The morning in which 249 shares are bought, and what comes after."""
    return [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000), *bars]


RISE = minute("11:30", 101.00, 102.00, 100.90, 101.90, 6_000)  # 101.62 is passed at 11:30:40


def terms(orders: list[SimOrder]) -> list[tuple[str, str, int, int, int, str]]:
    """Symbol, type, shares, limit, stop and time in force of orders."""
    return [(o.symbol, o.order_type, o.quantity, o.limit, o.stop, o.tif) for o in orders]


# Adoption


def test_external_shares_of_a_watchlist_symbol_are_adopted_and_protected(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Played, list[SimOrder]]:
        world.hold("AAA", 100, 99.50)
        with world.history() as history:
            report = await run_until(world, world.trader(history), ["AAA"], "09:51")
        return what_is_left(world, report), world.resting()

    day, resting = in_world(main, HandMadeFeed({"AAA": quiet()}), tmp_path)
    assert day.told() == [("09:00:00", "AAA", "BUY", 100, 99.5, "sync")]
    assert (day.trades[0].commission_usd, day.trades[0].order_ref) == (0.0, "")
    # 99.50 · 0.992 = 98.704, down to 98.70; 99.50 · 1.014 = 100.893, up to 100.90
    assert terms(resting) == [
        ("AAA", "STP", 100, 0, 987_000, "GTC"),
        ("AAA", "LMT", 100, 1_009_000, 0, "DAY"),
        ("AAA", "MKT", 100, 0, 0, "GTC"),
    ]
    assert resting[2].good_after_s == second("15:55")
    assert day.decisions[0]["kind"] == "sync"
    assert day.report.positions_left == {"AAA": 100}


def test_an_adopted_position_is_sold_at_eod_like_any_other(tmp_path: Path) -> None:
    # Adopted at 99.50 without a fee. At 15:55 the last price is 100.00: bid 99.99.
    # sold for 9,999.00; fees 1.00 + 100 · 0.000198 + 0.2059794 = 1.225779; P&L 9,999 − 9,950 − 1.225779 = 47.774221
    day = play_day(HandMadeFeed({"AAA": quiet()}), tmp_path, prepare=lambda world: world.hold("AAA", 100, 99.50))
    assert day.told()[1:] == [("15:55:00", "AAA", "SELL", 100, 99.99, "time_exit")]
    assert day.trades[1].pnl_usd == 47.774221
    assert (day.held, day.resting) == ({}, [])
    assert day.cash == 100_000 * USD + 47_774_221


def test_an_adopted_position_above_its_target_is_sold_once_at_the_open(tmp_path: Path) -> None:
    # Target of 98.00: 99.372, up to 99.38. The first price is 100.00: the bid 99.99 is taken on the jump.
    day = play_day(HandMadeFeed({"AAA": quiet()}), tmp_path, prepare=lambda world: world.hold("AAA", 100, 98.00))
    assert day.told() == [
        ("09:00:00", "AAA", "BUY", 100, 98.0, "sync"),
        ("09:30:00", "AAA", "SELL", 100, 99.99, "profit_target"),
    ]
    assert (day.held, day.resting) == ({}, [])


def test_shares_above_the_ledger_are_adopted_and_the_resting_exits_grow(tmp_path: Path) -> None:
    # 249 shares are bought; 50 more appear on the account while the trader is away.
    async def main(world: World) -> tuple[Played, list[int]]:
        with world.history() as history:
            await run_until(world, world.trader(history), ["AAA"], "10:00")
            world.hold("AAA", 299, 100.20)
            await world.until("11:00")
            report = await run_until(world, world.trader(history), ["AAA"], "11:01")
        return what_is_left(world, report), [order.quantity for order in world.resting()]

    day, resting = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert [(row.action, row.quantity, row.reason) for row in day.trades] == [
        ("BUY", 249, "entry"),
        ("BUY", 50, "sync"),
    ]
    assert resting == [299, 299, 299]
    assert day.report.positions_left == {"AAA": 299}


@pytest.mark.parametrize(
    ("symbol", "quantity", "warning"),
    [
        ("ZZZ", 30, "30 ZZZ at the broker, 0 in the ledger: not on the watchlist, left alone"),
        ("AAA", -40, "-40 AAA at the broker"),
        ("AAA", 10.5, "10.5 AAA at the broker, 0 in the ledger: not whole long shares, left alone"),
    ],
)
def test_what_is_not_whole_long_watchlist_shares_is_left_alone_and_named(
    tmp_path: Path, symbol: str, quantity: float, warning: str
) -> None:
    day = play_day(
        HandMadeFeed({"AAA": quiet()}),
        tmp_path,
        prepare=lambda world: world.hold(symbol, quantity, 99.50),
        world={"also_listed": ["ZZZ"]},
    )
    assert day.trades == []
    assert day.intents == []
    assert day.held == {symbol: quantity}
    assert [text for text in day.report.warnings if text.startswith(warning)]


def on_a_live_account(folder: Path, **options: Any) -> Played:
    return play_day(
        HandMadeFeed({"AAA": quiet()}),
        folder,
        prepare=lambda world: world.hold("AAA", 100, 99.50),
        mode="live",
        live=True,
        world={"account_id": LIVE},
        **options,
    )


def test_a_live_account_asks_before_it_adopts(tmp_path: Path) -> None:
    day = on_a_live_account(tmp_path)
    assert day.trades == []
    assert day.intents == []
    assert day.held == {"AAA": 100}
    assert day.report.warnings == (
        "100 AAA at the broker, 0 in the ledger: left alone; to hand them over start with --adopt AAA:100",
    )


def test_a_live_account_adopts_what_the_user_hands_over(tmp_path: Path) -> None:
    day = on_a_live_account(tmp_path, consents={"AAA": 100})
    assert [(row.action, row.quantity, row.reason) for row in day.trades] == [
        ("BUY", 100, "sync"),
        ("SELL", 100, "time_exit"),
    ]
    assert day.held == {}
    assert not [text for text in day.report.warnings if "left alone" in text]


def test_what_is_never_traded_is_neither_bought_nor_adopted(tmp_path: Path) -> None:
    # BBB rises as AAA does: it would be bought at 9:50:40
    day = play_day(
        HandMadeFeed({"AAA": entered(), "BBB": entered()}),
        tmp_path,
        prepare=lambda world: world.hold("AAA", 100, 99.50),
        stop_at="09:51",
        safety=SafetySettings(never_trade=("AAA",)),
    )
    assert {row.symbol for row in day.trades} == {"BBB"}
    assert day.held["AAA"] == 100
    assert day.report.watchlist == ("BBB",)
    assert "AAA is left out: NEVER_TRADE names it" in day.report.warnings


def test_external_shares_end_the_run_before_anything_is_traded_where_the_policy_says_halt(tmp_path: Path) -> None:
    day = play_day(
        HandMadeFeed({"AAA": entered()}),
        tmp_path,
        prepare=lambda world: world.hold("AAA", 100, 99.50),
        safety=SafetySettings(external_positions="halt"),
    )
    assert day.report.ended_because == ("100 AAA at the broker, 0 in the ledger: EXTERNAL_POSITIONS=halt ends the run")
    assert (day.trades, day.intents, day.held) == ([], [], {"AAA": 100})


@pytest.mark.parametrize(("shared", "traded"), [("exclude", ["BBB"]), ("share", ["AAA", "BBB"])])
def test_symbols_of_another_bot_are_left_to_it_or_shared_by_ledger(
    tmp_path: Path, shared: Literal["exclude", "share"], traded: list[str]
) -> None:
    async def main(world: World) -> Played:
        world.hold("AAA", 40, 99.50)
        with TradingHistory(world.database, bot="weekly", mode="simulated") as weekly:
            weekly.record_trade(bought_by_the_weekly_bot(40))
            weekly.flush().result()
            with world.history() as history:
                safety = SafetySettings(shared_symbols=shared)
                report = await run_until(world, world.trader(history, safety=safety), ["AAA", "BBB"])
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered(), "BBB": entered()}), tmp_path)
    ours = [row for row in day.trades if row.bot == "day_trader"]
    assert sorted({row.symbol for row in ours}) == traded
    assert not [row for row in ours if row.reason == "sync"]
    assert day.held == {"AAA": 40}  # the weekly bot's, at the end as at the beginning


def test_a_dry_run_sends_no_order_for_what_it_finds(tmp_path: Path) -> None:
    day = play_day(
        HandMadeFeed({"AAA": quiet()}),
        tmp_path,
        prepare=lambda world: world.hold("AAA", 100, 99.50),
        dry_run=True,
    )
    assert day.intents == []
    assert day.held == {"AAA": 100}


def test_shares_in_somebodys_sell_order_are_not_adopted(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        world.hold("AAA", 100, 99.50)
        other = world.broker(client_id=9)
        await other.open()
        sale = replace(market_order("AAA", 40, Action.SELL), order_type="LMT", limit_price=1_100_000, tif="GTC")
        await other.orders.place([sale])
        with world.history() as history:
            report = await run_until(world, world.trader(history), ["AAA"], "09:52")
        other.disconnect()
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": quiet()}), tmp_path)
    assert (day.trades, day.intents, day.held) == ([], [], {"AAA": 100})
    assert day.report.warnings == (
        "100 AAA at the broker, 0 in the ledger: 40 of them are in sell orders of somebody else, left alone",
    )


def test_shares_under_a_short_option_are_not_adopted(tmp_path: Path) -> None:
    def with_option(client: ClientConnection, _request: ReqPositions) -> None:
        contract = WireContract(con_id=77, symbol="AAA", sec_type="OPT", currency="USD", right="C", strike=105.0)
        stock = WireContract(con_id=78, symbol="AAA", sec_type="STK", currency="USD")
        client.send(position(PAPER, contract, -1, 120.0), position(PAPER, stock, 100, 99.50), position_end())

    def prepare(world: World) -> None:
        world.hold("AAA", 100, 99.50)
        world.answer(ReqPositions, with_option)

    day = play_day(HandMadeFeed({"AAA": quiet()}), tmp_path, prepare=prepare, stop_at="09:52")
    assert (day.trades, day.intents) == ([], [])
    words = "100 AAA at the broker, 0 in the ledger: 1 short options are written on it, left alone"
    assert words in day.report.warnings


def test_shares_that_never_trade_came_to_name_are_left_with_no_order_of_ours(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        with world.history() as history:
            await run_until(world, world.trader(history), ["AAA", "BBB"], "10:00")
            safety = SafetySettings(never_trade=("AAA",))
            report = await run_until(world, world.trader(history, safety=safety, flatten_on_exit=True), ["AAA", "BBB"])
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered(RISE), "BBB": entered()}), tmp_path)
    assert [(row.symbol, row.action) for row in day.trades] == [("AAA", "BUY"), ("BBB", "BUY"), ("BBB", "SELL")]
    assert (day.held, day.resting) == ({"AAA": 124}, [])
    assert "NEVER_TRADE names AAA: 124 shares of the ledger are left alone" in day.report.warnings
    assert "AAA: the exits that rested are withdrawn, nothing protects it any more" in day.report.warnings


def test_symbols_shared_with_another_bot_stay_apart_over_a_restart(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        world.hold("AAA", 40, 99.50)
        safety = SafetySettings(shared_symbols="share")
        with TradingHistory(world.database, bot="weekly", mode="simulated") as weekly:
            weekly.record_trade(bought_by_the_weekly_bot(40))
        with world.history() as history:
            await run_until_killed(world, world.trader(history, safety=safety), ["AAA"], "10:00")
            await world.until("10:05")
            report = await run_until(world, world.trader(history, safety=safety), ["AAA"])
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered(RISE)}), tmp_path)
    ours = [(row.action, row.quantity, row.reason) for row in day.trades if row.bot == "day_trader"]
    assert ours == [("BUY", 249, "entry"), ("SELL", 249, "profit_target")]
    assert (day.held, day.resting) == ({"AAA": 40}, [])


# Positions beside the watchlist


@pytest.mark.parametrize(("fall", "latched"), [(97.00, True), (99.50, False)])
def test_the_open_loss_of_a_position_beside_the_watchlist_counts(tmp_path: Path, fall: float, latched: bool) -> None:
    """BBB was bought by an earlier run and is on no list today; 249 shares fall by 3.21, and 500 may be lost."""
    drop = [minute("09:40", fall, fall, fall, fall, 0)]
    bars = [bar for bar in warm_up() if bar.start_s < drop[0].start_s]

    async def main(world: World) -> Played:
        with world.history() as history:
            world.hold("BBB", 249, 100.21)
            history.record_trade(replace(bought_by_the_weekly_bot(249), symbol="BBB", reason="entry", price_usd=100.21))
            history.flush().result()
            safety = SafetySettings(external_positions="ignore")
            report = await run_until(world, world.trader(history, safety=safety), ["AAA"], "10:00")
        return what_is_left(world, report)

    feed = HandMadeFeed({"AAA": entered(), "BBB": [*bars, *drop]})
    day = in_world(main, feed, tmp_path)
    assert ("daily_loss" in day.report.funnel["AAA"]) == latched


# Shares that are not there any more


def test_shares_that_left_the_account_are_never_sold_again(tmp_path: Path) -> None:
    """The ledger has 249, the account none (sold by hand): an exit would go short."""

    async def main(world: World) -> Played:
        with world.history() as history:
            await run_until(world, world.trader(history), ["AAA"], "10:00")
            for order in world.resting():
                world.gateway.exchange.cancel(order)
            del world.gateway.accounts.first.holdings["AAA"]
            await world.until("11:00")
            report = await run_until(world, world.trader(history), ["AAA"])
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered(RISE)}), tmp_path)
    assert day.told() == [BOUGHT]
    assert day.held == {}
    assert [text for text in day.report.warnings if text.startswith("0 AAA at the broker, 249 in the ledger")]


# Restarts


def restarted(
    feed: HandMadeFeed,
    folder: Path,
    stop_at: str,
    restart_at: str,
    meanwhile: Callable[[World], None] = lambda _: None,
    **options: Any,
) -> tuple[Played, list[SimOrder], list[SimOrder]]:
    """A day in two runs; the orders resting after the first and just after the second took over."""

    async def main(world: World) -> tuple[Played, list[SimOrder], list[SimOrder]]:
        with world.history() as history:
            await run_until(world, world.trader(history, **options), ["AAA"], stop_at)
            left = world.resting()
            meanwhile(world)
            await world.until(restart_at)
            second_run = world.trader(history, **options)
            taken: list[SimOrder] = []

            async def look() -> None:
                await world.until(restart_at + ":30")
                taken.extend(world.resting())

            async with asyncio.TaskGroup() as group:
                group.create_task(look())
                report = await run_until(world, second_run, ["AAA"])
        return what_is_left(world, report), left, taken

    return in_world(main, feed, folder)


def test_a_restart_takes_up_the_position_and_its_exits_and_doubles_nothing(tmp_path: Path) -> None:
    day, left, taken = restarted(HandMadeFeed({"AAA": entered(RISE)}), tmp_path, "11:00", "11:05")
    assert [o.order_type for o in left] == ["STP", "LMT", "MKT"]
    assert taken == left
    assert day.told() == [BOUGHT, ("11:30:40", "AAA", "SELL", 249, 101.62, "profit_target")]
    # as if nothing had happened: see test_the_target_fills_at_its_limit_when_the_bid_reaches_it
    assert [(row.commission_usd, row.pnl_usd) for row in day.trades] == [(1.245747, None), (1.815552, 348.028701)]
    assert day.cash == 100_000 * USD + 348_028_701
    assert len(day.intents) == 4
    assert [intent["state"] for intent in day.intents] == ["filled", "cancelled", "filled", "cancelled"]
    assert (day.held, day.resting, day.report.warnings) == ({}, [], ())


def test_the_report_after_a_restart_tells_the_whole_day(tmp_path: Path) -> None:
    day, _, _ = restarted(HandMadeFeed({"AAA": entered(RISE)}), tmp_path, "11:00", "11:05")
    (trip,) = day.report.round_trips
    assert (trip["entry_price_usd"], trip["exit_price_usd"]) == (100.21, 101.62)
    assert (trip["fees_usd"], trip["pnl_usd"]) == (3.061299, 348.028701)
    assert day.report.metrics["commissions_usd"] == 3.061299


def test_a_restart_remembers_the_entries_and_the_results_of_the_day(tmp_path: Path) -> None:
    # Stopped out at 9:55:40 with −207.23 in the first run; at 11:30 the strategy wants to buy again.
    bars = entered(
        minute("09:55", 99.80, 99.90, 99.00, 99.10, 6_000), minute("11:30", 100.15, 100.15, 100.15, 100.15, 6_000)
    )
    one_entry = RiskSettings(risk_max_entries_per_symbol=1)
    day, left, _ = restarted(HandMadeFeed({"AAA": bars}), tmp_path, "11:00", "11:05", risk=one_entry)
    assert left == []
    assert len(day.trades) == 2
    assert day.report.funnel["AAA"]["entries_per_symbol"] > 0
    assert day.report.metrics["total_pnl_usd"] == -207.22986
    assert day.report.equity_at_open_usd == pytest.approx(100_000, abs=0.01)  # the gateway tells cents


def test_a_fill_while_the_trader_was_away_is_booked_once_at_its_own_time(tmp_path: Path) -> None:
    # The target fills at 11:30:40, nobody listens; the next run starts at 11:45.
    day, left, taken = restarted(HandMadeFeed({"AAA": entered(RISE)}), tmp_path, "11:00", "11:45")
    assert len(left) == 3
    assert taken == []
    assert day.told() == [BOUGHT, ("11:30:40", "AAA", "SELL", 249, 101.62, "profit_target")]
    assert [(row.commission_usd, row.pnl_usd) for row in day.trades] == [(1.245747, None), (1.815552, 348.028701)]
    assert (day.held, day.resting, day.report.positions_left) == ({}, [], {})


def test_lost_exits_are_placed_again_at_the_restart(tmp_path: Path) -> None:
    def lose_exits(world: World) -> None:
        for order in world.resting():
            world.gateway.exchange.cancel(order)

    day, _, taken = restarted(HandMadeFeed({"AAA": entered(RISE)}), tmp_path, "11:00", "11:05", lose_exits)
    assert terms(taken) == [  # priced from what was paid, as the first ones were
        ("AAA", "STP", 249, 0, 994_000, "GTC"),
        ("AAA", "LMT", 249, 1_016_200, 0, "DAY"),
        ("AAA", "MKT", 249, 0, 0, "GTC"),
    ]
    assert day.told() == [BOUGHT, ("11:30:40", "AAA", "SELL", 249, 101.62, "profit_target")]
    assert (day.held, day.resting) == ({}, [])


def test_a_start_after_eod_time_flattens_what_it_owns_and_reports(tmp_path: Path) -> None:
    def lose_exits(world: World) -> None:
        for order in world.resting():
            world.gateway.exchange.cancel(order)
        world.hold("ZZZ", 30, 50.0)

    feed = HandMadeFeed({"AAA": entered(minute("15:56", 100.30, 100.30, 100.30, 100.30, 6_000))})
    day, _, _ = restarted(feed, tmp_path, "11:00", "15:57", lose_exits)
    # the last price is 100.30: bid 100.29
    assert day.told() == [BOUGHT, ("15:57:00", "AAA", "SELL", 249, 100.29, "eod")]
    assert day.held == {"ZZZ": 30}
    assert day.report.positions_left == {}
    assert day.report.metrics["round_trips"] == 1


def test_a_start_after_eod_time_without_positions_ends_at_once(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": quiet()}), tmp_path, world={"begins": "15:57"})
    assert (day.trades, day.report.ticks) == ([], 0)
    assert day.report.ended_because == "the session is over"


def test_what_the_volume_left_over_is_told_and_sold_on_the_next_day(tmp_path: Path) -> None:
    # The last minute published before EOD traded 600 shares: 100 may fill in a minute.
    # 15:55:00  the time exit sells 100 at the bid 100.29
    # 15:57:00  its patience is over: the resting target is re-priced under the bid and sells 100
    # 16:00:00  the session is over, 49 shares are left
    # Tuesday   they get exits priced from 100.21; the target 101.62 is passed at 9:30:40
    tuesday = session_on(MONDAY.date + timedelta(days=1))
    feed = HandMadeFeed(
        {
            "AAA": [
                *entered(minute("15:50", 100.30, 100.30, 100.30, 100.30, 600)),
                minute("09:30", 101.00, 102.00, 100.90, 101.90, 6_000, tuesday),
            ]
        }
    )

    async def main(world: World) -> tuple[Played, Played]:
        with world.history() as history:
            monday = await run_until(world, world.trader(history), ["AAA"])
        left = what_is_left(world, monday)
        with world.history() as history:
            report = await run_until(world, world.trader(history, session=tuesday), ["AAA"])
        return left, what_is_left(world, report)

    monday, after = in_world(main, feed, tmp_path, following=[tuesday])
    assert monday.told() == [
        BOUGHT,
        ("15:55:00", "AAA", "SELL", 100, 100.29, "time_exit"),
        ("15:57:00", "AAA", "SELL", 100, 100.29, "eod"),
    ]
    assert (monday.report.positions_left, monday.held, monday.resting) == ({"AAA": 49}, {"AAA": 49}, [])
    assert after.told()[3:] == [("09:30:40", "AAA", "SELL", 49, 101.62, "profit_target")]
    # 4,979.38 − 49 · 100.215003 = 4,910.535147; fees 1.00 + 49 · 0.000198 + 0.102575228 = 1.112277
    assert (after.trades[3].commission_usd, after.trades[3].pnl_usd) == (1.112277, 67.732576)
    assert (after.held, after.resting, after.report.positions_left) == ({}, [], {})


def test_an_entry_that_still_works_at_a_restart_is_not_doubled(tmp_path: Path) -> None:
    # Another client sells all the 600 shares of the minute at 9:50:20. The entry of 9:50:40 gets none and works
    # until 9:50:55; the price stands at 100.20, so that a new run would want to buy as well.
    feed = HandMadeFeed({"AAA": entered()})

    async def main(world: World) -> None:
        other = world.broker(client_id=9)
        await other.open()
        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(run_until_killed(world, world.trader(history), ["AAA"], "09:50:42"))
                await world.until("09:50:20")
                await other.orders.place([market_order("AAA", 600, Action.SELL)])
            assert [(order.quantity, order.filled) for order in world.resting()] == [(249, 0)] * 4
            await run_until_killed(world, world.trader(history), ["AAA"], "09:50:54")
        other.disconnect()

    in_world(main, feed, tmp_path)
    told = rows(tmp_path / "history.db", "SELECT kind, rule FROM decisions WHERE bars = 20 ORDER BY rowid")
    assert [(d["kind"], d["rule"]) for d in told] == [
        ("deny", "not_above_vwap"),
        ("enter", "approved"),
        ("deny", "entry_pending"),  # of the second run
    ]
    intents = rows(tmp_path / "history.db", "SELECT role, state FROM order_intents ORDER BY rowid")
    assert [intent["role"] for intent in intents] == ["entry", "stop", "target", "time_exit"]
    assert {intent["state"] for intent in intents} == {"working"}
