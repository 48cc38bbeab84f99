"""The broker as the agents see it: one object over connection, market data and orders."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from broker import journey
from broker.client_library import IB, Contract
from broker.codes import Policy, code
from broker.connection import account_state, choose_account, guard_account, open_connection
from broker.connection_state import LinkEvent
from broker.market_data import MarketData
from broker.order_desk import OrderDesk
from broker.settings import BrokerSettings
from broker.translate import position_from_ib
from broker.values import AccountState, BrokerListener, BrokerPosition, IntentStore
from market_hours import Clock
from trading.errors import BrokerUnavailable
from utils import HaltTrading

SERVER_BACK = (1101, 1102)

log = logging.getLogger(__name__)


class Broker:
    """One client id at one gateway.

    Reports arrive at the `BrokerListener` synchronously. A listener that raises stops nothing inside the
    library: the first such fault is kept in `fault`, for the agent to raise at its next instant.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        clock: Clock,
        store: IntentStore,
        listener: BrokerListener,
        client_id: int,
        *,
        live_allowed: bool = False,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._listener = listener
        self._client_id = client_id
        self._live_allowed = live_allowed
        self._account_id = ""
        self._closing = False
        self._asking_time = asyncio.Lock()  # the library knows one question for the time at once
        self._ib = IB()
        self.heard_at = clock.now()  # when the gateway last said anything
        self.fault: Exception | None = None
        self.data = MarketData(self._ib, settings, clock)
        self.orders = OrderDesk(self._ib, self.data, store, listener)
        self.on_link: Callable[[LinkEvent], None] = lambda _: None

    @journey.asks("connect")
    async def open(self) -> AccountState:
        """Connect anew, choose the account and guard it.

        Raises BrokerUnavailable, Misconfigured, and HaltTrading for a live account that is not allowed or an
        account other than that of the first connection.
        """
        self._drop()
        self._ib = self._new_connection()
        self.data.attach(self._ib)
        self.orders.attach(self._ib)
        await open_connection(self._ib, self._settings, self._client_id)
        account_id = choose_account(self._ib.managedAccounts(), self._settings.ib_account)
        if self._account_id and account_id != self._account_id:
            raise HaltTrading(f"the gateway is logged in to {account_id} now; this run trades {self._account_id}")
        self._account_id = account_id
        self.heard_at = self._clock.now()
        account = self.account()
        guard_account(account, live_allowed=self._live_allowed)
        self.orders.use_account(account_id)
        return account

    def raise_order_ids(self, highest: int) -> None:
        """Never use an order id at or below `highest`: gateways have handed out ids a second time."""
        self._ib.client.updateReqId(highest + 1)

    async def gateway_time(self, limit_s: float) -> datetime:
        """What time the gateway says it is, in whole seconds. Raises BrokerUnavailable after `limit_s` seconds."""
        try:
            async with asyncio.timeout(limit_s), self._asking_time:
                told: datetime = await self._ib.reqCurrentTimeAsync()
                return told
        except (TimeoutError, ConnectionError) as error:
            raise BrokerUnavailable(f"the gateway did not tell its time within {limit_s:g} s") from error

    async def answers(self, limit_s: float) -> bool:
        """Whether the gateway tells its time within `limit_s` seconds."""
        try:
            await self.gateway_time(limit_s)
        except BrokerUnavailable:
            return False
        return True

    def disconnect(self) -> None:
        """Close the socket. Resting orders stay at the broker."""
        self._closing = True
        self.data.stop()
        self._ib.disconnect()

    def _new_connection(self) -> IB:
        ib = IB()
        ib.RaiseRequestErrors = True
        ib.orderStatusEvent += self._kept(self.orders.on_order_status)
        ib.execDetailsEvent += self._kept(self.orders.on_execution)
        ib.commissionReportEvent += self._kept(self.orders.on_commission)
        ib.errorEvent += self._kept(self._on_error)
        ib.disconnectedEvent += self._kept(self._on_disconnected)
        ib.updateEvent += self._on_traffic
        return ib

    def _drop(self) -> None:
        """Forget the old connection without listening to its end."""
        old, self._ib = self._ib, IB()
        for event in (old.orderStatusEvent, old.execDetailsEvent, old.commissionReportEvent, old.errorEvent):
            event.clear()
        old.disconnectedEvent.clear()
        old.updateEvent.clear()
        if old.isConnected():
            old.disconnect()

    def _on_traffic(self) -> None:
        self.heard_at = self._clock.now()

    @property
    def is_connected(self) -> bool:
        return bool(self._ib.isConnected())

    def account(self) -> AccountState:
        """The account as last reported. Raises BrokerUnavailable when its values are missing."""
        return account_state(self._ib, self._account_id)

    @journey.asks("read positions")
    async def positions(self) -> list[BrokerPosition]:
        """Net positions of the account, asked for now. Raises BrokerUnavailable when there is no answer."""
        try:
            rows = await asyncio.wait_for(self._ib.reqPositionsAsync(), self._settings.ib_request_timeout_s)
        except (ConnectionError, TimeoutError) as error:
            raise BrokerUnavailable(f"positions could not be read: {error or 'no answer'}") from error
        return [
            position_from_ib(row.contract, row.position, row.avgCost)
            for row in rows
            if row.account == self._account_id and row.position
        ]

    def _kept(self, handler: Callable[..., None]) -> Callable[..., None]:
        """`handler`, keeping its first fault: the library's events swallow exceptions."""

        @functools.wraps(handler)
        def run(*args: Any) -> None:
            try:
                handler(*args)
            except Exception as error:
                log.exception("a broker report could not be handled; trading stops at the next instant")
                self.fault = self.fault or error

        return run

    def _on_error(self, request_id: int, number: int, text: str, contract: Contract | None) -> None:
        known = code(number)
        if known.policy is Policy.IGNORE or self._closing:
            return
        trade = self._ib.wrapper.trades.get((self._client_id, request_id))
        symbol = contract.symbol if contract else ""
        log.info("gateway %s %s (%s) %s", number, known.meaning, symbol or request_id, text)
        if known.policy is Policy.DEGRADE_CONNECTION:
            self.on_link(LinkEvent.SERVER_LOST)
        elif number in SERVER_BACK:
            self.on_link(LinkEvent.SERVER_BACK)
        self._listener.on_message(number, text, trade.order.orderRef if trade else "")
        if trade is not None:
            self.orders.on_message(trade, number, text)

    def _on_disconnected(self) -> None:
        if not self._closing:
            self.on_link(LinkEvent.SOCKET_LOST)
