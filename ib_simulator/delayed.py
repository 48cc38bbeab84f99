"""A market as it was some time ago, for clients with delayed data."""

from __future__ import annotations

from typing import NamedTuple

from ib_simulator.market import SymbolMarket
from trading.matching import BAR_SECONDS, ask_at, bid_at


class Past(NamedTuple):
    """A market at an earlier second. Prices in 1e-4 USD, the day's volume in shares."""

    last: int
    at_s: int
    open: int
    high: int
    low: int
    bid: int
    ask: int
    volume: int


class DelayedView:
    """Follows a market at a distance. Each point and bar is looked at once."""

    def __init__(self, market: SymbolMarket) -> None:
        self.state: Past | None = None
        self._market = market
        self._next_point = 0
        self._next_bar = 0
        self._volume = 0

    def move_to(self, second: int) -> Past | None:
        """The market at `second`, which never goes back; None before its first trade."""
        seen, state = self._market.seen(), self.state
        until = seen.n_until(second)
        if until > self._next_point:
            prices = seen.point_price[self._next_point : until]
            last, half = prices[-1], self._market.recorded_half
            state = Past(
                last=last,
                at_s=seen.point_s[until - 1],
                open=state.open if state else prices[0],
                high=max(max(prices), state.high if state else 0),
                low=min(min(prices), state.low if state else prices[0]),
                bid=bid_at(last, half),
                ask=ask_at(last, half),
                volume=0,
            )
            self._next_point = until
        published = self._market.published
        while self._next_bar < len(published) and published[self._next_bar].start_s + BAR_SECONDS <= second:
            self._volume += published[self._next_bar].volume
            self._next_bar += 1
        self.state = state and state._replace(volume=self._volume)
        return self.state
