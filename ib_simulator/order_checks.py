"""Whether an order can be taken at all, and its terms in integers."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ib_simulator.order_instants import instant
from ib_simulator.order_types import LIMIT_TYPES, STOP_TYPES, TRAILING_TYPES, check_kind
from ib_simulator.orders import BUY, SELL, Refusal
from ib_simulator.wire_order import WireOrder
from trading.money import price_from_usd, price_to_usd, tick_size

VALIDATION = 321
PPM_PER_PERCENT = 10_000
MAX_PRICE_USD = 1e7  # far above any share
MAX_SHARES = 1_000_000_000
FLOAT_NOISE_USD = 1e-7  # clients calculate prices in floats; a thousandth of the finest tick
BAD_TICK = Refusal(110, "The price does not conform to the minimum price variation for this contract.")


class OrderTerms(NamedTuple):
    """The terms the exchange needs. Prices in 1e-4 USD, instants in epoch seconds, 0 where there is none.

    A trailing stop has its first `stop` only where the client gave one.
    """

    side: int
    quantity: int
    limit: int
    stop: int
    good_after_s: int
    good_till_s: int
    trail: int = 0  # distance of a trailing stop
    trail_ppm: int = 0  # the same in millionths of the price
    limit_offset: int = 0  # of a TRAIL LIMIT: from the stop to the limit, positive where the limit is the looser one


def check_order(order: WireOrder, account_id: str, now: datetime) -> OrderTerms | Refusal:
    """The order's terms, or why the gateway does not take it."""
    if order.action not in ("BUY", "SELL", "SSHORT"):
        return _invalid(f"Invalid order action:{order.action}")
    if order.quantity == 0:
        return _invalid("The size value cannot be zero:")
    if order.quantity < 0 or order.quantity != int(order.quantity):
        return Refusal(
            10243, "Fractional-sized order cannot be placed via API. Please use desktop version to place it."
        )
    if order.quantity > MAX_SHARES:
        return Refusal(383, "The size exceeds the size constraint of this order")
    amounts = (order.limit_price, order.aux_price, order.trail_stop_price, order.limit_price_offset)
    if any(amount is not None and not abs(amount) <= MAX_PRICE_USD for amount in amounts):
        return BAD_TICK
    refusal = check_kind(order.order_type, order.tif or "DAY")
    if refusal is not None:
        return refusal
    for is_used, kind in (
        (bool(order.adjusted_order_type), "Adjustable"),
        (bool(order.hedge_type), "Hedging"),
        (bool(order.scale_price_increment), "Scale"),
    ):
        if is_used:  # taking one as a plain order would fill what the client did not mean
            return _invalid(f"{kind} orders are not simulated")
    if order.account and order.account != account_id:
        return _invalid(f"Invalid account code '{order.account}'.")
    prices = _prices(order)
    if isinstance(prices, Refusal):
        return prices
    good_after = instant(order.good_after_time)
    good_till = instant(order.good_till_date)
    if good_after is None or good_till is None:
        return Refusal(10314, "Invalid date, time, or time-zone entered. Format: yyyymmdd hh:mm:ss xx/xxxx")
    if order.tif == "GTD" and good_till <= int(now.timestamp()):
        return _invalid("Good till date is not given or is in the past")
    side = BUY if order.action == "BUY" else SELL
    good_till_s = good_till if order.tif == "GTD" else 0
    return OrderTerms(side, int(order.quantity), prices.limit, prices.stop, good_after, good_till_s, *prices[2:])


class _Prices(NamedTuple):
    limit: int = 0
    stop: int = 0
    trail: int = 0
    trail_ppm: int = 0
    limit_offset: int = 0


def _prices(order: WireOrder) -> _Prices | Refusal:
    """The prices that an order of this type has; others are ignored."""
    if order.order_type in TRAILING_TYPES:
        return _trailing_prices(order)
    limit = stop = 0
    if order.order_type in LIMIT_TYPES:
        if not order.limit_price or order.limit_price <= 0:
            return _invalid("Please enter a limit price")
        limit = price_from_usd(order.limit_price)
        if not _on_tick(limit, order.limit_price):
            return BAD_TICK
    if order.order_type in STOP_TYPES:
        if not order.aux_price or order.aux_price <= 0:
            return _invalid("Please enter a stop price")
        stop = price_from_usd(order.aux_price)
        if not _on_tick(stop, order.aux_price):
            return BAD_TICK
    return _Prices(limit, stop)


def _trailing_prices(order: WireOrder) -> _Prices | Refusal:
    """An amount or a percentage, perhaps the first stop, and for a TRAIL LIMIT where its limit lies."""
    amount, percent = order.aux_price or 0.0, order.trailing_percent or 0.0
    if (amount > 0) == (percent > 0) or amount < 0 or not 0 <= percent < 100:
        return _invalid("Please enter a trailing amount or a trailing percentage")
    first = order.trail_stop_price or 0.0
    if first < 0:
        return _invalid("Please enter a valid trailing stop price")
    stop = price_from_usd(first)
    if stop and not _on_tick(stop, first):
        return BAD_TICK
    prices = _Prices(0, stop, price_from_usd(amount), round(percent * PPM_PER_PERCENT))
    if not (prices.trail or prices.trail_ppm):
        return BAD_TICK
    if order.order_type == "TRAIL":
        return prices
    if order.limit_price_offset is not None:
        return prices._replace(limit_offset=price_from_usd(order.limit_price_offset))
    if not (order.limit_price and stop):
        return _invalid("Please enter a limit price offset")
    away = price_from_usd(order.limit_price) - stop
    return prices._replace(limit_offset=away if order.action == "BUY" else -away)


def _on_tick(price: int, usd: float) -> bool:
    return price > 0 and price % tick_size(price) == 0 and abs(price_to_usd(price) - usd) < FLOAT_NOISE_USD


def _invalid(cause: str) -> Refusal:
    return Refusal(VALIDATION, f"Error validating request.-'bH' : cause - {cause}")
