"""A synthetic market made rough: cheap or thin stocks, missing minutes, quiet bars, fine paths, recorded spreads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from zlib import crc32

import numpy as np

from ib_simulator.feeds.corporate_actions import Action
from ib_simulator.feeds.synthetic import SyntheticFeed
from ib_simulator.feeds.tape import (
    FIVE_SECONDS_S,
    Floats,
    Int64s,
    SessionTape,
    five_second_path,
    minute_path,
    prices_to_tick_from_usd,
)
from market_hours import Session, TradingCalendar
from trading.bars import Bar

WINDOWS = 12  # of five seconds in a minute


@dataclass(frozen=True, kw_only=True)
class Roughness:
    """What is done to the smooth market. Shares are of minutes, 0 to 1."""

    price_scale: float = 1.0
    volume_scale: float = 1.0
    missing: float = 0.0  # share of minutes without a bar
    hole_minutes: int = 0  # one stretch without any bar
    quiet: float = 0.0  # share of minutes at one price without a trade
    fade: float = 1.0  # factor on the volume of the last half hour
    swing: float = 1.0  # factor on the moves within the day
    fine: bool = False  # a path of 5-second bars
    spreads: bool = False  # recorded half-spreads


class RoughFeed:
    """`ib_simulator.feeds.tape.Feed` over a seeded synthetic market, the same for equal arguments."""

    def __init__(
        self, seed: int, symbols: Sequence[str], calendar: TradingCalendar, latest: date, roughness: Roughness
    ) -> None:
        self._smooth = SyntheticFeed(seed, symbols, calendar, latest)
        self._seed = seed
        self._rough = roughness
        self.name = f"rough market, seed {seed}"
        self.extended_hours = False
        self.tape = lru_cache(maxsize=64)(self._tape)

    def symbols(self, session_date: date) -> tuple[str, ...]:
        return self._smooth.symbols(session_date)

    def session_dates(self) -> tuple[date, ...]:
        return self._smooth.session_dates()

    def daily(self, symbol: str, before: date, first: date) -> tuple[Bar, ...]:
        scale = self._rough.price_scale
        found = []
        for bar in self._smooth.daily(symbol, before, first):
            prices = prices_to_tick_from_usd(np.array(bar[1:5]) / 10_000 * scale)
            found.append(Bar(bar.start_s, *(max(int(price), 1) for price in prices), bar.volume))
        return tuple(found)

    def minute_history(self, symbol: str, before: date, sessions: int) -> tuple[Bar, ...]:
        return self._smooth.minute_history(symbol, before, min(sessions, 1))

    def actions(self, symbol: str) -> tuple[Action, ...]:
        return ()

    def _tape(self, symbol: str, session: Session) -> SessionTape:
        rough, smooth = self._rough, self._smooth.tape(symbol, session)
        rng = np.random.default_rng([self._seed, session.date.toordinal(), crc32(symbol.encode())])
        base = smooth.open[0] / 10_000
        usd = np.stack([smooth.open, smooth.high, smooth.low, smooth.close], axis=1) / 10_000
        usd = base * np.exp(np.log(usd / base) * rough.swing) * rough.price_scale
        volume = np.maximum((smooth.volume * rough.volume_scale).astype(np.int64), 0)
        volume[-30:] = (volume[-30:] * rough.fade).astype(np.int64)
        prices = np.maximum(_to_tick(usd), 1)
        quiet = rng.random(len(volume)) < rough.quiet
        prices[quiet] = prices[quiet][:, :1]
        volume[quiet] = 0
        kept = rng.random(len(volume)) >= rough.missing
        if rough.hole_minutes:
            start = int(rng.integers(25, len(volume) - rough.hole_minutes - 5))
            kept[start : start + rough.hole_minutes] = False
        kept[int(rng.integers(len(volume)))] = True
        start_s, prices, volume = smooth.start_s[kept], prices[kept], volume[kept]
        open_, high, low, close = (np.ascontiguousarray(prices[:, column]) for column in range(4))
        extra: dict[str, Int64s] = {}
        path = minute_path(start_s, open_, high, low, close)
        if rough.fine:
            fine = _fine_bars(rng, start_s, open_, high, low, close)
            path = five_second_path(*fine)
            extra |= {"window_s": fine[0], "window_volume": np.repeat(volume // WINDOWS, WINDOWS)[: len(fine[0])]}
        if rough.spreads:
            known_s = session.open_s + 60 * (1 + np.arange(len(volume)))
            extra |= {"spread_s": known_s, "spread_half": 100 * rng.integers(1, 12, len(known_s))}
        return SessionTape(
            symbol=symbol,
            session_date=session.date,
            start_s=start_s,
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=volume,
            **path._asdict(),
            **extra,
        )


def _to_tick(usd: Floats) -> Int64s:
    return prices_to_tick_from_usd(usd.ravel()).reshape(usd.shape)


def _fine_bars(
    rng: np.random.Generator, start_s: Int64s, open_: Int64s, high: Int64s, low: Int64s, close: Int64s
) -> tuple[Int64s, Int64s, Int64s, Int64s, Int64s]:
    """Twelve 5-second bars a minute, some of them missing, within the minute's range."""
    count = len(start_s) * WINDOWS
    starts = (start_s[:, None] + FIVE_SECONDS_S * np.arange(WINDOWS)).ravel()
    mix = rng.random((4, count))
    span = np.repeat(high - low, WINDOWS)
    points = _to_tick((np.repeat(low, WINDOWS) + mix * span) / 10_000)
    points[0, ::WINDOWS] = open_
    points[3, WINDOWS - 1 :: WINDOWS] = close
    kept = rng.random(count) > 0.2
    o, c = points[0], points[3]
    h, l = points.max(axis=0), points.min(axis=0)  # noqa: E741 (the letters of a bar)
    return starts[kept], o[kept], h[kept], l[kept], c[kept]
