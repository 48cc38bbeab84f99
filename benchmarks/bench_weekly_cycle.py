"""One cycle of the weekly bot on 500 candidates: `PYTHONPATH=. python benchmarks/bench_weekly_cycle.py [rounds]`.

A server that answers as FMP does (in a process of its own, loopback TCP, an empty cache in each round) and the
simulated gateway: screen, two years of daily history of 500 names, Monte Carlo filter, fundamentals, estimates and
news of the best, target weights, plan, orders until they are filled, report. No language model. The first round also
loads the libraries. The exit code is 1 when the best round takes longer than the goal.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from tests.gateway_world import MONDAY
from tests.vendors.doubles import KEY, FmpDouble, price_of, serving
from tests.weekly.world import WeeklyWorld, in_weekly_world, market
from vendors.settings import VendorSettings
from weekly.results import CycleResult, Stage

NAMES, GOAL_S, ALL_PATHS = 500, 60.0, 10_000


def serve(names: int, pipe: Connection) -> None:
    """The vendor's process: tells its address, ends when told to."""
    double = FmpDouble(names)
    with serving(double):
        pipe.send((double.url, double.symbols))
        pipe.recv()
        pipe.send(len(double.asked))


def one_cycle(url: str, symbols: tuple[str, ...], folder: Path) -> tuple[CycleResult, float]:
    """The result, and the seconds that the cycle took."""
    vendors = VendorSettings.model_validate(
        {
            "fmp_api_key": KEY,
            "fmp_base_url": url,
            "fmp_plan": "ultimate",
            "vendor_cache_dir": str(folder / "vendor_cache"),
        }
    )
    feed = market(symbols, (MONDAY,), prices=lambda symbol, _session, _last: price_of(symbol))

    async def main(world: WeeklyWorld) -> tuple[CycleResult, float]:
        begun = time.perf_counter()
        result = await world.cycle(vendors=vendors, monte_carlo_paths=ALL_PATHS)
        return result, time.perf_counter() - begun

    return in_weekly_world(main, folder, feed=feed, settings={"weekly_max_sector_pct": 100.0})


def main(rounds: int) -> int:
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(NAMES, there))
    server.start()
    url, symbols = here.recv()
    took = []
    try:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                result, took_s = one_cycle(url, tuple(symbols), Path(folder))
            assert result.stage is Stage.DONE, result.why
            assert result.analysis is not None
            assert result.analysis.screened == NAMES
            assert result.plan is not None
            took.append(took_s)
            print(
                f"{result.analysis.screened} candidates, {len(result.analysis.returns.symbols)} weighed, "
                f"{len(result.plan.orders)} orders, {result.stage}: {took_s:.1f} s"
            )
    finally:
        here.send("over")
        requests = here.recv()
        server.join()
    verdict = "ok" if min(took) < GOAL_S else "MISSED"
    print(f"best of {rounds}: {min(took):.1f} s, below {GOAL_S:g} {verdict}; {requests / rounds:.0f} requests a round")
    return int(min(took) >= GOAL_S)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
