"""The weekly bot at the broker during one session: connection, ledger, quotes, orders of a plan.

It protects nothing and closes nothing: what it owns is held for weeks, and only a plan moves it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

from broker import journey
from broker.account_lock import hold_account
from broker.bookkeeper import Bookkeeper
from broker.broker import Broker
from broker.delisting_desk import DelistingDesk
from broker.market_data import NO_QUOTE
from broker.reconcile import Reconciler
from broker.settings import BrokerSettings
from broker.split_desk import SplitDesk
from broker.supervisor import Supervisor
from broker.values import AccountState, Quote
from market_hours import Clock, Session
from observability import SIMULATED, TradingHistory
from operating_system import FileLock
from records.intent_log import IntentLog
from trading.bars import Bar
from trading.book import SessionBook
from trading.errors import BrokerUnavailable, HistoryUnavailable
from trading.ledger import Position
from trading.orders import OrderIntent
from trading.risk import RiskLimits
from trading.strategy import Parameters
from utils import Misconfigured, TradingError

log = logging.getLogger(__name__)

NO_LIMITS = RiskLimits(max_daily_loss=0, max_drawdown=0, max_order_value=0)  # the day trader's rules do not bind a plan
QUOTE_PATIENCE = timedelta(seconds=10)
LOOK_EVERY = timedelta(milliseconds=250)
RECONNECT_PATIENCE, MOST_TRIES = timedelta(minutes=1), 3
SETTLE_LIMIT = timedelta(minutes=2)
SETTLE_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioDeskOptions:
    """How the weekly bot appears at the broker."""

    client_id: int
    live: bool
    broker: BrokerSettings


class PortfolioDesk:
    """The weekly bot's side of the broker. Use `running()` as a context: inside it everything is kept in step."""

    def __init__(
        self,
        options: PortfolioDeskOptions,
        session: Session,
        clock: Clock,
        history: TradingHistory,
        new_id: Callable[[], str],
    ) -> None:
        self._options = options
        self._clock = clock
        self._history = history
        self._is_restored = False
        self._lock: FileLock | None = None
        self.account = AccountState("", 0, 0)
        self.fault: TradingError | None = None  # of the connection, such as another account after a reconnect
        day = session.date.isoformat()
        self.intents = IntentLog(history, now=clock.now, await_off_loop=clock.off_loop, session_date=lambda: day)
        self.keeper = Bookkeeper(
            history=history,
            intents=self.intents,
            session_date=day,
            book=SessionBook(0, 0, session.close_s, NO_LIMITS),
            parameters=Parameters(),
            market_of=lambda _symbol: None,
            new_id=new_id,
        )
        self.broker = Broker(
            options.broker, clock, self.intents, self.keeper, options.client_id, live_allowed=options.live
        )
        self.keeper.orders = self.broker.orders
        self.broker.on_row = self.keeper.shares.on_row
        self.broker.on_account = self._on_account
        self.keeper.on_doubt = lambda _intent_id, _why: self.supervisor.ask_for_sync()
        self._splits = SplitDesk(self.broker, history, session, clock, new_id)
        self._delistings = DelistingDesk(self.broker, history, session, clock, new_id)
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
    async def running(self) -> AsyncIterator[None]:
        """Connected and synchronised, and kept so until the block ends. Working orders stay at the broker.

        Raises BrokerUnavailable, Misconfigured or HaltTrading when the first connection cannot be used, and inside
        the block what the connection cannot get over.
        """
        try:
            await self.supervisor.open_first()
            async with asyncio.TaskGroup() as group:
                supervising = group.create_task(self._supervise(), name="connection supervisor")
                try:
                    yield
                finally:
                    supervising.cancel()
        finally:
            self.broker.disconnect()
            if self._lock is not None:
                self._lock.release()

    async def _supervise(self) -> None:
        try:
            await self.supervisor.run()
        except TradingError as error:
            self.fault = error
            raise

    async def _synchronise(self) -> None:
        """After every connection: the broker's truth into the ledger."""
        self.account = self.broker.account()
        if not self._is_restored:
            if self._options.live and self.account.is_paper:
                raise Misconfigured(f"--live was given but {self.account.account_id} is a paper account: leave it out")
            self._hold_account()
            self._history.bind_account(self.account.account_id)
            for words in [*(await self._splits.adjust()).values(), *await self._delistings.write_off()]:
                self.keeper.warn(words)
            self.keeper.restore()
            self._is_restored = True
        self.broker.raise_order_ids(self._history.highest_order_id(self._options.client_id))
        await self._reconciler.run()
        if not self.broker.is_watching:
            await self.broker.data.resubscribe()

    def _hold_account(self) -> None:
        """Keep other programs off the account. A simulated gateway lives inside this one. Raises HaltTrading."""
        if self._history.mode != SIMULATED and self._lock is None:
            folder = self._options.broker.ib_lock_folder
            self._lock = hold_account(self.account.account_id, self._history.bot, Path(folder) if folder else None)

    def _on_account(self, account: AccountState) -> None:
        self.account = account

    # What there is

    @property
    def owned(self) -> dict[str, Position]:
        """symbol -> shares of this bot and their cost, by its ledger."""
        return dict(self.keeper.book.positions)

    @property
    def missing(self) -> dict[str, int]:
        """symbol -> shares of the ledger that the broker does not have or does not list: nobody may sell them."""
        shares, owned = self.keeper.shares, self.keeper.book.positions
        unlisted = {symbol: owned[symbol].quantity for symbol in shares.unlisted if symbol in owned}
        return {symbol: count for symbol, count in {**shares.missing, **unlisted}.items() if count}

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Symbols of which an earlier session left something that nobody can explain."""
        return self.keeper.doubtful

    def owned_by_others(self) -> dict[str, int]:
        """symbol -> shares of the account's other bots, by their ledgers."""
        return self.keeper.owned_by_others()

    async def daily_bars(self, symbol: str, session_date: date, calendar_days: int) -> list[Bar]:
        """Daily bars before `session_date` from the gateway; asked again where the connection was lost meanwhile.

        Raises HistoryUnavailable, and BrokerUnavailable after the last try.
        """
        for _ in range(MOST_TRIES - 1):
            try:
                return await self.broker.data.daily_bars(symbol, session_date, calendar_days)
            except BrokerUnavailable as error:
                log.info("%s: %s; asking again once the connection is back", symbol, error)
                await self._until_ready()
        return await self.broker.data.daily_bars(symbol, session_date, calendar_days)

    async def _until_ready(self) -> None:
        """Wait for the supervisor's work, for a minute at most."""
        give_up = self._clock.now() + RECONNECT_PATIENCE
        while not self.supervisor.is_ready and self._clock.now() < give_up:
            await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)

    async def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """The latest quote of each symbol. An empty one is unknown: no tick came in ten seconds, or its data is lost.

        A symbol that the gateway does not know is warned of.
        """
        wanted = list(symbols)
        data = self.broker.data
        new = [symbol for symbol in wanted if symbol not in data.followed]
        for symbol in new:
            try:
                await data.follow_quotes(symbol)
            except (HistoryUnavailable, BrokerUnavailable) as error:
                self.keeper.warn(f"{symbol}: no quotes: {error}")
        give_up = self._clock.now() + QUOTE_PATIENCE
        while self._clock.now() < give_up and not all(data.quote(symbol).last for symbol in new):
            await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)
        return {symbol: data.quote(symbol) if data.is_trusted(symbol) else NO_QUOTE for symbol in wanted}

    # Orders

    async def send(self, intent: OrderIntent) -> None:
        """Send one order, on record first. Raises BrokerUnavailable; reconciliation finds out what became of it."""
        journey.planned(intent)
        self.keeper.track((intent,))
        await self.broker.orders.place((intent,))

    def cancel(self, intents: Sequence[str]) -> None:
        """Withdraw orders that still work."""
        for intent_id in intents:
            self.broker.orders.cancel(intent_id)

    def executed(self, intent_id: str) -> int:
        """Shares of an intent that the book counted."""
        return self.keeper.book.filled_by(intent_id)[0]

    def may_still_fill(self, intent_id: str) -> int:
        """Shares of an intent that are not booked and may be bought or sold: unknown counts as yes."""
        known = self.keeper.tracked.find(intent_id)
        if known is None:
            return 0
        leg, booked = known.leg, self.executed(intent_id)
        return max((leg.filled if leg.is_over else leg.quantity) - booked, 0)

    async def settle(self) -> None:
        """Before the report: ask for fees and executions that the broker still owes, for two minutes at most."""
        give_up = self._clock.now() + SETTLE_LIMIT
        while self.keeper.is_owed_fees and self._clock.now() < give_up:
            await self._clock.sleep_until(self._clock.now() + SETTLE_EVERY)
            if self.keeper.is_owed_fees:
                self.supervisor.ask_for_sync()
