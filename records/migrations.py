"""Brings a database file to the version this program knows, and refuses files that are not its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from records.schema import APPLICATION_ID, MIGRATIONS
from utils import Misconfigured


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> list[int]:
    """Apply what is missing and return the versions reached, in order (empty: nothing to do).

    A migration and its `user_version` are one transaction: a crash leaves the version before or after it, and
    two programs that start at once apply it once. The connection must be in autocommit (`isolation_level=None`).
    Raises Misconfigured for a file of a newer program or of another one; sqlite3.Error as it comes.
    """
    reached: list[int] = []
    while (version := checked_version(connection, path, len(migrations))) < len(migrations):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _user_version(connection) == version:  # else another program was faster
                for statement in migrations[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
                reached.append(version + 1)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
    return reached


def checked_version(connection: sqlite3.Connection, path: Path, known: int = len(MIGRATIONS)) -> int:
    """The version of the file, 0 for an empty one. Raises Misconfigured when the file is not ours or too new."""
    version = _user_version(connection)
    if version > known:
        raise Misconfigured(
            f"{path}: written by a newer program: database version {version}, this program knows {known}"
        )
    has_tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    if has_tables and application_id != APPLICATION_ID:
        raise Misconfigured(f"{path}: a database of another program (application_id {application_id})")
    return version


def _user_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
