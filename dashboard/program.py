"""The ports to the program whose dashboard it is. Each may be missing: over a finished day there is only a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from trading.bars import Bar
from trading.commands import Command, CommandKind, Outcome
from trading.live_view import SessionView

BarsOf = Callable[[str, str], Sequence[Bar]]  # (session date, symbol) -> minute bars; raises LookupError in words


class Live(Protocol):
    """A running session, seen from another thread."""

    @property
    def view(self) -> SessionView | None: ...

    def bars(self, symbol: str) -> tuple[Bar, ...]: ...

    def watching(self) -> AbstractContextManager[None]:
        """While it is entered, views are made at every instant."""


class Control(Protocol):
    """What may be commanded. Both may be called from any thread and return at once."""

    kinds: tuple[CommandKind, ...]

    def says(self, kind: CommandKind, symbol: str, detail: str) -> str:
        """What a command would do now, in words. Raises ValueError with the reason when it makes no sense."""

    def submit(self, command: Command) -> Future[Outcome]:
        """Put it on record and hand it on."""


class Nothing:
    """No running session."""

    view = None

    def bars(self, symbol: str) -> tuple[Bar, ...]:
        return ()

    def watching(self) -> AbstractContextManager[None]:
        return nullcontext()


def _no_bars(session_date: str, symbol: str) -> Sequence[Bar]:
    raise LookupError("no bars of finished sessions are at hand")


def _no_metrics() -> bytes:
    return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All that the dashboard knows of its program. `now` is wall time, `unwell` says what is wrong, or nothing."""

    database: Path
    bot: str
    mode: str
    now: Callable[[], datetime]
    started_at: datetime
    live: Live = field(default_factory=Nothing)
    control: Control | None = None
    bars_of: BarsOf = _no_bars
    log_file: Path | None = None
    blank: Callable[[str], str] = str  # takes secrets out of a text
    unwell: Callable[[], str] = str
    metrics: Callable[[], bytes] = _no_metrics  # the program's own, in the format of Prometheus; empty: none
