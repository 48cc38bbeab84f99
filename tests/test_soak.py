"""Three hundred simulated days in a row: `make soak`. It takes some minutes."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import pytest

from tests.simulated_runs import TABLES, records, rows, run

pytestmark = pytest.mark.soak

FIRST = "2024-01-02"  # three changes of the clocks and three early closes follow
DAYS, REPEATED_DAYS = 300, 20
SETTINGS = {
    "WATCHLIST_UNIVERSE": "AMD,COIN",
    "WATCHLIST_SIZE": "2",
    "STRATEGY_ATR_FLOOR_PCT": "0",
    "PERF_SQLITE_CACHE_MB": "1",  # the database's caches grow with its file, up to their limits
    "PERF_SQLITE_MMAP_MB": "0",
}
DAYS_TO_FILL_CACHES = 100  # of the market's tapes
MEMORY_GROWTH_MB = 20  # over 180 days; the allocator spreads out by about half of it
LIMIT_S = 1_800


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three hundred days in one process."""
    folder = tmp_path_factory.mktemp("soak") / "days"
    done = run(folder, FIRST, "--days", str(DAYS), settings=SETTINGS, limit_s=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_day_has_its_log_and_ends_flat(soaked: Path) -> None:
    logs = [json.loads(path.read_text()) for path in sorted((soaked / "logs").glob("day_trader_run_*.json"))]
    assert len({log["session_date"] for log in logs}) == len(logs) == DAYS
    for log in logs:
        assert log["ended_because"] == "the session is over", log["session_date"]
        assert (log["positions_left"], log["resting_orders"], log["warnings"]) == ({}, [], []), log["session_date"]


def test_what_a_day_buys_it_sells_the_same_day(soaked: Path) -> None:
    signed = "SUM(IIF(action = 'BUY', quantity, -quantity))"
    days = rows(soaked, f"SELECT session_date, symbol, {signed} FROM trades GROUP BY session_date, symbol")
    assert len({session for session, _, _ in days}) > DAYS * 0.9  # some days want no trade
    assert [day for day in days if day[2] != 0] == []
    assert rows(soaked, "SELECT * FROM open_positions") == []


def test_every_order_comes_to_its_end(soaked: Path) -> None:
    states = dict(rows(soaked, "SELECT state, COUNT(*) FROM order_intents GROUP BY state"))
    assert set(states) <= {"filled", "cancelled"}


def test_memory_does_not_grow_with_the_days(soaked: Path) -> None:
    samples = rows(soaked, "SELECT substr(timestamp, 1, 10) AS day, MAX(memory_mb) FROM agent_health GROUP BY day")
    by_day_mb = [memory_mb for _, memory_mb in samples]
    assert len(by_day_mb) == DAYS
    early, late = by_day_mb[DAYS_TO_FILL_CACHES : DAYS_TO_FILL_CACHES + 20], by_day_mb[-20:]
    assert median(late) - median(early) < MEMORY_GROWTH_MB


def test_the_first_days_repeat_themselves(soaked: Path, tmp_path: Path) -> None:
    done = run(tmp_path, FIRST, "--days", str(REPEATED_DAYS), settings=SETTINGS, hash_seed="random", jitter_seed=1)
    assert done.returncode == 0, done.stderr
    long, short = records(soaked), records(tmp_path)
    for table in TABLES:
        assert long[table][: len(short[table])] == short[table], table
    assert len({row["session_date"] for row in short["decisions"]}) == REPEATED_DAYS
