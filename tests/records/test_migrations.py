"""Numbered migrations: from nothing to now, once, or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from records.connections import open_for_reading, open_for_writing
from records.migrations import migrate
from records.queries import QUERY_OF_INDEX
from records.schema import MIGRATIONS
from utils import Misconfigured, Retryable

NOW = len(MIGRATIONS)
TABLES = {
    *("meta", "trades", "order_intents", "decisions", "daily_metrics", "agent_health", "parameter_changes"),
    *("evaluations", "llm_calls", "forecasts", "experiment_days", "holdings", "weekly_cycles"),
    *("improvement_sessions", "improvement_steps"),
    *("control_actions", "equity_minutes"),
}


def names(connection: sqlite3.Connection, kind: str) -> set[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'", (kind,))
    return {name for (name,) in found}


def test_an_empty_file_gets_every_table_view_and_index(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.touch()
    connection = open_for_writing(path)
    assert names(connection, "table") == TABLES
    assert names(connection, "view") == {"round_trips", "open_positions", "today"}
    assert names(connection, "index") == {*QUERY_OF_INDEX}
    assert connection.execute("PRAGMA user_version").fetchone() == (NOW,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_second_opening_changes_nothing_and_keeps_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    first = open_for_writing(path)
    first.execute("INSERT INTO meta VALUES ('k', 'v')")
    schema = first.execute("SELECT * FROM sqlite_master").fetchall()
    first.close()
    second = open_for_writing(path)
    assert migrate(second, path) == []
    assert second.execute("SELECT * FROM sqlite_master").fetchall() == schema
    assert second.execute("SELECT * FROM meta").fetchall() == [("k", "v")]
    second.close()


def test_only_missing_migrations_are_applied(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection = open_for_writing(path)
    more = (*MIGRATIONS, ("CREATE TABLE extra (x)",), ("ALTER TABLE extra ADD COLUMN y",))
    assert migrate(connection, path, more) == [NOW + 1, NOW + 2]
    assert connection.execute("SELECT x, y FROM extra").fetchall() == []
    connection.close()


def test_a_failing_migration_leaves_the_version_and_tables_before_it(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection = open_for_writing(path)
    broken = (*MIGRATIONS, ("CREATE TABLE extra (x)", "CREATE TABLE extra (x)"))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection, path, broken)
    assert names(connection, "table") == TABLES
    assert connection.execute("PRAGMA user_version").fetchone() == (NOW,)
    connection.close()


def test_a_newer_database_is_refused_naming_file_and_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {NOW + 3}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(Misconfigured) as refusal:
        open_for_writing(path)
    for part in (str(path), f"version {NOW + 3}", f"knows {NOW}"):
        assert part in str(refusal.value)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "cookies.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cookies (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match=r"cookies\.db: a database of another program"):
        open_for_writing(path)
    assert path.read_bytes() == before


def test_what_cannot_be_a_database_is_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("these are notes, and there are enough of them to fill a database header " * 3)
    cases = {text: "is not a database", tmp_path: "is a directory", tmp_path / "no" / "x.db": "does not exist"}
    for path, words in cases.items():
        with pytest.raises(Misconfigured, match=words) as refusal:
            open_for_writing(path)
        assert str(path) in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert text.read_text().startswith("these are notes")


def test_reading_an_absent_file_is_refused_and_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"absent\.db"):
        open_for_reading(tmp_path / "absent.db")
    assert list(tmp_path.iterdir()) == []


def test_a_locked_file_may_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Retryable, match=r"history\.db: another program keeps"):
        open_for_writing(path, busy_timeout_s=0.01)
    holder.close()


def test_cache_size_is_ten_megabytes_unless_told(tmp_path: Path) -> None:
    for arguments, kib in (({}, 10 * 1024), ({"cache_mb": 64}, 64 * 1024)):
        connection = open_for_writing(tmp_path / "history.db", **arguments)
        assert connection.execute("PRAGMA cache_size").fetchone() == (-kib,)
        connection.close()


def test_a_reading_connection_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "odd name? 100%.db"  # the path becomes a URI
    open_for_writing(path).close()
    reader = open_for_reading(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO meta VALUES ('k', 'v')")
    reader.close()
