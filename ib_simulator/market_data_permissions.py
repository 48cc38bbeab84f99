"""Which market data the account may see, by symbol: what a gateway answers without subscriptions."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

LIVE_TEXT = "Requested market data is not subscribed."


class Permission(StrEnum):
    """What the account has of a symbol's data."""

    LIVE = "live"
    DELAYED = "delayed"  # not subscribed; 15 minutes late for clients that asked for type 3 or 4
    NONE = "none"  # not subscribed, and delayed data is not enabled
    NO_API = "no_api"  # subscribed, but not for API use
    PARTIAL = "partial"  # only ticks that need no subscription
    PARTIAL_API = "partial_api"
    COMPETING_SESSION = "competing_session"  # the same login sees its data elsewhere


class DataType(IntEnum):
    """Types of market data, as in reqMarketDataType."""

    LIVE = 1
    FROZEN = 2
    DELAYED = 3
    DELAYED_FROZEN = 4


class Grant(NamedTuple):
    """What a subscription gets: an error or warning to tell (code 0: none) and the ticks that follow."""

    code: int
    text: str
    data_type: DataType | None  # None: no ticks
    partial: bool = False


def grant(permission: Permission, wanted: int, *, is_open: bool) -> Grant:
    """The answer to a request for data by a client that asked for the data type `wanted`."""
    wants_delayed = wanted in (DataType.DELAYED, DataType.DELAYED_FROZEN)
    match permission:
        case Permission.LIVE:
            frozen = wanted in (DataType.FROZEN, DataType.DELAYED_FROZEN) and not is_open
            return Grant(0, "", DataType.FROZEN if frozen else DataType.LIVE)
        case Permission.DELAYED if wants_delayed:
            return Grant(10167, f"{LIVE_TEXT} Displaying delayed market data.", DataType.DELAYED)
        case Permission.NONE if wants_delayed:
            return Grant(10168, f"{LIVE_TEXT} Delayed market data is not enabled.", None)
        case Permission.DELAYED | Permission.NONE:
            return Grant(354, LIVE_TEXT, None)
        case Permission.NO_API:
            return Grant(10089, "Requested market data requires additional subscription for API.", None)
        case Permission.PARTIAL:
            text = "Part of requested market data is not subscribed. Subscription-independent ticks are still active."
            return Grant(10090, text, DataType.LIVE, partial=True)
        case Permission.PARTIAL_API:
            text = "Part of requested market data requires additional subscription for API."
            return Grant(10091, text, DataType.LIVE, partial=True)
        case Permission.COMPETING_SESSION:
            return Grant(10197, "No market data during competing live session", None)


class Permissions:
    """The permission of each symbol, for the whole gateway where none is set for it."""

    def __init__(self, default: Permission = Permission.LIVE) -> None:
        self._default = default
        self._by_symbol: dict[str, Permission] = {}

    def of(self, symbol: str) -> Permission:
        """What the account has of `symbol`."""
        return self._by_symbol.get(symbol, self._default)

    def set(self, permission: Permission, symbol: str = "") -> None:
        """Change one symbol, or (without one) all of them."""
        if symbol:
            self._by_symbol[symbol] = permission
        else:
            self._default = permission
            self._by_symbol.clear()
