"""Garbage collection held back while the program acts, done in quiet moments, and measured.

What is alive after the start (modules, settings, tables) is frozen: no collection walks it again. The interpreter's
own collections stay as a net, far above what a quiet program needs.

Measured on two cores: an unmanaged collection of everything took 41 ms in the middle of an order.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from telemetry.instruments import GC_PAUSE
from telemetry.metering import measure
from telemetry.quiet import at_quiet

NET_THRESHOLD = (100_000, 20, 50)  # objects, then generations, until the interpreter collects by itself
YOUNG_OBJECTS = 5_000  # fewer are not worth a collection
FULL_EVERY_S = 60.0  # of processor time: a simulated day asks more often than a live one
SWITCH_INTERVAL_S = 0.0005  # a working thread lets the event loop in after this; the interpreter's default is 5 ms


class QuietCollector:
    """Collects in quiet moments."""

    def __init__(self) -> None:
        self._full_s = math.nan  # processor time of the last collection of everything
        self._began_s = 0.0

    def quiet(self) -> None:
        """Nothing is urgent: collect what has piled up. The first time ends the start."""
        if math.isnan(self._full_s):
            gc.collect()
            gc.freeze()
        elif gc.get_count()[0] < YOUNG_OBJECTS:
            return
        elif time.process_time() - self._full_s < FULL_EVERY_S:
            gc.collect(1)
            return
        else:
            gc.collect()
        self._full_s = time.process_time()

    def measure(self, phase: str, info: dict[str, Any]) -> None:
        """The interpreter's report of a collection."""
        if phase == "start":
            self._began_s = time.perf_counter()
        else:
            measure(GC_PAUSE, time.perf_counter() - self._began_s, generation=info["generation"])


_collector: QuietCollector | None = None


@contextmanager
def quiet_collection() -> Iterator[None]:
    """Inside the block garbage is collected at `quiet`; afterwards everything is as it was before."""
    global _collector
    thresholds, switch_s, former = gc.get_threshold(), sys.getswitchinterval(), _collector
    _collector = collector = QuietCollector()
    gc.set_threshold(*NET_THRESHOLD)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.callbacks.append(collector.measure)
    stop = at_quiet(collector.quiet)
    try:
        yield
    finally:
        stop()
        gc.callbacks.remove(collector.measure)
        sys.setswitchinterval(switch_s)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        _collector = former


def session_is_over() -> None:
    """Nothing is urgent for long: collect everything, so that what sessions leave does not pile up."""
    if _collector is not None:
        gc.collect()
