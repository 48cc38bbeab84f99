"""Daily bars of a vendor in the form of the broker's, and whether a history is fit to score by."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time

from market_hours import new_york_calendar
from trading.bars import Bar, bar_fault
from trading.money import price_to_tick_from_usd
from vendors.client import Reply
from vendors.failures import MalformedReply
from vendors.rows import R
from vendors.sources import Found


def daily_bar(day: date, prices_usd: tuple[float, float, float, float], volume: float) -> Bar:
    """A daily bar as the broker's: it starts at 00:00 UTC of its date."""
    start = datetime.combine(day, time(), UTC)
    opened, high, low, close = (price_to_tick_from_usd(usd) for usd in prices_usd)
    return Bar(int(start.timestamp()), opened, high, low, close, math.floor(volume))


def sound_bars(
    vendor: str, endpoint: str, session_date: date, bars: dict[date, Bar], reply: Reply[R]
) -> Found[list[Bar]]:
    """In order of time; a bar that cannot be real is dropped and counted.

    Raises MalformedReply when the last session before `session_date` is not among them: a stale history scores wrong.
    """
    kept = [bars[day] for day in sorted(bars) if not bar_fault(bars[day])]
    if kept and new_york_calendar(session_date).previous_session(session_date).date not in bars:
        raise MalformedReply(vendor, endpoint, "the history ends before the last session")
    return Found(kept, reply.fetched_at, reply.dropped + len(bars) - len(kept))
