"""Copies of the database in `backups/` beside it: one a session, checked, the oldest removed."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from records.connections import open_for_reading
from records.faults import RecordsFailed
from records.integrity import damage, damaged
from utils import Misconfigured, TradingError

log = logging.getLogger(__name__)

DIRECTORY = "backups"
SIDE_FILES = ("-wal", "-shm")


class Restored(NamedTuple):
    """A backup that took the database's place, and where the files it replaced are now."""

    backup: Path
    moved: list[Path]


def back_up(database: Path, session_date: str, *, keep: int) -> Path:
    """Copy the database as `backups/NAME-<session_date>.db` while others may go on writing; `keep` the newest.

    The copy takes its name only once a thorough check found no fault, so a damaged database never replaces a good
    backup. Raises RecordsFailed, with the older backups untouched, when there can be no good copy.
    """
    directory = database.parent / DIRECTORY
    target = directory / f"{database.stem}-{session_date}.db"
    unfinished = target.with_suffix(".unfinished")
    try:
        directory.mkdir(exist_ok=True)
        unfinished.unlink(missing_ok=True)
        with closing(open_for_reading(database)) as source, closing(sqlite3.connect(unfinished)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, whoever opens it
            found = damage(copy, thorough=True)
        if found:
            raise damaged(database, found)
        _sync(unfinished)
        unfinished.replace(target)
    except (sqlite3.Error, OSError, TradingError) as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise RecordsFailed(f"{target}: the backup failed: {error}") from error
    for old in backups_of(database)[keep:]:
        old.unlink(missing_ok=True)
    return target


def backups_of(database: Path) -> list[Path]:
    """All backups of the database, the newest session first."""
    directory = database.parent / DIRECTORY
    if not directory.is_dir():
        return []
    beginning = f"{database.stem}-"
    dated = len(beginning) + len("YYYY-MM-DD") + len(".db")
    files = [file for file in directory.iterdir() if file.name.startswith(beginning) and len(file.name) == dated]
    return sorted((file for file in files if file.suffix == ".db"), reverse=True)


def restore(database: Path, stamp: str) -> Restored:
    """Put the newest good backup in the place of the database, which is kept as `NAME.damaged-<stamp>.db`.

    The fallback journals stay and are merged at the next start. Raises Misconfigured when there is no good backup;
    nothing has moved then.
    """
    backup = next((file for file in backups_of(database) if _is_good(file)), None)
    if backup is None:
        where = database.parent / DIRECTORY
        raise Misconfigured(f"{database}: there is no good backup in {where}; moved away, a new history begins")
    copy = database.with_name(f"{database.name}.restoring")
    shutil.copyfile(backup, copy)
    _sync(copy)
    moved = []
    for suffix in ("", *SIDE_FILES):
        file = database.with_name(database.name + suffix)
        if file.exists():
            aside = database.with_name(f"{database.stem}.damaged-{stamp}{database.suffix}{suffix}")
            moved.append(file.replace(aside))
    copy.replace(database)
    return Restored(backup, moved)


def _is_good(file: Path) -> bool:
    try:
        with closing(open_for_reading(file)) as connection:
            return not damage(connection, thorough=True)
    except (TradingError, sqlite3.Error) as error:
        log.warning("%s: is no good backup: %s", file, error)
        return False


def _sync(file: Path) -> None:
    with file.open("r+b") as opened:
        os.fsync(opened.fileno())
