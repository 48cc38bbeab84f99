"""One bot's hold on its account for one session: connected, alone on it, and the ledger in agreement with the broker.

The day trader's desk and the weekly bot's both have one, and add what they trade with.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from broker.account_lock import hold_account
from broker.bookkeeper import Bookkeeper
from broker.broker import Broker
from broker.reconcile import Reconciler
from broker.settings import BrokerSettings
from broker.split_desk import SplitDesk
from broker.supervisor import Supervisor
from broker.values import AccountState
from market_hours import Clock, Session
from observability import SIMULATED, TradingHistory
from operating_system import FileLock
from records.intent_log import IntentLog
from trading.book import SessionBook
from trading.strategy import Market, Parameters
from utils import Misconfigured, TradingError


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions:
    """How a bot appears at the broker."""

    client_id: int
    live: bool
    broker: BrokerSettings


class Desk(Protocol):
    """What a bot does with the account that is held for it. Its coroutines may raise BrokerUnavailable."""

    def on_account(self, account: AccountState) -> None:
        """The account's figures came in."""

    async def take_up(self, splits: Mapping[str, str]) -> None:
        """Once per run, before anything is compared: what earlier runs left. `splits`: symbol -> its split in words."""

    async def resume(self) -> None:
        """After every agreement, on a connection that may send."""


class HeldAccount:
    """The account as a desk has it. Use `running()` as a context: inside it everything is kept in step."""

    def __init__(
        self,
        desk: Desk,
        options: AccountOptions,
        session: Session,
        clock: Clock,
        history: TradingHistory,
        new_id: Callable[[], str],
        *,
        book: SessionBook,
        parameters: Parameters,
        market_of: Callable[[str], Market | None],
    ) -> None:
        self._desk = desk
        self._options = options
        self._history = history
        self._is_taken_up = False  # what earlier runs left, once per run
        self._lock: FileLock | None = None  # of the account, once connected
        self.state = AccountState("", 0, 0)
        self.fault: TradingError | None = None  # of the connection, such as another account after a reconnect
        day = session.date.isoformat()
        self.intents = IntentLog(history, now=clock.now, await_off_loop=clock.off_loop, session_date=lambda: day)
        self.keeper = Bookkeeper(
            history=history,
            intents=self.intents,
            session_date=day,
            book=book,
            parameters=parameters,
            market_of=market_of,
            new_id=new_id,
        )
        self.broker = Broker(
            options.broker, clock, self.intents, self.keeper, options.client_id, live_allowed=options.live
        )
        self.keeper.orders = self.broker.orders
        self.broker.on_row = self.keeper.shares.on_row
        self.broker.on_account = self._on_account
        self._splits = SplitDesk(self.broker, history, session, clock, new_id)
        self._reconciler = Reconciler(self.broker, self.keeper, self.intents, clock)
        self.supervisor = Supervisor(
            self.broker,
            clock,
            session,
            self._synchronise,
            self.keeper.warn,
            Random(session.date.toordinal()),
            options.broker.ib_restart_time,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.TaskGroup]:
        """Connected and synchronised, and kept so until the block ends. Working orders stay at the broker.

        Gives the group of the supervisor's task, for what runs beside it. Raises BrokerUnavailable, Misconfigured or
        HaltTrading when the first connection cannot be used; what a later one cannot get over ends the block.
        """
        try:
            await self.supervisor.open_first()
            async with asyncio.TaskGroup() as group:
                supervising = group.create_task(self._supervise(), name="connection supervisor")
                try:
                    yield group
                finally:
                    supervising.cancel()
        finally:
            self.broker.disconnect()
            if self._lock is not None:
                self._lock.release()

    def refresh(self) -> AccountState:
        """The account's values as last reported. Raises BrokerUnavailable when they are missing."""
        self._on_account(self.broker.account())
        return self.state

    async def _supervise(self) -> None:
        """Until cancelled. What the connection cannot get over is kept in `fault` and ends the block of `running`."""
        try:
            await self.supervisor.run()
        except TradingError as error:
            self.fault = error
            raise

    async def _synchronise(self) -> None:
        """After every connection: the broker's truth into the ledger, subscriptions renewed."""
        self.refresh()
        if not self._is_taken_up:
            self._claim()
            splits = await self._splits.adjust()
            for words in splits.values():
                self.keeper.warn(words)
            await self._desk.take_up(splits)
            self._is_taken_up = True
        self.broker.raise_order_ids(self._history.highest_order_id(self._options.client_id))
        await self._reconciler.run()
        if self.broker.is_watching:
            return  # nothing may be sent
        await self.broker.data.resubscribe()
        await self._desk.resume()

    def _claim(self) -> None:
        """The account that was meant, and no other program of this bot on it. Raises Misconfigured, HaltTrading.

        A simulated gateway lives inside this program: nobody else can reach it.
        """
        account_id = self.state.account_id
        if self._options.live and self.state.is_paper:
            raise Misconfigured(f"--live was given but {account_id} is a paper account: leave it out")
        if self._history.mode != SIMULATED and self._lock is None:
            folder = self._options.broker.ib_lock_folder
            self._lock = hold_account(account_id, self._history.bot, Path(folder) if folder else None)
        self._history.bind_account(account_id)

    def _on_account(self, account: AccountState) -> None:
        self.state = account
        self._desk.on_account(account)
