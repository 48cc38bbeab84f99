"""The day trader with a watch on its event loop: `python measured_day_trader.py` and the arguments of day_trader.py.

How long the loop was busy in one turn, and so how late anything else was, goes to `lag.json`: simulated day of the run
(from 0) -> turns, and the milliseconds at percentiles, of time on the wall and of its own work on a core.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of tests/, whose packages are named like ours

import day_trader  # noqa: E402
from ib_simulator.simulated_time import SimulatedTimeLoop  # noqa: E402

DAY_NS = 86_400 * 10**9
STEP_MS = 0.05  # what percentiles are rounded up to

wall: dict[int, Counter[int]] = {}  # day -> steps of STEP_MS -> turns
core: dict[int, Counter[int]] = {}  # the same of what the thread itself worked
select = SimulatedTimeLoop._select
begun_s = (0.0, 0.0)  # of the turn: on the wall, on the core


def watched_select(loop: SimulatedTimeLoop, timeout: float | None) -> Any:
    global begun_s
    if begun_s[0]:
        day = loop.now_ns // DAY_NS
        wall.setdefault(day, Counter())[int((time.perf_counter() - begun_s[0]) * 1e3 / STEP_MS)] += 1
        core.setdefault(day, Counter())[int((time.thread_time() - begun_s[1]) * 1e3 / STEP_MS)] += 1
    events = select(loop, timeout)
    begun_s = time.perf_counter(), time.thread_time()
    return events


def percentile_ms(counts: Counter[int], share: float) -> float:
    above = counts.total() * (1 - share)
    for step in sorted(counts, reverse=True):
        above -= counts[step]
        if above < 0:
            return (step + 1) * STEP_MS
    return 0.0


SimulatedTimeLoop._select = watched_select  # type: ignore[method-assign]
code = day_trader.main(sys.argv[1:])
found = {
    day: {
        "turns": counts.total(),
        **{
            f"{name}_{label}_ms": round(percentile_ms(each[day], share), 2)
            for name, each in (("wall", wall), ("core", core))
            for label, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("longest", 1.0))
        },
    }
    for day, counts in wall.items()
    if counts.total() > 1_000  # a session, and not the rest of a day
}
Path("lag.json").write_text(json.dumps(found), encoding="utf-8")
sys.exit(code)
