"""A plan's rate, and keeping to it: at most so many requests in any window of so many seconds."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import NamedTuple

from market_hours import Clock
from vendors.ledger import DayLedger

MARGIN = 1.02  # the vendor's clock sees requests after a delay that varies


class Rate(NamedTuple):
    """`calls` in any `period_s` seconds, and `calls_a_day` on a UTC day (None: no such limit)."""

    calls: int
    period_s: float
    calls_a_day: int | None = None


FMP_PLANS = {  # plan -> rate
    "basic": Rate(10, 60.0, 250),
    "starter": Rate(300, 60.0),
    "premium": Rate(750, 60.0),
    "ultimate": Rate(3_000, 60.0),
}
POLYGON_PLANS = {  # the paid ones have no fixed limit; about 100 a second is asked for
    "basic": Rate(5, 60.0),
    "starter": Rate(90, 1.0),
    "developer": Rate(90, 1.0),
    "advanced": Rate(90, 1.0),
}


class Pacer:
    """Gives each request its instant. No window of `period_s` seconds ever holds more than `calls` of them.

    That holds for all programs with the same `ledger` together, and for this one also while the ledger's disk refuses.
    """

    def __init__(self, vendor: str, rate: Rate, clock: Clock, ledger: DayLedger) -> None:
        self._vendor = vendor
        self._calls = rate.calls
        self._clock = clock
        self._ledger = ledger
        self._period = timedelta(seconds=rate.period_s * MARGIN)
        self._given: deque[datetime] = deque(maxlen=rate.calls)  # the last instants of this program, oldest first

    def wait_s(self) -> float:
        """Seconds until the next instant."""
        now = self._clock.now()
        when = self._ledger.next_turn(self._vendor, self._own_next(now), self._calls, self._period)
        return (when - now).total_seconds()

    async def turn(self) -> None:
        """Return when the request may be sent. A turn that is not used is lost."""
        when = self._ledger.take_turn(self._vendor, self._own_next(self._clock.now()), self._calls, self._period)
        self._given.append(when)
        await self._clock.sleep_until(when)

    def _own_next(self, now: datetime) -> datetime:
        if len(self._given) < (self._given.maxlen or 0):
            return now
        return max(now, self._given[0] + self._period)
