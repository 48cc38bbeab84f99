"""Who owns which order: permanent ids, each client's order ids, and what is remembered of the day.

A permanent id belongs to the login and never changes; an order id belongs to a client id. Both counters outlive a
restart of the gateway.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from ib_simulator.orders import SimExecution, SimOrder
from ib_simulator.wire_order import WireContract
from market_hours import new_york_date, utc_from_epoch

FIRST_PERM_ID = 1_000_000_001
UNBOUND = 0  # the order id of an order that was not placed through the API

OrderKey = tuple[int, int]  # client id, order id


class Filed(NamedTuple):
    """An execution with the client's contract, as reqExecutions gives it again."""

    execution: SimExecution
    contract: WireContract


@dataclass(slots=True)
class OrderRegistry:
    """All orders that are live or were done today, with the day's executions."""

    next_perm_id: int = FIRST_PERM_ID
    orders: dict[int, SimOrder] = field(default_factory=dict)  # perm_id -> order, oldest first
    last_order_id: dict[int, int] = field(default_factory=dict)  # client id -> highest order id it used or saw
    executions: list[Filed] = field(default_factory=list)
    completed: list[tuple[SimOrder, datetime]] = field(default_factory=list)
    from_before: dict[int, None] = field(default_factory=dict)  # perm ids of orders that survived a restart
    n_changes: int = 0  # of ids and reports: a state file compares it
    _by_key: dict[OrderKey, SimOrder] = field(default_factory=dict)
    _unknown: dict[OrderKey, None] = field(default_factory=dict)  # orders dropped for their contract

    def clear(self) -> None:
        """Forget everything, also the counters."""
        self.next_perm_id = FIRST_PERM_ID
        self.n_changes += 1
        for held in (
            *(self.orders, self.last_order_id, self.executions, self.completed, self.from_before),
            *(self._by_key, self._unknown),
        ):
            held.clear()

    def new_perm_id(self) -> int:
        """The permanent id of one more order."""
        self.next_perm_id += 1
        return self.next_perm_id - 1

    def next_valid_id(self, client_id: int) -> int:
        """The first order id that `client_id` may use."""
        return self.last_order_id.get(client_id, 0) + 1

    def is_used(self, client_id: int, order_id: int) -> bool:
        """Whether the id is too low for a new order of this client."""
        return order_id < self.next_valid_id(client_id)

    def use(self, client_id: int, order_id: int) -> None:
        """Count an id as used or seen by this client."""
        self.last_order_id[client_id] = max(self.last_order_id.get(client_id, 0), order_id)
        self.n_changes += 1

    def add(self, order: SimOrder) -> None:
        """Remember an order. One without an order id has no key until it is bound."""
        self.orders[order.perm_id] = order
        if order.order_id != UNBOUND:
            self._by_key[(order.client_id, order.order_id)] = order

    def bind(self, order: SimOrder, client_id: int) -> None:
        """Give an order that came from elsewhere the next order id of this client."""
        order.client_id, order.order_id = client_id, self.next_valid_id(client_id)
        self.use(client_id, order.order_id)
        self.add(order)

    def find(self, client_id: int, order_id: int) -> SimOrder | None:
        """The order that a client means; nobody can name another client's order."""
        return self._by_key.get((client_id, order_id))

    def drop_unknown(self, client_id: int, order_id: int) -> None:
        """Note an order that was dropped because nobody knows its contract."""
        self._unknown[(client_id, order_id)] = None

    def is_unknown(self, client_id: int, order_id: int) -> bool:
        return (client_id, order_id) in self._unknown

    def live(self) -> list[SimOrder]:
        """Orders that are not done, oldest first."""
        return [order for order in self.orders.values() if not order.is_done]

    def unbound(self) -> list[SimOrder]:
        """Live orders that were not placed through the API and belong to no client yet."""
        return [order for order in self.live() if order.order_id == UNBOUND]

    def new_session(self, day: date) -> None:
        """Midnight: executions and finished orders of earlier days are no longer told."""
        self.n_changes += 1
        self.executions = [
            filed for filed in self.executions if new_york_date(utc_from_epoch(filed.execution.at_s)) == day
        ]
        self.completed = [(order, at) for order, at in self.completed if new_york_date(at) == day]
        kept = {filed.execution.order.perm_id for filed in self.executions}
        kept |= {order.perm_id for order, _ in self.completed}
        kept |= {order.parent.perm_id for order in self.live() if order.parent is not None}
        self.orders = {perm_id: order for perm_id, order in self.orders.items() if not order.is_done or perm_id in kept}
        self._by_key = {key: order for key, order in self._by_key.items() if order.perm_id in self.orders}
        self._unknown.clear()
