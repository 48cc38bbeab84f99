"""The simulated gateway: a TCP server that speaks the TWS protocol over an exchange, an account and a feed.

It acts at whole seconds of its clock: path points of the price, publication of bars, time conditions of orders,
in this order. Requests are served when they arrive. With a simulated clock a whole day takes a second or so.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from ib_simulator import replies
from ib_simulator.account import Account
from ib_simulator.account_service import REFRESH_S, AccountService
from ib_simulator.client import ClientConnection, Tap, Witness
from ib_simulator.contracts import StockList
from ib_simulator.data_service import DataService
from ib_simulator.exchange import Exchange
from ib_simulator.feeds.tape import Feed
from ib_simulator.listener import Listener
from ib_simulator.market import SymbolMarket
from ib_simulator.order_service import OrderService
from ib_simulator.request_types import (
    CancelAccountSummary,
    CancelHistoricalData,
    CancelMktData,
    CancelOrder,
    CancelPositions,
    PlaceOrder,
    ReqAccountSummary,
    ReqAccountUpdates,
    ReqAccountUpdatesMulti,
    ReqAllOpenOrders,
    ReqAutoOpenOrders,
    ReqCompletedOrders,
    ReqContractDetails,
    ReqCurrentTime,
    ReqExecutions,
    ReqGlobalCancel,
    ReqHeadTimestamp,
    ReqHistoricalData,
    ReqIds,
    ReqManagedAccounts,
    ReqMarketRule,
    ReqMatchingSymbols,
    ReqMktData,
    ReqOpenOrders,
    ReqPositions,
    Request,
)
from market_hours import NEW_YORK, Clock, Session, TradingCalendar, new_york_date, utc_from_epoch
from trading.costs import fee_schedule_on
from trading.matching import BAR_SECONDS

if TYPE_CHECKING:
    from ib_simulator.faults import FaultInjector

log = logging.getLogger(__name__)

POINT, PUBLICATION = 0, 1
FARM_NOTICES = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)
PREVIOUS_CLOSE_DAYS = 10  # calendar days in which the previous session's close is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """How the simulated account and socket are set up. Money in 1e-6 USD."""

    account_id: str = "DU1000001"
    cash: int = 1_000_000_000_000
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free port
    speed: float = 1.0  # seconds of the clock that pass in one second of the event loop
    stop_on_error: bool = True  # a request that cannot be served ends `play`; else the client alone hears of it


class Gateway:
    """A gateway that is logged in. `play` runs its sessions; `start` and `stop` open and close the socket."""

    def __init__(
        self, feed: Feed, calendar: TradingCalendar, clock: Clock, symbols: Sequence[str], options: GatewayOptions
    ) -> None:
        self._feed = feed
        self._calendar = calendar
        self._clock = clock
        self._options = options
        self._clients: list[ClientConnection] = []
        self._heap: list[tuple[int, int, int, str]] = []  # (second, phase, rank, symbol)
        self._last_prices: dict[str, int] = {}  # symbol -> last price of earlier sessions
        self._moved: dict[str, SymbolMarket] = {}  # symbols whose price moved in this second
        self._rank: dict[str, int] = {}  # symbol -> order in which its market was opened
        self._wake = asyncio.Event()
        self._wake_s = 0.0
        self.listener = Listener(self, options.host, options.port)
        self.tap: Tap | None = None  # the faults, once there are any
        self.witness: Witness | None = None
        self.faults: FaultInjector | None = None
        self._stocks = StockList(symbols)
        self.account = Account(options.account_id, options.cash, self._price_of)
        self.orders = OrderService(self._stocks, options.account_id, clock.now, lambda: self._clients)
        self.data = DataService(self._stocks, feed, calendar, clock.now)
        self._accounts = AccountService(self.account, self._stocks, clock.now)
        self.exchange = Exchange(self.orders, self.account, fee_schedule_on(clock.now().date()))
        self.orders.exchange = self.exchange
        self.orders.on_fill = self._accounts.on_fill
        self.orders.open_market = self._market
        self.orders.next_open = self._next_open
        self.data.market_of = self._market
        self._session: Session | None = None
        self._fault: Exception | None = None  # of a request; raised where the sessions are played
        self._handlers: dict[type[Request], Callable[[ClientConnection, Any], None]] = {
            ReqCurrentTime: lambda client, _: client.send(replies.current_time(int(clock.now().timestamp()))),
            ReqManagedAccounts: lambda client, _: client.send(replies.managed_accounts([options.account_id])),
            ReqIds: lambda client, _: client.send(
                replies.next_valid_id(self.orders.next_valid_id(client.client_id or 0))
            ),
            ReqContractDetails: self.data.tell_contract,
            ReqMatchingSymbols: self.data.tell_symbols,
            ReqMarketRule: self.data.tell_market_rule,
            ReqMktData: self.data.follow_quotes,
            CancelMktData: self.data.unfollow_quotes,
            ReqHistoricalData: self.data.tell_history,
            CancelHistoricalData: self.data.cancel_history,
            ReqHeadTimestamp: self.data.tell_head_timestamp,
            PlaceOrder: self.orders.place,
            CancelOrder: self.orders.cancel,
            ReqGlobalCancel: lambda _client, _: self.orders.cancel_all(),
            ReqOpenOrders: lambda client, _: self.orders.tell_open(client, all_clients=False),
            ReqAllOpenOrders: lambda client, _: self.orders.tell_open(client, all_clients=True),
            ReqAutoOpenOrders: self._auto_open_orders,
            ReqCompletedOrders: lambda client, request: self.orders.tell_completed(client, api_only=request.api_only),
            ReqExecutions: self.orders.tell_executions,
            ReqPositions: lambda client, _: self._accounts.tell_positions(client),
            CancelPositions: lambda client, _: self._accounts.stop_positions(client),
            ReqAccountUpdates: self._accounts.follow_updates,
            ReqAccountUpdatesMulti: self._accounts.tell_multi,
            ReqAccountSummary: self._accounts.follow_summary,
            CancelAccountSummary: lambda client, request: self._accounts.stop_summary(client, request.req_id),
        }

    def _next_open(self) -> datetime:
        """When the exchange opens next."""
        session, now = self._session, self._clock.now()
        if session is not None and now < session.open:
            return session.open
        return self._calendar.next_session(new_york_date(now)).open

    # Socket

    async def start(self) -> int:
        """Listen; returns the port. Raises Misconfigured when it is taken."""
        return await self.listener.open()

    async def stop(self) -> None:
        """Close the listener and all clients."""
        self.listener.close()
        for client in list(self.listener.sockets):
            client.close()

    def inject(self, faults: FaultInjector) -> None:
        """Let these faults happen. Before `play`."""
        self.faults = self.tap = faults
        if self._session is not None:
            faults.on_session(self._session)

    def now(self) -> datetime:
        """The clock's now."""
        return self._clock.now()

    def session_date(self) -> date:
        """The day being played."""
        return self._session.date if self._session is not None else new_york_date(self._clock.now())

    @property
    def clients(self) -> list[ClientConnection]:
        """Connections that have said startApi, in that order."""
        return self._clients

    def connection_time_text(self) -> str:
        return replies.exchange_time_text(replies.ZONED_TIMES_VERSION, self._clock.now())

    def on_start(self, client: ClientConnection, client_id: int) -> None:
        held = self.faults is not None and self.faults.holds_client_id(client_id)
        if held or any(other.client_id == client_id for other in self._clients):
            client.error(
                -1, 326, "Unable to connect as the client id is already in use. Retry with a unique client id."
            )
            client.close()
            return
        client.client_id = client_id
        self._clients.append(client)
        client.send(
            replies.managed_accounts([self._options.account_id]),
            replies.next_valid_id(self.orders.next_valid_id(client_id)),
        )
        for code, text in FARM_NOTICES:
            client.error(-1, code, text)
        if self.faults is not None:
            self.faults.on_started(client)

    def on_request(self, client: ClientConnection, request: Request) -> None:
        handler = self._handlers.get(type(request))
        if handler is None:
            client.error(
                getattr(request, "req_id", -1), 321, f"Error validating request.-'bA' : cause - {_not_served(request)}"
            )
            return
        self.exchange.now_s = int(self._clock.now().timestamp())
        try:
            handler(client, request)
        except Exception as error:
            log.exception("%s could not be served", type(request).__name__)
            if self._options.stop_on_error:
                self._fault = self._fault or error
                self._wake.set()
            else:
                client.error(getattr(request, "req_id", -1), 320, "Error reading request:it could not be served")
            return
        condition_s = self.exchange.next_condition_s()
        if condition_s is not None and condition_s < self._wake_s:
            self._wake.set()

    def on_lost(self, client: ClientConnection) -> None:
        self.listener.forget(client)
        if self.faults is not None:
            self.faults.on_lost(client)
        if client in self._clients:
            self._clients.remove(client)
        self.data.forget(client)
        self._accounts.forget(client)

    def wake(self) -> None:
        """Something new may be due before what `play` waits for."""
        self._wake.set()

    def flush(self) -> None:
        for client in list(self._clients):
            client.write()

    def _auto_open_orders(self, client: ClientConnection, request: ReqAutoOpenOrders) -> None:
        if client.client_id != 0:
            client.error(-1, 327, "Only API connections with clientId set to 0 can set the auto bind orders property.")

    # Sessions

    async def play(self, sessions: Sequence[Session]) -> None:
        """Run sessions one after the other. Between two of them the last one's prices stand."""
        for session in sessions:
            await self._wait_until(self._midnight_before(session))
            self._begin(session)
            while (second := self._next_second(session)) is not None:
                if await self._reach(second):
                    self._act(session, second)
                    self.flush()

    async def idle(self) -> None:
        """Serve clients for ever while no session is played."""
        while True:
            await self._wait_until(self._clock.now() + timedelta(days=1))

    async def _wait_until(self, when: datetime) -> None:
        """Wait with no market."""
        while self._clock.now() < when:
            await self._reach(when.timestamp())

    async def _reach(self, moment: float) -> bool:
        """Wait for `moment` (epoch seconds) or what comes first: True when it is here. Faults come before all else."""
        faults = self.faults
        fault_s = faults.next_s() if faults is not None else None
        slept = await self._sleep_until(moment if fault_s is None else min(moment, fault_s))
        if self._fault is not None:
            raise self._fault
        if faults is None or fault_s is None or not slept or fault_s > moment:
            return slept
        faults.act(fault_s)
        self.flush()
        if faults.wants_listener and not self.listener.is_open:
            await self.listener.open()
        return fault_s == moment

    def begin(self, session: Session) -> None:
        """Make `session` the current one before `play` runs, so that clients can be served at once."""
        self._begin(session)

    def _midnight_before(self, session: Session) -> datetime:
        """When the gateway forgets the day before: midnight in New York. The first session begins at once."""
        if self._session is None:
            return self._clock.now()
        return datetime.combine(session.date, time(0), NEW_YORK)

    def _begin(self, session: Session) -> None:
        if self._session == session:
            return
        self._session = session
        self.data.session = session
        if self.faults is not None:
            self.faults.on_session(session)
        self.exchange.rates = fee_schedule_on(session.date)
        self.exchange.markets = {}
        self._heap.clear()
        self._rank.clear()
        self.account.new_session()
        self.orders.new_session()
        ordered = {order.symbol for order in self.exchange.orders.values()}
        for symbol in sorted({*self.data.followed(), *self.account.holdings, *ordered}):
            self._market(symbol)

    def _next_second(self, session: Session) -> int | None:
        """The next second at which something happens, None when the session is over."""
        now_s = int(self._clock.now().timestamp())
        if not self.exchange.is_open:
            return session.open_s if now_s <= session.open_s else None
        due = [session.close_s, now_s - now_s % REFRESH_S + REFRESH_S]
        if self._heap:
            due.append(self._heap[0][0])
        condition_s = self.exchange.next_condition_s()
        if condition_s is not None:
            due.append(condition_s)
        return max(min(due), now_s)

    async def _sleep_until(self, second: float) -> bool:
        """True at `second`; False when something earlier came up."""
        self._wake_s = second
        self._wake.clear()
        left_s = (utc_from_epoch(second) - self._clock.now()).total_seconds()
        if left_s <= 0:
            return True
        try:
            await asyncio.wait_for(self._wake.wait(), left_s / self._options.speed)
        except TimeoutError:
            return True
        return False

    def _act(self, session: Session, second: int) -> None:
        """Everything that happens in one second."""
        exchange = self.exchange
        exchange.now_s = second
        if not exchange.is_open:
            exchange.open_session(second)
        heap = self._heap
        while heap and heap[0][0] <= second:
            _, phase, rank, symbol = heapq.heappop(heap)
            market = exchange.markets[symbol]
            if phase == POINT:
                point = market.step()
                self._moved[symbol] = market
                self.data.on_point(market)
                exchange.on_point(market, point)
                following = market.next_point_s()
            else:
                self.data.on_published(market, market.publish())
                following = market.next_publication_s()
            if following is not None:
                heapq.heappush(heap, (following, phase, rank, symbol))
        for market in self._moved.values():
            self.data.on_moved(market)
        self._moved.clear()
        exchange.on_second(second)
        if second % REFRESH_S == 0:
            self._accounts.refresh()
        if second >= session.close_s:
            self._last_prices.update({symbol: m.last for symbol, m in exchange.markets.items() if m.last})
            exchange.close_session(second)

    def _market(self, symbol: str) -> SymbolMarket | None:
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
        earlier = self._feed.daily(symbol, session.date, session.date - timedelta(days=PREVIOUS_CLOSE_DAYS))
        market = SymbolMarket(tape, earlier[-1].close if earlier else 0)
        self._rank[symbol] = len(self._rank)
        self.exchange.markets[symbol] = market
        self._catch_up(market)
        return market

    def _catch_up(self, market: SymbolMarket) -> None:
        """Move a market to now without matching: nobody had an order in it."""
        now_s = int(self._clock.now().timestamp())
        while (point_s := market.next_point_s()) is not None and point_s <= now_s:
            while (end_s := market.next_publication_s()) is not None and end_s <= point_s - point_s % BAR_SECONDS:
                market.publish()
            market.step()
        while (end_s := market.next_publication_s()) is not None and end_s <= now_s:
            market.publish()
        rank = self._rank[market.symbol]
        for phase, due_s in ((POINT, market.next_point_s()), (PUBLICATION, market.next_publication_s())):
            if due_s is not None:
                heapq.heappush(self._heap, (due_s, phase, rank, market.symbol))
        if self._heap and self._heap[0][0] < self._wake_s:
            self._wake.set()

    def _price_of(self, symbol: str) -> int:
        market = self.exchange.markets.get(symbol)
        if market is not None and market.last:
            return market.last
        return self._last_prices.get(symbol, 0)


def _not_served(request: Request) -> str:
    return f"{type(request).__name__} is not served by the simulated gateway"
