"""How long an event loop was busy in one turn, and so how late anything else was: counted by simulated day."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from ib_simulator.simulated_time import SimulatedTimeLoop

DAY_NS = 86_400 * 10**9
STEP_MS = 0.05  # what percentiles are rounded up to
A_SESSION = 1_000  # turns; fewer are the rest of a day
SHARES = (("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("longest", 1.0))


class LoopWatch:
    """Watches every simulated loop of this process. `wall` is time on the wall, `core` the loop's own work on a core.

    Both: simulated day of the run (from 0) -> steps of STEP_MS -> turns.
    """

    def __init__(self) -> None:
        self.wall: dict[int, Counter[int]] = {}
        self.core: dict[int, Counter[int]] = {}
        self._begun_s = (0.0, 0.0)  # of the turn: on the wall, on the core
        select = SimulatedTimeLoop._select

        def watched_select(loop: SimulatedTimeLoop, timeout: float | None) -> Any:
            self._turn_is_over(loop.now_ns // DAY_NS)
            events = select(loop, timeout)
            self._begun_s = time.perf_counter(), time.thread_time()
            return events

        SimulatedTimeLoop._select = watched_select  # type: ignore[method-assign]

    def _turn_is_over(self, day: int) -> None:
        if not self._begun_s[0]:
            return
        wall_ms = (time.perf_counter() - self._begun_s[0]) * 1e3
        core_ms = (time.thread_time() - self._begun_s[1]) * 1e3
        self.wall.setdefault(day, Counter())[int(wall_ms / STEP_MS)] += 1
        self.core.setdefault(day, Counter())[int(core_ms / STEP_MS)] += 1

    def of_day(self, day: int) -> dict[str, float]:
        """Turns of a day, and their milliseconds at percentiles as `core_p99_ms`. Nothing was watched: no turns."""
        found: dict[str, float] = {"turns": self.wall.get(day, Counter()).total()}
        for name, each in (("wall", self.wall), ("core", self.core)):
            for label, share in SHARES:
                found[f"{name}_{label}_ms"] = round(_percentile_ms(each.get(day, Counter()), share), 2)
        return found

    def sessions(self) -> dict[int, dict[str, float]]:
        """Day -> its percentiles, of days with a session."""
        return {day: self.of_day(day) for day, turns in self.wall.items() if turns.total() > A_SESSION}


def _percentile_ms(counts: Counter[int], share: float) -> float:
    above = counts.total() * (1 - share)
    for step in sorted(counts, reverse=True):
        above -= counts[step]
        if above < 0:
            return (step + 1) * STEP_MS
    return 0.0
