"""One simulated synthetic day of the whole program: agents, rules, broker, ib_insync, TCP, gateway, database.

    make bench    or    python benchmarks/bench_simulated_day.py [--symbols 1,10,30,100] [--repeat 3]

Every run is a process of its own. Its time is that of `day_trader.main` once all modules are imported; it includes
the exchange calendar, the making of the market with its daily history, and the closing of the database.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GOAL_SYMBOLS, GOAL_S = 10, 3.0
SESSION = "2025-10-07"
ROOMS = {  # part of a file's path, the most special first -> the line of the report it counts for
    "ib_simulator/feeds/": "synthetic market",
    "ib_simulator/simulated_time.py": "simulated time",
    "ib_simulator/embedded_connections.py": "simulated time",
    "ib_simulator/outside_calls.py": "simulated time",
    "ib_simulator/": "gateway",
    "broker/": "broker",
    "trading/": "trading",
    "records/": "records",
    "observability.py": "records",
    "day_trader.py": "agents",
    "day_trading_agents.py": "agents",
    "self_evaluation.py": "agents",
    "market_hours.py": "calendar",
}
LIBRARIES = {"/ib_insync/": "ib_insync", "/eventkit/": "ib_insync", "/asyncio/": "asyncio", "/selectors.py": "asyncio"}
SAYS = {
    "ib_insync": "decodes messages, keeps tickers, bars and orders, emits events",
    "gateway": "moves prices, encodes messages, matches orders",
    "synthetic market": "draws the day's tapes and the daily history",
    "simulated time": "the loop's idea of waiting, bytes handed over, the clock",
    "asyncio": "tasks, timers, sockets",
    "broker": "translates quotes, bars and reports",
    "agents": "the 5-second rhythm",
    "trading": "indicators, judgements, the book",
    "records": "rows made ready; the writer's thread comes on top",
    "calendar": "exchange sessions",
    "rest": "imports and all else",
}
SAMPLE_S = 0.001  # of the process's cpu time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", default="1,10,30,100", help="sizes of the watchlist")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each size; the median counts")
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)  # this process is one run of so many symbols
    parser.add_argument("--profile", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run is not None:
        print(json.dumps(one_run(args.run, profiled=args.profile)))
        return
    report([int(size) for size in args.symbols.split(",")], args.repeat)


def report(sizes: list[int], repeat: int) -> None:
    """Run everything and print it."""
    looks = [in_own_process(GOAL_SYMBOLS, "--profile") for _ in range(repeat)]
    points = looks[0]["points"] / GOAL_SYMBOLS
    imports_s, imports_mb = (median(look[key] for look in looks) for key in ("imports_s", "imports_mb"))
    print(f"one simulated synthetic day, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"median of {repeat} processes each, after {imports_s:.2f} s of imports ({imports_mb:.0f} MB)\n")
    print("  symbols      wall       cpu  cpu a symbol  path points/s  agent ticks/s  judgements/s  peak memory")
    medians: dict[int, dict[str, float]] = {}
    for size in sizes:
        runs = [in_own_process(size) for _ in range(repeat)]
        medians[size] = now = {key: median(run[key] for run in runs) for key in runs[0]}
        print(
            f"  {size:7}  {now['wall_s']:6.2f} s  {now['cpu_s']:6.2f} s  {1_000 * now['cpu_s'] / size:9.0f} ms  "
            f"{points * size / now['wall_s']:13,.0f}  {now['ticks'] / now['wall_s']:13,.0f}  "
            f"{now['judgements'] / now['wall_s']:12,.0f}  {now['peak_mb']:8.0f} MB"
        )
    if len(sizes) > 1:
        small, large = medians[sizes[0]]["cpu_s"], medians[sizes[-1]]["cpu_s"]
        more_s = (large - small) / (sizes[-1] - sizes[0])
        print(f"\neach further symbol {1_000 * more_s:.0f} ms of cpu, over a base of {small - sizes[0] * more_s:.2f} s")
    if goal := medians.get(GOAL_SYMBOLS):
        verdict = "met" if goal["wall_s"] <= GOAL_S else f"MISSED, with {goal['cpu_s']:.2f} s of cpu"
        print(f"goal: {GOAL_SYMBOLS} symbols within {GOAL_S:g} s of wall time: {verdict}")
    tell_where_it_went(looks)


def tell_where_it_went(looks: list[dict[str, Any]]) -> None:
    """The shares of the rooms over several runs."""
    rooms: Counter[str] = Counter()
    for look in looks:
        rooms.update(look["rooms"])
    print(f"\nwhere the time of {GOAL_SYMBOLS} symbols goes ({rooms.total():,} samples of the main thread)")
    for room, samples in rooms.most_common():
        print(f"  {room:16} {100 * samples / rooms.total():5.1f} %  {SAYS[room]}")
    print(f"other threads (the database's writer, the watchlist's pool): {looks[0]['threads_s']:.2f} s of cpu")
    print(f"{looks[0]['messages']:,} messages from the gateway, {looks[0]['points']:,} path points")


def in_own_process(size: int, *options: str) -> dict[str, Any]:
    """The figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--run", str(size), *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def one_run(size: int, *, profiled: bool) -> dict[str, Any]:
    """In this process and folder: import, run, measure."""
    os.environ |= {
        "WATCHLIST_SIZE": str(size),
        "WATCHLIST_UNIVERSE": ",".join(f"S{number:03}" for number in range(size)),
        "STRATEGY_ATR_FLOOR_PCT": "0",  # so that every symbol is on the list
        "RISK_MAX_OPEN_POSITIONS": str(size),
    }
    began_s = time.perf_counter()
    day_trader = import_everything()
    imports_s, imports_mb = time.perf_counter() - began_s, peak_mb()
    arguments = ["--allocation", "0.25", "--simulate", SESSION, "--db", "bench.db"]
    found: dict[str, Any] = {}
    with (
        contextlib.redirect_stdout(io.StringIO()) as shown,
        looked_into(found) if profiled else contextlib.nullcontext(),
    ):
        began_s, cpu_s, thread_s = time.perf_counter(), time.process_time(), time.thread_time()
        code = day_trader.main(arguments)
        wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        thread_s = time.thread_time() - thread_s
    if code != 0:
        sys.exit(f"the day ended with exit code {code}\n{shown.getvalue()}")
    day = json.loads(next(Path("logs").glob("*.json")).read_text())
    return {
        "imports_s": imports_s,
        "imports_mb": imports_mb,
        "peak_mb": peak_mb(),
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "threads_s": cpu_s - thread_s,
        "ticks": day["ticks"],
        "judgements": day["judgements"],
        **found,
    }


def import_everything() -> Any:
    """The modules of a simulated day, of which the program loads most only when they are needed."""
    from ib_simulator.simulated_time import simulated_loop

    with contextlib.closing(simulated_loop()):  # the client library wants a loop when it is imported
        import exchange_calendars  # noqa: F401

        import day_trader
        import day_trading_agents  # noqa: F401
        import ib_simulator.embedded  # noqa: F401
    return day_trader


@contextlib.contextmanager
def looked_into(found: dict[str, Any]) -> Iterator[None]:
    """Samples whose work is under way while the block runs, and counts what happens.

    Samples disturb less than a profiler that follows every call, and they see C code as its caller's work.
    """
    from ib_insync.decoder import Decoder

    from ib_simulator.market import SymbolMarket

    rooms: Counter[str] = Counter()
    happened: Counter[str] = Counter({"points": 0, "messages": 0})

    def counted(what: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any) -> Any:
            happened[what] += 1
            return work(*arguments)

        return count

    SymbolMarket.step = counted("points", SymbolMarket.step)  # type: ignore[method-assign]
    Decoder.interpret = counted("messages", Decoder.interpret)
    signal.signal(signal.SIGPROF, lambda _, frame: rooms.update([room_at_work(frame)]))
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        found |= {"rooms": rooms, **happened}


def room_at_work(frame: FrameType | None) -> str:
    """The innermost room on the stack: libraries without a line of their own work for who called them."""
    while frame is not None:
        if room := room_of(frame.f_code.co_filename):
            return room
        frame = frame.f_back
    return "rest"


@cache
def room_of(file: str) -> str:
    """The line of the report for a source file, empty where there is none."""
    path = Path(file)
    if path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / ".venv"):
        inside = path.relative_to(ROOT).as_posix()
        return next((room for part, room in ROOMS.items() if inside.startswith(part)), "")
    return next((room for part, room in LIBRARIES.items() if part in path.as_posix()), "")


def peak_mb() -> float:
    """The most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
