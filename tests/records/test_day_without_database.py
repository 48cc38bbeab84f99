"""A trading day while the database takes nothing: no entries, every exit, nothing lost.

The days are those of `test_kill_switch`: 249 shares bought at 9:50:40 for 100.21.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from observability import TradingHistory
from records import writer as writer_module
from records.rows import HealthRow
from tests.gateway_world import Played, World, in_world, run_until, what_is_left
from tests.test_kill_switch import BOUGHT, FEED
from utils import HaltTrading, TradingError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock is given up after a moment of the wall's time."""
    monkeypatch.setattr(writer_module, "LOCK_PATIENCE_S", 0.02)
    monkeypatch.setattr(writer_module, "RETRY_PATIENCE_S", 0.01)


def play(folder: Path, locked: str, flatten: str = "") -> tuple[Played, TradingError | None]:
    """A day on which another program locks the database for good, and at `flatten` somebody wants out."""

    async def main(world: World) -> tuple[Played, TradingError | None]:
        async def lock(history: TradingHistory, other: sqlite3.Connection) -> None:
            await world.until(locked)
            other.execute("BEGIN IMMEDIATE")
            history.record_health(HealthRow(timestamp=world.clock.now(), agent="day_trader", status="normal"))
            await world.clock.off_loop(history.flush())  # the first row that cannot be written
            if flatten:
                await world.until(flatten)
                world.kill_switch.write_text("flatten", encoding="utf-8")

        with world.history() as history, closing(sqlite3.connect(world.database, isolation_level=None)) as other:
            trader = world.trader(history)
            async with asyncio.TaskGroup() as group:
                group.create_task(lock(history, other))
                report = await run_until(world, trader, ["AAA"])
            assert "another program keeps it locked" in history.trouble
        return what_is_left(world, report), trader.fault  # the lock is gone, the end of the run has merged the journal

    return in_world(main, FEED, folder)


def test_nothing_is_bought_while_it_cannot_be_recorded(tmp_path: Path) -> None:
    day, fault = play(tmp_path, "09:50:10")
    assert (day.intents, day.trades, fault) == ([], [], None)
    (warning,) = day.report.warnings
    assert "another program keeps it locked" in warning
    assert warning.startswith("entries pause: ")


def test_exits_at_the_broker_act_and_are_recorded(tmp_path: Path) -> None:
    day, fault = play(tmp_path, "10:00")
    assert day.told() == [BOUGHT, ("15:55:00", "AAA", "SELL", 249, 100.17, "time_exit")]
    assert (day.held, day.resting, fault) == ({}, [], None)
    assert sorted({row["state"] for row in day.intents}) == ["cancelled", "filled"]


def test_a_position_can_be_closed_by_a_new_order(tmp_path: Path) -> None:
    day, fault = play(tmp_path, "10:00", flatten="10:30")
    (bought, sold) = day.told()
    assert bought == BOUGHT
    assert sold[1:] == ("AAA", "SELL", 249, 100.17, "manual")
    assert "10:30:00" <= sold[0] <= "10:30:10"
    assert (day.held, day.resting) == ({}, [])
    assert isinstance(fault, HaltTrading)
