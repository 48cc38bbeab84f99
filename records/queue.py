"""What waits to be written: durable transactions before ordinary rows, each kind in the order it came."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from records.faults import RecordsFailed
from records.statements import Statement
from telemetry import tracing
from telemetry.tracing import Link

log = logging.getLogger(__name__)

ROWS_BETWEEN_LOOKS = 256  # a durable transaction waits for so many ordinary rows at most (about 3 ms)
PRESSED_FROM, RELAXED_FROM = 20_000, 10_000  # waiting rows at which entries stop, and may go on again
MOST_WAITING = 200_000  # some 150 MB; more is refused


class Commit(NamedTuple):
    """A durable transaction."""

    statements: tuple[Statement, ...]
    future: Future[None]
    under: Link | None  # the span that it is written for


class Errand(NamedTuple):
    """Something to be done on the connection once all rows before it are written; None only marks that moment."""

    work: Callable[[sqlite3.Connection], Any] | None
    future: Future[Any]


Job = Statement | Errand | Commit


class WriteQueue:
    """Filled from any thread, emptied by one. Nothing that fills it ever blocks.

    From PRESSED_FROM waiting rows on `is_pressed` says so; beyond MOST_WAITING one more row raises RecordsFailed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_pressed = False
        self.turned_away = 0  # rows and transactions that were not taken
        self._gate = threading.Condition(threading.Lock())  # guards all that follows
        self._commits: deque[Commit] = deque()
        self._rows: deque[Statement | Errand] = deque()
        self._in_hand: list[Job] = []  # taken, perhaps not yet done
        self._working = False
        self._closed = False
        self._failure: RecordsFailed | None = None  # nobody empties the queue any more

    @property
    def waiting(self) -> int:
        """Rows and transactions in the queue."""
        return len(self._rows) + len(self._commits)

    @property
    def is_idle(self) -> bool:
        """Whether everything so far has been dealt with."""
        with self._gate:
            return not (self._working or self._rows or self._commits)

    def add_row(self, row: Statement) -> None:
        """Take a row. Raises RecordsFailed when MOST_WAITING rows wait, and when nobody empties the queue any more."""
        with self._gate:
            if len(self._rows) >= MOST_WAITING:
                self.turned_away += 1
                raise RecordsFailed(f"{self.name}: {MOST_WAITING} rows wait already, one more is refused")
            self._add(self._rows, row)
            if len(self._rows) < PRESSED_FROM or self.is_pressed:
                return
            self.is_pressed = True
        log.warning("%s: %d rows wait to be written; no entries until they are fewer", self.name, PRESSED_FROM)

    def add_commit(self, statements: tuple[Statement, ...]) -> Future[None]:
        """Take a transaction, done before all rows that wait; its future ends on disk. Raises RecordsFailed."""
        commit = Commit(statements, _running(), tracing.current())
        with self._gate:
            self._add(self._commits, commit)
        return commit.future

    def add_errand(self, work: Callable[[sqlite3.Connection], Any] | None) -> Future[Any]:
        """Take work for the writer's connection, in its turn among the rows. Raises RecordsFailed."""
        errand = Errand(work, _running())
        with self._gate:
            self._add(self._rows, errand)
        return errand.future

    def close(self) -> None:
        """Take nothing more."""
        with self._gate:
            self._closed = True
            self._gate.notify()

    def _add(self, queue: deque[Any], job: Job) -> None:
        """With the gate held."""
        if self._closed:
            raise RecordsFailed(f"{self.name}: the writer is closed")
        if self._failure is None:
            queue.append(job)
            self._gate.notify()
            return
        self.turned_away += 1
        if not isinstance(job, Statement):
            job.future.set_exception(self._failure)

    # From here on: of the thread that empties it.

    def wait(self, limit_s: float | None, *, rows_rest: bool) -> bool:
        """All that was taken is done: sleep until there is more, for `limit_s` at most.

        False once it is closed and empty. With `rows_rest` rows are no reason to wake up: they cannot be written now.
        """
        with self._gate:
            self._working, self._in_hand = False, []
            while not (self._commits or (self._rows and not rows_rest)):
                if self._closed:
                    return False
                if not self._gate.wait(limit_s):
                    break
            self._working = True
        return True

    def next_commit(self) -> Commit | None:
        """The transaction that waits longest; transactions come before rows."""
        with self._gate:
            if not self._commits:
                return None
            self._in_hand.append(self._commits[0])
            return self._commits.popleft()

    def next_rows(self) -> list[Statement]:
        """Rows from the front; none when an errand or a durable transaction comes first."""
        rows: list[Statement] = []
        with self._gate:
            while self._rows and len(rows) < ROWS_BETWEEN_LOOKS and not self._commits:
                row = self._rows[0]
                if isinstance(row, Errand):
                    break
                rows.append(row)
                self._rows.popleft()
            if self.is_pressed and len(self._rows) <= RELAXED_FROM:
                self.is_pressed = False
            self._in_hand += rows
        return rows

    def next_errand(self) -> Errand | None:
        """The errand at the front of the rows, where there is one and no transaction waits."""
        with self._gate:
            first = self._rows[0] if self._rows and not self._commits else None
            if not isinstance(first, Errand):
                return None
            self._rows.popleft()
            self._in_hand.append(first)
            return first

    def put_back(self, rows: list[Statement]) -> None:
        """They could not be written: they come first again."""
        with self._gate:
            self._rows.extendleft(reversed(rows))

    def abandon(self, failure: RecordsFailed) -> int:
        """Nobody empties it any more: who waits, now or later, is told `failure`. Returns how many jobs are undone."""
        with self._gate:
            self._failure = failure
            undone = [*self._in_hand, *self._commits, *self._rows]
            self._commits.clear()
            self._rows.clear()
        for job in undone:
            if not isinstance(job, Statement) and not job.future.done():
                job.future.set_exception(failure)
        return len(undone)


def _running() -> Future[Any]:
    """A future that cannot be cancelled: who stops waiting does not unwrite what was submitted."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future
