"""What orders wait for: instants, and conditions of the market."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping

from ib_simulator.conditions import TIME, are_met
from ib_simulator.market import SymbolMarket
from ib_simulator.orders import SimOrder


class Waiting:
    """The alarms of the exchange. `conditional`: perm_id -> order whose conditions were not met yet, oldest first."""

    def __init__(self) -> None:
        self.conditional: dict[int, SimOrder] = {}
        self._times: list[tuple[int, int]] = []  # heap of (second, perm_id)

    def watch(self, order: SimOrder) -> None:
        """Look at the times and conditions that the order has now."""
        times = [int(rule.bound) for rule in order.conditions if rule.kind == TIME]
        for moment in (order.good_after_s, order.good_till_s, order.cancel_at_s, *times):
            if moment:
                heapq.heappush(self._times, (moment, order.perm_id))
        if order.conditions and not order.conditions_met:
            self.conditional[order.perm_id] = order
        else:
            self.conditional.pop(order.perm_id, None)

    def next_s(self) -> int | None:
        """The second of the next instant, None when there is none."""
        return self._times[0][0] if self._times else None

    def take_due(self, second: int) -> Iterator[int]:
        """perm_ids of the orders for which an instant has come by `second`, each instant once."""
        while self._times and self._times[0][0] <= second:
            yield heapq.heappop(self._times)[1]

    def take_met(self, markets: Mapping[str, SymbolMarket], now_s: int, *, is_regular: bool) -> list[SimOrder]:
        """Orders whose conditions have come true. Outside the session only those that look there."""
        found = [
            order
            for order in self.conditional.values()
            if (is_regular or order.conditions_ignore_rth) and are_met(order.conditions, markets, now_s)
        ]
        for order in found:
            order.conditions_met = True
            del self.conditional[order.perm_id]
        return found

    def forget(self, order: SimOrder) -> None:
        """The order is done."""
        self.conditional.pop(order.perm_id, None)

    def clear(self) -> None:
        """Forget every order, as at the begin of a session."""
        self.conditional.clear()
        self._times.clear()
