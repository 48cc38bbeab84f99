"""The simulated exchange: orders, brackets, OCA groups and time conditions matched against price paths.

Synchronous and free of sockets: the gateway calls it at whole seconds (path points) and when messages arrive;
it reports through an `ExchangeListener`. Fill rules come from `trading.matching`, fees from `trading.costs`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ib_simulator.account import Account
from ib_simulator.auctions import trades_at
from ib_simulator.market import PathPoint, SymbolMarket
from ib_simulator.order_book import OrderBook
from ib_simulator.order_matching import is_reached, path_fill, standing_fill, trigger
from ib_simulator.order_types import AT_ONCE_TYPES, IMMEDIATE, STOP_TYPES, TRADED_OUTSIDE_TYPES, TRAILING_TYPES
from ib_simulator.orders import BUY, Auction, ExchangeListener, Refusal, SimExecution, SimOrder, Status
from ib_simulator.trailing import follow
from ib_simulator.waiting import Waiting
from trading.costs import FeeSchedule, fill_fees
from trading.matching import NO_FILL

OCA_CANCEL = 1
CANNOT_MODIFY_FILLED = Refusal(104, "Cannot modify a filled order.")
STILL_PROCESSED = Refusal(2102, "Unable to modify this order as it is still being processed.")
STOPS = STOP_TYPES | TRAILING_TYPES


class Exchange:
    """Working orders of all symbols of the session being played. A cancel takes `cancel_delay_s` to arrive.

    `is_open` is the regular session, `is_extended` the pre-market and the post-market where they are played: only
    limit orders that say `outside_rth` trade there, and DAY orders that say so live until the post-market ends.
    """

    def __init__(self, listener: ExchangeListener, accounts: Mapping[str, Account], rates: FeeSchedule) -> None:
        self.listener = listener
        self.accounts = accounts
        self.rates = rates
        self.cancel_delay_s = 0
        self.markets: dict[str, SymbolMarket] = {}  # symbol -> its market today
        self.book = OrderBook()
        self.orders = self.book.orders  # perm_id -> order that is not done
        self.is_open = False
        self.is_extended = False
        self.now_s = 0
        self._waiting = Waiting()
        self._opening: dict[str, list[SimOrder]] = {}  # symbol -> orders that wait for its first price
        self.n_executions = 0

    def place(self, order: SimOrder) -> None:
        """Take a valid order. It waits untransmitted until a sibling or itself says transmit."""
        self.book.add(order)

    def adopt(self, order: SimOrder) -> None:
        """Take a live order back that was placed before a restart, silently; it works as far as nothing holds it."""
        self.place(order)
        if order.transmitted:
            self._waiting.watch(order)
            if self.is_open or self.is_extended:
                self._admit(order)

    def clear(self) -> None:
        """Forget all orders, silently."""
        for held in (self.book, self._waiting, self._opening):
            held.clear()

    def is_group_filled(self, oca_group: str) -> bool:
        """Whether a member of this OCA group is filled already."""
        return self.book.is_group_closed(oca_group)

    def transmit(self, order: SimOrder) -> None:
        """Send an order to the exchange, with the parent and siblings that waited for it."""
        root = order.parent or order
        waiting = [member for member in (root, *root.children) if not member.transmitted]
        for member in waiting:
            member.transmitted = True
            self._waiting.watch(member)
        for member in waiting:
            if not member.is_done:
                self._activate(member)
                self._report_unless_done(member)
        for member in waiting:
            if member.active and not member.is_done:
                self._match_on_arrival(member)
        self._see_conditions()

    def change_refusal(self, order: SimOrder, quantity: int) -> Refusal | None:
        """Why an order cannot get this size, or change at all."""
        if order.status is Status.FILLED:
            return CANNOT_MODIFY_FILLED
        if order.is_done:
            return Refusal(104, f"Cannot modify a {order.status.value.lower()} order.")
        if order.cancel_at_s:
            return STILL_PROCESSED
        if quantity <= order.filled:
            return Refusal(105, "Order being modified does not match original order")
        return None

    def modify(self, order: SimOrder, *, quantity: int, limit: int, stop: int) -> Refusal | None:
        """Change size or prices of a live order; it is matched anew."""
        refusal = self.change_refusal(order, quantity)
        if refusal is not None:
            return refusal
        order.quantity, order.limit, order.stop = quantity, limit, stop
        order.marketable = False
        order.active = order.active and self._is_time_for(order) and not self._waits_for_conditions(order)
        if order.transmitted:
            self._waiting.watch(order)
        if order.transmitted and not order.active:
            self._activate(order)
        self.listener.on_modified(order)
        if order.active and order.transmitted:
            self._match_on_arrival(order)
        self._see_conditions()
        return None

    def request_cancel(self, order: SimOrder) -> None:
        """A client's cancel: at once, or once it has travelled to the exchange. Fills may come before."""
        if not self.cancel_delay_s or not order.transmitted:
            self.cancel(order)
        elif not order.cancel_at_s:
            order.cancel_at_s = self.now_s + self.cancel_delay_s
            self._waiting.watch(order)

    def cancel(self, order: SimOrder, reason: str = "") -> None:
        """Cancel an order, its OCA group and its children: cancelling one member cancels the group."""
        if order.is_done:
            return
        self._drop(order, reason)
        for other in self.book.in_group(order.oca_group):
            self.cancel(other, reason)

    def on_point(self, market: SymbolMarket, point: PathPoint) -> None:
        """The price of a symbol moved or jumped: match every order that it reaches, oldest first."""
        if self._opening:
            self._cross_opening(market.symbol, point)
        for order in self.book.in_symbol(market.symbol):
            if not order.active or order.is_done:
                continue
            price = path_fill(order, market, point)
            if price != NO_FILL:
                self._fill_what_volume_allows(order, market, price, point.second)
            elif order.order_type in TRAILING_TYPES or order.triggered:
                self._report_moved_stop(order)
            if order.tif in IMMEDIATE and not order.is_done:
                self._drop(order)
        if self._waiting.conditional:
            self._see_conditions()

    def on_second(self, second: int) -> None:
        """Time conditions that are due, after this second's path points and publications."""
        for perm_id in self._waiting.take_due(second):
            order = self.orders.get(perm_id)
            if order is None:
                continue
            if order.cancel_at_s and order.cancel_at_s <= second:
                self.cancel(order)
            elif order.has_expired(second):
                self._drop(order)
            elif not order.active and (self.is_open or self.is_extended):
                self._activate(order)
                if order.active:
                    self.listener.on_order(order)
                    self._match_on_arrival(order)
        if self._waiting.conditional:
            self._see_conditions()

    def next_condition_s(self) -> int | None:
        """The second of the next time condition, None when there is none."""
        return self._waiting.next_s()

    def open_session(self, second: int) -> None:
        """The opening: orders that waited become active; they match from the first path point on."""
        self.is_open, self.is_extended = True, False
        self._wake_orders(second)

    def open_extended(self, second: int) -> None:
        """The pre-market or the post-market begins, for orders that say they work there."""
        self.is_extended = True
        self._wake_orders(second)

    def close_extended(self, second: int) -> None:
        """The post-market ends, and with it DAY orders that worked there."""
        self.now_s = second
        for order in list(self.orders.values()):
            if not order.is_done and (order.has_expired(second) or (order.tif == "DAY" and order.outside_rth)):
                self._drop(order)
        self._rest()

    def close_session(self, second: int, *, goes_on: bool = False) -> None:
        """The close: DAY orders expire, GTC orders wait for the next session, also those of the same OCA group.

        `goes_on`: a post-market follows, and DAY orders that work outside the session live until it ends.
        """
        self.now_s = second
        for order in [order for orders in self._opening.values() for order in orders]:
            if not order.is_done:
                self._drop(order)  # its symbol did not trade
        self._opening.clear()
        for order in list(self.orders.values()):
            if order.auction is Auction.CLOSING:
                self._cross_closing(order, second)
        for order in list(self.orders.values()):
            ends_now = order.tif == "DAY" and not (goes_on and order.outside_rth)
            over = ends_now or (order.tif in IMMEDIATE and order.active) or order.has_expired(second)
            if over and not order.is_done:
                self._drop(order)
        self._rest()

    def _wake_orders(self, second: int) -> None:
        self.now_s = second
        for order in list(self.orders.values()):
            if order.has_expired(second) and not order.is_done:
                self._drop(order)
            elif order.transmitted and not order.active and not order.is_done:
                self._admit(order)
                if order.active:
                    self.listener.on_order(order)

    def _rest(self) -> None:
        for order in self.orders.values():
            order.active = False
        self.is_open = self.is_extended = False

    def _see_conditions(self) -> None:
        """Let go, or cancel, the orders whose conditions have come true."""
        if not (self.is_open or self.is_extended):
            return
        for order in self._waiting.take_met(self.markets, self.now_s, is_regular=self.is_open):
            if order.conditions_cancel:
                self.cancel(order)
            elif not order.is_done:  # its group may have ended it a moment ago
                self._admit(order)
            if order.active:
                self.listener.on_order(order)
                self._match_on_arrival(order)

    def _waits_for_conditions(self, order: SimOrder) -> bool:
        return bool(order.conditions) and not (order.conditions_met or order.conditions_cancel)

    def _is_held(self, order: SimOrder) -> bool:
        """Whether its parent, its time or its conditions keep an order from the market."""
        if order.parent is not None and order.parent.filled == 0:
            return True
        if order.conditions and self._waits_for_conditions(order):
            return True
        return bool(order.good_after_s) and self.now_s < order.good_after_s

    def _activate(self, order: SimOrder) -> None:
        """Let an order match if nothing holds it any more. One that fills at once was never Submitted."""
        if order.auction or self._is_held(order):
            return
        if not self._is_time_for(order):
            return
        order.active = True
        if order.order_type in AT_ONCE_TYPES:
            market = self._open_market(order)
            if market is None or standing_fill(order, market) == NO_FILL:
                order.status = Status.SUBMITTED

    def _is_time_for(self, order: SimOrder) -> bool:
        """Whether the hour lets it work: outside the session only limit orders that say so."""
        return self.is_open or (order.outside_rth and order.order_type in TRADED_OUTSIDE_TYPES)

    def _admit(self, order: SimOrder) -> None:
        """Let an order into the session that is open, or into its opening auction."""
        self._activate(order)
        if self.is_open and order.auction is Auction.OPENING and not self._is_held(order):
            self._opening.setdefault(order.symbol, []).append(order)

    def _open_market(self, order: SimOrder) -> SymbolMarket | None:
        """The market that the order may trade in now."""
        if not (self.is_open or (self.is_extended and self._is_time_for(order))):
            return None
        market = self.markets.get(order.symbol)
        return market if market is not None and market.last and not market.halt else None

    def _match_on_arrival(self, order: SimOrder) -> None:
        """A marketable order fills at the standing far quote when it arrives, never at a later path point."""
        market = self._open_market(order)
        if market is None:
            return
        price = standing_fill(order, market)
        if price != NO_FILL:
            self._fill_what_volume_allows(order, market, price, self.now_s)
        elif order.order_type in STOPS and order.order_type != "STP" and not order.triggered:
            self._start_stop(order, market)
        if order.tif in IMMEDIATE and not order.is_done:
            self._drop(order)

    def _start_stop(self, order: SimOrder, market: SymbolMarket) -> None:
        """A stop that begins to work without filling: reached with its limit away, or following from here."""
        if is_reached(order, market):
            trigger(order)
        elif order.order_type in TRAILING_TYPES:
            order.trailed = follow(order, market.last)
        self._report_moved_stop(order)

    def _report_moved_stop(self, order: SimOrder) -> None:
        """Tell of a stop that moved, or that made its order a limit order that now rests."""
        if order.triggered and order.status is Status.PRE_SUBMITTED:
            order.status = Status.SUBMITTED
            self.listener.on_order(order)
        elif order.trailed:
            self.listener.on_order(order)
        order.trailed = False

    def _fill_what_volume_allows(self, order: SimOrder, market: SymbolMarket, price: int, second: int) -> None:
        if order.order_type in STOPS and not order.triggered:
            trigger(order)
        if order.triggered:
            order.status = Status.SUBMITTED
        quantity = min(order.fillable, market.volume_left(second))
        least = order.remaining if order.all_or_none or order.tif == "FOK" else 0
        if order.filled == 0:
            least = max(least, min(order.min_quantity, order.remaining))
        if quantity < least:
            quantity = 0
        if quantity > 0:
            market.take_volume(second, quantity)
            self._execute(order, quantity, price, second)
        if not order.is_done:
            if quantity == 0 and not order.marketable and order.tif not in IMMEDIATE:
                order.status = Status.SUBMITTED
                self.listener.on_order(order)
            order.marketable = True

    def _cross_opening(self, symbol: str, point: PathPoint) -> None:
        """The opening auction of a symbol is its first price."""
        for order in self._opening.pop(symbol, ()):
            self._cross(order, point.price, point.second)

    def _cross_closing(self, order: SimOrder, second: int) -> None:
        """The closing auction of a symbol is its last price."""
        market = self.markets.get(order.symbol)
        if order.is_done or not order.transmitted or self._is_held(order) or market is None or market.halt:
            return
        if market.last:
            self._cross(order, market.last, second)

    def _cross(self, order: SimOrder, price: int, second: int) -> None:
        quantity = order.fillable
        if order.is_done or quantity <= 0:
            return
        if trades_at(order, price):
            self._execute(order, quantity, price, second)
        if not order.is_done:
            self._drop(order)

    def is_at_work(self, order: SimOrder) -> bool:
        """Whether it rests in the market: no stop that waits for its price, nor an order before its time."""
        waits = order.order_type in STOPS and not order.triggered
        return not (order.is_done or waits or self._is_held(order)) and order.transmitted

    def fill_now(self, order: SimOrder) -> bool:
        """Fill what an order may still fill at the standing far quote, whatever it waits for: what faults do."""
        market = self.markets.get(order.symbol)
        if market is None or not market.last or order.is_done or order.fillable <= 0:
            return False
        self._execute(order, order.fillable, market.ask if order.side == BUY else market.bid, self.now_s)
        return True

    def _execute(self, order: SimOrder, quantity: int, price: int, second: int) -> None:
        fees = fill_fees(order.side, quantity, price, order.filled, self.rates)
        first_fill = order.filled == 0
        order.filled += quantity
        order.filled_value += price * quantity
        order.last_fill_price = price
        order.fees += fees
        if order.order_type == "MTL" and first_fill:
            order.limit = price
        if order.remaining == 0:
            self._finish(order, Status.FILLED)
            self.book.close_group(order.oca_group)
        else:
            order.status = Status.SUBMITTED
        realised = self.accounts[order.account].execute(order.symbol, order.side, quantity, price, fees)
        self.n_executions += 1
        self.listener.on_execution(
            SimExecution(
                exec_id=f"{order.perm_id:08x}.{second:08x}.{self.n_executions:02x}.01",
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
        for other in self.book.in_group(order.oca_group):
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
        self._waiting.forget(order)
        self.book.remove(order)
