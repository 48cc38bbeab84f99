"""Old rows that nobody needs any more leave the database. Trades and order intents never do."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from records.tables import utc_text

SHORT_LIVED = ("agent_health", "decisions")  # their rows are written in the order of time
ROWS_AT_ONCE = 5_000


def prune(connection: sqlite3.Connection, before: datetime) -> int:
    """Delete rows of SHORT_LIVED older than `before`; returns how many. Each transaction takes a few milliseconds.

    It walks from the oldest row on and stops at the first young one: no index on time, no scan.
    """
    limit, deleted = utc_text(before), 0
    for table in SHORT_LIVED:
        oldest = f"SELECT rowid FROM {table} ORDER BY rowid LIMIT {ROWS_AT_ONCE}"
        gone = ROWS_AT_ONCE
        while gone == ROWS_AT_ONCE:
            statement = f"DELETE FROM {table} WHERE rowid IN ({oldest}) AND timestamp < ?"
            gone = connection.execute(statement, (limit,)).rowcount
            deleted += gone
    return deleted
