"""What can be wrong with the database, and which of it is the fault of one row."""

from __future__ import annotations

import sqlite3
from enum import Enum

from utils import TradingError

# What a statement can raise; `unavailability` tells a bad row from a database that does not work.
STATEMENT_ERRORS = (sqlite3.Error, OverflowError, ValueError, TypeError)


class RecordsFailed(TradingError):
    """Something that had to be on record is not. Entries stop: nothing is traded that cannot be recorded."""


class Unavailability(Enum):
    """Why the database as a whole takes nothing. The value is told to the user."""

    LOCKED = "another program keeps it locked"
    FULL = "the disk is full"
    READ_ONLY = "it cannot be written"
    IO = "reading or writing it fails"
    DAMAGED = "the file is damaged"
    GONE = "the file was moved or deleted"

    @property
    def may_pass(self) -> bool:
        """Whether it is worth to try again. A damaged file is left as it is: writing could damage more."""
        return self not in (Unavailability.DAMAGED, Unavailability.GONE)


_OF_PRIMARY_CODE = {  # SQLite's result code, https://www.sqlite.org/rescode.html
    sqlite3.SQLITE_BUSY: Unavailability.LOCKED,
    sqlite3.SQLITE_LOCKED: Unavailability.LOCKED,
    sqlite3.SQLITE_PROTOCOL: Unavailability.LOCKED,
    sqlite3.SQLITE_FULL: Unavailability.FULL,
    sqlite3.SQLITE_READONLY: Unavailability.READ_ONLY,
    sqlite3.SQLITE_PERM: Unavailability.READ_ONLY,
    sqlite3.SQLITE_IOERR: Unavailability.IO,
    sqlite3.SQLITE_CANTOPEN: Unavailability.IO,
    sqlite3.SQLITE_NOMEM: Unavailability.IO,
    sqlite3.SQLITE_CORRUPT: Unavailability.DAMAGED,
    sqlite3.SQLITE_NOTADB: Unavailability.DAMAGED,
}


class DatabaseGone(sqlite3.OperationalError):
    """The path no longer names the file that is open: what is written there would be lost."""


def unavailability(error: BaseException) -> Unavailability | None:
    """What `error` says about the whole database; None: only its statement was wrong."""
    if isinstance(error, DatabaseGone):
        return Unavailability.GONE
    if not isinstance(error, sqlite3.Error):
        return None
    return _OF_PRIMARY_CODE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)  # the low byte; the rest refines it


def is_of_one_row(error: BaseException, connection: sqlite3.Connection) -> bool:
    """Whether the open transaction can go on without the statement that raised `error`."""
    return connection.in_transaction and unavailability(error) is None
