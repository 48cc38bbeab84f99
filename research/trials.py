"""Every trial ever made, in a database: what a search finds is judged by all that were tried on the same sessions."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from research.engine import Plan
from research.search import Found
from research.source import Bars
from research.tapes import ATR_RANGES, END_BAR, END_POINT, END_TAPE, FIRST_BAR, FIRST_POINT, FIRST_TAPE, Floats
from utils import Misconfigured

VERSION = 1
LAST_OF_NAME = 16  # digits of a digest
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


class MarketName:
    """Names the prices, sessions, symbols and account of trials that compare, in whatever stretches they come."""

    def __init__(self, origin: str, on: Plan) -> None:
        self._origin = origin
        self._content = sha256(repr(on).encode())
        self._dates: list[date] = []

    def add(self, bars: Bars) -> None:
        """Sessions that follow those before."""
        market = bars.tapes
        for first, end in market.sessions[:, [FIRST_TAPE, END_TAPE]].tolist():
            tapes = market.tapes[first:end]
            names = " ".join(bars.symbol_of(tape) for tape in range(first, end))
            self._content.update(names.encode())
            played = market.bars[:, tapes[0, FIRST_BAR] : tapes[-1, END_BAR]]
            path = market.points[:, tapes[0, FIRST_POINT] : tapes[-1, END_POINT]]
            lengths = tapes[:, END_BAR] - tapes[:, FIRST_BAR]
            for row in (*played, *path, lengths, np.ascontiguousarray(tapes[:, ATR_RANGES]), market.atr[first:end]):
                self._content.update(row)
        self._dates += bars.dates

    def text(self) -> str:
        """The name."""
        return f"{self._origin} {self._dates[0]} {self._dates[-1]} {self._content.hexdigest()[:LAST_OF_NAME]}"


class TrialRecord:
    """The database of trials, made when it is missing. Raises Misconfigured when it cannot be used.

    `market` is of `MarketName`: only trials on the same one compare.
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
        """Keep all trials of a command, in one transaction."""
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
