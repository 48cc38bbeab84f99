"""A market whose drift and volatility switch, in the shape of the synthetic one: what improvement is proven on.

Each day has a kind, which stays for `1 / (1 - KEEPS)` days on average. `Kind.drift` moves the market's close in units
of its deviation, `Kind.volatility` multiplies all deviations. The last `traps` symbols plant an improvement: they are
calm, with a daily ATR between the strategy's floor and the next higher one, and fall while the market is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ib_simulator.feeds.synthetic_shape import FITTED
from ib_simulator.feeds.synthetic_walk import bars_of_path, volume, walk
from ib_simulator.feeds.tape import Floats, SessionTape, daily_bar, minute_tape, prices_to_tick_from_usd
from market_hours import Session, TradingCalendar
from trading.bars import Bar

LAST_DAY = date(2026, 6, 30)
WARM_UP_SESSIONS = 40  # of daily bars before the first session, for the ATR
SYMBOLS = tuple(f"S{number:02}" for number in range(10))
KEEPS = 0.95  # probability that tomorrow is of today's kind
OVERNIGHT_SHARE = 0.25  # of a day's variance
LEVEL_KEEPS = 0.98  # of a log price's distance from its base, a day
MINUTES = 390
TRAP_VOLATILITY, TRAP_BETA, TRAP_DRIFT = 0.009, 0.3, -1.0  # of a day; the drift in its deviations


class Kind(NamedTuple):
    """What a day is like; see the module."""

    drift: float = 0.0
    volatility: float = 1.0


SWITCHING = (Kind(drift=0.6), Kind(drift=-0.6, volatility=1.2), Kind(volatility=2.0), Kind(volatility=0.6), Kind())
NO_EDGE = (Kind(),)


class SwitchingMarket:
    """`research.source.BarSource` of `sessions` sessions, by `seed` alone. Equal arguments give equal bars."""

    def __init__(self, seed: int, sessions: int, kinds: Sequence[Kind] = SWITCHING, traps: int = 0) -> None:
        self.name = f"switching market, seed {seed}"
        self._seed = seed
        self._kinds = kinds
        self._traps = frozenset(SYMBOLS[len(SYMBOLS) - traps :])
        calendar = TradingCalendar(date(LAST_DAY.year - 3, 1, 1), LAST_DAY)
        whole = [each for each in calendar.sessions_between(date.min, LAST_DAY) if _minutes(each) == MINUTES]
        self._known = whole[-(sessions + WARM_UP_SESSIONS) :]
        self.sessions = self._known[WARM_UP_SESSIONS:]

    def symbols(self, session_date: date) -> tuple[str, ...]:
        return SYMBOLS if session_date in self._number else ()

    def tape(self, symbol: str, session: Session) -> SessionTape:
        return self._tapes[symbol][self._number[session.date]]

    def daily(self, symbol: str, before: date, first: date) -> Sequence[Bar]:
        return [bar for day, bar in zip(self._number, self._days[symbol], strict=True) if first <= day < before]

    def write(self, folder: Path) -> None:
        """All bars as `--market-data` reads them."""
        (folder / "minute").mkdir(parents=True)
        for symbol, tapes in self._tapes.items():
            columns = {
                name: np.concatenate([getattr(tape, name) for tape in tapes])
                for name in ("start_s", "open", "high", "low", "close", "volume")
            }
            table = pd.DataFrame({name: columns[name] / 10_000 for name in ("open", "high", "low", "close")})
            table.insert(0, "timestamp", pd.to_datetime(columns["start_s"], unit="s", utc=True))
            table["volume"] = columns["volume"]
            table.to_parquet(folder / "minute" / f"{symbol}.parquet")

    @cached_property
    def _number(self) -> dict[date, int]:
        return {session.date: number for number, session in enumerate(self._known)}

    @cached_property
    def _days(self) -> dict[str, list[Bar]]:
        return {
            symbol: [
                daily_bar(session.open_s, tape.open, tape.high, tape.low, tape.close, tape.volume)
                for session, tape in zip(self._known, tapes, strict=True)
            ]
            for symbol, tapes in self._tapes.items()
        }

    @cached_property
    def _tapes(self) -> dict[str, list[SessionTape]]:
        rng = np.random.default_rng([self._seed, 0])
        kinds, kind = [], self._kinds[rng.integers(len(self._kinds))]
        for _ in self._known:
            kinds.append(kind)
            if rng.random() >= KEEPS:
                kind = self._kinds[rng.integers(len(self._kinds))]
        market = [walk(rng, FITTED, MINUTES, float(rng.standard_normal() + kind.drift)).moved for kind in kinds]
        return {symbol: self._of(symbol, number, kinds, market) for number, symbol in enumerate(SYMBOLS, 1)}

    def _of(self, symbol: str, number: int, kinds: Sequence[Kind], market: Sequence[Floats]) -> list[SessionTape]:
        rng = np.random.default_rng([self._seed, number])
        base = float(np.log(25.0) + rng.random() * np.log(12.0))
        own_vol, beta = rng.uniform(0.012, FITTED.own_daily_vol[1]), rng.uniform(*FITTED.beta)
        drift = 0.0
        if symbol in self._traps:
            own_vol, beta, drift = TRAP_VOLATILITY, TRAP_BETA, TRAP_DRIFT
        mean_shares = float(np.exp(rng.uniform(*np.log(FITTED.shares_per_minute))))
        level, tapes = base, []
        for session, kind, common in zip(self._known, kinds, market, strict=True):
            own = walk(rng, FITTED, MINUTES, float(rng.standard_normal()) + drift)
            own_sd, market_sd = kind.volatility * own_vol, kind.volatility * beta * FITTED.market_daily_vol
            moved = own_sd * own.moved + market_sd * common
            deviation = np.hypot(own_sd, market_sd) * np.sqrt(own.variance)
            columns = np.stack(bars_of_path(rng, FITTED, moved, deviation))
            level += np.sqrt(OVERNIGHT_SHARE) * own_sd * rng.standard_normal()
            prices = prices_to_tick_from_usd(np.exp(columns + level).ravel()).reshape(columns.shape)
            start_s = session.open_s + 60 * np.arange(MINUTES, dtype=np.int64)
            shares = volume(rng, FITTED, mean_shares, own)
            tapes.append(_tape(symbol, session, start_s, prices, shares))
            level = base + LEVEL_KEEPS * (level + float(moved[-1]) - drift * own_sd - base)
        return tapes


def _tape(symbol: str, session: Session, start_s: np.ndarray, prices: np.ndarray, shares: np.ndarray) -> SessionTape:
    open_, high, low, close = prices
    return minute_tape(symbol, session.date, start_s, open_, high, low, close, shares)


def _minutes(session: Session) -> int:
    return (session.close_s - session.open_s) // 60
