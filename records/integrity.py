"""Whether the pages of a database file are what they should be."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from records.faults import Unavailability, unavailability
from utils import HaltTrading


def damage(connection: sqlite3.Connection, *, thorough: bool) -> str:
    """The first fault that SQLite finds in the file; empty when there is none.

    `thorough` also compares every index with its table. That takes twice as long (5.5 s instead of 2.4 s for a
    million trades), so the start of a program does without and the making of a backup does not.
    """
    pragma = "integrity_check" if thorough else "quick_check"
    try:
        found = str(connection.execute(f"PRAGMA {pragma}(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if unavailability(error) is not Unavailability.DAMAGED:
            raise
        return str(error)
    return "" if found == "ok" else " ".join(found.split())


def refuse_damaged(connection: sqlite3.Connection, path: Path) -> None:
    """Raises HaltTrading, with what to do, when `path` is damaged: on a broken ledger nothing is traded."""
    if found := damage(connection, thorough=False):
        raise damaged(path, found)


def damaged(path: Path, found: str) -> HaltTrading:
    """The refusal of a damaged file. Nothing is moved or repaired before the user says so."""
    return HaltTrading(
        f"{path}: the database is damaged ({found}); orders that rest at the broker stay there. "
        f"`python -m records restore --db {path}` puts the newest good backup in its place"
    )
