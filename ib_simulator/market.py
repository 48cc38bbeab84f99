"""One symbol's market in the session being played: where the tape stands, the quote, the volume budget."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from enum import IntEnum
from typing import NamedTuple

from ib_simulator.feeds.tape import SessionTape
from ib_simulator.path_bars import TapeView
from trading.bars import Bar
from trading.matching import BAR_SECONDS, ask_at, bid_at, volume_left
from trading.money import floor_to_tick


class PathPoint(NamedTuple):
    """One price of the path. Price in 1e-4 USD; `jump`: reached without passing the prices between."""

    second: int
    price: int
    jump: bool


class Halt(IntEnum):
    """The values of tick 49."""

    TRADING = 0
    REGULATORY = 1
    VOLATILITY = 2


class SymbolMarket:
    """The tape of one symbol with a cursor. Nothing behind the cursor can be seen through it.

    A halt takes the path behind the cursor away; the reopening puts back what is left of it, moved by the jump.
    """

    def __init__(self, tape: SessionTape, previous_close: int) -> None:
        self.symbol = tape.symbol
        self.previous_close = previous_close
        self.last = 0
        self.last_at_s = 0
        self.high = 0
        self.low = 0
        self.open = 0
        self.day_volume = 0
        self.day_value = 0  # Σ close × shares of published bars, 1e-4 USD
        self.recorded_half = 0
        self.halt = Halt.TRADING
        self.published: list[Bar] = []
        self.building: Bar | None = None  # the unfinished minute as the path has shown it, volume 0
        self._bars = list(tape.bars())
        self._point_s: list[int] = tape.point_s.tolist()
        self._point_price: list[int] = tape.point_price.tolist()
        self._point_jump: list[bool] = tape.point_jump.tolist()
        self._spread_s: list[int] = [] if tape.spread_s is None else tape.spread_s.tolist()
        self._spread_half: list[int] = [] if tape.spread_half is None else tape.spread_half.tolist()
        self._tape = tape
        self._windows: dict[int, int] = {}
        self._minute_volume: dict[int, int] | None = None  # start of a minute -> its shares, made when needed
        self._next_point = 0
        self._next_bar = 0
        self._minute = 0
        self._filled_this_minute = 0
        self._later_points: list[PathPoint] = []  # while halted: what the tape has behind the cursor
        self._later_bars: list[Bar] = []
        self._cut: Bar | None = None  # the minute in which the halt began, as the tape has it

    @property
    def bid(self) -> int:
        return bid_at(self.last, self.recorded_half) if self.last else 0

    @property
    def ask(self) -> int:
        return ask_at(self.last, self.recorded_half) if self.last else 0

    @property
    def last_published_volume(self) -> int:
        return self.published[-1].volume if self.published else 0

    @property
    def day_vwap_usd(self) -> float:
        """Volume-weighted price of the published bars in USD, 0.0 before the first."""
        return self.day_value / self.day_volume / 10_000 if self.day_volume else 0.0

    def is_regular(self, second: int) -> bool:
        """Whether `second` lies in the regular session: always, where nothing else is shown."""
        return True

    def next_point_s(self) -> int | None:
        """Second of the next path point, None after the last."""
        return self._point_s[self._next_point] if self._next_point < len(self._point_s) else None

    def next_price(self) -> int:
        """Price of the next path point. Raises IndexError after the last."""
        return self._point_price[self._next_point]

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
        self.day_value += bar.volume * bar.close
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

    # What was shown so far, finer than minutes

    def seen(self) -> TapeView:
        """Everything up to the cursor, for bars of any size and for ticks."""
        if self._minute_volume is None:
            self._minute_volume = {bar.start_s: bar.volume for bar in self._bars}
            self._windows = self._windows or self._tape.window_volumes()
        return TapeView(self._point_s, self._point_price, self._next_point, self._minute_volume, self._windows)

    def building_at(self, second: int) -> Bar | None:
        """The unfinished minute with its volume so far, None between minutes."""
        bar = self.building
        return bar and bar._replace(volume=self.seen().volume_between(bar.start_s, second))

    # Interventions

    def stop(self, halt: Halt) -> None:
        """Halt trading: no further path point, no further bar but the one that has begun. Idempotent."""
        if not self.halt:
            cursor = self._next_point
            later = zip(self._point_s[cursor:], self._point_price[cursor:], self._point_jump[cursor:], strict=True)
            self._later_points = [PathPoint(*point) for point in later]
            kept = self._next_bar + (self.building is not None)
            self._later_bars = self._bars[kept:]
            del self._point_s[cursor:], self._point_price[cursor:], self._point_jump[cursor:], self._bars[kept:]
            if self.building is not None:
                self._cut = self._bars[-1]
                self._redraw(self._cut)
        self.halt = halt

    def reopen(self, second: int, jump_bps: int) -> None:
        """Trade again: a first print at `second` where the tape is by then, `jump_bps` away; all later prices follow.

        The rest of the session keeps the distance, in whole ticks. Does nothing when trading is not halted.
        """
        if not self.halt:
            return
        self.halt = Halt.TRADING
        split = bisect_right(self._later_points, second, key=lambda point: point.second)
        missed, later = self._later_points[:split], self._later_points[split:]
        base = missed[-1].price if missed else self.last
        away = floor_to_tick(abs(base * jump_bps // 10_000)) * (1 if jump_bps > 0 else -1)
        bars = [bar for bar in self._later_bars if bar.start_s + BAR_SECONDS > second]
        self._later_points, self._later_bars = [], []
        if base:
            self._append(PathPoint(second, _moved(base, away), True))
        for point in later:
            self._append(point._replace(price=_moved(point.price, away)))
        first = len(self._bars)
        self._bars += [_moved_bar(bar, away) for bar in bars]
        reopened_s = second - second % BAR_SECONDS
        if first < len(self._bars) and self._bars[first].start_s == reopened_s:
            self._redraw(self._bars[first])
        elif self._cut is not None and self._cut.start_s == reopened_s and first > self._next_bar:
            self._bars[first - 1] = self._cut  # halted and reopened within one minute
            self._redraw(self._cut)
        self._cut = None
        self._minute_volume = None

    def amend(self, price: int) -> None:
        """Let the next path point show another price; the bar of its minute shows it too."""
        self._point_price[self._next_point] = price
        second = self._point_s[self._next_point]
        for bar in self._bars[self._next_bar : self._next_bar + 2]:
            if bar.start_s == second - second % BAR_SECONDS:
                self._redraw(bar)

    def _append(self, point: PathPoint) -> None:
        self._point_s.append(point.second)
        self._point_price.append(point.price)
        self._point_jump.append(point.jump)

    def _redraw(self, bar: Bar) -> None:
        """Make a bar say what its path points say; its volume shrinks with the share of the minute that traded."""
        index = self._bars.index(bar)
        first, end = (bisect_left(self._point_s, bar.start_s + ahead) for ahead in (0, BAR_SECONDS))
        prices = self._point_price[first:end]
        if not prices:
            del self._bars[index]
        else:
            traded_s = self._point_s[end - 1] - self._point_s[first] + 1
            volume = bar.volume * min(traded_s, BAR_SECONDS) // BAR_SECONDS if traded_s < BAR_SECONDS else bar.volume
            self._bars[index] = Bar(bar.start_s, prices[0], max(prices), min(prices), prices[-1], volume)
        self._minute_volume = None


def _moved(price: int, away: int) -> int:
    return max(floor_to_tick(price + away), 1)


def _moved_bar(bar: Bar, away: int) -> Bar:
    open_, high, low, close = (_moved(price, away) for price in bar[1:5])
    return Bar(bar.start_s, open_, high, low, close, bar.volume)
