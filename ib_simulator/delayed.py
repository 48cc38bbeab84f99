"""A market as it was 15 minutes ago, for clients with delayed data."""

from __future__ import annotations

from typing import NamedTuple

from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.market import SymbolMarket
from ib_simulator.plausible import quote_shares, trade_shares
from trading.matching import BAR_SECONDS, ask_at, bid_at

DELAY_S = 900
BID, ASK, LAST, HIGH, LOW, CLOSE, OPEN = 66, 67, 68, 72, 73, 75, 76  # tick types of delayed prices
BID_SIZE, ASK_SIZE, LAST_SIZE, VOLUME, LAST_TIME = 69, 70, 71, 74, 88


class Past(NamedTuple):
    """A market at an earlier second. Prices in 1e-4 USD, the day's volume in shares.

    Open, high and low are those of the regular session, 0 before it.
    """

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
            seconds = seen.point_s[self._next_point : until]
            regular = [price for at_s, price in zip(seconds, prices, strict=True) if self._market.is_regular(at_s)]
            lows = [state.low] if state and state.low else []
            state = Past(
                last=last,
                at_s=seen.point_s[until - 1],
                open=(state.open if state else 0) or next(iter(regular), 0),
                high=max([*regular, state.high if state else 0]),
                low=min([*regular, *lows], default=0),
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


class DelayedLine:
    """What one market data line is told of a market."""

    def __init__(self, client: ClientConnection, req_id: int, market: SymbolMarket) -> None:
        self._client = client
        self._req_id = req_id
        self._view = DelayedView(market)
        if market.previous_close:
            client.send(replies.tick_price(req_id, CLOSE, market.previous_close / 10_000, 0))

    def tell(self, second: int) -> None:
        """All ticks if anything changed, as of 15 minutes before `second`."""
        client, req_id = self._client, self._req_id
        before = self._view.state
        now = self._view.move_to(second - DELAY_S)
        if now is None or now == before:
            return
        for kind, size_kind, price, shares in (
            (BID, BID_SIZE, now.bid, quote_shares(now.bid, now.at_s)),
            (ASK, ASK_SIZE, now.ask, quote_shares(now.ask, now.at_s)),
            (LAST, LAST_SIZE, now.last, trade_shares(now.last, now.at_s)),
        ):
            size = replies.market_data_size(client.version, shares)
            client.send(replies.tick_price_and_size(req_id, kind, size_kind, price / 10_000, size))
        client.send(
            replies.tick_string(req_id, LAST_TIME, str(now.at_s)),
            replies.tick_size(req_id, VOLUME, replies.market_data_size(client.version, now.volume)),
        )
        for kind, price in ((HIGH, now.high), (LOW, now.low), (OPEN, now.open)):
            if price:  # none of them before the open
                client.send(replies.tick_price(req_id, kind, price / 10_000, 0))
