"""The numbers of the synthetic market, fitted to recorded minute bars by `benchmarks/fit_synthetic.py`."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ib_simulator.feeds.tape import Floats

KNOTS_AFTER_OPEN = (0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45, 60, 90)  # minutes; 0 is the first
KNOTS_BEFORE_CLOSE = (60, 45, 30, 20, 15, 10, 8, 6, 5, 4, 3, 2, 1)  # minutes; 1 is the last
KNOTS_BETWEEN = 3  # evenly between the two
MEMORY_MINUTES = 128  # of clustered volatility and volume


class Clusters(NamedTuple):
    """Weights of the shocks of this minute and of the minutes before in a logarithm: what comes and what stays."""

    now: float
    fast: float
    fast_keeps: float
    slow: float
    slow_keeps: float


class MarketShape(NamedTuple):
    """What sessions of the synthetic market look like. Deviations are of logarithms unless the name says else."""

    own_daily_vol: tuple[float, float]  # of a symbol's own moves; lowest and highest
    market_daily_vol: float
    beta: tuple[float, float]  # moves of a symbol in one of the market; lowest and highest
    market_delay: float  # share of the market's minute that a symbol follows a minute later
    overnight_share: float  # of a day's variance
    mood_sd: float  # of the volatility of a day, common to all symbols
    own_mood_sd: float  # of the volatility of a day of one symbol
    volatility: Clusters  # of minutes
    jumps_per_minute: float
    jump_factor: float  # how much larger than others the move of such a minute is
    bounce: float  # share of a minute's move that the next one takes back
    span: float  # deviation inside a minute that its high and low come from, in deviations of its move
    gap: float  # deviation of an open from the close before, in deviations of the minute's move
    shares_per_minute: tuple[float, float]  # mean of a session; lowest and highest
    volume: Clusters  # of minutes, besides what follows from volatility
    volume_of_volatility: float  # how much of a minute's log volatility is in its log volume
    volume_of_move: float  # log volume per deviation of the minute's move
    day_volume_of_mood: float  # how much of a day's log volatility is in its log volume
    day_volume_sd: float
    variance_by_time: tuple[float, ...]  # one per knot, relative
    volume_by_time: tuple[float, ...]


def knots(n_minutes: int) -> Floats:
    """Minutes of a session at which its time of day is described; at least 160 minutes. Shape (n_knots,)."""
    first, last = KNOTS_AFTER_OPEN[-1], n_minutes - KNOTS_BEFORE_CLOSE[0]
    between = np.linspace(first, last, KNOTS_BETWEEN + 2)[1:-1]
    return np.array([*KNOTS_AFTER_OPEN, *between, *(n_minutes - before for before in KNOTS_BEFORE_CLOSE)], dtype=float)


@lru_cache(16)
def by_time(values: tuple[float, ...], n_minutes: int) -> Floats:
    """A factor per minute of the session with mean one, through `values` at the knots."""
    factors = np.exp(np.interp(np.arange(n_minutes), knots(n_minutes), np.log(values)))
    return np.asarray(factors / factors.mean(), dtype=np.float64)


@lru_cache(16)
def weights(clusters: Clusters) -> Floats:
    """Of the shocks of this minute, the one before and so on. Shape (MEMORY_MINUTES,)."""
    ages = np.arange(MEMORY_MINUTES)
    fading = clusters.fast * clusters.fast_keeps**ages + clusters.slow * clusters.slow_keeps**ages
    fading[0] += clusters.now
    return np.asarray(fading, dtype=np.float64)


FITTED = MarketShape(
    own_daily_vol=(0.003, 0.0409),
    market_daily_vol=0.00517,
    beta=(0.2, 2.81),
    market_delay=0.15,
    overnight_share=0.27,
    mood_sd=0.15,
    own_mood_sd=0.166,
    volatility=Clusters(now=0.0559, fast=0.112, fast_keeps=0.7, slow=0.0406, slow_keeps=0.98),
    jumps_per_minute=0.00091,
    jump_factor=5.25,
    bounce=0.0512,
    span=0.867,
    gap=0.2,
    shares_per_minute=(5_260.0, 194_000.0),
    volume=Clusters(now=0.374, fast=0.0819, fast_keeps=0.8, slow=0.0404, slow_keeps=0.98),
    volume_of_volatility=0.7,
    volume_of_move=0.311,
    day_volume_of_mood=1.55,
    day_volume_sd=0.206,
    variance_by_time=(
        7.01,
        4.29,
        3.04,
        2.32,
        1.93,
        2.0,
        1.38,
        1.14,
        1.14,
        0.825,
        0.741,
        0.442,
        0.36,
        0.269,
        0.176,
        0.132,
        0.158,
        0.105,
        0.115,
        0.0902,
        0.135,
        0.107,
        0.297,
        0.158,
        0.307,
        0.567,
        0.182,
        0.202,
        0.147,
        0.248,
    ),
    volume_by_time=(
        4.32,
        1.46,
        1.32,
        1.11,
        1.03,
        1.0,
        0.904,
        0.819,
        0.784,
        0.698,
        0.647,
        0.52,
        0.446,
        0.377,
        0.275,
        0.227,
        0.256,
        0.229,
        0.288,
        0.315,
        0.418,
        0.397,
        0.808,
        0.604,
        1.01,
        1.33,
        1.14,
        1.47,
        2.03,
        3.77,
    ),
)
