"""Performing orders: intents are committed, then sent; what the gateway reports comes back as values."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from broker import journey
from broker.client_library import IB, CommissionReport, Contract, Fill, RequestError, Trade
from broker.codes import Policy, code
from broker.market_data import MarketData
from broker.new_orders import place_new
from broker.one_write import one_write
from broker.translate import (
    execution_from_ib,
    is_set,
    money_from_ib,
    order_to_ib,
    price_from_ib,
    report_from_ib,
    resting_from_ib,
    terms_from_ib,
)
from broker.values import BrokerListener, FilledOrder, FinishedSale, IntentStore, RestingOrder
from telemetry.instruments import ORDERS
from telemetry.metering import measure
from trading.errors import BrokerUnavailable
from trading.money import price_to_usd
from trading.orders import TERMINAL, IntentState, OrderIntent, OrderReport

log = logging.getLogger(__name__)

ORDER_CANCELLED = 202
MODIFIABLE = (IntentState.SENT, IntentState.WORKING)
READ_LIMIT_S = 10.0


class OrderFacts(NamedTuple):
    """Orders and executions by order reference, as the broker reports them.

    `reported` are orders that its messages on this connection left alive, whatever its list says; `filled` is what
    orders themselves say they filled; `sales` are finished sell orders, whoever made them.
    """

    working: dict[str, IntentState]
    completed: dict[str, IntentState]
    executed: dict[str, int]
    reported: frozenset[str] = frozenset()
    filled: Mapping[str, FilledOrder] = MappingProxyType({})
    sales: tuple[FinishedSale, ...] = ()


class OrderDesk:
    """Places, changes and cancels orders of one client id on one account."""

    def __init__(self, ib: IB, data: MarketData, store: IntentStore, listener: BrokerListener, client_id: int) -> None:
        self._ib = ib
        self._client_id = client_id
        self._data = data
        self._store = store
        self._listener = listener
        self._account = ""
        self._trades: dict[str, Trade] = {}  # intent_id -> the library's order and status
        self._seen: list[Trade] = []  # orders of all clients that were alive when they were read last

    def attach(self, ib: IB) -> None:
        """Use a new connection. Orders of the old one are found again by `read`."""
        self._ib = ib
        self._trades = {}

    def use_account(self, account_id: str) -> None:
        """Set the account on every order from now on, and take over orders that this client left behind."""
        self._account = account_id
        for trade in self._ib.openTrades():
            if trade.order.orderRef:
                self._trades[trade.order.orderRef] = trade

    async def place(self, intents: Sequence[OrderIntent]) -> None:
        """Commit intents in one transaction, then send them in their order.

        Legs that name a parent travel with it: only the last one transmits, so that none is alive alone.
        Raises BrokerUnavailable when the socket is gone; the intents are then on record and unsent.
        """
        contracts = {symbol: await self._contract(symbol) for symbol in dict.fromkeys(each.symbol for each in intents)}
        with journey.intent(intents):
            await self._store.commit(intents)
        if not self._ib.isConnected():
            raise BrokerUnavailable("the connection was lost before the order could be sent")
        if self._ib.client.clientId != self._client_id:
            raise BrokerUnavailable(f"client id {self._client_id} is taken: nothing is sent under another one")
        linked = any(intent.parent_intent_id for intent in intents)
        order_ids: dict[str, int] = {}  # intent_id -> order id, for the parents of later legs
        try:
            with one_write(self._ib):
                for intent in intents:
                    order_ids[intent.intent_id] = order_id = self._ib.client.getReqId()
                    order = order_to_ib(
                        intent,
                        order_id=order_id,
                        parent_id=order_ids.get(intent.parent_intent_id, 0),
                        account=self._account,
                        transmit=not linked or intent is intents[-1],
                    )
                    with journey.order(intent, intents[0], order_id, (self._ib.client.host, self._ib.client.port)):
                        self._trades[intent.intent_id] = place_new(self._ib, contracts[intent.symbol], order)
        except ConnectionError as error:
            raise BrokerUnavailable(f"the connection was lost while orders were sent: {error}") from error
        finally:
            self._note_sent(intents, order_ids)

    def _note_sent(self, intents: Sequence[OrderIntent], order_ids: dict[str, int]) -> None:
        """Put on record which intents went out; after the last of them, as nothing may hold the orders up."""
        for intent in intents:
            if intent.intent_id in self._trades:
                self._store.sent(intent.intent_id, order_ids[intent.intent_id], self._ib.client.clientId)
                measure(ORDERS, role=intent.role.value)

    def modify(self, intent_id: str, *, quantity: int, limit_price: int = 0, stop_price: int = 0) -> bool:
        """Change size and price of a live order (1e-4 USD, 0: unchanged). False when it is not alive any more."""
        trade = self._trades.get(intent_id)
        if trade is None or report_from_ib(trade).state not in MODIFIABLE or not self._ib.isConnected():
            return False
        trade.order.totalQuantity = quantity
        if limit_price:
            trade.order.lmtPrice = price_to_usd(limit_price)
        if stop_price:
            trade.order.auxPrice = price_to_usd(stop_price)
        trade.order.transmit = True
        self._ib.placeOrder(trade.contract, trade.order)
        return True

    def cancel(self, intent_id: str) -> bool:
        """Ask for a cancel. False when there is nothing alive to cancel; what may be alive is cancelled too."""
        trade = self._trades.get(intent_id)
        if trade is None or report_from_ib(trade).state in TERMINAL or not self._ib.isConnected():
            return False
        self._ib.cancelOrder(trade.order)
        return True

    @journey.asks("read orders")
    async def read(self) -> OrderFacts:
        """What the broker knows of the account's orders and executions, asked for now.

        Raises BrokerUnavailable when a question stays unanswered: unknown is not "none". Orders of this client are
        taken over, so that they can be changed and cancelled again.
        """
        try:
            async with asyncio.timeout(READ_LIMIT_S):
                trades = await self._ib.reqAllOpenOrdersAsync()
                completed = await self._ib.reqCompletedOrdersAsync(False)
                fills = await self._ib.reqExecutionsAsync()
        except (TimeoutError, ConnectionError, RequestError) as error:
            raise BrokerUnavailable(f"orders and executions could not be read: {str(error) or 'no answer'}") from error
        self._seen = [trade for trade in trades if not trade.isDone()]
        working: dict[str, IntentState] = {}
        for trade in trades:
            reference = trade.order.orderRef
            if reference and not trade.isDone():
                working[reference] = report_from_ib(trade).state
                self._store.terms(terms_from_ib(trade))
                self._listener.on_terms(terms_from_ib(trade))
                if trade.order.clientId == self._ib.client.clientId == self._client_id:
                    self._trades[reference] = trade
        executed: dict[str, int] = {}
        for fill in fills:
            reference = fill.execution.orderRef
            executed[reference] = executed.get(reference, 0) + int(fill.execution.shares)
        done = {trade.order.orderRef: report_from_ib(trade).state for trade in completed if trade.order.orderRef}
        alive = (trade for trade in self._ib.openTrades() if report_from_ib(trade).state is IntentState.WORKING)
        reported = frozenset(trade.order.orderRef for trade in alive)
        return OrderFacts(working, done, executed, reported, _filled_orders([*trades, *completed]), _sales(completed))

    def resting(self) -> list[RestingOrder]:
        """Orders of this client that are alive, as last reported."""
        alive = self._ib.openTrades() if self._ib.client.clientId == self._client_id else self._seen
        return [resting_from_ib(trade) for trade in alive if trade.order.clientId == self._client_id]

    def held(self, symbol: str) -> int:
        """Whole shares of `symbol` on the account as last reported; 0 when it is short. Nothing more may be sold."""
        for position in self._ib.positions(self._account):
            if position.contract.symbol == symbol and position.contract.secType == "STK":
                return max(int(position.position), 0)
        return 0

    def on_order_status(self, trade: Trade) -> None:
        """The library's order status event."""
        if trade.order.orderRef:
            self._tell(report_from_ib(trade))

    def on_open_order(self, trade: Trade) -> None:
        """The library's open order event: what the gateway made of an order, also after a modification."""
        if trade.order.orderRef and not trade.isDone():
            self._store.terms(terms_from_ib(trade))

    def on_message(self, trade: Trade, number: int, text: str) -> None:
        """An error message about an order, where the library's own status leaves open what became of it."""
        report = report_from_ib(trade)
        if not report.order_ref:
            return
        if report.state is IntentState.SENT and code(number).policy is Policy.REJECT_ORDER:
            self._tell(report._replace(state=IntentState.REJECTED, detail=text))  # a mere warning to the library
        elif report.state is IntentState.UNKNOWN and number == ORDER_CANCELLED:
            self._tell(report._replace(state=IntentState.CANCELLED, detail=text))

    def on_execution(self, _trade: Trade, fill: Fill) -> None:
        """The library's execution event."""
        self._listener.on_execution(execution_from_ib(fill))

    def on_commission(self, _trade: Trade, fill: Fill, report: CommissionReport) -> None:
        """The library's commission event."""
        if is_set(report.commission):
            self._listener.on_fee(fill.execution.execId, money_from_ib(report.commission))

    def replay_executions(self) -> None:
        """Tell the listener all executions that the gateway gave at connect, oldest first, with their fees.

        Within a second purchases come first: what is sold was bought before.
        """
        fills = sorted(self._ib.fills(), key=lambda fill: (fill.execution.time, fill.execution.side))
        for fill in fills:
            self._listener.on_execution(execution_from_ib(fill))
            if fill.commissionReport.execId and is_set(fill.commissionReport.commission):
                self._listener.on_fee(fill.execution.execId, money_from_ib(fill.commissionReport.commission))

    def _tell(self, report: OrderReport) -> None:
        self._listener.on_order(report)  # first: it knows intents of earlier runs
        self._store.reported(report)

    async def _contract(self, symbol: str) -> Contract:
        contract = await self._data.contract(symbol)
        if contract is None:
            raise BrokerUnavailable(f"no contract for {symbol}")
        return contract


def _filled_orders(trades: Sequence[Trade]) -> dict[str, FilledOrder]:
    """Order reference -> what the order says it filled. Completed orders tell a number of shares and no price."""
    filled: dict[str, FilledOrder] = {}
    for trade in trades:
        shares = _shares_filled(trade)
        if trade.order.orderRef and shares:
            filled[trade.order.orderRef] = FilledOrder(shares, price_from_ib(trade.orderStatus.avgFillPrice))
    return filled


def _sales(completed: Sequence[Trade]) -> tuple[FinishedSale, ...]:
    return tuple(
        FinishedSale(trade.order.permId, trade.order.orderRef, trade.contract.symbol, shares)
        for trade in completed
        if trade.order.action == "SELL" and (shares := _shares_filled(trade))
    )


def _shares_filled(trade: Trade) -> int:
    completed = trade.order.filledQuantity
    return int(max(trade.orderStatus.filled, completed if is_set(completed) else 0.0))
