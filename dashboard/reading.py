"""Threads that read the database, so that neither the server's loop nor the trading loop ever waits for it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from records.browsing import Browsing
from records.connections import open_for_reading
from records.faults import RecordsFailed

T = TypeVar("T")

READERS = 2
CACHE_MB = 8  # of each reader
LONGEST_S = 5.0  # of one question
LOOK_EVERY = 50_000  # steps of SQLite's machine between two looks at the time: about a millisecond


class TooSlow(Exception):
    """A question that took longer than LONGEST_S."""


class Readers:
    """Runs questions on connections that cannot write. `close` waits for those that run."""

    def __init__(self, path: Path, *, bot: str, mode: str) -> None:
        self._path = path
        self._who = (bot, mode)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="dashboard reader")
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []

    async def run(self, job: Callable[[Browsing], T]) -> T:
        """What `job` found. Raises TooSlow, RecordsFailed when the file cannot be read, or what `job` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, job)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for connection in self._opened:
            connection.close()

    def _run(self, job: Callable[[Browsing], T]) -> T:
        connection = self._connection()
        give_up = time.monotonic() + LONGEST_S
        connection.set_progress_handler(lambda: time.monotonic() > give_up, LOOK_EVERY)
        bot, mode = self._who
        try:
            return job(Browsing(connection, bot=bot, mode=mode))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise TooSlow from error
            raise RecordsFailed(f"{self._path.name}: cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            raise RecordsFailed(f"{self._path.name}: cannot be read: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = open_for_reading(self._path, cache_mb=CACHE_MB)
            self._opened.append(connection)
        return connection
