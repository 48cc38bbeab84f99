"""Twenty simulated days in one process: neither its memory nor the lag of its event loop grows. `make soak`."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import pytest

from tests.simulated_runs import ROOT, rows, run

pytestmark = pytest.mark.soak

FIRST, DAYS = "2025-09-02", 20
SETTINGS = {"WATCHLIST_SIZE": "10", "PERF_SQLITE_CACHE_MB": "1", "PERF_SQLITE_MMAP_MB": "0"}
DAYS_TO_FILL_CACHES = 10  # of the market's tapes and histories
MEMORY_GROWTH_MB = 10.0  # over the other ten days
LAG_GROWTH = 1.5  # times the 99th percentile of the first days, of the work of the loop itself


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("health_soak") / "days"
    program = ROOT / "tests" / "measured_day_trader.py"
    done = run(folder, FIRST, "--days", str(DAYS), settings=SETTINGS, program=(str(program),), limit_s=1_500)
    assert done.returncode == 0, done.stderr
    return folder


def test_memory_does_not_grow(soaked: Path) -> None:
    by_day = rows(soaked, "SELECT substr(timestamp, 1, 10) AS day, MAX(memory_mb) FROM agent_health GROUP BY day")
    by_day_mb = [memory_mb for _, memory_mb in by_day]
    print("memory by day, MB:", by_day_mb)  # noqa: T201 (the figures are what a soak is for)
    assert len(by_day_mb) == DAYS
    settled = by_day_mb[DAYS_TO_FILL_CACHES:]
    assert median(settled[-3:]) - median(settled[:3]) < MEMORY_GROWTH_MB


def test_the_event_loop_does_not_become_slower(soaked: Path) -> None:
    days = list(json.loads((soaked / "lag.json").read_text()).values())
    for name in days[0]:
        print(f"{name} by day:", [day[name] for day in days])  # noqa: T201 (as above)
    assert len(days) == DAYS
    assert all(day["turns"] > 10_000 for day in days)
    first, last = (median(day["core_p99_ms"] for day in part) for part in (days[:5], days[-5:]))
    assert last < first * LAG_GROWTH


def test_health_was_normal_on_every_day(soaked: Path) -> None:
    assert rows(soaked, "SELECT DISTINCT status, healing_action FROM agent_health") == [("normal", None)]
    per_day = rows(soaked, "SELECT substr(timestamp, 1, 10) AS day, COUNT(*) FROM agent_health GROUP BY day")
    assert min(count for _, count in per_day) > 380
