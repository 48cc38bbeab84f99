"""The check of a database file, and of the limits of its connections."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from observability import TradingHistory
from records.connections import limits_of, open_for_reading, open_for_writing
from records.inspection import Check, inspect_database
from records.queries import QUERY_OF_INDEX
from records.schema import APPLICATION_ID, MIGRATIONS
from utils import Misconfigured

CONFIGURATION = {"sqlite_cache_mb": 12, "sqlite_mmap_mb": 64, "watchlist_workers": 6}
CHECKS = [
    *("schema", "write-ahead log", "index trades_timestamp", "index trades_symbol_timestamp"),
    *("index trades_session_date_bot", "index agent_health_timestamp", "index order_intents_open"),
    *("index order_intents_client_order", "index order_intents_entries"),
    *("index weekly_cycles_session", "index forecasts_open", "index forecasts_settled"),
    *("index decisions_session", "index llm_calls_cost"),
    *("SQLite cache", "SQLite memory map"),
    "last run of day_trader",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database that one run has used and left."""
    path = tmp_path / "history.db"
    with TradingHistory(path, bot="day_trader", mode="simulated", cache_mb=12, mmap_mb=64) as history:
        history.record_configuration(CONFIGURATION)
    return path


def inspect(path: Path, **changes: Any) -> dict[str, Check]:
    return {check.name: check for check in inspect_database(path, QUERY_OF_INDEX, {**CONFIGURATION, **changes})}


def failed(checks: dict[str, Check]) -> dict[str, str]:
    """name -> detail of what does not hold."""
    return {check.name: check.detail for check in checks.values() if not check.ok}


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement).fetchall()


def test_everything_holds_on_a_database_that_a_run_has_left(path: Path) -> None:
    checks = inspect(path)
    assert list(checks) == CHECKS
    assert failed(checks) == {}


def test_a_database_in_use_is_inspected_without_a_change(path: Path) -> None:
    with TradingHistory(path, bot="day_trader", mode="simulated") as history:
        history.flush().result(20)
        before = path.read_bytes(), path.with_name("history.db-wal").read_bytes()
        assert failed(inspect(path)) == {}
        assert (path.read_bytes(), path.with_name("history.db-wal").read_bytes()) == before


@pytest.mark.parametrize("index", QUERY_OF_INDEX)
def test_a_missing_index_is_found(path: Path, index: str) -> None:
    change(path, f"DROP INDEX {index}")
    ((name, detail),) = failed(inspect(path)).items()
    assert name == f"index {index}"
    assert index not in detail


def test_an_index_on_another_column_does_not_count(path: Path) -> None:
    change(path, "DROP INDEX trades_timestamp", "CREATE INDEX trades_timestamp ON trades (price)")
    assert list(failed(inspect(path))) == ["index trades_timestamp"]


def test_another_journal_mode_is_found(path: Path) -> None:
    change(path, "PRAGMA journal_mode = DELETE")
    assert failed(inspect(path)) == {"write-ahead log": "journal mode is delete"}


def test_a_run_with_other_values_is_found(path: Path) -> None:
    assert failed(inspect(path, watchlist_workers=8, research_processes=2)) == {
        "last run of day_trader": "watchlist_workers was 6, is 8; research_processes was not recorded, is 2 "
        "from the next start on"
    }


def test_what_a_run_says_of_its_cache_is_what_its_connection_had(path: Path) -> None:
    with TradingHistory(path, bot="day_trader", mode="simulated", cache_mb=3) as history:
        history.record_configuration(CONFIGURATION)
    assert "sqlite_cache_mb was 3.0, is 12" in failed(inspect(path))["last run of day_trader"]


def test_the_cache_of_the_writer_and_the_map_of_the_reader_are_what_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("observability.open_for_reading", lambda path, **_: open_for_reading(path, cache_mb=1))
    with TradingHistory(path, bot="day_trader", mode="simulated", cache_mb=12, mmap_mb=64) as history:
        history.record_configuration(CONFIGURATION)
    assert "sqlite_mmap_mb was 0.0, is 64 from" in inspect(path)["last run of day_trader"].detail
    assert "sqlite_cache_mb" not in inspect(path)["last run of day_trader"].detail


def test_limits_that_do_not_take_effect_are_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("records.inspection.open_for_reading", lambda path, **_: open_for_reading(path, cache_mb=10))
    assert failed(inspect(path)) == {"SQLite cache": "10 of 12 MB", "SQLite memory map": "0 of 64 MB"}


def test_each_bot_is_checked(path: Path) -> None:
    with TradingHistory(path, bot="weekly", mode="simulated", cache_mb=12, mmap_mb=64) as history:
        history.record_configuration({**CONFIGURATION, "watchlist_workers": 1})
    checks = inspect(path)
    assert list(checks)[-2:] == ["last run of day_trader", "last run of weekly"]
    assert list(failed(checks)) == ["last run of weekly"]


def test_a_database_without_a_run_fails_one_check(tmp_path: Path) -> None:
    open_for_writing(tmp_path / "new.db").close()
    assert failed(inspect(tmp_path / "new.db")) == {"last run": "no run has recorded its configuration"}


def test_an_older_schema_fails_and_is_not_touched(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = (*MIGRATIONS, ("CREATE TABLE more (id INTEGER) STRICT",))
    monkeypatch.setattr("records.inspection.MIGRATIONS", newer)
    assert failed(inspect(path)) == {"schema": f"version {len(MIGRATIONS)}, the program's is {len(newer)}"}


def test_a_query_that_cannot_run_is_a_failed_check(path: Path) -> None:
    change(path, "DROP VIEW today", "DROP TABLE agent_health")
    assert failed(inspect(path)) == {
        "index agent_health_timestamp": "its query cannot run: no such table: agent_health"
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b""), "is empty, no run has used it"),
        (lambda path: path.write_text("not a database, but longer than its header " * 9), "is not a database"),
        (lambda path: path.mkdir(), "cannot be used as a database"),
        (lambda path: change(path, "CREATE TABLE t (a)"), "a database of another program"),
        (lambda path: change(path, f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 99"), "newer"),
    ],
    ids=["empty", "text", "directory", "foreign", "newer"],
)
def test_a_file_that_cannot_be_inspected_is_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path / "file.db")
    with pytest.raises(Misconfigured, match=words) as refusal:
        inspect(tmp_path / "file.db")
    assert "\n" not in str(refusal.value)


def test_limits_are_read_from_the_connection(path: Path) -> None:
    with closing(open_for_reading(path, cache_mb=7, mmap_mb=3)) as connection:
        assert limits_of(connection) == ("wal", 7.0, 3.0)
        connection.execute("PRAGMA cache_size = 512")  # pages of 4096 bytes
        assert limits_of(connection).cache_mb == 2.0


def test_the_writer_never_maps(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "new.db", cache_mb=20)) as connection:
        assert limits_of(connection) == ("wal", 20.0, 0.0)
