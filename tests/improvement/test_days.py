"""The cycle inside the day trader: what it leaves, and that its failure costs nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime
from pathlib import Path

import pytest

from broker.settings import BrokerSettings
from broker.trading_desk import DeskOptions
from day_trading.improving import assigned, improve
from day_trading.options import TraderOptions
from day_trading.seen_bars import forget_seen_bars
from improvement.assignment import Assignment
from performance_config import PerformanceConfig
from tests.gateway_world import MONDAY
from tests.improvement.replays import BASE
from tests.llm.world import FixedClock
from tests.simulated_runs import rows, run
from trading.settings import RiskSettings, SafetySettings, StrategySettings
from utils import TradingError

FIRST, LAST = "2025-10-07", "2025-10-08"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions of the synthetic market."""
    place = tmp_path_factory.mktemp("days")
    done = run(place, FIRST, "--days", "2", "--seed", "3", settings={})
    assert done.returncode == 0, done.stderr
    assert f"Improvement report: reports/improvement/improvement_report_{LAST}.html" in done.stdout
    return place


def test_each_day_has_its_six_steps_and_its_report(folder: Path) -> None:
    counted = rows(folder, "SELECT session_date, COUNT(*) FROM improvement_steps GROUP BY session_date")
    assert counted == [(FIRST, 6), (LAST, 6)]
    assert rows(folder, "SELECT DISTINCT variant FROM improvement_sessions") == [("baseline",)]


def test_a_replay_of_the_day_makes_its_round_trips_and_nearly_its_result(folder: Path) -> None:
    """The minute of the time exit is not recorded: only its price is missing."""
    for day in (FIRST, LAST):
        told = json.loads((folder / f"reports/improvement/improvement_report_{day}.json").read_text())
        ((trips,),) = rows(folder, f"SELECT COUNT(*) FROM round_trips WHERE session_date = '{day}'")
        assert told["session"]["replay"]["round_trips"] == trips
        assert abs(told["session"]["gap_bps"]) < 1.0


class Failing:
    """A cycle whose database is gone."""

    def begin_session(self, session_date: str, now: datetime) -> Assignment:
        raise TradingError("no such table")

    def unfinished(self, before: str) -> str | None:
        return "2026-09-25"

    def run(self, session_date: str, now: datetime) -> Path | None:
        raise RuntimeError("a fault of the cycle")


class Working(Failing):
    """A cycle with a better set."""

    def begin_session(self, session_date: str, now: datetime) -> Assignment:
        calmer = BASE.with_values({"atr_floor_pct": 2.0, "position_size_pct": 5.0})
        return Assignment(parameters=calmer, variant="atr_floor_pct=2", notes=("told",))


def options(folder: Path) -> TraderOptions:
    desk = DeskOptions(
        client_id=2,
        live=False,
        dry_run=False,
        consents={},
        broker=BrokerSettings(),
        safety=SafetySettings(),
        daily_atr=True,
    )
    return TraderOptions(
        allocation=0.25,
        flatten_on_exit=False,
        analyse=True,
        load_watchlist=False,
        watchlist_file=folder / "watchlist.json",
        prices_from="nowhere",
        versions={},
        strategy=StrategySettings(),
        risk=RiskSettings(),
        performance=PerformanceConfig(),
        desk=desk,
    )


def test_a_session_trades_with_what_was_learned_under_its_variant(tmp_path: Path) -> None:
    usual = options(tmp_path)
    learned = asyncio.run(assigned(usual, Working(), MONDAY, FixedClock(MONDAY.close)))
    assert learned.strategy.parameters().position_bps == 500
    assert learned.strategy.strategy_atr_floor_pct == 2.0
    assert (learned.variant, usual.variant) == ("atr_floor_pct=2", "baseline")
    assert asyncio.run(assigned(usual, None, MONDAY, FixedClock(MONDAY.open))) is usual


def test_a_cycle_that_fails_is_logged_and_the_session_trades_with_env(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    usual = options(tmp_path)
    with caplog.at_level(logging.ERROR):
        assert asyncio.run(assigned(usual, Failing(), MONDAY, FixedClock(MONDAY.close))) is usual
        asyncio.run(improve(Failing(), MONDAY, FixedClock(MONDAY.close)))
    told = [record.getMessage() for record in caplog.records]
    assert "the session trades with .env" in told[0]
    assert "nothing was changed" in told[1]


def test_an_unfinished_cycle_is_finished_before_the_open_and_its_failure_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        early = MONDAY.open.replace(hour=6)
        learned = asyncio.run(assigned(options(tmp_path), Working(), MONDAY, FixedClock(early)))
    assert learned.variant == "atr_floor_pct=2"
    assert "the improvement cycle of 2026-09-25 was not finished" in caplog.records[0].getMessage()


def test_only_a_bar_store_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    (tmp_path / "old_bars").mkdir()
    (tmp_path / "old_bars" / "store.json").write_text("{}", encoding="utf-8")
    for name in ("photos", "old_bars", "missing"):
        forget_seen_bars(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
