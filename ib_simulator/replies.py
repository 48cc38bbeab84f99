"""Outbound messages: one pure function per message, values in, one frame out.

Prices and amounts are floats of USD, sizes whole shares or lots as the caller decided with `market_data_size`.
Functions that take a `version` differ between dialects. Orders are in `replies_orders`, accounts in
`replies_account`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ib_simulator.wire import Field, float_text, frame, frame_text
from ib_simulator.wire_order import TagValues, WireContract
from market_hours import NEW_YORK

SHARES_PER_LOT = 100
TICK_SIZES_IN_SHARES_VERSION = 159
DECIMAL_SIZES_VERSION = 163  # below it clients read sizes and volumes with int()
SIZE_RULES_VERSION = 164
REJECT_JSON_VERSION = 166
ZONED_TIMES_VERSION = 174
HISTORY_IN_SHARES_VERSION = 175
ISSUER_ID_VERSION = 176

EXCHANGE_ZONE_TEXT = "US/Eastern"
EPOCH_FORMAT = 2  # formatDate of a request: epoch seconds instead of text


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRow:
    """One bar of an answer. `time_text` comes from `bar_time_text`; `volume` is in shares, -1 if there is none."""

    time_text: str
    open_usd: float
    high_usd: float
    low_usd: float
    close_usd: float
    volume: int
    wap_usd: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRow:
    """What contract details say. Defaults are those of a US stock."""

    contract: WireContract
    min_tick: float
    long_name: str
    order_types: str
    valid_exchanges: str
    trading_hours: str
    liquid_hours: str
    market_rule_ids: str
    time_zone_id: str = EXCHANGE_ZONE_TEXT
    stock_type: str = "COMMON"
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    md_size_multiplier: int = 100
    price_magnifier: int = 1
    under_con_id: int = 0
    contract_month: str = ""
    agg_group: int = 1
    sec_ids: TagValues = ()
    min_size: float = 1.0
    size_increment: float = 1.0
    suggested_size_increment: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRow:
    """One match of a symbol search. `description` and `issuer_id` are sent from version 176."""

    con_id: int
    symbol: str
    sec_type: str
    primary_exchange: str
    currency: str
    derivative_sec_types: tuple[str, ...] = ()
    description: str = ""
    issuer_id: str = ""


def exchange_time_text(version: int, when: datetime) -> str:
    """An instant as text in New York: with its zone from 174, with two spaces and no zone below.

    Raises ValueError on a naive datetime.
    """
    if when.tzinfo is None:
        raise ValueError(f"naive datetime: {when!r}")
    local = when.astimezone(NEW_YORK)
    if version >= ZONED_TIMES_VERSION:
        return f"{local:%Y%m%d %H:%M:%S} {EXCHANGE_ZONE_TEXT}"
    return f"{local:%Y%m%d  %H:%M:%S}"


def bar_time_text(version: int, start_s: int, format_date: int, *, is_daily: bool) -> str:
    """The time of a historical bar that starts at epoch second `start_s`: `yyyymmdd` for daily and longer bars."""
    if is_daily:
        return f"{datetime.fromtimestamp(start_s, NEW_YORK):%Y%m%d}"
    if format_date == EPOCH_FORMAT:
        return str(start_s)
    return exchange_time_text(version, datetime.fromtimestamp(start_s, UTC))


def market_data_size(version: int, shares: int) -> int:
    """A tick's size or a real-time bar's volume as sent for a US stock: shares, or whole lots below 159."""
    return shares if version >= TICK_SIZES_IN_SHARES_VERSION else shares // SHARES_PER_LOT


def quantity_text(quantity: float) -> str:
    """A quantity of shares, without a point when it is whole: older clients read some of them with int()."""
    whole = int(quantity)
    return str(whole) if whole == quantity else float_text(quantity)


def error(version: int, request_id: int, code: int, text: str, advanced_reject: str = "") -> bytes:
    """An error, warning or notice about a request id, an order id, or -1 for the session as a whole."""
    if version >= REJECT_JSON_VERSION:
        return frame(4, 2, request_id, code, text, advanced_reject)
    return frame(4, 2, request_id, code, text)


def managed_accounts(accounts: Sequence[str]) -> bytes:
    return frame(15, 1, ",".join(accounts))


def next_valid_id(order_id: int) -> bytes:
    return frame(9, 1, order_id)


def current_time(epoch_s: int) -> bytes:
    return frame(49, 1, epoch_s)


def contract_details(version: int, req_id: int, row: ContractRow) -> bytes:
    """One contract that matches; `contract_details_end` follows the last one."""
    c = row.contract
    has_size_rules = version >= SIZE_RULES_VERSION
    fields: list[Field] = [10] if has_size_rules else [10, 8]
    fields += [req_id, c.symbol, c.sec_type, c.last_trade_date, strike_text(c), c.right, c.exchange, c.currency]
    fields += [c.local_symbol, c.trading_class, c.trading_class, c.con_id, row.min_tick]
    if not has_size_rules:
        fields.append(row.md_size_multiplier)
    fields += [c.multiplier, row.order_types, row.valid_exchanges, row.price_magnifier, row.under_con_id]
    fields += [row.long_name, c.primary_exchange, row.contract_month, row.industry, row.category, row.subcategory]
    fields += [row.time_zone_id, row.trading_hours, row.liquid_hours, "", ""]  # no economic value rule
    fields.append(len(row.sec_ids))
    for tag, value in row.sec_ids:
        fields += [tag, value]
    fields += [row.agg_group, "", "", row.market_rule_ids, "", row.stock_type]  # no underlying, no expiration
    if has_size_rules:
        fields += [row.min_size, row.size_increment, row.suggested_size_increment]
    elif version == DECIMAL_SIZES_VERSION:
        fields.append(row.size_increment)  # the one version that knows a size increment but no size rules
    return frame(*fields)


def contract_details_end(req_id: int) -> bytes:
    return frame(52, 1, req_id)


def symbol_samples(version: int, req_id: int, rows: Sequence[SymbolRow]) -> bytes:
    """What was found for a pattern, for clients of `version`."""
    fields: list[Field] = [79, req_id, len(rows)]
    for row in rows:
        fields += [row.con_id, row.symbol, row.sec_type, row.primary_exchange, row.currency]
        fields += [len(row.derivative_sec_types), *row.derivative_sec_types]
        if version >= ISSUER_ID_VERSION:
            fields += [row.description, row.issuer_id]
    return frame(*fields)


def market_rule(rule_id: int, increments: Sequence[tuple[float, float]]) -> bytes:
    """`increments` are (price from which it holds, smallest price step), both in USD, ascending."""
    fields: list[Field] = [93, rule_id, len(increments)]
    for low_edge_usd, increment_usd in increments:
        fields += [low_edge_usd, increment_usd]
    return frame(*fields)


def market_data_type(req_id: int, data_type: int) -> bytes:
    return frame(58, 1, req_id, data_type)


def tick_req_params(req_id: int, min_tick: float, bbo_exchange: str = "9c0001", permissions: int = 3) -> bytes:
    return frame(81, req_id, min_tick, bbo_exchange, permissions)


# The next functions run for every tick of a simulated day: one f-string, one encode, one pack, and no checks.
# Their numbers are finite.


def tick_price(req_id: int, tick_type: int, price_usd: float, size: int, attribs: int = 0) -> bytes:
    """A price with its size. `attribs`: bit 0 automatic execution, bit 1 past limit, bit 2 before the open."""
    return frame_text(f"1\x006\x00{req_id}\x00{tick_type}\x00{price_usd}\x00{size}\x00{attribs}\x00")


def tick_size(req_id: int, tick_type: int, size: int) -> bytes:
    return frame_text(f"2\x006\x00{req_id}\x00{tick_type}\x00{size}\x00")


def tick_price_and_size(req_id: int, tick_type: int, size_type: int, price_usd: float, size: int) -> bytes:
    """The two frames of a price: `tick_price`, then its size as a `tick_size` again. Both are below 128 bytes."""
    price = f"1\x006\x00{req_id}\x00{tick_type}\x00{price_usd}\x00{size}\x000\x00"
    repeated = f"2\x006\x00{req_id}\x00{size_type}\x00{size}\x00"
    return f"\0\0\0{chr(len(price))}{price}\0\0\0{chr(len(repeated))}{repeated}".encode("ascii")


def tick_generic(req_id: int, tick_type: int, value: float) -> bytes:
    return frame_text(f"45\x006\x00{req_id}\x00{tick_type}\x00{value}\x00")


def tick_string(req_id: int, tick_type: int, value: str) -> bytes:
    """`value` is ASCII without NUL; anything else raises ValueError or ends the field early."""
    return frame_text(f"46\x006\x00{req_id}\x00{tick_type}\x00{value}\x00")


def tick_by_tick_last(
    req_id: int,
    kind: int,
    epoch_s: int,
    price_usd: float,
    size: int,
    exchange: str,
    attribs: int = 0,
    conditions: str = "",
) -> bytes:
    """A trade. `kind` is 1 for Last, 2 for AllLast; `attribs`: bit 0 past limit, bit 1 unreported."""
    return frame_text(
        f"99\x00{req_id}\x00{kind}\x00{epoch_s}\x00{price_usd}\x00{size}\x00{attribs}\x00{exchange}\x00{conditions}\x00"
    )


def tick_by_tick_bid_ask(
    req_id: int, epoch_s: int, bid_usd: float, ask_usd: float, bid_size: int, ask_size: int, attribs: int = 0
) -> bytes:
    """A quote. `attribs`: bit 0 bid below the day's low, bit 1 ask above the day's high."""
    return frame_text(
        f"99\x00{req_id}\x003\x00{epoch_s}\x00{bid_usd}\x00{ask_usd}\x00{bid_size}\x00{ask_size}\x00{attribs}\x00"
    )


def tick_by_tick_midpoint(req_id: int, epoch_s: int, midpoint_usd: float) -> bytes:
    return frame_text(f"99\x00{req_id}\x004\x00{epoch_s}\x00{midpoint_usd}\x00")


def realtime_bar(
    req_id: int,
    start_s: int,
    open_usd: float,
    high_usd: float,
    low_usd: float,
    close_usd: float,
    volume: int,
    wap_usd: float,
    count: int,
) -> bytes:
    """A finished 5-second bar that starts at epoch second `start_s`."""
    return frame_text(
        f"50\x003\x00{req_id}\x00{start_s}\x00{open_usd}\x00{high_usd}\x00{low_usd}\x00{close_usd}\x00"
        f"{volume}\x00{wap_usd}\x00{count}\x00"
    )


def tick_snapshot_end(req_id: int) -> bytes:
    return frame(57, 1, req_id)


def historical_data(version: int, req_id: int, start: str, end: str, rows: Sequence[BarRow]) -> bytes:
    """The whole answer, and its end marker. `start` and `end` are the request's window, not times of bars."""
    parts = [f"17\0{req_id}\0{start}\0{end}\0{len(rows)}\0"]
    parts += [
        f"{row.time_text}\0{row.open_usd}\0{row.high_usd}\0{row.low_usd}\0{row.close_usd}\0"
        f"{_history_volume(version, row.volume)}\0{row.wap_usd}\0{row.count}\0"
        for row in rows
    ]
    return frame_text("".join(parts))


def historical_data_update(version: int, req_id: int, row: BarRow) -> bytes:
    """The unfinished bar of a subscription that keeps up to date, or the first state of the next one."""
    volume = _history_volume(version, row.volume)
    return frame_text(
        f"90\0{req_id}\0{row.count}\0{row.time_text}\0{row.open_usd}\0{row.close_usd}\0{row.high_usd}\0"
        f"{row.low_usd}\0{row.wap_usd}\0{volume}\0"
    )


def _history_volume(version: int, shares: int) -> str:
    """Shares from 175; lots below, whole ones for clients that read them with int(). -1 (no volume) stays."""
    if version >= HISTORY_IN_SHARES_VERSION or shares <= 0:
        return str(shares)
    if version >= DECIMAL_SIZES_VERSION:
        return quantity_text(shares / SHARES_PER_LOT)
    return str(shares // SHARES_PER_LOT)


def head_timestamp(req_id: int, text: str) -> bytes:
    return frame(88, req_id, text)


def no_soft_dollar_tiers(req_id: int) -> bytes:
    return frame(77, req_id, 0)


def no_family_codes() -> bytes:
    return frame(78, 0)


def no_depth_exchanges() -> bytes:
    return frame(80, 0)


def no_smart_components(req_id: int) -> bytes:
    return frame(82, req_id, 0)


def no_news_providers() -> bytes:
    return frame(85, 0)


def histogram(req_id: int, rows: Sequence[tuple[float, int]]) -> bytes:
    """Shares traded by price: (price in USD, shares)."""
    return frame(89, req_id, len(rows), *[field for row in rows for field in row])


def historical_ticks(req_id: int, ticks: Sequence[tuple[int, float]]) -> bytes:
    """Midpoint ticks, (epoch second, price in USD). These three messages end with the flag that no more follow."""
    fields = [field for at_s, price_usd in ticks for field in (at_s, 0, price_usd, 0)]
    return frame(96, req_id, len(ticks), *fields, True)


def historical_ticks_bid_ask(req_id: int, ticks: Sequence[tuple[int, float, float, int, int]]) -> bytes:
    """Quotes: (epoch second, bid and ask in USD, sizes of bid and ask)."""
    fields = [
        field for at_s, bid, ask, bid_size, ask_size in ticks for field in (at_s, 0, bid, ask, bid_size, ask_size)
    ]
    return frame(97, req_id, len(ticks), *fields, True)


def historical_ticks_last(
    req_id: int, ticks: Sequence[tuple[int, float, int]], exchange: str, conditions: str
) -> bytes:
    """Trades: (epoch second, price in USD, size)."""
    fields: list[Field] = []
    for at_s, price_usd, size in ticks:
        fields += [at_s, 0, price_usd, size, exchange, conditions]
    return frame(98, req_id, len(ticks), *fields, True)


def contract11(contract: WireContract) -> tuple[Field, ...]:
    """The eleven fields of a contract in positions and executions: all but the primary exchange."""
    c = contract
    return (
        *(c.con_id, c.symbol, c.sec_type, c.last_trade_date, strike_text(c), c.right, c.multiplier),
        *(c.exchange, c.currency, c.local_symbol, c.trading_class),
    )


def strike_text(contract: WireContract) -> str:
    return quantity_text(contract.strike)
