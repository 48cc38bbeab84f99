"""How many shares are owned after each execution is kept by the database, whatever happens to the executions."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from records.connections import open_for_writing
from records.migrations import migrate
from records.schema import MIGRATIONS

Key = tuple[str, str, str]

INSERT = (
    "INSERT INTO trades (exec_id, session_date, timestamp, bot, mode, symbol, action, quantity, price, reason) "
    "VALUES (?, '2025-10-07', ?, ?, 'paper', ?, ?, ?, 10.0, 'entry')"
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_for_writing(tmp_path / "history.db")
    yield connection
    connection.close()


def random_trade(random: Random, number: int) -> tuple[str, str, str, str, str, int]:
    at = f"2025-10-07T14:{random.randint(0, 9):02}:00.000000+00:00"  # many in the same instant
    bot, symbol, action = random.choice(("a", "b")), random.choice(("X", "Y")), random.choice(("BUY", "SELL"))
    return f"e{number}", at, bot, symbol, action, random.randint(1, 3)


def counted_afresh(connection: sqlite3.Connection) -> tuple[dict[int, int], dict[Key, int]]:
    """trade_id -> owned, and key -> quantity, from the executions alone."""
    owned: dict[int, int] = {}
    held: dict[Key, int] = defaultdict(int)
    query = "SELECT trade_id, bot, mode, symbol, action, quantity FROM trades ORDER BY timestamp, trade_id"
    for trade_id, bot, mode, symbol, action, quantity in connection.execute(query):
        held[bot, mode, symbol] += quantity if action == "BUY" else -quantity
        owned[trade_id] = held[bot, mode, symbol]
    return owned, {key: quantity for key, quantity in held.items() if quantity}


def on_record(connection: sqlite3.Connection) -> tuple[dict[int, int], dict[Key, int]]:
    held = connection.execute("SELECT bot, mode, symbol, quantity FROM holdings WHERE quantity <> 0").fetchall()
    return dict(connection.execute("SELECT trade_id, owned FROM trades")), {
        (bot, mode, symbol): quantity for bot, mode, symbol, quantity in held
    }


@pytest.mark.parametrize("seed", range(8))
def test_late_corrected_and_deleted_executions_change_those_after_them(
    connection: sqlite3.Connection, seed: int
) -> None:
    random = Random(seed)
    for number in range(120):
        connection.execute(INSERT, random_trade(random, number))
        chosen = f"e{random.randint(0, number)}"
        if random.random() < 0.2:
            connection.execute("DELETE FROM trades WHERE exec_id = ?", (chosen,))
        if random.random() < 0.3:
            _, at, bot, symbol, action, quantity = random_trade(random, 0)
            connection.execute(
                "UPDATE trades SET timestamp = ?, bot = ?, symbol = ?, action = ?, quantity = ? WHERE exec_id = ?",
                (at, bot, symbol, action, quantity, chosen),
            )
        assert on_record(connection) == counted_afresh(connection)


def test_an_execution_reported_again_counts_once(connection: sqlite3.Connection) -> None:
    trade = ("e1", "2025-10-07T14:00:00.000000+00:00", "a", "X", "BUY", 5)
    for _ in range(2):
        connection.execute(f"{INSERT} ON CONFLICT (exec_id) DO UPDATE SET commission = excluded.commission", trade)
    assert on_record(connection) == ({1: 5}, {("a", "paper", "X"): 5})


def test_executions_of_an_older_database_are_counted_when_it_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, MIGRATIONS[:1])
    random = Random(1)
    connection.execute("BEGIN")
    for number in range(200):
        connection.execute(INSERT, random_trade(random, number))
    connection.execute("COMMIT")
    connection.close()
    with_shares = open_for_writing(path)
    assert on_record(with_shares) == counted_afresh(with_shares)
    with_shares.close()


def test_views_agree_with_a_walk_over_all_executions(connection: sqlite3.Connection) -> None:
    random = Random(3)
    for number in range(400):
        connection.execute(INSERT, random_trade(random, number))
    trips, since, held = [], defaultdict(list), defaultdict(int)
    query = "SELECT trade_id, bot, mode, symbol, action, quantity, timestamp FROM trades ORDER BY timestamp, trade_id"
    for trade_id, bot, mode, symbol, action, quantity, at in connection.execute(query):
        key = (bot, mode, symbol)
        held[key] += quantity if action == "BUY" else -quantity
        since[key].append(at)
        if held[key] == 0:
            trips.append((trade_id, *key, since[key][0], at, len(since.pop(key))))
    found = connection.execute("SELECT trip, bot, mode, symbol, opened_at, closed_at, executions FROM round_trips")
    assert sorted(found) == sorted(trips)
    assert len(trips) > 5
    open_ones = connection.execute("SELECT bot, mode, symbol, quantity, opened_at FROM open_positions")
    assert sorted(open_ones) == sorted((*key, held[key], moments[0]) for key, moments in since.items())
