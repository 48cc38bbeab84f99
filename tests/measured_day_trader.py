"""The day trader with a watch on its event loop: `python measured_day_trader.py` and the arguments of day_trader.py.

How long the loop was busy goes to `lag.json`: simulated day of the run (from 0) -> turns, and the milliseconds at
percentiles, of time on the wall and of its own work on a core.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of tests/, whose packages are named like ours

import day_trader  # noqa: E402
from tests.loop_watch import LoopWatch  # noqa: E402

watch = LoopWatch()
code = day_trader.main(sys.argv[1:])
Path("lag.json").write_text(json.dumps(watch.sessions()), encoding="utf-8")
sys.exit(code)
