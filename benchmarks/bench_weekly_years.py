"""Ten years of weekly cycles: `PYTHONPATH=. python benchmarks/bench_weekly_years.py`.

Twenty names of the S&P 500 and their daily adjusted closes as skfolio ships them, with believable returns, Monte
Carlo filter, optimiser and plan in each cycle. Prints how the bot did beside equal weight and the index, which it may
well lose to. The exit code is 1 when the run takes longer than the goal.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import numpy as np

from portfolio.backtest import BacktestRules, backtest
from portfolio.construction import ConstructionRules
from portfolio.curves import comparison, verdict
from portfolio.history import PriceHistory
from portfolio.limits import WeightLimits
from portfolio.policy import PriceRules, price_policy

GOAL_S, YEARS, WARM_UP = 120.0, 10, 280


def main() -> int:
    from skfolio.datasets import load_sp500_dataset, load_sp500_index

    prices, index = load_sp500_dataset(), load_sp500_index()
    prices = prices.iloc[-(YEARS * 252 + WARM_UP) :]
    history = PriceHistory(
        symbols=tuple(prices.columns),
        sessions=tuple(day.date() for day in prices.index),
        closes_usd=prices.to_numpy(dtype=np.float64, copy=True),
    )
    levels = index.iloc[:, 0].reindex(prices.index).to_numpy(dtype=np.float64, copy=True)
    limits = WeightLimits(max_sector_weight=1.0)  # the dataset names no sectors
    policy = price_policy(PriceRules(construction=ConstructionRules(limits=limits, attribute_sources=False)))
    began = time.perf_counter()
    result = backtest(history, policy, {}, BacktestRules(warm_up_sessions=WARM_UP), levels)
    took_s = time.perf_counter() - began
    for numbers in comparison(result.curves):
        print(numbers)
    print(verdict(result.curves, result.warning))
    print(f"fees {result.fees_usd:,.2f} USD, methods {dict(Counter(cycle.method for cycle in result.cycles))}")
    print(f"{len(result.cycles)} cycles with {len(history.symbols)} names: {took_s:.1f} s (goal {GOAL_S:.0f})")
    return int(took_s > GOAL_S)


if __name__ == "__main__":
    sys.exit(main())
