"""Indicators of many tapes at once, for the skipping form: what every set of parameters shares.

Four tapes advance side by side, because each step of Wilder's average waits for the one before. While it waits, the
bars of the next four are fetched: without that, two fifths of a backtest are waiting for the memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.tapes import (
    CLOSE,
    END_BAR,
    FIRST_BAR,
    HIGH,
    LOW,
    VOLUME,
    Flags,
    Floats,
    Int64s,
    Tapes,
    fetch_early,
    unowned,
)
from trading.indicators import RSI_BARS, VWAP_BARS, RsiState, VwapState, rsi_step, rsi_value, typical_volume3, vwap_step

LANES = 4
LOWEST_PRICE = 11_000  # 1.10 USD: half-spreads grow with the price above it
LINE_BARS = 8  # values in a line of the cache
SEED_BARS = RSI_BARS + 1  # from here on the count of changes no longer matters to a step


# places in `Scratch.sums` and `Scratch.averages`
PV3, SHARES = range(2)
GAIN, LOSS, HEAT = range(3)


class Scratch(NamedTuple):
    """Buffers that are used again for every block of tapes. Row r is the r-th tape of the block.

    `sums` (n_rows, 2, n_bars): the VWAP's sums after each bar. `averages` (n_rows, 3, n_bars): the RSI's averages
    after each bar, and the heat: the RSI that stands while a bar shows its prices, infinite where even its high is
    not above the VWAP. An entry in that minute needs a heat below the cap. `usual` (n_rows,) says whether all bars of a
    tape are of the kind that the quick form knows. `pv3` (n_bars,) is used in between.
    """

    sums: Int64s
    averages: Floats
    usual: Flags
    pv3: Int64s


def new_scratch(rows: int, longest: int) -> Scratch:
    """Buffers for `rows` tapes of up to `longest` bars."""
    sums, averages = np.empty((rows, 2, longest), np.int64), np.empty((rows, 3, longest))
    return Scratch(sums, averages, np.empty(rows, np.bool_), np.empty(longest, np.int64))


def lent_scratch(scratch: Scratch) -> Scratch:
    """The same buffers for the time of one call: see `tapes.unowned`."""
    return Scratch(unowned(scratch.sums), unowned(scratch.averages), unowned(scratch.usual), unowned(scratch.pv3))


def look_at_tapes(tapes: Tapes, first: int, count: int, scratch: Scratch) -> None:
    """Fill the scratch rows 0 to `count` with the indicators of the tapes from `first` on."""
    bars = tapes.bars
    row = 0
    while row + LANES <= count:
        a, b, c, d = (
            tapes.tapes[first + row],
            tapes.tapes[first + row + 1],
            tapes.tapes[first + row + 2],
            tapes.tapes[first + row + 3],
        )
        average_four(
            bars[CLOSE, a[FIRST_BAR] : a[END_BAR]],
            bars[CLOSE, b[FIRST_BAR] : b[END_BAR]],
            bars[CLOSE, c[FIRST_BAR] : c[END_BAR]],
            bars[CLOSE, d[FIRST_BAR] : d[END_BAR]],
            scratch.averages[row : row + LANES],
            bars,
            d[END_BAR],
        )
        row += LANES
    while row < count:
        begin, end = tapes.tapes[first + row, FIRST_BAR], tapes.tapes[first + row, END_BAR]
        average_on(bars[CLOSE, begin:end], 0, scratch.averages[row, GAIN], scratch.averages[row, LOSS])
        row += 1
    for row in range(count):
        begin, end = tapes.tapes[first + row, FIRST_BAR], tapes.tapes[first + row, END_BAR]
        high = bars[HIGH, begin:end]
        sums, averages = scratch.sums[row], scratch.averages[row]
        low, close, volume = bars[LOW, begin:end], bars[CLOSE, begin:end], bars[VOLUME, begin:end]
        scratch.usual[row] = sum_up(high, low, close, volume, scratch.pv3, sums)
        take_heat(high, sums, averages)


def average_on(close: Int64s, done: int, gain: Floats, loss: Floats) -> None:
    """The RSI's averages after each bar, where the first `done` bars (none, or at least SEED_BARS) are there."""
    rsi = RsiState(0, 0, 0, 0.0, 0.0)
    if done > 0:
        rsi = RsiState(done - 1, done, close[done - 1], gain[done - 1], loss[done - 1])
    for i in range(done, len(close)):
        rsi = rsi_step(rsi, close[i])
        gain[i], loss[i] = rsi.average_gain, rsi.average_loss


def average_four(a: Int64s, b: Int64s, c: Int64s, d: Int64s, averages: Floats, bars: Int64s, next_bar: int) -> None:
    """`average_on` for four tapes side by side, as far as the shortest goes; then each alone.

    Meanwhile as many `bars` are fetched from `next_bar` on.
    """
    common = min(min(len(a), len(b)), min(len(c), len(d)))
    if common > SEED_BARS:
        average_on(a[:SEED_BARS], 0, averages[0, GAIN], averages[0, LOSS])
        average_on(b[:SEED_BARS], 0, averages[1, GAIN], averages[1, LOSS])
        average_on(c[:SEED_BARS], 0, averages[2, GAIN], averages[2, LOSS])
        average_on(d[:SEED_BARS], 0, averages[3, GAIN], averages[3, LOSS])
        last = SEED_BARS - 1
        ga, gb, gc, gd = (
            averages[0, GAIN, last],
            averages[1, GAIN, last],
            averages[2, GAIN, last],
            averages[3, GAIN, last],
        )
        la, lb, lc, ld = (
            averages[0, LOSS, last],
            averages[1, LOSS, last],
            averages[2, LOSS, last],
            averages[3, LOSS, last],
        )
        pa, pb, pc, pd = a[last], b[last], c[last], d[last]
        for i in range(SEED_BARS, common):
            fetch_step(bars, next_bar, i - SEED_BARS)
            ra = rsi_step(RsiState(RSI_BARS, SEED_BARS, pa, ga, la), a[i])
            rb = rsi_step(RsiState(RSI_BARS, SEED_BARS, pb, gb, lb), b[i])
            rc = rsi_step(RsiState(RSI_BARS, SEED_BARS, pc, gc, lc), c[i])
            rd = rsi_step(RsiState(RSI_BARS, SEED_BARS, pd, gd, ld), d[i])
            pa, pb, pc, pd = ra.previous_close, rb.previous_close, rc.previous_close, rd.previous_close
            ga, gb, gc, gd = ra.average_gain, rb.average_gain, rc.average_gain, rd.average_gain
            la, lb, lc, ld = ra.average_loss, rb.average_loss, rc.average_loss, rd.average_loss
            averages[0, GAIN, i], averages[0, LOSS, i] = ga, la
            averages[1, GAIN, i], averages[1, LOSS, i] = gb, lb
            averages[2, GAIN, i], averages[2, LOSS, i] = gc, lc
            averages[3, GAIN, i], averages[3, LOSS, i] = gd, ld
    else:
        common = 0
    average_on(a, common, averages[0, GAIN], averages[0, LOSS])
    average_on(b, common, averages[1, GAIN], averages[1, LOSS])
    average_on(c, common, averages[2, GAIN], averages[2, LOSS])
    average_on(d, common, averages[3, GAIN], averages[3, LOSS])


def fetch_step(bars: Int64s, first: int, step: int) -> None:
    """Fetch four bars a step: eight bars of three rows on even steps, of the other three on odd ones."""
    bar, row = first + step // 2 * LINE_BARS, step % 2 * 3
    fetch_early(bars, row, bar)
    fetch_early(bars, row + 1, bar)
    fetch_early(bars, row + 2, bar)


def sum_up(high: Int64s, low: Int64s, close: Int64s, volume: Int64s, pv3: Int64s, sums: Int64s) -> bool:
    """The VWAP's sums after each bar, and whether all bars are usual: see `Scratch`."""
    count = len(close)
    warm = min(VWAP_BARS, count)
    unusual = False
    for i in range(count):  # to the end without a branch: many bars in one go
        pv3[i] = typical_volume3(high[i], low[i], close[i], volume[i])
        unusual |= (low[i] < LOWEST_PRICE) | ((volume[i] == 0) & (low[i] == high[i]))
    state = VwapState(0, 0)
    for i in range(warm):
        state = vwap_step(state, pv3[i], volume[i], 0, 0)
        sums[PV3, i], sums[SHARES, i] = state.sum_pv3, state.sum_volume
    # shifted views begin at zero: compiled code then knows that no index is negative
    entering, entering_shares = pv3[warm:count], volume[warm:count]
    sum_pv3, sum_shares = sums[PV3, warm:count], sums[SHARES, warm:count]
    for i in range(count - warm):
        state = vwap_step(state, entering[i], entering_shares[i], pv3[i], volume[i])
        sum_pv3[i], sum_shares[i] = state.sum_pv3, state.sum_volume
    return not unusual


def take_heat(high: Int64s, sums: Int64s, averages: Floats) -> None:
    """See `Scratch`: the RSI after the bar before, where the high is above the VWAP of the bar before."""
    count = len(high)
    warm = min(VWAP_BARS, count)
    for i in range(warm):
        averages[HEAT, i] = np.inf
    if count <= VWAP_BARS:
        return
    before = warm - 1
    shown, heat = high[warm:count], averages[HEAT, warm:count]
    sum_pv3, sum_shares = sums[PV3, before : count - 1], sums[SHARES, before : count - 1]
    gain, loss = averages[GAIN, before : count - 1], averages[LOSS, before : count - 1]
    for i in range(count - warm):
        rsi = rsi_value(RsiState(RSI_BARS, SEED_BARS, 0, gain[i], loss[i]))
        heat[i] = rsi if shown[i] * 3 * sum_shares[i] > sum_pv3[i] else np.inf
