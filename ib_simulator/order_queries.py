"""What the gateway remembers of orders: open ones, completed ones, executions; and whose the user's own orders are."""

from __future__ import annotations

from collections.abc import Callable

from ib_simulator import order_reports, replies_orders
from ib_simulator.client import ClientConnection
from ib_simulator.order_instants import instant
from ib_simulator.order_registry import UNBOUND, Filed, OrderRegistry
from ib_simulator.order_reports import OrderReports
from ib_simulator.orders import BUY, SimExecution
from ib_simulator.request_types import ReqExecutions

MANUAL_CLIENT = 0  # the client that may bind orders which were not placed through the API


class OrderQueries:
    """Answers from the register. `binds`: client 0 asked for orders that were not placed through the API."""

    def __init__(
        self, register: OrderRegistry, reports: OrderReports, clients: Callable[[], list[ClientConnection]]
    ) -> None:
        self._register = register
        self._reports = reports
        self._clients = clients
        self.binds = False

    def tell_open(self, client: ClientConnection, *, all_clients: bool) -> None:
        """Answer reqOpenOrders (this client's; client 0 binds manual ones) and reqAllOpenOrders (binds none).

        A client that saw other clients' order ids must use higher ones from then on.
        """
        client_id = client.client_id or 0
        if not all_clients and client_id == MANUAL_CLIENT:
            self.bind(tell=False)
        for order in self._register.live():
            if not order.transmitted:
                continue
            if order.client_id == client_id and order.order_id != UNBOUND:
                self._reports.tell(client, order)
            elif all_clients and (order.order_id == UNBOUND or order.perm_id in self._register.from_before):
                self._reports.tell_as_foreign(client, order)
            elif all_clients:
                self._register.use(client_id, order.order_id)
                self._reports.tell(client, order)
        client.send(replies_orders.open_order_end())

    def auto_bind(self, client: ClientConnection, wanted: bool) -> None:
        """Answer reqAutoOpenOrders: whether client 0 gets the orders that were not placed through the API."""
        if client.client_id != MANUAL_CLIENT:
            text = "Only API connections with clientId set to 0 can set the auto bind orders property."
            client.error(-1, 327, text)
            return
        self.binds = wanted
        if wanted:
            self.bind()

    def bind(self, *, tell: bool = True) -> None:
        """Give manual orders to client 0, which hears so."""
        for order in self._register.unbound():
            self._register.bind(order, MANUAL_CLIENT)
            for client in self._clients():
                if client.client_id == MANUAL_CLIENT:
                    client.send(replies_orders.order_bound(order.perm_id, MANUAL_CLIENT, order.order_id))
                    if tell:
                        self._reports.tell(client, order)

    def tell_completed(self, client: ClientConnection, *, api_only: bool) -> None:
        """Answer reqCompletedOrders: today's filled and cancelled orders."""
        for order, at in self._register.completed:
            if order.order_id != UNBOUND or not api_only:
                client.send(order_reports.completed_order(client.version, order, at))
        client.send(replies_orders.completed_orders_end())

    def tell_executions(self, client: ClientConnection, request: ReqExecutions) -> None:
        """Answer reqExecutions: the day's executions of all clients that pass the filter, each with its fee."""
        since_s = _filter_second(request.time)
        for filed in self._register.executions:
            if filed.execution.at_s >= since_s and _passes(filed, request):
                message = order_reports.exec_details(client.version, request.req_id, filed)
                client.send(message, order_reports.commission(filed.execution))
        client.send(replies_orders.exec_details_end(request.req_id))


def _passes(filed: Filed, request: ReqExecutions) -> bool:
    """Whether an execution passes the filter; its empty and zero attributes let everything pass."""
    execution: SimExecution = filed.execution
    order = execution.order
    side = "BUY" if execution.side == BUY else "SELL"
    return (
        request.client_id in (0, order.client_id)
        and request.account in ("", order.account)
        and request.symbol in ("", order.symbol)
        and request.sec_type in ("", "STK")
        and request.exchange in ("", "SMART", order_reports.VENUE)
        and side.startswith(request.side.upper())
    )


def _filter_second(text: str) -> int:
    """The earliest second that a filter lets pass; 0 when it is empty or unreadable, as on the real gateway."""
    return instant(text) or 0
