"""Waiting for an instant of the gateway's clock, or for something that comes up before it."""

from __future__ import annotations

import asyncio

from market_hours import Clock, utc_from_epoch


class Alarm:
    """One wait at a time. `speed` seconds of the clock pass in one second of the event loop."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._rung = asyncio.Event()
        self._until_s = 0.0

    async def wait_until(self, second: float) -> bool:
        """True at `second` (epoch); False when something earlier came up."""
        self._until_s = second
        self._rung.clear()
        left_s = (utc_from_epoch(second) - self._clock.now()).total_seconds()
        if left_s <= 0:
            return True
        try:
            async with asyncio.timeout(left_s / self._speed):
                await self._rung.wait()
        except TimeoutError:
            return True
        return False

    def ring(self) -> None:
        """Something new may be due before what is waited for."""
        self._rung.set()

    def ring_for(self, second: int) -> None:
        """Something is due at `second`."""
        if second < self._until_s:
            self._rung.set()
