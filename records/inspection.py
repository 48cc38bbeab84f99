"""Whether a database file works as it should, found out without writing to it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from records.connections import limits_of, open_for_reading, opening_fault
from records.migrations import checked_version
from records.schema import MIGRATIONS
from utils import Misconfigured

CONFIGURATION_KEY = "configuration."  # of `meta`; behind it a bot, the value is what its last run worked with


class Check(NamedTuple):
    """One thing that was verified."""

    name: str
    ok: bool
    detail: str


def inspect_database(path: Path, queries: Mapping[str, str], configuration: Mapping[str, Any]) -> list[Check]:
    """Check schema, write-ahead log, indexes, the limits of a connection and what the last runs worked with.

    `queries`: index -> a statement that must be answered through it; `configuration`: what runs record, with at
    least `sqlite_cache_mb` and `sqlite_mmap_mb`. Raises Misconfigured when the file is not a database of this
    program, Retryable when another program keeps it locked.
    """
    cache_mb, mmap_mb = configuration["sqlite_cache_mb"], configuration["sqlite_mmap_mb"]
    with closing(open_for_reading(path, cache_mb=cache_mb, mmap_mb=mmap_mb)) as connection:
        try:
            version = checked_version(connection, path)
            if version == 0:
                raise Misconfigured(f"{path}: is empty, no run has used it")
            limits = limits_of(connection)
            return [
                Check("schema", version == len(MIGRATIONS), f"version {version}, the program's is {len(MIGRATIONS)}"),
                Check("write-ahead log", limits.journal_mode == "wal", f"journal mode is {limits.journal_mode}"),
                *(_index_check(connection, index, query) for index, query in queries.items()),
                Check("SQLite cache", limits.cache_mb == cache_mb, f"{limits.cache_mb:g} of {cache_mb} MB"),
                Check("SQLite memory map", limits.mmap_mb == mmap_mb, f"{limits.mmap_mb:g} of {mmap_mb} MB"),
                *_run_checks(connection, configuration),
            ]
        except sqlite3.Error as error:
            raise opening_fault(path, error) from error


def _index_check(connection: sqlite3.Connection, index: str, query: str) -> Check:
    try:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", [None] * query.count("?")).fetchall()
    except sqlite3.OperationalError as error:
        return Check(f"index {index}", False, f"its query cannot run: {error}")
    access = plan[0]["detail"]  # `SEARCH trades USING INDEX name (…)`, or `SCAN trades`
    return Check(f"index {index}", f" INDEX {index} " in access, access)


def _run_checks(connection: sqlite3.Connection, configuration: Mapping[str, Any]) -> list[Check]:
    """One check for each bot that has run on this database."""
    checks = []
    for key, text in connection.execute("SELECT key, value FROM meta ORDER BY key"):
        if not key.startswith(CONFIGURATION_KEY):
            continue
        had = json.loads(text)
        differences = [
            f"{name} was {had.get(name, 'not recorded')}, is {wanted}"
            for name, wanted in configuration.items()
            if had.get(name) != wanted
        ]
        words = "worked with this configuration"
        if differences:
            words = f"{'; '.join(differences)} from the next start on"
        checks.append(Check(f"last run of {key.removeprefix(CONFIGURATION_KEY)}", not differences, words))
    return checks or [Check("last run", False, "no run has recorded its configuration")]
