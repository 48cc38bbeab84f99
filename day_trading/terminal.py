"""The user's terminal beside a run: a live view where a person looks, a progress bar for long ones, else nothing.

Both are drawn on stderr by threads of their own, on wall time; what the program prints meanwhile stands above them,
and the terminal is as it was when the run is over, however it ended.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from day_trading.board import Board
from day_trading.options import Shows
from trading.day_report import DayReport
from utils import STDERR_HANDLER

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5  # for a new view
MARGIN_LINES = 1  # below the view, so that nothing scrolls


def what_to_show(speed: float | None, is_simulated: bool, sessions: int) -> Shows:
    """The view where a session takes its time, a bar for many that do not; nothing where no person looks."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()) or os.environ.get("TERM", "") in ("", "dumb"):
        return "nothing"
    if not is_simulated or speed is not None:
        return "live_view"
    return "progress_bar" if sessions > 1 else "nothing"


@contextmanager
def terminal_beside(shows: Shows, board: Board | None, sessions: int) -> Iterator[Callable[[DayReport], None]]:
    """Draw while the block runs. What is handed out is called with the report of each of the `sessions`."""
    if shows == "progress_bar":
        with _progress_bar(sessions) as done:
            yield done
    elif shows == "live_view" and board is not None:
        with _live_view(board):
            yield lambda _report: None
    else:
        yield lambda _report: None


@contextmanager
def _live_view(board: Board) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    over = threading.Event()
    with Live(console=console, auto_refresh=False, transient=True) as live, _log_above(), board.watching():
        thread = threading.Thread(target=_draw, args=(board, console, live.update, over), name="live view", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextmanager
def _progress_bar(sessions: int) -> Iterator[Callable[[DayReport], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    told = (TextColumn("{task.fields[result]:+,.2f} USD"), TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("sessions"), BarColumn(), MofNCompleteColumn(), *told)
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=2) as bar, _log_above():
        task = bar.add_task("sessions", total=sessions, result=0.0)

        def done(report: DayReport) -> None:
            result_usd = bar.tasks[0].fields["result"] + report.metrics["total_pnl_usd"]
            bar.update(task, advance=1, result=result_usd)

        yield done


def _draw(board: Board, console: Console, update: Callable[..., None], over: threading.Event) -> None:
    """Until it is over. A view that cannot be drawn ends the drawing, not the run."""
    from day_trading.terminal_view import drawn

    shown, size = None, None
    try:
        while not over.wait(LOOK_EVERY_S):
            view = board.view
            if view is None or (view is shown and console.size == size):
                continue
            shown, size = view, console.size
            update(drawn(view, size.width, size.height - MARGIN_LINES), refresh=True)
    except Exception:
        log.exception("the session is not shown in the terminal any more; trading goes on")


@contextmanager
def _log_above() -> Iterator[None]:
    """Let log lines be printed above what is drawn, by the stream that stands in for stderr meanwhile."""
    handlers = [each for each in logging.getLogger().handlers if each.name == STDERR_HANDLER]
    streams = [
        (handler, handler.setStream(sys.stderr)) for handler in handlers if isinstance(handler, logging.StreamHandler)
    ]
    try:
        yield
    finally:
        for handler, stream in streams:
            if stream is not None:
                handler.setStream(stream)
