"""What the Monte Carlo filter costs: `PYTHONPATH=. python benchmarks/bench_monte_carlo.py [rounds]`.

Both models, the GARCH fits and the choice of the block length, for 50 names × 10,000 paths × 5 days on two years of
daily returns. The shortest round counts; the exit code is 1 when it takes longer than the goal. Importing `arch` is
done once beforehand and told apart.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from portfolio.bootstrap import block_length
from portfolio.history import Returns
from portfolio.monte_carlo import MonteCarloRules, monte_carlo_filter

NAMES, DAYS, GOAL_S = 50, 504, 0.3


def main(rounds: int) -> int:
    rng = np.random.default_rng(1)
    market = rng.standard_t(4, (DAYS, 1)) * 0.007
    daily = market + rng.standard_t(4, (DAYS, NAMES)) * 0.01
    returns = Returns(symbols=tuple(f"S{i:02}" for i in range(NAMES)), daily=daily)
    began = time.perf_counter()
    block_length(daily)
    print(f"first use of arch: {time.perf_counter() - began:.2f} s")
    took_s = []
    for _ in range(rounds):
        began = time.perf_counter()
        monte_carlo_filter(returns, MonteCarloRules(), seed=1)
        took_s.append(time.perf_counter() - began)
    best, median = min(took_s), sorted(took_s)[len(took_s) // 2]
    print(f"{NAMES} names x 10,000 paths x 5 days, two models: {best:.3f} s (median {median:.3f}, goal {GOAL_S})")
    return int(best > GOAL_S)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
