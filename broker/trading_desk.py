"""Everything at the broker for one session of one bot: connection, ledger, market view, exits, reconciliation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from broker.funds_desk import FundsDesk
from broker.held_account import AccountOptions, HeldAccount
from broker.market_view import MarketView
from broker.notices import tell_latches
from broker.position_desk import PositionDesk
from broker.values import AccountState
from market_hours import Clock, Session
from notifications.notices import Kind
from observability import TradingHistory
from trading.book import DayMarks, SessionBook
from trading.broker_result import compared, comparison_words
from trading.errors import BrokerUnavailable
from trading.money import notional
from trading.orders import OrderIntent
from trading.risk import SymbolState
from trading.settings import SafetySettings
from trading.strategy import Market, Parameters
from trading.sync import SyncPolicy, bound_shares
from utils import TradingError

log = logging.getLogger(__name__)

DOUBTFUL_INSTANTS = 2
LONGEST_PAUSE_INSTANTS = 120  # ten minutes between two questions after shares that the broker does not list
ASK_AGAIN_S = 60
DOUBT_EVERY_S = 15
CONFIRM_EVERY, CONFIRMATIONS = timedelta(milliseconds=500), 3
SETTLE_LIMIT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskOptions(AccountOptions):
    """How the day trader appears at the broker, and what it may do there."""

    dry_run: bool
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
        self._session_date = session.date.isoformat()
        self._marks: DayMarks | None = None  # of this session, as on record; None before its open
        self._asked_about_s: dict[str, int] = {}  # intent_id -> when its state last led to a synchronisation
        self._doubts = 0  # instants in a row at which the broker held fewer shares than the ledger
        self._held = held = HeldAccount(
            self,
            options,
            session,
            clock,
            history,
            new_id,
            book=book,
            parameters=parameters,
            market_of=self.market,
        )
        self.broker, self.keeper, self.supervisor = held.broker, held.keeper, held.supervisor
        self.intents = held.intents
        self.keeper.on_refused = self.refuse
        self._funds = FundsDesk(self.broker, book, self.keeper.warn, self.refuse)
        self.keeper.on_doubt = self._on_doubt
        self.view = MarketView(self.broker.data, session.date, session.open_s, daily_atr=options.daily_atr)
        self.positions = PositionDesk(
            self.keeper,
            self.broker.orders,
            new_id,
            parameters,
            int(session.eod.timestamp()),
            self.market,
            options.safety.never_trade,
        )
        self._entry_over = asyncio.Event()
        self.keeper.on_entry_over = self._entry_over.set

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected and synchronised, and kept so until the block ends. Resting orders stay at the broker.

        Raises BrokerUnavailable, Misconfigured or HaltTrading when the first connection cannot be used.
        """
        async with self._held.running() as group:
            confirming = group.create_task(self._confirm_exits(), name="confirmation of exits")
            try:
                yield
            finally:
                confirming.cancel()

    @property
    def account(self) -> AccountState:
        """The account's figures as they last came in."""
        return self._held.state

    @property
    def fault(self) -> TradingError | None:
        """What the connection could not get over, such as another account after a reconnect."""
        return self._held.fault

    def on_account(self, account: AccountState) -> None:
        """Buying power into the book."""
        self._funds.on_account(account)

    async def take_up(self, splits: Mapping[str, str]) -> None:
        """Read the ledger and what this session was like so far; exits of split shares are rebuilt from it."""
        self.keeper.restore()
        book, day = self.keeper.book, self._session_date
        known = self._history.day_marks(day)
        self._marks = DayMarks(**known) if known is not None else None
        book.resume(self._marks or DayMarks(), self._history.entries_tried(day), self._history.refused_symbols(day))
        if who := self._history.held_by(day):
            book.entries_held = f"{who} paused entries before this start"
        self._funds.on_account(self.account)
        for symbol in splits:
            if (bracket := self.keeper.brackets.get(symbol)) is not None:
                bracket.restate(book.symbol_state(symbol).quantity, book.price_paid(symbol))

    async def resume(self) -> None:
        """Positions protected. Raises BrokerUnavailable."""
        await self._protect()

    def equity_before(self) -> int:
        """Net liquidation without this bot's results of the session, so that both together are the account's now.

        A run that comes later in a session uses what the first one found at the open.
        """
        if self._marks is not None:
            return self._marks.equity_at_open
        account, book, prices = self._held.refresh(), self.keeper.book, self.broker.market_prices()
        open_pnl = sum(
            notional(prices[symbol], position.quantity) - position.cost
            for symbol, position in book.positions.items()
            if prices.get(symbol, 0) > 0
        )
        return account.net_liquidation - book.realised - open_pnl

    async def ask_what_entries_bind(self, symbols: Sequence[str], budget: int) -> None:
        """Ask for the margin of entries of `budget` (1e-6 USD) where that is not known. Sends no order."""
        if not self._options.dry_run and self.supervisor.is_ready:
            await self._funds.ask(symbols, budget, self.view.reference_price)

    def refuse(self, symbol: str, why: str) -> None:
        """The broker will not let this symbol be bought: no further entry today, and the reason is on record."""
        if not self.keeper.book.reject(symbol, why):
            return
        self.keeper.warn(f"{symbol}: no entry any more today, the broker refused it: {why}")
        self.keeper.record.refused(symbol, why, int(self._clock.now().timestamp()))

    async def take_positions(self, watchlist: Sequence[str]) -> None:
        """Adopt external shares of the watchlist where the policy allows it, and protect all that is owned."""
        safety = self._options.safety
        external = safety.external_positions
        if external == "auto":
            external = "adopt" if self.account.is_paper else "ask"
        held = await self.broker.positions()
        selling = await self.broker.sells_of_others(lambda reference: self._history.intent(reference) is not None)
        bound = bound_shares(held, selling)
        policy = SyncPolicy(external, tuple(watchlist), safety.never_trade, self._options.consents, bound)
        self.positions.sync(held, self.owned_by_others(), policy, int(self._clock.now().timestamp()))
        await self._protect()

    async def follow(self, symbols: Sequence[str]) -> None:
        """Quotes, minute bars and the daily ATR of the symbols; what cannot be had is warned of."""
        for symbol in symbols:
            if fault := await self.view.follow(symbol):
                self.keeper.warn(fault)

    async def follow_positions(self) -> None:
        """Quotes of what is owned beside the watchlist: its loss counts, and it is closed like the rest."""
        for symbol in list(self.keeper.book.positions):
            if fault := await self.view.follow_held(symbol):
                self.keeper.warn(fault)

    def symbol_state(self, symbol: str) -> SymbolState:
        """A symbol as rules see it. While an order of its last position may still act it takes no new entry."""
        state = self.keeper.book.symbol_state(symbol)
        bracket = self.keeper.brackets.get(symbol)
        acts = bracket is not None and (bracket.live_exits() or not bracket.entry_is_over)
        if state.quantity == 0 and (acts or self.keeper.owed_shares(symbol)):
            return state._replace(pending=True)
        return state

    def market(self, symbol: str) -> Market:
        """What was published about a symbol until now."""
        return self.view.market(symbol, int(self._clock.now().timestamp()))

    def owned_by_others(self) -> dict[str, int]:
        """Shares of the account's other bots, by their ledgers."""
        return self.keeper.owned_by_others()

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
        if book.marks != self._marks:
            tell_latches(self._marks, book, int(self._clock.now().timestamp()))
            self._marks = book.marks
            self._history.record_day_marks(self._session_date, self._marks._asdict())

    async def watch(self, now_s: int) -> None:
        """What must hold at every instant: live stops, shares at the broker. Raises BrokerUnavailable."""
        if self.supervisor.entries_given_up:
            self.keeper.stop_entries("entries are off: the connection was down too long", Kind.CONNECTION)
        positions = self.keeper.book.positions
        short = [symbol for symbol, owned in positions.items() if self.broker.orders.held(symbol) < owned.quantity]
        missing = self.keeper.shares.missing
        unlisted = [symbol for symbol in self.keeper.shares.unlisted if symbol in positions]
        self.keeper.book.entries_waiting = f"the broker does not list {', '.join(unlisted)}" if unlisted else ""
        found = [s for s in positions if (missing.get(s) or s in unlisted) and s not in short]
        self._doubts = self._doubts + 1 if short or found else 0
        if self._doubts == DOUBTFUL_INSTANTS and found:
            log.warning("shares that were missing are at the broker again: %s", ", ".join(found))
            self.supervisor.ask_for_sync()
            return
        if self._doubts == DOUBTFUL_INSTANTS or (unlisted and _asks_again(self._doubts)):
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

    async def broker_result(self) -> dict[str, Any] | None:
        """The broker's own result of the session beside the ledger's; None when it did not tell."""
        try:
            told = await self.broker.result_of(self._session.date, self.keeper.owner_of)
        except BrokerUnavailable as error:
            log.warning("%s; the ledger's result stands alone", error)
            return None
        result = compared(self.keeper.own_day(self._session.open_s), told)
        if result["unexplained_usd"]:
            self.keeper.warn(f"the broker's own P&L: {comparison_words(result)}")
        return result

    def is_flat(self) -> bool:
        """Whether this bot owns nothing and has no entry on its way."""
        return not self.keeper.book.positions and not self.keeper.book.pending

    async def _confirm_exits(self) -> None:
        """Within two seconds of an entry's end its shares have live exits, or get others: legs can be refused."""
        while True:
            await self._entry_over.wait()
            self._entry_over.clear()
            for _ in range(CONFIRMATIONS):
                await self._clock.sleep_until(self._clock.now() + CONFIRM_EVERY)
                if not self.supervisor.is_ready:
                    break
                try:
                    await self._protect()
                except BrokerUnavailable as error:
                    log.warning("%s; reconciliation finds out what became of it", error)

    def _on_doubt(self, intent_id: str, why: str) -> None:
        """Nobody knows what became of an order: the broker is asked at once, about each order once a minute."""
        now_s = int(self._clock.now().timestamp())
        if now_s - self._asked_about_s.get(intent_id, 0) > ASK_AGAIN_S:
            self._asked_about_s[intent_id] = now_s
            log.info("%s: asking the broker", why)
            self.supervisor.ask_for_sync()

    async def _protect(self) -> None:
        may_send = not self._options.dry_run and not self.supervisor.restart_is_due
        if may_send and self._clock.now() < self._session.eod:
            await self.positions.protect()


def _asks_again(instants: int) -> bool:
    """After 10, 20, 40 ... seconds of doubt, and every ten minutes from then on."""
    return instants >= DOUBTFUL_INSTANTS and (instants.bit_count() == 1 or instants % LONGEST_PAUSE_INSTANTS == 0)
