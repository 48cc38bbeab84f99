"""A market that also trades before the open and after the close."""

from __future__ import annotations

from ib_simulator.feeds.tape import SessionTape
from ib_simulator.market import PathPoint, SymbolMarket
from ib_simulator.trading_hours import TradingHours


class ExtendedMarket(SymbolMarket):
    """Open, high and low are those of the regular session; the day's volume is that of the whole day.

    The volume of one phase allows no fills in the next: the minute of the closing auction says nothing about how
    much trades after it.
    """

    def __init__(self, tape: SessionTape, previous_close: int, hours: TradingHours) -> None:
        super().__init__(tape, previous_close)
        self._hours = hours

    @property
    def last_published_volume(self) -> int:
        """Shares of the last published minute, 0 when that belongs to another phase of the day."""
        bar = self.published[-1] if self.published else None
        if bar is None or self._hours.phase_of(bar.start_s) != self._hours.phase_of(self.last_at_s):
            return 0
        return bar.volume

    def is_regular(self, second: int) -> bool:
        return self._hours.is_regular(second)

    def step(self) -> PathPoint:
        """The next point of the path; outside the regular session it leaves open, high and low as they are."""
        open_, high, low = self.open, self.high, self.low
        point = super().step()
        if not self._hours.is_regular(point.second):
            self.open, self.high, self.low = open_, high, low
        return point
