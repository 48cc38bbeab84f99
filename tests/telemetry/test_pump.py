"""The thread between trading and the exporters: it never holds up who tells, and says rarely what is wrong."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from telemetry.instruments import LOST, ORDERS
from telemetry.pump import MOST_AT_ONCE, Pump
from telemetry.tracing import Kind, Link, Measurement, SpanRecord


class Backend:
    """Keeps what it gets. `accept` answers each export, and may block."""

    def __init__(self, accept: Callable[[], bool] = lambda: True) -> None:
        self.batches: list[Sequence[SpanRecord]] = []
        self.measured: list[Measurement] = []
        self.delivered_at_the_end: list[bool] = []
        self.abandoned = False
        self._accept = accept

    def export(self, spans: Sequence[SpanRecord]) -> bool:
        self.batches.append(spans)
        return self._accept()

    def measure(self, measurement: Measurement) -> None:
        self.measured.append(measurement)

    def shut_down(self, *, deliver: bool) -> None:
        self.delivered_at_the_end.append(deliver)

    def abandon(self) -> None:
        self.abandoned = True


def span(number: int) -> SpanRecord:
    return SpanRecord("order", Kind.INTERNAL, Link(1, number), 0, 0, 1, {})


def lost(backend: Backend) -> float:
    return sum(each.value for each in backend.measured if each.instrument is LOST)


def test_everything_told_before_the_end_arrives_in_order_and_in_small_batches() -> None:
    backend = Backend()
    pump = Pump(backend, where="here", interval_s=60)
    for number in range(1, 2 * MOST_AT_ONCE + 2):
        pump.put(span(number))
    pump.put(Measurement(ORDERS, 1, {}))
    pump.close()
    pump.join(20)
    assert [len(batch) for batch in backend.batches] == [MOST_AT_ONCE, MOST_AT_ONCE, 1]
    assert [each.link.span_id for batch in backend.batches for each in batch] == list(range(1, 2 * MOST_AT_ONCE + 2))
    assert backend.measured == [Measurement(ORDERS, 1, {})]
    assert backend.delivered_at_the_end == [True]


def test_a_program_that_says_when_it_is_quiet_is_left_alone_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = threading.Semaphore(0)

    def take() -> bool:
        arrived.release()
        return True

    monkeypatch.setattr("telemetry.pump.PATIENCE_S", 600.0)
    pump = Pump(Backend(take), where="here", interval_s=0.001)
    pump.quiet()
    while not pump.is_due:
        time.sleep(0.001)
    pump.put(span(1))
    assert not arrived.acquire(timeout=0.1)
    pump.quiet()
    assert arrived.acquire(timeout=20)
    pump.close()
    pump.join(20)
    assert pump.delivered == 1


def test_a_crowd_waits_for_no_quiet_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.pump.CROWD", 10)
    monkeypatch.setattr("telemetry.pump.PATIENCE_S", 600.0)
    arrived = threading.Event()

    def take() -> bool:
        arrived.set()
        return True

    pump = Pump(Backend(take), where="here", interval_s=0.2)
    pump.quiet()
    for number in range(1, 11):
        pump.put(span(number))
    assert arrived.wait(20)
    pump.close()
    pump.join(20)


def test_a_full_queue_loses_the_newest_and_counts_them() -> None:
    backend = Backend()
    pump = Pump(backend, where="here", interval_s=60, most_waiting=10)
    for number in range(1, 15):
        pump.put(span(number))
    pump.close()
    pump.join(20)
    assert [each.link.span_id for batch in backend.batches for each in batch] == list(range(1, 11))
    assert lost(backend) == 4


def test_an_exporter_that_hangs_is_left_behind() -> None:
    release, hanging = threading.Event(), threading.Event()

    def hang() -> bool:
        hanging.set()
        return release.wait(60)

    backend = Backend(hang)
    pump = Pump(backend, where="here", interval_s=0.001)
    pump.put(span(1))
    assert hanging.wait(20)
    for number in range(2, 1_000):
        pump.put(span(number))
    pump.close()
    pump.join(0.01)  # returns: the test would last a minute otherwise
    assert pump._thread.is_alive()
    assert pump._thread.daemon
    assert backend.abandoned
    release.set()


def test_a_collector_that_was_away_a_moment_ago_is_not_waited_for_at_the_end() -> None:
    backend = Backend(lambda: False)
    pump = Pump(backend, where="here", interval_s=60)
    for number in range(1, 3 * MOST_AT_ONCE + 1):
        pump.put(span(number))
    pump.close()
    pump.join(20)
    assert len(backend.batches) == 1
    assert backend.delivered_at_the_end == [False]
    assert pump.lost == 3 * MOST_AT_ONCE


def test_an_absent_collector_is_named_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([False, False, False, True, True])
    seen = threading.Semaphore(0)

    def answer() -> bool:
        seen.release()
        return next(answers)

    pump = Pump(Backend(answer), where="the collector at here:1", interval_s=0.001)
    with caplog.at_level(logging.WARNING, "telemetry"):
        for number in range(1, 6):
            pump.put(span(number))
            assert seen.acquire(timeout=20)
        pump.close()
        pump.join(20)
    assert [record.getMessage() for record in caplog.records] == [
        "telemetry: the collector at here:1 takes no spans; trading is not affected, they are lost",
        "telemetry: the collector at here:1 takes spans again, 3 were lost",
    ]


def test_a_fault_of_the_backend_ends_telemetry_loudly_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bool:
        raise RuntimeError("encoding")

    pump = Pump(Backend(fail), where="here", interval_s=60)
    pump.put(span(1))
    pump.close()
    pump.join(20)
    pump.put(span(2))
    assert "nothing is told any more, trading goes on" in caplog.text
    assert len(pump._waiting) == 0
