"""Which past days a simulated path is made of: the stationary bootstrap of Politis and Romano (1994)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from portfolio.history import Floats

Days = npt.NDArray[np.intp]


def block_length(daily: Floats) -> float:
    """Mean block in days for returns (n_days, n_names), at least 1: the median over names of the optimal length.

    Of squared returns, because that is where days depend on each other (clustered volatility). Source: Patton,
    Politis and White (2009), as implemented by `arch`.
    """
    from arch.bootstrap import optimal_block_length

    lengths = optimal_block_length(np.square(daily - daily.mean(axis=0)))["stationary"].to_numpy()
    lengths = lengths[np.isfinite(lengths)]
    longest = max(1.0, len(daily) / 4)
    return float(np.clip(np.median(lengths), 1.0, longest)) if len(lengths) else 1.0


def stationary_days(n_days: int, horizon: int, paths: int, mean_block: float, rng: np.random.Generator) -> Days:
    """Rows of the history for each step of each path, (horizon, paths).

    A path goes on with the next day of history (after the last comes the first), or, with probability
    1 ÷ `mean_block`, jumps to any day. One row serves all names: what moved together stays together.
    """
    days = np.empty((horizon, paths), dtype=np.intp)
    days[0] = rng.integers(0, n_days, paths)
    for step in range(1, horizon):
        jumps = rng.random(paths) < 1.0 / mean_block
        days[step] = np.where(jumps, rng.integers(0, n_days, paths), (days[step - 1] + 1) % n_days)
    return days
