"""How the fields of an inbound message become a request. Most layouts are the class of the request itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ib_simulator.fields import FieldFault, FieldReader, plan, read_steps
from ib_simulator.request_types import (
    CancelAccountSummary,
    CancelAccountUpdatesMulti,
    CancelHeadTimestamp,
    CancelHistoricalData,
    CancelMktData,
    CancelOrder,
    CancelPnL,
    CancelPnLSingle,
    CancelPositions,
    CancelRealTimeBars,
    CancelTickByTick,
    PlaceOrder,
    ReqAccountSummary,
    ReqAccountUpdates,
    ReqAccountUpdatesMulti,
    ReqAllOpenOrders,
    ReqAutoOpenOrders,
    ReqCompletedOrders,
    ReqContractDetails,
    ReqCurrentTime,
    ReqExecutions,
    ReqFamilyCodes,
    ReqGlobalCancel,
    ReqHeadTimestamp,
    ReqHistogramData,
    ReqHistoricalData,
    ReqHistoricalTicks,
    ReqIds,
    ReqManagedAccounts,
    ReqMarketDataType,
    ReqMarketRule,
    ReqMatchingSymbols,
    ReqMktData,
    ReqMktDepthExchanges,
    ReqNewsProviders,
    ReqOpenOrders,
    ReqPnL,
    ReqPnLSingle,
    ReqPositions,
    ReqRealTimeBars,
    ReqSmartComponents,
    ReqSoftDollarTiers,
    ReqTickByTick,
    Request,
    SetServerLogLevel,
    StartApi,
)
from ib_simulator.requests_orders import read_contract, read_order, read_short_legs, read_underlying
from ib_simulator.unserved import UNSERVED
from ib_simulator.wire_order import WireContract

MANUAL_CANCEL_TIME_VERSION = 169
ISSUER_ID_VERSION = 176


class RequestFault(Exception):
    """A message that names no request. The policy: answer with an error or ignore it; the session goes on."""


class UnknownRequest(RequestFault):
    """A message id that this gateway does not know."""

    def __init__(self, message_id: int) -> None:
        super().__init__(f"unknown message id {message_id}")
        self.message_id = message_id


class UnreadableRequest(RequestFault):
    """A known message with a field missing or of the wrong type. None: the fault came before that id was read."""

    def __init__(self, message_id: int | None, req_id: int | None, why: str) -> None:
        super().__init__(f"message {message_id}, request {req_id}: {why}")
        self.message_id = message_id
        self.req_id = req_id
        self.why = why


Layout = Callable[[FieldReader, int], Request]  # (fields behind the message id, server version) -> request


def decode(fields: Sequence[str], server_version: int) -> Request:
    """The request that `fields` (message id first) spell at `server_version`.

    Fields behind the last known one are ignored. Raises UnknownRequest and UnreadableRequest, nothing else.
    """
    reader = FieldReader(fields)
    try:
        message_id = reader.integer("message id", None)
    except FieldFault as fault:
        raise UnreadableRequest(None, None, str(fault)) from fault
    if message_id is None:
        raise UnreadableRequest(None, None, "the message id is empty")
    layout = _LAYOUTS.get(message_id)
    if layout is None:
        if message_id not in UNSERVED:
            raise UnknownRequest(message_id)
        layout = UNSERVED[message_id].layout
    try:
        return layout(reader, server_version)
    except FieldFault as fault:
        raise UnreadableRequest(message_id, reader.identity_seen, str(fault)) from fault


def _place_order(reader: FieldReader, version: int) -> PlaceOrder:
    head = read_steps(reader, _PLACE_ORDER_HEAD)
    contract = head.pop("contract")
    order, legs, underlying = read_order(reader, contract, version)
    return PlaceOrder(contract=replace(contract, combo_legs=legs, delta_neutral=underlying), order=order, **head)


def _market_data(reader: FieldReader, version: int) -> ReqMktData:
    reader.skip(1)
    req_id = reader.identity("req_id")
    contract = _with_legs(reader, read_contract(reader))
    contract = replace(contract, delta_neutral=read_underlying(reader))
    return ReqMktData(req_id=req_id, contract=contract, **read_steps(reader, _MARKET_DATA_TAIL))


def _historical_data(reader: FieldReader, version: int) -> ReqHistoricalData:
    head = read_steps(reader, _HISTORICAL_HEAD)
    contract = _with_legs(reader, head.pop("contract"))
    return ReqHistoricalData(contract=contract, **head, **read_steps(reader, _HISTORICAL_TAIL))


def _with_legs(reader: FieldReader, contract: WireContract) -> WireContract:
    return replace(contract, combo_legs=read_short_legs(reader)) if contract.sec_type == "BAG" else contract


def _contract_details(reader: FieldReader, version: int) -> ReqContractDetails:
    reader.skip(1)
    values = read_steps(reader, _CONTRACT_DETAILS)
    if version >= ISSUER_ID_VERSION:
        values["issuer_id"] = reader.text("issuer_id")
    return ReqContractDetails(**values)


def _cancel_order(reader: FieldReader, version: int) -> CancelOrder:
    reader.skip(1)
    order_id = reader.identity("order_id")
    has_time = version >= MANUAL_CANCEL_TIME_VERSION
    return CancelOrder(order_id=order_id, manual_cancel_time=reader.text("manual_cancel_time") if has_time else "")


def _plain(cls: type[Request], n_version_fields: int) -> Layout:
    """The layout of a message whose fields are the attributes of `cls`, behind its own version number if any."""
    steps = plan(cls, extra=_EXTRA_KINDS)

    def layout(reader: FieldReader, version: int) -> Request:
        reader.skip(n_version_fields)
        return cls(**read_steps(reader, steps))

    return layout


_EXTRA_KINDS: dict[Any, Any] = {WireContract: read_contract}
_PLACE_ORDER_HEAD = plan(PlaceOrder, "order_id contract sec_id_type sec_id", _EXTRA_KINDS)
_MARKET_DATA_TAIL = plan(ReqMktData, "generic_ticks snapshot regulatory_snapshot options")
_HISTORICAL_HEAD = plan(
    ReqHistoricalData,
    "req_id contract include_expired end_datetime bar_size duration use_rth what_to_show format_date",
    _EXTRA_KINDS,
)
_HISTORICAL_TAIL = plan(ReqHistoricalData, "keep_up_to_date options")
_CONTRACT_DETAILS = plan(ReqContractDetails, "req_id contract include_expired sec_id_type sec_id", _EXTRA_KINDS)

_LAYOUTS: dict[int, Layout] = {  # message id -> how its fields are read
    1: _market_data,
    2: _plain(CancelMktData, 1),
    3: _place_order,
    4: _cancel_order,
    5: _plain(ReqOpenOrders, 1),
    6: _plain(ReqAccountUpdates, 1),
    7: _plain(ReqExecutions, 1),
    8: _plain(ReqIds, 1),
    9: _contract_details,
    14: _plain(SetServerLogLevel, 1),
    15: _plain(ReqAutoOpenOrders, 1),
    16: _plain(ReqAllOpenOrders, 1),
    17: _plain(ReqManagedAccounts, 1),
    20: _historical_data,
    25: _plain(CancelHistoricalData, 1),
    49: _plain(ReqCurrentTime, 1),
    50: _plain(ReqRealTimeBars, 1),
    51: _plain(CancelRealTimeBars, 1),
    58: _plain(ReqGlobalCancel, 1),
    59: _plain(ReqMarketDataType, 1),
    61: _plain(ReqPositions, 1),
    62: _plain(ReqAccountSummary, 1),
    63: _plain(CancelAccountSummary, 1),
    64: _plain(CancelPositions, 1),
    71: _plain(StartApi, 1),
    76: _plain(ReqAccountUpdatesMulti, 1),
    77: _plain(CancelAccountUpdatesMulti, 1),
    79: _plain(ReqSoftDollarTiers, 0),
    80: _plain(ReqFamilyCodes, 0),
    81: _plain(ReqMatchingSymbols, 0),
    82: _plain(ReqMktDepthExchanges, 0),
    83: _plain(ReqSmartComponents, 0),
    85: _plain(ReqNewsProviders, 0),
    87: _plain(ReqHeadTimestamp, 0),
    88: _plain(ReqHistogramData, 0),
    90: _plain(CancelHeadTimestamp, 0),
    91: _plain(ReqMarketRule, 0),
    92: _plain(ReqPnL, 0),
    93: _plain(CancelPnL, 0),
    94: _plain(ReqPnLSingle, 0),
    95: _plain(CancelPnLSingle, 0),
    96: _plain(ReqHistoricalTicks, 0),
    97: _plain(ReqTickByTick, 0),
    98: _plain(CancelTickByTick, 0),
    99: _plain(ReqCompletedOrders, 0),
}
