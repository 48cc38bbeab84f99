"""A bar store as a market to replay: `research.source.BarSource` over `research.store.BarStore`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property, lru_cache
from math import prod

import numpy as np

from market_hours import Session, TradingCalendar, new_york_date, utc_from_epoch
from research.store import BarStore, Resolution, Split
from research.tapes import Int64s
from trading.bar_columns import BarColumns, as_columns, joined
from trading.bars import Bar
from trading.money import floor_to_tick

MONTHS_KEPT = 64  # months of minute bars in memory, 0.4 MB each
DAYS_KEPT = 32_768  # months of daily bars, 1.3 kB each: four of 8,000 symbols


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteTape:
    """One symbol in one session whose path is that of its minute bars. Units: see `research.tapes.Tapes`."""

    start_s: Int64s
    open: Int64s
    high: Int64s
    low: Int64s
    close: Int64s
    volume: Int64s
    point_s: None = None
    point_price: None = None
    point_jump: None = None
    spread_s: None = None
    spread_half: None = None


class StoreSource:
    """The sessions of a store, of `symbols` only where they are named. What lies outside the session is left out.

    Files are decoded once where questions come symbol by symbol, month after month.
    """

    def __init__(self, store: BarStore, calendar: TradingCalendar, symbols: Sequence[str] = ()) -> None:
        self._store = store
        self._calendar = calendar
        self._symbols = tuple(sorted(symbols)) or store.symbols("minute")
        self._splits = store.splits()
        self.name = f"bar store {store.where}"
        self._months = lru_cache(None)(store.months)
        self._minutes = lru_cache(MONTHS_KEPT)(self._read_minutes)
        self._days = lru_cache(DAYS_KEPT)(self._read_days)

    def session_dates(self) -> tuple[date, ...]:
        """Sessions of the calendar with a minute bar of any symbol, in order."""
        return tuple(day for day in sorted(self._traded) if self._calendar.session_on(day) is not None)

    def symbols(self, session_date: date) -> tuple[str, ...]:
        return self._traded.get(session_date, ())

    def tape(self, symbol: str, session: Session) -> MinuteTape:
        """The minutes of a session. Raises LookupError when there are none."""
        bars = self._minutes(symbol, _month_of(session.date)).between(session.open_s, session.close_s)
        if not len(bars.start_s):
            raise LookupError(f"{symbol} has no minute bar on {session.date} in {self._store.where}")
        return MinuteTape(**bars._asdict())

    def daily(self, symbol: str, before: date, first: date) -> BarColumns:
        days = np.concatenate([self._days(symbol, month) for month in _months_between(first, before)], axis=1)
        begin, end = np.searchsorted(days[0], (first.toordinal(), before.toordinal()))
        ordinals, bars = days[0, begin:end], BarColumns(*days[1:, begin:end])
        splits = self._splits.get(symbol)
        if not splits:
            return bars
        dates = map(date.fromordinal, ordinals.tolist())
        return as_columns([adjusted(bar, splits, day, before) for bar, day in zip(bars.as_bars(), dates, strict=True)])

    @cached_property
    def _traded(self) -> dict[date, tuple[str, ...]]:
        """Session date -> symbols with a minute bar, sorted."""
        found = defaultdict[date, list[str]](list)
        for symbol in self._symbols:
            for month in self._months("minute", symbol):
                for day, count in self._store.sessions("minute", symbol, month).items():
                    if count:
                        found[day].append(symbol)
        return {day: tuple(symbols) for day, symbols in found.items()}

    def _read_minutes(self, symbol: str, month: str) -> BarColumns:
        return self._read("minute", symbol, month)

    def _read_days(self, symbol: str, month: str) -> Int64s:
        """A month's daily bars, (7, n): ordinal of the date, then `BarColumns`; made of minutes where none is kept."""
        first = date.fromisoformat(f"{month}-01")
        sessions = self._calendar.sessions_between(first, _next_month(first) - timedelta(days=1))
        kept = self._read("daily", symbol, month)
        days = np.stack([_ordinals(kept.start_s), *kept])
        made = daily_of(self._minutes(symbol, month), sessions)
        made = made[:, ~np.isin(made[0], days[0])]
        of_sessions = np.isin(days[0], [session.date.toordinal() for session in sessions])
        days = np.concatenate([days[:, of_sessions], made], axis=1)
        return days[:, np.argsort(days[0])]

    def _read(self, resolution: Resolution, symbol: str, month: str) -> BarColumns:
        if month not in self._months(resolution, symbol):
            return joined([])
        return self._store.ordered_month(resolution, symbol, month)


def daily_of(bars: BarColumns, sessions: Sequence[Session]) -> Int64s:
    """Minute bars as a column (ordinal of the date, then `Bar`) for each session that has any; shape (7, n)."""
    if not len(bars.start_s) or not sessions:
        return np.empty((1 + len(Bar._fields), 0), dtype=np.int64)
    open_s = np.array([session.open_s for session in sessions])
    begin = np.searchsorted(bars.start_s, open_s)
    end = np.searchsorted(bars.start_s, [session.close_s for session in sessions])
    ordinals = np.array([session.date.toordinal() for session in sessions])
    traded = begin < end
    begin, end = begin[traded], end[traded]
    edges = np.stack([begin, end], axis=1).ravel()  # every other stretch is a session, the rest lies between two
    if len(edges) and edges[-1] == len(bars.start_s):
        edges = edges[:-1]
    columns = (
        *(ordinals[traded], open_s[traded], bars.open[begin]),
        np.maximum.reduceat(bars.high, edges)[::2],
        np.minimum.reduceat(bars.low, edges)[::2],
        *(bars.close[end - 1], np.add.reduceat(bars.volume, edges)[::2]),
    )
    return np.stack(columns)


def adjusted(bar: Bar, splits: Sequence[Split], day: date, today: date) -> Bar:
    """A bar of `day` as it reads on `today`: prices divided and volume multiplied by the splits between."""
    ratio = prod((split.ratio for split in splits if day < split.ex_date <= today), start=Fraction(1))
    if ratio == 1:
        return bar
    open_, high, low, close = (max(floor_to_tick(round(price / ratio)), 1) for price in bar[1:5])
    return Bar(bar.start_s, open_, high, low, close, int(bar.volume * ratio))


def _ordinals(open_s: Int64s) -> Int64s:
    """The session dates of daily bars."""
    return np.array([new_york_date(utc_from_epoch(second)).toordinal() for second in open_s.tolist()], dtype=np.int64)


def _month_of(day: date) -> str:
    return f"{day:%Y-%m}"


def _next_month(day: date) -> date:
    """The first of the month after that of `day`."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


@lru_cache
def _months_between(first: date, last: date) -> tuple[str, ...]:
    """The months of both dates and all between."""
    months, day = [_month_of(first)], _next_month(first)
    while day <= last:
        months.append(_month_of(day))
        day = _next_month(day)
    return tuple(months)
