"""One program of a bot at a time on a database: a second one would rename the file under it, or trade beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operating_system import FileLock
from utils import HaltTrading


@contextmanager
def only_user(database: Path, bot: str) -> Iterator[None]:
    """Keep other programs of the same bot off the database. Raises HaltTrading while one is at it."""
    if database.is_dir() or not database.parent.is_dir():  # whoever opens the database says so
        yield
        return
    lock = FileLock(database.with_name(f"{database.name}.{bot}.lock"))
    if not lock.acquire():
        raise HaltTrading(f"{database} is in use by {lock.holder()}: give this run a --db of its own, or wait")
    try:
        yield
    finally:
        lock.release()
