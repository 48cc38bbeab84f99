"""Orders and executions at the gateway: requests are checked and given to the exchange, reports go to clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ib_simulator import replies, replies_orders
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import Stock, StockList
from ib_simulator.exchange import Exchange
from ib_simulator.order_checks import OrderTerms, check_order
from ib_simulator.orders import BUY, Refusal, SimExecution, SimOrder, Status
from ib_simulator.request_types import CancelOrder, PlaceOrder, ReqExecutions
from ib_simulator.wire_order import WireContract
from market_hours import utc_from_epoch
from trading.money import MONEY_UNITS_PER_USD, price_to_usd

FIRST_PERM_ID = 1_000_000_001
VENUE = "NASDAQ"

OrderKey = tuple[int, int]  # client id, order id


@dataclass(slots=True)
class Filed:
    """An execution with the client's contract, as reqExecutions gives it again."""

    execution: SimExecution
    contract: WireContract


class OrderService:
    """All orders of the account, live and of the day."""

    def __init__(
        self,
        stocks: StockList,
        account_id: str,
        now: Callable[[], datetime],
        clients: Callable[[], list[ClientConnection]],
    ) -> None:
        self._stocks = stocks
        self._account_id = account_id
        self._now = now
        self._clients = clients
        self._next_perm_id = FIRST_PERM_ID
        self._orders: dict[OrderKey, SimOrder] = {}  # live and done today
        self._last_order_id: dict[int, int] = {}  # client id -> highest order id used
        self._executions: list[Filed] = []
        self._completed: list[tuple[SimOrder, datetime]] = []
        self._commissions: list[tuple[SimOrder, bytes]] = []  # to be sent behind the order's own report
        self.on_fill: Callable[[SimExecution], None] = lambda _: None
        self.open_market: Callable[[str], object] = lambda _: None  # an order needs a market that moves
        self.next_open: Callable[[], datetime] = now
        self.exchange: Exchange

    def next_valid_id(self, client_id: int) -> int:
        """The first order id that `client_id` may use."""
        return self._last_order_id.get(client_id, 0) + 1

    def new_session(self) -> None:
        """Midnight: executions and finished orders of earlier days are no longer told."""
        self._executions.clear()
        self._completed.clear()
        self._orders = {key: order for key, order in self._orders.items() if not order.is_done}

    # Requests

    def place(self, client: ClientConnection, request: PlaceOrder) -> None:
        """A new order, or the change of a live one with the same id."""
        client_id = client.client_id or 0
        known = self._orders.get((client_id, request.order_id))
        if known is not None:
            self._modify(client, known, request)
            return
        if request.order_id <= self._last_order_id.get(client_id, 0):
            client.error(request.order_id, 103, "Duplicate order id")
            return
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(request.order_id, 200, "No security definition has been found for the request")
            return
        terms = check_order(request.order, self._account_id, self._now())
        if isinstance(terms, Refusal):
            client.error(request.order_id, *terms)
            return
        if request.order.what_if:
            self._preview(client, request, stock, terms)
            return
        parent = None
        if request.order.parent_id:
            parent = self._orders.get((client_id, request.order.parent_id))
            if parent is None or parent.is_done:
                client.error(request.order_id, 201, "Order rejected - reason:Parent order is not active")
                return
        self._last_order_id[client_id] = request.order_id
        order = self._new_order(client_id, request, stock, terms, parent)
        self._orders[(client_id, request.order_id)] = order
        self.open_market(stock.symbol)
        refusal = self._buying_power_refusal(order)
        if self.exchange.is_group_filled(order.oca_group):
            refusal = Refusal(201, "Order rejected - reason:OCA group is already filled")
        if refusal is not None:
            self.on_refused(order, refusal)
            return
        if not self.exchange.is_open and not order.outside_rth:
            self._warn_of_waiting(client, order)
        self.exchange.place(order)
        if request.order.transmit:
            self.exchange.transmit(order)

    def cancel(self, client: ClientConnection, request: CancelOrder) -> None:
        """Cancel an order of this client."""
        order = self._orders.get((client.client_id or 0, request.order_id))
        if order is None:
            text = f"OrderId {request.order_id} that needs to be cancelled is not found."
            client.error(request.order_id, 10147, text)
        elif order.is_done:
            text = f"OrderId {request.order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            client.error(request.order_id, 10148, text)
        else:
            self.exchange.cancel(order)

    def cancel_all(self) -> None:
        """Cancel every live order of the account, whoever placed it."""
        for order in list(self._orders.values()):
            if not order.is_done:
                self.exchange.cancel(order)

    def tell_open(self, client: ClientConnection, *, all_clients: bool) -> None:
        """Answer reqOpenOrders (this client's) and reqAllOpenOrders."""
        for order in self._orders.values():
            if not order.is_done and order.transmitted and (all_clients or order.client_id == client.client_id):
                client.send(self._open_order(client.version, order), _order_status(order))
        client.send(replies_orders.open_order_end())

    def tell_completed(self, client: ClientConnection, *, api_only: bool) -> None:
        """Answer reqCompletedOrders: today's filled and cancelled orders, all of them placed through the API."""
        for order, at in self._completed:
            request = _request_of(order)
            client.send(
                replies_orders.completed_order(
                    client.version,
                    replies_orders.CompletedOrderRow(
                        perm_id=order.perm_id,
                        contract=request.contract,
                        order=self._order_in_force(order),
                        status=order.status.value,
                        filled_quantity=order.filled,
                        completed_at=at,
                        completed_status=f"Filled Size: {order.filled}" if order.remaining == 0 else "Cancelled",
                        parent_perm_id=order.parent.perm_id if order.parent else None,
                    ),
                )
            )
        client.send(replies_orders.completed_orders_end())

    def tell_executions(self, client: ClientConnection, request: ReqExecutions) -> None:
        """Answer reqExecutions: the day's executions of all clients that pass the filter, each with its fee."""
        since = _execution_filter_time(request.time)
        for filed in self._executions:
            execution, order = filed.execution, filed.execution.order
            side = "BUY" if execution.side == BUY else "SELL"
            if (
                (request.client_id and order.client_id != request.client_id)
                or (request.symbol and order.symbol != request.symbol)
                or (request.side and not side.startswith(request.side.upper()))
                or (since is not None and utc_from_epoch(execution.at_s) < since)
            ):
                continue
            client.send(self._exec_details(client.version, request.req_id, filed), _commission(execution))
        client.send(replies_orders.exec_details_end(request.req_id))

    # What the exchange reports

    def on_order(self, order: SimOrder) -> None:
        """Order state to its own client, then the commissions that waited for it."""
        if order.status is Status.FILLED and (not self._completed or self._completed[-1][0] is not order):
            self._completed.append((order, self._now()))
        for client in self._owners(order):
            client.send(self._open_order(client.version, order), _order_status(order))
            for owner, message in self._commissions:
                if owner is order:
                    client.send(message)
        self._commissions = [entry for entry in self._commissions if entry[0] is not order]

    def on_execution(self, execution: SimExecution) -> None:
        """A fill to the order's client. Its commission follows the order's report."""
        order = execution.order
        filed = Filed(execution, _request_of(order).contract)
        self._executions.append(filed)
        for client in self._owners(order):
            client.send(self._exec_details(client.version, -1, filed))
        self._commissions.append((order, _commission(execution)))
        self.on_fill(execution)

    def on_cancelled(self, order: SimOrder, reason: str) -> None:
        """The status first, then code 202; no openOrder, as recorded from a real gateway."""
        if not order.transmitted:
            return
        self._completed.append((order, self._now()))
        for client in self._owners(order):
            client.send(_order_status(order))
            client.error(order.order_id, 202, f"Order Canceled - reason:{reason}")

    def on_refused(self, order: SimOrder, refusal: Refusal) -> None:
        """Inactive, the error, Inactive again."""
        order.status = Status.INACTIVE
        for client in self._owners(order):
            client.send(self._open_order(client.version, order), _order_status(order))
            client.error(order.order_id, *refusal)
            client.send(_order_status(order))

    # Building blocks

    def _new_order(
        self, client_id: int, request: PlaceOrder, stock: Stock, terms: OrderTerms, parent: SimOrder | None
    ) -> SimOrder:
        wire = request.order
        perm_id = self._next_perm_id
        self._next_perm_id += 1
        return SimOrder(
            perm_id=perm_id,
            client_id=client_id,
            order_id=request.order_id,
            account=self._account_id,
            symbol=stock.symbol,
            side=terms.side,
            quantity=terms.quantity,
            order_type=wire.order_type,
            limit=terms.limit,
            stop=terms.stop,
            tif=wire.tif or "DAY",
            good_after_s=terms.good_after_s,
            good_till_s=terms.good_till_s,
            oca_group=wire.oca_group or (str(parent.perm_id) if parent else ""),
            oca_type=wire.oca_type or 3,
            order_ref=wire.order_ref,
            outside_rth=wire.outside_rth,
            parent=parent,
            request=replace(request, contract=_full_contract(stock)),
        )

    def _modify(self, client: ClientConnection, order: SimOrder, request: PlaceOrder) -> None:
        if order.is_done:
            known = "filled" if order.status is Status.FILLED else order.status.value.lower()
            client.error(request.order_id, 104, f"Cannot modify a {known} order.")
            return
        terms = check_order(request.order, self._account_id, self._now())
        if isinstance(terms, Refusal):
            client.error(request.order_id, *terms)
            return
        if not _is_same_order(order, terms, request):
            client.error(request.order_id, 105, "Order being modified does not match original order")
            return
        order.request = replace(request, contract=_request_of(order).contract)
        if not order.transmitted:
            order.quantity, order.limit, order.stop = terms.quantity, terms.limit, terms.stop
            if request.order.transmit:
                self.exchange.transmit(order)
            return
        refusal = self.exchange.modify(order, quantity=terms.quantity, limit=terms.limit, stop=terms.stop)
        if refusal is not None:
            client.error(request.order_id, *refusal)

    def _warn_of_waiting(self, client: ClientConnection, order: SimOrder) -> None:
        """Code 399, which comes before the order's first report."""
        opens = replies.exchange_time_text(replies.ZONED_TIMES_VERSION, self.next_open())
        side = "BUY" if order.side == BUY else "SELL"
        client.error(
            order.order_id,
            399,
            f"Order Message:\n{side} {order.quantity} {order.symbol} NASDAQ.NMS\n"
            f"Warning: your order will not be placed at the exchange until {opens}",
        )

    def _buying_power_refusal(self, order: SimOrder) -> Refusal | None:
        """Code 201 when an order that adds exposure costs more than the account can carry."""
        account = self.exchange.account
        holding = account.holdings.get(order.symbol)
        held = holding.quantity if holding else 0
        if order.side * held < 0 or order.parent is not None:
            return None
        price = order.limit or order.stop or account.price_of(order.symbol)
        value = price * order.quantity * 100
        if value <= account.buying_power():
            return None
        funds = account.available_funds() / MONEY_UNITS_PER_USD
        return Refusal(
            201,
            "Order rejected - reason:Your Available Funds are in sufficient to cover this order. "
            f"Available Funds [{funds:.2f} USD], order value [{value / MONEY_UNITS_PER_USD:.2f} USD]",
        )

    def _preview(self, client: ClientConnection, request: PlaceOrder, stock: Stock, terms: OrderTerms) -> None:
        """Answer a what-if: margin and commission, nothing is placed."""
        account = self.exchange.account
        price = terms.limit or terms.stop or account.price_of(stock.symbol)
        value = price * terms.quantity * 100 / MONEY_UNITS_PER_USD
        margin = account.maintenance_margin() / MONEY_UNITS_PER_USD
        equity = account.net_liquidation() / MONEY_UNITS_PER_USD
        change = value / 4 if terms.side == BUY else -min(value / 4, margin)
        commission = min(max(0.005 * terms.quantity, 1.0), 0.01 * value)
        row = replies_orders.OpenOrderRow(
            order_id=request.order_id,
            client_id=client.client_id or 0,
            perm_id=0,
            contract=_full_contract(stock),
            order=request.order,
            status=Status.PRE_SUBMITTED.value,
            margin=replies_orders.MarginRow(
                init_before=margin,
                maint_before=margin,
                equity_before=equity,
                init_change=change,
                maint_change=change,
                equity_change=-commission,
                init_after=margin + change,
                maint_after=margin + change,
                equity_after=equity - commission,
            ),
            commission_usd=commission,
            commission_currency="USD",
        )
        client.send(replies_orders.open_order(client.version, row))

    def _owners(self, order: SimOrder) -> list[ClientConnection]:
        return [client for client in self._clients() if client.client_id == order.client_id]

    def _order_in_force(self, order: SimOrder):  # type: ignore[no-untyped-def]
        return replace(
            _request_of(order).order,
            quantity=float(order.quantity),
            account=self._account_id,
            oca_group=order.oca_group,
            oca_type=order.oca_type,
            tif=order.tif,
        )

    def _open_order(self, version: int, order: SimOrder) -> bytes:
        request = _request_of(order)
        row = replies_orders.OpenOrderRow(
            order_id=order.order_id,
            client_id=order.client_id,
            perm_id=order.perm_id,
            contract=request.contract,
            order=self._order_in_force(order),
            status=order.status.value,
        )
        return replies_orders.open_order(version, row)

    def _exec_details(self, version: int, req_id: int, filed: Filed) -> bytes:
        execution, order = filed.execution, filed.execution.order
        row = replies_orders.ExecutionRow(
            order_id=order.order_id,
            client_id=order.client_id,
            perm_id=order.perm_id,
            contract=filed.contract,
            execution_id=execution.exec_id,
            at=utc_from_epoch(execution.at_s),
            account=self._account_id,
            exchange=VENUE,
            side="BOT" if execution.side == BUY else "SLD",
            quantity=execution.quantity,
            price_usd=price_to_usd(execution.price),
            cumulative_quantity=execution.cumulative,
            average_price_usd=execution.average_price_usd,
            order_ref=order.order_ref,
            last_liquidity=2,
        )
        return replies_orders.exec_details(version, req_id, row)


def _is_same_order(order: SimOrder, terms: OrderTerms, request: PlaceOrder) -> bool:
    """Whether a modification leaves alone what this gateway cannot change: all but size and prices."""
    wire = request.order
    return (
        terms.side == order.side
        and wire.order_type == order.order_type
        and (wire.tif or "DAY") == order.tif
        and wire.oca_group in ("", order.oca_group)
        and terms.good_after_s == order.good_after_s
        and terms.good_till_s == order.good_till_s
    )


def _order_status(order: SimOrder) -> bytes:
    return replies_orders.order_status(
        order.order_id,
        order.status.value,
        filled=order.filled,
        remaining=order.remaining,
        average_fill_price_usd=order.average_price_usd,
        perm_id=order.perm_id,
        client_id=order.client_id,
        parent_id=order.parent.order_id if order.parent else 0,
        last_fill_price_usd=price_to_usd(order.last_fill_price),
        why_held=order.why_held,
    )


def _commission(execution: SimExecution) -> bytes:
    realised = None if execution.realised is None else execution.realised / MONEY_UNITS_PER_USD
    return replies_orders.commission_report(execution.exec_id, execution.fees / MONEY_UNITS_PER_USD, realised)


def _request_of(order: SimOrder) -> PlaceOrder:
    assert isinstance(order.request, PlaceOrder)
    return order.request


def _full_contract(stock: Stock) -> WireContract:
    return WireContract(
        con_id=stock.con_id,
        symbol=stock.symbol,
        sec_type="STK",
        exchange="SMART",
        primary_exchange=stock.primary_exchange,
        currency="USD",
        local_symbol=stock.symbol,
        trading_class=stock.trading_class,
    )


def _execution_filter_time(text: str) -> datetime | None:
    """The earliest instant a filter lets pass; None when it is empty or unreadable, as on the real gateway."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
