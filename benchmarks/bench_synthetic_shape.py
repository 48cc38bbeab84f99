"""The synthetic market beside recorded bars, figure by figure, and what a synthetic session costs.

The recorded column is measured again when a directory of bars is given; otherwise it is the one that was fitted.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import date
from pathlib import Path

from market_shape import recorded_tapes, shape_of, synthetic_tapes, table
from recorded_shape import FIRST, LAST, RECORDED

from ib_simulator.feeds.synthetic import SyntheticFeed
from market_hours import new_york_calendar

N_SYMBOLS = 45
N_SESSIONS = 22


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("directory", type=Path, nargs="?", help="recorded bars (minute/SYMBOL.parquet)")
    parser.add_argument("--since", type=date.fromisoformat, default=FIRST, help="first recorded session")
    parser.add_argument("--last", type=date.fromisoformat, default=LAST, help="last session of both")
    given = parser.parse_args()
    calendar = new_york_calendar(given.last)
    columns = {"recorded": RECORDED}
    if given.directory is not None:
        columns["recorded"] = shape_of(recorded_tapes(given.directory, calendar, given.since), calendar)
    costs = []
    for seed in (1, 2, 3):
        feed = SyntheticFeed(seed, [f"S{number}" for number in range(N_SYMBOLS)], calendar, given.last)
        start = time.process_time()
        tapes = synthetic_tapes(feed, N_SESSIONS)
        costs.append(1e3 * (time.process_time() - start) / len(tapes))
        columns[f"seed {seed}"] = shape_of(tapes, calendar)
    print(table(columns))
    print(f"a synthetic symbol-session takes {min(costs):.2f} ms of CPU time (limit 1 ms)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
