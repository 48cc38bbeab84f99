"""What six workers are worth to the watchlist: `PYTHONPATH=. python benchmarks/bench_watchlist.py [rounds]`.

A simulated gateway, a process of its own on loopback TCP in real time, answers each request for bars after 250 ms.
The analysis of the day trader asks it with one worker and with six, in turn; the shortest of each counts, because
what else the machine does only adds time. Contracts are asked for beforehand. The exit code is 1 when a ratio is
missed.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from market_hours import LiveClock, new_york_calendar
from trading.orders import ExecutionReport, OrderIntent, OrderReport

DAY = date(2025, 10, 7)
SYMBOLS = [f"SYM{number:02}" for number in range(60)]
ANSWER_AFTER_S = 0.25
FAULTS = f'[[fault]]\nkind = "delay"\nmessage = "historicalData"\ndelay_s = {ANSWER_AFTER_S}\nseconds = 3600\n'
GOALS = {60: 5.5, 10: 4.5}  # symbols -> how much faster six workers must be
MANY = 20


class Nobody:
    """Listens to nothing and writes nothing: no order is sent."""

    def on_order(self, report: OrderReport) -> None: ...
    def on_execution(self, execution: ExecutionReport) -> None: ...
    def on_fee(self, exec_id: str, fee: int) -> None: ...
    def on_message(self, code: int, text: str, order_ref: str) -> None: ...
    async def commit(self, intents: list[OrderIntent]) -> None: ...
    def sent(self, intent_id: str, order_id: int, client_id: int) -> None: ...
    def reported(self, report: OrderReport) -> None: ...


def start_gateway(faults: Path) -> tuple[subprocess.Popen[str], int]:
    """The gateway and its port."""
    command = [sys.executable, "-m", "ib_simulator", "--port", "0", "--date", str(DAY), "--faults", str(faults)]
    gateway = subprocess.Popen(
        [*command, "--symbols", ",".join(SYMBOLS), "--no-pacing"], stdout=subprocess.PIPE, text=True
    )
    assert gateway.stdout is not None
    for line in gateway.stdout:
        if found := re.search(r" on 127\.0\.0\.1:(\d+)", line):
            return gateway, int(found[1])
    raise RuntimeError("the gateway ended before it served")


async def measure(port: int, rounds: int) -> dict[tuple[int, int], float]:
    """(symbols, workers) -> shortest seconds of an analysis."""
    from broker.broker import Broker  # the client library takes the loop that is set when it is imported
    from broker.settings import BrokerSettings
    from day_trading_agents import WatchlistAnalyst
    from health.workers import WorkerPool
    from trading.settings import StrategySettings
    from vendors.sources import BrokerSource, Sources

    nobody, clock = Nobody(), LiveClock()
    broker = Broker(BrokerSettings(ib_port=port), clock, nobody, nobody, client_id=2)  # type: ignore[arg-type]
    await broker.open()
    session = new_york_calendar(DAY).session_on(DAY)
    assert session is not None
    best: dict[tuple[int, int], float] = {}
    try:
        for symbol in SYMBOLS:
            await broker.data.contract(symbol)
        plan = [(60, MANY)] + [(symbols, workers) for _ in range(rounds) for symbols in GOALS for workers in (1, 6)]
        for symbols, workers in plan:
            await asyncio.sleep(1.2)  # the client library sends 45 messages a second
            with WorkerPool(workers, "watchlist", clock) as pool:
                source = BrokerSource("the gateway", broker.data.daily_bars, clock)
                analyst = WatchlistAnalyst(Sources([source], clock), StrategySettings(), pool)
                start = time.perf_counter()
                found = await analyst.assess_all(SYMBOLS[:symbols], session)
                took_s = time.perf_counter() - start
                assert all(candidate.sessions > 20 for candidate in found)
                assert pool.state().most_at_work == min(workers, symbols)
            key = symbols, workers
            best[key] = min(took_s, best.get(key, took_s))
    finally:
        broker.disconnect()
    return best


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    with tempfile.TemporaryDirectory() as folder:
        faults = Path(folder) / "faults.toml"
        faults.write_text(FAULTS)
        gateway, port = start_gateway(faults)
        try:
            with asyncio.Runner() as runner:
                best = runner.run(measure(port, rounds))
        finally:
            gateway.terminate()
            gateway.wait()
    held = True
    for symbols, goal in GOALS.items():
        one_s, six_s = best[symbols, 1], best[symbols, 6]
        ratio = one_s / six_s
        held &= ratio >= goal
        verdict = "ok" if ratio >= goal else "MISSED"
        print(
            f"{symbols} symbols: one worker {one_s:.2f} s, six {six_s:.2f} s: {ratio:.2f} x, at least {goal} {verdict}"
        )
    print(f"60 symbols with {MANY} workers: {best[60, MANY]:.2f} s (the first analysis, nothing is cached yet)")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
