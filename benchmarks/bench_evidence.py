"""What the statistics can tell, and when: `PYTHONPATH=. python benchmarks/bench_evidence.py`.

Prints the false positives of the confidence sequence under daily peeking for a year, its power by effect and spread,
and the regimes of the S&P 500 from 1990 to 2022: dwell times and known episodes.
The exit code is 1 when false positives exceed alpha.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pandas as pd

from benchmarks.index_history import sp500
from evidence.confidence_sequence import prior_days_for, relative_radius
from evidence.experiments import Registration, Verdict, standing
from evidence.regime import dwell_times, readings

ALPHA = 0.05
YEAR = 252
RUNS = 2_000
POWER_RUNS = 200
SEED = 1
EFFECTS_BPS = (2.0, 5.0, 10.0, 20.0)
SPREADS_BPS = (10.0, 25.0, 50.0)
HORIZONS = (60, 120, 252)
EPISODES = (
    *("2001-09", "2002-07", "2005", "2007-08", "2008-10", "2009-04", "2011-08", "2013", "2015-08", "2017", "2018-02"),
    *("2018-12", "2020-02", "2020-03", "2020-06", "2021", "2022"),
)


def false_positives() -> float:
    """Share of the years without an effect in which the interval ever left out zero; the worst of four markets."""
    prior = prior_days_for(YEAR, ALPHA)
    counts = np.arange(1, YEAR + 1)
    radii = np.array([relative_radius(int(n), ALPHA, prior) for n in counts])
    known = np.isfinite(radii)
    rng = np.random.default_rng(SEED)
    shape = (RUNS, YEAR)
    markets = {
        "normal": rng.normal(size=shape),
        "fat tails (t4)": rng.standard_t(4, size=shape),
        "half the days equal": rng.normal(size=shape) * (rng.random(shape) < 0.5),
        "skewed (exponential)": rng.exponential(size=shape) - 1.0,
    }
    print(f"false positives, alpha {ALPHA:.0%}, {RUNS:,} years of {YEAR} days, looked at daily")
    worst = 0.0
    for name, days in markets.items():
        means = days.cumsum(axis=1) / counts
        squares = (days**2).cumsum(axis=1) - counts * means**2
        spreads = np.sqrt(np.maximum(squares, 0) / np.maximum(counts - 1, 1))
        share = float((np.abs(means[:, known]) > radii[known] * spreads[:, known]).any(axis=1).mean())
        worst = max(worst, share)
        print(f"  {name:<22}{share:8.2%}")
    return worst


def power_table() -> None:
    """How often, and on which day in the middle, an experiment with a least effect of 2 bps says "better"."""
    print(f"\npower: share of {POWER_RUNS} experiments called better, and the median day of the verdict")
    print("  effect  spread  " + "".join(f"{horizon:>4} days     " for horizon in HORIZONS))
    for effect in EFFECTS_BPS:
        for spread in SPREADS_BPS:
            cells = []
            for horizon in HORIZONS:
                plan = Registration(
                    name="power", baseline="a", candidate="b", horizon_days=horizon, least_effect_bps=min(EFFECTS_BPS)
                )
                rng = np.random.default_rng(SEED)
                found = [standing(plan, rng.normal(effect, spread, horizon)) for _ in range(POWER_RUNS)]
                on = [each.decided_on for each in found if each.verdict is Verdict.BETTER and each.decided_on]
                cells.append(f"{len(on) / POWER_RUNS:5.0%} {f'd{np.median(on):.0f}' if on else '-':<7}")
            print(f"  {effect:4.0f} bp {spread:4.0f} bp  " + "".join(cells))


def regimes() -> None:
    """Dwell times and episodes of the index."""
    closes = sp500()
    path = readings(closes.to_numpy())
    days = pd.DatetimeIndex(closes.index)
    spells = dwell_times(path)
    total = sum(map(sum, spells.values()))
    print(f"\nregimes of the S&P 500, {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}")
    print("  regime            spells   median      90 %      share")
    for regime, lengths in spells.items():
        middle, long = np.quantile(lengths, [0.5, 0.9])
        print(f"  {regime:<18}{len(lengths):>6}{middle:>7.0f} d{long:>8.0f} d{sum(lengths) / total:>10.1%}")
    said = pd.Series([None if each is None else each.regime.value for each in path], index=days)
    for episode in EPISODES:
        found = Counter(said.loc[episode])
        print(f"  {episode:<9}" + ", ".join(f"{name} {n / found.total():.0%}" for name, n in found.most_common()))


def main() -> int:
    worst = false_positives()
    power_table()
    regimes()
    return int(worst > ALPHA)


if __name__ == "__main__":
    sys.exit(main())
