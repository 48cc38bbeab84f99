"""Each optimisation is active and does something: counted in plans, statements, commits, bytes and threads, not time.

`make bench` measures what they bring in time (`benchmarks/bench_records.py`).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from observability import TradingHistory
from performance_config import PerformanceConfig, jobs_at_once
from records import queries
from records.connections import limits_of, open_for_reading, open_for_writing
from records.journal import FallbackJournal
from records.rows import HealthRow
from records.statements import ROWS_AT_ONCE, Statement
from records.writer import Writer
from tests.test_trading_history import DAY, OPEN, intent, trade

LIMIT_S = 20
PROC = Path("/proc/self")

needs_proc = pytest.mark.skipif(not (PROC / "io").exists(), reason="reads Linux's /proc")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


class Watched:
    """A writer whose statements are on record; it begins once `begin` is called."""

    def __init__(self, path: Path) -> None:
        self.statements: list[str] = []
        self.compiled: Counter[str] = Counter()  # table -> INSERT statements that SQLite compiled
        self._go = threading.Event()
        connection = open_for_writing(path)
        connection.set_trace_callback(self._trace)
        connection.set_authorizer(self._authorize)
        self.writer = Writer(connection, path, FallbackJournal(path.with_suffix(".jsonl")))

    def _trace(self, statement: str) -> None:
        self._go.wait(LIMIT_S)
        self.statements.append(statement)

    def _authorize(self, action: int, table: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_INSERT and table is not None:
            self.compiled[table] += 1
        return sqlite3.SQLITE_OK

    def finish(self) -> Counter[str]:
        """Let it write; how often each kind of statement ran."""
        self._go.set()
        self.writer.close()
        return Counter(statement.split()[0] for statement in self.statements if not statement.startswith("--"))


def health(number: int) -> Statement:
    parameters = (f"2025-10-07T14:00:00.{number:06}+00:00", "day_trader", "paper", "day_trader", "normal")
    sql = "INSERT INTO agent_health (timestamp, bot, mode, agent, status) VALUES (?, ?, ?, ?, ?)"
    return Statement(sql, parameters)


# Writing


def test_rows_that_wait_share_one_commit_and_many_share_one_statement(path: Path) -> None:
    watched = Watched(path)
    for number in range(1_000):
        watched.writer.submit(*health(number)[:2])
    ran = watched.finish()
    assert ran["COMMIT"] == 1
    assert ROWS_AT_ONCE == (256, 16)
    assert ran["INSERT"] == 3 + 14 + 8  # 1,000 is 3 times 256, 14 times 16 and 8
    assert watched.writer.rows_written == 1_000


def test_statements_are_compiled_once_however_often_they_run(path: Path) -> None:
    watched = Watched(path)
    for number in range(1_000):
        watched.writer.submit(*health(number)[:2])
        watched.writer.submit(queries.SET_META, (f"k{number}", "v"))  # in between, so that no rows are joined
    ran = watched.finish()
    assert ran["INSERT"] == 2_000
    assert watched.compiled == {"agent_health": 1, "meta": 1}


def test_a_bracket_is_one_statement_without_a_transaction_around_it_and_only_it_waits_for_the_disk(path: Path) -> None:
    watched = Watched(path)
    rows = [queries.ORDER_INTENTS.values(replace(intent(f"i{n}"), bot="b", mode="m")) for n in range(4)]
    watched.writer.submit_durable([Statement(queries.ORDER_INTENTS.insert, row) for row in rows])
    for number in range(10):
        watched.writer.submit(*health(number)[:2])
    ran = watched.finish()
    assert (ran["BEGIN"], ran["COMMIT"], ran["INSERT"]) == (1, 1, 11)
    levels = [number for number, statement in enumerate(watched.statements) if statement.startswith("PRAGMA sync")]
    full, normal, full_again = levels
    assert [watched.statements[number] for number in levels] == [
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous = NORMAL",
        "PRAGMA synchronous = FULL",
    ]
    assert [statement[:25] for statement in watched.statements[full + 1 : normal]] == ["INSERT INTO order_intents"]
    assert watched.statements[normal + 1] == "BEGIN IMMEDIATE"
    assert watched.statements[full_again - 1] == "COMMIT"


def test_the_write_ahead_log_lets_readers_read_while_a_transaction_is_open(path: Path) -> None:
    with closing(open_for_writing(path)) as writing, closing(open_for_reading(path, busy_timeout_s=0.01)) as reading:
        assert limits_of(writing).journal_mode == "wal"
        for key, seen in (("a", []), ("b", ["a"])):
            writing.execute("BEGIN IMMEDIATE")
            writing.execute("INSERT INTO meta VALUES (?, 'v')", (key,))
            assert [row["key"] for row in reading.execute("SELECT key FROM meta")] == seen
            writing.execute("COMMIT")


def test_without_the_write_ahead_log_the_same_reader_is_locked_out(path: Path) -> None:
    open_for_writing(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as writing:
        writing.execute("PRAGMA journal_mode = DELETE")
        writing.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Exception, match="locked"):
            open_for_reading(path, busy_timeout_s=0.01)


# Reading


def filled(path: Path, sessions: int) -> TradingHistory:
    """Ten round trips a session, one of them still open in the last; the bot's orders and samples with them."""
    history = TradingHistory(path, bot="day_trader", mode="paper")
    for session in range(sessions):
        start = OPEN - timedelta(days=sessions - 1 - session)
        day = start.date().isoformat()
        for slot in range(20):
            number, last = session * 20 + slot, session == sessions - 1
            at = start + timedelta(minutes=slot)
            history.record_health(_sample(at))
            if not (last and slot == 19):
                action, symbol = ("SELL" if slot % 2 else "BUY"), f"S{(session * 10 + slot // 2) % 40:02}"
                history.record_trade(
                    trade(f"e{number}", session_date=day, timestamp=at, symbol=symbol, action=action)  # type: ignore[arg-type]
                )
        done = [intent(f"i{session}-{n}", session_date=day, created_at=start, state="filled") for n in range(20)]
        history.commit_intents([replace(row, client_id=2, order_id=session * 20 + n) for n, row in enumerate(done)])
    history.commit_intents([intent("open")])
    history.flush().result(LIMIT_S)
    return history


def _sample(at: datetime) -> HealthRow:
    return HealthRow(timestamp=at, agent="day_trader", status="normal")


QUERIES: dict[str, Callable[[TradingHistory], object]] = {  # what the program asks while it trades
    "executions of the session": lambda history: history.trades(DAY, "day_trader"),
    "executions of an hour": lambda history: history.trades_between(OPEN, OPEN + timedelta(hours=1)),
    "latest executions of a symbol": lambda history: history.latest_trades("S01", 5),
    "ledger at a restart": lambda history: history.ledger(DAY),
    "open positions of all bots": lambda history: history.open_positions(),
    "round trips of the session": lambda history: history.round_trips(DAY, "day_trader"),
    "orders that may be alive": lambda history: history.open_intents(),
    "one order": lambda history: history.intent("i1-1"),
    "highest order id": lambda history: (history._highest_order_ids.clear(), history.highest_order_id(2)),
    "health of an hour": lambda history: history.health_between(OPEN, OPEN + timedelta(hours=1)),
    "account": lambda history: history.account_id(),
}


def steps(history: TradingHistory, ask: Callable[[TradingHistory], object]) -> int:
    """Instructions of SQLite's machine that a query takes."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    ask(history)  # compile, and read the schema
    history._connection.set_progress_handler(count, 1)
    ask(history)
    history._connection.set_progress_handler(None, 1)
    return counted[0]


@pytest.fixture(scope="module")
def short_and_long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TradingHistory, TradingHistory]]:
    folder = tmp_path_factory.mktemp("histories")
    short, long = filled(folder / "short.db", 8), filled(folder / "long.db", 160)
    yield short, long
    short.close()
    long.close()


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_of_the_program_costs_more_because_history_is_longer(
    short_and_long: tuple[TradingHistory, TradingHistory], query: str
) -> None:
    few, many = (steps(history, QUERIES[query]) for history in short_and_long)
    assert 0 < many <= 1.6 * few + 100  # the history is twenty times as long


@pytest.mark.parametrize("index", queries.QUERY_OF_INDEX)
def test_each_index_is_used_and_without_it_its_query_reads_the_table(path: Path, index: str) -> None:
    filled(path, 3).close()
    query = queries.QUERY_OF_INDEX[index]
    given = [None] * query.count("?")
    plans = []
    for change in ("SELECT 1", f"DROP INDEX {index}"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(change)
            plans.append(connection.execute(f"EXPLAIN QUERY PLAN {query}", given).fetchone()[3])
    assert f" INDEX {index} (" in plans[0]
    assert plans[1].startswith("SCAN ") or " INDEX " not in plans[1]  # MAX is called a search even then


def test_an_index_saves_most_of_the_work(path: Path) -> None:
    with filled(path, 160) as history:
        ask = QUERIES["executions of the session"]
        with_index = steps(history, ask)
        with closing(open_for_writing(path)) as connection:
            connection.execute("DROP INDEX trades_session_date_bot")
        assert steps(history, ask) > 10 * with_index


@needs_proc
def test_the_readers_map_is_a_real_map_of_the_file(path: Path) -> None:
    filled(path, 8).close()
    for mmap_mb in (0, 16):
        with TradingHistory(path, bot="day_trader", mode="paper", mmap_mb=mmap_mb) as history:
            history.trades()
            maps = [line.split()[-1] for line in (PROC / "maps").read_text().splitlines()]
            assert (str(path) in maps) == (mmap_mb > 0)


def bytes_read(work: Callable[[], object]) -> int:
    """What this process asked the system to read meanwhile."""

    def so_far() -> int:
        return int((PROC / "io").read_text().split()[1])

    before = so_far()
    work()
    return so_far() - before


@needs_proc
def test_the_cache_saves_reading_the_file_again(path: Path) -> None:
    filled(path, 160).close()
    scan = "SELECT SUM(price) FROM trades NOT INDEXED"
    read: dict[int, int] = {}  # MB of cache -> bytes read by the second scan
    with closing(open_for_reading(path, cache_mb=10)) as reader:
        reader.execute(scan).fetchall()
        read[10] = bytes_read(lambda: reader.execute(scan).fetchall())
        reader.execute("PRAGMA cache_size = 10")  # pages
        reader.execute(scan).fetchall()
        read[0] = bytes_read(lambda: reader.execute(scan).fetchall())
    assert read[0] > 20 * read[10]


def test_the_configured_cache_and_map_are_those_of_the_connections(path: Path) -> None:
    config = PerformanceConfig(sqlite_cache_mb=12, sqlite_mmap_mb=64)
    with TradingHistory(
        path, bot="day_trader", mode="paper", cache_mb=config.sqlite_cache_mb, mmap_mb=config.sqlite_mmap_mb
    ) as history:
        assert history._limits_active == ("wal", 12.0, 64.0)
        assert limits_of(history._connection) == ("wal", 12.0, 64.0)


# Threads


@pytest.mark.parametrize("workers", [PerformanceConfig().watchlist_workers, 12])
def test_as_many_jobs_of_the_pool_run_at_once_as_there_are_workers(workers: int) -> None:
    assert jobs_at_once(workers) == workers


def test_recording_does_not_wait_for_the_writer(path: Path) -> None:
    with TradingHistory(path, bot="day_trader", mode="paper") as history:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # the writer waits for this lock; the caller must not
        for number in range(100):
            history.record_trade(trade(f"e{number}"))
        assert history.waiting > 0
        other.execute("COMMIT")
        other.close()
        assert len(history.trades()) == 100
