"""Ten simulated years of the weekly bot: `PYTHONPATH=. python benchmarks/bench_simulated_years.py [YEARS]`.

The whole program as a process of its own: `main.py --simulate` on the twenty names that skfolio ships, the cycle of
each week over TCP to the simulated gateway, with evidence, Monte Carlo filter, optimiser, orders, ledger,
reconciliation to the cent and the report. Prints wall time, processor time and the load of the machine: the former
means little on one that does other work. The exit code is 1 when the run takes longer than the goal.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOAL_S, YEARS = 120.0, 10
MAIN = Path(__file__).resolve().parents[1] / "main.py"


def main() -> int:
    years = int(sys.argv[1]) if len(sys.argv) > 1 else YEARS
    with tempfile.TemporaryDirectory() as folder:
        load, before, began = os.getloadavg()[0], os.times(), time.perf_counter()
        done = subprocess.run([sys.executable, str(MAIN), "--simulate", "--years", str(years)], cwd=folder, check=False)
        took_s, after = time.perf_counter() - began, os.times()
    busy_s = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{years} years: {took_s:.1f} s, {busy_s:.1f} s of processor time, load {load:.1f} (goal {GOAL_S:.0f} s)")
    return done.returncode or int(took_s > GOAL_S)


if __name__ == "__main__":
    sys.exit(main())
