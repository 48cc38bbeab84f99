"""Bringing bars of a vendor or broker into the store: session by session, resumable at any point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from fractions import Fraction
from math import prod
from typing import Protocol

import numpy as np

from market_hours import Session
from research.store import Appended, BarStore, Split
from research.tapes import Int64s
from trading.bar_columns import BarColumns
from trading.bars import Bar
from trading.errors import HistoryUnavailable
from trading.matching import BAR_SECONDS
from trading.money import tick_size


class HistorySource(Protocol):
    """Where bars are asked for. It paces itself."""

    @property
    def adjusts_for_splits(self) -> bool:
        """Whether its bars read as on today, not as they were traded."""

    async def session_minutes(self, symbol: str, session: Session) -> Sequence[Bar]:
        """Minute bars of one past session; empty when there are none.

        Raises HistoryUnavailable when they cannot be had.
        """


def wanted(
    store: BarStore, symbols: Sequence[str], sessions: Sequence[Session], *, again: bool = False
) -> list[tuple[str, Session]]:
    """What the store lacks, symbol by symbol: sessions without a bar; with `again`, those with a minute missing too."""
    found = []
    for symbol in symbols:
        months = store.months("minute", symbol)
        held: dict[date, int] = {}  # session date -> bars
        for month in months:
            held |= store.sessions("minute", symbol, month)
        for session in sessions:
            minutes = (session.close_s - session.open_s) // BAR_SECONDS if again else 1
            if held.get(session.date, 0) < minutes:
                found.append((symbol, session))
    return found


async def download(
    store: BarStore,
    source: HistorySource,
    wanted: Sequence[tuple[str, Session]],
    today: date,
    on_progress: Callable[[str, Session], None],
) -> tuple[Appended, list[str]]:
    """Ask for each symbol and session, adding each answer at once; what was added, and what could not be had."""
    done, failed = Appended(0, 0, 0), []
    splits = store.splits()
    for symbol, session in wanted:
        try:
            bars = await source.session_minutes(symbol, session)
        except HistoryUnavailable as error:
            failed.append(f"{session.date}: {error}")
        else:
            inside = columns_of(bars).between(session.open_s, session.close_s)
            since = splits.get(symbol, ()) if source.adjusts_for_splits else ()
            traded = as_traded(inside, since, session.date, today)
            if len(traded.start_s):
                done += store.append("minute", symbol, traded)
        on_progress(symbol, session)
    return done, failed


def columns_of(bars: Sequence[Bar]) -> BarColumns:
    """Bars as columns."""
    rows = np.array(bars, dtype=np.int64).reshape(len(bars), len(Bar._fields))
    return BarColumns(*(np.ascontiguousarray(rows[:, column]) for column in range(len(BarColumns._fields))))


def as_traded(bars: BarColumns, splits: Sequence[Split], day: date, today: date) -> BarColumns:
    """Bars of `day` that read as on `today`, as they were traded: splits between are taken back, on the tick."""
    ratio = prod((split.ratio for split in splits if day < split.ex_date <= today), start=Fraction(1))
    if ratio == 1:
        return bars
    open_, high, low, close = (_on_tick(column, ratio) for column in bars[1:5])
    volume = np.rint(bars.volume / float(ratio)).astype(np.int64)
    return BarColumns(bars.start_s, open_, high, low, close, volume)


def _on_tick(prices: Int64s, ratio: Fraction) -> Int64s:
    return np.fromiter(_nearest_ticks(prices, ratio), dtype=np.int64, count=len(prices))


def _nearest_ticks(prices: Int64s, ratio: Fraction) -> Iterator[int]:
    for price in prices.tolist():
        exact = price * ratio
        tick = tick_size(round(exact))
        yield round(exact / tick) * tick
