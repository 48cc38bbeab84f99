"""The simulated gateway: a TCP server that speaks the TWS protocol over an exchange, an account and a feed.

It acts at whole seconds of its clock, as `trading_day` says. Requests are served when they arrive. With a simulated
clock a whole day takes a second or so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ib_simulator import replies
from ib_simulator.account import Account
from ib_simulator.account_service import AccountService
from ib_simulator.accounts import Accounts
from ib_simulator.alarm import Alarm
from ib_simulator.client import ClientConnection, Tap, Witness
from ib_simulator.contracts import StockList
from ib_simulator.data_service import DataService
from ib_simulator.dispatch import request_handlers
from ib_simulator.exchange import Exchange
from ib_simulator.feeds.tape import Feed
from ib_simulator.gateway_options import GatewayOptions
from ib_simulator.journal import Journal
from ib_simulator.listener import Listener
from ib_simulator.market_phases import MarketEvent
from ib_simulator.order_service import OrderService
from ib_simulator.pnl_service import PnLService
from ib_simulator.request_types import Request
from ib_simulator.state import StateFile
from ib_simulator.tape_player import TapePlayer
from ib_simulator.trading_day import TradingDay
from ib_simulator.unserved import NotServed
from ib_simulator.wire import ClientVersions, negotiate
from market_hours import NEW_YORK, Clock, Session, TradingCalendar, new_york_date
from trading.costs import fee_schedule_on

if TYPE_CHECKING:
    from ib_simulator.faults import FaultInjector

__all__ = ["Gateway", "GatewayOptions"]

log = logging.getLogger(__name__)

FARM_NOTICES = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)


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
        self._alarm = Alarm(clock, options.speed)
        self.listener = Listener(self, options.host, options.port)
        self.tap: Tap | None = None  # the faults, once there are any
        self.witness: Witness | None = None
        self.faults: FaultInjector | None = None
        self.journal: Journal | None = None
        self._stocks = StockList(symbols)
        self.player = TapePlayer(feed, self._now_s, self._alarm.ring_for, limit_bands=options.limit_bands)
        names = (options.account_id, *options.other_accounts)
        self.accounts = Accounts(
            *[Account(name, options.cash, self.player.price_of, kind=options.account_kind) for name in names]
        )
        self.orders = OrderService(
            self._stocks, self.accounts, clock.now, lambda: self._clients, options.master_client_id
        )
        self.data = DataService(self._stocks, feed, calendar, clock.now, self.player.market, options.data)
        self._account_service = AccountService(self.accounts, self._stocks, clock.now)
        self._pnl = PnLService(self.accounts, self._stocks)
        self.exchange = Exchange(self.orders.reports, self.accounts, fee_schedule_on(clock.now().date()))
        self.exchange.cancel_delay_s = options.cancel_delay_s
        self.orders.exchange = self.player.exchange = self.exchange
        self.player.data = self.data
        self._state: StateFile | None = None
        self._saved_changes = -1  # of the register, when the state was saved last
        self.orders.open_market = self.player.market
        self.orders.is_halted = lambda symbol: bool(self.player.phases.halt_of(symbol))
        self.orders.refuses_when_halted = options.refuses_when_halted
        self.orders.next_open = self._next_open
        self.day = TradingDay(
            self.player,
            self.exchange,
            self._stocks,
            self.accounts,
            self.orders,
            self.data,
            self._account_service,
            self._pnl,
            self._now_s,
            self._alarm.ring,
            extended_hours=feed.extended_hours,
            splits_cancel_orders=options.splits_cancel_orders,
        )
        self._fault: Exception | None = None  # of a request; raised where the sessions are played
        self._handlers = request_handlers(
            self._told_now, self.accounts, self.orders, self.data, self._account_service, self._pnl
        )
        if options.state_file is not None:
            self._load_state(options.state_file)

    def _load_state(self, path: Path) -> None:
        state = StateFile(path, self.accounts, self.orders.register, self.exchange)
        try:
            state.load(int(self._clock.now().timestamp()))
        except BaseException:
            state.close()  # A damaged file is refused: nobody else would close it.
            raise
        self._state = state

    def begin_anew(self, *, from_file: bool) -> None:
        """Forget what a process knows; then load the state file, or start with accounts that never traded."""
        self.orders.register.clear()
        self.exchange.clear()
        for account in self.accounts.values():
            account.reset(self._options.cash)
        if from_file and self._state is not None:
            self._state.load(int(self._clock.now().timestamp()))
        if self.day.session is not None:
            self.accounts.new_session(self.day.session.date)

    def _next_open(self) -> datetime:
        """When the exchange opens next."""
        session, now = self.day.session, self._clock.now()
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
        if self._state is not None:
            self.flush()
            self._state.close()
            self._state = None

    def inject(self, faults: FaultInjector) -> None:
        """Let these faults happen. Before `play`."""
        self.faults = self.tap = faults
        if self.day.session is not None:
            faults.on_session(self.day.session)

    def keep_journal(self, path: Path | None = None) -> Journal:
        """Write down from now on what really happens at the exchange, in memory or in a file."""
        self.journal = self.exchange.listener = Journal(
            self.exchange.listener, self._clock.now, lambda account: self.accounts[account].net_liquidation(), path
        )
        return self.journal

    @property
    def speed(self) -> float:
        """Seconds of the clock in one second of the event loop."""
        return self._options.speed

    def _told_now(self) -> datetime:
        """What the gateway's own clock says: the right time but for a fault."""
        off_s = self.faults.clock_off_s if self.faults is not None else 0.0
        return self._clock.now() + timedelta(seconds=off_s)

    def now(self) -> datetime:
        """The clock's now."""
        return self._clock.now()

    def session_date(self) -> date:
        """The day being played."""
        return self.day.session.date if self.day.session is not None else new_york_date(self._clock.now())

    @property
    def clients(self) -> list[ClientConnection]:
        """Connections that have said startApi, in that order."""
        return self._clients

    def agree(self, versions: ClientVersions) -> int | None:
        return negotiate(versions.minimum, versions.maximum)

    def connection_time_text(self) -> str:
        return replies.exchange_time_text(replies.ZONED_TIMES_VERSION, self._told_now())

    def on_start(self, client: ClientConnection, client_id: int) -> None:
        if self.faults is not None and self.faults.keeps_waiting(client):
            return
        held = self.faults is not None and self.faults.holds_client_id(client_id)
        if held or any(other.client_id == client_id for other in self._clients):
            client.error(
                -1, 326, "Unable to connect as the client id is already in use. Retry with a unique client id."
            )
            client.close()
            return
        client.client_id = client_id
        self._clients.append(client)
        if self.journal is not None:
            self.journal.on_connected(client_id)
        client.send(
            replies.managed_accounts(list(self.accounts)),
            replies.next_valid_id(self.orders.next_valid_id(client_id)),
        )
        for code, text in FARM_NOTICES:
            client.error(-1, code, text)
        if self.faults is not None:
            self.faults.on_started(client)

    def on_request(self, client: ClientConnection, request: Request) -> None:
        violation = self.data.pacing.message(client)
        if violation is not None:
            client.error(-1, violation.code, violation.text)
            if violation.closes:
                client.close()
            if not violation.is_served:
                return
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
                self._alarm.ring()
            else:
                client.error(getattr(request, "req_id", -1), 320, "Error reading request:it could not be served")
            return
        parts = (self.exchange.next_condition_s(), self.data.next_grid_s(), self._account_service.next_refresh_s())
        for due_s in parts:
            if due_s is not None:
                self._alarm.ring_for(due_s)

    def on_lost(self, client: ClientConnection) -> None:
        self.listener.forget(client)
        if self.faults is not None:
            self.faults.on_lost(client)
        if client in self._clients:
            self._clients.remove(client)
            if self.journal is not None and client.client_id is not None:
                self.journal.on_disconnected(client.client_id)
        self.data.forget(client)
        self._account_service.forget(client)
        self._pnl.forget(client)

    def schedule(self, event: MarketEvent) -> None:
        """Let something happen to a market or to market data: a halt, a reopening, a change of permissions."""
        self.player.schedule(event)

    def _now_s(self) -> int:
        return int(self._clock.now().timestamp())

    def wake(self) -> None:
        """Something new may be due before what `play` waits for."""
        self._alarm.ring()

    def flush(self) -> None:
        """Write to all clients what they were told, once it is in the state file."""
        if self._state is not None and self._saved_changes != self.orders.register.n_changes:
            self._state.save(self.day.open_until_s, self.day.extended_until_s)
            self._saved_changes = self.orders.register.n_changes
        for client in list(self._clients):
            client.write()

    # Sessions

    async def play(self, sessions: Iterable[Session]) -> None:
        """Run sessions one after the other. Between two of them the last one's prices stand."""
        for session in sessions:
            await self._wait_until(self._midnight_before(session))
            self._begin(session)
            self.flush()
            while (second := self.day.next_second()) is not None:
                if await self._reach(second):
                    self.day.act(session, second)
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
        slept = await self._alarm.wait_until(moment if fault_s is None else min(moment, fault_s))
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
        if self.day.session is None:
            return self._clock.now()
        return datetime.combine(session.date, time(0), NEW_YORK)

    def _begin(self, session: Session) -> None:
        if self.day.session == session:
            return
        self.day.begin(session)
        if self.faults is not None:
            self.faults.on_session(session)


def _not_served(request: Request) -> str:
    name = request.name if isinstance(request, NotServed) else type(request).__name__
    return f"{name} is not served by the simulated gateway"
