"""Views worked by hand, the four indexes in use, and the values the database refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pytest

from records import rows
from records.connections import open_for_writing

DAY, NEXT_DAY = "2025-10-07", "2025-10-08"


class Database:
    """An empty database and a short way to add executions; times are HH:MM:SS of the session."""

    def __init__(self, path: Path) -> None:
        self.connection = open_for_writing(path)
        self.connection.row_factory = sqlite3.Row
        self._numbers = count()

    def trade(self, time: str, symbol: str, action: str, quantity: int, price: float, **more: Any) -> None:
        values = {
            "exec_id": f"e{next(self._numbers)}",
            "session_date": DAY,
            "bot": "day_trader",
            "mode": "simulated",
            "symbol": symbol,
            "action": action,
            "quantity": quantity,
            "price": price,
            "reason": "entry",
            **more,
        }
        values["timestamp"] = f"{values['session_date']}T{time}.000000+00:00"
        self.connection.execute(
            f"INSERT INTO trades ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
            list(values.values()),
        )

    def ask(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self.connection.execute(query, parameters)]

    def plan(self, query: str) -> str:
        return " / ".join(str(row["detail"]) for row in self.ask(f"EXPLAIN QUERY PLAN {query}"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "history.db")
    yield database
    database.connection.close()


def test_partial_fills_are_one_round_trip(database: Database) -> None:
    database.trade("14:00:00", "AAPL", "BUY", 60, 10.00, commission=0.35)
    database.trade("14:00:01", "AAPL", "BUY", 40, 10.50, commission=0.15)
    database.trade("14:30:00", "AAPL", "SELL", 30, 11.00, commission=0.25, pnl=24.0, reason="profit_target")
    database.trade("14:40:30", "AAPL", "SELL", 70, 10.00, commission=0.25, pnl=-14.5, reason="stop_loss")
    # bought 600 + 420 = 1020 for 100; sold 330 + 700 = 1030 for 100
    assert database.ask("SELECT * FROM round_trips") == [
        {
            "bot": "day_trader",
            "mode": "simulated",
            "symbol": "AAPL",
            "trip": 4,
            "session_date": DAY,
            "opened_at": "2025-10-07T14:00:00.000000+00:00",
            "closed_at": "2025-10-07T14:40:30.000000+00:00",
            "quantity": 100,
            "avg_entry_price": 10.2,
            "avg_exit_price": 10.3,
            "pnl": 9.5,
            "commission": 1.0,
            "exit_reason": "stop_loss",
            "duration_s": 2430.0,
            "executions": 4,
        }
    ]
    assert database.ask("SELECT * FROM open_positions") == []


def test_two_round_trips_of_a_symbol_in_a_day_and_a_third_open(database: Database) -> None:
    database.trade("14:00:00", "AAPL", "BUY", 10, 10.0)
    database.trade("14:10:00", "AAPL", "SELL", 10, 11.0, pnl=10.0, reason="profit_target")
    database.trade("15:00:00", "AAPL", "BUY", 20, 12.0)
    database.trade("15:00:00", "AAPL", "SELL", 20, 11.0, pnl=-20.0, reason="stop_loss")  # in the same instant
    database.trade("16:00:00", "AAPL", "BUY", 30, 13.0)
    trips = database.ask("SELECT trip, quantity, pnl, duration_s, exit_reason FROM round_trips ORDER BY trip")
    assert trips == [
        {"trip": 2, "quantity": 10, "pnl": 10.0, "duration_s": 600.0, "exit_reason": "profit_target"},
        {"trip": 4, "quantity": 20, "pnl": -20.0, "duration_s": 0.0, "exit_reason": "stop_loss"},
    ]
    assert database.ask("SELECT symbol, quantity, cost_basis, avg_price, opened_at FROM open_positions") == [
        {
            "symbol": "AAPL",
            "quantity": 30,
            "cost_basis": 390.0,
            "avg_price": 13.0,
            "opened_at": "2025-10-07T16:00:00.000000+00:00",
        }
    ]


def test_bots_and_modes_on_one_symbol_do_not_net(database: Database) -> None:
    database.trade("14:00:00", "AAPL", "BUY", 10, 10.0)
    database.trade("14:01:00", "AAPL", "BUY", 5, 20.0, bot="weekly", reason="rebalance")
    database.trade("14:02:00", "AAPL", "BUY", 7, 30.0, mode="paper")
    database.trade("14:10:00", "AAPL", "SELL", 10, 11.0, pnl=10.0, reason="eod")
    assert [trip["bot"] for trip in database.ask("SELECT * FROM round_trips")] == ["day_trader"]
    open_ones = database.ask("SELECT bot, mode, quantity FROM open_positions ORDER BY quantity")
    assert open_ones == [
        {"bot": "weekly", "mode": "simulated", "quantity": 5},
        {"bot": "day_trader", "mode": "paper", "quantity": 7},
    ]


def test_open_position_after_partial_exit_keeps_the_mean_price_since_flat(database: Database) -> None:
    database.trade("14:00:00", "F", "BUY", 100, 10.0)
    database.trade("14:01:00", "F", "SELL", 50, 11.0, pnl=50.0, reason="manual")
    database.trade("14:02:00", "F", "BUY", 100, 13.0)
    # bought 1000 + 1300 = 2300 for 200, so 11.50 a share; 150 are left
    (position,) = database.ask("SELECT quantity, avg_price, cost_basis FROM open_positions")
    assert position == {"quantity": 150, "avg_price": 11.5, "cost_basis": 1725.0}


def test_sold_without_having_shows_as_negative_not_as_flat(database: Database) -> None:
    database.trade("14:00:00", "F", "BUY", 10, 10.0)
    database.trade("14:01:00", "F", "SELL", 15, 12.0, pnl=20.0, reason="eod")
    (position,) = database.ask("SELECT quantity, avg_price FROM open_positions")
    assert position == {"quantity": -5, "avg_price": 12.0}
    assert database.ask("SELECT * FROM round_trips") == []


def test_an_execution_recorded_late_is_counted_at_its_time(database: Database) -> None:
    database.trade("14:00:00", "F", "BUY", 10, 10.0)
    database.trade("15:00:00", "F", "BUY", 10, 10.0)
    database.trade("14:30:00", "F", "SELL", 10, 11.0, pnl=10.0, reason="manual")
    assert [t["closed_at"][11:16] for t in database.ask("SELECT * FROM round_trips")] == ["14:30"]
    assert [p["opened_at"][11:16] for p in database.ask("SELECT * FROM open_positions")] == ["15:00"]


def test_a_trip_over_night_belongs_to_the_session_that_closed_it(database: Database) -> None:
    database.trade("19:00:00", "F", "BUY", 10, 10.0, bot="weekly")
    database.trade("19:00:00", "F", "SELL", 10, 11.0, bot="weekly", session_date=NEXT_DAY, pnl=10.0, reason="rebalance")
    (trip,) = database.ask("SELECT session_date, duration_s FROM round_trips")
    assert trip == {"session_date": NEXT_DAY, "duration_s": 86400.0}


def test_a_sum_that_misses_a_part_is_null(database: Database) -> None:
    database.trade("14:00:00", "F", "BUY", 10, 10.0, commission=0.5)
    database.trade("14:01:00", "F", "SELL", 5, 11.0, commission=0.5, pnl=4.0, reason="eod")
    database.trade("14:02:00", "F", "SELL", 5, 11.0, reason="eod")
    assert database.ask("SELECT pnl, commission FROM round_trips") == [{"pnl": None, "commission": None}]


def test_today_is_the_latest_session(database: Database) -> None:
    database.trade("14:00:00", "F", "BUY", 10, 10.0)
    database.trade("14:00:00", "GM", "BUY", 10, 10.0, session_date=NEXT_DAY)
    assert [row["symbol"] for row in database.ask("SELECT * FROM today")] == ["GM"]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM trades WHERE timestamp >= '2025'", "trades_timestamp"),
        ("SELECT * FROM trades WHERE symbol = 'F' AND timestamp >= '2025'", "trades_symbol_timestamp"),
        ("SELECT * FROM trades WHERE session_date = '2025-10-07' AND bot = 'b'", "trades_session_date_bot"),
        ("SELECT * FROM today", "trades_session_date_bot"),
        ("SELECT * FROM agent_health WHERE timestamp >= '2025' ORDER BY timestamp", "agent_health_timestamp"),
    ],
)
def test_the_four_indexes_are_used(database: Database, query: str, index: str) -> None:
    assert f"USING INDEX {index} (" in database.plan(query)


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "HOLD"},
        {"reason": "because"},
        {"quantity": 0},
        {"quantity": 1.5},
        {"price": float("nan")},
        {"price": -1.0},
        {"session_date": "20251007"},
        {"bot": ""},
        {"parameters": "{not json"},
    ],
)
def test_a_trade_that_cannot_be_is_refused(database: Database, wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"symbol": "F", "action": "BUY", "quantity": 1, "price": 10.0}
    database.trade("14:00:00", **right)
    with pytest.raises(sqlite3.IntegrityError):
        database.trade("14:00:00", **{**right, **wrong})


def test_the_types_and_the_database_allow_the_same_words(database: Database) -> None:
    pairs = [
        ("trades", "action", rows.Action),
        ("trades", "reason", rows.Reason),
        ("order_intents", "role", rows.Role),
        ("order_intents", "state", rows.IntentState),
        ("decisions", "kind", rows.DecisionKind),
        ("agent_health", "status", rows.HealthStatus),
        ("parameter_changes", "source", rows.ChangeSource),
        ("improvement_steps", "step", rows.ImprovementStep),
    ]
    for table, column, words in pairs:
        ((made,),) = database.connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,))
        allowed = ", ".join(f"'{word}'" for word in get_args(words))
        assert f"CHECK ({column} IN ({allowed}))" in made
