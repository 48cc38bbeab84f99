"""What an operator commands through the board happens at the next instant, and is on record.

The days are those of `test_simulated_day`: 249 shares bought at 9:50:40 for 100.21.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import psutil
import pytest

from dashboard.settings import DashboardSettings
from day_trading import research_runs
from day_trading.board import MOST_WAITING, Board
from day_trading.dashboard_beside import dashboard_beside
from day_trading.operator_control import OperatorControl
from day_trading.parameter_commands import parameter_commands
from day_trading.research_runs import ResearchRuns
from ib_simulator.client import ClientConnection
from ib_simulator.request_types import CancelOrder
from observability import TradingHistory
from records.rows import ParameterChangeRow
from records.settings import RecordsSettings
from tests.dashboard.served import Client
from tests.gateway_world import (
    HandMadeFeed,
    Played,
    World,
    at,
    in_world,
    market_order,
    minute,
    rows,
    run_until,
    run_until_killed,
    warm_up,
    what_is_left,
)
from tests.ports import free_port
from trading.commands import Command, CommandKind, Outcome
from trading.live_view import SessionView
from trading.settings import SafetySettings
from utils import HaltTrading, TradingError

BOUGHT = ("09:50:40", "AAA", "BUY", 249, 100.21, "entry")
FEED = HandMadeFeed({"AAA": [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)]})
WALL_TIME = datetime(2026, 9, 28, 20, 0, tzinfo=UTC)
PAUSE, RESUME, CLOSE, FLATTEN, KILL, KILL_FLATTEN = list(CommandKind)[:6]

numbers = itertools.count(1)


def command(kind: CommandKind, symbol: str = "") -> Command:
    return Command(command_id=f"c-{next(numbers)}", kind=kind, who="Anna", asked_at=WALL_TIME, symbol=symbol)


class Watched(NamedTuple):
    """A day with an operator."""

    day: Played
    outcomes: list[Outcome]
    views: Mapping[str, SessionView]  # New York time -> what the board showed then
    fault: TradingError | None
    board: Board


def play(
    folder: Path,
    *orders: tuple[str, CommandKind, str],
    looks: tuple[str, ...] = (),
    stop_at: str = "",
    feed: HandMadeFeed = FEED,
    prepare: Callable[[World], None] = lambda _: None,
    **options: Any,
) -> Watched:
    """A day in which `orders` (time, kind, symbol) are given, and the board is looked at from the first of `looks`.

    `prepare` changes the world before the trader connects.
    """

    async def main(world: World) -> Watched:
        prepare(world)
        board = Board()
        outcomes: list[Future[Outcome]] = []
        views: dict[str, SessionView] = {}
        with world.history() as history:
            control = OperatorControl(board, history, lambda: WALL_TIME)
            trader = world.trader(history, board=board, **options)

            async def give() -> None:
                for when, kind, symbol in orders:
                    await world.until(when)
                    outcomes.append(control.submit(command(kind, symbol)))

            async def look() -> None:
                for when in looks:
                    await world.until(when)
                    with board.watching():
                        await asyncio.sleep(6)
                        assert board.view is not None
                        views[when] = board.view

            async with asyncio.TaskGroup() as group:
                group.create_task(give())
                group.create_task(look())
                report = await run_until(world, trader, ["AAA"], stop_at)
            control.close()
        return Watched(what_is_left(world, report), [each.result(0) for each in outcomes], views, trader.fault, board)

    return in_world(main, feed, folder)


def test_no_entry_while_an_operator_pauses_and_entries_when_they_resume(tmp_path: Path) -> None:
    watched = play(tmp_path, ("09:40", PAUSE, ""), ("09:50:43", RESUME, ""), stop_at="09:51")
    assert [outcome.done for outcome in watched.outcomes] == [True, True]
    assert watched.day.told() == [("09:50:45", *BOUGHT[1:])]
    assert watched.day.report.funnel["AAA"]["entries_stopped"] == 1  # at 09:50:40, when it wanted to enter


def test_a_pause_does_not_touch_positions_and_their_exits(tmp_path: Path) -> None:
    watched = play(tmp_path, ("10:00", PAUSE, ""), stop_at="10:10")
    assert watched.day.told() == [BOUGHT]
    assert len(watched.day.resting) == 3


@pytest.mark.parametrize(("paused_at", "killed_at"), [("09:40", "09:45"), ("09:15", "09:20")])
def test_a_pause_lasts_over_a_crash_and_a_restart_of_the_same_day(
    tmp_path: Path, paused_at: str, killed_at: str
) -> None:
    async def main(world: World) -> tuple[Played, str]:
        board = Board()
        with world.history() as history:
            trader = world.trader(history, board=board)
            control = OperatorControl(board, history, lambda: WALL_TIME)
            async with asyncio.TaskGroup() as group:
                group.create_task(run_until_killed(world, trader, ["AAA"], killed_at))
                await world.until(paused_at)
                control.submit(command(PAUSE))
            control.close()
        with world.history() as history:
            second = Board()
            report = await run_until(world, world.trader(history, board=second), ["AAA"], "09:52")
        assert second.view is not None
        return what_is_left(world, report), " ".join(second.view.no_entries)

    day, words = in_world(main, FEED, tmp_path)
    assert day.trades == []
    assert words == "Anna paused entries before this start"


def test_entries_that_nobody_paused_cannot_be_resumed(tmp_path: Path) -> None:
    watched = play(tmp_path, ("09:45", RESUME, ""), stop_at="09:55")
    assert watched.outcomes == [Outcome(done=False, words="entries are not paused by an operator")]
    assert watched.day.told() == [BOUGHT]


def test_what_is_none_of_the_trading_loops_business_is_refused_by_it(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Outcome, Played]:
        board = Board()
        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(run_until(world, world.trader(history, board=board), ["AAA"], "09:55"))
                await world.until("09:45")
                outcome = board.submit(command(CommandKind.FREEZE))
        return outcome.result(0), what_is_left(world, running.result())

    outcome, day = in_world(main, FEED, tmp_path)
    assert outcome == Outcome(done=False, words="the trading loop knows no freeze")
    assert day.told() == [BOUGHT]


def test_a_resume_does_not_lift_what_the_kill_switch_stopped(tmp_path: Path) -> None:
    orders = (("09:40", PAUSE, ""), ("09:41", KILL, ""), ("09:42", RESUME, ""))
    watched = play(tmp_path, *orders, stop_at="09:55")
    assert watched.day.trades == []
    assert watched.outcomes[-1].words == "the pause is lifted, but: kill switch: Anna, no more entries"
    assert isinstance(watched.fault, HaltTrading)


def test_a_closed_position_is_sold_within_seconds_and_the_session_goes_on(tmp_path: Path) -> None:
    watched = play(tmp_path, ("10:00", CLOSE, "AAA"), stop_at="10:30")
    bought, sold = watched.day.told()
    assert bought == BOUGHT
    assert sold[1:] == ("AAA", "SELL", 249, 100.17, "manual")
    assert "10:00:00" <= sold[0] <= "10:00:10"
    assert (watched.day.held, watched.day.resting) == ({}, [])
    assert watched.day.report.ended_at >= at("10:30")


def test_what_is_not_owned_cannot_be_closed(tmp_path: Path) -> None:
    watched = play(tmp_path, ("09:45", CLOSE, "AAA"), stop_at="09:46")
    assert watched.outcomes == [Outcome(done=False, words="the bot owns no AAA")]


def test_flatten_sells_everything_and_nothing_is_bought_until_entries_are_resumed(tmp_path: Path) -> None:
    bars = [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)]
    bars += [minute("10:30", 100.18, 100.40, 100.10, 100.30, 6_000), minute("10:40", 100.3, 100.5, 100.3, 100.5, 6_000)]
    watched = play(tmp_path, ("10:00", FLATTEN, ""), stop_at="11:00", feed=HandMadeFeed({"AAA": bars}))
    assert [(row.action, row.reason) for row in watched.day.trades] == [("BUY", "entry"), ("SELL", "manual")]
    assert watched.day.held == {}
    assert watched.outcomes[0].words == "entries are paused; being sold: AAA"


def test_flatten_catches_an_entry_that_is_on_its_way(tmp_path: Path) -> None:
    """Given while the order is at the gateway: it fills or not, and in the end nothing is owned."""
    watched = play(tmp_path, ("09:50:40.501", FLATTEN, ""), stop_at="09:55")
    assert watched.day.held == {}
    assert watched.day.report.positions_left == {}


def test_flatten_withdraws_an_entry_that_still_works_and_sells_what_it_bought(tmp_path: Path) -> None:
    # Another client took 500 of the minute's 600 shares: the entry of 9:50:40 got 100 of 249 and works until 9:50:55.
    async def main(world: World) -> tuple[Played, list[tuple[int, datetime]]]:
        board, other = Board(), world.broker(client_id=9)
        withdrawn: list[tuple[int, datetime]] = []  # (order id, when)

        def cancel(client: ClientConnection, request: CancelOrder) -> None:
            withdrawn.append((request.order_id, world.clock.now()))
            world.as_usual(client, request)

        world.answer(CancelOrder, cancel)

        async def interfere() -> None:
            await other.open()
            await world.until("09:50:20")
            await other.orders.place([market_order("AAA", 500)])
            await world.until("09:50:43")
            board.submit(command(FLATTEN))

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(interfere())
                report = await run_until(world, world.trader(history, board=board), ["AAA"], "09:55")
            other.disconnect()
        return what_is_left(world, report), withdrawn

    day, withdrawn = in_world(main, FEED, tmp_path)
    entry = day.intents[0]
    assert (entry["role"], entry["state"]) == ("entry", "cancelled")
    assert withdrawn[0] == (entry["order_id"], at("09:50:45.500"))
    assert [(row.action, row.quantity, row.reason) for row in day.trades] == [
        ("BUY", 100, "entry"),
        ("SELL", 100, "manual"),
    ]
    assert day.held == {"AAA": 500}  # the other client's


def test_a_close_goes_on_when_the_connection_comes_back(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        board = Board()
        with world.history() as history:
            trader = world.trader(history, board=board)

            async def break_and_close() -> None:
                await world.until("10:00")
                world.cut(2)
                board.submit(command(CLOSE, "AAA"))

            async with asyncio.TaskGroup() as group:
                group.create_task(break_and_close())
                report = await run_until(world, trader, ["AAA"], "10:05")
        return what_is_left(world, report)

    day = in_world(main, FEED, tmp_path)
    assert [(row.action, row.reason) for row in day.trades] == [("BUY", "entry"), ("SELL", "manual")]


@pytest.mark.parametrize(("kind", "reasons"), [(KILL, ["entry"]), (KILL_FLATTEN, ["entry", "manual"])])
def test_the_kill_switch_ends_the_run_as_a_safety_rule(tmp_path: Path, kind: CommandKind, reasons: list[str]) -> None:
    watched = play(tmp_path, ("10:00", kind, ""), stop_at="10:10")
    assert [row.reason for row in watched.day.trades] == reasons
    assert isinstance(watched.fault, HaltTrading)
    assert "kill switch: Anna, no more entries" in watched.day.report.warnings


def test_the_kill_switch_before_the_program_connects_is_a_safety_rule_as_well(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[TradingError | None, int]:
        board = Board()
        with world.history() as history:
            trader = world.trader(history, board=board)
            async with asyncio.TaskGroup() as group:
                group.create_task(run_until(world, trader, ["AAA"]))
                await world.until("08:30")
                board.submit(command(KILL_FLATTEN))
        return trader.fault, len(world.gateway.clients)

    fault, clients = in_world(main, FEED, tmp_path, begins="08:00")
    assert isinstance(fault, HaltTrading)
    assert clients == 0


def test_never_traded_shares_are_left_alone_by_every_command(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Outcome, dict[str, float]]:
        board = Board()
        with world.history() as history:
            await run_until_killed(world, world.trader(history), ["AAA"], "10:00")
        with world.history() as history:
            safety = SafetySettings(kill_switch_file=str(world.kill_switch), never_trade=("AAA",))
            trader = world.trader(history, board=board, safety=safety)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(run_until(world, trader, ["AAA"], "10:10"))
                await world.until("10:05")
                closing, flattening = board.submit(command(CLOSE, "AAA")), board.submit(command(FLATTEN))
                await running
        assert flattening.result(0).done
        return closing.result(0), world.held()

    outcome, held = in_world(main, FEED, tmp_path)
    assert outcome == Outcome(done=False, words="NEVER_TRADE names AAA: it is left alone")
    assert held == {"AAA": 249.0}


def test_a_dry_run_obeys_without_orders(tmp_path: Path) -> None:
    watched = play(tmp_path, ("09:55", FLATTEN, ""), stop_at="10:00", dry_run=True)
    assert (watched.day.intents, watched.outcomes[0].done) == ([], True)


def test_a_dry_run_closes_nothing_of_what_the_bot_owns(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Outcome, Played]:
        board = Board()
        with world.history() as history:
            await run_until_killed(world, world.trader(history), ["AAA"], "10:00")
        with world.history() as history:
            trader = world.trader(history, board=board, dry_run=True)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(run_until(world, trader, ["AAA"], "10:10"))
                await world.until("10:05")
                closing = board.submit(command(CLOSE, "AAA"))
        return closing.result(0), what_is_left(world, running.result())

    outcome, day = in_world(main, FEED, tmp_path)
    assert outcome == Outcome(done=False, words="a dry run sends no orders")
    assert (day.told(), day.held, len(day.resting)) == ([BOUGHT], {"AAA": 249}, 3)


def test_commands_before_the_open_are_obeyed_at_once(tmp_path: Path) -> None:
    watched = play(tmp_path, ("09:10", PAUSE, ""), looks=("09:15",), stop_at="09:55")
    assert watched.views["09:15"].phase == "before_open"
    assert watched.views["09:15"].held_by_operator
    assert watched.day.trades == []


# On record


def test_every_command_is_on_record_with_who_when_and_what_became_of_it(tmp_path: Path) -> None:
    play(tmp_path, ("09:40", PAUSE, ""), ("09:41", CLOSE, "AAA"), stop_at="09:45")
    found = rows(tmp_path / "history.db", "SELECT * FROM control_actions ORDER BY rowid")
    told = [(row["who"], row["kind"], row["symbol"], row["state"], row["session_date"]) for row in found]
    assert told == [
        ("Anna", "pause", None, "done", "2026-09-28"),
        ("Anna", "close", "AAA", "refused", "2026-09-28"),
    ]
    assert {row["asked_at"] for row in found} == {"2026-09-28T20:00:00.000000+00:00"}
    assert found[1]["words"] == "the bot owns no AAA"


def test_commands_when_no_session_runs_are_refused(tmp_path: Path) -> None:
    watched = play(tmp_path, stop_at="09:35")
    assert watched.board.submit(command(PAUSE)).result(0) == Outcome(done=False, words="the session is over")
    assert Board().submit(command(PAUSE)).result(0).words == "no session is running"


def test_what_makes_no_sense_now_is_refused_before_anybody_confirms_it(tmp_path: Path) -> None:
    board = Board()
    with TradingHistory(tmp_path / "history.db", bot="day_trader", mode="simulated") as history:
        control = OperatorControl(board, history, lambda: WALL_TIME)
        says = control.says
        with pytest.raises(ValueError, match="freeze cannot be commanded here"):
            says(CommandKind.FREEZE, "", "")
        with pytest.raises(ValueError, match="no session is running"):
            says(PAUSE, "", "")
        view: Any = SimpleNamespace(phase="trading", positions=(), held_by_operator=False)
        board.publish(view)
        assert says(FLATTEN, "", "").startswith("Pauses entries and sells nothing: the bot owns no shares.")
        with pytest.raises(ValueError, match="owns no AAA"):
            says(CLOSE, "AAA", "")
        with pytest.raises(ValueError, match="not paused"):
            says(RESUME, "", "")
        view.phase = "over"
        with pytest.raises(ValueError, match="no session is running"):
            says(CLOSE, "AAA", "")
        control.close()


def test_a_board_takes_no_more_commands_than_somebody_could_mean() -> None:
    board = Board()
    board.begin({})
    taken = [board.submit(command(PAUSE)) for _ in range(MOST_WAITING)]
    assert board.submit(command(KILL)).result(0).words == "too many commands wait"
    board.end("the session is over")
    assert {future.result(0).words for future in taken} == {"the session is over"}


def test_a_command_that_fails_is_refused_and_the_next_one_is_obeyed(tmp_path: Path) -> None:
    def fail(_: Command) -> Outcome:
        raise OSError("no room on the disk")

    board = Board()

    async def main(world: World) -> list[Outcome]:
        with world.history() as history:
            control = OperatorControl(board, history, lambda: WALL_TIME, {CommandKind.FREEZE: fail})
            outcome = control.submit(command(CommandKind.FREEZE)).result(10)
            with pytest.raises(ValueError, match="rollback cannot be commanded here"):
                control.says(CommandKind.ROLLBACK, "", "")
            control.close()
        return [outcome]

    assert in_world(main, FEED, tmp_path) == [Outcome(done=False, words="it failed: no room on the disk")]


def test_a_command_that_still_waits_when_the_program_ends_is_on_record_as_refused(tmp_path: Path) -> None:
    has_begun, is_over = threading.Event(), threading.Event()

    def take_long(_: Command) -> Outcome:
        has_begun.set()
        assert is_over.wait(20)
        return Outcome(done=True, words="frozen")

    with TradingHistory(tmp_path / "history.db", bot="day_trader", mode="simulated") as history:
        control = OperatorControl(Board(), history, lambda: WALL_TIME, {CommandKind.FREEZE: take_long})
        control.submit(command(CommandKind.FREEZE))
        assert has_begun.wait(20)
        waiting = control.submit(command(CommandKind.FREEZE))
        waiting.add_done_callback(lambda _: is_over.set())
        control.close()
    found = rows(tmp_path / "history.db", "SELECT state, words FROM control_actions ORDER BY rowid")
    assert [(row["state"], row["words"]) for row in found] == [
        ("done", "frozen"),
        ("refused", "the program ended before"),
    ]


# What is shown


def test_the_view_is_what_the_broker_and_the_book_have(tmp_path: Path) -> None:
    watched = play(tmp_path, looks=("09:52", "10:00"), stop_at="10:01")
    view = watched.views["10:00"]
    assert (view.at, view.phase, view.mode, view.connection) == (at("10:00:05"), "trading", "simulated", "ready")
    (position,) = view.positions
    assert (position.symbol, position.quantity, position.bid_usd) == ("AAA", 249, 100.17)
    assert position.average_cost_usd == pytest.approx(100.21 + 1.245 / 249, abs=2e-3)  # with its fee
    assert (position.stop_usd, position.target_usd) == (99.40, 101.62)
    assert position.to_stop_pct == pytest.approx((100.17 - 99.40) / 100.17 * 100)
    assert position.to_target_pct == pytest.approx((101.62 - 100.17) / 100.17 * 100)
    assert [(leg.role, leg.state, leg.quantity) for leg in position.resting] == [
        ("stop", "working", 249),
        ("target", "working", 249),
        ("time_exit", "working", 249),
    ]
    assert position.opened_at == at("09:50:40")
    assert view.account.equity_usd == pytest.approx(100_000 + view.account.pnl_usd)
    assert view.account.pnl_usd == pytest.approx(position.unrealised_usd)
    assert [(w.rank, w.symbol, w.rule, w.position) for w in view.watchlist] == [(1, "AAA", "position_open", 249)]
    assert {limit.name: limit.used for limit in view.limits}["open_positions"] == 1
    shown = {"profit_target_pct": 1.4, "stop_loss_pct": 0.8, "rsi_cap": 60.0, "atr_floor_pct": 1.5}
    assert view.parameters.items() >= shown.items()
    assert [(each.kind, each.rule) for each in view.decisions[:2]] == [("deny", "position_open"), ("enter", "approved")]
    assert (view.n_orders, view.n_fills) == (4, 1)
    assert watched.board.view is not None
    assert watched.board.view.phase == "over"


@pytest.mark.parametrize(("left", "shown"), [(1, [("", 1, 1, True)]), (3, [("", 1, 3, False)]), (-1, [])])
def test_the_day_trades_that_the_account_has_left_are_shown_where_it_counts_them(
    tmp_path: Path, left: int, shown: list[tuple[str, float, float, bool]]
) -> None:
    def flag(world: World) -> None:
        world.gateway.accounts.first.day_trades_left = left

    view = play(tmp_path, looks=("10:00",), stop_at="10:01", prepare=flag).views["10:00"]
    assert [limit[1:] for limit in view.limits if limit.name == "day_trades"] == shown


def test_the_board_has_the_bars_of_the_session(tmp_path: Path) -> None:
    watched = play(tmp_path, looks=("10:00",), stop_at="10:01")
    assert watched.board.bars("AAA")[-1].start_s == int(at("09:50").timestamp())
    assert watched.board.bars("ZZZ") == ()


def test_views_are_made_once_a_minute_while_nobody_looks(tmp_path: Path) -> None:
    async def main(world: World) -> list[datetime]:
        board, seen = Board(), []
        with world.history() as history:
            trader = world.trader(history, board=board)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(run_until(world, trader, ["AAA"], "09:35"))
                while not running.done():
                    await asyncio.sleep(1)
                    if board.view is not None and board.view.at not in seen:
                        seen.append(board.view.at)
        return seen

    seen = [when for when in in_world(main, FEED, tmp_path) if when >= at("09:30")]
    assert [f"{when:%M:%S}" for when in seen[:4]] == ["30:00", "31:00", "32:00", "33:00"]


def test_a_view_that_cannot_be_made_costs_the_views_and_not_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_it(*_: Any, **__: Any) -> SessionView:
        raise ZeroDivisionError

    monkeypatch.setattr("day_trading.session_view.SessionViews.view", break_it)
    watched = play(tmp_path, ("10:00", CLOSE, "AAA"), stop_at="10:05")
    assert watched.outcomes[0].done
    assert [row.reason for row in watched.day.trades] == ["entry", "manual"]


def test_each_minute_of_the_account_is_on_record(tmp_path: Path) -> None:
    play(tmp_path, stop_at="09:55:01")
    found = rows(tmp_path / "history.db", "SELECT * FROM equity_minutes ORDER BY timestamp")
    assert [row["timestamp"][11:16] for row in found] == [f"13:{m}" for m in range(30, 56)]
    assert (found[0]["equity"], found[0]["positions"]) == (100_000.0, 0)
    last = found[-1]
    assert last["positions"] == 1
    assert last["equity"] == pytest.approx(100_000.0 + last["pnl"])
    assert last["pnl"] == pytest.approx(last["unrealised"])


# Beside the trading loop


class Changes:
    """Parameters of which one change can be taken back."""

    def __init__(self) -> None:
        self.frozen = ""
        self.changes = 1

    def freeze(self, why: str) -> None:
        self.frozen = why

    def roll_back(self, session_date: str, now: datetime) -> list[ParameterChangeRow]:
        if not self.changes:
            return []
        self.changes -= 1
        return [
            ParameterChangeRow(
                timestamp=now,
                session_date=session_date,
                parameter="rsi_cap",
                old_value=58.0,
                new_value=60.0,
                source="rollback",
                reason="by hand",
                applied=True,
            )
        ]


def test_parameters_are_frozen_and_rolled_back_until_there_is_nothing_to_take_back() -> None:
    changes = Changes()
    commands = parameter_commands(changes, lambda: WALL_TIME)
    freeze, unfreeze, roll_back = commands.values()
    assert not unfreeze(command(CommandKind.UNFREEZE)).done
    assert freeze(command(CommandKind.FREEZE)).done
    assert changes.frozen == "frozen by Anna"
    assert unfreeze(command(CommandKind.UNFREEZE)).done
    assert changes.frozen == ""
    assert roll_back(command(CommandKind.ROLLBACK)).words == "from the next session on: rsi_cap 58.0 -> 60.0"
    assert not roll_back(command(CommandKind.ROLLBACK)).done


def test_research_runs_one_at_a_time_in_a_process_of_its_own(tmp_path: Path) -> None:
    runs = ResearchRuns(str(tmp_path / "no bars"), tmp_path / "research", lambda: WALL_TIME)
    wish = dataclasses.replace(command(CommandKind.RESEARCH), detail="rm -rf /")
    assert runs(wish).words == "there is no 'rm -rf /' to run: backtest or sweep"
    first = runs(command(CommandKind.RESEARCH))
    assert first.done, first.words
    assert runs(command(CommandKind.RESEARCH)).words.startswith("one runs already")
    assert runs._running is not None
    assert runs._running.wait(60) == 2  # there are no bars: research itself says so
    output = (tmp_path / "research" / "backtest_20260928T200000Z.txt").read_text(encoding="utf-8")
    assert "no bars" in output
    assert runs(command(CommandKind.RESEARCH)).done
    runs._running.wait(60)


def test_where_there_are_no_priorities_of_posix_research_runs_at_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_number(_process: psutil.Process, _value: int) -> None:
        raise ValueError("priorities have classes here")

    monkeypatch.setattr(psutil.Process, "nice", no_such_number)
    monkeypatch.setattr(research_runs, "os", SimpleNamespace(name="nt", environ=os.environ))
    runs = ResearchRuns(str(tmp_path / "no bars"), tmp_path / "research", lambda: WALL_TIME)
    outcome = runs(command(CommandKind.RESEARCH))
    assert outcome.done
    assert runs._running is not None
    assert outcome.words.startswith(f"process {runs._running.pid} writes ")
    assert runs._running.wait(60) == 2


@pytest.mark.parametrize("may_learn", [False, True])
def test_a_dashboard_offers_only_what_can_be_commanded_in_this_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, may_learn: bool
) -> None:
    """Without parameters that change and without bars there is nothing to freeze, to take back or to research."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    port = free_port()

    async def main(world: World) -> list[str]:
        no_bars = RecordsSettings(records_bar_store="")
        options = world.options(dashboard=DashboardSettings(dashboard_port=port), records=no_bars)
        more: dict[str, Any] = {"parameters": Changes(), "bars": "bars"} if may_learn else {}
        with world.history() as history, dashboard_beside(options, Board(), history, tmp_path / "log", (), **more):
            kinds: list[str] = Client(f"http://127.0.0.1:{port}").ask("/api/state").json["server"]["kinds"]
        return kinds

    kinds = in_world(main, FEED, tmp_path)
    beside = ["freeze", "unfreeze", "rollback", "research"]
    assert kinds == ["pause", "resume", "close", "flatten", "kill", "kill_flatten", *(beside if may_learn else [])]
