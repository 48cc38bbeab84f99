"""A sweep on a real Dask scheduler with two workers, each a process; one is killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="requirements-research.txt is not installed")
pytest.importorskip("distributed", reason="requirements-research.txt is not installed")

from research.cluster import Market, sweep_on, workers_of
from research.engine import plan, sweep
from research.source import fixed_watchlist, load
from research.store import BarStore
from research.stored import StoreSource
from tests.research.test_store import CALENDAR, day_of_bars, session
from trading.bar_columns import BarColumns, joined
from trading.settings import RiskSettings, StrategySettings
from trading.strategy import Parameters
from utils import Misconfigured

ROOT = Path(__file__).resolve().parents[2]
DAYS = tuple(each.date for each in CALENDAR.sessions_between(date(2025, 10, 6), date(2025, 10, 17)))
ON = plan(1_000_000, 0.25, RiskSettings())


@pytest.fixture
def market(tmp_path: Path) -> Market:
    """Ten sessions of a symbol that swings."""
    random = np.random.default_rng(5)
    bars = []
    for day in DAYS:
        plain = day_of_bars(day, volume=50_000)
        close = np.maximum(1_000_000 + 100 * np.cumsum(random.integers(-40, 41, len(plain.start_s))), 10_000)
        opened = np.concatenate([close[:1], close[:-1]])
        high, low = np.maximum(opened, close) + 1_000, np.minimum(opened, close) - 1_000
        bars.append(BarColumns(plain.start_s, opened, high, low, close, plain.volume))
    BarStore.at(tmp_path / "bars").append("minute", "AAA", joined(bars))
    return Market(
        store=str(tmp_path / "bars"), dates=DAYS, symbols=("AAA",), all_symbols=False, strategy=StrategySettings()
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A scheduler and two workers on loopback; its address and the workers."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "0"}

    def start(*words: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "distributed.cli." + words[0],
            *words[1:],
            "--host",
            "127.0.0.1",
            "--no-dashboard",
        ]
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True
        )

    file = str(tmp_path / "scheduler.json")
    scheduler = start("dask_scheduler", "--port", "0", "--scheduler-file", file)
    workers = [start("dask_worker", "--scheduler-file", file, "--nthreads", "1", "--no-nanny") for _ in range(2)]
    try:
        from distributed import Client

        with Client(scheduler_file=file, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
            address = client.scheduler.address
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


@pytest.mark.filterwarnings("ignore")  # of the cluster's own code, about sockets of a worker that is gone
def test_a_sweep_survives_a_worker_that_is_killed(
    market: Market, cluster: tuple[str, list[subprocess.Popen[str]]]
) -> None:
    address, workers = cluster
    source = StoreSource(BarStore(market.store), CALENDAR)
    bars = load(source, [session(day) for day in DAYS], fixed_watchlist(["AAA"]))
    sets = [Parameters(140, stop, 60.0, 0.0) for stop in range(50, 90)]
    with workers_of(1, address) as (executor, count):
        assert count == 2
        assert executor.submit(os.getpid).result() in {worker.pid for worker in workers}
        waiting = executor.submit(_slow_then_sum, 1.0)  # keeps one of them busy
        workers[0].kill()
        outcome = sweep_on(executor, count, market, ON, sets)
        assert waiting.result() == 45
    expected = sweep(bars, sets, ON)
    assert np.array_equal(outcome.results, expected.results)
    assert np.array_equal(outcome.trips, expected.trips)
    assert expected.trips.sum() > 0


def _slow_then_sum(seconds: float) -> int:
    import time

    time.sleep(seconds)
    return sum(range(10))


@pytest.mark.filterwarnings("ignore")  # of the cluster's own code, about a connection that was never made
def test_an_unreachable_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("research.cluster.CONNECT_S", 1)
    with (
        pytest.raises(Misconfigured, match=r"the cluster at tcp://127\.0\.0\.1:1 does not answer"),
        workers_of(1, "tcp://127.0.0.1:1"),
    ):
        raise AssertionError("there is no cluster")
