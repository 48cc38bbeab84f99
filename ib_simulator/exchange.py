"""The simulated exchange: orders, brackets, OCA groups and time conditions matched against price paths.

Synchronous and free of sockets: the gateway calls it at whole seconds (path points) and when messages arrive;
it reports through an `ExchangeListener`. Fill rules come from `trading.matching`, fees from `trading.costs`.
"""

from __future__ import annotations

import heapq
from typing import Protocol

from ib_simulator.account import Account
from ib_simulator.market import PathPoint, SymbolMarket
from ib_simulator.orders import BUY, SELL, Refusal, SimExecution, SimOrder, Status
from trading.costs import FeeSchedule, fill_fees
from trading.matching import NO_FILL, buy_limit_fill, buy_stop_fill, sell_limit_fill, sell_stop_fill

OCA_CANCEL = 1
CANNOT_MODIFY_FILLED = Refusal(104, "Cannot modify a filled order.")


class ExchangeListener(Protocol):
    """What the exchange reports, in the order in which it happens."""

    def on_order(self, order: SimOrder) -> None:
        """The order was taken, or its state or size changed."""

    def on_execution(self, execution: SimExecution) -> None:
        """The order executed. `on_order` follows."""

    def on_cancelled(self, order: SimOrder, reason: str) -> None:
        """The order is cancelled, by request, by its group, by expiry."""

    def on_refused(self, order: SimOrder, refusal: Refusal) -> None:
        """The order is dead on arrival: Inactive."""


class Exchange:
    """Working orders of all symbols of the session being played."""

    def __init__(self, listener: ExchangeListener, account: Account, rates: FeeSchedule) -> None:
        self.listener = listener
        self.account = account
        self.rates = rates
        self.markets: dict[str, SymbolMarket] = {}  # symbol -> its market today
        self.orders: dict[int, SimOrder] = {}  # perm_id -> order that is not done
        self.is_open = False
        self.now_s = 0
        self._by_symbol: dict[str, dict[int, SimOrder]] = {}  # symbol -> perm_id -> order that is not done
        self._groups: dict[str, dict[int, SimOrder]] = {}  # OCA group -> perm_id -> order that is not done
        self._filled_groups: set[str] = set()  # OCA groups with a complete member: they take no further order
        self._conditions: list[tuple[int, int]] = []  # heap of (second, perm_id): good-after and good-till
        self._executions = 0

    def place(self, order: SimOrder) -> None:
        """Take a valid order. It waits untransmitted until a sibling or itself says transmit."""
        self.orders[order.perm_id] = order
        self._by_symbol.setdefault(order.symbol, {})[order.perm_id] = order
        if order.parent is not None:
            order.parent.children.append(order)
        if order.oca_group:
            self._groups.setdefault(order.oca_group, {})[order.perm_id] = order

    def is_group_filled(self, oca_group: str) -> bool:
        """Whether a member of this OCA group is filled already."""
        return bool(oca_group) and oca_group in self._filled_groups

    def transmit(self, order: SimOrder) -> None:
        """Send an order to the exchange, with the parent and siblings that waited for it."""
        root = order.parent or order
        waiting = [member for member in (root, *root.children) if not member.transmitted]
        for member in waiting:
            member.transmitted = True
            for moment in (member.good_after_s, member.good_till_s):
                if moment:
                    heapq.heappush(self._conditions, (moment, member.perm_id))
        for member in waiting:
            if not member.is_done:
                self._activate(member)
                self._report_unless_done(member)
        for member in waiting:
            if member.active and not member.is_done:
                self._match_on_arrival(member)

    def modify(self, order: SimOrder, *, quantity: int, limit: int, stop: int) -> Refusal | None:
        """Change size or prices of a live order; it is matched anew."""
        if order.status is Status.FILLED:
            return CANNOT_MODIFY_FILLED
        if order.is_done:
            return Refusal(104, f"Cannot modify a {order.status.value.lower()} order.")
        if quantity <= order.filled:
            return Refusal(105, "Order being modified does not match original order")
        order.quantity, order.limit, order.stop = quantity, limit, stop
        order.marketable = False
        self.listener.on_order(order)
        if order.active and order.transmitted:
            self._match_on_arrival(order)
        return None

    def cancel(self, order: SimOrder, reason: str = "") -> None:
        """Cancel an order, its OCA group and its children: cancelling one member cancels the group."""
        if order.is_done:
            return
        self._drop(order, reason)
        for other in list(self._groups.get(order.oca_group, {}).values()):
            self.cancel(other, reason)

    def on_point(self, market: SymbolMarket, point: PathPoint) -> None:
        """The price of a symbol moved or jumped: match every order that it reaches, oldest first."""
        for order in list(self._by_symbol.get(market.symbol, {}).values()):
            if not order.active or order.is_done:
                continue
            price = _fill_price(order, market, point)
            if price != NO_FILL:
                self._fill_what_volume_allows(order, market, price, point.second)

    def on_second(self, second: int) -> None:
        """Time conditions that are due, after this second's path points and publications."""
        while self._conditions and self._conditions[0][0] <= second:
            _, perm_id = heapq.heappop(self._conditions)
            order = self.orders.get(perm_id)
            if order is None:
                continue
            if _has_expired(order, second):
                self._drop(order)
            elif not order.active and self.is_open:
                self._activate(order)
                if order.active:
                    self.listener.on_order(order)
                    self._match_on_arrival(order)

    def next_condition_s(self) -> int | None:
        """The second of the next time condition, None when there is none."""
        return self._conditions[0][0] if self._conditions else None

    def open_session(self, second: int) -> None:
        """The opening: orders that waited become active; they match from the first path point on."""
        self.is_open = True
        self.now_s = second
        for order in list(self.orders.values()):
            if _has_expired(order, second) and not order.is_done:
                self._drop(order)
            elif order.transmitted and not order.active and not order.is_done:
                self._activate(order)
                if order.active:
                    self.listener.on_order(order)

    def close_session(self, second: int) -> None:
        """The close: DAY orders expire, GTC orders wait for the next session, also those of the same OCA group."""
        self.now_s = second
        for order in list(self.orders.values()):
            if not order.is_done and (order.tif == "DAY" or _has_expired(order, second)):
                self._drop(order)
        for order in self.orders.values():
            order.active = False
        self.is_open = False

    def _activate(self, order: SimOrder) -> None:
        """Let an order match if nothing holds it any more."""
        held = order.parent is not None and order.parent.filled == 0
        early = order.good_after_s and self.now_s < order.good_after_s
        if held or early or not (self.is_open or order.outside_rth):
            return
        order.active = True
        if order.order_type in ("LMT", "MKT"):
            order.status = Status.SUBMITTED

    def _match_on_arrival(self, order: SimOrder) -> None:
        """A marketable order fills at the standing far quote when it arrives, never at a later path point."""
        market = self.markets.get(order.symbol)
        if market is None or market.last == 0 or not self.is_open:
            return
        price = _standing_fill(order, market)
        if price != NO_FILL:
            self._fill_what_volume_allows(order, market, price, self.now_s)

    def _fill_what_volume_allows(self, order: SimOrder, market: SymbolMarket, price: int, second: int) -> None:
        if order.order_type == "STP":
            order.triggered = True
            order.status = Status.SUBMITTED
        quantity = min(_allowed(order), market.volume_left(second))
        if quantity > 0:
            market.take_volume(second, quantity)
            self._execute(order, quantity, price, second)
        if not order.is_done:
            if quantity == 0 and not order.marketable:
                self.listener.on_order(order)
            order.marketable = True

    def _execute(self, order: SimOrder, quantity: int, price: int, second: int) -> None:
        fees = fill_fees(order.side, quantity, price, order.filled, self.rates)
        first_fill = order.filled == 0
        order.filled += quantity
        order.filled_value += price * quantity
        order.last_fill_price = price
        if order.remaining == 0:
            self._finish(order, Status.FILLED)
            self._filled_groups.add(order.oca_group)
        realised = self.account.execute(order.symbol, order.side, quantity, price, fees)
        self._executions += 1
        self.listener.on_execution(
            SimExecution(
                exec_id=f"{order.perm_id:08x}.{second:08x}.{self._executions:02x}.01",
                order=order,
                side=order.side,
                quantity=quantity,
                price=price,
                at_s=second,
                cumulative=order.filled,
                average_price_usd=order.average_price_usd,
                fees=fees,
                realised=realised,
            )
        )
        self.listener.on_order(order)
        self._reduce_group(order, quantity)
        if first_fill:
            self._release_children(order)

    def _reduce_group(self, order: SimOrder, quantity: int) -> None:
        """One cancels all: a fill reduces the other members, or cancels them when it is complete."""
        for other in list(self._groups.get(order.oca_group, {}).values()):
            if other is order or other.is_done:
                continue
            other.quantity -= quantity
            if order.is_done or other.oca_type == OCA_CANCEL or other.remaining <= 0:
                other.quantity += quantity
                self._drop(other)
            else:
                self.listener.on_order(other)

    def _release_children(self, parent: SimOrder) -> None:
        for child in parent.children:
            if child.transmitted and not child.is_done:
                self._activate(child)
                self._report_unless_done(child)
                if child.active:
                    self._match_on_arrival(child)

    def _report_unless_done(self, order: SimOrder) -> None:
        if not order.is_done:
            self.listener.on_order(order)

    def _drop(self, order: SimOrder, reason: str = "") -> None:
        """End an order; its children go with it while it is unfilled, the rest of its OCA group does not."""
        self._finish(order, Status.CANCELLED)
        self.listener.on_cancelled(order, reason)
        for child in list(order.children):
            if order.filled == 0:
                self.cancel(child, reason)

    def _finish(self, order: SimOrder, status: Status) -> None:
        order.status = status
        order.active = False
        self.orders.pop(order.perm_id, None)
        self._by_symbol.get(order.symbol, {}).pop(order.perm_id, None)
        group = self._groups.get(order.oca_group)
        if group is not None:
            group.pop(order.perm_id, None)
            if not group:
                del self._groups[order.oca_group]


def _has_expired(order: SimOrder, second: int) -> bool:
    return order.tif == "GTD" and 0 < order.good_till_s <= second


def _allowed(order: SimOrder) -> int:
    """Shares the order may still fill: a bracket's children together sell no more than their parent bought."""
    if order.parent is None:
        return order.remaining
    return min(order.remaining, order.parent.filled - sum(child.filled for child in order.parent.children))


def _standing_fill(order: SimOrder, market: SymbolMarket) -> int:
    """The far quote if the order takes it now, else NO_FILL."""
    quote = market.ask if order.side == BUY else market.bid
    if order.order_type == "LMT":
        return quote if order.side * quote <= order.side * order.limit else NO_FILL
    if order.order_type == "STP" and not order.triggered and order.side * market.last < order.side * order.stop:
        return NO_FILL
    return quote


def _fill_price(order: SimOrder, market: SymbolMarket, point: PathPoint) -> int:
    """The price at which a working order fills at a path point, else NO_FILL."""
    if order.order_type == "MKT" or order.triggered:
        return market.ask if order.side == BUY else market.bid
    if order.order_type == "LMT":
        if order.marketable:
            order.marketable = _standing_fill(order, market) != NO_FILL
            return _standing_fill(order, market)
        fill = sell_limit_fill if order.side == SELL else buy_limit_fill
        return fill(order.limit, point.price, point.jump, market.recorded_half)
    trigger = sell_stop_fill if order.side == SELL else buy_stop_fill
    return trigger(order.stop, point.price, point.jump, market.recorded_half)
