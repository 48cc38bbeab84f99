"""`python day_trader.py --preflight`: each line of the pre-trading checklist, checked by machine. Nothing is ordered.

A check fails when the session could not be traded, or not safely; it warns of what the user should know before.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from broker.account_lock import hold_account
from broker.broker import Broker
from broker.codes import Policy, code
from broker.values import AccountState
from day_trading.nobody import Nobody
from day_trading.options import TraderOptions, known_watchlist
from day_trading.telling import clock_text
from health.findings import Measure, Severity, severity_of
from health.kill_switch import KillSwitch
from market_hours import Clock, Session, TradingCalendar
from records.connections import open_for_reading
from records.integrity import refuse_damaged
from records.single_user import only_user
from trading.errors import BrokerUnavailable
from trading.money import MONEY_UNITS_PER_USD, ONE_USD, notional, price_to_usd
from trading.sizing import symbol_budget
from trading.watchlist import ATR_CALENDAR_DAYS
from utils import HaltTrading, Misconfigured, TradingError

BOT = "day_trader"
LEAST_DAILY_BARS = 5
QUOTES_WITHIN_S = 5.0  # after which a subscription that told nothing is judged
TIME_LIMIT_S = 5.0
WHOLE_SECONDS_S = 1.0  # the gateway tells its time without fractions
POLL_S = 0.1
READ_ONLY = 321  # the code of "The API interface is currently in Read-Only mode"
MIB = 2**20


class Verdict(StrEnum):
    """How a check ended. With one that FAILED the session could not be traded, or not safely."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


VERDICT_OF = {Severity.NORMAL: Verdict.OK, Severity.WARNING: Verdict.WARNING, Severity.CRITICAL: Verdict.FAILED}


class Check(NamedTuple):
    """One line of the checklist as it was found."""

    name: str
    verdict: Verdict
    words: str


class Preflight:
    """The checks of one session, made in the order in which they depend on each other."""

    def __init__(
        self, options: TraderOptions, session: Session, calendar: TradingCalendar, clock: Clock, database: Path
    ) -> None:
        self._options = options
        self._session = session
        self._calendar = calendar
        self._clock = clock
        self._database = database
        self._nobody = Nobody()
        self._symbols: tuple[str, ...] = ()

    async def checks(self) -> AsyncIterator[Check]:
        """Each check as soon as it is made. Without a gateway those that need one are left out."""
        for check in (self._hours(), self._switch(), self._disk(), self._file(), self._restart(), self._list()):
            yield check
        options = self._options.desk
        broker = Broker(
            options.broker, self._clock, self._nobody, self._nobody, options.client_id, live_allowed=options.live
        )
        try:
            account = await broker.open()
            where = f"{options.broker.ib_host}:{options.broker.ib_port}"
            yield Check("gateway", Verdict.OK, f"logged in, at {where}, client id {options.client_id} is free")
            async for check in self._connected(broker, account):
                yield check
        except TradingError as error:
            yield Check("gateway", Verdict.FAILED, str(error))
        finally:
            broker.disconnect()

    # What needs no gateway

    def _hours(self) -> Check:
        session, today = self._session, self._clock.now()
        words = f"{session.date:%A %Y-%m-%d}, {clock_text(session.open)} to {clock_text(session.close)}"
        if session.open - today > timedelta(days=1):
            return Check("calendar", Verdict.OK, f"the exchange is closed until {words}")
        if session.is_early_close:
            return Check("calendar", Verdict.WARNING, f"an early close: {words}")
        return Check("calendar", Verdict.OK, words)

    def _switch(self) -> Check:
        file = Path(self._options.desk.safety.kill_switch_file)
        if order := KillSwitch(file).order():
            return Check("kill switch", Verdict.FAILED, f"{file} orders {order}: delete it to trade")
        return Check("kill switch", Verdict.OK, "not thrown")

    def _disk(self) -> Check:
        folder = self._database.absolute().parent
        if not folder.is_dir():
            return Check("disk", Verdict.FAILED, f"there is no folder {folder}")
        free_mb = shutil.disk_usage(folder).free / MIB
        verdict = VERDICT_OF[severity_of(Measure.DISK, free_mb)]
        return Check("disk", verdict, f"{free_mb:,.0f} MB free beside the database")

    def _file(self) -> Check:
        file = self._database
        try:
            with only_user(file, "day_trader"):
                if not file.exists():
                    return Check("database", Verdict.OK, f"{file} will be made")
                with closing(open_for_reading(file)) as connection:
                    refuse_damaged(connection, file)
        except (HaltTrading, Misconfigured, OSError) as error:
            return Check("database", Verdict.FAILED, str(error))
        return Check("database", Verdict.OK, f"{file}, no damage found, used by nobody else")

    def _restart(self) -> Check:
        at = self._options.desk.broker.ib_restart_time
        if at is None:
            words = "IB_RESTART_TIME is not set: the gateway's daily restart will look like a lost connection"
            return Check("restart window", Verdict.WARNING, words)
        return Check("restart window", Verdict.OK, f"{at:%H:%M} in New York, nothing is sent around it")

    def _list(self) -> Check:
        file = self._options.watchlist_file
        try:
            known = known_watchlist(self._options, self._session, self._calendar)
        except Misconfigured as error:
            return Check("watchlist", Verdict.FAILED, str(error))
        if known is None:
            self._symbols = self._options.strategy.watchlist_universe
            return Check("watchlist", Verdict.OK, f"{file} is missing or old: a new one is made before the open")
        self._symbols = known.symbols
        return Check("watchlist", Verdict.OK, f"{len(self._symbols)} symbols of {file}")

    # What the gateway is asked

    async def _connected(self, broker: Broker, account: AccountState) -> AsyncIterator[Check]:
        yield self._account(account)
        yield self._lock(account)
        yield await self._time(broker)
        yield await self._holdings(broker)
        budget = symbol_budget(
            account.net_liquidation,
            round(self._options.allocation * 1e6),
            len(self._symbols),
            self._options.strategy.parameters().position_bps,
        )
        asked_at = self._clock.now()
        known = [symbol for symbol in self._symbols if await self._follows(broker, symbol)]
        for symbol in self._symbols:
            if symbol not in known:
                yield Check(symbol, Verdict.FAILED, "the gateway knows no such stock")
        permission = await self._orders(broker, known[0]) if known else None
        if permission:
            yield permission
        while not all(broker.data.quote(symbol).last for symbol in known) and self._waits(asked_at):
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=POLL_S))
        for symbol in known:
            yield await self._data(broker, symbol, budget)

    def _waits(self, asked_at: datetime) -> bool:
        return (self._clock.now() - asked_at).total_seconds() < QUOTES_WITHIN_S

    def _account(self, account: AccountState) -> Check:
        usd = [money / MONEY_UNITS_PER_USD for money in (account.net_liquidation, account.spendable)]
        kind = "a paper account" if account.is_paper else "a LIVE account, real money"
        words = f"{account.account_id}, {kind}: {usd[0]:,.2f} USD, {usd[1]:,.2f} USD to spend"
        if account.spendable <= 0:
            return Check("account", Verdict.FAILED, words)
        if account.is_cash:
            return Check("account", Verdict.WARNING, f"{words}, a cash account: only settled cash is spent")
        return Check("account", Verdict.OK, words)

    def _lock(self, account: AccountState) -> Check:
        try:
            hold_account(account.account_id, BOT).release()
        except HaltTrading as error:
            return Check("one program", Verdict.FAILED, str(error))
        return Check("one program", Verdict.OK, f"no other day trader of this machine is at {account.account_id}")

    async def _time(self, broker: Broker) -> Check:
        try:
            told = await broker.gateway_time(TIME_LIMIT_S)
        except BrokerUnavailable as error:
            return Check("clock", Verdict.FAILED, str(error))
        drift_s = max(0.0, abs((self._clock.now() - told).total_seconds()) - WHOLE_SECONDS_S)
        verdict = VERDICT_OF[severity_of(Measure.CLOCK_DRIFT, drift_s)]
        words = f"differs from the gateway's by {drift_s:,.0f} s" if drift_s else "agrees with the gateway's"
        return Check("clock", verdict, words)

    async def _holdings(self, broker: Broker) -> Check:
        try:
            held = await broker.positions()
            selling = await broker.sells_of_others(lambda _: False)
        except BrokerUnavailable as error:
            return Check("positions", Verdict.FAILED, str(error))
        ours = [f"{each.symbol}:{each.quantity:g}" for each in held if each.symbol in self._symbols]
        words = f"{len(held)} held, {len(selling)} symbols with resting sells"
        if not ours:
            return Check("positions", Verdict.OK, words)
        policy = self._options.desk.safety.external_positions
        return Check("positions", Verdict.WARNING, f"{words}; on the watchlist: {', '.join(ours)} ({policy})")

    async def _follows(self, broker: Broker, symbol: str) -> bool:
        try:
            await broker.data.follow_quotes(symbol)
        except TradingError:
            return False
        return True

    async def _orders(self, broker: Broker, symbol: str) -> Check:
        """A what-if order: the gateway answers it only when it would take a real one."""
        try:
            what_if = await broker.what_if(symbol, 1, ONE_USD)
        except TradingError as error:
            why = next((each.text for each in self._nobody.messages if each.code == READ_ONLY), str(error))
            return Check("orders", Verdict.FAILED, f"a what-if order was not answered: {why}")
        if what_if.refusal:
            return Check("orders", Verdict.WARNING, f"a what-if order was refused: {what_if.refusal}")
        return Check("orders", Verdict.OK, f"a what-if order for one {symbol} was answered")

    async def _data(self, broker: Broker, symbol: str, budget: int) -> Check:
        """Data of one symbol, and whether its share of the money buys one share."""
        try:
            days = len(await broker.data.daily_bars(symbol, self._session.date, ATR_CALENDAR_DAYS))
        except TradingError as error:
            return Check(symbol, Verdict.FAILED, f"no daily bars: {error}")
        quote = broker.data.quote(symbol)
        is_open = self._session.open <= self._clock.now() < self._session.close
        words = f"{days} daily bars"
        if days < LEAST_DAILY_BARS:
            return Check(symbol, Verdict.FAILED, f"only {words}: no ATR, so it is never entered")
        price = quote.last or quote.ask or quote.bid
        if not price:
            words += ", no quote" + ("" if is_open else ": the market is closed, ask again when it is open")
            told = [f" ({each.code} {each.text})" for each in self._nobody.messages if is_about_data(each.code)]
            words += next(iter(told), "")
            return Check(symbol, Verdict.FAILED if is_open else Verdict.WARNING, words)
        if quote.delayed:
            words += ", delayed quotes: no subscription for live ones, so it is never entered"
            return Check(symbol, Verdict.FAILED, words)
        shares = budget // notional(price, 1)
        words += f", live quotes, {price_to_usd(price):,.2f} USD, its share of the money buys {shares:,}"
        return Check(symbol, Verdict.OK if shares else Verdict.WARNING, words)


def is_about_data(number: int) -> bool:
    """Whether a message of the gateway says that market data is missing."""
    return code(number).policy is Policy.DEGRADE_DATA


async def tell_preflight(checks: AsyncIterator[Check], tell: Callable[[str], None]) -> int:
    """Tell each check and what they come to; returns how many failed."""
    counts = dict.fromkeys(Verdict, 0)
    async for check in checks:
        counts[check.verdict] += 1
        tell(f"{check.verdict:<8} {check.name:<15} {check.words}")
    failed, warnings = counts[Verdict.FAILED], counts[Verdict.WARNING]
    tell(f"{sum(counts.values())} checks: {failed} failed, {warnings} warnings")
    return failed
