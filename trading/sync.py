"""Position sync as a plan: what the broker holds against what the ledger explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class HeldPosition(Protocol):
    """A net position at the broker. `average_cost` in 1e-4 USD a share, fees included."""

    @property
    def symbol(self) -> str: ...
    @property
    def quantity(self) -> float: ...
    @property
    def average_cost(self) -> int: ...
    @property
    def is_stock(self) -> bool: ...


class Adoption(NamedTuple):
    """Shares to take into the ledger at the broker's average cost (1e-4 USD)."""

    symbol: str
    quantity: int
    average_cost: int


class SyncPlan(NamedTuple):
    """What to do about differences. Nothing in it trades to repair anything."""

    adoptions: tuple[Adoption, ...]
    warnings: tuple[str, ...]


def plan_sync(
    owned: Mapping[str, int], held: Sequence[HeldPosition], watchlist: Sequence[str], *, adopts: bool
) -> SyncPlan:
    """Compare the ledger (`owned`: symbol -> shares) with the broker's net positions.

    Shares beyond the ledger are adopted when their symbol is on the watchlist and `adopts` is set; shorts, fractions
    and other instruments never are. Shares that the ledger has and the broker has not are only warned of.
    """
    adoptions: list[Adoption] = []
    warnings: list[str] = []
    at_broker = {position.symbol: position.quantity for position in held if position.is_stock}
    for position in held:
        if not position.is_stock:
            warnings.append(f"{position.quantity:g} {position.symbol} at the broker are no stock, left alone")
            continue
        extra = position.quantity - owned.get(position.symbol, 0)
        if extra == 0 or (extra < 0 and position.symbol in owned):
            continue
        words = f"{position.quantity:g} {position.symbol} at the broker, {owned.get(position.symbol, 0)} in the ledger"
        if position.symbol not in watchlist:
            warnings.append(f"{words}: not on the watchlist, left alone")
        elif position.quantity < 0 or extra != int(extra):
            warnings.append(f"{words}: not whole long shares, left alone")
        elif not adopts:
            warnings.append(f"{words}: a live account's shares are not adopted unasked")
        else:
            adoptions.append(Adoption(position.symbol, int(extra), position.average_cost))
    for symbol, quantity in owned.items():
        if at_broker.get(symbol, 0) < quantity:
            missing = f"{at_broker.get(symbol, 0):g} {symbol} at the broker, {quantity} in the ledger"
            warnings.append(f"{missing}: shares are missing, nothing is traded to repair it")
    return SyncPlan(tuple(adoptions), tuple(warnings))
