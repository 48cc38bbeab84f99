"""Opens the database file: one connection that writes, any number that only read."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from records.faults import Unavailability, unavailability
from records.integrity import damaged
from records.llm_calls import know_hash
from records.migrations import checked_version, migrate
from utils import Misconfigured, Retryable, TradingError

OLDEST_SQLITE = (3, 37, 0)  # STRICT tables
CACHE_MB = 10
BUSY_TIMEOUT_S = 10.0  # the other bot's process writes the same file in short transactions
MIB = 1 << 20


class Limits(NamedTuple):
    """What a connection really works with, as SQLite reports it. Sizes in MB of 2**20 bytes."""

    journal_mode: str
    cache_mb: float
    mmap_mb: float


def open_for_writing(
    path: Path, *, cache_mb: int = CACHE_MB, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> sqlite3.Connection:
    """The connection that writes `path`, in WAL mode and migrated; the file is created if absent.

    It is in autocommit and may be handed to another thread. Raises Misconfigured with one line when the file
    cannot be this program's database, Retryable when another program keeps it locked, HaltTrading when
    it is damaged.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise Misconfigured(f"SQLite {sqlite3.sqlite_version} is too old: {oldest} or newer is needed")
    if path.is_dir():
        raise Misconfigured(f"{path}: is a directory, not a database file")
    if not path.parent.is_dir():
        raise Misconfigured(f"{path}: its directory does not exist")
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
        _set_cache(connection, cache_mb)
        _switch_to_wal(connection, path)
        connection.execute("PRAGMA synchronous = NORMAL")
        know_hash(connection)
        migrate(connection, path)
        connection.execute("BEGIN IMMEDIATE")  # SQLite opens what it may only read without a word
        connection.execute("ROLLBACK")
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise opening_fault(path, error) from error
        raise
    return connection


def open_for_reading(
    path: Path, *, cache_mb: int = CACHE_MB, mmap_mb: int = 0, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> sqlite3.Connection:
    """A connection that cannot write; rows come as sqlite3.Row. Raises Misconfigured or Retryable.

    `mmap_mb` of the file are read through the system's page cache instead of being copied. Only readers do so:
    an IO error of a mapped page is no error of SQLite but ends the process.
    """
    if not path.exists():
        raise Misconfigured(f"{path}: no such file")
    connection = None
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        _set_cache(connection, cache_mb)
        connection.execute(f"PRAGMA mmap_size = {mmap_mb * MIB}")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # the file is only opened now
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise opening_fault(path, error) from error
    connection.row_factory = sqlite3.Row
    return connection


def limits_of(connection: sqlite3.Connection) -> Limits:
    """The limits that are active in `connection`; raises sqlite3.Error as it comes."""
    journal_mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    cache = connection.execute("PRAGMA cache_size").fetchone()[0]  # pages, or KiB when negative
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    mapped = connection.execute("PRAGMA mmap_size").fetchone()  # no row where SQLite was built without it
    cache_bytes = -cache * 1024 if cache < 0 else cache * page_bytes
    return Limits(journal_mode, cache_bytes / MIB, mapped[0] / MIB if mapped else 0.0)


def opening_fault(path: Path, error: sqlite3.Error) -> TradingError:
    """What SQLite said while `path` was opened, as an error of this program."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
        return Misconfigured(f"{path}: is not a database")
    reason = unavailability(error)
    if reason is Unavailability.LOCKED:
        return Retryable(f"{path}: another program keeps the database locked")
    if reason in (Unavailability.READ_ONLY, Unavailability.IO) and path.is_file():
        return Misconfigured(f"{path}: the database cannot be written ({error}): check permissions, folder and disk")
    if reason is Unavailability.DAMAGED:
        return damaged(path, str(error))
    return Misconfigured(f"{path}: cannot be used as a database: {error}")


def _set_cache(connection: sqlite3.Connection, cache_mb: int) -> None:
    connection.execute(f"PRAGMA cache_size = -{cache_mb * 1024}")  # negative: KiB


def _switch_to_wal(connection: sqlite3.Connection, path: Path) -> None:
    checked_version(connection, path)  # first, so that a file that is not ours stays untouched
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise Misconfigured(f"{path}: the file system allows no write-ahead log (journal mode is {mode!r})")
