"""A database that is locked, full, read-only, damaged or gone: real faults, nothing lost, everything told.

Each fault is real: a lock of another process, the page limit of SQLite, the file size limit of the system, a disk that
is full or cannot be written, foreign bytes in the file, a file that somebody moved. Only "read-only in the middle" is a
switch of SQLite: no system takes the right to write from a file that is open.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from observability import TradingHistory
from records import writer as writer_module
from records.connections import open_for_reading, open_for_writing
from records.faults import RecordsFailed
from records.journal import FallbackJournal, journal_path
from records.settings import RecordsSettings
from tests.test_trading_history import OPEN, intent, trade
from utils import HaltTrading, Misconfigured, Retryable

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 20

pytestmark = pytest.mark.skipif(os.name != "posix", reason="faults are made with means of POSIX systems")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are given up and tried again after a moment, so that the tests need no seconds."""
    monkeypatch.setattr(writer_module, "LOCK_PATIENCE_S", 0.02)
    monkeypatch.setattr(writer_module, "RETRY_PATIENCE_S", 0.01)
    monkeypatch.setattr(writer_module, "RETRY_EVERY_S", 0.02)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def open_history(path: Path, bot: str = "day_trader", **settings: object) -> TradingHistory:
    chosen = RecordsSettings(**{"records_reserve_mb": 1, **settings})  # type: ignore[arg-type]
    return TradingHistory(path, bot=bot, mode="paper", settings=chosen)


def journal_of(path: Path) -> Path:
    return journal_path(path, "day_trader", None)


def exec_ids(path: Path) -> list[str]:
    with closing(open_for_reading(path)) as reader:
        return [row[0] for row in reader.execute("SELECT exec_id FROM trades ORDER BY trade_id")]


def until(condition: Callable[[], object]) -> None:
    """Wait for the writer's thread; the limit only ends a test that has failed anyway."""
    for _ in range(2_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    """Another process in a write transaction on `path`."""
    program = textwrap.dedent(
        """
        import sqlite3, sys
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        print("locked", flush=True)
        sys.stdin.read()
        """
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        yield
        holder.communicate()


# Locked


def test_a_lock_that_stays_stops_entries_and_orders_go_on_through_the_journal(path: Path) -> None:
    history = open_history(path)
    history.record_trade(trade("before"))
    history.flush().result(LIMIT_S)
    with locked_by_another_process(path):
        history.commit_intents([intent("i1"), intent("i2", role="stop")]).result(LIMIT_S)  # on disk, or it would raise
        history.update_intent("i1", "sent", updated_at=OPEN, order_id=7, client_id=2)
        history.record_trade(trade("during"))
        history.flush().result(LIMIT_S)
        assert "another program keeps it locked" in history.trouble
        assert not history.healthy
        assert exec_ids(path) == ["before"]
        rows = [
            row
            for line in journal_of(path).read_text().strip("\0").splitlines()
            for row in json.loads(line).get("rows", [])
        ]
        assert len(rows) == 4
    until(lambda: history.healthy)
    assert exec_ids(path) == ["before", "during"]
    assert [(row.intent_id, row.state) for row in history.open_intents()] == [("i1", "sent"), ("i2", "created")]
    history.record_trade(trade("after"))
    history.close()
    assert exec_ids(path) == ["before", "during", "after"]
    assert list(path.parent.glob("*.jsonl")) == []


def test_a_lock_at_the_start_may_be_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_history(path).close()
    monkeypatch.setattr("records.connections.open_for_writing.__kwdefaults__", {"cache_mb": 10, "busy_timeout_s": 0.05})
    with locked_by_another_process(path), pytest.raises(Retryable, match="another program keeps the database locked"):
        open_history(path)


# Full


def test_a_full_database_loses_nothing_and_is_caught_up_with_once_there_is_room(path: Path) -> None:
    history = open_history(path)
    limit = history._writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone()[0])
    assert limit.result(LIMIT_S) > 1  # SQLite keeps to the size that the file has
    for number in range(3_000):
        history.record_trade(trade(f"e{number}"))
    until(lambda: "disk is full" in history.trouble)
    history.commit_intents([intent("exit", role="close", action="SELL")]).result(LIMIT_S)
    history.flush().result(LIMIT_S)
    assert len(exec_ids(path)) < 3_000
    with closing(sqlite3.connect(path)) as other:  # the limit is one of the connection: others see what is there
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    history._writer._connection.execute("PRAGMA max_page_count = 1000000")
    until(lambda: history.healthy)
    history.close()
    assert exec_ids(path) == [f"e{number}" for number in range(3_000)]


FILE_SIZE_LIMIT = 600_000
LIMITED = f"""
import resource, sys
from pathlib import Path
from tests.records.test_faults import open_history, until
from tests.test_trading_history import intent, trade
history = open_history(Path(sys.argv[1]))
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_SIZE_LIMIT}, most))
for number in range(2_000):
    history.record_trade(trade(f"e{{number}}"))
history.flush().result(20)
history.commit_intents([intent("exit", role="close", action="SELL")]).result(20)
print(history.trouble)
sys.stdout.flush()
if sys.argv[2] == "room":
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    until(lambda: history.healthy)
    history.close()
else:
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("then", ["room", "killed"])
def test_a_limit_of_the_system_is_survived_even_by_a_killed_process(path: Path, then: str) -> None:
    command = [sys.executable, "-c", LIMITED, str(path), then]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert "what happens is recorded in" in done.stdout, done.stderr
    assert done.returncode == (0 if then == "room" else -signal.SIGKILL)
    with open_history(path) as history:
        assert exec_ids(path) == [f"e{number}" for number in range(2_000)]
        assert [row.intent_id for row in history.open_intents()] == ["exit"]
    assert list(path.parent.glob("*.jsonl")) == []


@contextmanager
def disk(tmp_path: Path, size_kb: int) -> Iterator[Path]:
    """A file system of its own in memory; only the superuser may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_really_full_still_has_the_reserved_space(tmp_path: Path) -> None:
    with disk(tmp_path, 4_096) as place:
        history = open_history(place / "history.db", records_reserve_mb=2)
        with (place / "others.dat").open("wb", buffering=0) as others, pytest.raises(OSError, match="No space"):
            while True:
                others.write(bytes(4_096))
        for number in range(2_000):
            history.record_trade(trade(f"e{number}"))
        history.commit_intents([intent("exit", role="close", action="SELL")]).result(LIMIT_S)
        history.flush().result(LIMIT_S)
        assert "recorded in" in history.trouble
        (place / "others.dat").unlink()
        until(lambda: history.healthy)
        history.close()
        assert exec_ids(place / "history.db") == [f"e{number}" for number in range(2_000)]


def test_without_room_for_either_orders_are_refused_and_rows_wait_in_memory(tmp_path: Path) -> None:
    with disk(tmp_path, 8_192) as place:
        history = open_history(place / "history.db", records_reserve_mb=0)
        with (place / "others.dat").open("wb", buffering=0) as others, pytest.raises(OSError, match="No space"):
            while True:
                others.write(bytes(4_096))
        for number in range(3_000):  # more than what the write-ahead log has room for without growing
            history.record_trade(trade(f"e{number}"))
        until(lambda: "neither the database nor" in history.trouble)
        with pytest.raises(RecordsFailed, match="not committed"):
            history.commit_intents([intent(f"i{number}") for number in range(5_000)]).result(LIMIT_S)
        assert len(history.trades()) < 3_000  # a reader does not wait for what cannot be written
        (place / "others.dat").unlink()
        until(lambda: len(exec_ids(place / "history.db")) == 3_000)
        assert "a row was refused" in history.trouble  # the intents: who asked was told
        history.close()


# Read-only


def test_a_connection_that_may_no_longer_write_is_survived_by_a_journal_elsewhere(tmp_path: Path) -> None:
    with disk(tmp_path, 8_192) as place:
        history = open_history(place / "history.db", records_fallback_dir=str(tmp_path))
        history.record_trade(trade("before"))
        history.flush().result(LIMIT_S)
        history._writer.run(lambda connection: connection.execute("PRAGMA query_only = 1").fetchall()).result(LIMIT_S)
        history.commit_intents([intent("exit", role="close", action="SELL")]).result(LIMIT_S)
        history.record_trade(trade("during"))
        history.flush().result(LIMIT_S)
        assert "it cannot be written" in history.trouble
        history._writer._connection.execute("PRAGMA query_only = 0")
        until(lambda: history.healthy)
        history.close()
        assert exec_ids(place / "history.db") == ["before", "during"]


def test_a_read_only_database_is_refused_at_the_start(tmp_path: Path) -> None:
    with disk(tmp_path, 8_192) as place:
        open_history(place / "history.db").close()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        with pytest.raises(Misconfigured, match="cannot be written") as refusal:
            open_history(place / "history.db", records_fallback_dir=str(tmp_path))
        assert "\n" not in str(refusal.value)


# Damaged


def damage_pages(path: Path) -> None:
    """Foreign bytes over every page but the first."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(4_096)
        file.write(b"\xa5" * (size - 4_096))


def filled(path: Path) -> None:
    with open_history(path) as history:
        for number in range(500):
            history.record_trade(trade(f"e{number}"))


def test_a_damaged_database_is_refused_at_the_start_and_left_as_it_is(path: Path) -> None:
    filled(path)
    damage_pages(path)
    before = path.read_bytes()
    with pytest.raises(HaltTrading, match=r"database is damaged .*`python -m records restore --db") as refusal:
        open_history(path)
    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == before


def test_damage_found_in_the_middle_sends_everything_to_the_journal_until_the_next_start(path: Path) -> None:
    filled(path)
    history = open_history(path)
    damage_pages(path)
    with closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.DatabaseError):
        other.execute("SELECT * FROM trades").fetchall()
    history._writer.run(lambda connection: connection.execute("PRAGMA shrink_memory").fetchall()).result(LIMIT_S)
    history.commit_intents([intent("exit", role="close", action="SELL")]).result(LIMIT_S)
    history.record_trade(trade("after"))
    history.flush().result(LIMIT_S)
    assert "the file is damaged" in history.trouble
    with pytest.raises(RecordsFailed, match="cannot be read"):
        history.trades()
    history.close()
    left = FallbackJournal(journal_of(path))
    assert [len(entry.statements) for entry in left.content().entries] == [1, 1]
    left.close()


def test_a_header_that_is_overwritten_is_refused_in_one_line(path: Path) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.write(b"\xa5" * 100)
    with pytest.raises(Misconfigured, match="is not a database"):
        open_history(path)


# Gone


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_file_that_somebody_moves_or_deletes_is_noticed_before_the_next_row(path: Path, how: str) -> None:
    history = open_history(path)
    history.record_trade(trade("before"))
    history.flush().result(LIMIT_S)
    if how == "moved":
        path.rename(path.with_name("elsewhere.db"))
    else:
        path.unlink()
    history.commit_intents([intent("exit", role="close", action="SELL")]).result(LIMIT_S)
    assert "moved or deleted" in history.trouble
    history.close()
    left = FallbackJournal(journal_of(path))
    assert left.content().entries[0].statements[0].parameters[0] == "exit"
    left.close()


# Merging


def left_behind(path: Path, count: int) -> Path:
    """A journal as a program leaves it that was killed while the database was locked."""
    history = open_history(path)
    with locked_by_another_process(path):
        for number in range(count):
            history.record_trade(trade(f"e{number}"))
        history.flush().result(LIMIT_S)
        history.commit_intents([intent("i1")]).result(LIMIT_S)
        copy = journal_of(path).read_bytes()
    until(lambda: history.healthy)
    history.close()
    path.unlink()
    open_history(path).close()  # an empty database, as it was when the journal was written
    journal_of(path).write_bytes(copy)
    return journal_of(path)


def test_the_next_start_merges_in_order_and_removes_the_journal(path: Path) -> None:
    left_behind(path, 10)
    with open_history(path) as history:
        assert [row.exec_id for row in history.trades()] == [f"e{number}" for number in range(10)]
        assert [row.intent_id for row in history.open_intents()] == ["i1"]
    assert list(path.parent.glob("*.jsonl")) == []


def test_a_crash_between_merging_and_removing_writes_nothing_twice(path: Path) -> None:
    journal = left_behind(path, 3)
    copy = journal.read_bytes()
    open_history(path).close()
    journal.write_bytes(copy)
    with closing(open_for_writing(path)) as connection:
        connection.execute("DELETE FROM trades WHERE exec_id = 'e1'")  # merged again, it would be back
    open_history(path).close()
    assert exec_ids(path) == ["e0", "e2"]


def test_another_bots_journal_is_merged_too_so_that_its_shares_stay_its_own(path: Path) -> None:
    journal = left_behind(path, 2)
    journal.rename(journal_path(path, "weekly", None))
    with open_history(path) as history:
        assert [row.exec_id for row in history.trades()] == ["e0", "e1"]


def test_the_journal_of_a_bot_that_is_running_is_its_own_to_merge(path: Path) -> None:
    weekly = open_history(path, bot="weekly")
    with locked_by_another_process(path):
        weekly.record_trade(trade("w1"))
        weekly.flush().result(LIMIT_S)
    until(lambda: weekly.healthy)
    first, second = open_history(path), open_history(path)  # the second gets a name of its own
    assert {file.name for file in path.parent.glob("*.jsonl")} == {
        f"history.fallback-{bot}.jsonl" for bot in ("weekly", "day_trader", "day_trader-2")
    }
    for history in (first, second, weekly):
        history.close()
    assert exec_ids(path) == ["w1"]


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_what_a_crash_tore_is_left_out_and_the_rest_is_merged(path: Path, cut: int) -> None:
    journal = left_behind(path, 5)
    whole = journal.read_bytes().rstrip(b"\0")
    journal.write_bytes(whole[:-cut])
    with open_history(path) as history:
        assert [row.exec_id for row in history.trades()] == [f"e{number}" for number in range(5)]
        assert history.open_intents() == []  # the last entry: torn, so it never was


def test_an_entry_that_is_wrong_is_kept_aside_and_does_not_stop_the_others(path: Path) -> None:
    journal = left_behind(path, 3)
    lines = journal.read_bytes().rstrip(b"\0").splitlines(keepends=True)
    wrong = [line.replace(b'"BUY"', b'"HOLD"') if b'"e1"' in line else line for line in lines]
    journal.write_bytes(b"".join(wrong))
    with open_history(path) as history:
        assert [row.exec_id for row in history.trades()] == ["e0", "e2"]
    (aside,) = path.parent.glob("history.refused-*.jsonl")
    assert b'"HOLD"' in aside.read_bytes()


def test_a_directory_for_the_journal_that_is_not_there_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no fallback journal here"):
        open_history(path, records_fallback_dir=str(tmp_path / "absent"))


def test_the_writing_connection_is_closed_when_the_reading_one_cannot_be_had(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    monkeypatch.setattr(
        "observability.open_for_writing",
        lambda *given, **named: opened.append(open_for_writing(*given, **named)) or opened[0],
    )
    monkeypatch.setattr("observability.open_for_reading", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        open_history(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")
    assert list(path.parent.glob("*.jsonl")) == []
