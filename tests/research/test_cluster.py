"""A sweep on a real Dask scheduler with two workers, each a process; one is killed in the middle."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="requirements-research.txt is not installed")
pytest.importorskip("distributed", reason="requirements-research.txt is not installed")

from research.__main__ import main, usual_processes
from research.cluster import Market, sweep_on, workers_of
from research.command_line import build_parser
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


def sweep_command(*options: str) -> int:
    return main(["sweep", "--market-data", "bars", "--symbols", "AAA", "--vary", "stop_loss_pct=0.5:0.8:0.1", *options])


@pytest.mark.filterwarnings("ignore")  # of the cluster's own code, about a connection that was never made
def test_an_unreachable_cluster_leaves_everything_as_it_is(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("research.cluster.CONNECT_S", 1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert sweep_command("--cluster", "tcp://127.0.0.1:1") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("python -m research: the cluster at tcp://127.0.0.1:1 does not answer")
    assert len(told.err.splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_two_processes_find_what_one_finds(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRATEGY_ATR_FLOOR_PCT", "0")
    told = {}
    for processes in ("1", "2"):
        assert sweep_command("--processes", processes, "--record", f"{processes}.db") == 0
        told[processes] = capsys.readouterr().out
    assert told["1"] == told["2"]
    kept = {name: closing(sqlite3.connect(f"{name}.db")) for name in told}
    rows = {}
    for name, opened in kept.items():
        with opened as connection:
            query = "SELECT market, parameters, round_trips, returns FROM trials JOIN runs USING (run_id)"
            rows[name] = connection.execute(query).fetchall()
    assert rows["1"] == rows["2"]
    assert sum(row[2] for row in rows["1"]) > 0


@pytest.mark.parametrize(("n_bars", "tuned", "processes"), [(10**6, 8, 1), (10**9, 8, 4), (10**9, 2, 2)])
def test_processes_are_as_many_as_the_machine_is_tuned_for_and_the_work_is_worth(
    monkeypatch: pytest.MonkeyPatch, n_bars: int, tuned: int, processes: int
) -> None:
    monkeypatch.setenv("PERF_RESEARCH_PROCESSES", str(tuned))
    vary = ["--vary", "rsi_cap=50,60", "--vary", "stop_loss_pct=0.6,0.8"]
    args = build_parser().parse_args(["sweep", "--market-data", "bars", *vary])
    assert usual_processes(args, n_bars) == processes
