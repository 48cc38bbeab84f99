"""A daily feed as a data vendor of the simulated past: it answers with what was known on the morning of a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from typing import Any

from ib_simulator.feeds.daily import DailyFeed
from market_hours import Clock
from trading.bars import Bar
from vendors.facts import Need
from vendors.sources import Found


class FeedVendor:
    """Answers for history alone, adjusted for the splits and dividends until the session that it is asked for."""

    def __init__(self, feed: DailyFeed, clock: Clock) -> None:
        self.name = feed.name
        self.needs: Mapping[Need, Callable[..., Awaitable[Found[Any]]]] = {Need.HISTORY: self.history}
        self._feed = feed
        self._clock = clock

    async def history(self, symbol: str, session_date: date, calendar_days: int) -> Found[list[Bar]]:
        """Daily bars of the `calendar_days` before `session_date`; nothing of that day itself."""
        first = session_date - timedelta(days=calendar_days)
        return Found(list(self._feed.adjusted(symbol, session_date, first)), self._clock.now())

    async def close(self) -> None: ...
