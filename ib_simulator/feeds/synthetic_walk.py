"""How a synthetic price moves inside one session, and the shares that trade on the way."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ib_simulator.feeds.synthetic_shape import MEMORY_MINUTES, Clusters, MarketShape, by_time, weights
from ib_simulator.feeds.tape import Floats, Int64s

ROUND_LOT = 100
LARGEST_MOVE_IN_VOLUME = 6.0  # deviations


class Walk(NamedTuple):
    """A session's path in units of the day's deviation from open to close. All have shape (n_minutes,)."""

    moved: Floats  # since the open, at the end of each minute
    variance: Floats  # of each minute's move; they sum to one
    log_vol: Floats  # what clusters in it, without the time of day
    size: Floats  # |move| in deviations of that minute


def walk(rng: np.random.Generator, shape: MarketShape, n_minutes: int, intraday_shock: float) -> Walk:
    """A Brownian bridge with jumps from 0 to the shock, run on a clock of clustered volatility by time of day."""
    log_vol = _clustered(rng, shape.volatility, n_minutes)
    variance = by_time(shape.variance_by_time, n_minutes) * np.exp(2 * log_vol)
    variance /= variance.sum()
    moves = rng.standard_normal(n_minutes)
    moves[rng.random(n_minutes) < shape.jumps_per_minute] *= shape.jump_factor
    free = moves.copy()
    free[1:] -= shape.bounce * moves[:-1]
    path = np.cumsum(np.sqrt(variance) * free)
    return Walk(path + np.cumsum(variance) * (intraday_shock - path[-1]), variance, log_vol, np.abs(moves))


def volume(rng: np.random.Generator, shape: MarketShape, mean_shares: float, walked: Walk) -> Int64s:
    """Whole shares per minute; quiet minutes still trade a round lot."""
    n_minutes = len(walked.log_vol)
    log_shares = _clustered(rng, shape.volume, n_minutes)
    log_shares += shape.volume_of_volatility * walked.log_vol
    log_shares += shape.volume_of_move * np.minimum(walked.size, LARGEST_MOVE_IN_VOLUME)
    factor = np.exp(log_shares)
    shares = mean_shares * by_time(shape.volume_by_time, n_minutes) * factor / factor.mean()
    return np.asarray(np.maximum(np.rint(shares), ROUND_LOT), dtype=np.int64)


def bars_of_path(
    rng: np.random.Generator, shape: MarketShape, moved: Floats, deviation: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Open, high, low and close of minutes that end at `moved` and whose moves have that `deviation`.

    Inside a minute the path is a Brownian bridge, whose maximum is known in closed form for one uniform draw
    (the reflection principle); the minimum is drawn alike on its own.
    """
    n_minutes = len(moved)
    open_ = np.concatenate([[0.0], moved[:-1] + shape.gap * deviation[1:] * rng.standard_normal(n_minutes - 1)])
    reach = 2 * (shape.span * deviation) ** 2 * rng.standard_exponential((2, n_minutes))
    upper, lower = np.sqrt((moved - open_) ** 2 + reach)
    middle = open_ + moved
    return open_, (middle + upper) / 2, (middle - lower) / 2, moved


def _clustered(rng: np.random.Generator, clusters: Clusters, n_minutes: int) -> Floats:
    return np.convolve(rng.standard_normal(n_minutes + MEMORY_MINUTES - 1), weights(clusters), "valid")
