"""Random walks as the research engine and its peers take them: the same numbers for all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from research.source import Bars
from research.tapes import Tapes
from trading.costs import FeeSchedule

Int64s = NDArray[np.int64]
BARS_A_DAY = 390
MINUTE_SD, OPEN_SD, NOISE_SD = 0.0007, 0.001, 0.0004
ATR = 25_000.0  # 1e-4 USD: 2.5 % of the price, above the floor of the strategy
FIRST_OPEN = datetime(2020, 1, 1, 14, 30, tzinfo=UTC)


def random_walk(n_days: int, seed: int = 1) -> dict[str, Int64s]:
    """Days of one stock near 100 USD as flat arrays: prices in 1e-4 USD on the tick, volume in shares."""
    rng = np.random.default_rng(seed)
    count = n_days * BARS_A_DAY
    steps = rng.standard_normal((n_days, BARS_A_DAY)) * MINUTE_SD
    start = 100.0 * np.exp(np.cumsum(rng.standard_normal(n_days) * OPEN_SD))[:, None]
    close = start * np.exp(np.cumsum(steps, axis=1))
    open_ = np.concatenate([start, close[:, :-1]], axis=1)
    above, below = np.abs(rng.standard_normal((2, n_days, BARS_A_DAY))) * NOISE_SD
    usd = {
        "open": open_,
        "high": np.maximum(open_, close) * (1 + above),
        "low": np.minimum(open_, close) * (1 - below),
        "close": close,
    }
    columns = {name: np.rint(values * 100).astype(np.int64).ravel() * 100 for name, values in usd.items()}
    return columns | {"volume": rng.integers(2_000, 60_000, count)}


def as_bars(walk: dict[str, Int64s], n_symbols: int) -> Bars:
    """The days of a walk as symbol-sessions: `n_symbols` days side by side make one session."""
    n_tapes = len(walk["close"]) // BARS_A_DAY
    n_sessions = n_tapes // n_symbols
    open_s = int(FIRST_OPEN.timestamp()) + 86_400 * np.arange(n_sessions, dtype=np.int64)
    start_s = (np.repeat(open_s, n_symbols)[:, None] + 60 * np.arange(BARS_A_DAY)).ravel()
    first = np.arange(n_tapes) * BARS_A_DAY
    nothing = np.zeros(n_tapes, dtype=np.int64)
    symbol = np.tile(np.arange(n_symbols), n_sessions)
    tape = np.stack([first, first + BARS_A_DAY, nothing, nothing, symbol, nothing + 14], axis=1)
    first_tape = np.arange(n_sessions) * n_symbols
    instants = [first_tape, first_tape + n_symbols, open_s, open_s + 23_100, open_s + 23_400]
    sessions = np.concatenate([np.stack(instants, axis=1), np.tile(FeeSchedule(), (n_sessions, 1))], axis=1)
    columns = [start_s, *(walk[name] for name in ("open", "high", "low", "close", "volume"))]
    tapes = Tapes(
        bars=np.stack(columns),
        points=np.zeros((4, 0), dtype=np.int64),
        tapes=tape,
        atr=np.full(n_tapes, ATR),
        sessions=sessions.astype(np.int64),
    )
    dates = tuple(date(2020, 1, 1) + timedelta(days=number) for number in range(n_sessions))
    return Bars(tapes=tapes, symbols=tuple(f"S{number}" for number in range(n_symbols)), dates=dates)
