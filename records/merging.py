"""What the fallback journals hold goes into the database: in order, and exactly once."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from records.faults import STATEMENT_ERRORS, is_of_one_row
from records.journal import FallbackJournal, journals_of
from records.queries import SELECT_META, SET_META
from records.statements import Refused, Statement, perform

log = logging.getLogger(__name__)

MERGED_KEY = "fallback."  # of `meta`; behind it the journal's id, the value is the last entry that was merged


class Merged(NamedTuple):
    """What one merge did. `refused` are statements of entries that the database did not take."""

    rows: int
    refused: list[Refused]


def merge(connection: sqlite3.Connection, journal: FallbackJournal) -> Merged:
    """Write what is new in `journal`, in one durable transaction with the number of its last entry.

    So a crash at any moment neither loses an entry nor writes it twice. An entry that is wrong is left out as a
    whole. Raises sqlite3.Error when the database still does not work; nothing has changed then.
    """
    content = journal.content()
    rows, refused = 0, []
    key = MERGED_KEY + content.journal_id
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = connection.execute(SELECT_META, (key,)).fetchone()
        done = int(found[0]) if found else 0
        for entry in content.entries:
            if entry.number > done:
                wrong = _write_entry(connection, entry.statements)
                rows += 0 if wrong else len(entry.statements)
                refused += [wrong] if wrong else []
        # written without entries, too: it shows that writing works
        connection.execute(SET_META, (key, str(len(content.entries))))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return Merged(rows, refused)


def merge_leftovers(connection: sqlite3.Connection, database: Path, directory: Path | None) -> None:
    """Merge and remove the journals that earlier programs left, of all bots. One in use is its program's own."""
    for path in journals_of(database, directory):
        with suppress(BlockingIOError):
            journal = FallbackJournal(path)
            if not journal.entries:  # only reserved space
                journal.close()
                continue
            try:
                merged = merge(connection, journal)
                if merged.refused:
                    log.error("%s: not merged, see %s: %s", database, journal.copy_aside(), merged.refused[0])
                journal.clear()
            finally:
                journal.close()
            if merged.rows:
                log.warning("%s: %d row(s) of an earlier run were merged from %s", database, merged.rows, path)


def _write_entry(connection: sqlite3.Connection, statements: Sequence[Statement]) -> Refused | None:
    connection.execute("SAVEPOINT entry")
    for statement in statements:
        try:
            perform(connection, statement)
        except STATEMENT_ERRORS as error:
            if not is_of_one_row(error, connection):
                raise
            connection.execute("ROLLBACK TO entry")
            connection.execute("RELEASE entry")
            return Refused(statement, error)
    connection.execute("RELEASE entry")
    return None
