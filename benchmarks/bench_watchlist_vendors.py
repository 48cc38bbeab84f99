"""How long a watchlist from a data vendor takes: `PYTHONPATH=. python benchmarks/bench_watchlist_vendors.py [rounds]`.

A server that answers as FMP does, in a process of its own on loopback TCP at zero latency: universe by screener,
quotes, earnings, news, daily history of each symbol, scores by six workers, the file. Each run begins with an empty
cache; the second figure is the same again with what was kept. The median of the rounds counts. Exit code 1 when a
goal is missed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from day_trading_agents import WatchlistAnalyst
from health.workers import WorkerPool
from market_hours import LiveClock
from tests.vendors.doubles import CALENDAR, KEY, SESSION_DAY, FmpDouble, serving
from tools import open_sources
from trading.settings import StrategySettings
from vendors.settings import VendorSettings

GOALS_S = {500: 5.0, 10: 0.5}  # symbols -> seconds
WORKERS = 6
REFUSED = 2  # of the double: one symbol reports today, one gaps


def serve(symbols: int, pipe: Connection) -> None:
    """The server's process: tells its address, ends when told to."""
    double = FmpDouble(symbols)
    with serving(double):
        pipe.send(double.url)
        pipe.recv()
        pipe.send(len(double.asked))


async def analyse(url: str, symbols: int, folder: Path) -> float:
    """Seconds of one analysis."""
    session = CALENDAR.session_on(SESSION_DAY)
    assert session is not None
    vendors = VendorSettings.model_validate(
        {
            "fmp_api_key": KEY,
            "fmp_base_url": url,
            "fmp_plan": "ultimate",
            "vendor_cache_dir": str(folder / "vendor_cache"),
        }
    )
    clock = LiveClock()
    begun = time.perf_counter()
    async with open_sources(vendors, clock) as sources:
        with WorkerPool(WORKERS, "watchlist", clock) as pool:
            settings = StrategySettings(watchlist_universe=("S000",), watchlist_universe_size=symbols)
            analyst = WatchlistAnalyst(sources, settings, pool)
            watchlist = await analyst.analyse(("S000",), session, folder / "watchlist.json")
    took_s = time.perf_counter() - begun
    assert len(watchlist.entries) == min(10, symbols - REFUSED)
    return took_s


def measure(symbols: int, rounds: int) -> tuple[list[float], list[float], int]:
    """Seconds with an empty cache, seconds with a full one, requests of all rounds."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(symbols, there))
    server.start()
    url = here.recv()
    cold, warm = [], []
    try:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                cold.append(asyncio.run(analyse(url, symbols, Path(folder))))
                warm.append(asyncio.run(analyse(url, symbols, Path(folder))))
    finally:
        here.send("over")
        requests = here.recv()
        server.join()
    return cold, warm, requests


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    held = True
    for symbols, goal_s in GOALS_S.items():
        cold, warm, requests = measure(symbols, rounds)
        middle = median(cold)
        held &= middle < goal_s
        verdict = "ok" if middle < goal_s else "MISSED"
        print(
            f"{symbols} symbols: median {middle:.2f} s (least {min(cold):.2f}, most {max(cold):.2f}) of {rounds}, "
            f"below {goal_s:g} {verdict}; again from the cache {median(warm):.2f} s; "
            f"{requests / rounds:.0f} requests a round"
        )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
