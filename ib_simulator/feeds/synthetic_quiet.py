"""The synthetic market before the open and after the close: few minutes trade, on little volume.

The numbers are medians over eighteen recorded sessions of seven US stocks, from the busiest to quiet ones.
"""

from __future__ import annotations

import numpy as np

from ib_simulator.feeds.synthetic_shape import MarketShape
from ib_simulator.feeds.synthetic_walk import bars_of_path
from ib_simulator.feeds.tape import MINUTE_S, prices_to_tick_from_usd
from trading.bar_columns import BarColumns

# (minutes since the start of the phase, share of minutes that trade, shares in one that does per regular minute)
PRE_MARKET = ((0, 0.34, 0.006), (180, 0.45, 0.012), (240, 0.6, 0.035), (330, 0.6, 0.045))
POST_MARKET = ((0, 0.7, 0.2), (30, 0.46, 0.07), (90, 0.44, 0.01), (240, 0.44, 0.01))
PRE_VARIANCE, POST_VARIANCE = 0.2, 0.1  # of the way from open to close, besides the move that the phase has to make
VOLUME_SD = 1.0  # of the logarithm of the shares of one minute

Knots = tuple[tuple[int, float, float], ...]


def quiet_minutes(
    rng: np.random.Generator,
    shape: MarketShape,
    knots: Knots,
    first_s: int,
    log_prices: tuple[float, float],
    deviation: float,
    shares_per_minute: float,
) -> BarColumns:
    """The minutes of a phase that trade, on a path between two log prices with that deviation on the way."""
    at, trades, volumes = (np.array(column, dtype=np.float64) for column in zip(*knots, strict=True))
    n_minutes = int(at[-1])
    minutes = np.arange(n_minutes)
    share = np.interp(minutes, at, trades)
    weight = share / share.sum()
    free = np.cumsum(np.sqrt(weight) * rng.standard_normal(n_minutes))
    start, end = log_prices
    moved = deviation * (free - np.cumsum(weight) * free[-1]) + np.cumsum(weight) * (end - start)
    columns = np.stack(bars_of_path(rng, shape, moved, deviation * np.sqrt(weight)))
    traded = rng.random(n_minutes) < share
    open_, high, low, close = prices_to_tick_from_usd(np.exp(start + columns).ravel()).reshape(columns.shape)[:, traded]
    volume = shares_per_minute * np.exp(
        np.interp(minutes, at, np.log(volumes)) + VOLUME_SD * rng.standard_normal(n_minutes)
    )
    return BarColumns(
        first_s + MINUTE_S * minutes[traded].astype(np.int64),
        open_,
        high,
        low,
        close,
        np.maximum(np.rint(volume[traded]), 1).astype(np.int64),
    )
