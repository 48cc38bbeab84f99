"""A session behind a `Board`: what it shows to those who watch, and what it does when they command."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol

from broker.trading_desk import TradingDesk
from day_trading.board import Board
from day_trading.session_view import SessionViews, Watchable
from market_hours import Clock
from trading.book import SessionBook
from trading.commands import Command, CommandKind, Outcome
from trading.orders import Reason

log = logging.getLogger(__name__)

LOOK_BEFORE_OPEN = timedelta(seconds=5)
SHOWN_EVERY_S = 60  # while nobody looks: who opens the page sees something at once


class Shown(Watchable, Protocol):
    """What can be watched and stopped."""

    @property
    def was_stopped(self) -> bool: ...
    def kill(self, what: str, *, flatten: bool = False, lasts: bool = False) -> None: ...


class SessionWindow:
    """For the trading loop: `obey` before it judges, `close_on` before it enters, `show` after its orders are sent.

    Without a board nobody is there, and nothing is done.
    """

    def __init__(
        self, board: Board | None, desk: TradingDesk, views: SessionViews, trader: Shown, clock: Clock, *, dry_run: bool
    ) -> None:
        self._board = board or Board()
        self.is_there = board is not None
        self._desk = desk
        self._book: SessionBook = desk.keeper.book
        self._views = views
        self._trader = trader
        self._clock = clock
        self._dry_run = dry_run
        self._closing: dict[str, None] = {}  # symbols that an operator wants closed, until they are
        self._flattens = False  # everything is to be closed, also what an entry on its way still buys
        self._shown_s = -SHOWN_EVERY_S
        self._failures = 0  # commands that ended with an error of this program

    @contextmanager
    def open(self) -> Iterator[None]:
        """Commands are taken while the block runs; at its end the last view is shown."""
        self._board.begin(self._desk.view.bars)
        try:
            yield
        finally:
            self._shown_s = -SHOWN_EVERY_S
            self.show(int(self._clock.now().timestamp()), is_over=True)
            self._board.end("the session is over")

    async def wait_until(self, when: datetime, wait_until: Callable[[datetime], Awaitable[None]]) -> None:
        """`wait_until(when)`; before the open, too, who watches sees the session and may command."""
        while self.is_there and not self._trader.was_stopped and (now := self._clock.now()) < when:
            self.obey()
            self.show(int(now.timestamp()))
            await wait_until(min(when, now + LOOK_BEFORE_OPEN))
        await wait_until(when)

    def show(self, now_s: int, *, is_over: bool = False) -> None:
        """Publish a view where one is wanted. A fault of it is told and costs the views, never the trading."""
        if not self.is_there or (not self._board.is_watched and now_s - self._shown_s < SHOWN_EVERY_S):
            return
        self._shown_s = now_s
        try:
            self._board.publish(self._views.view(now_s, self._trader, closing=self._closing, is_over=is_over))
        except Exception:
            self.is_there = False
            log.exception("the session cannot be shown any more; it goes on, and commands are still obeyed")

    def obey(self) -> None:
        """Perform the commands that came since the last instant; what is to be closed is closed by `close_on`."""
        for command, outcome in self._board.take():
            try:
                result = self._perform(command)
            except Exception as error:
                self._failures += 1
                log.exception("a command failed, %d by now; the session goes on and obeys the next one", self._failures)
                result = Outcome(done=False, words=f"it failed: {error}")
            log.info("%s: %s %s: %s", command.who, command.kind, command.symbol, result.words)
            outcome.set_result(result)

    async def close_on(self) -> None:
        """Go on closing what an operator wants closed. Raises BrokerUnavailable."""
        owned = self._desk.positions.ours() if self._closing or self._flattens else []
        self._flattens = self._flattens and bool(owned or self._book.pending)
        self._closing = {symbol: None for symbol in owned if self._flattens or symbol in self._closing}
        for symbol in self._closing:
            await self._desk.positions.close(symbol, Reason.MANUAL)

    def _perform(self, command: Command) -> Outcome:
        perform = {
            CommandKind.PAUSE: self._pause,
            CommandKind.RESUME: self._resume,
            CommandKind.CLOSE: self._close,
            CommandKind.FLATTEN: self._flatten,
            CommandKind.KILL: self._throw,
            CommandKind.KILL_FLATTEN: self._throw,
        }.get(command.kind)
        if perform is None:
            return Outcome(done=False, words=f"the trading loop knows no {command.kind}")
        return perform(command)

    def _pause(self, command: Command) -> Outcome:
        self._book.entries_held = f"{command.who} paused entries"
        return Outcome(done=True, words="no more entries until they are resumed; exits go on")

    def _resume(self, command: Command) -> Outcome:
        if not self._book.entries_held:
            return Outcome(done=False, words="entries are not paused by an operator")
        self._book.entries_held, self._flattens = "", False
        others = self._book.why_no_entries
        return Outcome(done=True, words=f"the pause is lifted, but: {others}" if others else "entries go on")

    def _close(self, command: Command) -> Outcome:
        position = self._book.positions.get(command.symbol)
        if position is None:
            return Outcome(done=False, words=f"the bot owns no {command.symbol}")
        if command.symbol not in self._desk.positions.ours():
            return Outcome(done=False, words=f"NEVER_TRADE names {command.symbol}: it is left alone")
        if self._dry_run:
            return Outcome(done=False, words="a dry run sends no orders")
        self._closing[command.symbol] = None
        return Outcome(done=True, words=f"{position.quantity} {command.symbol} are being sold")

    def _flatten(self, command: Command) -> Outcome:
        self._book.entries_held = f"{command.who} closed everything"
        if self._dry_run:
            return Outcome(done=True, words="no more entries until they are resumed; a dry run sends no orders")
        self._flattens = True
        ready = self._desk.supervisor.is_ready
        for entry in list(self._book.pending.values()) if ready else ():  # a cancel can be answered at once
            self._desk.broker.orders.cancel(entry.intent_id)
        names = ", ".join(self._desk.positions.ours()) or "nothing, the bot owns nothing"
        return Outcome(done=True, words=f"entries are paused; being sold: {names}")

    def _throw(self, command: Command) -> Outcome:
        flatten = command.kind is CommandKind.KILL_FLATTEN
        self._trader.kill(command.who, flatten=flatten, lasts=True)
        what = "positions are being closed and the run ends" if flatten else "exits rest at the broker"
        return Outcome(done=True, words=f"the kill switch is thrown: no more entries, {what}")
