"""How much memory and time a backtest of many symbols takes, out of core: bars of a store, stretch after stretch.

`PYTHONPATH=. python benchmarks/bench_research_scale.py [--symbols 5000] [--sessions 250] [--folder DIR]`. A store of
random walks is written below the folder (0.8 MB a symbol-year) and removed again; then `python -m research backtest
--all-symbols` plays it. Memory is the peak of resident pages over the whole process tree, by the kernel's own mark.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import psutil

from benchmarks.random_bars import BARS_A_DAY, random_walk
from market_hours import Session, new_york_calendar
from research.source import STRETCH_BARS
from research.store import BarStore
from trading.bar_columns import BarColumns, joined

ROOT = Path(__file__).resolve().parents[1]
LAST = date(2025, 9, 30)
SAMPLE_S = 0.05
BYTES_A_BAR = 48
MIB = 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory and time of a backtest of many symbols.")
    parser.add_argument("--symbols", type=int, default=100, help="default 100; 5000 take 4 GB of disk and 20 minutes")
    parser.add_argument("--sessions", type=int, default=250, help="default 250, a year")
    parser.add_argument("--folder", help="where the store is written; default the folder of temporary files")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sessions")
    args = parser.parse_args()
    sessions = new_york_calendar(LAST).sessions_between(date(2015, 1, 1), LAST)
    sessions = sessions[-args.sessions // (10 if args.quick else 1) :]
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        began = time.perf_counter()
        n_bars = write_store(Path(folder) / "bars", args.symbols, sessions)
        wrote_s = time.perf_counter() - began
        size = sum(file.stat().st_size for file in Path(folder).rglob("*.parquet"))
        print(f"{args.symbols:,} symbols, {len(sessions)} sessions, {n_bars / 1e6:,.1f} M bars, {size / MIB:,.0f} MiB")
        print(f"written in {wrote_s:,.0f} s")
        play(Path(folder), n_bars)
    return 0


def write_store(where: Path, symbols: int, sessions: list[Session]) -> int:
    """A store of random walks; its bars."""
    store, n_bars = BarStore.at(where), 0
    for number in range(symbols):
        walk = random_walk(len(sessions), seed=number + 1)
        days = [day_of(walk, place, session) for place, session in enumerate(sessions)]
        n_bars += store.append("minute", f"S{number:05}", joined(days)).new
    return n_bars


def day_of(walk: dict[str, np.ndarray], place: int, session: Session) -> BarColumns:
    """A day of the walk at the minutes of a session, which may close early."""
    start_s = np.arange(session.open_s, session.close_s, 60, dtype=np.int64)
    first = place * BARS_A_DAY
    columns = (walk[name][first : first + len(start_s)] for name in BarColumns._fields[1:])
    return BarColumns(start_s, *columns)


def play(folder: Path, n_bars: int) -> None:
    """Run the backtest as a user would, and tell what it took."""
    command = [sys.executable, "-m", "research", "backtest", "--market-data", "bars", "--all-symbols"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON_DOTENV_DISABLED": "1"}
    began = time.perf_counter()
    with subprocess.Popen([*command, "--equity", "18000000"], cwd=folder, env=environment) as process:
        peak = peak_of_tree(psutil.Process(process.pid))
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(process.returncode)
    stretch = min(n_bars, STRETCH_BARS) * BYTES_A_BAR / MIB
    print(f"{seconds:,.0f} s, {n_bars / seconds / 1e6:.2f} M bars/s from the store to the result")
    print(f"peak of the process tree {peak / MIB:,.0f} MiB: {stretch:,.0f} MiB of bars at once", end="")
    print(f" and {peak / MIB - stretch:,.0f} MiB; all bars are {n_bars * BYTES_A_BAR / MIB:,.0f} MiB")


def peak_of_tree(root: psutil.Process) -> int:
    """The largest sum of resident bytes over a process and its children, until it ends."""
    peak = 0
    while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
        try:
            peak = max(peak, sum(each.memory_info().rss for each in (root, *root.children(recursive=True))))
            peak = max(peak, high_water_mark(root.pid))
        except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
            break
        time.sleep(SAMPLE_S)
    return peak


def high_water_mark(pid: int) -> int:
    """The kernel's own peak of one process in bytes, which no sample can miss; 0 where there is none to read."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    sys.exit(main())
