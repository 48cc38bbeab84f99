"""Windows of constant price: a bar shows three before the next one replaces the last. Which may bring an entry?"""

from __future__ import annotations

from research.board import BAR, CANDIDATE_S, WINDOW
from research.indicators import GAIN, HEAT, LOSS, PV3, SEED_BARS, SHARES, Scratch
from research.sessions import HEALTH_CHECK_S, STALE_S
from research.tapes import (
    CLOSE,
    END_BAR,
    FIRST_BAR,
    HIGH,
    LOW,
    NEVER_S,
    OPEN,
    START,
    Floats,
    Int64s,
    Tapes,
    bar_at,
)
from research.trips import TICK_S
from trading.indicators import RSI_BARS, VWAP_BARS, RsiState, rsi_value
from trading.matching import BAR_SECONDS, path_prices

WINDOW_S = 20  # how long a bar shows each of its first three prices
IN_GAP = 3  # the window after a bar that no other follows at once: its close stands


def on_grid(second: int, open_s: int) -> int:
    """The day trader's first instant at or after `second`."""
    return open_s + -((open_s - second) // TICK_S) * TICK_S


def shown_price(open_: int, high: int, low: int, close: int, window: int) -> int:
    """The price that stands in a window of a bar."""
    return path_prices(open_, high, low, close)[window]


def price_at(tapes: Tapes, tape: int, second: int) -> int:
    """The standing price at one of the day trader's instants; 0 before the first bar."""
    begin, end = tapes.tapes[tape, FIRST_BAR], tapes.tapes[tape, END_BAR]
    i = bar_at(tapes.bars[START, begin:end], second)
    if i < 0:
        return 0
    bar = begin + i
    window = min((second - tapes.bars[START, bar]) // WINDOW_S, IN_GAP)
    return shown_price(
        tapes.bars[OPEN, bar], tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar], window
    )


def first_below(heat: Floats, first: int, last: int, cap: float) -> int:
    """The first bar from `first` on whose heat is below the cap; `last` when none is before it."""
    for i in range(first, last):
        if heat[i] < cap:
            return i
    return max(first, last)


def seek(
    tapes: Tapes, tape: int, row: int, scratch: Scratch, place: Int64s, ready_s: int, last_s: int, cap: float
) -> None:
    """Move a symbol to its next window that the strategy may like, from where it stands and not before `ready_s`.

    `place` is the symbol's row of the board.
    """
    begin, end = tapes.tapes[tape, FIRST_BAR], tapes.tapes[tape, END_BAR]
    start_s = tapes.bars[START, begin:end]
    heat = scratch.averages[row, HEAT]
    count = end - begin
    i, window = place[BAR], place[WINDOW]
    place[CANDIDATE_S] = NEVER_S
    gapless = start_s[count - 1] - start_s[0] == (count - 1) * BAR_SECONDS
    while i < count:
        if gapless:
            warm = first_below(heat, i, count - 1, cap)
            if warm > i:
                i, window = warm, 0
        begins_s = start_s[i]
        if begins_s >= last_s:
            break
        if heat[i] < cap:
            window = first_above(tapes, begin, i, window, row, scratch, ready_s)
            if window < IN_GAP:
                place[BAR], place[WINDOW] = i, window
                place[CANDIDATE_S] = max(begins_s + window * WINDOW_S, ready_s)
                return
        follows_s = start_s[i + 1] if i + 1 < count else NEVER_S
        in_gap = follows_s > begins_s + BAR_SECONDS and window <= IN_GAP and i + 1 >= VWAP_BARS and follows_s > ready_s
        if in_gap and likes_close(tapes.bars[CLOSE, begin + i], i, row, scratch, cap):
            place[BAR], place[WINDOW] = i, IN_GAP
            place[CANDIDATE_S] = max(begins_s + BAR_SECONDS, ready_s)
            return
        i += 1
        window = 0
    place[BAR] = count


def first_above(tapes: Tapes, begin: int, i: int, window: int, row: int, scratch: Scratch, ready_s: int) -> int:
    """The first window of bar i, from `window` on, above the VWAP of the bar before and not over by `ready_s`.

    IN_GAP (or more, where the search began later) when there is none.
    """
    bar = begin + i
    sum_pv3, sum_volume = scratch.sums[row, PV3, i - 1], scratch.sums[row, SHARES, i - 1]
    prices = path_prices(tapes.bars[OPEN, bar], tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar])
    while window < IN_GAP:
        above = prices[window] * 3 * sum_volume > sum_pv3
        if above and tapes.bars[START, bar] + (window + 1) * WINDOW_S > ready_s:
            break
        window += 1
    return window


def likes_close(close: int, i: int, row: int, scratch: Scratch, cap: float) -> bool:
    """Whether the strategy may like the close of bar i while it stands in a gap, when the bar itself counts."""
    rsi = rsi_value(RsiState(RSI_BARS, SEED_BARS, 0, scratch.averages[row, GAIN, i], scratch.averages[row, LOSS, i]))
    return close * 3 * scratch.sums[row, SHARES, i] > scratch.sums[row, PV3, i] and rsi < cap


def news_s(tapes: Tapes, begin: int, i: int, window: int) -> int:
    """When the quote that stands in a window last said something new. `begin` is the tape's first bar.

    After a gap in which its quotes were asked for again, a price that was known before is no news.
    """
    bar = begin + i
    starts_s = tapes.bars[START, bar]
    if window == IN_GAP:
        return starts_s + BAR_SECONDS  # the volume of the minute
    if i > 0:
        known_s = tapes.bars[START, bar - 1] + BAR_SECONDS
        if starts_s - known_s >= STALE_S + HEALTH_CHECK_S:  # a check within the gap found its quotes too old
            prices = path_prices(
                tapes.bars[OPEN, bar], tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar]
            )
            differs = False
            for place in range(window + 1):
                differs = differs or prices[place] != tapes.bars[CLOSE, bar - 1]
            if not differs:
                return known_s
    return starts_s + window * WINDOW_S
