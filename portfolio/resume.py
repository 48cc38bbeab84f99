"""What is left of a plan, given what executed and what works at the broker: the next step, or that after a crash."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from portfolio.rebalance import Plan, PlannedOrder, affordable
from trading.costs import SELL, FeeSchedule, fill_fees
from trading.money import notional

NAMESPACE = uuid.UUID("5d0b5f0e-3b1c-5d7e-9a52-0c1a9e6f7b21")  # of intent ids; never change it


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known of a plan's orders, by `order_id`. Shares whose fate is unknown count as working."""

    executed: Mapping[str, int] = field(default_factory=dict)  # order_id -> shares
    working: Mapping[str, int] = field(default_factory=dict)  # order_id -> shares that may still execute
    given_up: frozenset[str] = frozenset()  # rejected, or expired too often: not tried again

    def open_shares(self, order: PlannedOrder) -> int:
        """Shares that neither executed nor work. Raises `ValueError` when more happened than was planned."""
        done = self.executed.get(order.order_id, 0) + self.working.get(order.order_id, 0)
        if done > order.quantity:
            raise ValueError(f"{order.order_id}: {done} shares executed or working of {order.quantity}")
        return 0 if order.order_id in self.given_up else order.quantity - done


def what_is_left(plan: Plan, progress: Progress, spendable: int, rates: FeeSchedule) -> tuple[PlannedOrder, ...]:
    """Orders that can be sent now: sells while any is open; once none is open or working, the buys that can be paid.

    `spendable` is the settled buying power now, less what others may spend. Purchases stay within the plan's capital
    though sells were given up: what was not sold still uses it. Nothing left gives an empty tuple, however often.
    """
    sells = _rest(plan.sells, progress)
    if sells or any(progress.working.get(order.order_id, 0) for order in plan.sells):
        return sells
    room = plan.capital - plan.invested + sum(_settled_room(order, progress) for order in plan.orders)
    bound = sum(notional(order.limit_price, progress.working.get(order.order_id, 0)) for order in plan.buys)
    money = min(room, spendable - bound)
    buys = []
    for order in _rest(plan.buys, progress):
        quantity = affordable(order.quantity, order.limit_price, money, rates)
        if quantity:
            buys.append(replace(order, quantity=quantity))
            money -= notional(order.limit_price, quantity)
            money -= _fees(order, quantity, rates)
    return tuple(buys)


def intent_id(order: PlannedOrder, tries: int) -> str:
    """The id under which the `tries`-th intent of a planned order is committed, counted from 0.

    It is a function of both, so that a rerun that knows less than it should collides with the row that is there
    instead of ordering again.
    """
    return str(uuid.uuid5(NAMESPACE, f"{order.order_id}/{tries}"))


def is_done(plan: Plan, progress: Progress) -> bool:
    """Whether nothing is left to send or to wait for."""
    working = any(progress.working.get(order.order_id, 0) for order in plan.orders)
    return not working and not any(progress.open_shares(order) for order in plan.orders)


def _rest(orders: tuple[PlannedOrder, ...], progress: Progress) -> tuple[PlannedOrder, ...]:
    """The orders with what is open of each."""
    open_shares = ((order, progress.open_shares(order)) for order in orders)
    return tuple(replace(order, quantity=shares) for order, shares in open_shares if shares)


def _settled_room(order: PlannedOrder, progress: Progress) -> int:
    """What an order did to the capital that is left; what works is counted at its worst."""
    executed, working = (known.get(order.order_id, 0) for known in (progress.executed, progress.working))
    if order.side == SELL:
        return notional(order.price, executed)
    return -notional(order.limit_price, executed + working)


def _fees(order: PlannedOrder, quantity: int, rates: FeeSchedule) -> int:
    return fill_fees(order.side, quantity, order.limit_price, 0, rates)
