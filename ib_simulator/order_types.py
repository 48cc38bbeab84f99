"""Which order types and times in force there are, and which go together."""

from __future__ import annotations

from ib_simulator.orders import Auction, Refusal

LIMIT_TYPES = frozenset({"LMT", "STP LMT", "LOC"})  # they need a limit price
STOP_TYPES = frozenset({"STP", "STP LMT"})  # they need a stop price
TRAILING_TYPES = frozenset({"TRAIL", "TRAIL LIMIT"})
AT_ONCE_TYPES = frozenset({"MKT", "LMT", "MTL"})  # they work as soon as nothing holds them
CLOSING_TYPES = frozenset({"MOC", "LOC"})
ORDER_TYPES = frozenset({"MKT", "LMT", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT", "MOC", "LOC", "MTL"})

IMMEDIATE = frozenset({"IOC", "FOK"})
TIMES_IN_FORCE = frozenset({"DAY", "GTC", "GTD", "OPG", "IOC", "FOK"})
OPENING_TYPES = frozenset({"MKT", "LMT"})  # with OPG: market-on-open and limit-on-open
IMMEDIATE_TYPES = frozenset({"MKT", "LMT"})
OUTSIDE_HOURS_TYPES = frozenset({"LMT", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT"})
TRADED_OUTSIDE_TYPES = frozenset({"LMT", "STP LMT", "TRAIL LIMIT"})  # no market order trades outside the session

INCOMPATIBLE = Refusal(111, "The TIF (Tif type) and the order type are incompatible.")
CLOSING_NEEDS_DAY = Refusal(113, "The Tif option should be set to DAY for MOC and LOC orders.")


def check_kind(order_type: str, tif: str) -> Refusal | None:
    """Why an order type and its time in force (never empty) are not taken; None when they are."""
    if order_type not in ORDER_TYPES:
        return Refusal(387, f"Unsupported order type for this exchange and security type:{order_type}")
    if tif not in TIMES_IN_FORCE:
        return INCOMPATIBLE
    if order_type in CLOSING_TYPES and tif != "DAY":
        return CLOSING_NEEDS_DAY
    if tif == "OPG" and order_type not in OPENING_TYPES:
        return INCOMPATIBLE
    if tif in IMMEDIATE and order_type not in IMMEDIATE_TYPES:
        return INCOMPATIBLE
    return None


def auction_of(order_type: str, tif: str) -> Auction:
    """The auction that orders of this kind trade in."""
    if order_type in CLOSING_TYPES:
        return Auction.CLOSING
    return Auction.OPENING if tif == "OPG" else Auction.NONE


def works_outside_hours(order_type: str, tif: str) -> bool:
    """Whether the attribute outsideRth means anything for orders of this kind; elsewhere it is ignored (2109)."""
    return order_type in OUTSIDE_HOURS_TYPES and tif not in ("OPG", "IOC", "FOK")
