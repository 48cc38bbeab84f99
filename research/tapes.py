"""Symbol-sessions as flat arrays, and how the compiled functions read prices and volumes from them.

A tape is one symbol in one session. Sessions are in time order; the tapes of a session are in watchlist rank order.
Functions are plain: `research.compiled` compiles them, and tests can run them as they are.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from trading.matching import BAR_SECONDS, PATH_SECONDS_MINUTE, path_prices

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
A = TypeVar("A", bound=NDArray[Any])

POINTS_A_BAR = 4
QUIET_BAR_GRACE_S = 10  # when the daemon takes a bar that ended without a message of its own (broker: BAR_GRACE_S)
NEVER_S = 1 << 62  # later than any instant


# rows of `Tapes.bars`
START, OPEN, HIGH, LOW, CLOSE, VOLUME = range(6)
# rows of `Tapes.points`
POINT_S, POINT_PRICE, POINT_JUMP, POINT_HALF = range(4)
# columns of `Tapes.tapes`
FIRST_BAR, END_BAR, FIRST_POINT, END_POINT, SYMBOL, ATR_RANGES = range(6)
# columns of `Tapes.sessions`; the fee rates follow in the order of `FeeSchedule`
FIRST_TAPE, END_TAPE, OPEN_S, EOD_S, CLOSE_S, FIRST_RATE = range(6)


class Tapes(NamedTuple):
    """All tapes, one after the other. Prices 1e-4 USD on the tick, instants epoch seconds.

    `bars` (6, n_bars) int64: start second, open, high, low, close, volume.
    `points` (4, n_points) int64: second, price, jump (0, 1) and recorded half-spread (0: the model's), only of tapes
    whose path does not follow from their minute bars (5-second bars, recorded quotes).
    `tapes` (n_tapes, 6) int64: where its bars and its points begin and end, the number of its symbol, and the number
    of ranges in its daily ATR, whose average is `atr` (n_tapes,) float64.
    `sessions` (n_sessions, 12) int64: where its tapes begin and end, its instants, its fee rates.
    Few arrays, because each one that is handed to a compiled function costs time.
    """

    bars: Int64s
    points: Int64s
    tapes: Int64s
    atr: Floats
    sessions: Int64s


def unowned(array: A) -> A:
    """The array itself. Compiled code hands it on without counting who holds it: its owner must outlive the call."""
    return array


def fetch_early(bars: Int64s, row: int, bar: int) -> None:
    """Nothing. Compiled code tells the memory that the cache line of this place will be read; it need not exist."""


def lent(tapes: Tapes) -> Tapes:
    """The same tapes for the time of one call, cheap to hand on in compiled code."""
    return Tapes(
        unowned(tapes.bars),
        unowned(tapes.points),
        unowned(tapes.tapes),
        unowned(tapes.atr),
        unowned(tapes.sessions),
    )


class Point(NamedTuple):
    """One price of a path. `half` is the recorded half-spread, 0 for the model's; all of it zero past the last."""

    second: int
    price: int
    jump: bool
    half: int


def follows_from_minutes(tapes: Tapes, tape: int) -> bool:
    """Whether the tape's path is that of its minute bars, with the modelled spread."""
    return tapes.tapes[tape, FIRST_POINT] == tapes.tapes[tape, END_POINT]


def n_points(tapes: Tapes, tape: int) -> int:
    """How many prices the tape shows."""
    if follows_from_minutes(tapes, tape):
        return POINTS_A_BAR * (tapes.tapes[tape, END_BAR] - tapes.tapes[tape, FIRST_BAR])
    return tapes.tapes[tape, END_POINT] - tapes.tapes[tape, FIRST_POINT]


def point(tapes: Tapes, tape: int, number: int) -> Point:
    """The tape's price number `number`, which must exist."""
    if follows_from_minutes(tapes, tape):
        bar = tapes.tapes[tape, FIRST_BAR] + number // POINTS_A_BAR
        place = number % POINTS_A_BAR
        prices = path_prices(tapes.bars[OPEN, bar], tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar])
        return Point(tapes.bars[START, bar] + PATH_SECONDS_MINUTE[place], prices[place], place == 0, 0)
    at = tapes.tapes[tape, FIRST_POINT] + number
    shown = tapes.points
    return Point(shown[POINT_S, at], shown[POINT_PRICE, at], shown[POINT_JUMP, at] != 0, shown[POINT_HALF, at])


def point_second(tapes: Tapes, tape: int, number: int) -> int:
    """When the tape shows its price number `number`; NEVER_S past the last."""
    if number >= n_points(tapes, tape):
        return NEVER_S
    if follows_from_minutes(tapes, tape):
        bar = tapes.tapes[tape, FIRST_BAR] + number // POINTS_A_BAR
        return tapes.bars[START, bar] + PATH_SECONDS_MINUTE[number % POINTS_A_BAR]
    return tapes.points[POINT_S, tapes.tapes[tape, FIRST_POINT] + number]


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


def bar_at(start_s: Int64s, second: int) -> int:
    """Number of the last bar that started at or before `second`; -1 before the first."""
    guess = (second - start_s[0]) // BAR_SECONDS
    if 0 <= guess < len(start_s) and start_s[guess] == start_s[0] + guess * BAR_SECONDS:
        return guess
    low, high = 0, len(start_s)
    while low < high:
        middle = (low + high) // 2
        if start_s[middle] <= second:
            low = middle + 1
        else:
            high = middle
    return low - 1


def published_s(tapes: Tapes, tape: int, number: int) -> int:
    """When the tape's bar number `number` is published: its end. NEVER_S past the last."""
    bar = tapes.tapes[tape, FIRST_BAR] + number
    if bar >= tapes.tapes[tape, END_BAR]:
        return NEVER_S
    return tapes.bars[START, bar] + BAR_SECONDS


def known_s(tapes: Tapes, tape: int, number: int) -> int:
    """When the daemon has the tape's bar number `number`; NEVER_S past the last.

    That is when it is published. A bar without a trade whose one price was told at its start looks like what was
    told then: no message follows, and the daemon waits for the next bar or for the grace of a quiet bar.
    """
    bar = tapes.tapes[tape, FIRST_BAR] + number
    if bar >= tapes.tapes[tape, END_BAR]:
        return NEVER_S
    end_s = tapes.bars[START, bar] + BAR_SECONDS
    price = tapes.bars[OPEN, bar]
    if tapes.bars[VOLUME, bar] != 0 or tapes.bars[HIGH, bar] != price or tapes.bars[LOW, bar] != price:
        return end_s
    told = first_point_at(tapes, tape, tapes.bars[START, bar])
    if point_second(tapes, tape, told) != tapes.bars[START, bar] or point(tapes, tape, told).price != price:
        return end_s
    if point_second(tapes, tape, first_point_at(tapes, tape, end_s)) == end_s:
        return end_s
    return end_s + QUIET_BAR_GRACE_S
