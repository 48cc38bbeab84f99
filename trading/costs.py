"""What a fill costs: IBKR Pro commissions and third-party fees, as a pure function with dated rates.

Sources: IBKR's published US stock schedule (0.005 USD a share, at least 1.00 an order, at most 1 % of its value:
the cap wins over the minimum); SEC Section 31 fee rate advisories; FINRA Trading Activity Fee schedule; CAT fee.
The rows from 2026-04-04 reproduce commission reports of September 2026 to 1e-6 USD.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

BUY = 1
SELL = -1


class FeeSchedule(NamedTuple):
    """Rates in force. Per-share rates are in 1e-9 USD, the SEC rate in 1e-2 USD per million sold."""

    commission_per_share: int = 5_000_000
    commission_minimum: int = 1_000_000  # 1e-6 USD an order
    commission_cap_bps: int = 100  # of the order's value
    sec_per_million: int = 2_060
    taf_per_share: int = 195_000
    taf_cap: int = 9_790_000  # 1e-6 USD an order
    cat_per_share: int = 3_000


FEE_SCHEDULES: tuple[tuple[date, FeeSchedule], ...] = (  # first date in force -> rates, oldest first
    (date(2024, 5, 22), FeeSchedule(sec_per_million=2_780, taf_per_share=166_000, taf_cap=8_300_000)),
    (date(2025, 5, 14), FeeSchedule(sec_per_million=0, taf_per_share=166_000, taf_cap=8_300_000)),
    (date(2026, 1, 1), FeeSchedule(sec_per_million=0)),
    (date(2026, 4, 4), FeeSchedule()),
)


def fee_schedule_on(session: date) -> FeeSchedule:
    """The rates in force on a session. Sessions before the first row use the first row."""
    current = FEE_SCHEDULES[0][1]
    for first, schedule in FEE_SCHEDULES:
        if session >= first:
            current = schedule
    return current


def order_commission(price: int, quantity: int, rates: FeeSchedule) -> int:
    """Commission of an order that executed `quantity` shares at `price` (1e-4 USD), in 1e-9 USD."""
    floor = max(quantity * rates.commission_per_share, rates.commission_minimum * 1_000)
    return min(floor, price * quantity * rates.commission_cap_bps * 10)


def taf(quantity: int, rates: FeeSchedule) -> int:
    """FINRA's fee on `quantity` shares sold by one order, in 1e-9 USD."""
    return min(quantity * rates.taf_per_share, rates.taf_cap * 1_000)


def fill_fees(side: int, quantity: int, price: int, filled_before: int, rates: FeeSchedule) -> int:
    """Commission and fees of one fill in 1e-6 USD, rounded half-up.

    `filled_before` is what the same order had executed already: the minimum is charged once per order,
    so that later fills report only what exceeds it.
    """
    after = filled_before + quantity
    nano_usd = order_commission(price, after, rates) - order_commission(price, filled_before, rates)
    nano_usd += quantity * rates.cat_per_share
    if side == SELL:
        nano_usd += taf(after, rates) - taf(filled_before, rates)
        nano_usd += price * quantity * rates.sec_per_million // 1_000  # 1e-4 * 1e-2 * 1e-6 USD = 1e-12 USD
    return (nano_usd + 500) // 1_000


def round_trip_fees(quantity: int, price: int, rates: FeeSchedule) -> int:
    """Fees of buying and selling `quantity` shares at about `price`, one fill each, in 1e-6 USD."""
    return fill_fees(BUY, quantity, price, 0, rates) + fill_fees(SELL, quantity, price, 0, rates)
