"""The one thread that writes: order, durability, batching, and that no failure is quiet."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from records.connections import open_for_reading, open_for_writing
from records.faults import RecordsFailed
from records.journal import FallbackJournal
from records.statements import Statement
from records.writer import Writer
from telemetry import tracing
from tests.heard import listening

INSERT = "INSERT INTO meta (key, value) VALUES (?, ?)"
UPDATE = "UPDATE meta SET value = ? WHERE key = ?"
LIMIT_S = 20  # far above what a healthy writer needs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def writer_of(path: Path) -> Writer:
    return Writer(open_for_writing(path), path, FallbackJournal(path.with_suffix(".fallback-test.jsonl")))


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    writer = writer_of(path)
    yield writer
    try:
        writer.close()
    except RecordsFailed:
        assert writer.first_error is not None


@pytest.fixture
def reader(path: Path, writer: Writer) -> Iterator[sqlite3.Connection]:
    connection = open_for_reading(path)
    yield connection
    connection.close()


def keys(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT key FROM meta ORDER BY rowid")]


class Traced:
    """A writer whose statements are on record, stopped before its first one until `go` is set."""

    def __init__(self, path: Path) -> None:
        self.statements: list[str] = []
        self.go = threading.Event()
        connection = open_for_writing(path)
        connection.set_trace_callback(self._trace)
        self.writer = Writer(connection, path, FallbackJournal(path.with_suffix(".jsonl")))

    def _trace(self, statement: str) -> None:
        self.go.wait(LIMIT_S)
        self.statements.append(statement)


def test_rows_are_committed_once_flush_completes(writer: Writer, reader: sqlite3.Connection) -> None:
    for number in range(1000):
        writer.submit(INSERT, (f"k{number}", "v"))
    writer.flush().result(LIMIT_S)
    assert keys(reader) == [f"k{number}" for number in range(1000)]
    assert (writer.rows_written, writer.failures, writer.healthy) == (1000, 0, True)


def test_durable_commit_is_visible_to_others_when_its_future_completes(
    writer: Writer, reader: sqlite3.Connection
) -> None:
    seen_at_completion: list[set[str]] = []
    for number in range(20):
        writer.submit(INSERT, (f"row{number}", "v"))
        future = writer.submit_durable([Statement(INSERT, (f"durable{number}", "v"))])
        future.add_done_callback(lambda _: seen_at_completion.append(set(keys(reader))))
        future.result(LIMIT_S)
    writer.flush().result(LIMIT_S)
    assert all(f"durable{number}" in seen for number, seen in enumerate(seen_at_completion))
    assert set(keys(reader)) == {f"{kind}{number}" for number in range(20) for kind in ("row", "durable")}


def test_a_row_submitted_after_a_durable_one_is_written_after_it(writer: Writer, reader: sqlite3.Connection) -> None:
    for number in range(100):
        writer.submit_durable([Statement(INSERT, (f"k{number}", "durable"))])
        writer.submit(UPDATE, ("row", f"k{number}"))
    writer.flush().result(LIMIT_S)
    assert reader.execute("SELECT DISTINCT value FROM meta").fetchall()[0][0] == "row"
    assert writer.healthy


def test_durable_ones_come_first_each_alone_and_waiting_rows_share_a_transaction(path: Path) -> None:
    traced = Traced(path)
    for key in "ab":
        traced.writer.submit(INSERT, (key, "v"))
    traced.writer.submit_durable([Statement(INSERT, ("c", "v")), Statement(INSERT, ("d", "v"))])
    traced.writer.submit(INSERT, ("e", "v"))
    traced.writer.submit_durable([Statement(INSERT, ("f", "v"))])
    done = traced.writer.flush()
    traced.go.set()
    done.result(LIMIT_S)
    traced.writer.close()
    letters = {"PRAGMA synchronous = NORMAL": "N", "PRAGMA synchronous = FULL": "F", "COMMIT": ")"}
    letters["BEGIN IMMEDIATE"] = "("
    assert "".join("i" if s.startswith("INSERT") else letters.get(s, "") for s in traced.statements) == "FiiN(iii)F"


def test_a_refused_row_surfaces_and_its_neighbours_are_written(writer: Writer, reader: sqlite3.Connection) -> None:
    for key in ("a", "b", "a", "c"):
        writer.submit(INSERT, (key, "v"))
    with pytest.raises(RecordsFailed, match=r"1 row\(s\) not written: INSERT INTO meta .*UNIQUE"):
        writer.flush().result(LIMIT_S)
    assert keys(reader) == ["a", "b", "c"]
    assert (writer.rows_written, writer.failures, writer.healthy) == (3, 1, False)
    assert isinstance(writer.first_error, RecordsFailed)
    with pytest.raises(RecordsFailed, match="UNIQUE"):
        writer.close()


@pytest.mark.parametrize("value", [object(), 2**70, "\ud800"])
def test_a_value_sqlite_cannot_take_is_a_lost_row_not_a_dead_thread(writer: Writer, value: object) -> None:
    writer.submit(INSERT, ("a", value))
    writer.submit(INSERT, ("b", "v"))
    with pytest.raises(RecordsFailed):
        writer.flush().result(LIMIT_S)
    assert (writer.rows_written, writer.failures) == (1, 1)


def test_an_update_of_an_absent_row_surfaces(writer: Writer) -> None:
    writer.submit(UPDATE, ("v", "absent"))
    with pytest.raises(RecordsFailed, match="no such row"):
        writer.flush().result(LIMIT_S)


def test_a_durable_transaction_is_all_or_nothing(writer: Writer, reader: sqlite3.Connection) -> None:
    writer.submit_durable([Statement(INSERT, ("taken", "v"))])
    future = writer.submit_durable([Statement(INSERT, ("new", "v")), Statement(INSERT, ("taken", "v"))])
    with pytest.raises(RecordsFailed, match="not committed"):
        future.result(LIMIT_S)
    writer.flush().result(LIMIT_S)  # the one who asked was told: nothing else was lost
    assert keys(reader) == ["taken"]
    assert (writer.failures, writer.healthy) == (1, False)


def test_who_stops_waiting_does_not_unwrite(writer: Writer, reader: sqlite3.Connection) -> None:
    assert writer.submit_durable([Statement(INSERT, ("a", "v"))]).cancel() is False
    writer.flush().result(LIMIT_S)
    assert keys(reader) == ["a"]


def test_a_reader_is_neither_blocked_nor_shown_halves(writer: Writer, reader: sqlite3.Connection) -> None:
    pairs = [[Statement(INSERT, (f"{n}{side}", "v")) for side in "ab"] for n in range(100)]
    futures = [writer.submit_durable(pair) for pair in pairs]
    counts = [len(keys(reader))]
    while not futures[-1].done():
        counts.append(len(keys(reader)))
    futures[-1].result(LIMIT_S)
    assert counts == sorted(counts)
    assert all(count % 2 == 0 for count in counts)


def test_rows_wait_while_another_program_writes(path: Path, writer: Writer, reader: sqlite3.Connection) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.submit(INSERT, ("waits", "v"))
    future = writer.flush()
    with pytest.raises(TimeoutError):
        future.result(0.1)
    other.execute("COMMIT")
    future.result(LIMIT_S)
    assert keys(reader) == ["waits"]
    other.close()


def test_close_writes_what_waits_and_folds_the_log_away(path: Path, tmp_path: Path) -> None:
    writer = writer_of(path)
    for number in range(100):
        writer.submit(INSERT, (f"k{number}", "v"))
    writer.close()
    assert [file.name for file in tmp_path.iterdir()] == ["history.db"]
    check = sqlite3.connect(path)
    assert check.execute("SELECT count(*) FROM meta").fetchone() == (100,)
    check.close()
    writer.close()  # again is fine
    with pytest.raises(RecordsFailed, match="closed"):
        writer.submit(INSERT, ("late", "v"))


def test_close_folds_the_log_away_beside_an_open_reader(path: Path) -> None:
    writer = writer_of(path)
    reader = open_for_reading(path)
    writer.submit(INSERT, ("a", "v"))
    writer.close()
    assert path.with_name("history.db-wal").stat().st_size == 0
    assert keys(reader) == ["a"]
    reader.close()


def test_a_thread_that_ended_by_itself_fails_whoever_waits(path: Path) -> None:
    class Bomb:
        def __conform__(self, _protocol: object) -> str:
            raise SystemExit  # not an Exception: nothing the thread expects

    writer = writer_of(path)

    writer.submit(INSERT, ("a", Bomb()))
    with pytest.raises(RecordsFailed, match="ended by itself"):
        writer.flush().result(LIMIT_S)
    writer.submit(INSERT, ("b", "v"))  # counted; the trading loop goes on
    assert not writer.healthy
    with pytest.raises(RecordsFailed, match="ended by itself"):
        writer.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from records.statements import Statement
from tests.records.test_writer import writer_of
writer = writer_of(Path(sys.argv[1]))
writer.submit("INSERT INTO meta VALUES ('row', 'v')")
writer.flush().result()
writer.submit_durable([Statement("INSERT INTO meta VALUES ('intent', 'v')")]).result()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_keeps_what_was_durable(path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=root, check=False)
    assert done.returncode == -9
    survivor = open_for_writing(path)
    assert keys(survivor) == ["row", "intent"]
    assert survivor.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    survivor.close()


# Pressure


@pytest.fixture
def small_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, rows in (("PRESSED_FROM", 100), ("RELAXED_FROM", 50), ("MOST_WAITING", 200)):
        monkeypatch.setattr(f"records.queue.{name}", rows)


@pytest.mark.usefixtures("small_queue")
def test_a_long_queue_is_told_until_it_is_short_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    traced = Traced(path)
    for number in range(99):
        traced.writer.submit(INSERT, (f"k{number}", "v"))
    assert traced.writer.healthy
    for number in range(99, 150):
        traced.writer.submit(INSERT, (f"k{number}", "v"))
    assert (traced.writer.trouble, traced.writer.waiting) == (f"{path}: rows come faster than they can be written", 150)
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # once, not for each row
    traced.go.set()
    traced.writer.flush().result(LIMIT_S)
    assert (traced.writer.healthy, traced.writer.rows_written) == (True, 150)
    traced.writer.close()


@pytest.mark.usefixtures("small_queue")
def test_a_full_queue_refuses_rows_to_the_callers_face_and_still_takes_orders(path: Path) -> None:
    traced = Traced(path)
    for number in range(200):
        traced.writer.submit(INSERT, (f"k{number}", "v"))
    with pytest.raises(RecordsFailed, match="200 rows wait already"):
        traced.writer.submit(INSERT, ("one too many", "v"))
    order = traced.writer.submit_durable([Statement(INSERT, ("order", "v"))])
    traced.go.set()
    order.result(LIMIT_S)
    traced.writer.flush().result(LIMIT_S)
    assert (traced.writer.rows_written, traced.writer.failures) == (200, 1)
    traced.writer.close()


def test_an_order_waits_for_a_few_rows_only_however_many_are_queued(path: Path) -> None:
    traced = Traced(path)
    for number in range(3_000):
        traced.writer.submit(INSERT, (f"k{number}", "v"))
    first = traced.writer.submit_durable([Statement(INSERT, ("order", "v"))])
    written = []
    first.add_done_callback(lambda _: written.append(traced.writer.rows_written))
    traced.go.set()
    traced.writer.close()
    assert written == [0]


def test_work_on_the_connection_is_done_after_all_rows_before_it(writer: Writer) -> None:
    for number in range(1_000):
        writer.submit(INSERT, (f"k{number}", "v"))
    count = writer.run(lambda connection: connection.execute("SELECT COUNT(*) FROM meta").fetchone()[0])
    assert count.result(LIMIT_S) == 1_000
    with pytest.raises(RecordsFailed, match="no such table"):
        writer.run(lambda connection: connection.execute("SELECT * FROM absent")).result(LIMIT_S)
    assert writer.healthy


def test_a_row_is_told_under_the_span_it_was_written_for(writer: Writer) -> None:
    with listening() as heard:
        with tracing.span("fill"):
            writer.submit(INSERT, ("traced", "1"))
            writer.submit_durable([Statement(INSERT, ("durable", "1")), Statement(INSERT, ("durable 2", "1"))])
        writer.submit(INSERT, ("untraced", "1"))
        writer.flush().result(LIMIT_S)
    rows = heard.named("INSERT meta")
    assert [heard.above(row) for row in rows] == [["fill"], ["fill"]]
    assert [row.attributes.get("db.operation.batch.size") for row in rows] in ([None, 2], [2, None])
    assert {row.attributes["db.namespace"] for row in rows} == {"history.db"}


def test_a_refused_row_is_told_with_its_error(writer: Writer) -> None:
    with listening() as heard:
        with tracing.span("fill"):
            writer.submit(UPDATE, ("1", "no such key"))
        with pytest.raises(RecordsFailed):
            writer.flush().result(LIMIT_S)
    (row,) = heard.named("UPDATE meta")
    assert (row.error, row.attributes["error.type"]) == ("ValueError", "ValueError")
