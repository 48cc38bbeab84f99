"""Bars finer than a minute and single prints, read off a price path up to a cursor."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ib_simulator.plausible import WINDOW_S, window_volumes
from trading.bars import Bar
from trading.matching import BAR_SECONDS


class TapeView(NamedTuple):
    """A session's path up to the point number `n_points`. Prices in 1e-4 USD, times in epoch seconds.

    `window_volume` are recorded shares by start of a 5-second window; without them a minute's volume is spread
    over its windows by `plausible.window_volumes`.
    """

    point_s: Sequence[int]
    point_price: Sequence[int]
    n_points: int
    minute_volume: Mapping[int, int]  # start of a minute -> shares
    window_volume: Mapping[int, int]  # start of a 5-second window -> shares; empty when not recorded

    def price_before(self, second: int) -> int:
        """The last price shown before `second`, 0 when there was none."""
        known = bisect_left(self.point_s, second, 0, self.n_points)
        return self.point_price[known - 1] if known else 0

    def bar(self, start_s: int, end_s: int) -> Bar | None:
        """The bar of [start_s, end_s): flat at the last price where nothing traded, None before the first print."""
        first = bisect_left(self.point_s, start_s, 0, self.n_points)
        end = bisect_left(self.point_s, end_s, first, self.n_points)
        if first == end:
            if not first:
                return None
            price = self.point_price[first - 1]
            return Bar(start_s, price, price, price, price, self.volume_between(start_s, end_s))
        prices = self.point_price[first:end]
        volume = self.volume_between(start_s, end_s)
        return Bar(start_s, prices[0], max(prices), min(prices), prices[-1], volume)

    def bars(self, start_s: int, end_s: int, size_s: int) -> Iterator[Bar]:
        """The bars of `size_s` seconds from `start_s` (a multiple of it) on; the last one may be unfinished."""
        for at_s in range(start_s, end_s, size_s):
            bar = self.bar(at_s, min(at_s + size_s, end_s))
            if bar is not None:
                yield bar

    def volume_between(self, start_s: int, end_s: int) -> int:
        """Shares of the seconds [start_s, end_s); the shares of a 5-second window are spread evenly over it."""
        total = 0
        for window_s in range(start_s - start_s % WINDOW_S, end_s, WINDOW_S):
            shares = self._window(window_s)
            since = max(start_s - window_s, 0)
            until = min(end_s - window_s, WINDOW_S)
            total += shares * until // WINDOW_S - shares * since // WINDOW_S
        return total

    def prints(self, start_s: int, end_s: int) -> Iterator[tuple[int, int]]:
        """(second, price) of the path points in [start_s, end_s)."""
        first = bisect_left(self.point_s, start_s, 0, self.n_points)
        for index in range(first, bisect_left(self.point_s, end_s, first, self.n_points)):
            yield self.point_s[index], self.point_price[index]

    def n_until(self, second: int) -> int:
        """How many points were shown at or before `second`."""
        return bisect_right(self.point_s, second, 0, self.n_points)

    def _window(self, window_s: int) -> int:
        if self.window_volume:
            return self.window_volume.get(window_s, 0)
        minute_s = window_s - window_s % BAR_SECONDS
        volume = self.minute_volume.get(minute_s, 0)
        return window_volumes(volume, minute_s)[(window_s - minute_s) // WINDOW_S] if volume else 0
