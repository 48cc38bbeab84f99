"""Integer money: prices in 1e-4 USD, money in 1e-6 USD, and the named converters at the float borders."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

PRICE_UNITS_PER_USD = 10_000
MONEY_UNITS_PER_USD = 1_000_000
MONEY_PER_PRICE_UNIT = MONEY_UNITS_PER_USD // PRICE_UNITS_PER_USD  # one share moving by one price unit
ONE_USD = PRICE_UNITS_PER_USD
BPS = 10_000  # basis points in one


def tick_size(price: int) -> int:
    """Minimum price increment at `price`: 0.01 USD, or 0.0001 USD below one dollar (SEC Rule 612)."""
    return 100 if price >= 10_000 else 1


def floor_to_tick(price: int) -> int:
    """The highest valid price that is not above `price`."""
    return price // 100 * 100 if price >= ONE_USD else price


def ceil_to_tick(price: int) -> int:
    """The lowest valid price that is not below `price`."""
    return -(-price // 100) * 100 if price >= ONE_USD else price


def div_half_up(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded half up; both are >= 0 and `denominator` > 0."""
    return (2 * numerator + denominator) // (2 * denominator)


def notional(price: int, quantity: int) -> int:
    """Value in 1e-6 USD of `quantity` shares at `price` (1e-4 USD)."""
    return price * quantity * 100


def price_from_usd(usd: float) -> int:
    """A float price at the border (broker, file) to 1e-4 USD, rounded half-even. Raises ValueError unless finite."""
    if not math.isfinite(usd):
        raise ValueError(f"price is not a finite number: {usd!r}")
    return int(Decimal(repr(float(usd))).scaleb(4).quantize(Decimal(1), ROUND_HALF_EVEN))


def price_to_tick_from_usd(usd: float) -> int:
    """A float price rounded half-even to its valid tick, in 1e-4 USD (vendors deliver off-cent prices)."""
    price = price_from_usd(usd)
    tick = tick_size(price)
    quotient, rest = divmod(price, tick)
    if 2 * rest > tick or (2 * rest == tick and quotient % 2):
        quotient += 1
    return quotient * tick


def price_to_usd(price: int) -> float:
    """1e-4 USD to a float of dollars, for the broker, the database and reports."""
    return price / PRICE_UNITS_PER_USD


def money_from_usd(usd: float) -> int:
    """A float amount at the border to 1e-6 USD, rounded half-even. Raises ValueError unless finite."""
    if not math.isfinite(usd):
        raise ValueError(f"amount is not a finite number: {usd!r}")
    return int(Decimal(repr(float(usd))).scaleb(6).quantize(Decimal(1), ROUND_HALF_EVEN))


def money_to_usd(money: int) -> float:
    """1e-6 USD to a float of dollars, for the database and reports."""
    return money / MONEY_UNITS_PER_USD


def usd_text(money: int) -> str:
    """Money for a reader: `-1,234.57`, rounded half-even to cents."""
    cents = Decimal(money).scaleb(-6).quantize(Decimal("0.01"), ROUND_HALF_EVEN) + 0  # adding 0 drops the sign of -0.00
    return f"{cents:,}"
