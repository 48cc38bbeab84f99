"""Whether an order can be taken at all, and its terms in integers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ib_simulator.orders import BUY, SELL, Refusal
from ib_simulator.wire_order import WireOrder
from market_hours import NEW_YORK
from trading.money import price_from_usd, price_to_usd, tick_size

ORDER_TYPES = ("MKT", "LMT", "STP")
TIMES_IN_FORCE = ("", "DAY", "GTC", "GTD")
VALIDATION = 321
FLOAT_NOISE_USD = 1e-7  # clients calculate prices in floats; a thousandth of the finest tick
BAD_TICK = Refusal(110, "The price does not conform to the minimum price variation for this contract.")


class OrderTerms(NamedTuple):
    """The terms the exchange needs. Prices in 1e-4 USD, instants in epoch seconds, 0 where there is none."""

    side: int
    quantity: int
    limit: int
    stop: int
    good_after_s: int
    good_till_s: int


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
    if order.order_type not in ORDER_TYPES:
        return Refusal(387, f"Unsupported order type for this exchange and security type:{order.order_type}")
    if order.tif not in TIMES_IN_FORCE:
        return Refusal(111, "The TIF (Tif type) and the order type are incompatible.")
    if order.account and order.account != account_id:
        return _invalid(f"Invalid account code '{order.account}'.")
    limit = stop = 0
    if order.order_type == "LMT":
        if not order.limit_price or order.limit_price <= 0:
            return _invalid("Please enter a limit price")
        limit = price_from_usd(order.limit_price)
        if not _on_tick(limit, order.limit_price):
            return BAD_TICK
    if order.order_type == "STP":
        if not order.aux_price or order.aux_price <= 0:
            return _invalid("Please enter a stop price")
        stop = price_from_usd(order.aux_price)
        if not _on_tick(stop, order.aux_price):
            return BAD_TICK
    good_after = _instant(order.good_after_time)
    good_till = _instant(order.good_till_date)
    if good_after is None or good_till is None:
        return Refusal(10314, "Invalid date, time, or time-zone entered. Format: yyyymmdd hh:mm:ss xx/xxxx")
    if order.tif == "GTD" and good_till <= int(now.timestamp()):
        return _invalid("Good till date is not given or is in the past")
    side = BUY if order.action == "BUY" else SELL
    return OrderTerms(side, int(order.quantity), limit, stop, good_after, good_till if order.tif == "GTD" else 0)


def _on_tick(price: int, usd: float) -> bool:
    return price > 0 and price % tick_size(price) == 0 and abs(price_to_usd(price) - usd) < FLOAT_NOISE_USD


def _invalid(cause: str) -> Refusal:
    return Refusal(VALIDATION, f"Error validating request.-'bH' : cause - {cause}")


def _instant(text: str) -> int | None:
    """`20260928 15:55:00 US/Eastern`, `20260928-19:55:00` (UTC) or New York time; 0 for empty, None for nonsense."""
    if not text:
        return 0
    try:
        if text[8:9] == "-":
            return int(datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp())
        day_and_time, zone = text[:17], text[17:].strip()
        where = ZoneInfo(zone) if zone else NEW_YORK
        return int(datetime.strptime(day_and_time, "%Y%m%d %H:%M:%S").replace(tzinfo=where).timestamp())
    except (ValueError, ZoneInfoNotFoundError, OSError):  # a zone named like a directory: IsADirectoryError
        return None
