"""Executions that nobody will ever tell: a gateway forgets them at midnight, its orders and positions remain.

What orders say they filled is believed only when it explains a position's difference to the share, and a price is
only ever one that the broker told. Anything else is a doubt, for a human to resolve.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from trading.orders import Action, Reason

MOST_SPLIT = 100
SPLITS = frozenset(  # shares after a split over shares before it
    [Fraction(new, old) for new, old in ((3, 2), (4, 3), (5, 2), (5, 4))]
    + [Fraction(old, new) for new, old in ((3, 2), (4, 3), (5, 2), (5, 4))]
    + [Fraction(n) for n in range(2, MOST_SPLIT + 1)]
    + [Fraction(1, n) for n in range(2, MOST_SPLIT + 1)]
)


class UnbookedFill(NamedTuple):
    """Shares that an order says it filled and no execution accounts for.

    `price` is the broker's average in 1e-4 USD, 0 when it told none; `at_s` is in epoch seconds, 0 when unknown.
    """

    intent_id: str
    reason: Reason
    action: Action
    quantity: int
    price: int = 0
    at_s: int = 0

    @property
    def signed(self) -> int:
        return self.quantity if self.action is Action.BUY else -self.quantity


class Explanation(NamedTuple):
    """What happened to a position while nobody listened: `fills`, or a `doubt` in words; neither: nothing did."""

    fills: tuple[UnbookedFill, ...] = ()
    doubt: str = ""


def explain_difference(owned: int, held: float, fills: Sequence[UnbookedFill], average_cost: int = 0) -> Explanation:
    """Match what orders filled with the difference of a position.

    `owned` is the ledger's, `held` the broker's, `average_cost` the broker's (1e-4 USD a share, fees included); it
    stands for the price of a single purchase from flat, as for shares that are adopted.
    """
    told = sum(fill.signed for fill in fills)
    if not fills or held == owned != owned + told:
        return Explanation()  # what is missing or external is the comparison's to name
    if is_split(owned, held):
        return Explanation(doubt="that is the ratio of a split")
    if held - owned != told:
        return Explanation(doubt=f"orders account for {told:+d} of {held - owned:+g}")
    if len(fills) == 1 and fills[0].action is Action.BUY and owned == 0 and not fills[0].price:
        fills = [fills[0]._replace(price=average_cost)]
    if unpriced := [fill for fill in fills if not fill.price]:
        shares = sum(fill.quantity for fill in unpriced)
        return Explanation(doubt=f"the gateway no longer tells the price of {shares} of them")
    return Explanation(fills=tuple(sorted(fills, key=lambda fill: (fill.at_s, fill.action is Action.SELL))))


def is_split(before: int, after: float) -> bool:
    """Whether one number of shares is an exact split of the other."""
    return before > 0 and after > 0 and after == int(after) and Fraction(int(after), before) in SPLITS
