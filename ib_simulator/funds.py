"""Whether an account can carry an order, and what a what-if answers: margin before and after, and the commission."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ib_simulator.account import Account
from ib_simulator.orders import BUY, Refusal, SimOrder
from trading.costs import FeeSchedule, fill_fees
from trading.money import MONEY_UNITS_PER_USD, notional


class Preview(NamedTuple):
    """The account around an order, in 1e-6 USD."""

    margin_before: int
    margin_after: int
    equity_before: int
    equity_after: int
    fees: int


def funds_refusal(account: Account, order: SimOrder, working: Iterable[SimOrder]) -> Refusal | None:
    """Code 201 when an order adds more exposure than the account can carry. Children only close their parent."""
    if order.parent is not None:
        return None
    holding = account.holdings.get(order.symbol)
    held = holding.quantity if holding else 0
    closing = min(abs(held), order.quantity) if order.side * held < 0 else 0
    if account.is_cash and order.side != BUY:
        return _short_refusal(order, held, working)
    reserved = _reserved(account, working) if account.is_cash else 0
    value = notional(_price(account, order), order.quantity - closing)
    if value + reserved <= account.buying_power():
        return None
    funds = (account.available_funds() - reserved) / MONEY_UNITS_PER_USD
    return Refusal(
        201,
        "Order rejected - reason:Your Available Funds are in sufficient to cover this order. "
        f"Available Funds [{funds:.2f} USD], order value [{value / MONEY_UNITS_PER_USD:.2f} USD]",
    )


def preview(account: Account, order: SimOrder, rates: FeeSchedule) -> Preview:
    """What the account would look like if the order filled whole at its price, or at the current one."""
    price = _price(account, order)
    holding = account.holdings.get(order.symbol)
    held = holding.quantity if holding else 0
    after = held + order.side * order.quantity
    fees = fill_fees(order.side, order.quantity, price, 0, rates) if price else 0
    margin = account.maintenance_margin()
    change = account.margin_of(notional(price, abs(after))) - account.margin_of(notional(price, abs(held)))
    equity = account.net_liquidation()
    return Preview(margin, margin + change, equity, equity - fees, fees)


def _price(account: Account, order: SimOrder) -> int:
    return order.limit or order.stop or account.price_of(order.symbol)


def _reserved(account: Account, working: Iterable[SimOrder]) -> int:
    """Cash that working purchases will need."""
    mine = (other for other in working if other.account == account.account_id and other.side == BUY)
    return sum(notional(_price(account, other), other.remaining) for other in mine if other.parent is None)


def _short_refusal(order: SimOrder, held: int, working: Iterable[SimOrder]) -> Refusal | None:
    """A cash account sells what it holds; of the orders of one OCA group only one can fill."""
    promised: dict[str, int] = {}  # OCA group, or the order's own id -> shares it may sell
    for other in working:
        if other.account == order.account and other.symbol == order.symbol and other.side == order.side:
            key = other.oca_group or str(other.perm_id)
            promised[key] = max(promised.get(key, 0), other.remaining)
    own = promised.pop(order.oca_group, 0) if order.oca_group else 0
    if max(order.quantity, own) + sum(promised.values()) <= held:
        return None
    return Refusal(201, "Order rejected - reason:Short stock positions can only be held in a margin account.")
