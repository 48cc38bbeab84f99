"""The one thread that writes the database, and the queue in front of it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import PurePath
from queue import Empty, SimpleQueue
from typing import Any, Literal, NamedTuple

from telemetry import tracing
from telemetry.conventions import database_call
from telemetry.tracing import Link
from utils import TradingError

log = logging.getLogger(__name__)

MAX_ROWS_PER_TRANSACTION = 5_000  # bounds how long a durable commit waits behind ordinary rows
CLOSING_CHECKPOINT_S = 1.0  # a reader that stays must not hold up the end of the program

# What one bad statement raises (constraint, type, size); the transaction around it goes on.
STATEMENT_ERRORS = (sqlite3.Error, OverflowError, ValueError, TypeError)


class RecordsFailed(TradingError):
    """Something that had to be on record is not. Entries stop: nothing is traded that cannot be recorded."""


class Statement(NamedTuple):
    """SQL and its parameters. An UPDATE that finds no row is an error: it names a row that was never written."""

    sql: str
    parameters: Sequence[Any] = ()
    under: Link | None = None  # the span that it is written for


class _Commit(NamedTuple):
    """A durable transaction; without statements, a mark in the queue."""

    statements: Sequence[Statement]
    future: Future[None]
    under: Link | None


class _Stop(NamedTuple):
    pass


class Writer:
    """Owns `connection` (autocommit, migrated) from now on; only its thread uses it.

    - Ordinary rows: what waits in the queue goes into one transaction (synchronous=NORMAL: a power cut may take
      the last ones, never the integrity). A statement that fails is counted, logged and kept as `first_error`,
      its neighbours are written.
    - Durable transactions: each its own, all or nothing, on disk (synchronous=FULL) before its future completes.
    - Everything is written in the order of submission. Methods may be called from any thread.
    """

    def __init__(self, connection: sqlite3.Connection, *, name: str) -> None:
        self.name = name
        self._file = PurePath(name).name
        self.rows_written = 0  # ordinary statements, since the start
        self.failures = 0  # statements and durable transactions that are not in the database
        self.first_error: RecordsFailed | None = None  # of an ordinary row; a durable one tells its own future
        self._connection = connection
        self._jobs: SimpleQueue[Statement | _Commit | _Stop] = SimpleQueue()
        self._in_hand: list[Statement | _Commit | _Stop] = []  # taken from the queue, perhaps not yet done
        self._gate = threading.Lock()  # nothing enters the queue behind the stop
        self._closed = False
        self._broken = False  # the thread ended by itself
        self._synchronous = ""
        self._thread = threading.Thread(target=self._run, name=f"writer of {name}", daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """False once anything was not written or the thread is gone."""
        return self.failures == 0 and self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Jobs in the queue, about."""
        return self._jobs.qsize()

    def submit(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Write soon. Returns at once; a failure shows in `healthy` and raises at `flush` and `close`."""
        self._put(Statement(statement, parameters, tracing.current()))

    def submit_durable(self, statements: Sequence[Statement]) -> Future[None]:
        """Write all of `statements` or none, on disk when the future completes. It fails with RecordsFailed."""
        return self._commit(tuple(statements))

    def flush(self) -> Future[None]:
        """Completes when everything before it is committed; fails with the first error if a row was lost."""
        return self._commit(())

    def close(self) -> None:
        """Write what waits, fold the log into the database, end the thread. Raises the first error, after that."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(_Stop())
        self._thread.join()
        if self.first_error is not None:
            raise self.first_error

    def _commit(self, statements: tuple[Statement, ...]) -> Future[None]:
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # who stops waiting does not unwrite what was submitted
        self._put(_Commit(statements, future, tracing.current()))
        return future

    def _put(self, job: Statement | _Commit) -> None:
        with self._gate:
            if self._closed:
                raise RecordsFailed(f"{self.name}: the writer is closed")
            if not self._broken:
                self._jobs.put(job)
                return
            self.failures += 1
        if isinstance(job, _Commit):
            job.future.set_exception(self.first_error)

    # From here on: the writer's thread.

    def _run(self) -> None:
        try:
            while not self._write(self._take()):
                self._in_hand = []
            self._connection.execute(f"PRAGMA busy_timeout = {int(CLOSING_CHECKPOINT_S * 1000)}")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except BaseException as error:  # the thread's border: whoever waits must hear of it
            log.exception("the writer of %s ended by itself", self.name)
            self._refuse_the_rest(error)
        finally:
            self._connection.close()

    def _take(self) -> list[Statement | _Commit | _Stop]:
        self._in_hand = jobs = [self._jobs.get()]
        with suppress(Empty):
            while len(jobs) < MAX_ROWS_PER_TRANSACTION:
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _write(self, jobs: list[Statement | _Commit | _Stop]) -> bool:
        """Perform `jobs` in order; True after the stop."""
        rows: list[Statement] = []
        for job in jobs:
            if isinstance(job, Statement):
                rows.append(job)
                continue
            self._write_rows(rows)
            rows = []
            if isinstance(job, _Stop):
                return True
            if job.statements:
                self._write_durable(job)
            elif self.first_error is not None:
                job.future.set_exception(self.first_error)
            else:
                job.future.set_result(None)
        self._write_rows(rows)
        return False

    def _write_rows(self, rows: list[Statement]) -> None:
        if not rows:
            return
        refused: list[tuple[Statement, BaseException]] = []
        start_ns = tracing.now_ns()
        try:
            self._begin("NORMAL")
            for row in rows:
                try:
                    self._execute(row)
                except STATEMENT_ERRORS as error:
                    if not self._connection.in_transaction:  # full disk, IO: SQLite gave the whole batch back
                        raise
                    refused.append((row, error))
            self._connection.execute("COMMIT")
        except STATEMENT_ERRORS as error:
            self._roll_back()
            refused = [(row, error) for row in rows]
        self.rows_written += len(rows) - len(refused)
        self._trace(rows, refused, start_ns)
        if refused:
            self._rows_lost(refused)

    def _write_durable(self, job: _Commit) -> None:
        statement, failure = job.statements[0], None
        start_ns = tracing.now_ns()
        try:
            self._begin("FULL")
            for statement in job.statements:
                self._execute(statement)
            self._connection.execute("COMMIT")
        except STATEMENT_ERRORS as error:
            self._roll_back()
            self.failures += 1
            failure = RecordsFailed(f"{self.name}: not committed: {_words(statement, error)}")
            failure.__cause__ = error
            log.error("%s", failure)
            job.future.set_exception(failure)
        else:
            job.future.set_result(None)
        if job.under is not None:
            self._tell(job.under, job.statements[0], start_ns, len(job.statements), failure)

    def _trace(self, rows: list[Statement], refused: list[tuple[Statement, BaseException]], start_ns: int) -> None:
        """Tell the rows that were written for a span, each with the time of its transaction."""
        errors = {id(row): error for row, error in refused}
        for row in rows:
            if row.under is not None:
                self._tell(row.under, row, start_ns, 1, errors.get(id(row)))

    def _tell(self, under: Link, row: Statement, start_ns: int, rows: int, error: BaseException | None) -> None:
        end_ns, database = tracing.now_ns(), self._file
        database_call(under, row.sql, namespace=database, start_ns=start_ns, end_ns=end_ns, rows=rows, error=error)

    def _begin(self, synchronous: Literal["NORMAL", "FULL"]) -> None:
        if synchronous != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous
        self._connection.execute("BEGIN IMMEDIATE")

    def _execute(self, statement: Statement) -> None:
        cursor = self._connection.execute(statement.sql, statement.parameters)
        if cursor.rowcount == 0 and statement.sql.startswith("UPDATE"):
            raise ValueError("no such row")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _rows_lost(self, refused: list[tuple[Statement, BaseException]]) -> None:
        """The one place that knows of ordinary rows the database did not take."""
        statement, error = refused[0]
        self.failures += len(refused)
        failure = RecordsFailed(f"{self.name}: {len(refused)} row(s) not written: {_words(statement, error)}")
        failure.__cause__ = error
        log.error("%s", failure)
        if self.first_error is None:
            self.first_error = failure

    def _refuse_the_rest(self, error: BaseException) -> None:
        with self._gate:
            self._broken = True
        if self.first_error is None:
            self.first_error = RecordsFailed(f"{self.name}: the writer ended by itself: {error!r}")
        unfinished = self._in_hand
        while not self._jobs.empty():
            unfinished.append(self._jobs.get_nowait())
        self.failures += len(unfinished)
        for job in unfinished:
            if isinstance(job, _Commit) and not job.future.done():
                job.future.set_exception(self.first_error)


def _words(statement: Statement, error: BaseException) -> str:
    return f"{' '.join(statement.sql.split()[:3])} ({statement.parameters!r:.200}): {error}"
