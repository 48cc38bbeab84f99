"""Past minute bars of a vendor, for downloads: as slowly as its plan wants, as traded, never guessed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol

from market_hours import NEW_YORK, Clock, Session, new_york_date, utc_from_epoch
from trading.bars import Bar, bar_fault
from trading.errors import HistoryUnavailable
from trading.money import price_to_tick_from_usd
from vendors.failures import MalformedReply, QuotaSpent, SymbolRefused, VendorUnavailable
from vendors.fmp import Fmp
from vendors.polygon import Polygon

MS = 1_000
LONGEST_WAIT_S = 60.0  # for a quota that the vendor says is spent; a longer one ends the download
MOST_WAITS = 3  # for the same bars
MOST_FAILURES = 3  # sessions in a row that could not be had, before the download ends


class Minutes(Protocol):
    """A vendor's minute bars of a session's day, of all hours, in order, as traded. Raises VendorError."""

    async def minutes(self, symbol: str, session: Session) -> list[Bar]: ...


class PolygonMinutes:
    """A month at a time: sessions that follow one another in a symbol cost one call a month."""

    def __init__(self, api: Polygon) -> None:
        self._api = api
        self._held: _Month | None = None

    async def minutes(self, symbol: str, session: Session) -> list[Bar]:
        day, held = session.date, self._held
        if held is None or held.symbol != symbol or not held.first <= day <= held.last:
            last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            reply = await self._api.minutes(symbol, day, last)
            bars = [_bar(row.t // MS, (row.o, row.h, row.l, row.c), row.v) for row in reply.rows]
            held = self._held = _Month(symbol, day, last, _by_day(bars))
        return held.days.get(day, [])


class FmpMinutes:
    """A day at a time: longer stretches are cut off without a word."""

    def __init__(self, api: Fmp) -> None:
        self._api = api

    async def minutes(self, symbol: str, session: Session) -> list[Bar]:
        reply = await self._api.minutes(symbol, session.date)
        bars = [
            _bar(
                int(datetime.fromisoformat(row.date).replace(tzinfo=NEW_YORK).timestamp()),
                (row.open, row.high, row.low, row.close),
                row.volume,
            )
            for row in reply.rows
        ]
        return _by_day(bars).get(session.date, [])


class MinuteHistory:
    """Tells what may be passed over in a download from what ends it."""

    adjusts_for_splits = False

    def __init__(self, source: Minutes, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._failures = 0  # in a row

    async def session_minutes(self, symbol: str, session: Session) -> list[Bar]:
        """Minute bars of a session's day as traded, in order; empty when there are none.

        Raises HistoryUnavailable for what cannot be had alone, VendorError for what ends the download.
        """
        try:
            bars = await self._waiting_for_quota(symbol, session)
        except SymbolRefused as error:
            raise HistoryUnavailable(symbol, 0, str(error)) from error
        except (VendorUnavailable, MalformedReply) as error:
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                raise
            raise HistoryUnavailable(symbol, 0, str(error)) from error
        self._failures = 0
        return bars

    async def _waiting_for_quota(self, symbol: str, session: Session) -> list[Bar]:
        for _ in range(MOST_WAITS):
            try:
                return await self._source.minutes(symbol, session)
            except QuotaSpent as error:
                if not 0 < error.wait_s <= LONGEST_WAIT_S:
                    raise
                await self._clock.sleep_until(self._clock.now() + timedelta(seconds=error.wait_s))
        return await self._source.minutes(symbol, session)


class _Month(NamedTuple):
    """What one call brought."""

    symbol: str
    first: date
    last: date
    days: dict[date, list[Bar]]


def _bar(start_s: int, prices_usd: tuple[float, float, float, float], volume: float) -> Bar:
    opened, high, low, close = (price_to_tick_from_usd(usd) for usd in prices_usd)
    return Bar(start_s, opened, high, low, close, math.floor(volume))


def _by_day(bars: Iterable[Bar]) -> dict[date, list[Bar]]:
    """New York date -> bars in order, each start once; a bar that cannot be real is left out."""
    days: dict[date, list[Bar]] = {}
    for bar in sorted({bar.start_s: bar for bar in bars if not bar_fault(bar)}.values()):
        days.setdefault(new_york_date(utc_from_epoch(bar.start_s)), []).append(bar)
    return days
