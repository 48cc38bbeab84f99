"""Stock splits, noticed by comparing the ledger with the broker: shares × ratio, cost per share ÷ ratio."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from trading.ledger import Position
from trading.money import notional

MOST_FOR_ONE = 200  # 200 new shares for one, or one new share for 200
ODD_RATIOS = tuple(Fraction(text) for text in ("3/2", "5/2", "7/2", "4/3", "5/3", "5/4", "6/5", "11/10"))
COST_TOLERANCE_PCT = 4  # the broker's cost per share includes fees, and may be rounded

RATIOS: tuple[Fraction, ...] = tuple(
    sorted(
        {
            ratio
            for forward in (*map(Fraction, range(2, MOST_FOR_ONE + 1)), *ODD_RATIOS)
            for ratio in (forward, 1 / forward)
        }
    )
)


class SplitLot(NamedTuple):
    """What a split makes of one bot's shares: all leave at what was paid, the new ones come at that ÷ ratio.

    Prices in 1e-4 USD, fees in 1e-6 USD. The fees carry the exact cost over: the shares that leave realise nothing,
    and the new ones cost what the old ones did. What a fraction of a share had cost goes with it; the broker pays
    its value out as cash.
    """

    ratio: Fraction
    before: int
    after: int
    price_before: int
    price_after: int
    fee_before: int
    fee_after: int


def split_ratio(owned: int, cost_per_share: float, held: float, held_cost_per_share: float) -> Fraction | None:
    """The ratio that turns `owned` shares into `held` at a cost per share that fits; None when nothing does.

    Both must fit: a purchase or a sale that happens to double or halve a position leaves another cost per share.
    """
    if owned <= 0 or held <= 0 or held == owned or cost_per_share <= 0 or held_cost_per_share <= 0:
        return None
    seen = cost_per_share / held_cost_per_share
    fitting = [ratio for ratio in RATIOS if int(owned * ratio) == held]
    best = min(fitting, key=lambda ratio: abs(float(ratio) / seen - 1), default=None)
    if best is None or abs(float(best) / seen - 1) * 100 > COST_TOLERANCE_PCT:
        return None
    return best


def split_lot(position: Position, price_paid: int, ratio: Fraction) -> SplitLot:
    """The new shares of one bot. `price_paid` per old share in 1e-4 USD, fees apart."""
    exact = position.quantity * ratio
    after = int(exact)
    cost_after = int(position.cost * Fraction(after) / exact)
    price_after = max(round(price_paid / ratio), 1)
    return SplitLot(
        ratio,
        position.quantity,
        after,
        price_paid,
        price_after,
        fee_before=notional(price_paid, position.quantity) - position.cost,
        fee_after=cost_after - notional(price_after, after),
    )
