"""Symbol-sessions as flat arrays, and how the compiled functions read prices and volumes from them.

A tape is one symbol in one session. Sessions are in time order; the tapes of a session are in watchlist rank order.
Functions are plain: `research.compiled` compiles them, and tests can run them as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trading.matching import BAR_SECONDS, PATH_SECONDS_MINUTE, path_prices

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

POINTS_A_BAR = 4
QUIET_BAR_GRACE_S = 10  # when the daemon takes a bar that ended without a message of its own (broker: BAR_GRACE_S)
NEVER_S = 1 << 62  # later than any instant


class Tapes(NamedTuple):
    """Arrays of all tapes, one after the other. Prices 1e-4 USD on the tick, instants epoch seconds, int64.

    Bars (n_bars,): `start_s` … `volume`; those of tape `t` are `first_bar[t]` to `first_bar[t + 1]`.
    Path points (n_points,): only of tapes whose path does not follow from their minute bars (5-second bars, recorded
    quotes); `point_half` is the recorded half-spread, 0 for the model's. Tape `t` has `first_point[t]` to
    `first_point[t + 1]`; where that is empty, each minute bar shows four points.
    Tapes (n_tapes,): `symbol` is an index into the names, `atr_ranges` and `atr_average` the daily ATR's state.
    Sessions (n_sessions,): their tapes are `first_tape[s]` to `first_tape[s + 1]`; `rates` has shape (n_sessions, 7).
    """

    start_s: Int64s
    open: Int64s
    high: Int64s
    low: Int64s
    close: Int64s
    volume: Int64s
    first_bar: Int64s
    point_s: Int64s
    point_price: Int64s
    point_jump: Flags
    point_half: Int64s
    first_point: Int64s
    symbol: Int64s
    atr_ranges: Int64s
    atr_average: Floats
    first_tape: Int64s
    open_s: Int64s
    eod_s: Int64s
    close_s: Int64s
    rates: Int64s


class Point(NamedTuple):
    """One price of a path. `half` is the recorded half-spread, 0 for the model's; all of it zero past the last."""

    second: int
    price: int
    jump: bool
    half: int


def follows_from_minutes(tapes: Tapes, tape: int) -> bool:
    """Whether the tape's path is that of its minute bars, with the modelled spread."""
    return tapes.first_point[tape] == tapes.first_point[tape + 1]


def n_points(tapes: Tapes, tape: int) -> int:
    """How many prices the tape shows."""
    if follows_from_minutes(tapes, tape):
        return POINTS_A_BAR * (tapes.first_bar[tape + 1] - tapes.first_bar[tape])
    return tapes.first_point[tape + 1] - tapes.first_point[tape]


def point(tapes: Tapes, tape: int, number: int) -> Point:
    """The tape's price number `number`, which must exist."""
    if follows_from_minutes(tapes, tape):
        bar = tapes.first_bar[tape] + number // POINTS_A_BAR
        place = number % POINTS_A_BAR
        prices = path_prices(tapes.open[bar], tapes.high[bar], tapes.low[bar], tapes.close[bar])
        return Point(tapes.start_s[bar] + PATH_SECONDS_MINUTE[place], prices[place], place == 0, 0)
    at = tapes.first_point[tape] + number
    return Point(tapes.point_s[at], tapes.point_price[at], tapes.point_jump[at], tapes.point_half[at])


def point_second(tapes: Tapes, tape: int, number: int) -> int:
    """When the tape shows its price number `number`; NEVER_S past the last."""
    if number >= n_points(tapes, tape):
        return NEVER_S
    if follows_from_minutes(tapes, tape):
        bar = tapes.first_bar[tape] + number // POINTS_A_BAR
        return tapes.start_s[bar] + PATH_SECONDS_MINUTE[number % POINTS_A_BAR]
    return tapes.point_s[tapes.first_point[tape] + number]


def first_point_at(tapes: Tapes, tape: int, second: int) -> int:
    """Number of the tape's first price at or after `second`, by bisection."""
    low, high = 0, n_points(tapes, tape)
    while low < high:
        middle = (low + high) // 2
        if point_second(tapes, tape, middle) < second:
            low = middle + 1
        else:
            high = middle
    return low


def published_s(tapes: Tapes, tape: int, number: int) -> int:
    """When the tape's bar number `number` is published: its end. NEVER_S past the last."""
    bar = tapes.first_bar[tape] + number
    if bar >= tapes.first_bar[tape + 1]:
        return NEVER_S
    return tapes.start_s[bar] + BAR_SECONDS


def known_s(tapes: Tapes, tape: int, number: int) -> int:
    """When the daemon has the tape's bar number `number`; NEVER_S past the last.

    That is when it is published. A bar without a trade whose one price was told at its start looks like what was
    told then: no message follows, and the daemon waits for the next bar or for the grace of a quiet bar.
    """
    bar = tapes.first_bar[tape] + number
    if bar >= tapes.first_bar[tape + 1]:
        return NEVER_S
    end_s = tapes.start_s[bar] + BAR_SECONDS
    price = tapes.open[bar]
    if tapes.volume[bar] != 0 or tapes.high[bar] != price or tapes.low[bar] != price:
        return end_s
    told = first_point_at(tapes, tape, tapes.start_s[bar])
    if point_second(tapes, tape, told) != tapes.start_s[bar] or point(tapes, tape, told).price != price:
        return end_s
    if point_second(tapes, tape, first_point_at(tapes, tape, end_s)) == end_s:
        return end_s
    return end_s + QUIET_BAR_GRACE_S
