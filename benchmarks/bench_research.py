"""How fast research replays history: against a bare kernel, against other engines, and in sweeps.

`PYTHONPATH=. python benchmarks/bench_research.py [--quick]`. Rates are bars really visited per second of processor
time on one core, the least of interleaved runs. The peers are installed into `.venv/peers` once.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bare_kernel import compiled_bare, compiled_bare_by_the_rules
from benchmarks.random_bars import ATR, BARS_A_DAY, as_bars, random_walk
from research.engine import Plan, plan, simulate, simulate_every_instant, sweep
from research.source import Bars
from trading.settings import RiskSettings
from trading.strategy import Parameters

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".venv" / "peers"
PEER_VERSIONS = ("vectorbt==1.2.0", "backtesting==0.6.6")
USUAL = Parameters()
LOOSE = RiskSettings(risk_max_entries_per_symbol=100)  # the peers know no such limit
GOALS = {"one symbol": "(goal 0.75)"}
SETS = [
    Parameters(target, stop, cap, 1.5)
    for target in (100, 120, 140, 170, 200)
    for stop in (60, 80, 100, 130, 160)
    for cap in (50.0, 52.5, 55.0, 57.5, 60.0, 62.5, 65.0, 70.0)
]


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of the research engine.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, no peers")
    parser.add_argument("--cold", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.cold:
        simulate(as_bars(random_walk(20), 1), USUAL, plan(1e6, 0.25, LOOSE))
        return 0
    n_days = 1_000 if args.quick else 10_000
    walk = random_walk(n_days)
    on = plan(1e6, 0.25, LOOSE)
    one, ten = as_bars(walk, 1), as_bars(walk, 10)
    rates = per_symbol_and_portfolio(walk, one, ten, on)
    cold_start()
    sweep_rates(as_bars(random_walk(n_days // 10), 1), on)
    memory(one, on)
    if not args.quick:
        peers(rates["one symbol"], on)
    return 0


def per_symbol_and_portfolio(walk: dict[str, Any], one: Bars, ten: Bars, on: Plan) -> dict[str, float]:
    """Bars a second of the bare kernel, the engine on one symbol, on ten with shared capital, and the plain form."""
    kernel = compiled_bare()
    usd = {name: column / 10_000 for name, column in walk.items() if name != "volume"}
    offsets = np.arange(one.n_tapes + 1) * BARS_A_DAY
    atr, trips = np.full(one.n_tapes, ATR / 10_000), np.zeros((one.n_bars // 32, 4))
    prices = (usd["open"], usd["high"], usd["low"], usd["close"], walk["volume"].astype(np.float64))
    ruled, in_units, whole_trips = compiled_bare_by_the_rules(), atr * 10_000, np.zeros(trips.shape, np.int64)
    columns = tuple(walk[name] for name in ("open", "high", "low", "close", "volume"))
    some = as_bars({name: column[: BARS_A_DAY * 50] for name, column in walk.items()}, 1)
    runs: dict[str, tuple[Callable[[], Any], int]] = {
        "bare kernel": (lambda: kernel(*prices, offsets, atr, 0.014, 0.008, 60.0, 1.5, trips), one.n_bars),
        "bare, by the rules": (
            lambda: ruled(*columns, offsets, in_units, 140, 80, 60.0, 1.5, whole_trips),
            one.n_bars,
        ),
        "one symbol": (lambda: len(simulate(one, USUAL, on).trips), one.n_bars),
        "ten symbols, shared capital": (lambda: len(simulate(ten, USUAL, on).trips), ten.n_bars),
        "every instant (plain form)": (lambda: len(simulate_every_instant(some, USUAL, on).trips), some.n_bars),
    }
    round_trips = {name: run() for name, (run, _) in runs.items()}
    seconds = interleaved({name: run for name, (run, _) in runs.items()}, 7)
    rates = {name: bars / seconds[name] for name, (_, bars) in runs.items()}
    for name, rate in rates.items():
        share = rate / rates["bare kernel"]
        told = f"{name:30} {rate / 1e6:8.1f} M bars/s  {share:5.2f} x bare  {round_trips[name]:,} round trips"
        print(f"{told} {GOALS.get(name, '')}".rstrip())
    return rates


def interleaved(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """The least processor seconds of each, in turns."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(repeats):
        for name, run in runs.items():
            began = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - began)
    return best


def cold_start() -> None:
    """A new process until its first result, with the machine code on disk."""
    times = []
    for _ in range(3):
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, __file__, "--cold"], cwd=ROOT, env=_environment(), check=True)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime)
    print(f"cold start, machine code on disk: {min(times):.2f} s of processor time")


def sweep_rates(bars: Bars, on: Plan) -> None:
    """Sets times bars a second, on one core and on two."""
    sweep(bars, SETS[:2], on)
    began = time.process_time()
    outcome = sweep(bars, SETS, on)
    seconds = time.process_time() - began
    nominal = len(SETS) * bars.n_bars
    print(f"sweep of {len(SETS)} sets, one core: {nominal / seconds / 1e6:.0f} M set·bars/s (goal 600)")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        halves = [(bars, SETS[::2], on), (bars, SETS[1::2], on)]
        list(pool.map(_sweep_seconds, halves))
        spent = list(pool.map(_sweep_seconds, halves))
    trips = f"{outcome.trips.sum():,} round trips"
    print(f"the same, two cores: {nominal / max(spent) / 1e6:.0f} M set·bars/s (goal 1,200); {trips}")


def _sweep_seconds(work: tuple[Bars, list[Parameters], Plan]) -> float:
    began = time.process_time()
    sweep(*work)
    return time.process_time() - began


def memory(bars: Bars, on: Plan) -> None:
    """What a run needs beyond its data, by the peak of the process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    simulate(bars, USUAL, on)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = sum(array.nbytes for array in bars.tapes) / 2**20
    print(f"data {data:.0f} MiB; the peak of the process grew by {(after - before) / 1024:.0f} MiB in another run")


def peers(our_rate: float, on: Plan) -> None:
    """vectorbt and backtesting.py on the same numbers."""
    python = _peer_python()
    if python is None:
        print("peers: could not be installed here, left out")
        return
    for engine, n_days, goal in (("vectorbt", 2_000, 20), ("backtesting", 50, 1_000)):
        walk = random_walk(n_days, seed=2)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "walk.npz"
            usd = {name: column / (1 if name == "volume" else 10_000) for name, column in walk.items()}
            np.savez(file, **usd)
            script = str(ROOT / "benchmarks" / "research_peers.py")
            done = subprocess.run([str(python), script, engine, str(file)], capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        rate = told["bars"] / told["seconds"]
        ours = len(simulate(as_bars(walk, 1), USUAL, on).trips)
        print(
            f"{engine:12} {rate / 1e6:8.3f} M bars/s: ours is {our_rate / rate:,.0f} x (goal {goal:,}); "
            f"round trips {told['round_trips']} against {ours} of ours"
        )
    print("counts differ by convention: peers enter on a bar's close, we on prices within the bar; peers enter again")
    print(
        "at once, we wait 300 s after an exit; peers know neither spread nor volume nor the costs that refuse an entry"
    )


def _peer_python() -> Path | None:
    """The interpreter of the peers' own environment, made when first needed."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=False)
        if made.returncode:
            return None
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEER_VERSIONS]
    return python if subprocess.run(install, check=False, capture_output=True).returncode == 0 else None


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    sys.exit(main())
