"""What really happened at the simulated exchange, whatever the clients were told: the judge of a test with faults."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, get_type_hints

from ib_simulator.orders import ExchangeListener, Refusal, SimExecution, SimOrder
from market_hours import utc_from_epoch

TABLE = """
CREATE TABLE IF NOT EXISTS journal (
    number INTEGER PRIMARY KEY, at TEXT, event TEXT, perm_id INTEGER, order_ref TEXT, client_id INTEGER,
    order_id INTEGER, account TEXT, symbol TEXT, side INTEGER, quantity INTEGER, filled INTEGER, status TEXT,
    shares INTEGER, price INTEGER, exec_id TEXT, reason TEXT, order_type TEXT, limit_price INTEGER,
    stop_price INTEGER, good_after_s INTEGER, oca_group TEXT, parent_perm_id INTEGER, fees INTEGER,
    net_liquidation INTEGER
)
"""


class JournalEntry(NamedTuple):
    """One event. `event` is order, modified, execution, cancelled, refused, connected or disconnected.

    `at` is ISO-8601 UTC. `side` is 1 or -1; `quantity`, `filled` and the terms behind `reason` are the order's, prices
    in 1e-4 USD (0: none); `shares`, `price` (1e-4 USD) and `fees` (1e-6 USD) are the execution's. `net_liquidation` is
    the account's at that moment, 1e-6 USD. Of a connection there is the client id alone.
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
    order_type: str
    limit_price: int
    stop_price: int
    good_after_s: int
    oca_group: str
    parent_perm_id: int
    fees: int
    net_liquidation: int


NO_ORDER = {  # field -> its empty value, of those that come after `event`
    name: kind() for name, kind in list(get_type_hints(JournalEntry).items())[3:]
}


class Journal:
    """Listens between the exchange and `listener`. In memory, or in the SQLite file `path`, which is appended to.

    `net_liquidation_of` tells what an account is worth (1e-6 USD).

    An order's entry is written when its state, size or number of shares filled changed, not at every report.
    """

    def __init__(
        self,
        listener: ExchangeListener,
        now: Callable[[], datetime],
        net_liquidation_of: Callable[[str], int],
        path: Path | None = None,
    ) -> None:
        self._listener = listener
        self._now = now
        self._net_liquidation_of = net_liquidation_of
        self._states: dict[int, tuple[str, int, int]] = {}  # perm_id -> status, quantity, filled as last written
        self._database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._database.close)  # read after its gateway stopped; any thread collects it
        if path is not None:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")  # a test's evidence, not its loss
        self._database.execute(TABLE)

    def entries(self, event: str = "", perm_id: int = 0, after: int = 0) -> list[JournalEntry]:
        """All entries in order; of one event and one order when given, and behind the entry of number `after`."""
        rows = self._database.execute(
            "SELECT * FROM journal WHERE number > ? AND ? IN ('', event) AND ? IN (0, perm_id) ORDER BY number",
            (after, event, perm_id),
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
            fees=execution.fees,
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

    # What the gateway reports

    def on_connected(self, client_id: int) -> None:
        """A client has logged in."""
        self._write_connection("connected", client_id)

    def on_disconnected(self, client_id: int) -> None:
        """Its socket is gone."""
        self._write_connection("disconnected", client_id)

    def _write_connection(self, event: str, client_id: int) -> None:
        self._insert((self._now().isoformat(), event, *(NO_ORDER | {"client_id": client_id}).values()))

    def _write(
        self,
        event: str,
        order: SimOrder,
        *,
        shares: int = 0,
        price: int = 0,
        exec_id: str = "",
        fees: int = 0,
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
            order.order_type,
            order.limit,
            order.stop,
            order.good_after_s,
            order.oca_group,
            order.parent.perm_id if order.parent is not None else 0,
            fees,
            self._net_liquidation_of(order.account),
        )
        self._insert(values)

    def _insert(self, values: tuple[object, ...]) -> None:
        self._database.execute(f"INSERT INTO journal VALUES (NULL{', ?' * len(values)})", values)
