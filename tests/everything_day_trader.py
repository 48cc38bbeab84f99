"""The day trader with everything beside it: `python everything_day_trader.py SEED FAULTS_A_DAY` and its arguments.

The gateway that `--simulate` starts is hurt by chance each session, and the weekly bot trades through it too, on
Mondays and Thursdays: `main.Cycles`, as `main.py --interval` runs them, on the session's clock. What happened goes to
the working directory: `journal.db` is the exchange's own record, `faults.jsonl` has each line of the gateway's log of
faults, `blind.jsonl` the windows in which a client could not know or act, `sessions.jsonl` a measurement of this
process and the state of the account when each session is over.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of tests/, whose packages are named like ours

import day_trader  # noqa: E402
import main as weekly_bot  # noqa: E402
from day_trading.command_line import parse_arguments as day_trader_arguments  # noqa: E402
from ib_simulator.fault_kinds import Fault, Notice  # noqa: E402
from ib_simulator.fault_plan import PlannedFault  # noqa: E402
from ib_simulator.faults import FaultInjector  # noqa: E402
from ib_simulator.gateway import Gateway  # noqa: E402
from market_hours import Session  # noqa: E402
from tests.loop_watch import LoopWatch  # noqa: E402
from tests.random_faults import blind_s, random_fault, random_trigger  # noqa: E402
from utils import read_environment  # noqa: E402
from weekly.command_line import parse_arguments as weekly_arguments  # noqa: E402

FIRST_STRIKE, LAST_STRIKE = timedelta(minutes=1), timedelta(minutes=20)  # after the open, before EOD time
STORM = (  # what a gateway in trouble says many times within a second
    (100, "Max rate of messages per second has been exceeded"),
    (162, "Historical Market Data Service error message:Pacing violation"),
    (1300, "TWS socket port has been reset and this connection is being dropped"),
    (2103, "Market data farm connection is broken:usfarm"),
    (2105, "HMDS data farm connection is broken:ushmds"),
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
)
STORM_MESSAGES = 200  # within a second; then all is well again
WEEKLY_LINE = ("--run-days", "Monday", "Thursday", "--interval", str(24 * 60))
FIRST_CYCLE = timedelta(minutes=60)  # after the open of the first session; then every 24 hours


class Hurting(FaultInjector):
    """Faults by chance in every session, half of them at any moment, half where an order is on its way."""

    def __init__(self, gateway: Gateway, symbols: tuple[str, ...], rng: Random, faults_a_day: int) -> None:
        super().__init__(gateway)
        self._symbols = symbols
        self._rng = rng
        self._faults_a_day = faults_a_day
        self._told = 0  # lines of the log that are in the file

    def on_session(self, session: Session) -> None:
        super().on_session(session)
        self._armed.clear()  # what met no order in time would meet tomorrow's start, at which a person is there
        rng, by_message = self._rng, self._faults_a_day // 2
        first, last = session.open + FIRST_STRIKE, session.eod - LAST_STRIKE
        for _ in range(self._faults_a_day - by_message):
            moment = (first + rng.random() * (last - first)).timestamp()
            self._at(moment, _fires(self, random_fault(rng, self._symbols)))
        hurts = [(random_fault(rng, self._symbols), random_trigger(rng)) for _ in range(by_message)]
        armed = [PlannedFault(fault=fault, when=trigger) for fault, trigger in hurts]
        self._at(first.timestamp(), lambda: [self.add(planned) for planned in armed])
        storm_s = (first + rng.random() * (last - first)).timestamp()
        for number in range(STORM_MESSAGES):
            code, text = rng.choice(STORM) if number < STORM_MESSAGES - len(STORM) else STORM[number - STORM_MESSAGES]
            self._at(storm_s + number / STORM_MESSAGES, _fires(self, Notice(code=code, text=text)))

    def fire(self, fault: Fault) -> None:
        if length_s := blind_s(fault):
            _note("blind.jsonl", {"start_s": self.now_s, "end_s": self.now_s + length_s})
        super().fire(fault)

    def write_log(self) -> None:
        """The lines since the last time."""
        for event in self.log[self._told :]:
            _note("faults.jsonl", {**asdict(event), "at": event.at.isoformat()})
        self._told = len(self.log)


class Everything:
    """Puts itself beside the gateway that the day trader starts, and ends with it."""

    def __init__(self, seed: int, faults_a_day: int, arguments: list[str]) -> None:
        self._rng = Random(f"everything {seed}")
        self._faults_a_day = faults_a_day
        self._database = day_trader_arguments(arguments).db
        self._watch = LoopWatch()
        self._first: date | None = None
        self._weekly: asyncio.Task[None] | None = None
        self._hurting: Hurting | None = None
        self._start, self._stop, self._begin = Gateway.start, Gateway.stop, Gateway._begin
        Gateway.start = lambda gateway: self._on_start(gateway)  # type: ignore[method-assign]
        Gateway.stop = lambda gateway: self._on_stop(gateway)  # type: ignore[method-assign]
        Gateway._begin = lambda gateway, session: self._on_begin(gateway, session)  # type: ignore[method-assign]

    async def _on_start(self, gateway: Gateway) -> int:
        gateway.keep_journal(Path("journal.db"))
        self._hurting = Hurting(gateway, gateway._stocks.symbols(), self._rng, self._faults_a_day)
        gateway.inject(self._hurting)
        port = await self._start(gateway)
        self._weekly = asyncio.get_running_loop().create_task(self._run_weekly_bot(gateway, port), name="weekly bot")
        return port

    async def _run_weekly_bot(self, gateway: Gateway, port: int) -> None:
        """As `main.py` does it with an interval, but for the clock and the loop, which are the day trader's."""
        assert gateway.day.session is not None
        await gateway._clock.sleep_until(gateway.day.session.open + FIRST_CYCLE)
        os.environ["IB_PORT"] = str(port)
        args = weekly_arguments(WEEKLY_LINE)
        configuration = weekly_bot._configuration(read_environment())
        from observability import TradingHistory

        settings = configuration.records
        with TradingHistory(self._database, bot=weekly_bot.BOT, mode="simulated", settings=settings) as history:
            await weekly_bot.Cycles(args, configuration, gateway._clock, history, None).run()

    def _on_begin(self, gateway: Gateway, session: Session) -> None:
        if (over := gateway.day.session) is not None and over != session:
            self._measure(gateway, over)
        self._first = self._first or session.date
        self._begin(gateway, session)

    async def _on_stop(self, gateway: Gateway) -> None:
        assert gateway.day.session is not None
        assert self._weekly is not None
        self._measure(gateway, gateway.day.session)
        self._weekly.cancel()
        with suppress(asyncio.CancelledError):
            await self._weekly  # raises what ended it by itself
        await self._stop(gateway)

    def _measure(self, gateway: Gateway, session: Session) -> None:
        assert self._first is not None
        assert self._hurting is not None
        self._hurting.write_log()
        account = gateway.accounts.first
        loop = self._watch.of_day((session.date - self._first).days)
        wal = self._database.with_name(f"{self._database.name}-wal")
        _note(
            "sessions.jsonl",
            {
                "session": str(session.date),
                **_of_process(),
                **{f"loop_{name}": value for name, value in loop.items()},
                "database_mb": self._database.stat().st_size / 1e6,
                "wal_mb": wal.stat().st_size / 1e6 if wal.exists() else 0.0,
                "cash": account.cash,
                "held": {symbol: holding.quantity for symbol, holding in account.holdings.items() if holding.quantity},
                "resting": [[order.client_id, order.symbol] for order in gateway.exchange.orders.values()],
            },
        )


def _of_process() -> dict[str, Any]:
    """What this process uses now, memory in MB. Frozen objects are those that the garbage collector passes over."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return {
        "rss_mb": int(status["VmRSS"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
        "handles": len(list(Path("/proc/self/fd").iterdir())),
        "objects": len(gc.get_objects()) + gc.get_freeze_count(),
        "frozen_objects": gc.get_freeze_count(),
    }


def _fires(injector: FaultInjector, fault: Fault) -> Any:
    return lambda: injector.fire(fault)


def _note(file: str, what: dict[str, Any]) -> None:
    with Path(file).open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(what) + "\n")


if __name__ == "__main__":
    seed, faults_a_day, *rest = sys.argv[1:]
    Everything(int(seed), int(faults_a_day), rest)
    sys.exit(day_trader.main(rest))
