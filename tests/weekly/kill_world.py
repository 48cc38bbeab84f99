"""The weekly bot as a process that is killed again and again in front of a gateway that stays up."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from ib_simulator.journal import JournalEntry
from observability import TradingHistory
from tests.fork_server import JOURNAL, RESULT
from tests.gateway_world import MONDAY
from tests.kill_points import AT_ANY_TIME, Death
from tests.kill_world import FAULT, MOST_STARTS, SIGKILLED, fork_server
from tests.weekly.judge import broken_invariants, differences

CASH = 1_000_000_000_000
DATABASE = "killed.db"
SYMBOLS = tuple(f"K{number:02}" for number in range(10))
BEGINS = MONDAY.open + timedelta(minutes=10)
LIMIT_S = 12.0  # wall time in which a run should meet its death or its end
LATEST_DEATH_MS, LATEST_PASSAGE = 2_000, 2
APPETITES = ("10", "45")  # WEEKLY_MAX_WEIGHT_PCT of one run after the other: each wants quite another portfolio
SETTINGS = {
    "WEEKLY_UNIVERSE": ",".join(SYMBOLS),
    "WEEKLY_MAX_SECTOR_PCT": "100",
    "WEEKLY_MAX_TURNOVER_PCT": "200",
    "WEEKLY_MAX_LOSS_PROBABILITY_PCT": "100",
    "WEEKLY_ORDER_PATIENCE_S": "40",
    "WEEKLY_LLM_NAMES": "0",
    "REBALANCE_BAND_PCT": "0.0001",  # each run may trade
    "IB_CONNECT_TIMEOUT_S": "120",  # seconds of a fast clock: a machine that is busy needs more of them
    "IB_REQUEST_TIMEOUT_S": "300",
}


@dataclass(slots=True)
class Verdict:
    """What a run showed: deaths by point, cycles that ended by themselves, and every invariant that did not hold."""

    deaths: Counter[str] = field(default_factory=Counter)
    completed: int = 0
    executions: int = 0
    orders: int = 0
    broken: list[str] = field(default_factory=list)

    def count(self, death: Death | None, ended: Any) -> None:
        """A run that ended: killed, or by itself, which it does when there is little to order."""
        if ended["status"] == SIGKILLED and death is not None:
            self.deaths[death.point if ended["by"] == "itself" else "at the limit"] += 1
        elif ended["status"] == 0:
            self.completed += 1
        else:
            self.broken.append(f"{death}: the run ended with {ended['status']}")

    def summary(self) -> str:
        """One line for who runs it."""
        points = ", ".join(f"{point} {count}" for point, count in sorted(self.deaths.items()))
        return (
            f"{self.deaths.total()} SIGKILLs ({points}), {self.completed} runs to their end, "
            f"{self.orders} orders, {self.executions} executions, {len(self.broken)} broken"
        )


def killed_again_and_again(folder: Path, deaths: Sequence[Death], *, seed: int, speed: float) -> Verdict:
    """One session: a run for each death, then two that live. Their clock is `speed` times as fast as the wall's."""
    verdict, folder = Verdict(), folder.resolve()
    with fork_server() as server:
        start: dict[str, Any] = {"start": BEGINS.isoformat(), "since_s": time.monotonic(), "speed": speed}
        start["bot"] = "weekly"
        gateway = server.ask(gateway={**start, "folder": str(folder), "symbols": SYMBOLS, "seed": seed, "cash": CASH})
        settings = SETTINGS | {"IB_PORT": str(gateway["port"]), "XDG_STATE_HOME": str(folder)}
        arguments = ("--db", DATABASE)
        appetites = itertools.cycle(APPETITES)
        for death in [*deaths, None, None]:
            for _ in range(MOST_STARTS if death is not None else 1):
                appetite = {"WEEKLY_MAX_WEIGHT_PCT": next(appetites)}
                about = {**start, "folder": str(folder), "arguments": arguments, "settings": settings | appetite}
                limit_s = LIMIT_S if death is not None else 10 * LIMIT_S
                ended = _not_refused(server, daemon=about, death=death, limit_s=limit_s, told_after_s=None)
                verdict.count(death, ended)
                if ended["status"] == SIGKILLED:
                    break
        server.ask(stop=gateway["pid"])
    _judge(folder, verdict)
    return verdict


def _not_refused(server: Any, **start: Any) -> Any:
    """A run that finds no answer in time ends with 1: cron starts it again."""
    for _ in range(MOST_STARTS):
        ended = server.ask(**start)
        if ended["status"] != FAULT:
            break
    return ended


def some_deaths(points: Sequence[str], *, each: int, seed: int) -> list[Death]:
    """Every point so many times, in random order, each at one of its first passages."""
    rng = Random(f"weekly deaths {seed}")
    deaths = [
        Death(point, rng.randint(1, LATEST_DEATH_MS if point == AT_ANY_TIME else LATEST_PASSAGE))
        for point in points
        for _ in range(each)
    ]
    rng.shuffle(deaths)
    return deaths


def _judge(folder: Path, verdict: Verdict) -> None:
    """From the gateway's journal and account; of the bot only what it put on record is compared with them."""
    with closing(sqlite3.connect(folder / JOURNAL)) as connection:
        entries = [JournalEntry(*row) for row in connection.execute("SELECT * FROM journal ORDER BY number")]
    result = json.loads((folder / RESULT).read_text())
    verdict.executions = sum(entry.event == "execution" for entry in entries)
    verdict.orders = len({entry.perm_id for entry in entries if entry.perm_id})
    verdict.broken += broken_invariants(entries)
    with TradingHistory(folder / DATABASE, bot="weekly", mode="paper") as history:
        cash_usd = (result["cash"] - CASH) / 1_000_000
        verdict.broken += differences(history, entries, result["held"], cash_usd)
        verdict.broken += _more_than_planned(history)


def _more_than_planned(history: TradingHistory) -> list[str]:
    """Planned orders of which more was executed than planned, over all intents ever made for them."""
    executed: Counter[str] = Counter()
    for row in history.trades(bot="weekly"):
        intent = history.intent(row.intent_id or "")
        if intent is not None and intent.decision_id is not None:
            executed[intent.decision_id] += row.quantity
    planned: dict[str, int] = {}
    for cycle in history.weekly_cycles(10_000):
        for order in (cycle.plan or {}).get("orders", ()):
            planned[order["order_id"]] = order["quantity"]
    return [
        f"{order_id}: {shares} executed of {planned.get(order_id, 0)} planned"
        for order_id, shares in executed.items()
        if shares > planned.get(order_id, 0)
    ]
