"""What the rules see of each watchlist symbol: quotes, minute indicators since the open, the daily ATR."""

from __future__ import annotations

from datetime import date

from broker.market_data import MarketData
from trading.bars import Bar
from trading.errors import BrokerUnavailable, HistoryUnavailable
from trading.indicators import AtrState, MinuteIndicators, atr_pct
from trading.strategy import Market
from trading.watchlist import ATR_CALENDAR_DAYS, atr_of

NO_ATR = AtrState()
LOST_S = 86_400  # the age of a quote that the gateway called lost: more than any limit


class MarketView:
    """The session's market as published so far. `daily_atr` False takes the ATR from minute bars instead."""

    def __init__(self, data: MarketData, session_date: date, open_s: int, *, daily_atr: bool) -> None:
        self._data = data
        self._session_date = session_date
        self._open_s = open_s
        self._daily_atr = daily_atr
        self.bars: dict[str, list[Bar]] = {}  # symbol -> completed minute bars since the open, for the day's evaluation
        self._indicators: dict[str, MinuteIndicators] = {}  # symbol -> minute indicators since the open
        self._atr: dict[str, AtrState] = {}  # symbol -> daily ATR
        self._closes: dict[str, int] = {}  # symbol -> close of its last session, 1e-4 USD
        self._held: dict[str, None] = {}  # symbols beside the watchlist that only their quotes are followed of
        self._unfollowed: dict[str, None] = {}  # symbols whose minute bars could not be followed yet, in order
        self.seen: dict[str, list[Bar]] = {}  # symbol -> its completed minute bars of the session, in order

    async def follow(self, symbol: str) -> str:
        """Daily ATR, minute bars and quotes of one symbol. What cannot be had is returned in words, else empty."""
        self._indicators[symbol] = MinuteIndicators()
        self._atr[symbol] = NO_ATR
        try:
            days = await self._data.daily_bars(symbol, self._session_date, ATR_CALENDAR_DAYS)
            self._atr[symbol] = atr_of(days)
            self._closes[symbol] = days[-1].close if days else 0
            if not await self._data.follow_minutes(symbol, self._open_s, self.on_bar):
                self._unfollowed[symbol] = None
            await self._data.follow_quotes(symbol)
        except HistoryUnavailable as error:
            return str(error)
        return ""

    async def follow_held(self, symbol: str) -> str:
        """Quotes of a symbol that is owned but not on the watchlist; what cannot be had in words, else empty."""
        if symbol in self._indicators or symbol in self._held:
            return ""
        try:
            await self._data.follow_quotes(symbol)
        except (HistoryUnavailable, BrokerUnavailable) as error:
            return f"{error}: its open loss is not seen yet"
        self._held[symbol] = None
        return ""

    def reference_price(self, symbol: str) -> int:
        """The last price (1e-4 USD), before the first one the last session's close; 0 while nothing is known."""
        return self._data.quote(symbol).last or self._closes.get(symbol, 0)

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is followed, in the order of following."""
        return (*self._indicators, *self._held)

    def atr_of(self, symbol: str) -> AtrState:
        """The daily ATR that a symbol was followed with; nothing for one that is not."""
        return self._atr.get(symbol, NO_ATR)

    @property
    def unfollowed(self) -> tuple[str, ...]:
        """Symbols whose minute bars the gateway did not have yet."""
        return tuple(self._unfollowed)

    async def follow_again(self, symbol: str) -> None:
        """Ask once more for the minute bars of an unfollowed symbol. Raises HistoryUnavailable, BrokerUnavailable."""
        if await self._data.follow_minutes(symbol, self._open_s, self.on_bar):
            self._unfollowed.pop(symbol, None)

    def on_bar(self, symbol: str, bar: Bar) -> None:
        """A minute bar is complete."""
        self.seen.setdefault(symbol, []).append(bar)
        self._indicators[symbol].add(bar)
        self.bars.setdefault(symbol, []).append(bar)

    def market(self, symbol: str, now_s: int) -> Market:
        """What was published about a symbol until now."""
        quote = self._data.quote(symbol)
        indicators = self._indicators.get(symbol) or MinuteIndicators()
        atr = self._atr.get(symbol, NO_ATR) if self._daily_atr else indicators.atr
        return Market(
            quote.last,
            quote.bid,
            quote.ask,
            indicators.bars,
            indicators.last_volume,
            indicators.vwap,
            indicators.rsi_now,
            atr_pct(atr, quote.last),
            now_s - quote.at_s if self._data.is_trusted(symbol) else LOST_S,
            quote.halted,
            quote.delayed,
        )
