"""How far the analysis is, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Progress = Callable[[int], AbstractContextManager[Callable[[], None]]]  # (symbols) -> what is called for each done


@contextmanager
def no_progress(_symbols: int) -> Iterator[Callable[[], None]]:
    """Shows nothing."""
    yield lambda: None


@contextmanager
def terminal_progress(symbols: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr while it is a terminal; it is gone when the analysis is over."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("watchlist"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("watchlist", total=symbols)
        yield lambda: bar.advance(task)
