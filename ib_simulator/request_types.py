"""What a client may ask of the gateway, one frozen class per inbound message.

The attributes stand in the order of the fields on the wire. Units and words are those of the client's request.
"""

from __future__ import annotations

from dataclasses import dataclass

from ib_simulator.wire_order import TagValues, WireContract, WireOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Any inbound message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ById(Request):
    """A request that says no more than its id."""

    req_id: int


class ReqCurrentTime(Request):
    __slots__ = ()


class ReqManagedAccounts(Request):
    __slots__ = ()


class ReqGlobalCancel(Request):
    __slots__ = ()


class ReqOpenOrders(Request):
    __slots__ = ()


class ReqAllOpenOrders(Request):
    __slots__ = ()


class ReqPositions(Request):
    __slots__ = ()


class CancelPositions(Request):
    __slots__ = ()


class ReqFamilyCodes(Request):
    __slots__ = ()


class ReqMktDepthExchanges(Request):
    __slots__ = ()


class ReqNewsProviders(Request):
    __slots__ = ()


class CancelMktData(ById):
    __slots__ = ()


class CancelRealTimeBars(ById):
    __slots__ = ()


class CancelHistoricalData(ById):
    __slots__ = ()


class CancelHeadTimestamp(ById):
    __slots__ = ()


class CancelTickByTick(ById):
    __slots__ = ()


class CancelAccountUpdatesMulti(ById):
    __slots__ = ()


class CancelAccountSummary(ById):
    __slots__ = ()


class CancelPnL(ById):
    __slots__ = ()


class CancelPnLSingle(ById):
    __slots__ = ()


class ReqSoftDollarTiers(ById):
    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartApi(Request):
    client_id: int
    optional_capabilities: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqIds(Request):
    n_ids: int  # ignored by gateways


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqMatchingSymbols(Request):
    req_id: int
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqMarketRule(Request):
    market_rule_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqMarketDataType(Request):
    market_data_type: int  # 1 live, 2 frozen, 3 delayed, 4 delayed and frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class SetServerLogLevel(Request):
    log_level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqSmartComponents(Request):
    req_id: int
    bbo_exchange: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqContractDetails(Request):
    req_id: int
    contract: WireContract
    include_expired: bool
    sec_id_type: str
    sec_id: str
    issuer_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqMktData(Request):
    req_id: int
    contract: WireContract
    generic_ticks: tuple[str, ...]
    snapshot: bool
    regulatory_snapshot: bool
    options: TagValues


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqRealTimeBars(Request):
    req_id: int
    contract: WireContract
    bar_size_s: int
    what_to_show: str
    use_rth: bool
    options: TagValues


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqHistoricalData(Request):
    req_id: int
    contract: WireContract
    include_expired: bool
    end_datetime: str  # empty: now
    bar_size: str
    duration: str
    use_rth: bool
    what_to_show: str
    format_date: int  # 1 text in the exchange's zone, 2 epoch seconds
    keep_up_to_date: bool
    options: TagValues


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqHeadTimestamp(Request):
    req_id: int
    contract: WireContract
    include_expired: bool
    use_rth: bool
    what_to_show: str
    format_date: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqHistogramData(Request):
    req_id: int
    contract: WireContract
    include_expired: bool
    use_rth: bool
    period: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqHistoricalTicks(Request):
    req_id: int
    contract: WireContract
    include_expired: bool
    start_datetime: str
    end_datetime: str
    n_ticks: int
    what_to_show: str
    use_rth: bool
    ignore_size: bool
    options: TagValues


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqTickByTick(Request):
    req_id: int
    contract: WireContract
    tick_type: str  # Last, AllLast, BidAsk, MidPoint
    n_ticks: int
    ignore_size: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder(Request):
    """A new order, or a change of the live one with this id."""

    order_id: int
    contract: WireContract
    sec_id_type: str
    sec_id: str
    order: WireOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder(Request):
    order_id: int
    manual_cancel_time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqAutoOpenOrders(Request):
    auto_bind: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqCompletedOrders(Request):
    api_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqExecutions(Request):
    """The filter's empty or zero attributes match everything. `time` is `yyyymmdd-hh:mm:ss`, the earliest one."""

    req_id: int
    client_id: int
    account: str
    time: str
    symbol: str
    sec_type: str
    exchange: str
    side: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqAccountUpdates(Request):
    subscribe: bool
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqAccountUpdatesMulti(Request):
    req_id: int
    account: str
    model_code: str
    ledger_and_nlv: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqAccountSummary(Request):
    req_id: int
    group: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqPnL(Request):
    req_id: int
    account: str
    model_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReqPnLSingle(Request):
    req_id: int
    account: str
    model_code: str
    con_id: int
