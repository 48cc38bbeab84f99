"""The day trader in human time from a moment on: `python paced_day_trader.py SECONDS` and day_trader.py's arguments.

Until SECONDS of virtual time have gone by the session runs as fast as possible, then at `--speed`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of tests/, whose packages are named like ours

import day_trader  # noqa: E402
from ib_simulator.simulated_time import SimulatedTimeLoop  # noqa: E402

fast_until_s = float(sys.argv[1])
paced = SimulatedTimeLoop._ahead_of_pace_s


def ahead_of_pace_s(loop: SimulatedTimeLoop, speed: float, timeout: float) -> float:
    return paced(loop, speed, timeout) if loop.time() >= fast_until_s else 0.0


SimulatedTimeLoop._ahead_of_pace_s = ahead_of_pace_s  # type: ignore[method-assign]
sys.exit(day_trader.main(sys.argv[2:]))
