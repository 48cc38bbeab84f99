"""The controls of a running day trader: on record first, then to the trading loop or to who else performs them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial

from day_trading.board import Board
from market_hours import new_york_date
from observability import TradingHistory
from records.rows import ControlActionRow
from trading.commands import AT_THE_DESK, Command, CommandKind, Outcome
from trading.live_view import PositionView, SessionView

log = logging.getLogger(__name__)

Perform = Callable[[Command], Outcome]  # may take its time; raises what it likes


class OperatorControl:
    """What a dashboard or a chat bot may command; see `dashboard.program.Control`. Any thread may ask.

    `beside` performs what is none of the trading loop's business, one at a time in a thread of its own.
    """

    def __init__(
        self,
        board: Board,
        history: TradingHistory,
        now: Callable[[], datetime],
        beside: Mapping[CommandKind, Perform] | None = None,
    ) -> None:
        self._board = board
        self._history = history
        self._now = now
        self._beside = dict(beside or {})
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="operator")
        self.kinds: tuple[CommandKind, ...] = (*AT_THE_DESK, *self._beside)

    def says(self, kind: CommandKind, symbol: str, detail: str) -> str:
        """What a command would do now. Raises ValueError with the reason when it makes no sense."""
        if kind not in self.kinds:
            raise ValueError(f"{kind} cannot be commanded here")
        if kind not in AT_THE_DESK:
            return BESIDE[kind]
        view = self._board.view
        if view is None or view.phase == "over":
            raise ValueError("no session is running")
        return AT_DESK[kind](view, symbol)

    def submit(self, command: Command) -> Future[Outcome]:
        """Put it on record and hand it on."""
        self._record(command)
        if command.kind in AT_THE_DESK:
            future = self._board.submit(command)
        else:
            future = self._worker.submit(self._perform, command)
        future.add_done_callback(partial(self._record, command))
        return future

    def close(self) -> None:
        """What is being performed is finished; what waits is given up."""
        self._worker.shutdown(cancel_futures=True)

    def _perform(self, command: Command) -> Outcome:
        try:
            return self._beside[command.kind](command)
        except Exception as error:
            log.exception("a command failed; trading is not affected")
            return Outcome(done=False, words=f"it failed: {error}")

    def _record(self, command: Command, answered: Future[Outcome] | None = None) -> None:
        if answered is not None and answered.cancelled():
            outcome: Outcome | None = Outcome(done=False, words="the program ended before")
        else:
            outcome = answered.result() if answered is not None else None
        view = self._board.view
        self._history.record_control_action(
            ControlActionRow(
                command_id=command.command_id,
                asked_at=command.asked_at,
                session_date=view.session_date if view is not None else new_york_date(command.asked_at).isoformat(),
                who=command.who,
                kind=command.kind.value,
                symbol=command.symbol or None,
                detail=command.detail or None,
                state="waiting" if outcome is None else "done" if outcome.done else "refused",
                words=outcome.words if outcome is not None else None,
                answered_at=self._now() if outcome is not None else None,
            )
        )


def _of_position(position: PositionView) -> str:
    return f"{position.quantity} {position.symbol} ({position.unrealised_usd:+,.2f} USD now)"


def _of_all(view: SessionView) -> str:
    return ", ".join(map(_of_position, view.positions)) or "nothing: the bot owns no shares"


def _close(view: SessionView, symbol: str) -> str:
    position = next((position for position in view.positions if position.symbol == symbol), None)
    if position is None:
        raise ValueError(f"the bot owns no {symbol}")
    return f"Sells {_of_position(position)} at once. It may be bought again after the cool-down."


def _resume(view: SessionView, _: str) -> str:
    if not view.held_by_operator:
        raise ValueError("entries are not paused by an operator")
    return "Entries go on, unless a risk rule or the program's health forbids them."


AT_DESK: Mapping[CommandKind, Callable[[SessionView, str], str]] = {
    CommandKind.PAUSE: lambda view, _: "No more entries until you resume. Positions and their exits stay as they are.",
    CommandKind.RESUME: _resume,
    CommandKind.CLOSE: _close,
    CommandKind.FLATTEN: lambda view, _: f"Pauses entries and sells {_of_all(view)}. The session goes on.",
    CommandKind.KILL: lambda view, _: (
        "Throws the kill switch: no more entries, whatever happens. Exits rest at the broker. In a real session the "
        "file of the switch must be deleted before the program trades again."
    ),
    CommandKind.KILL_FLATTEN: lambda view, _: (
        f"Throws the kill switch, sells {_of_all(view)} and ends the program. In a real session the file of the "
        "switch must be deleted before it trades again."
    ),
}
BESIDE: Mapping[CommandKind, str] = {
    CommandKind.FREEZE: "Parameters stay as they are until you unfreeze them.",
    CommandKind.UNFREEZE: "Parameters may change again between sessions, on evidence.",
    CommandKind.ROLLBACK: "From the next session on the parameters are those before the last change.",
    CommandKind.RESEARCH: "Starts a research run in a process of its own, at low priority.",
}
