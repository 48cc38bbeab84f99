"""Market data from the gateway: contracts, daily history, minute bars as they complete, quotes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from math import isnan

from broker import journey
from broker.client_library import IB, BarDataList, Contract, RequestError, Stock, Ticker
from broker.settings import BrokerSettings
from broker.translate import bar_from_ib, epoch_s, quote_from_ib
from broker.values import Quote
from market_hours import Clock, Session
from telemetry import tracing
from trading.bars import Bar
from trading.errors import BrokerUnavailable, HistoryUnavailable
from trading.matching import BAR_SECONDS

BAR_GRACE_S = 10  # a minute without a newer message is complete this long after its end
CONTRACT_CODE_UNKNOWN = 200
NO_QUOTE = Quote()
NO_DATA_YET = 162
NO_ANSWER = 0


class MinuteBars:
    """One symbol's minute bars of one session, each handed on once, when it is complete.

    A bar is complete when a newer one follows it, or when its message came after its end by the clock. What the
    gateway corrects later is not used: a decision must be repeatable from what was known.
    """

    def __init__(self, symbol: str, open_s: int, now_s: Callable[[], int], on_bar: Callable[[str, Bar], None]) -> None:
        self.open_s = open_s
        self.on_bar = on_bar
        self._symbol = symbol
        self._now_s = now_s
        self._done_s = open_s - BAR_SECONDS  # start of the last bar handed on, over all subscriptions
        self._bars: BarDataList | None = None
        self._next = 0  # index of the first bar that was not handed on
        self._newest_end_s = 0  # end of the newest bar while it waits

    def start(self, bars: BarDataList) -> None:
        """Take the first answer of a subscription and follow it. A later one goes on where the last one ended."""
        self._bars = bars
        self._next = 0
        bars.updateEvent += self._on_update
        self._hand_on(self._now_s())

    def stop(self) -> BarDataList | None:
        """Stop following; the subscription to cancel, if there is one."""
        bars, self._bars = self._bars, None
        if bars is not None:
            bars.updateEvent -= self._on_update
        return bars

    def flush(self, now_s: int) -> None:
        """Hand on a bar that ended a while ago and had no newer message: a quiet symbol's."""
        if now_s >= self._newest_end_s + BAR_GRACE_S:
            self._hand_on(now_s - BAR_GRACE_S)

    def _on_update(self, _bars: BarDataList, _has_new_bar: bool) -> None:
        self._hand_on(self._now_s())

    def _hand_on(self, until_s: int) -> None:
        """Hand on the bars that a newer one follows, and the newest if it had ended by `until_s`."""
        bars = self._bars
        if bars is None:
            return
        while self._next < len(bars):
            bar = bars[self._next]
            start_s = epoch_s(bar.date)
            followed = self._next + 1 < len(bars)
            if not followed and start_s + BAR_SECONDS > until_s:
                self._newest_end_s = start_s + BAR_SECONDS
                return
            self._next += 1
            if start_s > self._done_s:
                self._done_s = start_s
                self.on_bar(self._symbol, bar_from_ib(bar))


class MarketData:
    """Subscriptions and history requests. Symbols are US stocks routed by SMART."""

    def __init__(self, ib: IB, settings: BrokerSettings, clock: Clock) -> None:
        self._ib = ib
        self._settings = settings
        self._clock = clock
        self._history_slots = asyncio.Semaphore(settings.ib_history_at_once)
        self._contracts: dict[str, Contract] = {}  # symbol -> qualified contract
        self._quotes: dict[str, Quote] = {}  # symbol -> latest quote
        self._tickers: dict[str, Ticker] = {}  # symbol -> its subscription
        self._shown_before: dict[str, tuple[float, ...]] = {}  # symbol -> what its former subscription showed last
        self._minutes: dict[str, MinuteBars] = {}  # symbol -> its bars today
        self._distrusted: dict[str, None] = {}  # symbols whose data the gateway called lost, until their next tick
        self._heard_ns: dict[str, int] = {}  # symbol -> wall time of its latest tick, for traces; empty without them

    def _now_s(self) -> int:
        return int(self._clock.now().timestamp())

    async def contract(self, symbol: str) -> Contract | None:
        """The qualified contract of `symbol`, asked for once. None when IBKR does not know it.

        Raises HistoryUnavailable, BrokerUnavailable.
        """
        known = self._contracts.get(symbol)
        if known is not None:
            return known
        try:
            details = await asyncio.wait_for(
                self._ib.reqContractDetailsAsync(Stock(symbol, "SMART", "USD")),
                self._settings.ib_request_timeout_s,
            )
        except RequestError as error:
            if error.code == CONTRACT_CODE_UNKNOWN:
                return None
            raise HistoryUnavailable(symbol, error.code, error.message) from error
        except TimeoutError as error:
            raise HistoryUnavailable(symbol, NO_ANSWER, "no answer to the contract request") from error
        except ConnectionError as error:
            raise BrokerUnavailable(f"the connection was lost while asking for {symbol}") from error
        contract = details[0].contract if details else None
        if contract is not None:
            self._contracts[symbol] = contract
        return contract

    async def is_unknown(self, symbol: str) -> bool:
        """True when IBKR says that there is no such stock; no answer is not a no."""
        try:
            return await self.contract(symbol) is None
        except HistoryUnavailable:
            return False

    async def daily_bars(self, symbol: str, session_date: date, calendar_days: int) -> list[Bar]:
        """Regular-session daily bars of the `calendar_days` before `session_date`, which is left out.

        Raises HistoryUnavailable, BrokerUnavailable.
        """
        months = -(-calendar_days // 28)
        bars = await self._history(symbol, f"{months} M", "1 day", keep_up_to_date=False)
        first = session_date - timedelta(days=calendar_days)
        return [bar_from_ib(bar) for bar in bars if first <= _date_of(bar.date) < session_date]

    async def session_minutes(self, symbol: str, session: Session) -> list[Bar]:
        """Minute bars of one past session. Raises HistoryUnavailable, BrokerUnavailable."""
        bars = await self._history(symbol, "1 D", "1 min", keep_up_to_date=False, end=session.close)
        return [bar for bar in map(bar_from_ib, bars) if session.open_s <= bar.start_s < session.close_s]

    async def follow_minutes(self, symbol: str, open_s: int, on_bar: Callable[[str, Bar], None]) -> bool:
        """Hand on each completed minute bar of the session that opened at `open_s`, past ones at once.

        A subscription that this connection has to them is replaced. False when the gateway had nothing to start from:
        the caller asks again later.
        """
        try:
            bars = await self._history(symbol, "1 D", "1 min", keep_up_to_date=True)
        except HistoryUnavailable as error:
            if error.code not in (NO_ANSWER, NO_DATA_YET):
                raise
            return False
        minutes = self._minutes.get(symbol) or MinuteBars(symbol, open_s, self._now_s, on_bar)
        self._minutes[symbol] = minutes
        if (former := minutes.stop()) is not None:
            self._ib.cancelHistoricalData(former)
        minutes.start(bars)
        return True

    async def follow_quotes(self, symbol: str) -> None:
        """Subscribe to the symbol's quotes; a subscription that this connection has to them is replaced.

        Raises HistoryUnavailable when there is no such contract.
        """
        contract = await self.contract(symbol)
        if contract is None:
            raise HistoryUnavailable(symbol, CONTRACT_CODE_UNKNOWN, "unknown contract")
        if (former := self._live_ticker(symbol)) is not None:
            self._leave(symbol, former)
            self._ib.cancelMktData(contract)
        ticker = self._ib.reqMktData(contract, "", False, False)
        self._tickers[symbol] = ticker
        ticker.updateEvent += self._on_ticker

    @property
    def followed(self) -> tuple[str, ...]:
        """Symbols whose quotes are subscribed to."""
        return tuple(self._tickers)

    def quote(self, symbol: str) -> Quote:
        """The latest quote; an empty one before the first tick."""
        return self._quotes.get(symbol, NO_QUOTE)

    def distrust(self, symbol: str = "") -> None:
        """The gateway says that the data of a symbol, or of all, is lost: nothing is entered on until the next tick."""
        for each in [symbol] if symbol else self._tickers:
            self._distrusted[each] = None

    def is_trusted(self, symbol: str) -> bool:
        """Whether the latest quote came after the last word that data is lost."""
        return symbol not in self._distrusted

    def renew_all_quotes(self) -> None:
        """A data farm is back: what it lost is asked for again."""
        for symbol in list(self._distrusted):
            self.renew_quotes(symbol)

    def heard_ns(self, symbol: str) -> int:
        """Wall time at which the latest quote arrived, for traces only; 0 while nobody listens."""
        return self._heard_ns.get(symbol, 0)

    def flush_bars(self) -> None:
        """Hand on bars that ended without a newer message. Called at agent instants."""
        now_s = self._now_s()
        for minutes in self._minutes.values():
            minutes.flush(now_s)

    def attach(self, ib: IB) -> None:
        """Use a new connection. Subscriptions of the old one are gone with it; `resubscribe` renews them."""
        for minutes in self._minutes.values():
            minutes.stop()
        for symbol, ticker in self._tickers.items():
            self._leave(symbol, ticker)
        self._ib = ib

    async def resubscribe(self) -> None:
        """Ask again for all quotes and minute bars that were followed. Raises HistoryUnavailable, BrokerUnavailable."""
        for symbol in list(self._tickers):
            await self.follow_quotes(symbol)
        for symbol, minutes in list(self._minutes.items()):
            await self.follow_minutes(symbol, minutes.open_s, minutes.on_bar)

    def renew_quotes(self, symbol: str) -> None:
        """Cancel and ask again for one symbol's quotes: its ticks stopped.

        The answer begins with the standing quote, which keeps its age: only what differs from it is news.
        """
        ticker = self._live_ticker(symbol)
        if ticker is None:
            return
        self._leave(symbol, ticker)
        self._ib.cancelMktData(ticker.contract)
        renewed = self._ib.reqMktData(ticker.contract, "", False, False)
        renewed.updateEvent += self._on_ticker
        self._tickers[symbol] = renewed

    def stop(self) -> None:
        """Cancel all subscriptions."""
        for minutes in self._minutes.values():
            bars = minutes.stop()
            if bars is not None and self._ib.isConnected():
                self._ib.cancelHistoricalData(bars)
        for symbol, ticker in self._tickers.items():
            ticker.updateEvent -= self._on_ticker
            if (live := self._live_ticker(symbol)) is not None and live.contract is not None:
                self._ib.cancelMktData(live.contract)
        self._minutes.clear()
        self._tickers.clear()
        self._quotes.clear()
        self._distrusted.clear()
        self._shown_before.clear()

    def _live_ticker(self, symbol: str) -> Ticker | None:
        """The symbol's subscription on the present connection; None while there is none, or only that of a former."""
        ticker = self._tickers.get(symbol)
        if ticker is None or ticker.contract is None or not self._ib.isConnected():
            return None
        return ticker if self._ib.ticker(ticker.contract) is ticker else None

    def _leave(self, symbol: str, ticker: Ticker) -> None:
        """Stop listening to a subscription that another one will follow."""
        ticker.updateEvent -= self._on_ticker
        if symbol in self._quotes and symbol not in self._shown_before:
            self._shown_before[symbol] = _shown(ticker)

    def _on_ticker(self, ticker: Ticker) -> None:
        contract = ticker.contract
        assert contract is not None  # every subscription is to one
        before = self._shown_before.get(contract.symbol)
        if before is not None and _repeats(_shown(ticker), before):
            return
        self._shown_before.pop(contract.symbol, None)
        self._distrusted.pop(contract.symbol, None)
        if tracing.is_on():
            self._heard_ns[contract.symbol] = tracing.now_ns()
        self._quotes[contract.symbol] = quote_from_ib(
            ticker.bid, ticker.ask, ticker.last, ticker.halted, ticker.marketDataType, self._now_s()
        )

    @journey.asks("read history")
    async def _history(
        self, symbol: str, duration: str, bar_size: str, *, keep_up_to_date: bool, end: datetime | None = None
    ) -> BarDataList:
        contract = await self.contract(symbol)
        if contract is None:
            raise HistoryUnavailable(symbol, CONTRACT_CODE_UNKNOWN, "unknown contract")
        async with self._history_slots:
            try:
                bars = await self._ib.reqHistoricalDataAsync(
                    contract,
                    endDateTime=end or "",
                    durationStr=duration,
                    barSizeSetting=bar_size,
                    whatToShow="TRADES",
                    useRTH=True,
                    formatDate=2,
                    keepUpToDate=keep_up_to_date,
                    timeout=self._settings.ib_request_timeout_s,
                )
            except RequestError as error:
                raise HistoryUnavailable(symbol, error.code, error.message) from error
            except ConnectionError as error:
                raise BrokerUnavailable(f"the connection was lost while asking for bars of {symbol}") from error
        if not bars:  # the library's way to say that time was up; no bars at all would be an error message
            if keep_up_to_date:
                self._ib.cancelHistoricalData(bars)
            raise HistoryUnavailable(symbol, NO_ANSWER, "no answer to the request for bars")
        return bars


def _shown(ticker: Ticker) -> tuple[float, ...]:
    """What a subscription shows by now; NaN where nothing was said yet."""
    return (ticker.bid, ticker.ask, ticker.last, ticker.volume, ticker.halted, float(ticker.marketDataType))


def _repeats(shown: tuple[float, ...], before: tuple[float, ...]) -> bool:
    """Whether all that is shown was shown before."""
    return all(isnan(new) or new == old for new, old in zip(shown, before, strict=True))


def _date_of(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value
