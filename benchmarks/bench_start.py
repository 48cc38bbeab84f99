"""How long a start takes: `PYTHONPATH=. python benchmarks/bench_start.py [starts]`.

- `python day_trader.py --help`, ten times, from the start of the process to its end.
- From the start of the process to the first tick that the day trader hears, with and without what its imports take:
  on a simulated day as fast as possible, and in real time beside `python -m ib_simulator` on loopback TCP, in the
  middle of a session, with a watchlist from before and with one that it has to make.

Best and median are printed, and the processor time of the start itself: what else the machine does only adds to the
others. The exit code is 1 when a best misses its goal.
"""

from __future__ import annotations

import builtins
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from market_hours import NEW_YORK
from tests.shifted_time import ShiftedClock

ROOT = Path(__file__).resolve().parents[1]
HELP_GOAL_S, TICK_GOAL_S = 0.3, 3.0
HELPS = 10
SESSION = "2025-10-07"
TEN_O_CLOCK = datetime(2025, 10, 7, 10, 0, tzinfo=NEW_YORK)
WATCHLIST = json.dumps(["AAPL", "AMD", "AMZN", "COIN", "CRM", "INTC", "JPM", "MSFT", "NVDA", "TSLA"])


class Start(NamedTuple):
    """Seconds from the start of a process to its first tick, how many of them its imports took, and on processors."""

    tick_s: float
    imports_s: float
    cpu_s: float

    @property
    def after_imports_s(self) -> float:
        return self.tick_s - self.imports_s


# In a process of its own


class ImportWatch:
    """Seconds that the main thread spends in `import` statements, one inside another counted once."""

    def __init__(self) -> None:
        self.took_s = 0.0
        self._depth = 0
        self._really = builtins.__import__

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if threading.current_thread() is not threading.main_thread() or self._depth:
            return self._really(*arguments, **named)
        began_s = time.perf_counter()
        self._depth += 1
        try:
            return self._really(*arguments, **named)
        finally:
            self._depth -= 1
            self.took_s += time.perf_counter() - began_s


def start_and_tell(began_ns: int, shift_s: float, arguments: list[str]) -> None:
    """Be the day trader until its first tick: a line of JSON, then the process is gone.

    `began_ns` is `time.monotonic_ns()` when the process was started, `shift_s` what its clock is ahead of this machine.
    """
    watch = ImportWatch()
    builtins.__import__ = watch
    import day_trader
    from broker.market_data import MarketData  # part of what a start loads anyway

    hear = MarketData._on_ticker

    def tell(data: MarketData, ticker: Any) -> None:
        hear(data, ticker)
        tick_s = (time.monotonic_ns() - began_ns) / 1e9
        os.write(1, f"{json.dumps(Start(tick_s, watch.took_s, time.process_time()))}\n".encode())
        os._exit(0)

    MarketData._on_ticker = tell  # type: ignore[method-assign]
    sys.stdout = sys.stderr  # the line above is alone
    sys.exit(day_trader.main([*arguments, "--no-dashboard", "--plain"], ShiftedClock(shift_s)))


# From outside


def time_help() -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, str(ROOT / "day_trader.py"), "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began_s


def first_tick(*arguments: str, shift_s: float = 0.0, settings: dict[str, str] | None = None) -> Start:
    """One start in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        state = {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": folder}
        Path(folder, "list.json").write_text(WATCHLIST, encoding="utf-8")
        command = [sys.executable, __file__, "--start", str(time.monotonic_ns()), str(shift_s), *arguments]
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **state, **(settings or {})}, capture_output=True, text=True
        )
    if done.returncode != 0 or not done.stdout:
        sys.exit(f"a start ended before its first tick\n{done.stderr}")
    return Start(*json.loads(done.stdout))


@contextmanager
def gateway() -> Iterator[tuple[str, float]]:
    """A standalone gateway in a session: its port, and how far its clock is ahead of the machine's."""
    command = [sys.executable, "-m", "ib_simulator", "--port", "0", "--date", SESSION, "--at", "10:00"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = next(found[1] for line in process.stdout if (found := re.search(r" on 127\.0\.0\.1:(\d+)", line)))
        yield port, (TEN_O_CLOCK - datetime.now(UTC)).total_seconds()
    finally:
        process.terminate()
        process.wait()


def tell(what: str, goal_s: float, found: list[float]) -> bool:
    """Print a figure; whether its goal is met."""
    met = min(found) < goal_s
    verdict = f"goal {goal_s:g} s: {'met' if met else 'MISSED'}"
    print(f"{what:58} {min(found):6.2f} s best, {median(found):6.2f} s median of {len(found)}; {verdict}")
    return met


def tell_starts(what: str, starts: int, start: Callable[[], Start]) -> bool:
    found = [start() for _ in range(starts)]
    met = tell(f"{what}, after imports", TICK_GOAL_S, [each.after_imports_s for each in found])
    whole_s, imports_s, cpu_s = (min(each) for each in zip(*found, strict=True))
    print(
        f"    with its imports {whole_s:.2f} s best, {cpu_s:.2f} s of processor time; imports alone {imports_s:.2f} s"
    )
    return met


def main() -> int:
    starts = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    met = tell("day_trader.py --help", HELP_GOAL_S, [time_help() for _ in range(HELPS)])
    session, listed = ("--allocation", "0.25"), ("--watchlist", "list.json")
    met &= tell_starts("first tick, simulated day", starts, lambda: first_tick(*session, "--simulate", SESSION))
    with gateway() as (port, shift_s):
        real = {"shift_s": shift_s, "settings": {"IB_PORT": port}}
        met &= tell_starts("first tick, real time, list given", starts, lambda: first_tick(*session, *listed, **real))
        met &= tell_starts("first tick, real time, list to be made", starts, lambda: first_tick(*session, **real))
    return 0 if met else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--start"]:
        start_and_tell(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
    sys.exit(main())
