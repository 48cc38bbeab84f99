"""One symbol's market in the session being played: where the tape stands, the quote, the volume budget."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from ib_simulator.feeds.tape import SessionTape
from trading.bars import Bar
from trading.matching import BAR_SECONDS, ask_at, bid_at, volume_left


class PathPoint(NamedTuple):
    """One price of the path. Price in 1e-4 USD; `jump`: reached without passing the prices between."""

    second: int
    price: int
    jump: bool


class SymbolMarket:
    """The tape of one symbol with a cursor. Nothing behind the cursor can be seen through it."""

    def __init__(self, tape: SessionTape, previous_close: int) -> None:
        self.symbol = tape.symbol
        self.previous_close = previous_close
        self.last = 0
        self.last_at_s = 0
        self.high = 0
        self.low = 0
        self.open = 0
        self.day_volume = 0
        self.recorded_half = 0
        self.published: list[Bar] = []
        self.building: Bar | None = None  # the unfinished minute as the path has shown it, volume 0
        self._bars = tape.bars()
        self._point_s: list[int] = tape.point_s.tolist()
        self._point_price: list[int] = tape.point_price.tolist()
        self._point_jump: list[bool] = tape.point_jump.tolist()
        self._spread_s: list[int] = [] if tape.spread_s is None else tape.spread_s.tolist()
        self._spread_half: list[int] = [] if tape.spread_half is None else tape.spread_half.tolist()
        self._next_point = 0
        self._next_bar = 0
        self._minute = 0
        self._filled_this_minute = 0

    @property
    def bid(self) -> int:
        return bid_at(self.last, self.recorded_half) if self.last else 0

    @property
    def ask(self) -> int:
        return ask_at(self.last, self.recorded_half) if self.last else 0

    @property
    def last_published_volume(self) -> int:
        return self.published[-1].volume if self.published else 0

    def next_point_s(self) -> int | None:
        """Second of the next path point, None after the last."""
        return self._point_s[self._next_point] if self._next_point < len(self._point_s) else None

    def next_publication_s(self) -> int | None:
        """Second at which the next completed bar is published, None after the last."""
        return self._bars[self._next_bar].start_s + BAR_SECONDS if self._next_bar < len(self._bars) else None

    def step(self) -> PathPoint:
        """Move to the next path point."""
        index = self._next_point
        self._next_point += 1
        second, price = self._point_s[index], self._point_price[index]
        if self._spread_s:
            known = bisect_right(self._spread_s, second)
            self.recorded_half = self._spread_half[known - 1] if known else 0
        self.last = price
        self.last_at_s = second
        self.open = self.open or price
        self.high = max(self.high, price)
        self.low = min(self.low or price, price)
        start_s = second - second % BAR_SECONDS
        bar = self.building
        if bar is None or bar.start_s != start_s:
            self.building = Bar(start_s, price, price, price, price, 0)
        else:
            self.building = Bar(start_s, bar.open, max(bar.high, price), min(bar.low, price), price, 0)
        return PathPoint(second, price, self._point_jump[index])

    def publish(self) -> Bar:
        """Publish the next completed bar: from now on its volume is known."""
        bar = self._bars[self._next_bar]
        self._next_bar += 1
        self.published.append(bar)
        self.day_volume += bar.volume
        if self.building is not None and self.building.start_s == bar.start_s:
            self.building = None
        return bar

    def volume_left(self, second: int) -> int:
        """Shares that may still fill in the minute of `second`."""
        if second // BAR_SECONDS != self._minute:
            return volume_left(self.last_published_volume, 0)
        return volume_left(self.last_published_volume, self._filled_this_minute)

    def take_volume(self, second: int, quantity: int) -> None:
        """Count shares filled against the minute's budget."""
        minute = second // BAR_SECONDS
        if minute != self._minute:
            self._minute, self._filled_this_minute = minute, 0
        self._filled_this_minute += quantity
