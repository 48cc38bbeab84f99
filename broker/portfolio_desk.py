"""The weekly bot at the broker during one session: connection, ledger, quotes, orders of a plan.

It protects nothing and closes nothing: what it owns is held for weeks, and only a plan moves it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta

from broker import journey
from broker.delisting_desk import DelistingDesk
from broker.held_account import AccountOptions, HeldAccount
from broker.market_data import NO_QUOTE
from broker.values import AccountState, Quote
from market_hours import Clock, Session
from observability import TradingHistory
from trading.bars import Bar
from trading.book import SessionBook
from trading.errors import BrokerUnavailable, HistoryUnavailable
from trading.ledger import Position
from trading.orders import OrderIntent
from trading.risk import RiskLimits
from trading.strategy import Parameters
from utils import TradingError

log = logging.getLogger(__name__)

NO_LIMITS = RiskLimits(max_daily_loss=0, max_drawdown=0, max_order_value=0)  # the day trader's rules do not bind a plan
QUOTE_PATIENCE = timedelta(seconds=10)
LOOK_EVERY = timedelta(milliseconds=250)
RECONNECT_PATIENCE, MOST_TRIES = timedelta(minutes=1), 3
SETTLE_LIMIT = timedelta(minutes=2)
SETTLE_EVERY = timedelta(seconds=5)


class PortfolioDesk:
    """The weekly bot's side of the broker. Use `running()` as a context: inside it everything is kept in step."""

    def __init__(
        self,
        options: AccountOptions,
        session: Session,
        clock: Clock,
        history: TradingHistory,
        new_id: Callable[[], str],
    ) -> None:
        self._clock = clock
        self._held = held = HeldAccount(
            self,
            options,
            session,
            clock,
            history,
            new_id,
            book=SessionBook(0, 0, session.close_s, NO_LIMITS),
            parameters=Parameters(),
            market_of=lambda _symbol: None,
        )
        self.broker, self.keeper, self.supervisor = held.broker, held.keeper, held.supervisor
        self.keeper.on_doubt = lambda _intent_id, _why: self.supervisor.ask_for_sync()
        self._delistings = DelistingDesk(self.broker, history, session, clock, new_id)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected and synchronised, and kept so until the block ends. Working orders stay at the broker.

        Raises BrokerUnavailable, Misconfigured or HaltTrading when the first connection cannot be used, and inside
        the block what the connection cannot get over.
        """
        async with self._held.running():
            yield

    def on_account(self, account: AccountState) -> None:
        """Nothing: funds are read when a plan is made."""

    async def take_up(self, splits: Mapping[str, str]) -> None:
        """Let go of stocks that exist no more, then read the ledger. Raises BrokerUnavailable."""
        for words in await self._delistings.write_off():
            self.keeper.warn(words)
        self.keeper.restore()

    async def resume(self) -> None:
        """Nothing: what works at the broker goes on working."""

    # What there is

    @property
    def account(self) -> AccountState:
        """The account's figures as they last came in."""
        return self._held.state

    @property
    def fault(self) -> TradingError | None:
        """What the connection could not get over, such as another account after a reconnect."""
        return self._held.fault

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
