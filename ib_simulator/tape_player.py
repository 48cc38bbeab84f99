"""Plays the tapes of all open markets: path points, publications, halts, in one order, to exchange and subscribers."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import timedelta

from ib_simulator.bar_store import split_price
from ib_simulator.data_service import DataService
from ib_simulator.exchange import Exchange
from ib_simulator.extended_market import ExtendedMarket
from ib_simulator.feeds.corporate_actions import Action, split_ratio
from ib_simulator.feeds.tape import Feed
from ib_simulator.market import SymbolMarket
from ib_simulator.market_phases import MarketEvent, MarketPhases
from ib_simulator.trading_hours import trading_hours
from market_hours import Session, new_york_date, utc_from_epoch
from trading.matching import BAR_SECONDS

POINT, PUBLICATION = 0, 1
PREVIOUS_CLOSE_DAYS = 10  # calendar days in which the previous session's close is looked for


class TapePlayer:
    """The markets of the session being played. `now_s` is the clock; `wake` is told when something is due earlier."""

    def __init__(self, feed: Feed, now_s: Callable[[], int], wake: Callable[[int], None], *, limit_bands: bool) -> None:
        self._feed = feed
        self._now_s = now_s
        self._wake = wake
        self._heap: list[tuple[int, int, int, str]] = []  # (second, phase, rank, symbol)
        self._rank: dict[str, int] = {}  # symbol -> order in which its market was opened
        self._moved: dict[str, SymbolMarket] = {}  # symbols whose price moved in this second
        self._last_prices: dict[str, int] = {}  # symbol -> last price of earlier sessions
        self._session: Session | None = None
        self.phases = MarketPhases(self, limit_bands=limit_bands)
        self.exchange: Exchange
        self.data: DataService

    def begin(self, session: Session) -> dict[str, list[Action]]:
        """Forget the markets of the session before. Returns what happened to stocks since then, by symbol."""
        previous, self._session = self._session, session
        self._heap.clear()
        self._rank.clear()
        self.exchange.markets = {}
        self.phases.new_session()
        if previous is None:
            return {}
        happened = {}
        for symbol, price in list(self._last_prices.items()):
            actions = [
                each for each in self._feed.actions(symbol) if previous.date < each.ex_date <= session.date
            ]  # sessions between the two may not have been played
            self._last_prices[symbol] = self._price_before(symbol, price, previous, session)
            if any(each.payout is not None for each in actions):
                del self._last_prices[symbol]
            if actions:
                happened[symbol] = actions
        return happened

    def schedule(self, event: MarketEvent) -> None:
        """Let something happen to a market or its data."""
        self.phases.schedule(event)
        self._wake(event.second)

    def next_s(self) -> int | None:
        """The next second at which something happens to a market or is told of it, None when there is none."""
        due = (self._heap[0][0] if self._heap else None, self.phases.next_s(), self.data.next_grid_s())
        return min((second for second in due if second is not None), default=None)

    def act(self, session: Session, second: int) -> None:
        """Everything that is due: events first, then path points before publications, then what follows from them."""
        exchange, data, heap, phases = self.exchange, self.data, self._heap, self.phases
        phases.run(second)
        while heap and heap[0][0] <= second:
            at_s, phase, rank, symbol = heapq.heappop(heap)
            market = exchange.markets[symbol]
            if phase == POINT:
                if phases.has_bands and phases.stops_at_next_point(market, at_s, session):
                    continue
                point = market.step()
                self._moved[symbol] = market
                data.on_point(market)
                exchange.on_point(market, point)
                following = market.next_point_s()
            else:
                data.on_published(market, market.publish())
                following = market.next_publication_s()
            if following is not None:
                heapq.heappush(heap, (following, phase, rank, symbol))
        for market in self._moved.values():
            data.on_moved(market)
        self._moved.clear()
        data.run_grid(second)

    def close(self) -> None:
        """The session is over: its last prices stand until the next one."""
        self._last_prices.update({symbol: m.last for symbol, m in self.exchange.markets.items() if m.last})

    def market(self, symbol: str) -> SymbolMarket | None:
        """The market of `symbol` in the current session, opened and moved to now when first asked for."""
        session = self._session
        if session is None:
            return None
        known = self.exchange.markets.get(symbol)
        if known is not None:
            return known
        try:
            tape = self._feed.tape(symbol, session)
        except LookupError:
            return None
        previous_close = self._previous_close(symbol, session)
        if self._feed.extended_hours:
            market: SymbolMarket = ExtendedMarket(tape, previous_close, trading_hours(session, extended=True))
        else:
            market = SymbolMarket(tape, previous_close)
        self._rank[symbol] = len(self._rank)
        self.exchange.markets[symbol] = market
        self._catch_up(market)
        self.phases.on_opened(market)
        self._queue(market)
        return market

    def price_of(self, symbol: str) -> int:
        """The last price of today or of an earlier session, 0 when unknown."""
        market = self.exchange.markets.get(symbol)
        if market is not None and market.last:
            return market.last
        return self._last_prices.get(symbol, 0)

    # The market phases' host

    def open_markets(self) -> list[SymbolMarket]:
        return list(self.exchange.markets.values())

    def market_for(self, symbol: str) -> SymbolMarket | None:
        return self.market(symbol)

    def on_phase(self, market: SymbolMarket) -> None:
        self._heap[:] = [entry for entry in self._heap if entry[3] != market.symbol]
        heapq.heapify(self._heap)
        self._queue(market)
        self.data.on_phase(market)

    def on_data_event(self, event: MarketEvent) -> None:
        self.data.on_event(event)

    def _catch_up(self, market: SymbolMarket) -> None:
        """Move a market to now without matching: nobody had an order in it."""
        now_s = self._now_s()
        while (point_s := market.next_point_s()) is not None and point_s <= now_s:
            while (end_s := market.next_publication_s()) is not None and end_s <= point_s - point_s % BAR_SECONDS:
                market.publish()
            market.step()
        while (end_s := market.next_publication_s()) is not None and end_s <= now_s:
            market.publish()

    def _queue(self, market: SymbolMarket) -> None:
        rank = self._rank[market.symbol]
        for phase, due_s in ((POINT, market.next_point_s()), (PUBLICATION, market.next_publication_s())):
            if due_s is not None:
                heapq.heappush(self._heap, (due_s, phase, rank, market.symbol))
                self._wake(due_s)

    def _price_before(self, symbol: str, price: int, previous: Session, session: Session) -> int:
        """The last price before `session` in its shares: that of `previous`, or of a session that was not played."""
        actions, day = self._feed.actions(symbol), previous.date
        unplayed = self._feed.daily(symbol, session.date, previous.date + timedelta(days=1))
        if unplayed:
            price, day = unplayed[-1].close, new_york_date(utc_from_epoch(unplayed[-1].start_s))
        ratio = split_ratio(actions, day, session.date)
        return price if ratio == 1 else split_price(price, ratio)

    def _previous_close(self, symbol: str, session: Session) -> int:
        earlier = self._feed.daily(symbol, session.date, session.date - timedelta(days=PREVIOUS_CLOSE_DAYS))
        if not earlier:
            return 0
        day = new_york_date(utc_from_epoch(earlier[-1].start_s))
        ratio = split_ratio(self._feed.actions(symbol), day, session.date)
        return earlier[-1].close if ratio == 1 else split_price(earlier[-1].close, ratio)
