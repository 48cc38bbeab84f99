"""What really happened at the simulated exchange, whatever the clients were told: the judge of a test with faults."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ib_simulator.orders import ExchangeListener, Refusal, SimExecution, SimOrder
from market_hours import utc_from_epoch

TABLE = """
CREATE TABLE IF NOT EXISTS journal (
    number INTEGER PRIMARY KEY, at TEXT, event TEXT, perm_id INTEGER, order_ref TEXT, client_id INTEGER,
    order_id INTEGER, account TEXT, symbol TEXT, side INTEGER, quantity INTEGER, filled INTEGER, status TEXT,
    shares INTEGER, price INTEGER, exec_id TEXT, reason TEXT
)
"""


class JournalEntry(NamedTuple):
    """One event. `event` is order, modified, execution, cancelled or refused; `at` is ISO-8601 UTC.

    `side` is 1 or -1, `quantity` and `filled` are the order's; `shares` and `price` (1e-4 USD) are the execution's.
    """

    number: int
    at: str
    event: str
    perm_id: int
    order_ref: str
    client_id: int
    order_id: int
    account: str
    symbol: str
    side: int
    quantity: int
    filled: int
    status: str
    shares: int
    price: int
    exec_id: str
    reason: str


class Journal:
    """Listens between the exchange and `listener`. In memory, or in the SQLite file `path`, which is appended to.

    An order's entry is written when its state, size or number of shares filled changed, not at every report.
    """

    def __init__(self, listener: ExchangeListener, now: Callable[[], datetime], path: Path | None = None) -> None:
        self._listener = listener
        self._now = now
        self._states: dict[int, tuple[str, int, int]] = {}  # perm_id -> status, quantity, filled as last written
        self._database = sqlite3.connect(path or ":memory:", isolation_level=None)
        if path is not None:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")  # a test's evidence, not its loss
        self._database.execute(TABLE)

    def entries(self, event: str = "", perm_id: int = 0) -> list[JournalEntry]:
        """All entries in order; of one event and one order when given."""
        rows = self._database.execute(
            "SELECT * FROM journal WHERE ? IN ('', event) AND ? IN (0, perm_id) ORDER BY number", (event, perm_id)
        )
        return [JournalEntry(*row) for row in rows]

    def shares(self) -> dict[str, int]:
        """Net shares of all executions: symbol -> shares, flat ones left out."""
        rows = self._database.execute(
            "SELECT symbol, sum(side * shares) AS net FROM journal WHERE event = 'execution'"
            " GROUP BY symbol HAVING net <> 0 ORDER BY symbol"
        )
        return {symbol: int(net) for symbol, net in rows}

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # What the exchange reports

    def on_order(self, order: SimOrder) -> None:
        state = (order.status.value, order.quantity, order.filled)
        if self._states.get(order.perm_id) != state:
            self._states[order.perm_id] = state
            self._write("order", order)
        if order.is_done:
            self._states.pop(order.perm_id, None)
        self._listener.on_order(order)

    def on_modified(self, order: SimOrder) -> None:
        self._write("modified", order)
        self._listener.on_modified(order)

    def on_execution(self, execution: SimExecution) -> None:
        self._write(
            "execution",
            execution.order,
            shares=execution.quantity,
            price=execution.price,
            exec_id=execution.exec_id,
            at=utc_from_epoch(execution.at_s),
        )
        self._listener.on_execution(execution)

    def on_cancelled(self, order: SimOrder, reason: str) -> None:
        self._states.pop(order.perm_id, None)
        self._write("cancelled", order, reason=reason)
        self._listener.on_cancelled(order, reason)

    def on_refused(self, order: SimOrder, refusal: Refusal) -> None:
        self._write("refused", order, reason=f"{refusal.code} {refusal.text}")
        self._listener.on_refused(order, refusal)

    def _write(
        self,
        event: str,
        order: SimOrder,
        *,
        shares: int = 0,
        price: int = 0,
        exec_id: str = "",
        reason: str = "",
        at: datetime | None = None,
    ) -> None:
        values = (
            (at or self._now()).isoformat(),
            event,
            order.perm_id,
            order.order_ref,
            order.client_id,
            order.order_id,
            order.account,
            order.symbol,
            order.side,
            order.quantity,
            order.filled,
            order.status.value,
            shares,
            price,
            exec_id,
            reason,
        )
        self._database.execute(f"INSERT INTO journal VALUES (NULL{', ?' * len(values)})", values)
