"""The budget in US dollars: reserved before a request, settled after it, kept in a small database of its own.

It belongs to the keys, not to an account or a mode: both bots and every simulated run spend from the same purse, and
a day is a day of the vendor's bill. So it uses the machine's date, also in simulated time. A reservation that was never
settled (crash, timeout) counts in full. What cannot be read or written is treated as spent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from llm.pricing import MICROS_PER_USD

BUSY_TIMEOUT_S = 5.0  # the other bot's transactions take milliseconds

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spending (
    reservation_id INTEGER PRIMARY KEY,
    reserved_at TEXT NOT NULL,
    run TEXT NOT NULL,
    provider TEXT NOT NULL,
    reserved_micros INTEGER NOT NULL CHECK (reserved_micros >= 0),
    spent_micros INTEGER CHECK (spent_micros >= 0)
) STRICT
"""
_INDEX = "CREATE INDEX IF NOT EXISTS spending_reserved_at ON spending (reserved_at)"
_SPENT = "SELECT COALESCE(SUM(COALESCE(spent_micros, reserved_micros)), 0) FROM spending WHERE "
_OF_RUN = _SPENT + "run = ?"
_SINCE = _SPENT + "reserved_at >= ?"
_RESERVE = "INSERT INTO spending (reserved_at, run, provider, reserved_micros) VALUES (?, ?, ?, ?)"
_SETTLE = "UPDATE spending SET spent_micros = ? WHERE reservation_id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """USD per period: spent and reserved so far, or what is allowed."""

    run_usd: float
    day_usd: float
    month_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OverBudget:
    """A request that would exceed the limit of `period`; `would_be_usd` includes it."""

    period: str
    limit_usd: float
    would_be_usd: float

    def __str__(self) -> str:
        return f"{self.would_be_usd:.4f} USD in this {self.period} would exceed {self.limit_usd:g} USD"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Budget:
    """One run's access to the purse. Methods block for milliseconds (the disk) and raise sqlite3.Error or OSError."""

    def __init__(self, path: Path, limits: Spending, *, run: str = "", now: Callable[[], datetime] = _utc_now) -> None:
        self.path = path
        self.limits = limits
        self.run = run or token_hex(8)
        self.now = now

    def reserve(self, micros: int, provider: str) -> int | OverBudget:
        """Set `micros` aside, on disk: the reservation's id, or which limit refuses it. Atomic between programs.

        Raises sqlite3.DatabaseError when it cannot be written.
        """
        now = self.now()
        with closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            spent = self._spent(connection, now)
            for period in ("run", "day", "month"):
                limit_usd = getattr(self.limits, f"{period}_usd")
                would_be = getattr(spent, f"{period}_usd") + micros / MICROS_PER_USD
                if would_be > limit_usd:
                    connection.execute("ROLLBACK")
                    return OverBudget(period=period, limit_usd=limit_usd, would_be_usd=would_be)
            reservation = connection.execute(_RESERVE, (now.isoformat(), self.run, provider, micros)).lastrowid
            connection.execute("COMMIT")
        if reservation is None:
            raise sqlite3.DatabaseError("the reservation has no number")
        return reservation

    def settle(self, reservation: int, micros: int) -> None:
        """Replace what was set aside by what it cost."""
        with closing(self._open()) as connection:
            connection.execute(_SETTLE, (micros, reservation))

    def spent(self) -> Spending:
        """Spent and reserved up to now."""
        with closing(self._open()) as connection:
            return self._spent(connection, self.now())

    def _spent(self, connection: sqlite3.Connection, now: datetime) -> Spending:
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        asked = ((_OF_RUN, self.run), (_SINCE, day.isoformat()), (_SINCE, day.replace(day=1).isoformat()))
        run, today, month = (
            connection.execute(query, (value,)).fetchone()[0] / MICROS_PER_USD for query, value in asked
        )
        return Spending(run_usd=run, day_usd=today, month_usd=month)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_SCHEMA)
            connection.execute(_INDEX)
        except BaseException:
            connection.close()
            raise
        return connection
