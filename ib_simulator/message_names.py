"""Messages of the protocol by name, as fault files, triggers and recordings speak of them."""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum


class Direction(StrEnum):
    """Seen from the gateway."""

    IN = "in"
    OUT = "out"


REQUESTS: dict[str, int] = {  # name -> message id, client to gateway
    "startApi": 71,
    "reqCurrentTime": 49,
    "reqManagedAccts": 17,
    "reqIds": 8,
    "reqContractDetails": 9,
    "reqMatchingSymbols": 81,
    "reqMarketRule": 91,
    "reqMktData": 1,
    "cancelMktData": 2,
    "reqMarketDataType": 59,
    "reqRealTimeBars": 50,
    "cancelRealTimeBars": 51,
    "reqHistoricalData": 20,
    "cancelHistoricalData": 25,
    "reqHeadTimestamp": 87,
    "reqHistogramData": 88,
    "reqHistoricalTicks": 96,
    "reqTickByTickData": 97,
    "cancelTickByTickData": 98,
    "placeOrder": 3,
    "cancelOrder": 4,
    "reqGlobalCancel": 58,
    "reqOpenOrders": 5,
    "reqAllOpenOrders": 16,
    "reqAutoOpenOrders": 15,
    "reqCompletedOrders": 99,
    "reqExecutions": 7,
    "reqPositions": 61,
    "cancelPositions": 64,
    "reqAccountUpdates": 6,
    "reqAccountUpdatesMulti": 76,
    "reqAccountSummary": 62,
    "cancelAccountSummary": 63,
    "reqPnL": 92,
    "cancelPnL": 93,
    "reqPnLSingle": 94,
    "cancelPnLSingle": 95,
}
REPLIES: dict[str, int] = {  # name -> message id, gateway to client
    "error": 4,
    "managedAccounts": 15,
    "nextValidId": 9,
    "currentTime": 49,
    "contractDetails": 10,
    "contractDetailsEnd": 52,
    "symbolSamples": 79,
    "marketRule": 93,
    "marketDataType": 58,
    "tickReqParams": 81,
    "tickPrice": 1,
    "tickSize": 2,
    "tickGeneric": 45,
    "tickString": 46,
    "tickSnapshotEnd": 57,
    "realtimeBar": 50,
    "historicalData": 17,
    "historicalDataUpdate": 90,
    "historicalTicks": 96,
    "historicalTicksBidAsk": 97,
    "historicalTicksLast": 98,
    "headTimestamp": 88,
    "histogramData": 89,
    "tickByTick": 99,
    "orderStatus": 3,
    "openOrder": 5,
    "openOrderEnd": 53,
    "execDetails": 11,
    "execDetailsEnd": 55,
    "commissionReport": 59,
    "completedOrder": 101,
    "completedOrdersEnd": 102,
    "orderBound": 100,
    "position": 61,
    "positionEnd": 62,
    "updateAccountValue": 6,
    "updateAccountTime": 8,
    "accountDownloadEnd": 54,
    "updatePortfolio": 7,
    "accountUpdateMulti": 73,
    "accountUpdateMultiEnd": 74,
    "accountSummary": 63,
    "accountSummaryEnd": 64,
    "pnl": 94,
    "pnlSingle": 95,
}
GROUPS: dict[str, tuple[str, ...]] = {  # name of several outbound kinds -> the kinds
    "ticks": ("tickPrice", "tickSize", "tickGeneric", "tickString", "tickByTick"),
    "bars": ("realtimeBar", "historicalDataUpdate"),
    "orderReports": ("openOrder", "orderStatus", "execDetails", "commissionReport"),
}
ALL = "all"
NAMES = {Direction.IN: REQUESTS, Direction.OUT: REPLIES}


def message_ids(direction: Direction, name: str) -> frozenset[int] | None:
    """The ids that a kind, a group or `all` (None) stands for. Raises ValueError with the nearest known name."""
    if name == ALL:
        return None
    known = NAMES[direction]
    if direction is Direction.OUT and name in GROUPS:
        return frozenset([known[kind] for kind in GROUPS[name]])
    if name in known:
        return frozenset([known[name]])
    groups = tuple(GROUPS) if direction is Direction.OUT else ()
    nearest = get_close_matches(name, [*known, *groups, ALL], n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    raise ValueError(f"{name!r} is no message that goes {direction}{hint}")


def name_of(direction: Direction, message_id: int) -> str:
    """The name of a message id, for logs: `message 123` when it has none."""
    return _BY_ID[direction].get(message_id, f"message {message_id}")


_BY_ID = {direction: {number: name for name, number in names.items()} for direction, names in NAMES.items()}
