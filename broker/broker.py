"""The broker as the agents see it: one object over connection, market data and orders."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from broker import journey
from broker.account_result import ask_account_result
from broker.client_library import IB, AccountValue, Contract, Position
from broker.codes import Policy, code
from broker.connection import account_state, choose_account, guard_account, is_free, open_connection
from broker.connection_state import LinkEvent
from broker.market_data import MarketData
from broker.order_desk import OrderDesk
from broker.settings import BrokerSettings
from broker.translate import execution_from_ib, position_from_ib, price_from_ib
from broker.values import AccountState, BrokerListener, BrokerPosition, IntentStore
from broker.what_if import WhatIf, ask_what_if
from market_hours import Clock
from trading.broker_result import BrokerResult
from trading.errors import BrokerUnavailable
from trading.orders import Action, ExecutionReport
from utils import HaltTrading

SERVER_BACK = (1101, 1102)
TOLD_OF_FUNDS = ("AvailableFunds", "DayTradesRemaining", "NetLiquidation", "SettledCash")
DATA_FARM_BACK = 2104
TEMPORARY_IDS_FROM = 1_000  # added to the client id while that is taken

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
        self.orders = OrderDesk(self._ib, self.data, store, listener, client_id)
        self.on_link: Callable[[LinkEvent], None] = lambda _: None
        self.on_row: Callable[[str, float], None] = lambda _symbol, _quantity: None  # a stock's net position was told
        self.on_account: Callable[[AccountState], None] = lambda _: None  # a value that buying power depends on

    @journey.asks("connect")
    async def open(self, *, to_watch: bool = False) -> AccountState:
        """Connect anew, choose the account and guard it.

        `to_watch` does so under the one temporary client id: it sees our orders and cannot change them.
        Raises BrokerUnavailable, Misconfigured, and HaltTrading for a live account that is not allowed or an
        account other than that of the first connection.
        """
        self._drop()
        self._ib = self._new_connection()
        self.data.attach(self._ib)
        self.orders.attach(self._ib)
        await open_connection(self._ib, self._settings, self.temporary_id if to_watch else self._client_id)
        account_id = choose_account(self._ib.managedAccounts(), self._settings.ib_account)
        if self._account_id and account_id != self._account_id:
            raise HaltTrading(f"the gateway is logged in to {account_id} now; this run trades {self._account_id}")
        self._account_id = account_id
        self.heard_at = self._clock.now()
        account = self.account()
        guard_account(account, live_allowed=self._live_allowed)
        self.orders.use_account(account_id)
        return account

    @property
    def temporary_id(self) -> int:
        """The client id that is used while ours is taken."""
        return self._client_id + TEMPORARY_IDS_FROM

    @property
    def is_watching(self) -> bool:
        """Whether the connection is one under the temporary client id: nothing may be sent on it."""
        return bool(self._ib.client.clientId == self.temporary_id)

    async def may_return(self) -> bool:
        """Whether our own client id is free again."""
        return await is_free(self._settings, self._client_id)

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
        ib.openOrderEvent += self._kept(self.orders.on_open_order)
        ib.orderStatusEvent += self._kept(self.orders.on_order_status)
        ib.execDetailsEvent += self._kept(self.orders.on_execution)
        ib.commissionReportEvent += self._kept(self.orders.on_commission)
        ib.positionEvent += self._kept(self._on_position)
        ib.accountValueEvent += self._kept(self._on_account_value)
        ib.errorEvent += self._kept(self._on_error)
        ib.disconnectedEvent += self._kept(self._on_disconnected)
        ib.updateEvent += self._on_traffic
        return ib

    def _drop(self) -> None:
        """Forget the old connection without listening to its end."""
        old, self._ib = self._ib, IB()
        for event in (
            old.openOrderEvent,
            old.orderStatusEvent,
            old.execDetailsEvent,
            old.commissionReportEvent,
            old.errorEvent,
        ):
            event.clear()
        old.positionEvent.clear()
        old.accountValueEvent.clear()
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

    async def what_if(self, symbol: str, quantity: int, limit: int) -> WhatIf:
        """What an entry would bind. Raises BrokerUnavailable, HistoryUnavailable when there is no answer."""
        contract = await self.data.contract(symbol)
        if contract is None:
            return WhatIf(refusal=f"the gateway knows no stock {symbol}")
        return await ask_what_if(self._ib, contract, account=self._account_id, quantity=quantity, limit=limit)

    def market_prices(self) -> dict[str, int]:
        """symbol -> price (1e-4 USD) at which the account's last report valued what it holds."""
        items = self._ib.portfolio(self._account_id) if self._ib.isConnected() else []
        return {item.contract.symbol: price_from_ib(item.marketPrice) for item in items}

    async def sells_of_others(self, is_ours: Callable[[str], bool]) -> dict[str, float]:
        """symbol -> shares in working sell orders that no bot of ours made, asked for now. Raises BrokerUnavailable."""
        try:
            trades = await asyncio.wait_for(self._ib.reqAllOpenOrdersAsync(), self._settings.ib_request_timeout_s)
        except (ConnectionError, TimeoutError) as error:
            raise BrokerUnavailable(f"open orders could not be read: {str(error) or 'no answer'}") from error
        selling: dict[str, float] = {}
        for trade in trades:
            if trade.order.action == "SELL" and not trade.isDone() and not is_ours(trade.order.orderRef):
                symbol = trade.contract.symbol
                selling[symbol] = selling.get(symbol, 0.0) + float(trade.order.totalQuantity)
        return selling

    def unbooked_today(self, is_booked: Callable[[str], bool]) -> dict[str, int]:
        """symbol -> shares bought less sold by the day's executions that are not on record yet."""
        net: dict[str, int] = {}
        for fill in self._ib.fills():
            report = execution_from_ib(fill)
            if not is_booked(report.exec_id):
                sign = 1 if report.action is Action.BUY else -1
                net[report.symbol] = net.get(report.symbol, 0) + sign * report.quantity
        return net

    @journey.asks("read positions")
    async def positions(self) -> list[BrokerPosition]:
        """Net positions of the account, asked for now. Raises BrokerUnavailable when there is no answer."""
        try:
            rows = await asyncio.wait_for(self._ib.reqPositionsAsync(), self._settings.ib_request_timeout_s)
        except (ConnectionError, TimeoutError) as error:
            raise BrokerUnavailable(f"positions could not be read: {str(error) or 'no answer'}") from error
        return [
            position_from_ib(row.contract, row.position, row.avgCost)
            for row in rows
            if row.account == self._account_id and row.position
        ]

    @journey.asks("read P&L")
    async def result_of(self, day: date, owner_of: Callable[[ExecutionReport], str]) -> BrokerResult:
        """What the account earned on `day`, by the broker's own count. Raises BrokerUnavailable."""
        limit_s = self._settings.ib_request_timeout_s
        return await ask_account_result(self._ib, self._account_id, day, owner_of, limit_s)

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

    def _on_position(self, row: Position) -> None:
        if row.account == self._account_id and row.contract.secType == "STK":
            self.on_row(row.contract.symbol, float(row.position))

    def _on_account_value(self, value: AccountValue) -> None:
        if value.tag not in TOLD_OF_FUNDS or value.account != self._account_id or self._closing:
            return
        with suppress(BrokerUnavailable):  # the first values of a new connection: they are read when all are there
            self.on_account(self.account())

    def _on_error(self, request_id: int, number: int, text: str, contract: Contract | None) -> None:
        known = code(number)
        if known.policy is Policy.IGNORE or self._closing:
            return
        trade = self._ib.wrapper.trades.get((self._ib.client.clientId, request_id))
        symbol = contract.symbol if contract else ""
        log.info("gateway %s %s (%s) %s", number, known.meaning, symbol or request_id, text)
        if known.policy is Policy.DEGRADE_CONNECTION:
            self.on_link(LinkEvent.SERVER_LOST)
        elif known.policy is Policy.RECONNECT:
            self.on_link(LinkEvent.SOCKET_LOST)
        elif number in SERVER_BACK:
            self.on_link(LinkEvent.SERVER_BACK)
        elif known.policy is Policy.DEGRADE_DATA:
            self.data.distrust(symbol)
        elif number == DATA_FARM_BACK:
            self.data.renew_all_quotes()
        self._listener.on_message(number, text, trade.order.orderRef if trade else "")
        if trade is not None:
            self.orders.on_message(trade, number, text)

    def _on_disconnected(self) -> None:
        if not self._closing:
            self.on_link(LinkEvent.SOCKET_LOST)
