"""Every trial ever made, in a database: what a search finds is judged by all that were tried on the same sessions."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np

from research.search import Found
from research.tapes import Floats
from utils import Misconfigured

VERSION = 1
SCHEMA = """
CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, command TEXT NOT NULL, market TEXT NOT NULL
) STRICT;
CREATE TABLE trials (
    run_id INTEGER NOT NULL REFERENCES runs, parameters TEXT NOT NULL, sessions INTEGER NOT NULL,
    round_trips INTEGER NOT NULL, mean_return REAL NOT NULL, sharpe REAL NOT NULL, returns BLOB NOT NULL
) STRICT;
CREATE INDEX trials_of_runs ON trials (run_id);
CREATE INDEX runs_of_markets ON runs (market);
PRAGMA user_version = 1;
"""


class TrialRecord:
    """The database of trials, made when it is missing. Raises Misconfigured when it cannot be used.

    `market` names the prices, the sessions, the symbols and the account: only trials on the same one compare.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with closing(self._connect()) as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
                if version == 0 and tables == 0:
                    connection.executescript(f"BEGIN;{SCHEMA}COMMIT;")
                elif version != VERSION:
                    raise Misconfigured(f"{path} has version {version}, this program knows {VERSION}")
        except sqlite3.Error as error:
            raise Misconfigured(f"{path}: {error}") from error

    def earlier_sharpes(self, market: str, found: Found) -> Floats:
        """Sharpe ratios of the other sets that were tried on this market, each set once."""
        with closing(self._connect()) as connection:
            rows = connection.execute(
                "SELECT parameters, MAX(sharpe) FROM trials JOIN runs USING (run_id) WHERE market = ? GROUP BY 1",
                [market],
            ).fetchall()
        now = {_text(found, number) for number in range(len(found.parameters))}
        return np.array([ratio for parameters, ratio in rows if parameters not in now], dtype=np.float64)

    def add(self, started_at: datetime, command: str, market: str, found: Found) -> None:
        """Keep all trials of a search, in one transaction."""
        ratios = found.sharpes.tolist()
        with closing(self._connect()) as connection, connection:
            run = connection.execute(
                "INSERT INTO runs (started_at, command, market) VALUES (?, ?, ?)",
                [started_at.isoformat(), command, market],
            ).lastrowid
            connection.executemany(
                "INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(run, _text(found, number), len(returns), int(found.trips[number])),
                        *(float(returns.mean()), ratio, returns.astype("<f8").tobytes()),
                    )
                    for number, (returns, ratio) in enumerate(zip(found.returns, ratios, strict=True))
                ],
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30)


def _text(found: Found, number: int) -> str:
    return json.dumps(found.parameters[number]._asdict())
