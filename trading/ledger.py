"""What one bot owns of one symbol, and what each sale realised, in exact integers."""

from __future__ import annotations

from typing import NamedTuple

from trading.money import notional


class Position(NamedTuple):
    """Shares owned and what they cost, fees included, in 1e-6 USD. Never short."""

    quantity: int = 0
    cost: int = 0

    @property
    def average_price(self) -> int:
        """Cost per share in 1e-4 USD, rounded half up; 0 when flat."""
        return (2 * self.cost + self.quantity * 100) // (200 * self.quantity) if self.quantity else 0


class Sale(NamedTuple):
    """What a sale left and what it realised. `realised` is before the sale's own fees, 1e-6 USD."""

    position: Position
    realised: int
    cost: int


def bought(position: Position, quantity: int, price: int) -> Position:
    """After buying `quantity` shares at `price` (1e-4 USD), fees apart."""
    return Position(position.quantity + quantity, position.cost + notional(price, quantity))


def sold(position: Position, quantity: int, price: int) -> Sale:
    """After selling at `price` (1e-4 USD). The cost leaves in proportion, so that the last sale takes the exact rest.

    Raises ValueError when more is sold than owned: the ledger never goes short.
    """
    if quantity > position.quantity:
        raise ValueError(f"sold {quantity} shares of {position.quantity} owned")
    cost = position.cost * quantity // position.quantity
    left = Position(position.quantity - quantity, position.cost - cost)
    return Sale(left, notional(price, quantity) - cost, cost)


def with_fee(position: Position, fee: int) -> Position:
    """After a fee (1e-6 USD) on shares that are still owned: it is part of their cost."""
    return Position(position.quantity, position.cost + fee)
