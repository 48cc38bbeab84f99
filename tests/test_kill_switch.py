"""The kill switch file: entries stop at once, `flatten` closes what is owned, and the run ends with exit code 3.

The days are those of `test_simulated_day`: 249 shares bought at 9:50:40 for 100.21.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from commands import STOPPED_BY_RULE
from day_trading.signals import obey_signals
from health.kill_switch import KillSwitch
from tests.gateway_world import HandMadeFeed, Played, World, at, in_world, minute, run_until, warm_up, what_is_left
from tests.simulated_runs import run
from tests.terminal import run as run_in_terminal
from utils import HaltTrading, TradingError

BOUGHT = ("09:50:40", "AAA", "BUY", 249, 100.21, "entry")
FEED = HandMadeFeed({"AAA": [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)]})


def play(folder: Path, content: str, appears: str, vanishes: str = "") -> tuple[Played, TradingError | None]:
    """A day during which the file appears at one time and, where said, is removed at another."""

    async def main(world: World) -> tuple[Played, TradingError | None]:
        async def switch() -> None:
            await world.until(appears)
            world.kill_switch.write_text(content, encoding="utf-8")
            if vanishes:
                await world.until(vanishes)
                world.kill_switch.unlink()

        with world.history() as history:
            trader = world.trader(history)
            async with asyncio.TaskGroup() as group:
                group.create_task(switch())
                report = await run_until(world, trader, ["AAA"])
        return what_is_left(world, report), trader.fault

    return in_world(main, FEED, folder)


def test_entries_stop_while_the_file_is_there(tmp_path: Path) -> None:
    day, fault = play(tmp_path, "", "09:50:38")
    assert (day.intents, day.trades) == ([], [])
    assert day.report.funnel["AAA"]["entries_stopped"] > 0
    assert day.report.warnings == (f"kill switch: {tmp_path / 'KILL'} exists, no more entries",)
    assert isinstance(fault, HaltTrading)


def test_entries_stay_off_when_the_file_is_removed_again(tmp_path: Path) -> None:
    day, fault = play(tmp_path, "", "09:45", "09:46")
    assert day.intents == []
    assert isinstance(fault, HaltTrading)


def test_positions_keep_their_exits_until_the_end_of_the_day(tmp_path: Path) -> None:
    day, fault = play(tmp_path, "", "10:00")
    assert day.told() == [BOUGHT, ("15:55:00", "AAA", "SELL", 249, 100.17, "time_exit")]
    assert (day.held, day.resting) == ({}, [])
    assert isinstance(fault, HaltTrading)


@pytest.mark.parametrize("content", ["flatten", "please FLATTEN now\n"])
def test_flatten_closes_everything_within_seconds_and_ends_the_run(tmp_path: Path, content: str) -> None:
    day, fault = play(tmp_path, content, "10:00")
    (bought, sold) = day.told()
    assert bought == BOUGHT
    assert sold[1:] == ("AAA", "SELL", 249, 100.17, "manual")
    assert "10:00:00" <= sold[0] <= "10:00:10"
    assert (day.held, day.resting, day.report.positions_left) == ({}, [], {})
    assert day.report.ended_at <= at("10:00:15")
    assert day.report.ended_because == "the kill switch stopped trading"
    assert isinstance(fault, HaltTrading)


def test_a_file_that_is_there_from_the_start_lets_nothing_begin(tmp_path: Path) -> None:
    day, fault = play(tmp_path, "flatten", "09:00:01")
    assert (day.intents, day.trades) == ([], [])
    assert isinstance(fault, HaltTrading)


def test_the_program_ends_with_the_exit_code_of_a_safety_rule(tmp_path: Path) -> None:
    (tmp_path / "STOP").write_text("flatten", encoding="utf-8")
    settings = {"WATCHLIST_UNIVERSE": "AMD,COIN", "KILL_SWITCH_FILE": "STOP"}
    done = run(tmp_path, "2025-10-07", settings=settings)
    assert done.returncode == STOPPED_BY_RULE == 3
    assert done.stderr.splitlines()[-1] == "day_trader.py: the kill switch stopped trading"
    assert "ended" in done.stdout
    assert "Traceback" not in done.stderr


def test_file_that_cannot_be_read_stops_entries(tmp_path: Path) -> None:
    assert KillSwitch(tmp_path).order() == "stop"  # a folder
    assert KillSwitch(tmp_path / "absent").order() == ""
    assert KillSwitch(tmp_path / "absent" / "below").order() == ""


# The console and signals


@pytest.mark.parametrize(("arguments", "order"), [(("--kill",), "stop"), (("--kill", "flatten"), "flatten")])
def test_the_console_throws_the_switch_of_the_programs_in_its_folder(
    tmp_path: Path, arguments: tuple[str, ...], order: str
) -> None:
    done = run_in_terminal(tmp_path, *arguments, settings={"KILL_SWITCH_FILE": "STOP"})
    assert (done.returncode, done.stderr) == (0, "")
    assert KillSwitch(tmp_path / "STOP").order() == order
    assert done.stdout.startswith(f"{tmp_path / 'STOP'} is written")


def test_the_console_refuses_an_order_that_there_is_not(tmp_path: Path) -> None:
    done = run_in_terminal(tmp_path, "--kill", "everything")
    assert done.returncode == 2
    assert list(tmp_path.glob("KILL")) == []


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
@pytest.mark.parametrize(("name", "sold"), [("SIGUSR1", "time_exit"), ("SIGUSR2", "manual")])
def test_signals_throw_the_switch(tmp_path: Path, name: str, sold: str) -> None:
    async def main(world: World) -> tuple[Played, TradingError | None]:
        with world.history() as history:
            trader = world.trader(history)
            obey_signals(asyncio.get_running_loop(), trader)

            async def send() -> None:
                await world.until("10:00")
                signal.raise_signal(getattr(signal, name))

            async with asyncio.TaskGroup() as group:
                group.create_task(send())
                report = await run_until(world, trader, ["AAA"])
        return what_is_left(world, report), trader.fault

    day, fault = in_world(main, FEED, tmp_path)
    assert [(row.action, row.reason) for row in day.trades] == [("BUY", "entry"), ("SELL", sold)]
    assert f"kill switch: {name}, no more entries" in day.report.warnings
    assert isinstance(fault, HaltTrading)
