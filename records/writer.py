"""The one thread that writes the database, or the journal while the database takes nothing."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from records.faults import STATEMENT_ERRORS, DatabaseGone, RecordsFailed, Unavailability, unavailability
from records.journal import FallbackJournal
from records.log_file import FOLD_FROM, WriteAheadLog
from records.merging import merge
from records.queue import Commit, Errand, WriteQueue
from records.statements import Refused, Statement, perform_all, perform_together
from telemetry import tracing
from telemetry.conventions import database_call
from telemetry.tracing import Link

log = logging.getLogger(__name__)

ROWS_PER_TRANSACTION = 5_000
LOCK_PATIENCE_S = 1.0  # the other bot's transactions take milliseconds
RETRY_EVERY_S = 1.0
RETRY_PATIENCE_S = 0.05  # while orders go through the journal they must not wait for the database
CLOSING_CHECKPOINT_S = 1.0  # a reader that stays must not hold up the end of the program


class Writer:
    """Owns `connection` (autocommit, migrated, of the file `path`) and `journal` from now on.

    - Durable transactions come first: each its own, all or nothing, on disk (synchronous=FULL) before its future
      completes; among themselves in the order of submission.
    - Ordinary rows, in the order of submission and after the durable ones submitted before them: what waits goes
      into one transaction (synchronous=NORMAL: a power cut may take the last ones, never the integrity). A row that
      is wrong is counted, logged and kept as `first_error`; its neighbours are written.
    - While the database takes nothing (`Unavailability`), everything goes to the journal, on disk before a future
      completes; once it works again the journal is merged, in order and exactly once.
    - The write-ahead log is made `log_mb` long at the start, synced and folded into the database in quiet moments.
    - Nothing ever blocks the caller. When rows come faster than they are written, `trouble` says so, and in the end
      `submit` raises RecordsFailed; see `WriteQueue`. Methods may be called from any thread.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, journal: FallbackJournal, *, log_mb: int = 0
    ) -> None:
        self.name = str(path)
        self.rows_written = 0  # ordinary statements in the database, since the start
        self.first_error: RecordsFailed | None = None  # of an ordinary row; a durable one tells its own future
        self._queue = WriteQueue(self.name)
        self._lost = 0
        self._connection = connection
        self._path = path
        self._file = path.stat()
        self._journal = journal
        self._log = WriteAheadLog(connection, path, log_mb)
        self._broken = False  # the thread ended by itself
        self._unavailable: Unavailability | None = None
        self._journal_fails = False
        self._tried_s = 0.0  # when the database was last tried, on the monotonic clock
        self._synchronous = ""
        self._thread = threading.Thread(target=self._run, name=f"writer of {self.name}", daemon=True)
        self._thread.start()

    @property
    def failures(self) -> int:
        """Statements and durable transactions that are neither in the database nor in the journal."""
        return self._lost + self._queue.turned_away

    @property
    def trouble(self) -> str:
        """Why nothing new should be bought, in words that stay the same while it lasts; empty when all is well."""
        if self._broken:
            return f"{self.name}: nothing is recorded any more"
        if self._journal_fails:
            return f"{self.name}: neither the database nor {self._journal.path} can be written"
        if (reason := self._unavailable) is not None:
            return f"{self.name}: {reason.value}; what happens is recorded in {self._journal.path}"
        if self._queue.is_pressed:
            return f"{self.name}: rows come faster than they can be written"
        return f"{self.name}: a row was refused" if self.failures else ""

    @property
    def healthy(self) -> bool:
        """Whether there is no trouble."""
        return not self.trouble

    @property
    def waiting(self) -> int:
        """Rows and transactions in the queue."""
        return self._queue.waiting

    @property
    def is_stuck(self) -> bool:
        """Whether rows wait in memory because neither the database nor the journal takes them."""
        return self._journal_fails

    @property
    def is_idle(self) -> bool:
        """Whether everything submitted so far has been dealt with."""
        return self._queue.is_idle

    def submit(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Write soon. Returns at once; a wrong row shows in `trouble` and raises at `flush` and `close`.

        Raises RecordsFailed when too many rows wait, or after `close`.
        """
        self._queue.add_row(Statement(statement, parameters, tracing.current()))

    def submit_durable(self, statements: Sequence[Statement]) -> Future[None]:
        """Write all of `statements` or none, on disk when the future completes. It fails with RecordsFailed."""
        return self._queue.add_commit(tuple(statements))

    def flush(self) -> Future[None]:
        """Completes when everything before it is on record; fails with the first error if a row was wrong."""
        return self._queue.add_errand(None)

    def run(self, work: Callable[[sqlite3.Connection], Any]) -> Future[Any]:
        """Do `work` in the thread, outside a transaction, after all rows before it. RecordsFailed when it cannot."""
        return self._queue.add_errand(work)

    def close(self) -> None:
        """Write what waits, fold the log into the database, end the thread. Raises the first error, after that."""
        self._queue.close()
        self._thread.join()
        if self.first_error is not None:
            raise self.first_error

    # From here on: the writer's thread.

    def _run(self) -> None:
        try:
            self._set_patience(LOCK_PATIENCE_S)
            self._log.take_over()
            while self._wait():
                self._retry()
                self._tidy_log()
                self._write()
            self._retry(at_once=True)
            while self._queue.waiting and not self._journal_fails:
                self._write()
            if self._queue.waiting:
                self._abandon(RecordsFailed(self.trouble))
            if self._unavailable is None:
                self._fold_log_away()
        except BaseException as error:  # the thread's border: whoever waits must hear of it
            log.exception("the writer of %s ended by itself", self.name)
            self._broken = True
            self._abandon(RecordsFailed(f"{self.name}: the writer ended by itself: {error!r}"))
        finally:
            self._log.close()
            self._connection.close()
            self._leave_journal()

    def _wait(self) -> bool:
        limit_s = self._log.rest_s if self._unavailable is None else None
        if self._may_recover or self._journal_fails:
            limit_s = RETRY_EVERY_S
        return self._queue.wait(limit_s, rows_rest=self._journal_fails)

    def _write(self) -> None:
        while (commit := self._queue.next_commit()) is not None:
            self._write_durable(commit)
        self._write_rows()

    def _tidy_log(self) -> None:
        if self._unavailable is None:
            try:
                self._log.tidy(quiet=not self._queue.waiting)
            except (sqlite3.Error, OSError) as error:
                log.warning("%s: its write-ahead log could not be synced or folded: %s", self.name, error)

    def _fold_log_away(self) -> None:
        self._set_patience(CLOSING_CHECKPOINT_S)
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            log.warning("%s: all is in its write-ahead log, which stays: %s", self.name, error)

    def _write_rows(self) -> None:
        """One transaction of what waits, then the errand behind it. A durable transaction interrupts it."""
        taken: list[Statement] = []
        refused: list[Refused] = []
        rows = self._queue.next_rows()
        start_ns = tracing.now_ns()
        try:
            while rows and self._unavailable is None:
                if not taken:
                    self._check_file()
                    self._synchronise("NORMAL")
                    self._connection.execute("BEGIN IMMEDIATE")
                taken += rows
                refused += perform_all(self._connection, rows)
                rows = self._queue.next_rows() if len(taken) < ROWS_PER_TRANSACTION else []
            if taken:
                self._connection.execute("COMMIT")
                self.rows_written += len(taken) - len(refused)
                self._log.wrote(len(taken), synced=False)
                self._tell(taken, refused, start_ns)
                taken = []
                self._synchronise("FULL")  # now, and not while an order waits
        except STATEMENT_ERRORS as error:
            self._give_up(error)
            rows, refused = taken or rows, []
        if refused:
            self._rows_refused(refused)
        if rows:
            self._write_to_journal(rows)
        elif (errand := self._queue.next_errand()) is not None:
            self._do(errand)

    def _write_to_journal(self, rows: list[Statement]) -> None:
        try:
            self._journal.append([(row,) for row in rows])
        except OSError as error:
            self._journal_failed(error)
            self._queue.put_back(rows)
            return
        except TypeError:  # a value that neither JSON nor SQLite knows: find it
            if len(rows) == 1:
                self._rows_refused([Refused(rows[0], TypeError("not a value of the database"))])
                return
            for row in rows:
                self._write_to_journal([row])
            return
        self._journal_fails = False

    def _write_durable(self, commit: Commit) -> None:
        if self._unavailable is None:
            start_ns = tracing.now_ns()
            try:
                self._check_file()
                self._synchronise("FULL")
                perform_together(self._connection, commit.statements)
            except STATEMENT_ERRORS as error:
                if unavailability(error) is None:
                    self._roll_back()
                    self._fail(commit, str(Refused(commit.statements[0], error)), error)
                    return
                self._give_up(error)
            else:
                commit.future.set_result(None)
                self._log.wrote(len(commit.statements), synced=True)
                if commit.under is not None:
                    self._tell_one(commit.under, commit.statements[0], start_ns, rows=len(commit.statements))
                return
        try:
            self._journal.append([commit.statements])
        except (OSError, TypeError) as error:
            self._journal_failed(error)
            self._fail(commit, f"{self._unavailable}, and the journal fails: {error}", error)
        else:
            self._journal_fails = False
            commit.future.set_result(None)

    def _do(self, errand: Errand) -> None:
        if errand.work is None:
            if self.first_error is not None:
                errand.future.set_exception(self.first_error)
            elif self._journal_fails:
                errand.future.set_exception(RecordsFailed(self.trouble))
            else:
                errand.future.set_result(None)
        elif self._unavailable is not None:
            errand.future.set_exception(RecordsFailed(self.trouble))
        else:
            self._log.wrote(FOLD_FROM, synced=False)  # it may be anything
            try:
                errand.future.set_result(errand.work(self._connection))
            except STATEMENT_ERRORS as error:
                self._roll_back()
                failure = RecordsFailed(f"{self.name}: {error}")
                failure.__cause__ = error
                errand.future.set_exception(failure)

    def _tell(self, taken: list[Statement], refused: list[Refused], start_ns: int) -> None:
        """Tell the rows that were written for a span, each with the time of their transaction."""
        errors = {id(each.statement): each.error for each in refused}
        for row in taken:
            if row.under is not None:
                self._tell_one(row.under, row, start_ns, error=errors.get(id(row)))

    def _tell_one(
        self, under: Link, row: Statement, start_ns: int, *, rows: int = 1, error: BaseException | None = None
    ) -> None:
        name, end_ns = self._path.name, tracing.now_ns()
        database_call(under, row.sql, namespace=name, start_ns=start_ns, end_ns=end_ns, rows=rows, error=error)

    # The database fails, and works again

    @property
    def _may_recover(self) -> bool:
        return self._unavailable is not None and self._unavailable.may_pass

    def _synchronise(self, synchronous: Literal["NORMAL", "FULL"]) -> None:
        """What the next commit waits for; never inside a transaction."""
        if synchronous != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous

    def _check_file(self) -> None:
        try:
            there = os.path.samestat(self._path.stat(), self._file)
        except OSError:
            there = False
        if not there:
            raise DatabaseGone(Unavailability.GONE.value)

    def _give_up(self, error: BaseException) -> None:
        """From now on everything goes to the journal, until the database works again."""
        self._roll_back()
        self._unavailable = unavailability(error) or Unavailability.IO
        self._tried_s = monotonic()
        self._set_patience(RETRY_PATIENCE_S)
        then = "until it works again" if self._unavailable.may_pass else "until the next start"
        log.error(
            "%s: %s (%s); no entries, and everything is recorded in %s %s",
            *(self.name, self._unavailable.value, error, self._journal.path, then),
        )

    def _retry(self, *, at_once: bool = False) -> None:
        """Try the database again, and merge the journal when it works."""
        if not self._may_recover or not (at_once or monotonic() - self._tried_s >= RETRY_EVERY_S):
            return
        self._tried_s = monotonic()
        try:
            self._check_file()
            merged = merge(self._connection, self._journal)
            if merged.refused:
                log.error("%s: rows that were not merged are in %s", self.name, self._journal.copy_aside())
                self._rows_refused(merged.refused)
            self._journal.clear()
        except (*STATEMENT_ERRORS, OSError) as error:
            self._unavailable = unavailability(error) or Unavailability.IO
            return
        self._unavailable, self._journal_fails, self._synchronous = None, False, ""
        self._set_patience(LOCK_PATIENCE_S)
        log.warning("%s: works again, %d row(s) of %s were merged", self.name, merged.rows, self._journal.path)

    def _set_patience(self, seconds: float) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    # What is lost, and who is told

    def _rows_refused(self, refused: list[Refused]) -> None:
        """The one place that knows of ordinary rows that were wrong."""
        self._lost += len(refused)
        failure = RecordsFailed(f"{self.name}: {len(refused)} row(s) not written: {refused[0]}")
        failure.__cause__ = refused[0].error
        log.error("%s", failure)
        if self.first_error is None:
            self.first_error = failure

    def _fail(self, commit: Commit, words: str, error: BaseException) -> None:
        self._lost += 1
        failure = RecordsFailed(f"{self.name}: not committed: {words}")
        failure.__cause__ = error
        log.error("%s", failure)
        commit.future.set_exception(failure)

    def _journal_failed(self, error: BaseException) -> None:
        if not self._journal_fails:
            log.critical("%s: cannot be written either (%s); rows wait in memory", self._journal.path, error)
        self._journal_fails = True

    def _leave_journal(self) -> None:
        if self._journal.entries:
            log.error(
                "%s: %d transaction(s) are in %s and will be merged at the next start",
                *(self.name, self._journal.entries, self._journal.path),
            )
        self._journal.close()

    def _abandon(self, failure: RecordsFailed) -> None:
        """The thread broke, or neither place can be written to the end: what waits is lost."""
        self._lost += self._queue.abandon(failure)
        self.first_error = self.first_error or failure
