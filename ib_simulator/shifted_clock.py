"""A clock for a gateway in real time: it starts at a chosen instant of a session and runs at a chosen speed."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

LONGEST_SLEEP_S = 60.0

T = TypeVar("T")


class ShiftedClock:
    """`market_hours.Clock` on any event loop: `start` (aware) is now, and `speed` of its seconds pass in one.

    It reads the monotonic clock, so corrections of the machine's clock do not show. Raises ValueError on a naive
    start or a speed that is not positive.
    """

    is_real = True

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        if start.tzinfo is None:
            raise ValueError(f"naive datetime: {start!r}")
        if not 0 < speed < math.inf:
            raise ValueError(f"speed must be a positive number: {speed!r}")
        self._start = start.astimezone(UTC)
        self._since_s = time.monotonic()
        self.speed = speed

    def now(self) -> datetime:
        """The current instant, rounded to a millisecond: a timer that fires microseconds early reads as exact."""
        return self._start + timedelta(milliseconds=round((time.monotonic() - self._since_s) * self.speed * 1e3))

    async def sleep_until(self, when: datetime) -> None:
        """Return with `now() >= when`; at once if it is past."""
        while (left_s := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 (a deadline, not a poll)
            await asyncio.sleep(min(left_s / self.speed, LONGEST_SLEEP_S))

    def off_loop(self, job: Future[T]) -> Awaitable[T]:
        """The job's result."""
        return asyncio.wrap_future(job)

    def outside(self, limit_s: float) -> AbstractAsyncContextManager[Any]:
        """Bound a call by `limit_s` seconds of wall time; raises TimeoutError."""
        return asyncio.timeout(limit_s)
