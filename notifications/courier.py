"""The thread that brings notices to one address: it joins, throttles, tries again, and is never waited for."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, deque
from datetime import tzinfo
from queue import Empty, SimpleQueue
from typing import Protocol

from notifications.message import Message, Throttle, joined
from notifications.notices import Kind, Notice

log = logging.getLogger(__name__)

MOST_WAITING = 1_000  # notices; then the oldest are lost and counted
JOIN_S = 0.5  # what follows a notice this closely is told with it
FIRST_BACK_OFF_S = 2.0
LONGEST_BACK_OFF_S = 300.0
MOST_DOUBLINGS = 8
TELL_AGAIN_S = 3_600.0  # an address that stays away is named this often


class Service(Protocol):
    """Who brings a message to one address. Called from the courier's thread only; may block."""

    name: str  # for the log: nothing of the address, which holds a token
    longest: int  # characters that a message may have

    def send(self, message: Message) -> str:
        """What went wrong, in words; empty when it arrived."""


class Courier:
    """Notices for one address. `put` takes a microsecond.

    An address that refuses is tried again, later each time; what happened meanwhile is told with it. A message is
    told at least once: one whose answer was lost is told again.
    """

    def __init__(self, service: Service, *, who: str, zone: tzinfo, pause_s: float, per_hour: int) -> None:
        self.delivered = 0  # notices
        self.lost = 0
        self._service = service
        self._who = who
        self._zone = zone
        self._pause_s = pause_s
        self._throttle = Throttle(per_hour)
        self._arrivals: SimpleQueue[Notice | None] = SimpleQueue()  # None: somebody closes
        self._waiting: deque[Notice] = deque()  # admitted, not yet told
        self._closing = False
        self._failures = 0  # in a row
        self._told_s = -TELL_AGAIN_S
        self._thread = threading.Thread(target=self._run, name=f"notifications to {service.name}", daemon=True)
        self._thread.start()

    def put(self, notice: Notice) -> None:
        """Any thread may; never waits."""
        if self._arrivals.qsize() < MOST_WAITING:
            self._arrivals.put(notice)
        else:
            self.lost += 1  # two threads at once may count one: it is a hint, not a ledger

    def close(self) -> None:
        """Tell what waits at once, and end. Returns immediately; see `join`."""
        self._arrivals.put(None)

    def join(self, limit_s: float) -> None:
        """Wait for the end for `limit_s` seconds of wall time at most; then what hangs is given up."""
        self._thread.join(limit_s)
        left = self._arrivals.qsize() - (not self._closing)  # the word to close may still be among them
        left += len(self._waiting) + sum(self._throttle.untold.values())
        if self._thread.is_alive() or left or self.lost:
            words = "notifications to %s: %d notices delivered, %d lost or given up"
            log.warning(words, self._service.name, self.delivered, self.lost + left)

    # From here on: the courier's thread.

    def _run(self) -> None:
        try:
            not_before_s = 0.0
            while not self._closing:
                self._gather(not_before_s)
                if self._waiting or (self._closing and self._throttle.untold):
                    pause_s = self._deliver()
                    not_before_s = time.monotonic() + pause_s
        except Exception:  # the thread's border: one address is told nothing any more, trading goes on
            log.exception("notifications to %s ended by themselves; trading goes on", self._service.name)

    def _gather(self, not_before_s: float) -> None:
        """Wait until there is something to tell and it may be told, or until somebody closes."""
        until_s = not_before_s if self._waiting else None  # None: until something arrives
        while not self._closing:
            left_s = None if until_s is None else max(until_s - time.monotonic(), 0.0)
            try:
                self._take(self._arrivals.get(timeout=left_s))
            except Empty:
                return
            if until_s is None:
                until_s = max(not_before_s, time.monotonic() + JOIN_S)

    def _take(self, notice: Notice | None) -> None:
        if notice is None:
            self._closing = True
            return
        self._waiting.extend(self._throttle.admitted([notice], time.monotonic()))
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1

    def _deliver(self) -> float:
        """Tell all that waits as one message; returns the pause before the next one, in seconds."""
        if self._closing and self._failures:
            return 0.0  # nobody waits for an address that was not there a moment ago
        untold = Counter[Kind](self._throttle.untold)
        message = joined(self._who, list(self._waiting), untold, self._zone, self._service.longest)
        if fault := self._service.send(message):
            return self._failed(fault)
        if self._failures:
            log.warning("notifications to %s arrive again", self._service.name)
        self._failures = 0
        self.delivered += len(self._waiting)
        self._waiting.clear()
        self._throttle.untold.subtract(untold)
        self._throttle.untold = +self._throttle.untold
        return self._pause_s

    def _failed(self, fault: str) -> float:
        self._failures += 1
        if time.monotonic() - self._told_s >= TELL_AGAIN_S:
            self._told_s = time.monotonic()
            words = "notifications to %s do not arrive: %s; trading goes on, they are tried again"
            log.warning(words, self._service.name, fault)
        doublings = min(self._failures - 1, MOST_DOUBLINGS)
        return min(FIRST_BACK_OFF_S * 2.0**doublings, LONGEST_BACK_OFF_S) * random.uniform(0.8, 1.2)
