"""How soon the day trader answers and trades: `--help`, and from its start to its first tick in an open session.

    make bench    or    PYTHONPATH=. python benchmarks/bench_start.py [--rounds N]

`--help` is a process of its own, from its start to its end. For the first tick a simulated gateway runs in another
process on the machine's own clock, shifted into a session; the day trader, with all modules imported before, connects,
reconciles, chooses its watchlist and follows ten symbols. The time ends where its 5-second rhythm begins. The shortest
round counts; the exit code is 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
HELP_S, TICK_S = 0.3, 3.0  # goals
SYMBOLS = ("AAPL", "AMD", "AMZN", "AVGO", "BA", "BAC", "C", "COIN", "CRM", "CVX")
IN_SESSION = datetime(2025, 10, 7, 15, 0, 2, tzinfo=UTC)
CHILD = "--one-start"
LOADED = (  # by a start, before its time begins
    *("exchange_calendars", "pyarrow.parquet", "continuous_improvement", "day_trading_agents", "weekly.settings"),
    *("day_trading.dashboard_beside", "day_trading.improving", "day_trading.telegram", "day_trading.traded_day"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of each; the shortest counts")
    parser.add_argument(CHILD, help=argparse.SUPPRESS)  # this process is one start, with the clock shifted so far
    args = parser.parse_args()
    if args.one_start is not None:
        return one_start(args.one_start)
    helped = [one_help() for _ in range(args.rounds)]
    with gateway() as (shift_s, port):
        started = [start_in(shift_s, port) for _ in range(args.rounds)]
    print(f"load {os.getloadavg()[0]:.1f}, the shortest of {args.rounds} rounds")
    held = told("day_trader.py --help", helped, HELP_S)
    return int(not told(f"from the start to the first tick, {len(SYMBOLS)} symbols", started, TICK_S) or not held)


class Took(NamedTuple):
    """Seconds on the wall, and of a core's work."""

    wall_s: float
    busy_s: float


def told(what: str, took: list[Took], goal_s: float) -> bool:
    """Print a figure beside its goal; whether it is met."""
    best = min(took)
    middle_s, busy_s = median(each.wall_s for each in took), min(each.busy_s for each in took)
    verdict = "ok" if best.wall_s < goal_s else "MISSED"
    figures = f"{best.wall_s:.2f} s, median {middle_s:.2f}, {busy_s:.2f} of processor time"
    print(f"{what}: {figures}; below {goal_s:g} {verdict}")
    return best.wall_s < goal_s


def one_help() -> Took:
    began_s, worked_s = time.perf_counter(), _work_of_children_s()
    subprocess.run([sys.executable, str(ROOT / "day_trader.py"), "--help"], check=True, stdout=subprocess.DEVNULL)
    return Took(time.perf_counter() - began_s, _work_of_children_s() - worked_s)


def _work_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def gateway() -> Iterator[tuple[str, str]]:
    """A gateway with an open session: what to add to the machine's clock, and its port."""
    shift_s = str((IN_SESSION - datetime.now(UTC)).total_seconds())
    command = [sys.executable, "-m", "tests.shifted_time", "gateway", shift_s, "DU1234567", *SYMBOLS]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield shift_s, process.stdout.readline().strip()
        finally:
            process.kill()


def start_in(shift_s: str, port: str) -> Took:
    """One start, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"IB_PORT": port, "IB_LOCK_FOLDER": folder, "PYTHONPATH": str(ROOT), "WATCHLIST_SIZE": "10"}
        done = subprocess.run(
            [sys.executable, str(Path(__file__)), CHILD, shift_s],
            cwd=folder,
            env={**os.environ, **settings, "WATCHLIST_UNIVERSE": ",".join(SYMBOLS)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return Took(*map(float, done.stdout.split()[-2:]))


def one_start(shift_s: str) -> int:
    """In its own process: the day trader until its rhythm begins, then an orderly end."""
    for name in LOADED:
        import_module(name)
    import day_trader
    from day_trading.session_health import SessionHealth
    from tests.shifted_time import ShiftedClock

    took: list[Took] = []

    def first_tick(_health: SessionHealth) -> None:
        took.append(Took(time.perf_counter() - began_s, time.process_time() - worked_s))
        signal.raise_signal(signal.SIGINT)

    SessionHealth.started_ticking = first_tick  # type: ignore[method-assign]
    began_s, worked_s = time.perf_counter(), time.process_time()
    day_trader.main(["--allocation", "0.25", "--no-dashboard"], ShiftedClock(float(shift_s)))
    print(f"\n{took[0].wall_s} {took[0].busy_s}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
