"""The day trader as a process that is killed again and again in front of a gateway that stays up."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from ib_simulator.journal import JournalEntry
from observability import TradingHistory
from tests.exchange_judge import ExchangeJudge, Window
from tests.fork_server import JOURNAL, RESULT
from tests.gateway_world import MONDAY
from tests.kill_points import Death
from tests.terminal import ROOT
from trading.money import MONEY_PER_PRICE_UNIT

CLIENT, ALLOCATION, CASH = 2, 0.25, 1_000_000_000_000
SYMBOLS = tuple(f"K{number:02}" for number in range(24))
DATABASE = "killed.db"
SETTINGS = {  # as many entries and exits as the rules allow
    "WATCHLIST_SIZE": str(len(SYMBOLS)),
    "STRATEGY_PROFIT_TARGET_PCT": "0.8",
    "STRATEGY_STOP_LOSS_PCT": "0.5",
    "STRATEGY_RSI_CAP": "90",
    "STRATEGY_ATR_FLOOR_PCT": "0",
    "RISK_COOL_DOWN_S": "60",
    "RISK_MAX_OPEN_POSITIONS": "100",
    "RISK_MAX_ENTRIES_PER_SESSION": "1000",
    "RISK_MAX_ENTRIES_PER_SYMBOL": "100",
    "RISK_MAX_DAILY_LOSS_PCT": "20",
    "RISK_MAX_DRAWDOWN_PCT": "30",
    "RISK_LOSS_STREAK": "50",
    "RISK_MAX_COST_PCT_OF_TARGET": "100",
    "IB_CONNECT_TIMEOUT_S": "120",  # seconds of a fast clock: a machine that is busy needs more of them
    "IB_REQUEST_TIMEOUT_S": "300",
}
BEGINS = MONDAY.open + timedelta(minutes=25)
LIMIT_S = 12.0  # wall time in which a daemon should meet its death
SETTLING_S = 60.0  # of the session, for the last daemon, before the books are compared
SIGKILLED, FAULT = -9, 1
MOST_STARTS = 5
HANGING_UP_S = 0.5  # wall time
WALL_SLACK_S = 4.0  # a busy machine delays a process; bounds of seconds are proven in simulated time


@dataclass(slots=True)
class KillVerdict:
    """What a run showed: deaths by point, and every invariant that did not hold."""

    deaths: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)  # points that were not met in time: killed all the same
    refused: int = 0  # starts that found no answer
    executions: int = 0
    orders: int = 0
    unheard: int = 0  # executions after the last daemon
    broken: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One line for who runs it."""
        points = ", ".join(f"{point} {count}" for point, count in self.deaths.items())
        return (
            f"{self.deaths.total()} SIGKILLs at their point ({points}), {self.missed.total()} elsewhere, "
            f"{self.refused} starts without an answer, "
            f"{self.orders} orders, {self.executions} executions, {self.unheard} of them after the last daemon, "
            f"{len(self.broken)} broken"
        )


def killed_again_and_again(
    folder: Path, deaths: Sequence[Death], *, seed: int, speed: float, to_the_close: bool = False
) -> KillVerdict:
    """One session: a daemon for each death, then one that lives. Its clock runs `speed` times as fast as the wall's."""
    verdict, folder = KillVerdict(), folder.resolve()
    with fork_server() as server:
        start = {"start": BEGINS.isoformat(), "since_s": time.monotonic(), "speed": speed}
        start["bot"] = "day_trader"
        gateway = server.ask(gateway={**start, "folder": str(folder), "symbols": SYMBOLS, "seed": seed, "cash": CASH})
        daemon = _daemon(folder, gateway["port"], start)
        for death in deaths:
            ended = _until_not_refused(server, verdict, daemon=daemon, death=death, limit_s=LIMIT_S, told_after_s=None)
            if ended["status"] != SIGKILLED:
                verdict.broken.append(f"{death}: the daemon ended by itself with {ended['status']}")
                continue
            (verdict.deaths if ended["by"] == "itself" else verdict.missed)[death.point] += 1
        told_after_s = None if to_the_close else SETTLING_S / speed
        limit_s = 120.0 if not to_the_close else (MONDAY.close - BEGINS).total_seconds() / speed + 120
        ended = _until_not_refused(
            server, verdict, daemon=daemon, death=None, limit_s=limit_s, told_after_s=told_after_s
        )
        if ended["status"] != 0:
            verdict.broken.append(f"the last daemon ended with {ended['status']}")
        server.ask(stop=gateway["pid"])
    _judge(folder, verdict, speed, flat=to_the_close)
    return verdict


def _until_not_refused(server: _ForkServer, verdict: KillVerdict, **start: Any) -> Any:
    """A daemon that finds no answer in time ends with 1: whoever keeps it alive starts it again."""
    for _ in range(MOST_STARTS):
        ended = server.ask(**start)
        if ended["status"] != FAULT:
            break
        verdict.refused += 1
    return ended


def some_deaths(points: Sequence[str], *, each: int, seed: int) -> list[Death]:
    """Every point so many times, in random order, each at one of its first passages."""
    rng = Random(f"deaths {seed}")
    deaths = [Death(point, rng.randint(1, 6)) for point in points for _ in range(each)]
    rng.shuffle(deaths)
    return deaths


class _ForkServer:
    """The other end of `tests.fork_server`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **what: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def fork_server() -> Iterator[_ForkServer]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fork_server"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _ForkServer(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _daemon(folder: Path, port: int, start: dict[str, Any]) -> dict[str, Any]:
    watchlist = folder / "watchlist.json"
    watchlist.write_text(json.dumps(SYMBOLS))
    options = ("--allocation", str(ALLOCATION), "--db", DATABASE, "--watchlist", str(watchlist), "--no-dashboard")
    return {**start, "folder": str(folder), "arguments": options, "settings": {**SETTINGS, "IB_PORT": str(port)}}


# The judgement


def _judge(folder: Path, verdict: KillVerdict, speed: float, *, flat: bool) -> None:
    """From the gateway's journal and account; of the daemon's only what it put on record is compared with them."""
    with closing(sqlite3.connect(folder / JOURNAL)) as connection:
        entries = [JournalEntry(*row) for row in connection.execute("SELECT * FROM journal ORDER BY number")]
    result = json.loads((folder / RESULT).read_text())
    judge = ExchangeJudge(
        client_id=CLIENT,
        allocation_ppm=round(ALLOCATION * 1_000_000),
        sessions=[Window(MONDAY.open.timestamp(), MONDAY.eod.timestamp())],
        slack_s=WALL_SLACK_S * speed,
    )
    judge.hear(entries)
    judge.advance(datetime.fromisoformat(result["at"]).timestamp())
    verdict.broken += judge.broken
    executions = [entry for entry in entries if entry.event == "execution"]
    verdict.executions = len(executions)
    verdict.orders = len({entry.perm_id for entry in entries if entry.perm_id})
    with TradingHistory(folder / DATABASE, bot="day_trader", mode="paper") as history:
        trades = history.trades()
        owned = {row.symbol: row.quantity for row in history.open_positions("day_trader")}
    on_record = {row.exec_id for row in trades}
    unheard = [entry for entry in _after_the_last_daemon(entries, speed) if entry.exec_id not in on_record]
    verdict.unheard = len(unheard)
    journal, account, cash = Counter(judge.shares()), Counter(result["held"]), result["cash"] - CASH
    for entry in unheard:  # back to what the last daemon knew
        journal[entry.symbol] -= entry.side * entry.shares
        account[entry.symbol] -= entry.side * entry.shares
        cash += entry.side * entry.shares * entry.price * MONEY_PER_PRICE_UNIT + entry.fees
    if not owned == {k: n for k, n in journal.items() if n} == {k: n for k, n in account.items() if n}:
        verdict.broken.append(f"ledger {owned}, journal {dict(journal)}, account {dict(account)}")
    if flat and owned:
        verdict.broken.append(f"not flat at the close: {owned}")
    recorded = Counter(row.exec_id for row in trades)
    made = Counter(entry.exec_id for entry in executions) - Counter(entry.exec_id for entry in unheard)
    verdict.broken += [f"execution {exec_id} recorded {recorded[exec_id]} times" for exec_id in made - recorded]
    verdict.broken += [f"execution {exec_id} recorded {recorded[exec_id]} times" for exec_id in recorded - made]
    spent = sum(row.quantity * row.price_usd * (1 if row.action == "BUY" else -1) for row in trades)
    fees = sum(row.commission_usd or 0.0 for row in trades)
    if abs(cash / 1_000_000 + spent + fees) >= 0.01:
        verdict.broken.append(f"cash changed by {cash / 1_000_000:.4f} USD, on record {-spent:.4f} less {fees:.4f}")


def _after_the_last_daemon(entries: Sequence[JournalEntry], speed: float) -> list[JournalEntry]:
    """Executions of resting exits once the last daemon was gone, or while it hung up, for the next start to find."""
    left = [entry for entry in entries if entry.event == "disconnected" and entry.client_id == CLIENT][-1]
    hanging_up = datetime.fromisoformat(left.at) - timedelta(seconds=HANGING_UP_S * speed)
    return [entry for entry in entries if entry.event == "execution" and datetime.fromisoformat(entry.at) > hanging_up]
