"""Trailing stops: how the stop follows the last price, and what becomes of it when it is reached."""

from __future__ import annotations

from ib_simulator.orders import SELL, SimOrder
from trading.money import ceil_to_tick, floor_to_tick

PPM = 1_000_000


def trailed_stop(order: SimOrder, price: int) -> int:
    """Where a stop at the order's distance from `price` lies, on the tick and never closer than the distance."""
    distance = order.trail or price * order.trail_ppm // PPM
    if order.side == SELL:
        return max(floor_to_tick(max(price - distance, 1)), 1)
    return ceil_to_tick(price + distance)


def follow(order: SimOrder, price: int) -> bool:
    """Move the stop after the last price, only ever towards it. True when it moved."""
    stop = trailed_stop(order, price)
    if order.stop and order.side * (stop - order.stop) >= 0:
        return False
    order.stop = stop
    return True


def limit_behind(order: SimOrder) -> int:
    """The limit price that a TRAIL LIMIT gets when its stop is reached."""
    return max(order.stop + order.side * order.limit_offset, 1)
