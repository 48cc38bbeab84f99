"""The thread between the trading side, which never waits, and the exporters, which may."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from telemetry.instruments import LOST
from telemetry.tracing import Measurement, SpanRecord

log = logging.getLogger(__name__)

MOST_WAITING = 65_536  # spans and measurements; then the newest are lost and counted
MOST_AT_ONCE = 128  # spans of one export: what is encoded at once holds the interpreter
TELL_AGAIN_S = 600.0  # a collector that stays away is named this often
PATIENCE_S = 5.0  # so long at most is a quiet moment waited for: one rhythm of the day trader
CROWD = MOST_WAITING // 8  # as many do not wait for one


class Backend(Protocol):
    """Who knows OpenTelemetry. Called from the pump's thread only, but for `abandon`; may block."""

    def export(self, spans: Sequence[SpanRecord]) -> bool:
        """Hand spans on; False when they did not arrive."""

    def measure(self, measurement: Measurement) -> None:
        """Book one value."""

    def shut_down(self, *, deliver: bool) -> None:
        """Close, having handed on the last metrics where that makes sense."""

    def abandon(self) -> None:
        """Give up what hangs, from any thread and at once."""


class Pump:
    """A `Sink` whose `put` takes a microsecond.

    Its thread hands on at most every `interval_s` seconds, and in a program that says when it is `quiet` just then:
    to encode 128 spans holds the interpreter for milliseconds in which an order would wait.
    """

    def __init__(
        self, backend: Backend, *, where: str, interval_s: float = 1.0, most_waiting: int = MOST_WAITING
    ) -> None:
        self.delivered = 0
        self.lost = 0
        self.is_due = False  # something is handed on now, or as soon as it is quiet
        self._backend = backend
        self._where = where
        self._interval_s = interval_s
        self._most_waiting = most_waiting
        self._waiting: deque[SpanRecord | Measurement] = deque()
        self._closing = threading.Event()
        self._quiet = threading.Event()
        self._hears_of_quiet = False
        self._overflown = 0  # items that found no room, not yet counted as lost
        self._told_s = -TELL_AGAIN_S
        self._collector_is_away = False
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def put(self, item: SpanRecord | Measurement) -> None:
        if len(self._waiting) >= self._most_waiting:
            self._overflown += 1  # two threads at once may count one: it is a hint, not a ledger
            return
        self._waiting.append(item)

    def quiet(self) -> None:
        """Nothing is urgent: what waits may be handed on now."""
        self._hears_of_quiet = True
        self._quiet.set()

    def close(self) -> None:
        """Deliver what waits, and end. Returns immediately; see `join`."""
        self._closing.set()
        self._quiet.set()

    def join(self, limit_s: float) -> None:
        """Wait for the end for `limit_s` seconds of wall time at most; then what hangs is given up."""
        self._thread.join(limit_s)
        if self._thread.is_alive():
            self._backend.abandon()
        left = len(self._waiting)
        if self._thread.is_alive() or left or self.lost:
            log.info("telemetry: %d spans delivered to %s, %d lost", self.delivered, self._where, self.lost + left)

    # From here on: the pump's thread.

    def _run(self) -> None:
        try:
            while not self._closing.wait(self._interval_s):
                self._wait_for_quiet()
                self._drain()
                self.is_due = False
            self._drain()
            self._backend.shut_down(deliver=not self._collector_is_away)
        except Exception:  # the thread's border: telemetry ends, trading does not
            log.exception("telemetry ended by itself; nothing is told any more, trading goes on")
            self._waiting = deque(maxlen=0)

    def _wait_for_quiet(self) -> None:
        if self._hears_of_quiet and len(self._waiting) < CROWD:
            self._quiet.clear()
            self.is_due = True
            if not self._closing.is_set():
                self._quiet.wait(PATIENCE_S)

    def _drain(self) -> None:
        """Work off what waits now."""
        overflown, self._overflown = self._overflown, 0
        if overflown:
            self._count_lost(overflown)
        spans: list[SpanRecord] = []
        for _ in range(len(self._waiting)):
            item = self._waiting.popleft()
            if isinstance(item, Measurement):
                self._backend.measure(item)
                continue
            spans.append(item)
            if len(spans) == MOST_AT_ONCE:
                self._export(spans)
                spans = []
        if spans:
            self._export(spans)

    def _export(self, spans: list[SpanRecord]) -> None:
        if self._closing.is_set() and self._collector_is_away:
            self._count_lost(len(spans))  # nobody waits for a collector that was not there a moment ago
            return
        arrived = self._backend.export(spans)
        if arrived:
            self.delivered += len(spans)
            if self._collector_is_away:
                log.warning("telemetry: %s takes spans again, %d were lost", self._where, self.lost)
        else:
            self._count_lost(len(spans))
            if time.monotonic() - self._told_s >= TELL_AGAIN_S:
                self._told_s = time.monotonic()
                log.warning("telemetry: %s takes no spans; trading is not affected, they are lost", self._where)
        self._collector_is_away = not arrived

    def _count_lost(self, count: int) -> None:
        self.lost += count
        self._backend.measure(Measurement(LOST, count, {}))
