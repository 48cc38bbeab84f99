"""A bar store as a market to replay: `research.source.BarSource` over `research.store.BarStore`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from math import prod

import numpy as np

from market_hours import Session, TradingCalendar, new_york_date, utc_from_epoch
from research.store import BarStore, Columns, Split
from research.tapes import Flags, Int64s
from trading.bars import Bar
from trading.matching import PATH_SECONDS_MINUTE
from trading.money import floor_to_tick

MONTHS_KEPT = 256  # months of minute bars in memory, 0.4 MB each


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteTape:
    """One symbol in one session whose path is that of its minute bars. Units: see `research.tapes.Tapes`."""

    start_s: Int64s
    open: Int64s
    high: Int64s
    low: Int64s
    close: Int64s
    volume: Int64s
    spread_s: None = None
    spread_half: None = None

    @property
    def point_s(self) -> Int64s:
        return (self.start_s[:, None] + np.asarray(PATH_SECONDS_MINUTE, dtype=np.int64)).ravel()

    @property
    def point_price(self) -> Int64s:
        raise NotImplementedError("the path follows from the minute bars")

    @property
    def point_jump(self) -> Flags:
        raise NotImplementedError("the path follows from the minute bars")


class StoreSource:
    """The sessions of a store. What lies outside the regular session is left out."""

    def __init__(self, store: BarStore, calendar: TradingCalendar) -> None:
        self._store = store
        self._calendar = calendar
        self._splits = store.splits()
        self._held: dict[str, dict[date, int]] = {}  # symbol -> session date -> minute bars
        self._rows: dict[str, dict[date, Bar]] = {}  # symbol -> session date -> row of daily/
        self.name = f"bar store {store.where}"
        self._month = lru_cache(MONTHS_KEPT)(self._read_month)

    def session_dates(self) -> tuple[date, ...]:
        """Sessions of the calendar with a minute bar of any symbol, in order."""
        days = {day for symbol in self._store.symbols("minute") for day in self._sessions(symbol)}
        return tuple(day for day in sorted(days) if self._calendar.session_on(day) is not None)

    def symbols(self, session_date: date) -> tuple[str, ...]:
        return tuple(symbol for symbol in self._store.symbols("minute") if session_date in self._sessions(symbol))

    def tape(self, symbol: str, session: Session) -> MinuteTape:
        bars = self._minutes(symbol, session)
        if not len(bars.start_s):
            raise LookupError(f"{symbol} has no minute bar on {session.date} in {self._store.where}")
        return MinuteTape(**bars._asdict())

    def daily(self, symbol: str, before: date, first: date) -> Sequence[Bar]:
        rows = self._daily_rows(symbol)
        found = []
        for session in self._calendar.sessions_between(first, before):
            if session.date >= before:
                continue
            bar = rows.get(session.date) or daily_of(session.open_s, self._minutes(symbol, session))
            if bar is not None:
                found.append(adjusted(bar, self._splits.get(symbol, ()), session.date, before))
        return found

    def _sessions(self, symbol: str) -> dict[date, int]:
        if symbol not in self._held:
            months = self._store.months("minute", symbol)
            self._held[symbol] = {
                day: count
                for month in months
                for day, count in self._store.sessions("minute", symbol, month).items()
                if count
            }
        return self._held[symbol]

    def _minutes(self, symbol: str, session: Session) -> Columns:
        return self._month(symbol, f"{session.date:%Y-%m}").between(session.open_s, session.close_s)

    def _read_month(self, symbol: str, month: str) -> Columns:
        day = date.fromisoformat(f"{month}-01")
        return self._store.bars("minute", symbol, day, day)

    def _daily_rows(self, symbol: str) -> dict[date, Bar]:
        """Rows of daily/: session date -> bar."""
        if symbol not in self._rows:
            bars = self._store.bars("daily", symbol, date.min, date.max)
            rows = [Bar(*row) for row in zip(*(column.tolist() for column in bars), strict=True)]
            self._rows[symbol] = {new_york_date(utc_from_epoch(bar.start_s)): bar for bar in rows}
        return self._rows[symbol]


def daily_of(open_s: int, bars: Columns) -> Bar | None:
    """A session's minute bars as one bar; None without any."""
    if not len(bars.start_s):
        return None
    return Bar(
        open_s,
        int(bars.open[0]),
        int(bars.high.max()),
        int(bars.low.min()),
        int(bars.close[-1]),
        int(bars.volume.sum()),
    )


def adjusted(bar: Bar, splits: Sequence[Split], day: date, today: date) -> Bar:
    """A bar of `day` as it reads on `today`: prices divided and volume multiplied by the splits between."""
    ratio = prod((split.ratio for split in splits if day < split.ex_date <= today), start=Fraction(1))
    if ratio == 1:
        return bar
    open_, high, low, close = (max(floor_to_tick(round(price / ratio)), 1) for price in bar[1:5])
    return Bar(bar.start_s, open_, high, low, close, int(bar.volume * ratio))
