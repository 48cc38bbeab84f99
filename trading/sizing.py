"""How many shares an entry buys."""

from __future__ import annotations

from trading.costs import BUY, FeeSchedule, fill_fees
from trading.matching import MIN_VOLUME_BUDGET
from trading.money import BPS, floor_to_tick, notional


def symbol_budget(equity: int, allocation_ppm: int, symbols: int, position_bps: int) -> int:
    """Money per symbol in 1e-6 USD, fixed at the open: equity × allocation ÷ watchlist size, or `position_bps` of
    equity where that is not 0, but never more than the whole allocation.

    `allocation_ppm` is the share of equity in millionths (0.25 → 250,000), so that it stays exact.
    """
    capital = equity * allocation_ppm // 1_000_000
    if position_bps > 0:
        return min(equity * position_bps // BPS, capital)
    return capital // max(symbols, 1)


def collar_price(ask: int, collar_bps: int) -> int:
    """The most an entry may pay a share: ask plus collar, rounded down to the tick, never below the ask."""
    return max(floor_to_tick(ask * (BPS + collar_bps) // BPS), ask)


def entry_quantity(
    budget: int, collar: int, max_order_value: int, minute_volume: int, volume_share_bps: int, free_capital: int
) -> int:
    """Whole shares to buy at up to `collar` (1e-4 USD): the least of budget, order cap, volume share and capital.

    Money in 1e-6 USD. The volume share is of the last published minute, at least 100 shares.
    """
    cost = notional(collar, 1)
    money = min(budget, max_order_value, free_capital)
    by_volume = max(MIN_VOLUME_BUDGET, minute_volume * volume_share_bps // BPS)
    return max(min(money // cost, by_volume), 0)


def quantity_with_fees(quantity: int, collar: int, free_capital: int, rates: FeeSchedule) -> int:
    """`quantity`, or fewer shares where the capital (1e-6 USD) would not pay the entry's fees as well."""
    fees = fill_fees(BUY, quantity, collar, 0, rates)
    if notional(collar, quantity) + fees <= free_capital:
        return quantity
    return max((free_capital - fees) // notional(collar, 1), 0)
