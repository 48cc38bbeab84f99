"""Bars: what the market published about one interval of one symbol."""

from __future__ import annotations

from typing import NamedTuple


class Bar(NamedTuple):
    """One completed bar. `start_s` is the epoch second (UTC) at which the interval starts.

    Prices are in 1e-4 USD, `volume` in shares. A bar is known only once its interval is over.
    """

    start_s: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def bar_fault(bar: Bar) -> str:
    """Why `bar` cannot be real, as words for a reader; empty when it can."""
    if min(bar.open, bar.high, bar.low, bar.close) <= 0:
        return "has a price that is zero or negative"
    if bar.volume < 0:
        return "has a negative volume"
    if not bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        return "has open or close outside low..high"
    return ""
