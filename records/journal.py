"""The fallback journal: a file that takes rows while the database does not.

JSON lines, so that a person can read them. The first names the journal, `{"sql": …}` gives the next statement its
number, `{"entry": n, "rows": [[statement, [values]], …]}` is what must be written together. Each append is on disk
before it returns. What was torn by a crash was never promised and is not read.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

from operating_system import lock, reserve
from records.statements import Statement

log = logging.getLogger(__name__)

END = b"\0"  # written behind the last line, and what reserved space is filled with
MIB = 1 << 20


class Entry(NamedTuple):
    """Statements that are written together or not at all; entries are numbered from 1."""

    number: int
    statements: tuple[Statement, ...]


class Content(NamedTuple):
    """What a journal holds. `sqls` are its statements in the order of their numbers, `end` is in bytes."""

    journal_id: str
    sqls: list[str]
    entries: list[Entry]
    end: int


class FallbackJournal:
    """One file, locked for as long as this object has it open. Methods are not for several threads.

    `reserve_mb` of disk space are taken at once, so that a full disk has room for what must be on record.
    Raises BlockingIOError when another program has the file, OSError when it cannot be had.
    """

    def __init__(self, path: Path, *, reserve_mb: int = 0) -> None:
        self.path = path
        path.touch(0o600)
        self._file = path.open("r+b", buffering=0)
        try:
            self._lock()
            content = _read(self._file)
        except BaseException:
            self._file.close()
            raise
        self.journal_id = content.journal_id
        self.entries = len(content.entries)
        self._sqls = {sql: number for number, sql in enumerate(content.sqls)}  # SQL -> its number in the file
        self._end = content.end
        if reserve_mb:
            self._reserve(reserve_mb * MIB)

    def append(self, entries: Sequence[Sequence[Statement]]) -> None:
        """Put `entries` on disk. Raises OSError (nothing is promised then) and TypeError for what JSON cannot say."""
        sqls = dict(self._sqls)
        journal_id = self.journal_id or token_hex(8)
        lines: list[dict[str, Any]] = [] if self.journal_id else [{"journal": journal_id}]
        for number, statements in enumerate(entries, self.entries + 1):
            for statement in statements:
                if statement.sql not in sqls:
                    sqls[statement.sql] = len(sqls)
                    lines.append({"sql": statement.sql})
            lines.append({"entry": number, "rows": [[sqls[sql], list(values)] for sql, values, _ in statements]})
        data = "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines).encode()
        _write(self._file, data + END, self._end)
        os.fsync(self._file.fileno())
        if not self.journal_id:
            _sync_directory(self.path.parent)
        self.journal_id, self._sqls = journal_id, sqls
        self.entries += len(entries)
        self._end += len(data)

    def content(self) -> Content:
        """All that was appended, by this program or by the one that left the file."""
        return _read(self._file)

    def clear(self) -> None:
        """Begin a new journal in the same file: what it held is in the database. The space stays reserved.

        Raises OSError; to merge what is left then is harmless.
        """
        if not self.journal_id:
            return
        _write(self._file, END, 0)
        os.fsync(self._file.fileno())
        self.journal_id, self._sqls, self.entries, self._end = "", {}, 0, 0

    def copy_aside(self) -> Path:
        """Keep what it holds in a file of its own, `NAME.refused-ID.jsonl`, which is never merged."""
        beginning, _, _ = self.path.name.partition(".fallback-")
        copy = self.path.with_name(f"{beginning}.refused-{self.journal_id}.jsonl")
        copy.write_bytes(self.path.read_bytes()[: self._end])
        return copy

    def close(self) -> None:
        """Remove the file if nothing is in it, else give the unused space back and leave it."""
        if not self.entries:
            with suppress(PermissionError):  # Windows removes no open file
                self.path.unlink(missing_ok=True)
        else:
            self._file.truncate(self._end)
        self._file.close()
        if not self.entries:
            self.path.unlink(missing_ok=True)

    def _lock(self) -> None:
        if not lock(self._file):
            raise BlockingIOError(f"{self.path}: another program has it")
        if not self.path.exists() or not os.path.samestat(self.path.stat(), os.fstat(self._file.fileno())):
            raise BlockingIOError(f"{self.path}: was removed by another program meanwhile")

    def _reserve(self, size: int) -> None:
        try:
            if not reserve(self._file, size):
                _write(self._file, END * (size - self._end), self._end)
        except OSError as error:
            log.warning("%s: %d MB could not be reserved for a full disk: %s", self.path, size // MIB, error.strerror)


def journal_path(database: Path, bot: str, directory: Path | None, number: int = 1) -> Path:
    """`NAME.fallback-BOT.jsonl` beside the database or in `directory`."""
    again = "" if number == 1 else f"-{number}"
    return (directory or database.parent) / f"{database.stem}.fallback-{bot}{again}.jsonl"


def journals_of(database: Path, directory: Path | None) -> list[Path]:
    """Every journal of the database, of whatever bot, that is there."""
    beginning = f"{database.stem}.fallback-"
    files = (directory or database.parent).iterdir()
    return sorted(file for file in files if file.name.startswith(beginning) and file.suffix == ".jsonl")


def move_journals(database: Path, to: Path) -> None:
    """The journals left beside `database` follow it to its new name. Empty ones are removed."""
    for path in journals_of(database, None):
        with path.open("rb") as file:
            is_empty = file.read(1) in (b"", END)
        if is_empty:
            path.unlink()
            continue
        path.replace(path.with_name(to.stem + path.name.removeprefix(database.stem)))


def claim_journal(database: Path, bot: str, directory: Path | None, *, reserve_mb: int) -> FallbackJournal:
    """A journal of this program alone. Raises OSError when there can be none."""
    for number in count(1):
        with suppress(BlockingIOError):  # another program of the same bot has it: the next name
            return FallbackJournal(journal_path(database, bot, directory, number), reserve_mb=reserve_mb)
    raise AssertionError("count() does not end")


def _read(file: FileIO) -> Content:
    data = b""
    file.seek(0)
    while part := file.read(MIB):
        line_end = part.find(END)
        data += part if line_end < 0 else part[:line_end]
        if line_end >= 0:
            break
    journal_id, sqls, entries, end = "", [], [], 0
    for line in data.splitlines(keepends=True):
        try:
            said = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:  # torn by a crash
            said = None
        if not isinstance(said, dict):
            break
        if "journal" in said:
            journal_id = said["journal"]
        elif "sql" in said:
            sqls.append(said["sql"])
        else:
            rows = tuple(Statement(sqls[number], tuple(values)) for number, values in said["rows"])
            entries.append(Entry(said["entry"], rows))
        end += len(line)
    return Content(journal_id, sqls, entries, end)


def _write(file: FileIO, data: bytes, at: int) -> None:
    file.seek(at)
    while data:
        data = data[file.write(data) :]


def _sync_directory(directory: Path) -> None:
    """A new file's name must survive a power cut, too."""
    with suppress(PermissionError):  # Windows opens no directories
        number = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
