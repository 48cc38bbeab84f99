"""Sessions made of daily bars, for programs that trade once in a while: a day shows its four prices and no more.

A day that closes at or above its open shows open, low, high and close, a falling one open, high, low and close, evenly
over the session. The bar of the open has what the first five minutes of a US stock trade, about 2 % of the day, and
stands until the price moves again; a later one has a minute's part, and the last the rest. So an order of more than
0.2 % of the day fills in part. A close-only series, whose four prices are one, fills at that day's close.

A stock whose bars end well before those of the others was delisted. What its holders got is an action of kind
`delisted`; without one it is 70 % of the last price, ten sessions later (Shumway 1997: the mean return of delistings
for performance is about -30 %; holders of a company that was taken over did better).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np

from ib_simulator.feeds.corporate_actions import Action
from ib_simulator.feeds.tape import MINUTE_S, Int64s, SessionTape
from market_hours import Session, TradingCalendar
from trading.bars import Bar
from trading.matching import path_prices
from trading.money import BPS, MONEY_PER_PRICE_UNIT
from utils import Misconfigured

PATH_POINTS = 4
OPENING_VOLUME_BPS = 200  # of the day
GONE_SESSIONS = 10  # without a bar so long, and never one again: delisted
DELISTED_LEAVES_BPS = 7_000  # of the last price, where nothing else is known


@dataclass(frozen=True, slots=True, kw_only=True)
class DailySeries:
    """Daily bars of one symbol as traded, in order; a bar starts at its session's open. `actions` are in order."""

    days: tuple[date, ...]
    bars: tuple[Bar, ...]
    actions: tuple[Action, ...] = ()

    def between(self, first: date, before: date) -> tuple[Bar, ...]:
        """Bars with `first` <= date < `before`."""
        return self.bars[bisect_left(self.days, first) : bisect_left(self.days, before)]

    def on(self, day: date) -> Bar | None:
        """The bar of a date."""
        row = bisect_left(self.days, day)
        return self.bars[row] if row < len(self.days) and self.days[row] == day else None


class DailyFeed:
    """A market of daily bars. `name` is what a report says about their origin."""

    extended_hours = False

    def __init__(self, name: str, series: Mapping[str, DailySeries], calendar: TradingCalendar) -> None:
        if not any(each.days for each in series.values()):
            raise Misconfigured(f"{name}: no daily bar falls on a session of the calendar, which starts in 2005")
        self.name = name
        self._calendar = calendar
        last = max(each.days[-1] for each in series.values() if each.days)
        self._series = {  # symbol -> its bars, and what happened to it
            symbol: _delisted(series[symbol], calendar, last) for symbol in sorted(series) if series[symbol].days
        }
        self._adjusted: dict[str, tuple[int, DailySeries]] = {}  # symbol -> actions seen, the series after them

    @property
    def all_symbols(self) -> tuple[str, ...]:
        """Symbols with a bar in any session, sorted."""
        return tuple(self._series)

    def symbols(self, session_date: date) -> tuple[str, ...]:
        """Symbols with a bar in that session, sorted."""
        return tuple(symbol for symbol, series in self._series.items() if series.on(session_date) is not None)

    def session_dates(self) -> tuple[date, ...]:
        """Sessions with a bar of any symbol, in order."""
        return self._dates

    @cached_property
    def _dates(self) -> tuple[date, ...]:
        return tuple(sorted({day for series in self._series.values() for day in series.days}))

    def latest_session(self) -> Session:
        """The last session with bars."""
        return self.require_session(self._dates[-1])

    def require_session(self, day: date) -> Session:
        """The session of `day`. Without bars for it: Misconfigured, which names the nearest ones."""
        session = self._calendar.session_on(day)
        row = bisect_left(self._dates, day)
        if session is not None and row < len(self._dates) and self._dates[row] == day:
            return session
        nearest = ", ".join(each.isoformat() for each in self._dates[max(row - 1, 0) : row + 1])
        raise Misconfigured(f"{self.name} has no bars for {day}; the nearest sessions are {nearest}")

    def tape(self, symbol: str, session: Session) -> SessionTape:
        """The day as a path of four prices. Raises LookupError when the symbol has no bar in that session."""
        series = self._series.get(symbol)
        bar = series.on(session.date) if series is not None else None
        if bar is None:
            raise LookupError(f"{symbol} has no daily bar on {session.date} in {self.name}")
        return _tape(symbol, session, bar)

    def daily(self, symbol: str, before: date, first: date) -> tuple[Bar, ...]:
        """Daily bars as traded with `first` <= date < `before`."""
        series = self._series.get(symbol)
        return series.between(first, before) if series is not None else ()

    def adjusted(self, symbol: str, before: date, first: date) -> tuple[Bar, ...]:
        """Daily bars with `first` <= date < `before` as they read on `before`.

        Prices are adjusted for the splits and dividends until then, volumes for splits: what a vendor would have
        answered on the morning of that day, and nothing that was not known.
        """
        series = self._series.get(symbol)
        if series is None:
            return ()
        known = sum(each.ex_date <= before for each in series.actions)
        if self._adjusted.get(symbol, (-1, series))[0] != known:
            self._adjusted[symbol] = known, _as_read_after(series, known)
        return self._adjusted[symbol][1].between(first, before)

    def minute_history(self, symbol: str, before: date, sessions: int) -> tuple[Bar, ...]:
        """None: a day is all that is known."""
        return ()

    def actions(self, symbol: str) -> tuple[Action, ...]:
        """Splits, dividends and the delisting of `symbol`, in order."""
        series = self._series.get(symbol)
        return series.actions if series is not None else ()


def _as_read_after(series: DailySeries, known: int) -> DailySeries:
    """The series as it reads after the first `known` of its actions."""
    actions = [each for each in series.actions[:known] if each.payout is None]
    if not actions:
        return series
    prices, shares = np.ones(len(series.days)), np.ones(len(series.days))
    for action in actions:
        rows = bisect_left(series.days, action.ex_date)
        prices[:rows] *= action.keeps / float(action.split)
        shares[:rows] *= float(action.split)
    columns = np.array(series.bars, dtype=np.float64).T
    columns[1:5] = np.maximum(np.rint(columns[1:5] * prices), 1)
    columns[5] = np.rint(columns[5] * shares)
    return replace(series, bars=tuple(map(Bar._make, columns.T.astype(np.int64).tolist())))


def _delisted(series: DailySeries, calendar: TradingCalendar, last: date) -> DailySeries:
    """The series with its delisting, where it has one that nobody wrote down."""
    if any(each.payout is not None for each in series.actions):
        return series
    after = calendar.sessions_between(series.days[-1], last)[1:]
    if len(after) < GONE_SESSIONS:
        return series
    payout = series.bars[-1].close * DELISTED_LEAVES_BPS // BPS * MONEY_PER_PRICE_UNIT
    return replace(series, actions=(*series.actions, Action(after[GONE_SESSIONS - 1].date, payout=payout)))


def _tape(symbol: str, session: Session, bar: Bar) -> SessionTape:
    """Four minutes of one price each, in which the path shows its points."""
    length_s = session.close_s - session.open_s
    points = session.open_s + np.arange(PATH_POINTS, dtype=np.int64) * (length_s // (PATH_POINTS - 1))
    points[-1] = session.close_s - 1
    prices = np.array(path_prices(bar.open, bar.high, bar.low, bar.close), dtype=np.int64)
    volume = np.full(PATH_POINTS, bar.volume // (length_s // MINUTE_S), dtype=np.int64)
    volume[0] = bar.volume * OPENING_VOLUME_BPS // BPS
    volume[-1] = bar.volume - volume[:-1].sum()
    minutes: Int64s = points - points % MINUTE_S
    return SessionTape(
        symbol=symbol,
        session_date=session.date,
        start_s=minutes,
        open=prices,
        high=prices,
        low=prices,
        close=prices,
        volume=volume,
        point_s=points,
        point_price=prices,
        point_jump=np.array([True, False, False, False]),
    )
