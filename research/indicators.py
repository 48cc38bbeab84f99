"""Indicators of many tapes at once, for the skipping form: what every set of parameters shares.

Four tapes advance side by side, because each step of Wilder's average waits for the one before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.tapes import Floats, Int64s, Tapes
from trading.indicators import RSI_BARS, VWAP_BARS, RsiState, VwapState, rsi_step, rsi_value, typical_volume3, vwap_step

LANES = 4
SEED_BARS = RSI_BARS + 1  # from here on the count of changes no longer matters to a step


class Scratch(NamedTuple):
    """Buffers that are used again for every block of tapes; arrays of shape (n_tapes_of_a_block, n_bars_of_a_tape).

    `sum_pv3` and `sum_volume` are the VWAP's sums after each bar, `gain` and `loss` the RSI's averages. `heat[i]` is
    the RSI that stands while bar `i` shows its prices, infinite where even its high is not above the VWAP: an entry
    in that minute needs `heat[i]` below the cap.
    """

    sum_pv3: Int64s
    sum_volume: Int64s
    gain: Floats
    loss: Floats
    heat: Floats
    pv3: Int64s  # (n_bars_of_a_tape,)


def new_scratch(rows: int, longest: int) -> Scratch:
    """Buffers for `rows` tapes of up to `longest` bars."""
    return Scratch(
        np.empty((rows, longest), np.int64),
        np.empty((rows, longest), np.int64),
        np.empty((rows, longest)),
        np.empty((rows, longest)),
        np.empty((rows, longest)),
        np.empty(longest, np.int64),
    )


def look_at_tapes(tapes: Tapes, first: int, count: int, scratch: Scratch) -> None:
    """Fill the scratch rows 0 to `count` with the indicators of the tapes from `first` on."""
    row = 0
    while row + LANES <= count:
        offsets = tapes.first_bar[first + row : first + row + LANES + 1]
        average_four(
            tapes.close[offsets[0] : offsets[1]],
            tapes.close[offsets[1] : offsets[2]],
            tapes.close[offsets[2] : offsets[3]],
            tapes.close[offsets[3] : offsets[4]],
            scratch.gain[row : row + LANES],
            scratch.loss[row : row + LANES],
        )
        row += LANES
    while row < count:
        begin, end = tapes.first_bar[first + row], tapes.first_bar[first + row + 1]
        average_on(tapes.close[begin:end], 0, scratch.gain[row], scratch.loss[row])
        row += 1
    for row in range(count):
        begin, end = tapes.first_bar[first + row], tapes.first_bar[first + row + 1]
        sum_up(
            tapes.high[begin:end],
            tapes.low[begin:end],
            tapes.close[begin:end],
            tapes.volume[begin:end],
            scratch.pv3,
            scratch.sum_pv3[row],
            scratch.sum_volume[row],
        )
        take_heat(
            tapes.high[begin:end],
            scratch.sum_pv3[row],
            scratch.sum_volume[row],
            scratch.gain[row],
            scratch.loss[row],
            scratch.heat[row],
        )


def average_on(close: Int64s, done: int, gain: Floats, loss: Floats) -> None:
    """The RSI's averages after each bar, where the first `done` bars (none, or at least SEED_BARS) are there."""
    rsi = RsiState(0, 0, 0, 0.0, 0.0)
    if done > 0:
        rsi = RsiState(done - 1, done, close[done - 1], gain[done - 1], loss[done - 1])
    for i in range(done, len(close)):
        rsi = rsi_step(rsi, close[i])
        gain[i], loss[i] = rsi.average_gain, rsi.average_loss


def average_four(a: Int64s, b: Int64s, c: Int64s, d: Int64s, gain: Floats, loss: Floats) -> None:
    """`average_on` for four tapes side by side, as far as the shortest goes; then each alone."""
    common = min(min(len(a), len(b)), min(len(c), len(d)))
    if common > SEED_BARS:
        average_on(a[:SEED_BARS], 0, gain[0], loss[0])
        average_on(b[:SEED_BARS], 0, gain[1], loss[1])
        average_on(c[:SEED_BARS], 0, gain[2], loss[2])
        average_on(d[:SEED_BARS], 0, gain[3], loss[3])
        last = SEED_BARS - 1
        ga, gb, gc, gd = gain[0, last], gain[1, last], gain[2, last], gain[3, last]
        la, lb, lc, ld = loss[0, last], loss[1, last], loss[2, last], loss[3, last]
        pa, pb, pc, pd = a[last], b[last], c[last], d[last]
        for i in range(SEED_BARS, common):
            ra = rsi_step(RsiState(RSI_BARS, SEED_BARS, pa, ga, la), a[i])
            rb = rsi_step(RsiState(RSI_BARS, SEED_BARS, pb, gb, lb), b[i])
            rc = rsi_step(RsiState(RSI_BARS, SEED_BARS, pc, gc, lc), c[i])
            rd = rsi_step(RsiState(RSI_BARS, SEED_BARS, pd, gd, ld), d[i])
            pa, pb, pc, pd = ra.previous_close, rb.previous_close, rc.previous_close, rd.previous_close
            ga, gb, gc, gd = ra.average_gain, rb.average_gain, rc.average_gain, rd.average_gain
            la, lb, lc, ld = ra.average_loss, rb.average_loss, rc.average_loss, rd.average_loss
            gain[0, i], gain[1, i], gain[2, i], gain[3, i] = ga, gb, gc, gd
            loss[0, i], loss[1, i], loss[2, i], loss[3, i] = la, lb, lc, ld
    else:
        common = 0
    average_on(a, common, gain[0], loss[0])
    average_on(b, common, gain[1], loss[1])
    average_on(c, common, gain[2], loss[2])
    average_on(d, common, gain[3], loss[3])


def sum_up(
    high: Int64s, low: Int64s, close: Int64s, volume: Int64s, pv3: Int64s, sum_pv3: Int64s, sum_volume: Int64s
) -> None:
    """The VWAP's sums after each bar."""
    count = len(close)
    for i in range(count):
        pv3[i] = typical_volume3(high[i], low[i], close[i], volume[i])
    sums = VwapState(0, 0)
    for i in range(min(VWAP_BARS, count)):
        sums = vwap_step(sums, pv3[i], volume[i], 0, 0)
        sum_pv3[i], sum_volume[i] = sums.sum_pv3, sums.sum_volume
    for i in range(VWAP_BARS, count):
        sums = vwap_step(sums, pv3[i], volume[i], pv3[i - VWAP_BARS], volume[i - VWAP_BARS])
        sum_pv3[i], sum_volume[i] = sums.sum_pv3, sums.sum_volume


def take_heat(
    high: Int64s, sum_pv3: Int64s, sum_volume: Int64s, gain: Floats, loss: Floats, heat: Floats
) -> None:
    """See `Scratch`: the RSI of the bar before, where the high is above the VWAP of the bar before."""
    count = len(high)
    for i in range(min(VWAP_BARS, count)):
        heat[i] = np.inf
    for i in range(VWAP_BARS, count):
        above = high[i] * 3 * sum_volume[i - 1] > sum_pv3[i - 1]
        rsi = rsi_value(RsiState(RSI_BARS, SEED_BARS, 0, gain[i - 1], loss[i - 1]))
        heat[i] = rsi if above else np.inf
