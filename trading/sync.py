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
    @property
    def is_short_option(self) -> bool: ...


class Adoption(NamedTuple):
    """Shares to take into the ledger at the broker's average cost (1e-4 USD)."""

    symbol: str
    quantity: int
    average_cost: int


class SyncPolicy(NamedTuple):
    """Who may be adopted. `consents`: symbol -> shares that the user agreed to, for the policy `ask`.

    `bound`: symbol -> why its external shares serve somebody's orders or options already.
    """

    external: str  # adopt, ask, ignore or halt
    watchlist: tuple[str, ...]
    never_trade: tuple[str, ...] = ()
    consents: Mapping[str, int] = {}
    bound: Mapping[str, str] = {}


class SyncPlan(NamedTuple):
    """What to do about differences. Nothing in it trades to repair anything."""

    adoptions: tuple[Adoption, ...]
    warnings: tuple[str, ...]
    halts: str = ""  # why the run must end, under the policy `halt`


def plan_sync(
    owned: Mapping[str, int], of_others: Mapping[str, int], held: Sequence[HeldPosition], policy: SyncPolicy
) -> SyncPlan:
    """Compare the ledgers with the broker's net positions.

    `owned` and `of_others` map symbols to the shares of this bot and of the other bots. Shares beyond both are
    external: adopted when their symbol is on the watchlist and the policy allows it; shorts, fractions, other
    instruments, symbols that are never traded and shares that are bound are not. Missing shares are only warned of.
    """
    adoptions: list[Adoption] = []
    warnings: list[str] = []
    halts = ""
    explained = {symbol: owned.get(symbol, 0) + of_others.get(symbol, 0) for symbol in {**owned, **of_others}}
    for position in held:
        if not position.is_stock:
            warnings.append(f"{position.quantity:g} {position.symbol} at the broker are no stock, left alone")
            continue
        known = explained.get(position.symbol, 0)
        extra = position.quantity - known
        if extra == 0 or (extra < 0 and position.symbol in explained):
            continue
        words = f"{position.quantity:g} {position.symbol} at the broker, {known} in the ledger"
        if policy.external == "halt":
            halts = halts or f"{words}: EXTERNAL_POSITIONS=halt ends the run"
        refusal = _refusal(position.symbol, extra, policy)
        if refusal:
            warnings.append(f"{words}: {refusal}")
        else:
            adoptions.append(Adoption(position.symbol, int(extra), position.average_cost))
    at_broker = {position.symbol: position.quantity for position in held if position.is_stock}
    for symbol, quantity in owned.items():
        if at_broker.get(symbol, 0) < quantity + of_others.get(symbol, 0):
            missing = f"{at_broker.get(symbol, 0):g} {symbol} at the broker, {explained[symbol]} in the ledger"
            warnings.append(f"{missing}: shares are missing, nothing is traded to repair it")
    return SyncPlan(tuple(adoptions), tuple(warnings), halts)


def _refusal(symbol: str, extra: float, policy: SyncPolicy) -> str:
    """Why external shares are left alone, empty when they may be adopted."""
    if symbol in policy.never_trade:
        return "NEVER_TRADE names it, left alone"
    if symbol not in policy.watchlist:
        return "not on the watchlist, left alone"
    if extra < 0 or extra != int(extra):
        return "not whole long shares, left alone"
    if symbol in policy.bound:
        return f"{policy.bound[symbol]}, left alone"
    if policy.external == "ask" and policy.consents.get(symbol, 0) != int(extra):
        return f"left alone; to hand them over start with --adopt {symbol}:{int(extra)}"
    if policy.external == "ignore":
        return "left alone, as EXTERNAL_POSITIONS=ignore says"
    return ""


def bound_shares(held: Sequence[HeldPosition], selling: Mapping[str, float]) -> dict[str, str]:
    """symbol -> why external shares are not free: short options written on them, or sell orders of somebody else."""
    words = {
        position.symbol: f"{-position.quantity:g} short options are written on it"
        for position in held
        if position.is_short_option
    }
    words |= {
        symbol: f"{shares:g} of them are in sell orders of somebody else"
        for symbol, shares in selling.items()
        if symbol not in words
    }
    return words
