"""What clients hear about orders: state, executions and commissions, in the order in which a real gateway sends them.

An order's own client hears of it, and the master client if there is one. Sequences are those recorded from a gateway:
an order that fills at once is told PreSubmitted, its execution, then Filled twice (the second time with the
commission) and the commission report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ib_simulator import replies_orders
from ib_simulator.client import ClientConnection
from ib_simulator.order_registry import UNBOUND, Filed, OrderRegistry
from ib_simulator.order_types import TRAILING_TYPES
from ib_simulator.orders import BUY, Refusal, SimExecution, SimOrder, Status
from ib_simulator.request_types import PlaceOrder
from ib_simulator.wire_order import WireOrder
from market_hours import utc_from_epoch
from trading.money import MONEY_UNITS_PER_USD, price_to_usd

VENUE = "NASDAQ"
NOBODYS = (0, UNBOUND)  # client and order id of an order that is not told as anybody's
API_CANCELLED = "ApiCancelled"  # cancelled before it was transmitted


class OrderReports:
    """An ExchangeListener that tells clients. `on_fill` hears of every execution."""

    def __init__(
        self,
        register: OrderRegistry,
        now: Callable[[], datetime],
        clients: Callable[[], list[ClientConnection]],
        master_client_id: int | None,
    ) -> None:
        self._register = register
        self._now = now
        self._clients = clients
        self._master = master_client_id
        self._commissions: list[tuple[SimOrder, bytes]] = []  # to be sent behind the order's own report
        self.on_fill: Callable[[SimExecution], None] = lambda _: None

    # What the exchange reports

    def on_order(self, order: SimOrder) -> None:
        """Order state, then the commissions that waited for it."""
        register = self._register
        register.n_changes += 1
        if order.status is Status.FILLED and not (register.completed and register.completed[-1][0] is order):
            register.completed.append((order, self._now()))
        commissions = [message for owner, message in self._commissions if owner is order]
        if commissions:
            self._commissions = [entry for entry in self._commissions if entry[0] is not order]
        for client in self._audience(order):
            self.tell(client, order)
            if commissions and order.status is Status.FILLED:
                self.tell(client, order, with_commission=True)
            client.send(*commissions)

    def on_modified(self, order: SimOrder) -> None:
        """The new terms, twice as recorded."""
        self._register.n_changes += 1
        for client in self._audience(order):
            pair = (open_order(client.version, order), order_status(order))
            client.send(*pair, *pair)

    def on_execution(self, execution: SimExecution) -> None:
        """A fill. Its commission follows the order's report."""
        order = execution.order
        filed = Filed(execution, request_of(order).contract)
        self._register.executions.append(filed)
        for client in self._audience(order):
            client.send(exec_details(client.version, -1, filed))
        self._commissions.append((order, commission(execution)))
        self.on_fill(execution)

    def on_cancelled(self, order: SimOrder, reason: str) -> None:
        """The status first, then code 202; no openOrder, as recorded."""
        self._register.n_changes += 1
        if order.transmitted:
            self._register.completed.append((order, self._now()))
        for client in self._audience(order):
            client.send(order_status(order, "" if order.transmitted else API_CANCELLED))
            client.error(order.order_id, 202, f"Order Canceled - reason:{reason}")

    def on_refused(self, order: SimOrder, refusal: Refusal) -> None:
        """Inactive, the error, Inactive again."""
        order.status = Status.INACTIVE
        self._register.n_changes += 1
        for client in self._audience(order):
            self.tell(client, order)
            client.error(order.order_id, *refusal)
            client.send(order_status(order))

    # Building blocks

    def tell(self, client: ClientConnection, order: SimOrder, *, with_commission: bool = False) -> None:
        """openOrder and orderStatus of one order."""
        client.send(open_order(client.version, order, with_commission=with_commission), order_status(order))

    def tell_as_foreign(self, client: ClientConnection, order: SimOrder) -> None:
        """The same about an order that belongs to no client of this session."""
        client.send(open_order(client.version, order, identity=NOBODYS), order_status(order, identity=NOBODYS))

    def warn(self, order: SimOrder, code: int, text: str) -> None:
        """A warning about an order to its own client."""
        for client in self._clients():
            if client.client_id == order.client_id and order.order_id != UNBOUND:
                client.error(order.order_id, code, text)

    def _audience(self, order: SimOrder) -> list[ClientConnection]:
        """The order's own client and the master client. Nobody owns an order from elsewhere."""
        owner = order.client_id if order.order_id != UNBOUND else None
        return [client for client in self._clients() if client.client_id in (owner, self._master)]


def open_order(
    version: int, order: SimOrder, *, with_commission: bool = False, identity: tuple[int, int] | None = None
) -> bytes:
    """The openOrder message of an order as it stands. `identity`: client and order id to tell instead of its own."""
    request = request_of(order)
    client_id, order_id = identity or (order.client_id, order.order_id)
    return replies_orders.open_order(
        version,
        replies_orders.OpenOrderRow(
            order_id=order_id,
            client_id=client_id,
            perm_id=order.perm_id,
            contract=request.contract,
            order=order_in_force(order),
            status=order.told_status.value,
            commission_usd=order.fees / MONEY_UNITS_PER_USD if with_commission else None,
            commission_currency="USD" if with_commission else "",
        ),
    )


def order_status(order: SimOrder, status: str = "", identity: tuple[int, int] | None = None) -> bytes:
    """The orderStatus message of an order as it stands."""
    client_id, order_id = identity or (order.client_id, order.order_id)
    return replies_orders.order_status(
        order_id,
        status or order.told_status.value,
        filled=order.filled,
        remaining=order.remaining,
        average_fill_price_usd=order.average_price_usd,
        perm_id=order.perm_id,
        client_id=client_id,
        parent_id=order.parent.order_id if order.parent else 0,
        last_fill_price_usd=price_to_usd(order.last_fill_price),
        why_held=order.why_held,
    )


def order_in_force(order: SimOrder) -> WireOrder:
    """The client's order with what the gateway made of it."""
    wire = replace(
        request_of(order).order,
        quantity=float(order.quantity),
        account=order.account,
        oca_group=order.oca_group,
        oca_type=order.oca_type,
        tif=order.tif,
        outside_rth=order.outside_rth,
    )
    if order.order_type in TRAILING_TYPES and order.stop:
        wire = replace(wire, trail_stop_price=price_to_usd(order.stop))
    if order.order_type in ("MTL", "TRAIL LIMIT") and order.limit:
        wire = replace(wire, limit_price=price_to_usd(order.limit))
    return wire


def completed_order(version: int, order: SimOrder, at: datetime) -> bytes:
    """A done order as reqCompletedOrders gives it."""
    return replies_orders.completed_order(
        version,
        replies_orders.CompletedOrderRow(
            perm_id=order.perm_id,
            contract=request_of(order).contract,
            order=order_in_force(order),
            status=order.status.value,
            filled_quantity=order.filled,
            completed_at=at,
            completed_status=f"Filled Size: {order.filled}" if order.remaining == 0 else "Cancelled by Trader",
            parent_perm_id=order.parent.perm_id if order.parent else None,
        ),
    )


def exec_details(version: int, req_id: int, filed: Filed) -> bytes:
    """A fill, live with request id -1 or as an answer."""
    execution, order = filed.execution, filed.execution.order
    row = replies_orders.ExecutionRow(
        order_id=order.order_id,
        client_id=order.client_id,
        perm_id=order.perm_id,
        contract=filed.contract,
        execution_id=execution.exec_id,
        at=utc_from_epoch(execution.at_s),
        account=order.account,
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


def commission(execution: SimExecution) -> bytes:
    """The commissionReport message of a fill."""
    realised = None if execution.realised is None else execution.realised / MONEY_UNITS_PER_USD
    return replies_orders.commission_report(execution.exec_id, execution.fees / MONEY_UNITS_PER_USD, realised)


def request_of(order: SimOrder) -> PlaceOrder:
    """The message that placed an order, or the last one that changed it."""
    assert isinstance(order.request, PlaceOrder)
    return order.request
