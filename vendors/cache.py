"""Replies on disk, each kind with its lifetime. What cannot be read or does not match its checksum is a miss."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)


class Kind(StrEnum):
    """What a reply is about; also the name of its folder."""

    QUOTE = "quote"
    INTRADAY = "intraday"
    STATUS = "status"
    MOVERS = "movers"
    NEWS = "news"
    SCREEN = "screen"
    CALENDAR = "calendar"
    HISTORY = "history"
    OPINION = "opinion"
    FUNDAMENTALS = "fundamentals"
    REFERENCE = "reference"


LIFETIMES = {
    Kind.QUOTE: timedelta(seconds=30),
    Kind.INTRADAY: timedelta(minutes=1),
    Kind.STATUS: timedelta(minutes=1),
    Kind.MOVERS: timedelta(minutes=5),
    Kind.NEWS: timedelta(minutes=10),
    Kind.SCREEN: timedelta(hours=1),
    Kind.CALENDAR: timedelta(hours=6),
    Kind.HISTORY: timedelta(hours=12),
    Kind.OPINION: timedelta(hours=12),
    Kind.FUNDAMENTALS: timedelta(days=1),
    Kind.REFERENCE: timedelta(days=7),
}


class Entry(NamedTuple):
    """A reply that was kept, and when it was fetched."""

    text: str
    fetched_at: datetime


class DiskCache:
    """One file an entry, replaced as a whole. Errors of the disk are told once and cost only the entry."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.damaged = 0
        self._told = False

    def read(self, vendor: str, kind: Kind, question: str, now: datetime) -> Entry | None:
        """The reply to `question`, if one is there and young enough."""
        entry = self._read(self._path(vendor, kind, question), question)
        if entry is None or not timedelta(0) <= now - entry.fetched_at < LIFETIMES[kind]:
            return None
        return entry

    def write(self, vendor: str, kind: Kind, question: str, entry: Entry) -> None:
        """Keep a reply. Not forced to the disk: what a power cut damages is a miss."""
        content = {
            "question": question,
            "fetched_at": entry.fetched_at.isoformat(),
            "sha256": _checksum(entry.text),
            "text": entry.text,
        }
        path = self._path(vendor, kind, question)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(path)
        except (OSError, UnicodeError) as error:
            if not self._told:
                self._told = True
                log.warning("replies of %s cannot be kept in %s: %s", vendor, self._folder, error)

    def prune(self, now: datetime) -> int:
        """Remove what is too old to be used, by the time of the file, and what was never finished. How many."""
        removed = 0
        for kind, lifetime in LIFETIMES.items():
            for path in self._folder.glob(f"*/{kind}/*"):
                try:
                    if now.timestamp() - path.stat().st_mtime > lifetime.total_seconds():
                        path.unlink()
                        removed += 1
                except OSError:
                    continue  # another program was first, or the disk refuses: it is only a file too many
        return removed

    def _read(self, path: Path, question: str) -> Entry | None:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            entry = Entry(content["text"], datetime.fromisoformat(content["fetched_at"]))
            sound = content["question"] == question and content["sha256"] == _checksum(entry.text)
            if sound and entry.fetched_at.tzinfo is not None:
                return entry
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass  # damaged: counted below, and fetched again
        self.damaged += 1
        return None

    def _path(self, vendor: str, kind: Kind, question: str) -> Path:
        return self._folder / vendor.lower() / kind / f"{_checksum(question)[:32]}.json"


class NothingKept(DiskCache):
    """For answers that their asker keeps in a place of its own."""

    def read(self, vendor: str, kind: Kind, question: str, now: datetime) -> Entry | None:
        return None

    def write(self, vendor: str, kind: Kind, question: str, entry: Entry) -> None:
        """Keeps nothing."""


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
