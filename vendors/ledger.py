"""What was spent and refused on a UTC day, and the last minute's turns: a small database that programs share."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path

log = logging.getLogger(__name__)

LEDGER_FILE = "calls.db"  # in the folder of kept replies
BUSY_S = 1.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCHEMA = """
CREATE TABLE IF NOT EXISTS calls(vendor TEXT, utc_day TEXT, spent INTEGER, PRIMARY KEY (vendor, utc_day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals(
    vendor TEXT, endpoint TEXT, symbol TEXT, utc_day TEXT, failure TEXT,
    PRIMARY KEY (vendor, endpoint, symbol)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns(vendor TEXT, at_us INTEGER);
CREATE INDEX IF NOT EXISTS turns_of_vendor ON turns(vendor, at_us);
"""
FARTHEST_TURN = timedelta(hours=1)  # one that is later was given before the machine's clock was set back
US = timedelta(microseconds=1)


class Priority(IntEnum):
    """Percent of the day's calls that may be spent when a call of this priority is made: the rest is for others."""

    OPTIONAL = 60
    NORMAL = 85
    NEEDED = 100


class DayLedger:
    """Calls per vendor and UTC day, and refusals that hold for the day. Counting is atomic between processes.

    A damaged file is put aside and counting begins anew: the vendor's own count is the last word.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = self._open()
        except sqlite3.DatabaseError as error:
            aside = file.with_suffix(".damaged")
            file.replace(aside)
            log.warning("%s is damaged (%s): put aside as %s, the day's calls are counted anew", file, error, aside)
            self._database = self._open()

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._file, timeout=BUSY_S, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")  # a power cut may cost the count of some calls
            database.executescript(SCHEMA)
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database

    def spend(self, vendor: str, now: datetime, calls_a_day: int | None, priority: Priority) -> bool:
        """Count one call before it is made. False: the day's calls for this priority are spent, nothing is counted.

        When the count cannot be written the call is refused.
        """
        most = 2**62 if calls_a_day is None else calls_a_day * priority // 100
        with self._telling():
            cursor = self._database.execute(
                "INSERT INTO calls VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET spent = spent + 1 WHERE spent < ?",
                (vendor, _utc_day(now), most),
            )
            return most > 0 and cursor.rowcount == 1
        return False

    def next_turn(self, vendor: str, now: datetime, calls: int, period: timedelta) -> datetime:
        """When a request may be sent: no window of `period` then holds more than `calls`, of all programs together."""
        query = "SELECT at_us FROM turns WHERE vendor = ? AND at_us <= ? ORDER BY at_us DESC LIMIT 1 OFFSET ?"
        farthest_us = (now + FARTHEST_TURN - EPOCH) // US
        with self._telling():
            row = self._database.execute(query, (vendor, farthest_us, calls - 1)).fetchone()
            return max(now, EPOCH + row[0] * US + period) if row else now
        return now

    def take_turn(self, vendor: str, now: datetime, calls: int, period: timedelta) -> datetime:
        """The same, and it is taken. A turn that is not used is lost; a disk that refuses loses the pace of others."""
        when = now
        with self._telling():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                when = self.next_turn(vendor, now, calls, period)
                self._database.execute("INSERT INTO turns VALUES (?, ?)", (vendor, (when - EPOCH) // US))
                over_us, farthest_us = (now - period - EPOCH) // US, (now + FARTHEST_TURN - EPOCH) // US
                gone = "DELETE FROM turns WHERE vendor = ? AND (at_us < ? OR at_us > ?)"
                self._database.execute(gone, (vendor, over_us, farthest_us))
            finally:
                self._database.execute("COMMIT")
        return when

    def spent(self, vendor: str, now: datetime) -> int:
        """Calls of this UTC day."""
        query = "SELECT spent FROM calls WHERE vendor = ? AND utc_day = ?"
        row = self._database.execute(query, (vendor, _utc_day(now))).fetchone()
        return int(row[0]) if row else 0

    def refuse(self, vendor: str, endpoint: str, symbol: str, failure: str, now: datetime) -> None:
        """Remember a refusal for the rest of the UTC day."""
        with self._telling():
            self._database.execute(
                "INSERT OR REPLACE INTO refusals VALUES (?, ?, ?, ?, ?)",
                (vendor, endpoint, symbol, _utc_day(now), failure),
            )

    def refusals(self, vendor: str, now: datetime) -> dict[tuple[str, str], str]:
        """Today's refusals: (endpoint, symbol or "") -> failure."""
        query = "SELECT endpoint, symbol, failure FROM refusals WHERE vendor = ? AND utc_day = ?"
        rows = self._database.execute(query, (vendor, _utc_day(now)))
        return {(endpoint, symbol): failure for endpoint, symbol, failure in rows}

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """A disk that refuses costs the call, not the program."""
        try:
            yield
        except sqlite3.Error as error:
            log.warning("%s: the count of calls cannot be written: %s", self._file, error)

    def close(self) -> None:
        self._database.close()


def _utc_day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
