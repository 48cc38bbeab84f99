"""Commands in two steps: a confirmation that is bound to what it confirms, then the command itself."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from functools import partial
from secrets import token_urlsafe
from typing import Literal, NamedTuple
from uuid import uuid4

from dashboard.answers import CommandState, Confirmation
from dashboard.program import Control
from trading.commands import Command, CommandKind, Outcome

EXPIRES_S = 60
MOST_CONFIRMATIONS = 64
MOST_REMEMBERED = 100  # commands whose outcome can still be asked for; the record has all


class Wish(NamedTuple):
    """What somebody wants to command."""

    kind: CommandKind
    symbol: str = ""
    detail: str = ""


class Unfit(Exception):
    """A command whose confirmation does not fit: none, another one's, too old, or used."""


class Commanding:
    """For the server's thread. `told` hears of every new state of a command."""

    def __init__(self, control: Control, now: Callable[[], datetime], told: Callable[[CommandState], None]) -> None:
        self._control = control
        self._now = now
        self._told = told
        self._confirmations: OrderedDict[str, tuple[Wish, float]] = OrderedDict()  # id -> what it confirms, until when
        self._states: OrderedDict[str, CommandState] = OrderedDict()  # command_id -> its state

    def confirm(self, wish: Wish) -> Confirmation:
        """The first step. Raises ValueError for what makes no sense now."""
        says = self._control.says(*wish)
        while len(self._confirmations) >= MOST_CONFIRMATIONS:
            self._confirmations.popitem(last=False)
        confirmation_id = token_urlsafe(18)
        self._confirmations[confirmation_id] = (wish, time.monotonic() + EXPIRES_S)
        return Confirmation(confirmation_id, *wish, says, EXPIRES_S)

    def command(self, confirmation_id: str, wish: Wish, who: str) -> CommandState:
        """The second step. Raises Unfit."""
        confirmed, until_s = self._confirmations.pop(confirmation_id, (None, 0.0))
        if confirmed is None:
            raise Unfit("there is no such confirmation: it was used, or it never was")
        if time.monotonic() > until_s:
            raise Unfit(f"the confirmation is older than {EXPIRES_S} seconds")
        if confirmed != wish:
            raise Unfit("the confirmation is for something else")
        command = Command(command_id=str(uuid4()), who=who, asked_at=self._now(), **wish._asdict())
        state = CommandState.waiting(command)
        self._remember(state)
        hear = partial(self._hear, asyncio.get_running_loop(), command.command_id)
        self._control.submit(command).add_done_callback(hear)
        return state

    def state(self, command_id: str) -> CommandState | None:
        """Where a command stands; None for one that is not remembered."""
        return self._states.get(command_id)

    def _hear(self, loop: asyncio.AbstractEventLoop, command_id: str, outcome: Future[Outcome]) -> None:
        """From whichever thread answers. A program that ends closes the loop first: the record has the outcome."""
        if not outcome.cancelled():
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._answered, command_id, outcome.result())

    def _answered(self, command_id: str, outcome: Outcome) -> None:
        waiting = self._states.get(command_id)
        if waiting is not None:
            state: Literal["done", "refused"] = "done" if outcome.done else "refused"
            self._remember(waiting._replace(state=state, words=outcome.words, answered_at=self._now()))

    def _remember(self, state: CommandState) -> None:
        self._states[state.command_id] = state
        while len(self._states) > MOST_REMEMBERED:
            self._states.popitem(last=False)
        self._told(state)
