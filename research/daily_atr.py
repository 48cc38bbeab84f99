"""The daily ATR that the day trader has before a session, by its own function, compiled: years ask for millions."""

from __future__ import annotations

from research.compiled import compiled
from research.tapes import Int64s
from trading.bar_columns import BarColumns
from trading.indicators import AtrState, atr_step
from trading.watchlist import MIN_SESSIONS


def atr_before(history: BarColumns) -> AtrState:
    """The ATR of the strategy over these daily bars; as `trading.watchlist.atr_of` tells it, to the last bit."""
    if len(history.start_s) < MIN_SESSIONS:
        return AtrState()
    state: AtrState = compiled(atr_over)(history.high, history.low, history.close)
    return state


def atr_over(high: Int64s, low: Int64s, close: Int64s) -> AtrState:
    """See `trading.indicators.daily_atr`."""
    state = AtrState(0, 0, 0, 0.0)
    for i in range(len(close)):
        state = atr_step(state, high[i], low[i], close[i])
    return state
