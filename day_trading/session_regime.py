"""What kind of market it is within the session, from the minutes of the watchlist: the label of each trade."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import exp, log

from evidence.regime import INTRADAY, RegimeTracker
from market_hours import Session
from trading.bars import Bar
from trading.errors import BrokerUnavailable, HistoryUnavailable
from trading.matching import BAR_SECONDS

logger = logging.getLogger(__name__)

SETTLED_S = 20  # after this time a minute is complete in all symbols, also in those that were quiet

BarsBySymbol = Mapping[str, Sequence[Bar]]  # in the order of time


class SessionRegime:
    """The intraday regime of `bars`, which grow while the session goes on.

    It reads the mean log return of the symbols, minute by minute, and knows a minute `SETTLED_S` after its end: an
    answer depends on its second alone, not on who asked when.
    """

    def __init__(self, session: Session, bars: BarsBySymbol) -> None:
        self._session = session
        self._bars = bars
        self._tracker = RegimeTracker(INTRADAY)
        self._index = _Index()
        self._names: list[str | None] = [None]  # the regime before the open, and after each minute

    async def learn(
        self, symbols: Sequence[str], before: Session, minutes_of: Callable[[str, Session], Awaitable[Sequence[Bar]]]
    ) -> None:
        """Take the session before, so that something is known at the open. What cannot be had is done without."""

        async def ask(symbol: str) -> Sequence[Bar]:
            try:
                return await minutes_of(symbol, before)
            except (HistoryUnavailable, BrokerUnavailable) as error:
                logger.info("the regime goes without the last session of %s: %s", symbol, error)
                return ()

        answers = await asyncio.gather(*(ask(symbol) for symbol in symbols))
        self._take_session(before, dict(zip(symbols, answers, strict=True)))

    def name_at(self, second: int) -> str | None:
        """The regime as it was known at an epoch second; None while too little was known."""
        known = (min(second - SETTLED_S, self._session.close_s) - self._session.open_s) // BAR_SECONDS
        while len(self._names) <= known:
            minute_s = self._session.open_s + BAR_SECONDS * (len(self._names) - 1)
            self._names.append(self._take(minute_s, self._bars))
        return self._names[max(known, 0)]

    def _take_session(self, session: Session, bars: BarsBySymbol) -> None:
        if not any(bars.values()):
            return
        name = None
        for minute_s in range(session.open_s, session.close_s, BAR_SECONDS):
            name = self._take(minute_s, bars)
        self._names = [name]
        self._index = _Index()
        self._tracker.begin_session()

    def _take(self, minute_s: int, bars: BarsBySymbol) -> str | None:
        reading = self._tracker.observe(self._index.after(minute_s, bars))
        return reading.regime.value if reading is not None else None


class _Index:
    """The level of the watchlist in one session, from 100: a symbol without a bar stands still."""

    def __init__(self) -> None:
        self._log_level = log(100.0)
        self._closes: dict[str, int] = {}  # symbol -> its last close, 1e-4 USD
        self._next: dict[str, int] = {}  # symbol -> place of its first bar that was not read

    def after(self, minute_s: int, bars: BarsBySymbol) -> float:
        """The level once the minute that began at `minute_s` is over."""
        returns = []
        for symbol, rows in bars.items():
            before = self._closes.get(symbol)
            close = self._close_at(symbol, rows, minute_s)
            if before is not None and close is not None:
                returns.append(log(close / before))
        if returns:
            self._log_level += sum(returns) / len(returns)
        return exp(self._log_level)

    def _close_at(self, symbol: str, rows: Sequence[Bar], minute_s: int) -> int | None:
        place = self._next.get(symbol, 0)
        while place < len(rows) and rows[place].start_s <= minute_s:
            self._closes[symbol] = rows[place].close
            place += 1
        self._next[symbol] = place
        return self._closes.get(symbol)
