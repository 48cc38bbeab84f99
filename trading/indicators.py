"""Indicators in O(1) per bar: rolling VWAP, Wilder's RSI and Wilder's ATR.

Each is a NamedTuple of state and plain functions over it, so that the research engine compiles the same code.
They equal `vwma(hlc3)`, `rsi` and `atr` of pandas-ta-classic (0.8) on the same history: Wilder's averages are
seeded with the simple mean of their first `length` values, as in New Concepts in Technical Trading Systems (1978).
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from trading.bars import Bar

VWAP_BARS = 20
RSI_BARS = 14
ATR_BARS = 14


class VwapState(NamedTuple):
    """Exact integer sums over the window: Σ (high + low + close) · volume, and Σ volume."""

    sum_pv3: int = 0
    sum_volume: int = 0


class RsiState(NamedTuple):
    """`changes` counts the close-to-close changes seen; averages are sums until the 14th change."""

    changes: int = 0
    bars: int = 0
    previous_close: int = 0
    average_gain: float = 0.0
    average_loss: float = 0.0


class AtrState(NamedTuple):
    """`ranges` counts the true ranges seen (a range needs a previous close); 1e-4 USD."""

    ranges: int = 0
    bars: int = 0
    previous_close: int = 0
    average: float = 0.0


def typical_volume3(high: int, low: int, close: int, volume: int) -> int:
    """Three times typical price times volume: exact, because the division by three is left out."""
    return (high + low + close) * volume


def vwap_step(state: VwapState, entering_pv3: int, entering: int, leaving_pv3: int, leaving: int) -> VwapState:
    """Slide the window by one bar: one value enters, the oldest leaves (zero while the window fills)."""
    return VwapState(state.sum_pv3 + entering_pv3 - leaving_pv3, state.sum_volume + entering - leaving)


def vwap_value(state: VwapState) -> float:
    """The rolling VWAP in 1e-4 USD; NaN when no share was counted in the window."""
    if state.sum_volume == 0:
        return math.nan
    return state.sum_pv3 / (3 * state.sum_volume)


def is_above_vwap(price: int, state: VwapState) -> bool:
    """Whether `price` (1e-4 USD) is strictly above the VWAP, in exact integers. False while there is no VWAP."""
    return state.sum_volume > 0 and price * 3 * state.sum_volume > state.sum_pv3


def rsi_step(state: RsiState, close: int) -> RsiState:
    """Add one completed bar's close (1e-4 USD)."""
    if state.bars == 0:
        return RsiState(0, 1, close, 0.0, 0.0)
    change = close - state.previous_close
    gain = float(max(change, 0))
    loss = float(max(-change, 0))
    changes = state.changes + 1
    if changes < RSI_BARS:
        return RsiState(changes, state.bars + 1, close, state.average_gain + gain, state.average_loss + loss)
    if changes == RSI_BARS:
        average_gain = (state.average_gain + gain) / RSI_BARS
        average_loss = (state.average_loss + loss) / RSI_BARS
    else:
        average_gain = (state.average_gain * (RSI_BARS - 1) + gain) / RSI_BARS
        average_loss = (state.average_loss * (RSI_BARS - 1) + loss) / RSI_BARS
    return RsiState(changes, state.bars + 1, close, average_gain, average_loss)


def rsi_value(state: RsiState) -> float:
    """RSI, 0..100; NaN before 15 closes, and when no close has moved at all."""
    total = state.average_gain + state.average_loss
    if state.changes < RSI_BARS or total == 0.0:
        return math.nan
    return 100.0 * state.average_gain / total


def true_range(high: int, low: int, previous_close: int) -> int:
    """The larger of the bar's range and its distance from the previous close, 1e-4 USD."""
    return max(high - low, abs(high - previous_close), abs(previous_close - low))


def atr_step(state: AtrState, high: int, low: int, close: int) -> AtrState:
    """Add one completed bar. Until the 14th true range the average is the plain mean of those seen."""
    if state.bars == 0:
        return AtrState(0, 1, close, 0.0)
    this_range = float(true_range(high, low, state.previous_close))
    ranges = state.ranges + 1
    weight = min(ranges, ATR_BARS)
    average = (state.average * (weight - 1) + this_range) / weight
    return AtrState(ranges, state.bars + 1, close, average)


def atr_pct(state: AtrState, price: int) -> float:
    """ATR as a percentage of `price`; NaN before the first true range."""
    if state.ranges == 0 or price <= 0:
        return math.nan
    return 100.0 * state.average / price


class MinuteIndicators:
    """VWAP(20), RSI(14) and ATR(14) over one session's completed minute bars, from the open on."""

    def __init__(self) -> None:
        self.bars = 0
        self.last_volume = 0
        self.last_start_s = 0
        self.vwap = VwapState()
        self.rsi = RsiState()
        self.atr = AtrState()
        self.rsi_now = math.nan  # of the last completed bar
        self._window: deque[tuple[int, int]] = deque()  # (pv3, volume) of the last 20 bars, oldest first

    def add(self, bar: Bar) -> None:
        """Take the next completed bar. Raises ValueError when it is not later than the last one."""
        if bar.start_s <= self.last_start_s:
            raise ValueError(f"bar at {bar.start_s} is not after the last one at {self.last_start_s}")
        pv3 = typical_volume3(bar.high, bar.low, bar.close, bar.volume)
        leaving = self._window.popleft() if len(self._window) == VWAP_BARS else (0, 0)
        self._window.append((pv3, bar.volume))
        self.vwap = vwap_step(self.vwap, pv3, bar.volume, *leaving)
        self.rsi = rsi_step(self.rsi, bar.close)
        self.atr = atr_step(self.atr, bar.high, bar.low, bar.close)
        self.rsi_now = rsi_value(self.rsi)
        self.bars += 1
        self.last_volume = bar.volume
        self.last_start_s = bar.start_s


def daily_atr(bars: list[Bar]) -> AtrState:
    """The ATR over daily bars, oldest first."""
    state = AtrState()
    for bar in bars:
        state = atr_step(state, bar.high, bar.low, bar.close)
    return state
