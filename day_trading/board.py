"""`Board`: what the trading loop shows to other threads, and the commands that they pin to it.

A dashboard, a terminal or a chat bot lives in a thread of its own, on wall time. It reads the latest view, which is
one reference and never changes, and hands in commands; the trading loop performs them at its next instant. Nothing
here waits, so neither side can hold the other up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import NamedTuple

from trading.bars import Bar
from trading.commands import Command, Outcome
from trading.live_view import SessionView

MOST_WAITING = 32  # commands; an operator who sends more is told so


class Pinned(NamedTuple):
    """A command that waits for the trading loop, and where its outcome is told."""

    command: Command
    outcome: Future[Outcome]


class Board:
    """One for all sessions of a run. Any thread may call anything; `publish`, `take` and `end` are the loop's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view: SessionView | None = None
        self._bars: Mapping[str, Sequence[Bar]] = {}
        self._watchers = 0
        self._waiting: list[Pinned] = []
        self._why_closed = "no session is running"

    # Who watches

    @property
    def view(self) -> SessionView | None:
        """The latest view; None before the first session."""
        return self._view

    def bars(self, symbol: str) -> tuple[Bar, ...]:
        """The completed minute bars of a symbol in the latest session, oldest first."""
        return tuple(self._bars.get(symbol, ()))  # one step of the interpreter: the loop cannot append within it

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While the block runs somebody looks, and views are made at every instant instead of once a minute."""
        with self._lock:
            self._watchers += 1
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1

    # Who commands

    def submit(self, command: Command) -> Future[Outcome]:
        """Hand a command in; its future completes once the trading loop has performed or refused it."""
        pinned = Pinned(command, Future())
        with self._lock:
            refusal = self._why_closed or ("too many commands wait" if len(self._waiting) >= MOST_WAITING else "")
            if not refusal:
                self._waiting.append(pinned)
        if refusal:
            pinned.outcome.set_result(Outcome(done=False, words=refusal))
        return pinned.outcome

    # The trading loop

    @property
    def is_watched(self) -> bool:
        """Whether a view of every instant is wanted."""
        return self._watchers > 0

    def begin(self, bars: Mapping[str, Sequence[Bar]]) -> None:
        """A session takes commands from now on. `bars` are read while the loop appends to them."""
        with self._lock:
            self._bars, self._why_closed = bars, ""

    def publish(self, view: SessionView) -> None:
        """Show a view. What was shown before is not touched: who reads it keeps it."""
        self._view = view

    def take(self) -> list[Pinned]:
        """The commands that wait, in the order of their coming; each must be answered."""
        if not self._waiting:  # asked at every instant: no lock while there is nothing
            return []
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken

    def end(self, why: str) -> None:
        """The session takes no more commands; those that wait are refused."""
        with self._lock:
            left, self._waiting, self._why_closed = self._waiting, [], why
        for pinned in left:
            pinned.outcome.set_result(Outcome(done=False, words=why))
