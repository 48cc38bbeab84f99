"""How much memory and time a backtest of many symbols takes, out of core: bars of a store, stretch after stretch.

`PYTHONPATH=. python benchmarks/bench_research_scale.py [--symbols 50 500 5000] [--sessions 250] [--folder DIR]`. For
each number of symbols a store of random walks is written below the folder (0.8 MB a symbol-year) and removed again;
`python -m research backtest --all-symbols` plays it. Memory is the peak of resident pages over the whole process
tree, by the kernel's own mark. Then some of the symbols are played again, in stretches as short as the whole market
needs them and all at once in memory: the same round trips to the cent, or exit 1. With `--store DIR` the store is
kept there, and one that is there already is played as it is.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import psutil

from benchmarks.random_bars import BARS_A_DAY, random_walk
from market_hours import Session, TradingCalendar, new_york_calendar
from research.backtest import backtest
from research.engine import plan, simulate
from research.source import STRETCH_BARS, fixed_watchlist, load, stretches
from research.store import BarStore
from research.stored import StoreSource
from trading.bar_columns import BarColumns, joined
from trading.settings import RiskSettings
from trading.strategy import Parameters

ROOT = Path(__file__).resolve().parents[1]
LAST = date(2025, 9, 30)
SAMPLE_S = 0.05
BYTES_A_BAR = 48
MIB = 2**20
USD_A_SYMBOL = 3_600.0  # a quarter of it buys enough shares at 100 USD for fees to leave a part of the target
COMPARED = 200  # symbols that are played in memory, too: 0.9 GB for a year


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory and time of a backtest of many symbols.")
    add = parser.add_argument
    add("--symbols", type=int, nargs="+", default=[100], help="default 100; 5000 take 4 GB of disk and 10 minutes")
    add("--sessions", type=int, default=250, help="default 250, a year")
    add("--folder", help="where stores are written; default the folder of temporary files")
    add("--store", type=Path, help="keep the store here; one that is there is played")
    add("--quick", action="store_true", help="a tenth of the sessions")
    args = parser.parse_args()
    calendar = new_york_calendar(LAST)
    sessions = calendar.sessions_between(date(2015, 1, 1), LAST)[-args.sessions // (10 if args.quick else 1) :]
    same = True
    for symbols in args.symbols:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            where = (args.store or Path(folder) / "bars").resolve()
            if not where.exists():
                write(where, symbols, sessions)
            play(where, Path(folder), symbols)
            same = compare(BarStore(str(where)), calendar, sessions, symbols) and same
    return 0 if same else 1


def write(where: Path, symbols: int, sessions: list[Session]) -> None:
    """A store of random walks, and what it took."""
    with measured(f"{symbols:,} symbols, {len(sessions)} sessions: written"):
        n_bars = write_store(where, symbols, sessions)
    size = sum(file.stat().st_size for file in where.rglob("*.parquet"))
    print(f"{n_bars / 1e6:,.1f} M bars, {size / MIB:,.0f} MiB")


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


def play(store: Path, folder: Path, symbols: int) -> None:
    """Run the backtest as a user would, and tell what it took."""
    command = [sys.executable, "-m", "research", "backtest", "--market-data", str(store), "--all-symbols"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON_DOTENV_DISABLED": "1"}
    command += ["--equity", str(symbols * USD_A_SYMBOL)]
    with measured(f"{symbols:,} symbols: played"), subprocess.Popen(command, cwd=folder, env=environment) as process:
        peak = peak_of_tree(psutil.Process(process.pid))
    if process.returncode:
        raise SystemExit(process.returncode)
    stretch = STRETCH_BARS * BYTES_A_BAR / MIB
    print(f"peak of the process tree {peak / MIB:,.0f} MiB; a stretch of bars is {stretch:,.0f} at most")


def compare(store: BarStore, calendar: TradingCalendar, sessions: list[Session], symbols: int) -> bool:
    """Whether some of the symbols trade the same out of core and in memory; tells it."""
    names = store.symbols("minute")[: min(symbols, COMPARED)]
    source, choose = StoreSource(store, calendar, names), fixed_watchlist(names)
    on, most_bars = plan(len(names) * USD_A_SYMBOL, 0.25, RiskSettings()), STRETCH_BARS * len(names) // symbols
    parts = backtest(stretches(source, sessions, choose, most_bars), Parameters(), on, store.where)
    whole = simulate(load(source, sessions, choose), Parameters(), on)
    same = list(parts.trips) == whole.round_trips() and np.array_equal(parts.days, whole.days)
    told = "the same to the cent" if same else "NOT THE SAME"
    print(f"{len(names)} symbols in stretches of {most_bars:,} bars and all in memory: {told}", end="")
    print(f", {len(parts.trips):,} and {len(whole.trips):,} round trips, {parts.pnl / 1e6:,.6f} USD")
    return same


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Tell the wall and processor time of this process and its children."""
    began, began_busy = time.perf_counter(), busy_s()
    yield
    seconds, busy = time.perf_counter() - began, busy_s() - began_busy
    print(f"{what} in {seconds:,.1f} s, {busy:,.1f} s of processor time, load {os.getloadavg()[0]:.0f}")


def busy_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


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
