"""Recorded bars of a directory, replayed: DIR/minute and, where there are any, bars5s, quotes5s, quotes, daily."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import numpy as np

from ib_simulator.feeds.bar_files import (
    SpreadColumns,
    files_of,
    read_bars,
    read_daily,
    read_half_spreads,
    read_starts,
)
from ib_simulator.feeds.corporate_actions import Action, read_actions
from ib_simulator.feeds.quiet_spreads import day_spreads
from ib_simulator.feeds.tape import (
    FIVE_SECONDS_S,
    MINUTE_S,
    Flags,
    SessionTape,
    bars_from_columns,
    daily_bar,
    five_second_path,
    minute_path,
    with_extended_hours,
)
from ib_simulator.trading_hours import TradingHours, trading_hours
from market_hours import Session, TradingCalendar, new_york_date, utc_from_epoch
from trading.bar_columns import BarColumns
from trading.bars import Bar
from utils import Misconfigured

NEAREST_SHOWN = 2  # sessions named on each side of a date without bars


class ReplayFeed:
    """The sessions of a directory of bar files, each file read and checked once, when first needed.

    Which rows are of the regular session says the calendar and not the file; a date that is no session of the
    calendar does not exist. With `extended_hours` rows of the pre-market and post-market are shown as well, else only
    regular ones count. A directory or a file that cannot be played raises Misconfigured.
    """

    def __init__(self, directory: Path, calendar: TradingCalendar, *, extended_hours: bool = False) -> None:
        if not directory.is_dir():
            raise Misconfigured(f"market data directory {directory} does not exist")
        if not (directory / "minute").is_dir():
            raise Misconfigured(f"market data directory {directory} has no folder minute/")
        self._directory = directory
        self._calendar = calendar
        self.extended_hours = extended_hours
        # each dict: symbol -> file
        self._minute_files = files_of(directory / "minute")
        self._five_second_files = files_of(directory / "bars5s")
        self._daily_files = files_of(directory / "daily")
        self._quote_files = files_of(directory / "quotes")
        self._five_second_quote_files = files_of(directory / "quotes5s")
        if not self._minute_files:
            raise Misconfigured(f"{directory / 'minute'} holds no bar file (SYMBOL.parquet or SYMBOL.csv)")
        self._read_bars = cache(read_bars)
        self._read_half_spreads = cache(read_half_spreads)
        self._read_daily_rows = cache(self._daily_rows_of_file)
        self._actions = read_actions(directory / "splits_dividends.csv")
        self._index: tuple[list[Session], dict[str, Flags]] | None = None

    @property
    def name(self) -> str:
        """`replay of DIR`, for logs and reports."""
        return f"replay of {self._directory}"

    def symbols(self, session_date: date) -> tuple[str, ...]:
        """Symbols with at least one minute bar in that session, sorted; empty when there is none."""
        sessions, traded = self._traded()
        for position, session in enumerate(sessions):
            if session.date == session_date:
                return tuple(symbol for symbol, flags in traded.items() if flags[position])
        return ()

    def session_dates(self) -> tuple[date, ...]:
        """Sessions with at least one minute bar of any symbol, in order."""
        sessions, traded = self._traded()
        anything = np.any(list(traded.values()), axis=0)
        return tuple(session.date for session, any_bar in zip(sessions, anything, strict=True) if any_bar)

    def latest_session(self) -> Session:
        """The last session with bars. Raises Misconfigured when no bar falls into a regular session."""
        dates = self.session_dates()
        if not dates:
            raise Misconfigured(f"no bar in {self._directory} falls into a regular session of the calendar")
        return self.require_session(dates[-1])

    def require_session(self, day: date) -> Session:
        """The session of `day`. Without bars for it: Misconfigured, which names the nearest sessions."""
        dates = self.session_dates()
        session = self._calendar.session_on(day)
        if session is not None and day in dates:
            return session
        before = [other for other in dates if other < day][-NEAREST_SHOWN:]
        after = [other for other in dates if other > day][:NEAREST_SHOWN]
        nearest = ", ".join(other.isoformat() for other in before + after) or "none"
        raise Misconfigured(f"no bars for {day} in {self._directory}; the nearest sessions are {nearest}")

    def tape(self, symbol: str, session: Session) -> SessionTape:
        """The tape of `symbol` in `session`; its path comes from 5-second bars when the session has any.

        Raises LookupError when the symbol has no minute bar in that session.
        """
        if symbol not in self._minute_files:
            raise LookupError(f"no minute file for {symbol} in {self._directory}")
        regular = self._minute(symbol).between(session.open_s, session.close_s)
        if not len(regular.start_s):
            raise LookupError(f"{symbol} has no minute bar on {session.date} in {self._directory}")
        fine = self._five_second(symbol, session)
        path = five_second_path(*fine[:5]) if fine is not None else minute_path(*regular[:5])
        hours = trading_hours(session, extended=self.extended_hours)
        spreads = self._spreads(symbol, hours)
        bars = regular
        if self.extended_hours:
            bars = self._minute(symbol).between(hours.first_s, hours.last_s)
            before, after = bars.between(hours.first_s, hours.open_s), bars.between(hours.close_s, hours.last_s)
            path = with_extended_hours(path, minute_path(*before[:5]), minute_path(*after[:5]), hours.close_s)
            spreads = day_spreads(bars, hours, spreads)
        return SessionTape(
            symbol=symbol,
            session_date=session.date,
            **bars._asdict(),
            **path._asdict(),
            spread_s=None if spreads is None else spreads.known_s,
            spread_half=None if spreads is None else spreads.half,
            window_s=None if fine is None else fine.start_s,
            window_volume=None if fine is None else fine.volume,
        )

    def daily(self, symbol: str, before: date, first: date) -> tuple[Bar, ...]:
        """Daily bars with `first` <= date < `before`: rows of daily/, else the session's minute bars together.

        `start_s` is the session's open. A session with neither has no bar.
        """
        rows = self._daily_rows(symbol)
        found = []
        for session in self._calendar.sessions_between(first, before):
            if session.date == before:
                continue
            bar = rows[session.date] if session.date in rows else self._daily_from_minutes(symbol, session)
            if bar is not None:
                found.append(bar)
        return tuple(found)

    def minute_history(self, symbol: str, before: date, sessions: int) -> tuple[Bar, ...]:
        """Minute bars of the last `sessions` sessions strictly before `before` that have any, in time order."""
        all_sessions, traded = self._traded()
        if symbol not in traded or sessions <= 0:
            return ()
        earlier = [
            session
            for session, any_bar in zip(all_sessions, traded[symbol], strict=True)
            if any_bar and session.date < before
        ]
        bars = self._minute(symbol)
        spans = [trading_hours(session, extended=self.extended_hours) for session in earlier[-sessions:]]
        return tuple(bar for hours in spans for bar in bars_from_columns(*bars.between(hours.first_s, hours.last_s)))

    def actions(self, symbol: str) -> tuple[Action, ...]:
        """Splits and dividends of `symbol` in splits_dividends.csv, in order."""
        return self._actions.get(symbol, ())

    def _traded(self) -> tuple[list[Session], dict[str, Flags]]:
        """All sessions the files span, and per symbol which of them have bars. Reads the timestamps only."""
        if self._index is None:
            starts = {symbol: read_starts(path, MINUTE_S) for symbol, path in self._minute_files.items()}
            sessions = self._calendar.sessions_between(
                min(new_york_date(utc_from_epoch(int(column[0]))) for column in starts.values()),
                max(new_york_date(utc_from_epoch(int(column[-1]))) for column in starts.values()),
            )
            opens = np.array([session.open_s for session in sessions], dtype=np.int64)
            closes = np.array([session.close_s for session in sessions], dtype=np.int64)
            self._index = (
                sessions,
                {
                    symbol: np.searchsorted(column, closes) > np.searchsorted(column, opens)
                    for symbol, column in starts.items()
                },
            )
        return self._index

    def _minute(self, symbol: str) -> BarColumns:
        return self._read_bars(self._minute_files[symbol], MINUTE_S)

    def _five_second(self, symbol: str, session: Session) -> BarColumns | None:
        if symbol not in self._five_second_files:
            return None
        bars = self._read_bars(self._five_second_files[symbol], FIVE_SECONDS_S)
        inside = bars.between(session.open_s, session.close_s)
        return inside if len(inside.start_s) else None

    def _spreads(self, symbol: str, hours: TradingHours) -> SpreadColumns | None:
        """Recorded half-spreads of these hours from the finest file that has any in the regular session."""
        for files, bar_s in ((self._five_second_quote_files, FIVE_SECONDS_S), (self._quote_files, MINUTE_S)):
            if symbol in files:
                known_s, half = self._read_half_spreads(files[symbol], bar_s)
                low, high = np.searchsorted(known_s, (hours.open_s, hours.close_s), side="right")
                if high > low:  # an interval that ends at the close started inside the session
                    low, high = np.searchsorted(known_s, (hours.first_s, hours.last_s), side="right")
                    return SpreadColumns(known_s[low:high], half[low:high])
        return None

    def _daily_rows(self, symbol: str) -> dict[date, Bar]:
        """Rows of the daily file that are sessions of the calendar: session date -> bar."""
        if symbol not in self._daily_files:
            return {}
        return self._read_daily_rows(self._daily_files[symbol])

    def _daily_rows_of_file(self, path: Path) -> dict[date, Bar]:
        days, columns = read_daily(path)
        rows = {}  # session date -> bar
        for day, bar in zip(days, bars_from_columns(*columns), strict=True):
            session = self._calendar.session_on(day)
            if session is not None:
                rows[day] = bar._replace(start_s=session.open_s)
        return rows

    def _daily_from_minutes(self, symbol: str, session: Session) -> Bar | None:
        if symbol not in self._minute_files:
            return None
        bars = self._minute(symbol).between(session.open_s, session.close_s)
        return daily_bar(session.open_s, *bars[1:]) if len(bars.start_s) else None
