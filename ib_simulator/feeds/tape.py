"""The tape of one symbol in one session: what the simulated exchange plays, second by second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ib_simulator.feeds.corporate_actions import Action
from market_hours import Session
from trading.bars import Bar
from trading.matching import PATH_SECONDS_FIVE, PATH_SECONDS_MINUTE
from trading.money import ONE_USD, PRICE_UNITS_PER_USD, price_from_usd

MINUTE_S = 60
FIVE_SECONDS_S = 5
TIE_TOLERANCE = 1e-4  # in price units; far above the error of one float64 product below 1e9 USD

Int64s = NDArray[np.int64]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Path(NamedTuple):
    """The prices a session passes through, in time order. All three have shape (n_points,)."""

    point_s: Int64s  # epoch seconds
    point_price: Int64s  # 1e-4 USD
    point_jump: Flags  # True: first point of a bar, reached by a jump and not by moving


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionTape:
    """Minute bars and price path of one symbol in one session, read-only.

    Times are epoch seconds, prices 1e-4 USD on the tick, volume in shares. Bars have shape (n_bars,), path points
    (n_points,). `spread_s` and `spread_half` are half-spreads (1e-4 USD, at least one tick; 0: the model's) and the
    second at which each is known, for recorded ones the end of their interval; both are None where the model's stands.
    `window_s` and `window_volume` are the recorded 5-second windows and their shares, None without 5-second bars.
    """

    symbol: str
    session_date: date
    start_s: Int64s
    open: Int64s
    high: Int64s
    low: Int64s
    close: Int64s
    volume: Int64s
    point_s: Int64s
    point_price: Int64s
    point_jump: Flags
    spread_s: Int64s | None = None
    spread_half: Int64s | None = None
    window_s: Int64s | None = None
    window_volume: Int64s | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def bars(self) -> tuple[Bar, ...]:
        """The minute bars as values of the rules, in time order."""
        return bars_from_columns(self.start_s, self.open, self.high, self.low, self.close, self.volume)

    def window_volumes(self) -> dict[int, int]:
        """Recorded shares by the start of each 5-second window; empty without 5-second bars."""
        if self.window_s is None or self.window_volume is None:
            return {}
        return dict(zip(self.window_s.tolist(), self.window_volume.tolist(), strict=True))


class Feed(Protocol):
    """A source of sessions. It never shows anything of a session to a question about earlier ones.

    With `extended_hours` its tapes and minutes include the pre-market and the post-market, else the regular session
    alone.
    """

    extended_hours: bool

    @property
    def name(self) -> str:
        """What a report says about the origin of the prices."""

    def symbols(self, session_date: date) -> tuple[str, ...]:
        """Symbols with at least one minute bar in that session, sorted; empty when there is none."""

    def session_dates(self) -> tuple[date, ...]:
        """Sessions with at least one symbol, in order."""

    def tape(self, symbol: str, session: Session) -> SessionTape:
        """The tape of `symbol` in `session`. Raises LookupError when it has no bar in that session."""

    def daily(self, symbol: str, before: date, first: date) -> tuple[Bar, ...]:
        """Regular-session daily bars with `first` <= date < `before`; `start_s` is that session's open."""

    def minute_history(self, symbol: str, before: date, sessions: int) -> tuple[Bar, ...]:
        """Minute bars of the last `sessions` sessions strictly before `before` that have any, in time order."""

    def actions(self, symbol: str) -> tuple[Action, ...]:
        """Splits and dividends of `symbol`, in order. Bars are not adjusted for them."""


def bars_from_columns(*columns: Int64s) -> tuple[Bar, ...]:
    """Arrays in the field order of `Bar`, each of shape (n_bars,), to bars."""
    return tuple(map(Bar._make, zip(*(column.tolist() for column in columns), strict=True)))


def daily_bar(start_s: int, open_: Int64s, high: Int64s, low: Int64s, close: Int64s, volume: Int64s) -> Bar:
    """One bar over the given bars of a session (at least one), starting at `start_s`."""
    return Bar(start_s, int(open_[0]), int(high.max()), int(low.min()), int(close[-1]), int(volume.sum()))


def prices_to_tick_from_usd(usd: Floats) -> Int64s:
    """Finite prices in USD, rounded half-even to their valid tick, in 1e-4 USD.

    The array twin of `trading.money.price_to_tick_from_usd`, equal to it on every price below 1e9 USD.
    """
    scaled = usd * PRICE_UNITS_PER_USD
    units = np.rint(scaled).astype(np.int64)
    # 0.00015 * 1e4 is just below 1.5: near a tie only the decimal text of the price decides
    for index in np.flatnonzero(np.abs(scaled - np.floor(scaled) - 0.5) < TIE_TOLERANCE):
        units[index] = price_from_usd(float(usd[index]))
    tick = tick_sizes(units)
    quotient, rest = np.divmod(units, tick)
    quotient += (2 * rest > tick) | ((2 * rest == tick) & (quotient % 2 == 1))
    return np.asarray(quotient * tick, dtype=np.int64)


def tick_sizes(prices: Int64s) -> Int64s:
    """The array twin of `trading.money.tick_size`."""
    return np.where(prices >= ONE_USD, 100, 1).astype(np.int64)


def half_spreads(bid: Int64s, ask: Int64s) -> Int64s:
    """Half of `ask` − `bid` (1e-4 USD), rounded half-up to the tick at the ask, at least one tick."""
    tick = tick_sizes(ask)
    return np.asarray(np.maximum((ask - bid + tick) // (2 * tick) * tick, tick), dtype=np.int64)


def minute_path(start_s: Int64s, open_: Int64s, high: Int64s, low: Int64s, close: Int64s) -> Path:
    """Four points a minute bar, at its seconds 0, 20, 40 and 59.

    A bar that closes at or above its open shows open, low, high, close; a falling one open, high, low, close.
    """
    return _path(start_s, open_, high, low, close, PATH_SECONDS_MINUTE)


def minute_tape(
    symbol: str, day: date, start_s: Int64s, open_: Int64s, high: Int64s, low: Int64s, close: Int64s, volume: Int64s
) -> SessionTape:
    """A tape of minute bars and nothing else: their path, the model's spreads."""
    return SessionTape(
        symbol=symbol,
        session_date=day,
        start_s=start_s,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        **minute_path(start_s, open_, high, low, close)._asdict(),
    )


def with_extended_hours(regular: Path, before: Path, after: Path, close_s: int) -> Path:
    """One path over the whole day. The second of the close belongs to the closing auction: what follows is later."""
    late = np.where(after.point_s == close_s, close_s + 1, after.point_s)
    return Path(*(np.concatenate(parts) for parts in zip(before, regular, after._replace(point_s=late), strict=True)))


def five_second_path(start_s: Int64s, open_: Int64s, high: Int64s, low: Int64s, close: Int64s) -> Path:
    """The same order of prices as `minute_path`, at seconds 0, 1, 3 and 4 of each 5-second bar."""
    return _path(start_s, open_, high, low, close, PATH_SECONDS_FIVE)


def _path(start_s: Int64s, open_: Int64s, high: Int64s, low: Int64s, close: Int64s, seconds: tuple[int, ...]) -> Path:
    rising = close >= open_
    prices = np.stack([open_, np.where(rising, low, high), np.where(rising, high, low), close], axis=1)
    jump = np.zeros(prices.shape, dtype=np.bool_)
    jump[:, 0] = True
    return Path((start_s[:, None] + np.array(seconds, dtype=np.int64)).ravel(), prices.ravel(), jump.ravel())
