"""Simulated time: an event loop whose clock jumps to the next timer once nothing else can happen, and its clock.

Before a jump the loop lets everything of the present instant finish, always in the same order:

1. whatever is ready;
2. what is on the way between two ends in this loop (`embedded_connections`);
3. off-loop jobs, one at a time, in the order they were submitted;
4. calls to the outside world, on wall time (`outside_calls`).

    SimulationStalled     nothing is left that could ever happen, or bytes were lost on the way
    SimulationSpinning    the loop turns for ever at one instant
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from socket import socket
from typing import Any, TypeVar

from ib_simulator.embedded_connections import EmbeddingLoop
from ib_simulator.outside_calls import OutsideCalls

RESOLUTION_S = 1e-6
LANDING_NS = 1_000  # each jump lands this far past its timer: ib_insync's throttle tests strictly
SPIN_TURNS = 100_000
BUSY_TURNS_PER_POLL = 64  # signals and other threads are heard this often while handles are ready
SLICE_S = 0.05  # longest blind wait for embedded traffic
LONGEST_WAIT_S = 3600.0  # the real selector refuses very long waits
MS_NS = 1_000_000

T = TypeVar("T")
_Events = list[tuple[selectors.SelectorKey, int]]


class SimulationStalled(RuntimeError):
    """No timer, job, byte on the way or outside call is left, or bytes on the way never arrived."""


class SimulationSpinning(RuntimeError):
    """The loop turned `SPIN_TURNS` times at one instant."""


class _Selector:
    """The real selector with another idea of waiting."""

    def __init__(self, real: selectors.BaseSelector, select: Callable[[float | None], _Events]) -> None:
        self._real = real
        self.select = select

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class SimulatedTimeLoop(EmbeddingLoop):
    """An event loop on virtual time: integer nanoseconds from 0. Made by `simulated_loop`.

    `speed` paces it to that many virtual seconds per wall second; None runs as fast as possible.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _selector: Any
    _ssock: socket
    _default_executor: Executor | None

    def __init__(self, speed: float | None = None) -> None:
        super().__init__()
        if speed is not None and not 0 < speed < math.inf:
            self.close()
            raise ValueError(f"speed must be a positive number: {speed!r}")
        self._clock_resolution = RESOLUTION_S
        self._real: selectors.BaseSelector = self._selector
        self._selector = _Selector(self._real, self._select)
        self._speed = speed
        self._paced_from_s = math.nan  # of time.monotonic: the wall's idea of virtual 0
        self._turns = 0  # since the last jump
        self._blocked = False
        self._tickets: deque[tuple[Future[Any], asyncio.Future[Any]]] = deque()  # in submission order
        self.now_ns = 0
        self.lost_after_s = 30.0  # wall time after which bytes on the way count as lost
        self.holds = OutsideCalls()

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now_ns / 1e9

    # Off-loop jobs.

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """As asyncio's, but the result is released in the order of submission."""
        self._check_closed()  # type: ignore[attr-defined]
        if executor is None:
            self._check_default_executor()  # type: ignore[attr-defined]
            if self._default_executor is None:
                self._default_executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
            executor = self._default_executor
        return self.off_loop(executor.submit(func, *args))

    def off_loop(self, job: Future[T]) -> asyncio.Future[T]:
        """Take a ticket for `job`, which runs elsewhere. Time stands still until its result has been released.

        Cancelling the returned future does not cancel the job: whether that still works is a matter of threads.
        """
        future: asyncio.Future[T] = self.create_future()
        self._tickets.append((job, future))
        job.add_done_callback(self._wake)
        return future

    def _wake(self, _: Future[Any]) -> None:
        if self._blocked:
            self._write_to_self()  # type: ignore[attr-defined]

    def _release_ticket(self) -> None:
        job, future = self._tickets.popleft()
        if future.done():
            return
        if job.cancelled():
            future.cancel()
        elif (exc := job.exception()) is None:
            future.set_result(job.result())
        elif isinstance(exc, CancelledError):
            future.set_exception(asyncio.CancelledError(*exc.args))
        elif isinstance(exc, StopIteration):
            error = RuntimeError("an off-loop job raised StopIteration, which cannot be raised into a future")
            error.__cause__ = exc
            future.set_exception(error)
        else:
            future.set_exception(exc)

    async def shutdown_default_executor(self) -> None:
        """Held: its thread reports past the tickets."""
        async with self.holds.call(math.inf):
            await super().shutdown_default_executor()

    # Waiting.

    def _select(self, timeout: float | None) -> _Events:
        """What the selector's wait becomes. An empty answer makes the loop turn, and ask again if it is idle."""
        self._turns += 1
        if self._turns > SPIN_TURNS:
            raise SimulationSpinning(self._spinning_text())
        if timeout == 0:  # handles are ready, or a timer is due
            if not self._ready:
                self._land_past_timer()
            return self._poll_wakeups() if self._turns % BUSY_TURNS_PER_POLL == 0 else []
        traffic = self.traffic
        if traffic.expecting and not traffic.in_flight:
            self.call_soon(traffic.hand_over)
            return []
        if events := self._real.select(0):
            return events
        if self.holds and self.holds.expire_overdue():
            return []
        if traffic.in_flight:
            return self._wait_for_traffic()
        if self._tickets:
            return self._wait_for_ticket()
        if self.holds:
            self._turns = 0  # the outside world is at work: no spinning
            return self._real.select(min(self.holds.left_s(), LONGEST_WAIT_S))
        if timeout is None:
            raise SimulationStalled(self._stalled_text())
        if self._speed is not None and (wall_s := self._ahead_of_pace_s(self._speed, timeout)) > 0:
            events = self._real.select(min(wall_s, LONGEST_WAIT_S))
            self._keep_pace(self._speed, timeout)
            return events
        self.now_ns += math.ceil(timeout * 1e9) + LANDING_NS
        self._turns = 0
        return []

    def _land_past_timer(self) -> None:
        """A timer that another one's landing met exactly would be armed again for this instant, for ever."""
        self.now_ns = max(self.now_ns, round(self._scheduled[0].when() * 1e9) + LANDING_NS)

    def _poll_wakeups(self) -> _Events:
        """Signals and other threads only: sockets wait until nothing is ready, or their turn would be chance."""
        if self.holds:
            self.holds.expire_overdue()
        return [event for event in self._real.select(0) if event[0].fd == self._ssock.fileno()]

    def _wait_for_traffic(self) -> _Events:
        give_up_s = time.monotonic() + self.lost_after_s
        while time.monotonic() < give_up_s:
            if events := self._real.select(SLICE_S):
                return events
            self.refuse_dials_of_closed_servers()
            if self.holds.expire_overdue() or self._ready:
                return []
        raise SimulationStalled(self._lost_text())

    def _wait_for_ticket(self) -> _Events:
        job = self._tickets[0][0]
        self._blocked = True  # before the test: a job that ends after it will write to the self-pipe
        try:
            events = [] if job.done() else self._real.select(min(self.holds.left_s(), LONGEST_WAIT_S))
        finally:
            self._blocked = False
        if not events and job.done():
            self._release_ticket()
        return events

    def _ahead_of_pace_s(self, speed: float, timeout: float) -> float:
        """Wall seconds until the next timer is due at `speed`."""
        if math.isnan(self._paced_from_s):
            self._paced_from_s = time.monotonic() - self.time() / speed
        return self._paced_from_s + (self.time() + timeout) / speed - time.monotonic()

    def _keep_pace(self, speed: float, timeout: float) -> None:
        """A wait is over or interrupted: say what time it is, short of the timer, which only a jump reaches."""
        reached_ns = int((time.monotonic() - self._paced_from_s) * speed * 1e9)
        short_of_timer_ns = self.now_ns + int(timeout * 1e9) - 2 * LANDING_NS
        self.now_ns = max(self.now_ns, min(reached_ns, short_of_timer_ns))
        self._turns = 0

    def _spinning_text(self) -> str:
        self._turns = 0
        culprit = repr(self._ready[0]) if self._ready else "embedded traffic, off-loop jobs or a due timer"
        return f"{SPIN_TURNS} turns at virtual second {self.time():.6f}; next is {culprit}"

    def _stalled_text(self) -> str:
        waiting = sorted(task.get_name() for task in asyncio.all_tasks(self))
        return (
            f"virtual second {self.time():.6f}: no timer, job, byte on the way or outside call is left, "
            f"but {len(waiting)} tasks wait: {', '.join(waiting[:5])}"
        )

    def _lost_text(self) -> str:
        return (
            f"virtual second {self.time():.6f}: {self.traffic.in_flight} bytes, ends or connects on the way "
            f"did not arrive within {self.lost_after_s} s of wall time: {', '.join(self.on_the_way())}"
        )


def _finish_sleep(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class SimulatedClock:
    """`market_hours.Clock` over a `SimulatedTimeLoop`; virtual time 0 is `start` (aware)."""

    is_real = False

    def __init__(self, loop: SimulatedTimeLoop, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError(f"naive datetime: {start!r}")
        self._loop = loop
        self._start = start.astimezone(UTC)

    def now(self) -> datetime:
        """The current instant, floored to a millisecond since the start: a landing 1 µs late reads as exact."""
        return self._start + timedelta(milliseconds=self._loop.now_ns // MS_NS)

    async def sleep_until(self, when: datetime) -> None:
        """Return with `now() >= when`; at once if it is past. Absolute, so a periodic grid never drifts."""
        offset_us = (when - self._start) // timedelta(microseconds=1)
        target_ns = -(-offset_us // 1_000) * MS_NS
        while self._loop.now_ns < target_ns:  # again if asyncio fires within its resolution before the timer
            future: asyncio.Future[None] = self._loop.create_future()
            timer = self._loop.call_at(target_ns / 1e9, _finish_sleep, future)
            try:
                await future
            finally:
                timer.cancel()

    def off_loop(self, job: Future[T]) -> asyncio.Future[T]:
        """The job's result, released in the order of submission."""
        return self._loop.off_loop(job)

    def outside(self, limit_s: float) -> AbstractAsyncContextManager[Any]:
        """Hold virtual time; raise TimeoutError after `limit_s` seconds of wall time."""
        return self._loop.holds.call(limit_s)


def simulated_loop(speed: float | None = None) -> SimulatedTimeLoop:
    """Make a simulated-time loop and set it as the thread's event loop.

    Call it before the first import of `ib_insync`, which takes the event loop that is set at import.
    `speed`: virtual seconds per wall second; None as fast as possible. Raises ValueError unless positive.
    """
    loop = SimulatedTimeLoop(speed)
    asyncio.set_event_loop(loop)
    return loop
