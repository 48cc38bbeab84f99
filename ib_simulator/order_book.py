"""The live orders of the exchange, by symbol and by OCA group."""

from __future__ import annotations

from ib_simulator.orders import SimOrder

Orders = dict[int, SimOrder]  # perm_id -> order, oldest first


class OrderBook:
    """Orders that are not done. A group with a complete member takes no further order."""

    def __init__(self) -> None:
        self.orders: Orders = {}
        self._by_symbol: dict[str, Orders] = {}
        self._groups: dict[str, Orders] = {}
        self._filled_groups: dict[str, None] = {}

    def add(self, order: SimOrder) -> None:
        """Take an order, as a child of its parent and a member of its group."""
        self.orders[order.perm_id] = order
        self._by_symbol.setdefault(order.symbol, {})[order.perm_id] = order
        if order.parent is not None:
            order.parent.children.append(order)
        if order.oca_group:
            self._groups.setdefault(order.oca_group, {})[order.perm_id] = order

    def remove(self, order: SimOrder) -> None:
        """Forget an order that is done."""
        self.orders.pop(order.perm_id, None)
        self._by_symbol.get(order.symbol, {}).pop(order.perm_id, None)
        group = self._groups.get(order.oca_group)
        if group is not None:
            group.pop(order.perm_id, None)
            if not group:
                del self._groups[order.oca_group]

    def clear(self) -> None:
        """Forget everything."""
        for held in (self.orders, self._by_symbol, self._groups, self._filled_groups):
            held.clear()

    def in_symbol(self, symbol: str) -> list[SimOrder]:
        """Live orders of a symbol, oldest first."""
        return list(self._by_symbol.get(symbol, {}).values())

    def in_group(self, oca_group: str) -> list[SimOrder]:
        """Live orders of an OCA group, oldest first."""
        return list(self._groups.get(oca_group, {}).values())

    def close_group(self, oca_group: str) -> None:
        """Note that a member of the group is filled."""
        if oca_group:
            self._filled_groups[oca_group] = None

    def is_group_closed(self, oca_group: str) -> bool:
        """Whether a member of the group is filled already."""
        return oca_group in self._filled_groups

    def closed_groups(self) -> list[str]:
        """All groups that take no further order, in the order in which they closed."""
        return list(self._filled_groups)
