"""Everything at the broker for one session of one bot: connection, ledger, market view, exits, reconciliation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from broker.bookkeeper import Bookkeeper
from broker.broker import Broker
from broker.market_view import MarketView
from broker.position_desk import PositionDesk
from broker.reconcile import Reconciler
from broker.settings import BrokerSettings
from broker.supervisor import Supervisor
from broker.values import AccountState
from market_hours import Clock, Session
from observability import TradingHistory
from records.intent_log import IntentLog
from trading.book import SessionBook
from trading.orders import OrderIntent
from trading.risk import SymbolState
from trading.settings import SafetySettings
from trading.strategy import Market, Parameters
from trading.sync import SyncPolicy
from utils import Misconfigured

log = logging.getLogger(__name__)

DOUBTFUL_INSTANTS = 2
ASK_AGAIN_S = 60
DOUBT_EVERY_S = 15
SETTLE_LIMIT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskOptions:
    """How a bot appears at the broker."""

    client_id: int
    live: bool
    dry_run: bool
    broker: BrokerSettings
    safety: SafetySettings
    consents: Mapping[str, int]  # symbol -> external shares that the user hands over
    daily_atr: bool


class TradingDesk:
    """The bot's side of the broker. Decisions come from outside; this performs them and keeps the truth.

    Use `running()` as a context: inside it a supervisor keeps the connection and everything in step with it.
    """

    def __init__(
        self,
        options: DeskOptions,
        session: Session,
        clock: Clock,
        history: TradingHistory,
        book: SessionBook,
        parameters: Parameters,
        new_id: Callable[[], str],
    ) -> None:
        self._options = options
        self._session = session
        self._clock = clock
        self._history = history
        self._asked_s = 0  # when a doubt last led to a synchronisation
        self._doubts = 0  # instants in a row at which the broker held fewer shares than the ledger
        self.account = AccountState("", 0, 0)
        day = session.date.isoformat()
        self.intents = IntentLog(history, now=clock.now, await_off_loop=clock.off_loop, session_date=lambda: day)
        self.keeper = Bookkeeper(
            history=history,
            intents=self.intents,
            session_date=day,
            book=book,
            parameters=parameters,
            market_of=self.market,
            new_id=new_id,
        )
        self.broker = Broker(
            options.broker, clock, self.intents, self.keeper, options.client_id, live_allowed=options.live
        )
        self.keeper.orders = self.broker.orders
        self.view = MarketView(self.broker.data, session.date, session.open_s, daily_atr=options.daily_atr)
        self.positions = PositionDesk(
            self.keeper, self.broker.orders, new_id, parameters, int(session.eod.timestamp()), self.market
        )
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
        """Connected and synchronised, and kept so until the block ends. Resting orders stay at the broker.

        Raises BrokerUnavailable, Misconfigured or HaltTrading when the first connection cannot be used.
        """
        try:
            await self.supervisor.open_first()
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self.supervisor.run(), name="connection supervisor")
                try:
                    yield
                finally:
                    watching.cancel()
        finally:
            self.broker.disconnect()

    async def _synchronise(self) -> None:
        """After every connection: the broker's truth into the ledger, subscriptions renewed, positions protected."""
        if not self.account.account_id:
            self.refresh_account()
            if self._options.live and self.account.is_paper:
                raise Misconfigured(f"--live was given but {self.account.account_id} is a paper account: leave it out")
            self._history.bind_account(self.account.account_id)
            self.keeper.restore()
        self.broker.raise_order_ids(self._history.highest_order_id(self._options.client_id))
        await self._reconciler.run()
        await self.broker.data.resubscribe()
        await self._protect()

    def refresh_account(self) -> AccountState:
        """The account's values as last reported."""
        self.account = self.broker.account()
        return self.account

    async def take_positions(self, watchlist: Sequence[str]) -> None:
        """Adopt external shares of the watchlist where the policy allows it, and protect all that is owned."""
        safety = self._options.safety
        external = safety.external_positions
        if external == "auto":
            external = "adopt" if self.account.is_paper else "ask"
        policy = SyncPolicy(external, tuple(watchlist), safety.never_trade, self._options.consents)
        held = await self.broker.positions()
        self.positions.sync(held, self.owned_by_others(), policy, int(self._clock.now().timestamp()))
        await self._protect()

    async def follow(self, symbols: Sequence[str]) -> None:
        """Quotes, minute bars and the daily ATR of the symbols; what cannot be had is warned of."""
        for symbol in symbols:
            if fault := await self.view.follow(symbol):
                self.keeper.warn(fault)

    def symbol_state(self, symbol: str) -> SymbolState:
        """A symbol as rules see it. While an order of its last position may still act it takes no new entry."""
        state = self.keeper.book.symbol_state(symbol)
        bracket = self.keeper.brackets.get(symbol)
        if bracket is not None and state.quantity == 0 and (bracket.live_exits() or not bracket.entry_is_over):
            return state._replace(pending=True)
        return state

    def market(self, symbol: str) -> Market:
        """What was published about a symbol until now."""
        return self.view.market(symbol, int(self._clock.now().timestamp()))

    def owned_by_others(self) -> dict[str, int]:
        """Shares of the account's other bots, by their ledgers."""
        owned: dict[str, int] = {}
        for row in self._history.open_positions():
            if row.bot != self._history.bot:
                owned[row.symbol] = owned.get(row.symbol, 0) + row.quantity
        return owned

    async def enter(self, intents: tuple[OrderIntent, ...]) -> None:
        """Send one bracket, on record first. Raises BrokerUnavailable; reconciliation finds out what became of it."""
        self.keeper.track(intents)
        await self.broker.orders.place(intents)

    def mark(self) -> None:
        """Hand on quiet bars and value the book at bid. The first fault of a report is raised here."""
        if self.broker.fault is not None:
            raise self.broker.fault
        self.broker.data.flush_bars()
        book = self.keeper.book
        book.mark({symbol: self.broker.data.quote(symbol).bid for symbol in book.positions})

    async def watch(self, now_s: int) -> None:
        """What must hold at every instant: live stops, shares at the broker. Raises BrokerUnavailable."""
        if self.supervisor.entries_given_up:
            self.keeper.stop_entries("entries are off: the connection was down too long")
        positions = self.keeper.book.positions
        short = [symbol for symbol, owned in positions.items() if self.broker.orders.held(symbol) < owned.quantity]
        self._doubts = self._doubts + 1 if short else 0
        if self._doubts == DOUBTFUL_INSTANTS:
            log.warning("the broker holds fewer shares than the ledger owns: %s", ", ".join(short))
            self.supervisor.ask_for_sync()
            return
        asks = now_s % DOUBT_EVERY_S == 0 and now_s - self._asked_s > ASK_AGAIN_S
        doubt = self.keeper.doubt(now_s) if asks else ""
        if doubt:
            log.info("%s: asking the broker", doubt)
            self._asked_s = now_s
            self.supervisor.ask_for_sync()
            return
        if not self._options.dry_run:
            await self.positions.watch(now_s)

    def may_record(self) -> bool:
        """Whether the database takes what happens. While it does not, nothing new is bought; exits go on."""
        return not self._history.trouble

    async def settle(self) -> None:
        """Before the report: ask for fees that the broker still owes, for two minutes at most."""
        give_up = self._clock.now() + SETTLE_LIMIT
        while self.keeper.is_owed_fees and self._clock.now() < give_up:
            self.supervisor.ask_for_sync()
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=5))

    def is_flat(self) -> bool:
        """Whether this bot owns nothing and has no entry on its way."""
        return not self.keeper.book.positions and not self.keeper.book.pending

    async def _protect(self) -> None:
        if not self._options.dry_run and self._clock.now() < self._session.eod:
            await self.positions.protect()
