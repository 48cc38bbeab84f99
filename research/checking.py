"""What is wrong with the bars of a store: gaps, duplicates, bad rows, rows beyond a session's hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from market_hours import Session, TradingCalendar, new_york_date, utc_from_epoch
from research.store import BarStore, impossible
from research.tapes import Int64s
from trading.bar_columns import BarColumns
from trading.matching import BAR_SECONDS
from utils import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolCheck:
    """One symbol's minute bars against the calendar, from its first session to its last.

    `gaps` are stretches of minutes without a bar inside sessions that have bars, which thinly traded symbols have by
    nature. `duplicates`, `bad_rows`, `out_of_hours` (before the open, after the close, an early one too, or on no
    session) and `unreadable` files are faults.
    """

    symbol: str
    sessions: int
    bars: int
    missing_sessions: tuple[date, ...]
    early_closes: int
    gaps: int
    missing_minutes: int
    longest_gap_minutes: int
    duplicates: int
    bad_rows: int
    out_of_hours: int
    unreadable: tuple[str, ...]

    @property
    def is_faulty(self) -> bool:
        """Whether something must be repaired before the bars are used."""
        return bool(self.duplicates or self.bad_rows or self.out_of_hours or self.unreadable)


def check(store: BarStore, calendar: TradingCalendar) -> Iterator[SymbolCheck]:
    """Each symbol with minute bars, judged; files are read and never changed."""
    for symbol in store.symbols("minute"):
        months, unreadable = [], []
        for month in store.months("minute", symbol):
            try:
                store.sessions("minute", symbol, month)
                months.append(store.month("minute", symbol, month))
            except Misconfigured as error:
                unreadable.append(str(error))
        yield check_symbol(symbol, months, calendar, tuple(unreadable))


def check_symbol(
    symbol: str, months: list[BarColumns], calendar: TradingCalendar, unreadable: tuple[str, ...] = ()
) -> SymbolCheck:
    """Judge one symbol's files, given in order."""
    starts = np.sort(np.concatenate([bars.start_s for bars in months] or [np.empty(0, np.int64)]))
    duplicates = int((np.diff(starts) == 0).sum())
    unsorted = sum(int((np.diff(bars.start_s) < 0).sum()) for bars in months)
    bad_rows = unsorted + sum(int((impossible(bars) | (bars.start_s % BAR_SECONDS != 0)).sum()) for bars in months)
    starts = np.unique(starts)
    sessions = _span(starts, calendar)
    held, missing, gap_lengths, inside = 0, [], [], 0
    for session in sessions:
        low, high = np.searchsorted(starts, (session.open_s, session.close_s))
        inside += int(high - low)
        if low == high:
            missing.append(session.date)
            continue
        held += 1
        gap_lengths += gaps_of(starts[low:high], session)
    return SymbolCheck(
        symbol=symbol,
        sessions=held,
        bars=len(starts),
        missing_sessions=tuple(missing),
        early_closes=sum(session.is_early_close for session in sessions if session.date not in missing),
        gaps=len(gap_lengths),
        missing_minutes=sum(gap_lengths),
        longest_gap_minutes=max(gap_lengths, default=0),
        duplicates=duplicates,
        bad_rows=bad_rows,
        out_of_hours=len(starts) - inside,
        unreadable=unreadable,
    )


def gaps_of(starts: Int64s, session: Session) -> list[int]:
    """Lengths in minutes of the stretches of a session without a bar."""
    edges = np.concatenate([[session.open_s - BAR_SECONDS], starts, [session.close_s]])
    missing = np.diff(edges) // BAR_SECONDS - 1
    return [int(length) for length in missing if length > 0]


def _span(starts: Int64s, calendar: TradingCalendar) -> list[Session]:
    if not len(starts):
        return []
    first, last = (new_york_date(utc_from_epoch(int(start))) for start in (starts[0], starts[-1]))
    return calendar.sessions_between(first, last)
