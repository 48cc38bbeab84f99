"""The day trader's day over TCP, where it does not go as planned. The bars are those of `test_simulated_day`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ib_simulator.client import ClientConnection
from ib_simulator.fault_kinds import Lose, Reject, Restart
from ib_simulator.orders import SimOrder
from ib_simulator.request_types import ReqHistoricalData
from tests.gateway_world import (
    MONDAY,
    USD,
    HandMadeFeed,
    Played,
    World,
    at,
    daily_history,
    in_world,
    market_order,
    minute,
    play_day,
    rows,
    run_until,
    session_on,
    warm_up,
    what_is_left,
)
from trading.bars import Bar
from trading.day_report import DayReport
from trading.errors import BrokerUnavailable
from trading.orders import Action, IntentState
from trading.settings import RiskSettings

BOUGHT = ("09:50:40", "AAA", "BUY", 249, 100.21, "entry")
CASH = 100_000 * USD


def entered(*bars: Bar) -> list[Bar]:
    """The morning in which a symbol is bought at 9:50:40, and what comes after."""
    return [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000), *bars]


def quiet(*bars: Bar) -> list[Bar]:
    """A morning in which nothing is bought, and what comes after."""
    return [*warm_up(), minute("09:50", 100.00, 100.02, 99.98, 100.00, 6_000), *bars]


def watchlist(folder: Path, *symbols: str) -> Path:
    file = folder / "list.json"
    file.write_text(json.dumps(symbols), encoding="utf-8")
    return file


# Starting late


@pytest.mark.parametrize("begins", ["09:31:30", "09:50:00", "09:50:30"])
def test_a_late_start_knows_what_an_early_one_knows(tmp_path: Path, begins: str) -> None:
    feed = HandMadeFeed({"AAA": entered()})
    day = play_day(feed, tmp_path, stop_at="09:51", world={"begins": begins})
    entry = next(decision for decision in day.decisions if decision["kind"] == "enter")
    known = {name: entry[name] for name in ("timestamp", "bars", "price", "vwap", "quantity", "volume")}
    assert known == {
        "timestamp": "2026-09-28T13:50:40.000000+00:00",
        "bars": 20,
        "price": 100.20,
        "vwap": 100.05,
        "quantity": 249,
        "volume": 6_000,
    }
    assert entry["rsi"] == pytest.approx(46.8697, abs=5e-5)
    assert day.told() == [BOUGHT]


def test_minute_bars_of_the_day_before_are_no_part_of_the_indicators(tmp_path: Path) -> None:
    """Before the open a gateway answers with the previous session's bars, and goes on with today's."""
    friday = session_on(MONDAY.date.replace(day=25))
    earlier = [minute(f"15:{m}", 90.0, 90.0, 90.0, 90.0, 50_000, friday) for m in range(30, 60)]
    day = play_day(HandMadeFeed({"AAA": [*earlier, *entered()]}), tmp_path, stop_at="09:51")
    entry = next(decision for decision in day.decisions if decision["kind"] == "enter")
    assert (entry["bars"], entry["vwap"]) == (20, 100.05)
    assert day.told() == [BOUGHT]


def test_the_trader_connects_half_an_hour_before_the_open(tmp_path: Path) -> None:
    async def main(world: World) -> list[bool]:
        there: list[bool] = []
        with world.history() as history:
            trader = world.trader(history)
            async with asyncio.TaskGroup() as group:
                group.create_task(run_until(world, trader, ["AAA"], "09:02"))
                for clock_text in ("08:59", "09:01"):
                    await world.until(clock_text)
                    there.append(world.client(2) is not None)
        return there

    assert in_world(main, HandMadeFeed({"AAA": quiet()}), tmp_path, begins="08:00") == [False, True]


def test_a_start_after_the_close_reports_at_once(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": quiet()}), tmp_path, world={"begins": "16:10"})
    assert (day.trades, day.report.ticks, day.report.ended_at) == ([], 0, at("16:10:00.500"))


# The connection


def test_a_lost_connection_is_restored_and_the_day_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Played, Exception | None, list[SimOrder]]:
        with world.history() as history:
            trader = world.trader(history)

            async def cut() -> list[SimOrder]:
                await world.until("11:00")
                world.cut(2)
                await world.until("11:00:10")
                return world.resting()

            async with asyncio.TaskGroup() as group:
                resting = group.create_task(cut())
                report = await run_until(world, trader, ["AAA"])
        return what_is_left(world, report), trader.fault, resting.result()

    day, fault, resting = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert fault is None
    assert day.report.ended_because == "the session is over"
    assert [order.order_type for order in resting] == ["STP", "LMT", "MKT"]
    assert day.told() == [BOUGHT, ("15:55:00", "AAA", "SELL", 249, 100.17, "time_exit")]
    assert len(day.intents) == 4  # nothing was sent a second time
    assert (day.held, day.resting, day.report.reconnects) == ({}, [], 1)
    assert day.report.warnings == ("connection disconnected at 15:00:00 UTC: socket lost",)


def test_a_gateway_that_stays_away_ends_entries_and_leaves_the_exits_at_the_broker(tmp_path: Path) -> None:
    """The port is refused from 11:00 to the end of the day: the time exit sells all the same."""

    async def main(world: World) -> tuple[Played, Exception | None]:
        faults = world.faults()
        with world.history() as history:
            trader = world.trader(history)

            async def cut() -> None:
                await world.until("11:00")
                faults.fire(Restart(refused_s=6 * 3_600))

            async with asyncio.TaskGroup() as group:
                group.create_task(cut())
                report = await run_until(world, trader, ["AAA"])
        return what_is_left(world, report), trader.fault

    day, fault = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert fault is None
    assert day.report.ended_at >= MONDAY.close
    assert day.told() == [BOUGHT]
    assert day.report.positions_left == {"AAA": 249}  # by the record, which nobody could bring up to date
    assert day.report.resting_orders is None
    assert (day.held, day.resting) == ({}, [])  # at the exchange
    assert day.report.warnings == (
        "connection disconnected at 15:00:00 UTC: socket lost",
        "the connection was down too long: no more entries in this session",
    )


def test_a_connection_lost_while_history_is_read_is_a_fault_with_words(tmp_path: Path) -> None:
    async def main(world: World) -> DayReport:
        def hang_up(client: ClientConnection, _request: ReqHistoricalData) -> None:
            client.close()

        world.answer(ReqHistoricalData, hang_up)
        with world.history() as history:
            return await world.trader(history).run(["AAA"])

    with pytest.raises(BrokerUnavailable, match="the connection was lost while asking for bars of AAA"):
        in_world(main, HandMadeFeed({"AAA": quiet()}), tmp_path)


# Data that is missing


def test_symbols_without_data_are_named_and_the_day_goes_on(tmp_path: Path) -> None:
    file = watchlist(tmp_path, "NODATA", "AAA")
    day = play_day(
        HandMadeFeed({"AAA": entered()}),
        tmp_path,
        watchlist=file,
        stop_at="09:51",
        allocation=0.5,
        world={"also_listed": ["NODATA"]},
    )
    (warning,) = day.report.warnings
    assert warning.startswith("no history for NODATA: 162 ")
    assert day.told() == [BOUGHT]  # half of 100,000 for two symbols is again 25,000 for one
    assert day.report.funnel["NODATA"] == {"no_price": 252}  # every five seconds from 9:30:00 to 9:50:55


def test_bars_that_the_gateway_refuses_for_a_while_are_asked_for_again(tmp_path: Path) -> None:
    """A refused request must not end the day: until 9:40 the gateway answers every one for minutes with an error."""

    async def main(world: World) -> Played:
        def refuse(client: ClientConnection, request: ReqHistoricalData) -> None:
            if request.bar_size == "1 min" and world.clock.now() < at("09:29"):
                client.error(request.req_id, 162, "Historical Market Data Service error message: no data")
            elif request.bar_size == "1 min" and world.clock.now() < at("09:40"):
                client.error(request.req_id, 322, "Error processing request: duplicate")
            else:
                world.as_usual(client, request)

        world.answer(ReqHistoricalData, refuse)
        with world.history() as history:
            report = await run_until(world, world.trader(history), ["AAA"], "09:51")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert day.report.ended_because == "the test has seen enough"
    assert day.told() == [BOUGHT]


def test_an_unanswered_request_for_bars_is_no_empty_history(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        silent_until = at("09:45")

        def answer(client: ClientConnection, request: ReqHistoricalData) -> None:
            if request.bar_size != "1 min" or world.clock.now() >= silent_until:
                world.as_usual(client, request)

        world.answer(ReqHistoricalData, answer)
        with world.history() as history:
            report = await run_until(world, world.trader(history), ["AAA"], "09:51")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert day.told() == [BOUGHT]


def test_no_entry_on_a_stale_quote(tmp_path: Path) -> None:
    # Stopped out at 9:55:40. The last price is shown at 9:56:59: 100.19, above the VWAP, RSI 52.6.
    # Its last message is the volume of that minute, at 9:57:00: 220 seconds old when the cool-down ends at 10:00:40.
    day = play_day(
        HandMadeFeed(
            {
                "AAA": entered(
                    minute("09:55", 99.80, 99.90, 99.00, 99.10, 6_000),
                    minute("09:56", 100.19, 100.19, 100.19, 100.19, 6_000),
                )
            }
        ),
        tmp_path,
        stop_at="10:05",
    )
    assert [row.reason for row in day.trades] == ["entry", "stop_loss"]
    last = day.decisions[-1]
    assert (last["timestamp"][11:19], last["rule"]) == ("14:00:40", "stale_quote")
    assert (last["limit_value"], last["actual_value"]) == (60.0, 220.0)


# Limits


def test_at_most_five_entries_an_instant_in_rank_order(tmp_path: Path) -> None:
    # 25,000 / 7 = 3,571.43 for each: 35 shares at up to 100.31. Symbols rank by their range, DDD is the widest.
    ranges = {"AAA": 2.4, "BBB": 2.2, "CCC": 2.6, "DDD": 2.9, "EEE": 2.8, "FFF": 2.7, "GGG": 2.1}
    feed = HandMadeFeed(
        {symbol: entered() for symbol in ranges},
        {symbol: daily_history(range_usd=usd) for symbol, usd in ranges.items()},
    )
    day = play_day(feed, tmp_path, stop_at="09:51")
    assert day.told() == [
        *(("09:50:40", symbol, "BUY", 35, 100.21, "entry") for symbol in ("DDD", "EEE", "FFF", "CCC", "AAA")),
        *(("09:50:45", symbol, "BUY", 35, 100.21, "entry") for symbol in ("BBB", "GGG")),
    ]
    assert day.report.funnel_totals["entries_per_tick"] == 2


def test_the_loss_limit_stops_entries_for_the_rest_of_the_session(tmp_path: Path) -> None:
    # AAA loses 103.96 at 9:55:40 (see test_two_symbols_share_the_capital_in_rank_order); 0.4 % of 25,000 is 100.
    # BBB: from 10:00 on the strategy wants it; at 10:30 it would win everything back.
    feed = HandMadeFeed(
        {
            "AAA": entered(minute("09:55", 99.80, 99.90, 99.00, 99.10, 6_000)),
            "BBB": quiet(
                minute("10:00", 100.10, 100.20, 100.10, 100.20, 6_000),
                minute("10:30", 100.25, 100.25, 100.25, 100.25, 6_000),
            ),
        }
    )
    day = play_day(feed, tmp_path, stop_at="10:31", risk=RiskSettings(risk_max_daily_loss_pct=0.4))
    assert [row.symbol for row in day.trades] == ["AAA", "AAA"]
    (told,) = [d for d in day.decisions if d["symbol"] == "BBB" and d["rule"] == "daily_loss"][:1]
    assert (told["timestamp"][11:19], told["limit_value"]) == ("14:00:00", 100.0)
    assert day.report.funnel["BBB"]["daily_loss"] > 300
    assert "approved" not in day.report.funnel["BBB"]


def test_a_dry_run_decides_and_records_but_sends_no_order(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": entered()}), tmp_path, dry_run=True)
    (entry,) = [decision for decision in day.decisions if decision["kind"] == "enter"]
    assert (entry["timestamp"][11:19], entry["rule"], entry["quantity"]) == ("13:50:40", "dry_run", 249)
    assert (day.intents, day.trades, day.resting, day.cash) == ([], [], [], CASH)
    samples = rows(tmp_path / "history.db", "SELECT ib_connected, status FROM agent_health")
    assert len(samples) == 1 + 415  # once connected at 9:00, then each minute from 9:01 to 15:55
    assert {sample["ib_connected"] for sample in samples} == {1}


# The end of the day


def test_exits_that_were_lost_are_placed_again_within_ten_seconds(tmp_path: Path) -> None:
    """The second net: somebody cancelled the exits at the gateway, the next look finds a position without a stop."""

    async def main(world: World) -> tuple[Played, list[tuple[str, int, int, int]]]:
        with world.history() as history:

            async def lose() -> list[tuple[str, int, int, int]]:
                await world.until("12:00")
                for order in world.resting():
                    world.gateway.exchange.cancel(order)
                world.gateway.flush()
                await world.until("12:00:10")
                return [(o.order_type, o.quantity, o.stop, o.limit) for o in world.resting()]

            async with asyncio.TaskGroup() as group:
                resting = group.create_task(lose())
                report = await run_until(world, world.trader(history), ["AAA"])
        return what_is_left(world, report), resting.result()

    day, resting = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert resting == [("STP", 249, 994_000, 0), ("LMT", 249, 0, 1_016_200), ("MKT", 249, 0, 0)]
    assert day.told() == [BOUGHT, ("15:55:00", "AAA", "SELL", 249, 100.17, "time_exit")]
    assert (day.held, day.resting) == ({}, [])


def test_exits_that_are_lost_just_before_eod_are_made_up_for_by_the_sweep(tmp_path: Path) -> None:
    """The third net: the time exit is gone when its time comes, the sweep sells 20 seconds after EOD time."""

    async def main(world: World) -> Played:
        with world.history() as history:

            async def lose() -> None:
                await world.until("15:54:57")
                for order in world.resting():
                    world.gateway.exchange.cancel(order)
                world.gateway.flush()

            async with asyncio.TaskGroup() as group:
                group.create_task(lose())
                report = await run_until(world, world.trader(history), ["AAA"])
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    # the price stands at 100.18: bid 100.17
    assert day.told() == [BOUGHT, ("15:55:20", "AAA", "SELL", 249, 100.17, "eod")]
    assert (day.held, day.resting) == ({}, [])


def test_flatten_on_exit_sells_and_leaves_no_order(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": entered()}), tmp_path, stop_at="11:00", flatten_on_exit=True)
    assert [row[2:] for row in day.told()] == [("BUY", 249, 100.21, "entry"), ("SELL", 249, 100.17, "manual")]
    assert (day.held, day.resting, day.report.positions_left) == ({}, [], {})
    assert day.report.ended_because == "the test has seen enough"


def test_shares_that_somebody_else_sold_are_booked_and_their_exits_cancelled(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Played, list[SimOrder]]:
        with world.history() as history:

            async def sell() -> list[SimOrder]:
                await world.until("10:59")
                other = world.broker(client_id=9)
                await other.open()
                await other.orders.place([market_order("AAA", 249, Action.SELL)])
                await world.until("10:59:30")
                other.disconnect()
                return world.resting()

            async with asyncio.TaskGroup() as group:
                resting = group.create_task(sell())
                report = await run_until(world, world.trader(history, flatten_on_exit=True), ["AAA"], "11:00")
        return what_is_left(world, report), resting.result()

    day, resting = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert day.told() == [BOUGHT, ("10:59:00", "AAA", "SELL", 249, 100.17, "manual")]
    assert resting == []
    assert (day.held, day.report.positions_left, day.report.foreign_executions) == ({}, {}, 1)
    assert "AAA: 249 of our shares were sold by somebody else" in day.report.warnings
    assert day.report.ended_at < at("11:00:05")


def test_flatten_on_exit_gives_up_on_shares_that_are_not_there(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        with world.history() as history:

            async def lose() -> None:
                await world.until("10:59")
                for order in world.resting():
                    world.gateway.exchange.cancel(order)
                world.faults().fire(Lose(message="execDetails", client=2, seconds=600))  # nobody says who sold them
                other = world.broker(client_id=9)
                await other.open()
                await other.orders.place([market_order("AAA", 249, Action.SELL)])
                await world.until("10:59:30")
                other.disconnect()

            async with asyncio.TaskGroup() as group:
                group.create_task(lose())
                report = await run_until(world, world.trader(history, flatten_on_exit=True), ["AAA"], "11:00")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert day.told() == [BOUGHT]
    assert day.held == {}
    assert day.report.positions_left == {"AAA": 249}
    assert day.report.ended_at < at("11:10")


# An order that the gateway does not take


def test_a_refused_entry_frees_its_capital_and_is_named(tmp_path: Path) -> None:
    """The account has bought too much elsewhere: code 201 for the parent, then for its children."""

    def spend(world: World) -> None:
        world.faults().fire(Reject(code=201, text="Order rejected - reason:Your funds are in sufficient."))

    day = play_day(HandMadeFeed({"AAA": entered()}), tmp_path, stop_at="09:50:42", prepare=spend)
    assert [intent["state"] for intent in day.intents] == [IntentState.REJECTED] * 4
    assert (day.trades, day.held, day.resting) == ([], {}, [])
    assert [w for w in day.report.warnings if w.startswith("AAA: entry order rejected")]
