"""What was intended of a plan and what was done: shares, average prices, slippage, fees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from portfolio.rebalance import Plan, PlannedOrder
from trading.money import BPS, notional


class PlanFill(NamedTuple):
    """An execution of a planned order: shares, price in 1e-4 USD, commission and fees in 1e-6 USD."""

    exec_id: str
    order_id: str
    quantity: int
    price: int
    fees: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """A planned order and what became of it. Slippage counts from the market at the plan; positive is a cost."""

    order: PlannedOrder
    executed: int
    value: int  # 1e-6 USD that changed hands
    fees: int
    slippage: int  # 1e-6 USD

    @property
    def missing(self) -> int:
        """Shares that were planned and not executed."""
        return self.order.quantity - self.executed

    @property
    def slippage_bps(self) -> float | None:
        """Of the value at the plan's price; None where nothing executed."""
        at_plan = notional(self.order.price, self.executed)
        return BPS * self.slippage / at_plan if at_plan else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """A plan's outcome. `strangers` are ids of executions that belong to no order of it."""

    outcomes: tuple[OrderOutcome, ...]
    strangers: tuple[str, ...]

    @property
    def done_share(self) -> float | None:
        """Value done ÷ value intended, both at the plan's prices; None for a plan without orders."""
        intended = sum(notional(each.order.price, each.order.quantity) for each in self.outcomes)
        done = sum(notional(each.order.price, each.executed) for each in self.outcomes)
        return done / intended if intended else None

    @property
    def slippage_bps(self) -> float | None:
        """Of everything that executed, weighted by value."""
        done = sum(notional(each.order.price, each.executed) for each in self.outcomes)
        return BPS * sum(each.slippage for each in self.outcomes) / done if done else None

    @property
    def fees(self) -> int:
        """All commissions and fees, in 1e-6 USD."""
        return sum(each.fees for each in self.outcomes)


def fulfilment(plan: Plan, fills: Iterable[PlanFill]) -> Fulfilment:
    """Compare a plan with its executions; one that is told twice counts once."""
    unique = {fill.exec_id: fill for fill in fills}
    mine: dict[str, list[PlanFill]] = {order.order_id: [] for order in plan.orders}  # order_id -> its executions
    strangers = []
    for fill in unique.values():
        if fill.order_id in mine:
            mine[fill.order_id].append(fill)
        else:
            strangers.append(fill.exec_id)
    outcomes = tuple(_outcome(order, mine[order.order_id]) for order in plan.orders)
    return Fulfilment(outcomes=outcomes, strangers=tuple(sorted(strangers)))


def _outcome(order: PlannedOrder, fills: list[PlanFill]) -> OrderOutcome:
    return OrderOutcome(
        order=order,
        executed=sum(fill.quantity for fill in fills),
        value=sum(notional(fill.price, fill.quantity) for fill in fills),
        fees=sum(fill.fees for fill in fills),
        slippage=sum(order.side * notional(fill.price - order.price, fill.quantity) for fill in fills),
    )
