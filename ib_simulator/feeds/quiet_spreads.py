"""Quotes outside the regular session, where few trade: the model's half-spread times a factor by the time of day.

The factors are what recorded quotes of liquid US stocks have as medians, in multiples of the regular session's: at
04:00 the books are nearly empty, by 08:00 they fill, after the close they stay for an hour or two.
"""

from __future__ import annotations

import numpy as np

from ib_simulator.feeds.bar_files import SpreadColumns
from ib_simulator.feeds.tape import Flags, Int64s
from ib_simulator.trading_hours import TradingHours
from trading.bar_columns import BarColumns
from trading.matching import half_spread

EARLY_FACTOR, PRE_OPEN_FACTOR, POST_FACTOR, LATE_FACTOR = 6, 3, 2, 4
PRE_OPEN_S = 5_400  # before the open: from 08:00 on
POST_S = 7_200  # after the close


def day_spreads(bars: BarColumns, hours: TradingHours, recorded: SpreadColumns | None) -> SpreadColumns:
    """Half-spreads of a day with extended hours. Recorded ones go first; before the first of a phase the model's do.

    In the regular session the model's half-spread is written as 0. `bars` are the minutes of the whole day.
    """
    known_s = recorded.known_s if recorded is not None else np.empty(0, dtype=np.int64)
    outside = ~_within(bars.start_s, hours.open_s, hours.close_s)
    for first_s, end_s in ((hours.first_s, hours.open_s), (hours.close_s, hours.last_s)):
        quoted = known_s[(known_s > first_s) & (known_s <= end_s)]
        if len(quoted):
            outside &= ~_within(bars.start_s, int(quoted[0]), end_s)
    quiet_s = bars.start_s[outside]
    wide = [
        _half(start_s, price, hours)
        for start_s, price in zip(quiet_s.tolist(), bars.open[outside].tolist(), strict=True)
    ]
    before_open = known_s[known_s <= hours.open_s]
    opens = np.array([] if len(before_open) else [hours.open_s], dtype=np.int64)
    all_s = np.concatenate([quiet_s, opens, known_s])
    halves = np.concatenate(
        [np.array(wide, dtype=np.int64), np.zeros_like(opens), recorded.half if recorded is not None else known_s]
    )
    order = np.argsort(all_s, kind="stable")
    return SpreadColumns(all_s[order], halves[order])


def _within(seconds: Int64s, first_s: int, end_s: int) -> Flags:
    return (seconds >= first_s) & (seconds < end_s)


def _half(start_s: int, price: int, hours: TradingHours) -> int:
    if start_s < hours.open_s:
        factor = EARLY_FACTOR if start_s < hours.open_s - PRE_OPEN_S else PRE_OPEN_FACTOR
    else:
        factor = POST_FACTOR if start_s < hours.close_s + POST_S else LATE_FACTOR
    return half_spread(price) * factor
