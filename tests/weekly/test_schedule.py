"""`--interval` in simulated time: cycle after cycle, on its days, through the day's end and a gateway that is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import main
from notifications.notices import Kind, Notice, listen
from observability import TradingHistory
from tests.gateway_world import MONDAY, World, at, in_world, rows
from tests.weekly.world import CALENDAR, NAMES, market
from utils import Environment
from weekly.command_line import parse_arguments
from weekly.settings import WeeklyConfiguration

TUESDAY = CALENDAR.next_session(MONDAY.date)


def stayed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, until: str, away: str = "", back: str = ""
) -> list[str]:
    """Stages and reasons of the cycles from Monday 09:40 until a time of Tuesday, New York."""
    monkeypatch.chdir(folder)

    async def entry(world: World) -> None:
        settings = {
            "IB_PORT": str(world.port),
            "IB_LOCK_FOLDER": str(folder),
            "WEEKLY_UNIVERSE": ",".join(NAMES),
            "WEEKLY_MAX_SECTOR_PCT": "100",
            "LLM_BUDGET_FILE": str(folder / "budget.db"),
        }
        environment = Environment(process=settings, file={}, env_file=Path(".env"))
        with TradingHistory(world.database, bot="weekly", mode="paper") as history:
            args, configuration = parse_arguments(options), WeeklyConfiguration.load(environment)
            cycles = main.Cycles(args, configuration, world.clock, history, None)
            running = asyncio.ensure_future(cycles.run())
            if away:
                await world.clock.sleep_until(at(away))
                await world.gateway.stop()
            if back:
                await world.clock.sleep_until(at(back, TUESDAY))
                await world.gateway.listener.open()
            await world.clock.sleep_until(at(until, TUESDAY))
            cycles.stop("stopped by Ctrl-C")
            await running

    in_world(entry, market(sessions=(MONDAY, TUESDAY)), folder, following=(TUESDAY,), begins="09:40", cash_usd=500_000)
    found = rows(folder / "history.db", "SELECT cycle_id, stage, why FROM weekly_cycles ORDER BY started_at")
    return [f"{row['cycle_id']} {row['stage']} {row['why'] or ''}".strip() for row in found]


def test_each_session_trades_once_and_later_cycles_only_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Notice] = []
    listen(heard.append)
    try:
        told = stayed(tmp_path, monkeypatch, "--interval", "360", until="10:00")
    finally:
        listen(None)
    reports = [notice.words for notice in heard if notice.kind is Kind.WEEKLY_REPORT]
    assert len(reports) == len(told)
    assert all("\n" not in words for words in reports)
    assert told[0] == "2026-09-28-1 done"
    assert told[1].startswith("2026-09-28-2 planned 2026-09-28 has had its trading cycle")  # 15:40
    assert told[2].startswith("2026-09-29-1 planned the exchange is closed")  # 21:40, for the next session
    assert told[-1].startswith("2026-09-29-3 done")  # 09:40
    logs = sorted(path.name for path in (tmp_path / "logs").glob("weekly_run_*.json"))
    assert logs[0] == "weekly_run_2026-09-28_094002.json"
    assert len(logs) == len(told) == 5


def test_on_other_days_it_only_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = stayed(tmp_path, monkeypatch, "--interval", "720", "--run-days", "Tuesday", until="12:00")
    assert [line.split()[0] for line in told] == ["2026-09-29-1"]  # Tuesday 09:40


def test_a_gateway_that_goes_away_costs_the_cycles_until_the_stop_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = stayed(tmp_path, monkeypatch, "--interval", "360", until="09:00", away="12:00")
    assert told == ["2026-09-28-1 done"]


def test_a_cycle_that_found_no_gateway_is_tried_again_long_before_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day lies between two cycles; that of Tuesday 09:40 meets a gateway that is away until 10:03."""
    told = stayed(tmp_path, monkeypatch, "--interval", "1440", until="11:00", away="12:00", back="10:03")
    assert [line.split()[:2] for line in told] == [["2026-09-28-1", "done"], ["2026-09-29-1", "done"]]
    logs = sorted(path.name for path in (tmp_path / "logs").glob("weekly_run_2026-09-29_*.json"))
    assert [name[:26] for name in logs] == ["weekly_run_2026-09-29_1010"]  # 09:40, 09:55, 10:10
