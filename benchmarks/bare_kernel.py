"""The yardstick of the research engine: the strategy's core as a bare fused kernel, written by hand for speed alone.

One symbol, float64, no account, no rules, no volume: rolling VWAP(20), Wilder's RSI(14), entry at the next open,
stop and target inside the bar, exit at the end of the day, and a log of round trips. Nothing of the product uses it.

It does less than the rules ask for: floats round, and multiplying is quicker than dividing. What the same loop takes in
the rules' own arithmetic (integers, Wilder's divisions) is told by `bare_by_the_rules`.
"""

from __future__ import annotations

from typing import Any

from research.compiled import compiled
from trading.indicators import RsiState, VwapState, is_above_vwap, rsi_step, rsi_value, typical_volume3, vwap_step
from trading.matching import entry_stop_price, entry_target_price

VWAP_BARS, RSI_BARS = 20, 14


def bare(
    open_: Any,
    high: Any,
    low: Any,
    close: Any,
    volume: Any,
    first: Any,
    atr: Any,
    target: float,
    stop: float,
    rsi_cap: float,
    atr_floor: float,
    trips: Any,
) -> int:
    """Count round trips; `first` are offsets of sessions, rows of `trips` bar in, bar out, price in, price out."""
    count = 0
    keep, add = (RSI_BARS - 1) / RSI_BARS, 1 / RSI_BARS
    for session in range(len(first) - 1):
        begin, end = first[session], first[session + 1]
        gain = loss = 0.0
        sum_pv = sum_v = 0.0
        held = False
        opened, paid, stop_at, target_at = 0, 0.0, 0.0, 0.0
        previous = close[begin]
        for i in range(begin, end):
            h, l, c, v = high[i], low[i], close[i], volume[i]  # noqa: E741
            if held:
                out = 0.0
                if l <= stop_at:
                    out = min(stop_at, open_[i])
                elif h >= target_at:
                    out = max(target_at, open_[i])
                elif i >= end - 5:
                    out = open_[i]
                if out > 0.0:
                    if count < len(trips):
                        trips[count, 0], trips[count, 1], trips[count, 2], trips[count, 3] = opened, i, paid, out
                    count += 1
                    held = False
            sum_pv += (h + l + c) * v
            sum_v += v
            if i - begin >= VWAP_BARS:
                j = i - VWAP_BARS
                sum_pv -= (high[j] + low[j] + close[j]) * volume[j]
                sum_v -= volume[j]
            change = c - previous
            previous = c
            up, down = max(change, 0.0), max(-change, 0.0)
            if i - begin > RSI_BARS:
                gain = gain * keep + up * add
                loss = loss * keep + down * add
            else:
                gain += up * add
                loss += down * add
            if (
                not held
                and i - begin >= VWAP_BARS - 1
                and i < end - 16
                and 3.0 * c * sum_v > sum_pv
                and 100.0 * gain < rsi_cap * (gain + loss)
                and 100.0 * atr[session] > atr_floor * c
            ):
                held = True
                opened = i + 1
                paid = open_[i + 1]
                stop_at, target_at = paid * (1.0 - stop), paid * (1.0 + target)
    return count


def bare_by_the_rules(
    open_: Any,
    high: Any,
    low: Any,
    close: Any,
    volume: Any,
    first: Any,
    atr: Any,
    target_bps: int,
    stop_bps: int,
    rsi_cap: float,
    atr_floor: float,
    trips: Any,
) -> int:
    """`bare` with the functions of `trading/`: prices, sums, stop and target in integers of 1e-4 USD."""
    count = 0
    for session in range(len(first) - 1):
        begin, end = first[session], first[session + 1]
        rsi, vwap = RsiState(0, 0, 0, 0.0, 0.0), VwapState(0, 0)
        held = False
        opened, paid, stop_at, target_at = 0, 0, 0, 0
        for i in range(begin, end):
            if held:
                out = 0
                if low[i] <= stop_at:
                    out = min(stop_at, open_[i])
                elif high[i] >= target_at:
                    out = max(target_at, open_[i])
                elif i >= end - 5:
                    out = open_[i]
                if out > 0:
                    if count < len(trips):
                        trips[count, 0], trips[count, 1], trips[count, 2], trips[count, 3] = opened, i, paid, out
                    count += 1
                    held = False
            leaving, leaving_volume = 0, 0
            if i - begin >= VWAP_BARS:
                j = i - VWAP_BARS
                leaving, leaving_volume = typical_volume3(high[j], low[j], close[j], volume[j]), volume[j]
            entering = typical_volume3(high[i], low[i], close[i], volume[i])
            vwap = vwap_step(vwap, entering, volume[i], leaving, leaving_volume)
            rsi = rsi_step(rsi, close[i])
            if (
                not held
                and i - begin >= VWAP_BARS - 1
                and i < end - 16
                and is_above_vwap(close[i], vwap)
                and rsi_value(rsi) < rsi_cap
                and 100.0 * atr[session] > atr_floor * close[i]
            ):
                held = True
                opened = i + 1
                paid = open_[i + 1]
                stop_at, target_at = entry_stop_price(paid, stop_bps), entry_target_price(paid, target_bps)
    return count


def compiled_bare_by_the_rules() -> Any:
    """The same, compiled as the engine is."""
    return compiled(bare_by_the_rules)


def compiled_bare() -> Any:
    """The kernel, compiled with the options of the engine: two divisions at once, no fastmath."""
    import numba

    numba.config.SLP_VECTORIZE = 1
    return numba.njit(bare)
