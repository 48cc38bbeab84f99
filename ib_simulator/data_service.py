"""Market data at the gateway: one face for contracts, quotes, bars and ticks, and who answers which request.

What a client is told follows from what the market has shown; nothing here moves it. Besides path points and
publications there is a grid of five seconds, on which real-time bars, bars shorter than a minute, delayed quotes
and (if asked for) unfinished bars are told. It costs nothing while nobody follows any of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ib_simulator import replies
from ib_simulator.bar_store import BarStore
from ib_simulator.client import ClientConnection
from ib_simulator.contract_service import ContractService
from ib_simulator.contracts import StockList
from ib_simulator.feeds.tape import Feed
from ib_simulator.history_service import HistoryService
from ib_simulator.market import SymbolMarket
from ib_simulator.market_data_permissions import Permission, Permissions
from ib_simulator.market_phases import EventKind, MarketEvent
from ib_simulator.pacing import Pacing, PacingLimits
from ib_simulator.past_service import PastService
from ib_simulator.plausible import WINDOW_S
from ib_simulator.quotes import QuoteService
from ib_simulator.realtime_bars import RealTimeBarService
from ib_simulator.request_types import (
    CancelHeadTimestamp,
    CancelHistoricalData,
    CancelMktData,
    CancelRealTimeBars,
    CancelTickByTick,
    ReqContractDetails,
    ReqFamilyCodes,
    ReqHeadTimestamp,
    ReqHistogramData,
    ReqHistoricalData,
    ReqHistoricalTicks,
    ReqMarketDataType,
    ReqMarketRule,
    ReqMatchingSymbols,
    ReqMktData,
    ReqMktDepthExchanges,
    ReqNewsProviders,
    ReqRealTimeBars,
    ReqSmartComponents,
    ReqSoftDollarTiers,
    ReqTickByTick,
    Request,
    SetServerLogLevel,
)
from ib_simulator.tick_by_tick import TickByTickService
from ib_simulator.trading_hours import TradingHours, trading_hours
from market_hours import Session, TradingCalendar
from trading.bars import Bar

Handlers = dict[type[Request], Callable[[ClientConnection, Any], None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """How market data is served. `bar_update_s`: 0 or 5, see `history_service`."""

    bar_update_s: int = 0
    permission: Permission = Permission.LIVE
    pacing: PacingLimits = field(default_factory=PacingLimits)


class DataService:
    """All subscriptions to market data. `market_of` opens a market; `session` is the one being played."""

    def __init__(
        self,
        stocks: StockList,
        feed: Feed,
        calendar: TradingCalendar,
        now: Callable[[], datetime],
        market_of: Callable[[str], SymbolMarket | None],
        options: DataOptions,
    ) -> None:
        self._feed = feed
        self._calendar = calendar
        self._now = now
        self._market_of = market_of
        self._grid_s = 0  # the last point of the grid that was told; 0 while nobody needs it
        self.permissions = Permissions(options.permission)
        self.pacing = Pacing(options.pacing, lambda: now().timestamp())
        self.session: Session
        self._hours: TradingHours
        self._store: BarStore | None = None
        common = stocks, market_of, self.permissions, self.pacing
        self._contracts = ContractService(stocks, calendar, lambda: self.session)
        self._quotes = QuoteService(*common, self._is_open)
        self._ticks = TickByTickService(*common)
        self._real_time = RealTimeBarService(*common)
        self._history = HistoryService(
            stocks, self._bar_store, self.permissions, self.pacing, now, options.bar_update_s, market_of
        )
        self._past = PastService(stocks, feed, self._bar_store, now)
        self.on_point: Callable[[SymbolMarket], None] = self._quotes.on_point
        self.on_moved: Callable[[SymbolMarket], None] = self._history.on_moved

    def handlers(self) -> Handlers:
        """Request type -> what answers it."""
        return {
            ReqContractDetails: self._contracts.tell_contract,
            ReqMatchingSymbols: self._contracts.tell_symbols,
            ReqMarketRule: self._contracts.tell_market_rule,
            ReqMktData: self._quotes.follow,
            CancelMktData: self._quotes.unfollow,
            ReqMarketDataType: self._quotes.set_type,
            ReqRealTimeBars: self._real_time.follow,
            CancelRealTimeBars: self._real_time.unfollow,
            ReqTickByTick: self._follow_ticks,
            CancelTickByTick: self._unfollow_ticks,
            ReqHistoricalData: self._history.tell,
            CancelHistoricalData: self._history.cancel,
            ReqHistoricalTicks: self._past.tell_ticks,
            ReqHistogramData: self._past.tell_histogram,
            ReqHeadTimestamp: self._past.tell_head_timestamp,
            CancelHeadTimestamp: _say_nothing,
            SetServerLogLevel: _say_nothing,
            ReqSoftDollarTiers: lambda client, request: client.send(replies.no_soft_dollar_tiers(request.req_id)),
            ReqSmartComponents: lambda client, request: client.send(replies.no_smart_components(request.req_id)),
            ReqFamilyCodes: lambda client, _: client.send(replies.no_family_codes()),
            ReqMktDepthExchanges: lambda client, _: client.send(replies.no_depth_exchanges()),
            ReqNewsProviders: lambda client, _: client.send(replies.no_news_providers()),
        }

    def begin(self, session: Session) -> None:
        """`session` is played from now on."""
        self.session = session
        self._hours = trading_hours(session, extended=self._feed.extended_hours)
        self._store = BarStore(self._feed, self._calendar, self._market_of, session)
        self._grid_s = 0
        self._quotes.new_session()

    def followed(self) -> list[str]:
        """Symbols that somebody is subscribed to, sorted."""
        finer = [line.symbol for line in self._ticks.lines] + [line.symbol for line in self._real_time.lines]
        return sorted({*self._quotes.followed(), *self._history.followed(), *finer})

    def forget(self, client: ClientConnection) -> None:
        """Drop all subscriptions of a client that is gone."""
        for service in (self._quotes, self._real_time, self._history, self._ticks, self.pacing):
            service.forget(client)
        self._see_ticks()

    # What happens at the market. `on_point` and `on_moved` are attributes: they run for every price

    def on_published(self, market: SymbolMarket, bar: Bar) -> None:
        """A minute is complete."""
        self._history.on_published(market, bar)
        self._quotes.on_published(market)

    def on_phase(self, market: SymbolMarket) -> None:
        """The market was halted or has reopened."""
        self._quotes.on_phase(market)

    def on_event(self, event: MarketEvent) -> None:
        """The data feed changes: permissions, or ticks that do not come. Raises ValueError on an unknown permission."""
        if event.kind is EventKind.PERMISSION:
            self.set_permission(Permission(event.permission), event.symbol)
        elif event.kind in (EventKind.STALE_QUOTES, EventKind.FRESH_QUOTES):
            self._quotes.set_stale(event.symbol, stale=event.kind is EventKind.STALE_QUOTES)

    def set_permission(self, permission: Permission, symbol: str = "") -> None:
        """Let the account see `symbol` (empty: everything) so from now on; open lines change at once."""
        self.permissions.set(permission, symbol)
        self._quotes.refresh_permissions(symbol)

    # The grid of five seconds

    def next_grid_s(self) -> int | None:
        """The next point of the grid, None while nobody needs it."""
        if not (self._real_time.lines or self._history.needs_grid or self._quotes.has_delayed):
            self._grid_s = 0
            return None
        if not self._grid_s:
            now_s = int(self._now().timestamp())
            self._grid_s = now_s - now_s % WINDOW_S
        return self._grid_s + WINDOW_S

    def run_grid(self, second: int) -> None:
        """Tell every point of the grid until `second`, in order."""
        while (grid_s := self.next_grid_s()) is not None and grid_s <= second:
            self._grid_s = grid_s
            self._real_time.on_grid(grid_s)
            if self._history.needs_grid:
                self._history.on_grid(grid_s, self._market_of)
            self._quotes.on_grid(grid_s)

    def _follow_ticks(self, client: ClientConnection, request: ReqTickByTick) -> None:
        self._ticks.follow(client, request)
        self._see_ticks()

    def _unfollow_ticks(self, client: ClientConnection, request: CancelTickByTick) -> None:
        self._ticks.unfollow(client, request)
        self._see_ticks()

    def _see_ticks(self) -> None:
        self._quotes.follow_closer = self._ticks.on_point if self._ticks.lines else None

    def _bar_store(self) -> BarStore:
        if self._store is None:
            raise RuntimeError("no session was begun")
        return self._store

    def _is_open(self) -> bool:
        return self._hours.is_on(int(self._now().timestamp()))


def _say_nothing(_client: ClientConnection, _request: Request) -> None:
    """The gateway does not answer this request."""
