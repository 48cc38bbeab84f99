"""What outlives the gateway's process, in one SQLite file: orders, positions, cash, ids, the day's executions.

The gateway saves before it writes to its clients, in one transaction: what a client was told is in the file. Orders
that were not transmitted are lost, as they are when TWS closes; so are exotic blocks of an order (combo legs, scale,
delta-neutral and pegged parts), which mean nothing for stocks. One process at a time holds the file.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from datetime import date, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

from ib_simulator.account import Holding
from ib_simulator.accounts import Accounts
from ib_simulator.exchange import Exchange
from ib_simulator.order_registry import Filed, OrderRegistry
from ib_simulator.orders import Auction, ConditionRule, SimExecution, SimOrder, Status
from ib_simulator.request_types import PlaceOrder
from ib_simulator.wire_order import CONDITION_TYPES, WireContract, WireOrder
from utils import Misconfigured

VERSION = 2
SCHEMA = """
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE clients (client_id INTEGER PRIMARY KEY, last_order_id INTEGER NOT NULL);
CREATE TABLE accounts (
    account_id TEXT PRIMARY KEY, cash INTEGER NOT NULL, fees_paid INTEGER NOT NULL, unsettled INTEGER NOT NULL, day TEXT
);
CREATE TABLE holdings (
    account_id TEXT NOT NULL, symbol TEXT NOT NULL, quantity INTEGER NOT NULL, cost INTEGER NOT NULL,
    realised INTEGER NOT NULL, value_at_start INTEGER NOT NULL, flow INTEGER NOT NULL,
    PRIMARY KEY (account_id, symbol)
);
CREATE TABLE orders (perm_id INTEGER PRIMARY KEY, parent_perm_id INTEGER, body TEXT NOT NULL, request TEXT NOT NULL);
CREATE TABLE executions (exec_id TEXT PRIMARY KEY, perm_id INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE completed (perm_id INTEGER PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE filled_groups (name TEXT PRIMARY KEY);
"""
_LINKS = frozenset({"parent", "children", "request", "active", "trailed"})  # not stored with the order's own fields
_ORDER_FIELDS = tuple(field.name for field in dataclasses.fields(SimOrder) if field.name not in _LINKS)
_order_values = attrgetter(*_ORDER_FIELDS)
_HOLDING_FIELDS = tuple(field.name for field in dataclasses.fields(Holding))
_EXECUTION_FIELDS = tuple(name for name in SimExecution._fields if name != "order")

NUMBER_OF_CONDITION = {kind: number for number, kind in CONDITION_TYPES.items()}

Rows = dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]  # table -> key -> whole row


class StateFile:
    """Loads into and saves from the given parts of a gateway. Every method raises Misconfigured in one line."""

    def __init__(self, path: Path, accounts: Accounts, register: OrderRegistry, exchange: Exchange) -> None:
        self._path = path
        self._accounts = accounts
        self._register = register
        self._exchange = exchange
        self._saved: Rows = {table: {} for table in _KEYS}
        self._order_rows: dict[int, tuple[object, object, tuple[Any, ...]]] = {}  # perm_id -> request, values, row
        try:
            self._database = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        except sqlite3.Error as error:
            raise self._unusable(str(error)) from error
        try:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("BEGIN IMMEDIATE")
            self._create_or_check()
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._database.close()
            raise self._unusable(str(error)) from error

    def close(self) -> None:
        self._database.close()

    def load(self, now_s: int) -> None:
        """Put what the file holds into accounts, register and exchange, which are empty. A new file holds nothing.

        When the session in which it was saved has closed by `now_s`, its DAY orders are over.
        """
        try:
            if [row[0] for row in self._database.execute("PRAGMA quick_check")] != ["ok"]:
                raise self._unusable("it is corrupted")
            counters = dict(self._database.execute("SELECT name, value FROM counters"))
            if counters:
                self._load_accounts()
                self._load_orders()
                self._register.next_perm_id = counters["next_perm_id"]
                self._exchange.n_executions = counters["n_executions"]
        except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
            raise self._unusable(str(error)) from error
        closed_s, last_s = (counters.get(name, 0) for name in ("open_until_s", "extended_until_s"))
        if counters:  # a new file holds no row yet, not even zeros
            self._saved = self._rows(closed_s, last_s)
        for order in self._register.live():
            over_s = last_s if order.outside_rth and last_s else closed_s
            if order.tif not in ("GTC", "GTD") and 0 < over_s <= now_s:
                self._exchange.cancel(order)

    def save(self, open_until_s: int, extended_until_s: int = 0) -> None:
        """Write what changed since the last time.

        `open_until_s`: the close of the session that is open, `extended_until_s`: the end of its post-market; 0: none.
        """
        rows = self._rows(open_until_s, extended_until_s)
        changed: list[tuple[str, list[tuple[Any, ...]], list[tuple[Any, ...]]]] = []
        for table, now in rows.items():
            before = self._saved[table]
            gone = [key for key in before if key not in now]
            new = [row for key, row in now.items() if before.get(key) != row]
            if gone or new:
                changed.append((table, gone, new))
        if not changed:
            return
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for table, gone, new in changed:
                where = " AND ".join(f"{column} = ?" for column in _KEYS[table])
                self._database.executemany(f"DELETE FROM {table} WHERE {where}", gone)
                if new:
                    marks = ", ".join("?" * len(new[0]))
                    self._database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", new)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unusable(str(error)) from error
        self._saved = rows
        for perm_id in [perm_id for perm_id in self._order_rows if (perm_id,) not in rows["orders"]]:
            del self._order_rows[perm_id]

    def _create_or_check(self) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        (n_tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version == 0 and n_tables == 0:
            for statement in SCHEMA.split(";"):
                self._database.execute(statement)
            self._database.execute(f"PRAGMA user_version = {VERSION}")
            return
        if version != VERSION:
            self._database.close()
            raise self._unusable(f"it is not a state file of version {VERSION}")

    def _unusable(self, why: str) -> Misconfigured:
        return Misconfigured(f"state file {self._path} cannot be used: {why}")

    # Rows

    def _rows(self, open_until_s: int = 0, extended_until_s: int = 0) -> Rows:
        register = self._register
        counters = {
            "next_perm_id": register.next_perm_id,
            "n_executions": self._exchange.n_executions,
            "open_until_s": open_until_s,
            "extended_until_s": extended_until_s,
        }
        orders = [order for order in register.orders.values() if order.transmitted or order.is_done]
        stored = {order.perm_id for order in orders}
        return {
            "counters": _by_key(1, list(counters.items())),
            "clients": _by_key(1, list(register.last_order_id.items())),
            "accounts": _by_key(
                1,
                [
                    (account.account_id, account.cash, account.fees_paid, account.unsettled, _day_text(account.day))
                    for account in self._accounts.values()
                ],
            ),
            "holdings": _by_key(
                2,
                [
                    (account.account_id, symbol, *[getattr(holding, name) for name in _HOLDING_FIELDS])
                    for account in self._accounts.values()
                    for symbol, holding in account.holdings.items()
                ],
            ),
            "orders": _by_key(1, [self._order_row(order) for order in orders]),
            "executions": _by_key(1, [_execution_row(filed) for filed in register.executions]),
            "completed": _by_key(
                1, [(order.perm_id, at.isoformat()) for order, at in register.completed if order.perm_id in stored]
            ),
            "filled_groups": _by_key(1, [(name,) for name in self._exchange.book.closed_groups()]),
        }

    def _order_row(self, order: SimOrder) -> tuple[Any, ...]:
        values = _order_values(order)
        known = self._order_rows.get(order.perm_id)
        if known is not None and known[0] is order.request and known[1] == values:
            return known[2]
        parent = order.parent.perm_id if order.parent else None
        row = order.perm_id, parent, json.dumps(values), _request_text(order.request)
        self._order_rows[order.perm_id] = (order.request, values, row)
        return row

    # Back

    def _load_accounts(self) -> None:
        rows = list(self._database.execute("SELECT account_id, cash, fees_paid, unsettled, day FROM accounts"))
        names = sorted(row[0] for row in rows)
        if names != sorted(self._accounts):
            raise self._unusable(f"it belongs to {', '.join(names)}, not to {', '.join(self._accounts)}")
        for account_id, cash, fees_paid, unsettled, day in rows:
            account = self._accounts[account_id]
            account.cash, account.fees_paid, account.unsettled = cash, fees_paid, unsettled
            account.day = date.fromisoformat(day) if day else None
        for account_id, symbol, *values in self._database.execute(
            f"SELECT account_id, symbol, {', '.join(_HOLDING_FIELDS)} FROM holdings ORDER BY account_id, symbol"
        ):
            self._accounts[account_id].holdings[symbol] = Holding(*values)

    def _load_orders(self) -> None:
        register, exchange = self._register, self._exchange
        register.last_order_id.update(self._database.execute("SELECT client_id, last_order_id FROM clients"))
        for name in self._database.execute("SELECT name FROM filled_groups ORDER BY rowid"):
            exchange.book.close_group(name[0])
        for perm_id, parent_perm_id, body, request in self._database.execute(
            "SELECT perm_id, parent_perm_id, body, request FROM orders ORDER BY perm_id"
        ):
            values = dict(zip(_ORDER_FIELDS, json.loads(body), strict=True))
            values["status"], values["auction"] = Status(values["status"]), Auction(values["auction"])
            values["conditions"] = tuple(ConditionRule(*rule) for rule in values["conditions"])
            # a parent that was filled on an earlier day is gone: its children stand alone
            order = SimOrder(**values, parent=register.orders.get(parent_perm_id), request=_request(request))
            register.add(order)
            if order.is_done:
                if order.parent is not None:
                    order.parent.children.append(order)
                continue
            register.from_before[perm_id] = None
            exchange.adopt(order)
        for perm_id, body in self._database.execute("SELECT perm_id, body FROM executions ORDER BY rowid"):
            order = register.orders[perm_id]
            values = dict(zip(_EXECUTION_FIELDS, json.loads(body), strict=True))
            assert isinstance(order.request, PlaceOrder)
            register.executions.append(Filed(SimExecution(order=order, **values), order.request.contract))
        for perm_id, at in self._database.execute("SELECT perm_id, at FROM completed ORDER BY at, perm_id"):
            register.completed.append((register.orders[perm_id], datetime.fromisoformat(at)))


_KEYS: dict[str, tuple[str, ...]] = {  # table -> its key columns
    "counters": ("name",),
    "clients": ("client_id",),
    "accounts": ("account_id",),
    "holdings": ("account_id", "symbol"),
    "orders": ("perm_id",),
    "executions": ("exec_id",),
    "completed": ("perm_id",),
    "filled_groups": ("name",),
}


def _by_key(n_columns: int, rows: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {row[:n_columns]: row for row in rows}


def _execution_row(filed: Filed) -> tuple[Any, ...]:
    execution = filed.execution
    body = json.dumps([getattr(execution, name) for name in _EXECUTION_FIELDS])
    return execution.exec_id, execution.order.perm_id, body


def _request_text(request: object) -> str:
    assert isinstance(request, PlaceOrder)
    parts = {"order_id": request.order_id, "sec_id_type": request.sec_id_type, "sec_id": request.sec_id}
    parts["conditions"] = [
        (NUMBER_OF_CONDITION[type(condition)], dataclasses.asdict(condition)) for condition in request.order.conditions
    ]
    return json.dumps(parts | {"contract": _plain(request.contract), "order": _plain(request.order)})


def _request(text: str) -> PlaceOrder:
    parts = json.loads(text)
    contract = WireContract(**parts.pop("contract"))
    order = {name: _tupled(value) for name, value in parts.pop("order").items()}
    conditions = tuple(CONDITION_TYPES[number](**values) for number, values in parts.pop("conditions"))
    return PlaceOrder(contract=contract, order=WireOrder(conditions=conditions, **order), **parts)


def _plain(value: Any) -> dict[str, Any]:
    """The attributes that are not at their default and have a form in JSON: scalars, and tag-value lists."""
    told = {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        is_pairs = isinstance(content, tuple) and all(isinstance(part, tuple) for part in content)
        if content != field.default and (isinstance(content, str | int | float | bool) or is_pairs):
            told[field.name] = content
    return told


def _tupled(value: Any) -> Any:
    return tuple(tuple(pair) for pair in value) if isinstance(value, list) else value


def _day_text(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
