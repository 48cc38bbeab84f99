"""Order requests at the gateway: checked and given to the exchange, or answered from what is remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ib_simulator import order_reports, replies, replies_orders
from ib_simulator.accounts import Accounts
from ib_simulator.auctions import is_closed_to_orders, not_cancellable, too_late
from ib_simulator.client import ClientConnection
from ib_simulator.conditions import rules_of
from ib_simulator.contracts import Stock, StockList, smart_contract
from ib_simulator.exchange import Exchange
from ib_simulator.funds import funds_refusal, preview
from ib_simulator.order_checks import OrderTerms, check_order
from ib_simulator.order_queries import MANUAL_CLIENT, OrderQueries
from ib_simulator.order_registry import UNBOUND, OrderRegistry
from ib_simulator.order_reports import OrderReports
from ib_simulator.order_types import auction_of, works_outside_hours
from ib_simulator.orders import BUY, ConditionRule, Refusal, SimOrder, Status
from ib_simulator.request_types import CancelOrder, PlaceOrder
from ib_simulator.wire_order import WireOrder
from market_hours import Session
from trading.money import MONEY_UNITS_PER_USD

HALTED = Refusal(154, "Orders cannot be transmitted for a halted security.")
HELD_WHILE_HALTED = "Warning: you are submitting an order for a halted security. It is held until trading resumes."
OUTSIDE_HOURS_IGNORED = (
    "Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored based on the order type and "
    "destination. PlaceOrder is now being processed."
)
NOT_MATCHING = Refusal(105, "Order being modified does not match original order")


class OrderService:
    """Orders of all accounts and clients. `refusal_of` may refuse a valid new order; by default it refuses none."""

    def __init__(
        self,
        stocks: StockList,
        accounts: Accounts,
        now: Callable[[], datetime],
        clients: Callable[[], list[ClientConnection]],
        master_client_id: int | None = None,
    ) -> None:
        self._stocks = stocks
        self._accounts = accounts
        self._now = now
        self.register = OrderRegistry()
        self.reports = OrderReports(self.register, now, clients, master_client_id)
        self.queries = OrderQueries(self.register, self.reports, clients)
        self.open_market: Callable[[str], object] = lambda _: None  # an order needs a market that moves
        self.next_open: Callable[[], datetime] = now
        self.refusal_of: Callable[[SimOrder], Refusal | None] = lambda _: None
        self.is_halted: Callable[[str], bool] = lambda _: False
        self.refuses_when_halted = False  # else orders are held for the reopening
        self.session: Session | None = None
        self.exchange: Exchange

    def next_valid_id(self, client_id: int) -> int:
        """The first order id that `client_id` may use."""
        return self.register.next_valid_id(client_id)

    def find(self, client_id: int, order_id: int) -> SimOrder | None:
        """A client's order of today."""
        return self.register.find(client_id, order_id)

    def new_session(self, session: Session) -> None:
        """Midnight before a session."""
        self.session = session
        self.register.new_session(session.date)

    # New orders

    def place(self, client: ClientConnection, request: PlaceOrder) -> None:
        """A new order, or the change of a live one with the same id."""
        client_id, order_id = client.client_id or 0, request.order_id
        known = self.register.find(client_id, order_id)
        if known is not None:
            refusal = self._modify(known, request)
            if refusal is not None:
                client.error(order_id, *refusal)
            return
        order = self._checked(client_id, request)
        if isinstance(order, Refusal):
            client.error(order_id, *order)
        elif request.order.what_if:
            self._preview(client, request, order)
        else:
            self._take(order)

    def place_manual(self, account_id: str, symbol: str, wire: WireOrder) -> SimOrder:
        """An order that the user enters in TWS itself. Client 0 sees it once it asks to bind such orders.

        Raises ValueError when the order is not valid.
        """
        stock = self._stocks.find(0, symbol)
        if stock is None:
            raise ValueError(f"{symbol} is not traded here")
        contract = smart_contract(stock)
        request = PlaceOrder(order_id=UNBOUND, contract=contract, sec_id_type="", sec_id="", order=wire)
        order = self._order_of(MANUAL_CLIENT, replace(request, order=replace(wire, account=account_id)), stock)
        if isinstance(order, Refusal):
            raise ValueError(order.text)
        self._take(order)
        if self.queries.binds:
            self.queries.bind()
        return order

    def _checked(self, client_id: int, request: PlaceOrder) -> SimOrder | Refusal:
        """The new order, or why it is dropped without a status. Its id is used up by then."""
        order_id, contract = request.order_id, request.contract
        if order_id <= 0:
            return Refusal(10149, f"Invalid order id: {order_id}")
        if self.register.is_used(client_id, order_id):
            return Refusal(103, "Duplicate order id")
        if not request.order.what_if:
            self.register.use(client_id, order_id)
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            self.register.drop_unknown(client_id, order_id)
            return Refusal(200, "No security definition has been found for the request")
        return self._order_of(client_id, request, stock)

    def _order_of(self, client_id: int, request: PlaceOrder, stock: Stock) -> SimOrder | Refusal:
        wire = request.order
        account = self._accounts.for_order(wire.account)
        if isinstance(account, Refusal):
            return account
        terms = check_order(wire, account.account_id, self._now())
        if isinstance(terms, Refusal):
            return terms
        rules = self._rules(wire)
        if isinstance(rules, Refusal):
            return rules
        parent = None
        if wire.parent_id:
            parent = self.register.find(client_id, wire.parent_id)
            if parent is None:
                return Refusal(135, f"Can't find order with id ={wire.parent_id}")
            if parent.is_done:
                return Refusal(201, "Order rejected - reason:Parent order is not active")
        order = SimOrder(
            perm_id=0 if wire.what_if else self.register.new_perm_id(),
            client_id=client_id,
            order_id=request.order_id,
            account=account.account_id,
            symbol=stock.symbol,
            side=terms.side,
            quantity=terms.quantity,
            order_type=wire.order_type,
            oca_group=wire.oca_group,
            oca_type=wire.oca_type or 3,
            order_ref=wire.order_ref,
            parent=parent,
            request=replace(request, contract=smart_contract(stock)),
        )
        if parent is not None and not order.oca_group:
            order.oca_group = str(parent.perm_id)
        _restate(order, terms, wire, rules)
        return order

    def _rules(self, wire: WireOrder) -> tuple[ConditionRule, ...] | Refusal:
        def symbol_of(con_id: int) -> str | None:
            stock = self._stocks.find(con_id, "")
            return stock.symbol if stock is not None else None

        return rules_of(wire.conditions, symbol_of)

    def _take(self, order: SimOrder) -> None:
        """Reject an order, or place it, after the warnings that come before its first report."""
        wire = order_reports.request_of(order).order
        self.register.add(order)
        self._open_markets(order)
        refusal = funds_refusal(self._accounts[order.account], order, self.exchange.orders.values())
        if self.exchange.is_group_filled(order.oca_group):
            refusal = Refusal(201, "Order rejected - reason:OCA group is already filled")
        if self._is_locked(order):
            refusal = too_late(order.auction)
        if self.refuses_when_halted and self.is_halted(order.symbol):
            refusal = HALTED
        refusal = refusal or self.refusal_of(order)
        if refusal is not None:
            self.reports.on_refused(order, refusal)
            return
        self._warn(order, wire)
        self.exchange.place(order)
        if wire.transmit:
            self.exchange.transmit(order)

    def _open_markets(self, order: SimOrder) -> None:
        """Let the markets that the order looks at move."""
        for symbol in (order.symbol, *[rule.symbol for rule in order.conditions if rule.symbol]):
            self.open_market(symbol)

    def _warn(self, order: SimOrder, wire: WireOrder) -> None:
        if self.is_halted(order.symbol):
            self.reports.warn(order, 2128, HELD_WHILE_HALTED)
        if wire.outside_rth and not order.outside_rth:
            self.reports.warn(order, 2109, OUTSIDE_HOURS_IGNORED)
        if not self.exchange.is_open and not order.outside_rth:
            opens = replies.exchange_time_text(replies.ZONED_TIMES_VERSION, self.next_open())
            side = "BUY" if order.side == BUY else "SELL"
            text = (
                f"Order Message:\n{side} {order.quantity} {order.symbol} NASDAQ.NMS\n"
                f"Warning: your order will not be placed at the exchange until {opens}"
            )
            self.reports.warn(order, 399, text)

    def _preview(self, client: ClientConnection, request: PlaceOrder, order: SimOrder) -> None:
        """Answer a what-if: margin and commission, nothing is placed."""
        account = self._accounts[order.account]
        around = preview(account, order, self.exchange.rates)
        before, after, equity_before, equity_after, fees = (money / MONEY_UNITS_PER_USD for money in around)
        refusal = funds_refusal(account, order, self.exchange.orders.values())
        row = replies_orders.OpenOrderRow(
            order_id=request.order_id,
            client_id=order.client_id,
            perm_id=0,
            contract=order_reports.request_of(order).contract,
            order=order_reports.order_in_force(order),
            status=Status.PRE_SUBMITTED.value,
            margin=replies_orders.MarginRow(
                init_before=before,
                maint_before=before,
                equity_before=equity_before,
                init_change=after - before,
                maint_change=after - before,
                equity_change=equity_after - equity_before,
                init_after=after,
                maint_after=after,
                equity_after=equity_after,
            ),
            commission_usd=fees,
            commission_currency="USD",
            warning=refusal.text if refusal is not None else "",
        )
        client.send(replies_orders.open_order(client.version, row))

    # Changes and cancels

    def _modify(self, order: SimOrder, request: PlaceOrder) -> Refusal | None:
        """Change a live order, or say why not. Contract, side, account, parent and OCA group stay."""
        wire = request.order
        if order.is_done:
            known = "filled" if order.status is Status.FILLED else order.status.value.lower()
            return Refusal(104, f"Cannot modify a {known} order.")
        terms = check_order(wire, order.account, self._now())
        if isinstance(terms, Refusal):
            return terms
        rules = self._rules(wire)
        if isinstance(rules, Refusal):
            return rules
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None or stock.symbol != order.symbol or terms.side != order.side:
            return NOT_MATCHING
        if wire.parent_id and (order.parent is None or wire.parent_id != order.parent.order_id):
            return Refusal(10341, "Parent order id cannot be modified")
        if wire.oca_group not in ("", order.oca_group):
            return Refusal(10326, "OCA group revision is not allowed")
        if self._is_locked(order):
            return not_cancellable(order)
        refusal = self.exchange.change_refusal(order, terms.quantity) if order.transmitted else None
        if refusal is None and terms.quantity > order.quantity:
            wanted = replace(order, quantity=terms.quantity - order.filled, limit=terms.limit, stop=terms.stop)
            others = [other for other in self.exchange.orders.values() if other is not order]
            refusal = funds_refusal(self._accounts[order.account], wanted, others)
        if refusal is not None:
            return refusal
        order.request = replace(request, contract=order_reports.request_of(order).contract)
        if order.transmitted:
            _restate(order, terms, wire, rules)
            self._open_markets(order)
            return self.exchange.modify(order, quantity=terms.quantity, limit=order.limit, stop=order.stop)
        order.quantity = terms.quantity
        _restate(order, terms, wire, rules)
        self._open_markets(order)
        if wire.transmit:
            self.exchange.transmit(order)
        return None

    def cancel(self, client: ClientConnection, request: CancelOrder) -> None:
        """Cancel an order of this client."""
        client_id, order_id = client.client_id or 0, request.order_id
        order = self.register.find(client_id, order_id)
        if order is None and self.register.is_unknown(client_id, order_id):
            client.send(_never_placed(client_id, order_id))
        elif order is None:
            client.error(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        elif order.is_done or order.cancel_at_s:
            text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.told_status}."
            client.error(order_id, 10148, text)
        elif self._is_locked(order):
            client.error(order_id, *not_cancellable(order))
        else:
            self.exchange.request_cancel(order)

    def cancel_all(self) -> None:
        """Cancel every live order that can be cancelled, whoever placed it."""
        for order in self.register.live():
            if not order.is_done and not self._is_locked(order):
                self.exchange.request_cancel(order)

    def _is_locked(self, order: SimOrder) -> bool:
        """Whether the auction that the order waits for is too near."""
        return is_closed_to_orders(order.auction, self.session, self.exchange.now_s)


def _restate(order: SimOrder, terms: OrderTerms, wire: WireOrder, rules: tuple[ConditionRule, ...]) -> None:
    """Give an order the terms of its latest request, all but its size. A new type starts from the beginning."""
    if order.order_type != wire.order_type:
        order.active = order.triggered = False
        order.status = Status.PRE_SUBMITTED
    order.order_type, order.tif = wire.order_type, wire.tif or "DAY"
    order.auction = auction_of(order.order_type, order.tif)
    order.active = order.active and not order.auction
    order.good_after_s, order.good_till_s = terms.good_after_s, terms.good_till_s
    order.limit, order.stop = terms.limit, terms.stop
    order.trail, order.trail_ppm, order.limit_offset = terms.trail, terms.trail_ppm, terms.limit_offset
    order.outside_rth = wire.outside_rth and works_outside_hours(order.order_type, order.tif)
    if order.conditions != rules:
        order.conditions, order.conditions_met = rules, False
    order.conditions_cancel, order.conditions_ignore_rth = wire.conditions_cancel_order, wire.conditions_ignore_rth
    order.all_or_none, order.min_quantity = wire.all_or_none, wire.min_qty or 0


def _never_placed(client_id: int, order_id: int) -> bytes:
    """The answer to the cancel of an order whose contract nobody knew."""
    return replies_orders.order_status(
        order_id,
        order_reports.API_CANCELLED,
        filled=0,
        remaining=0,
        average_fill_price_usd=0.0,
        perm_id=0,
        client_id=client_id,
    )
