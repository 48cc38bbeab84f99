"""The write-ahead log: made long at the start, folded away in quiet moments and never inside an order's commit."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from records import log_file
from records.connections import open_for_writing
from records.journal import FallbackJournal
from records.log_file import FOLD_AT_LAST, FOLD_FROM, MIB, lengthen
from records.statements import Statement
from records.writer import Writer
from tests.records.test_writer import INSERT, LIMIT_S, Traced

FOLD = "PRAGMA wal_checkpoint(PASSIVE)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_for_writing(path)) as connection:
        yield connection


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def put(connection: sqlite3.Connection, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        connection.execute(INSERT, (f"k{number}", "v"))


def count_rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found: int = connection.execute("SELECT count(*) FROM meta WHERE key LIKE 'k%'").fetchone()[0]
    return found


def test_commits_after_it_was_lengthened_overwrite_the_log(path: Path, connection: sqlite3.Connection) -> None:
    put(connection, 5)
    lengthen(connection, path, 1)
    assert log_of(path).stat().st_size == MIB
    put(connection, 50, first=5)
    assert log_of(path).stat().st_size == MIB
    assert count_rows(path) == 55


def test_what_a_lengthened_log_holds_is_found_after_a_crash(path: Path, connection: sqlite3.Connection) -> None:
    put(connection, 5)
    lengthen(connection, path, 1)
    put(connection, 50, first=5)
    left = path.with_name("left.db")
    shutil.copy(path, left)
    shutil.copy(log_of(path), log_of(left))
    assert count_rows(left) == 55


def test_a_log_in_use_by_another_program_keeps_its_frames(path: Path, connection: sqlite3.Connection) -> None:
    with closing(open_for_writing(path)) as other:
        put(other, 20)
        lengthen(connection, path, 1)
        put(other, 20, first=20)
        put(connection, 20, first=40)
        assert count_rows(path) == 60


def test_a_log_that_is_long_already_stays(path: Path, connection: sqlite3.Connection) -> None:
    lengthen(connection, path, 1)
    put(connection, 5)
    before = log_of(path).read_bytes()
    lengthen(connection, path, 1)
    assert log_of(path).read_bytes() == before


def test_on_a_full_disk_the_log_is_as_long_as_it_was(
    path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(connection, 5)
    before = log_of(path).read_bytes()
    write = os.write

    def write_half(file: int, data: bytes) -> int:
        write(file, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    caplog.set_level("INFO")
    monkeypatch.setattr(log_file.os, "write", write_half)
    lengthen(connection, path, 1)
    assert log_of(path).read_bytes() == before
    assert "No space left on device" in caplog.text
    put(connection, 5, first=5)
    assert count_rows(path) == 10


def test_a_database_locked_by_another_program_is_left_alone(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 0")
    with closing(open_for_writing(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = log_of(path).stat().st_size
        lengthen(connection, path, 1)
        assert log_of(path).stat().st_size == before
        other.execute("ROLLBACK")


def test_the_log_is_folded_once_nothing_waits_and_not_between_commits(path: Path) -> None:
    traced = Traced(path)
    for number in range(FOLD_FROM + 10):
        traced.writer.submit_durable([Statement(INSERT, (f"k{number}", "v"))])
    traced.go.set()
    folded_after(traced, FOLD_FROM + 10)
    traced.writer.close()
    assert count_rows(path) == FOLD_FROM + 10


def test_a_log_that_never_comes_to_rest_is_folded_all_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "FOLD_AT_LAST", 20)
    monkeypatch.setattr("records.writer.ROWS_PER_TRANSACTION", 10)
    monkeypatch.setattr("records.queue.ROWS_BETWEEN_LOOKS", 10)
    traced = Traced(path)
    done = []
    for number in range(40):
        traced.writer.submit(INSERT, (f"k{number}", "v"))
        done.append(traced.writer.flush())
    traced.go.set()
    done[-1].result(LIMIT_S)
    traced.writer.close()
    assert FOLD in traced.statements[: traced.statements.index("PRAGMA wal_checkpoint(TRUNCATE)")]
    assert FOLD_AT_LAST > FOLD_FROM
    assert count_rows(path) == 40


def test_a_log_that_cannot_be_folded_is_told_and_nothing_stops(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object, *, quiet: bool) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(log_file.WriteAheadLog, "tidy", fail)
    traced = Traced(path)
    traced.go.set()
    for number in range(20):
        traced.writer.submit_durable([Statement(INSERT, (f"k{number}", "v"))]).result(LIMIT_S)
    traced.writer.close()
    assert "could not be synced or folded: disk I/O error" in caplog.text
    assert count_rows(path) == 20


def test_ordinary_rows_are_synced_once_it_is_quiet_and_an_order_finds_nothing_left_to_sync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    sync = os.fsync

    def fsync(file: int) -> None:
        sync(file)
        if os.path.samestat(os.fstat(file), log_of(path).stat()):
            synced.set()

    connection = open_for_writing(path)
    writer = Writer(connection, path, FallbackJournal(path.with_suffix(".jsonl")), log_mb=1)
    writer.flush().result(LIMIT_S)  # the log has its length
    monkeypatch.setattr(log_file.os, "fsync", fsync)
    writer.submit_durable([Statement(INSERT, ("k0", "v"))]).result(LIMIT_S)
    assert not synced.is_set()
    writer.submit(INSERT, ("k1", "v"))
    assert synced.wait(LIMIT_S)
    writer.close()
    assert count_rows(path) == 2


def folded_after(traced: Traced, inserts: int) -> None:
    """Wait for the fold, and see that every insert came before it."""
    import time

    deadline_s = time.monotonic() + LIMIT_S
    while FOLD not in traced.statements:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    before = traced.statements[: traced.statements.index(FOLD)]
    assert sum(statement.startswith("INSERT INTO meta") for statement in before) >= inserts
