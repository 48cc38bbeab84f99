"""How long the improvement cycle takes: 60 recorded sessions of 10 symbols, from the store to the report.

`PYTHONPATH=. python benchmarks/bench_improvement_cycle.py [--sessions N] [--symbols N] [--runs N]`. Each run is a
process of its own, as after a real day: it loads the compiled rules, reads the bars and plays the family with and
without doubled costs. Prints the least and the median, and the load of the machine. The exit code is 1 when the least
is over a minute.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.improvement.world import cycle_of, make, open_history, record_session

LIMIT_S = 60.0
RUN = "from pathlib import Path; from tests.improvement.world import main; main(Path({folder!r}), {day}, 0, True)"


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of the improvement cycle.")
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--symbols", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    symbols = tuple(f"S{number:02}" for number in range(args.symbols))
    with tempfile.TemporaryDirectory() as place:
        template = Path(place) / "template"
        template.mkdir()
        make(template, args.sessions, symbols=symbols)
        with open_history(template) as history:
            for day in range(args.sessions):
                record_session(history, cycle_of(history, template), day, symbols=symbols)
        times = [one_run(template, Path(place) / f"run{number}", args.sessions - 1) for number in range(args.runs)]
    print(
        f"{args.sessions} sessions x {args.symbols} symbols: {min(times):.1f} s at least, median "
        f"{statistics.median(times):.1f} s of {args.runs} processes; load {os.getloadavg()[0]:.1f}"
    )
    return int(min(times) > LIMIT_S)


def one_run(template: Path, folder: Path, day: int) -> float:
    """Seconds of a process that does the cycle of the last session, on a copy."""
    shutil.copytree(template, folder)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", RUN.format(folder=str(folder), day=day)], check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
