"""Calls to the outside world, on wall time: virtual time stands still while one of them is under way."""

from __future__ import annotations

import asyncio
import math
import time
from types import TracebackType


class OutsideCalls:
    """The calls under way. True while there are any."""

    def __init__(self) -> None:
        self._calls: list[OutsideCall] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def call(self, limit_s: float) -> OutsideCall:
        """A block that counts as one call and may take `limit_s` seconds of wall time."""
        return OutsideCall(self._calls, limit_s)

    def left_s(self) -> float:
        """Wall seconds until the first deadline, infinite without one, zero when it is past."""
        first_s = min((call.deadline_s for call in self._calls), default=math.inf)
        return max(0.0, first_s - time.monotonic())

    def expire_overdue(self) -> bool:
        """Cancel the tasks of calls past their deadline; whether there were any."""
        now_s = time.monotonic()
        overdue = [call for call in self._calls if call.deadline_s <= now_s]
        for call in overdue:
            call.expire()
        return bool(overdue)


class OutsideCall:
    """`asyncio.timeout` on wall time. Cancels and uncancels as asyncio's does. Made by `OutsideCalls.call`."""

    def __init__(self, calls: list[OutsideCall], limit_s: float) -> None:
        self._calls = calls
        self._limit_s = limit_s
        self.deadline_s = math.inf  # of time.monotonic; infinite before the block and once it has expired

    async def __aenter__(self) -> OutsideCall:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("clock.outside() needs a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self.deadline_s = time.monotonic() + self._limit_s
        self._calls.append(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._calls.remove(self)
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError(f"outside call took longer than {self._limit_s} s of wall time") from exc

    def expire(self) -> None:
        """Interrupt the task; the block turns it into TimeoutError."""
        self._expired = True
        self.deadline_s = math.inf
        self._task.cancel()
