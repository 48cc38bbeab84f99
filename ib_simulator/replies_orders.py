"""Outbound messages of orders, executions and commissions. Conventions are those of `replies`.

Where an order says nothing, the values are those recorded from a gateway for a plain stock order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ib_simulator.replies import contract11, exchange_time_text, quantity_text
from ib_simulator.wire import UNSET_DOUBLE_TEXT, UNSET_INTEGER_TEXT, UNSET_LONG_TEXT, Field, frame
from ib_simulator.wire_order import CONDITION_TYPES, ComboLeg, Condition, TagValues, WireContract, WireOrder

DURATION_VERSION = 159
POST_TO_ATS_VERSION = 160
AUTO_CANCEL_PARENT_VERSION = 162
PEG_OFFSETS_VERSION = 170

CLOSED_TIME_VERSION = 174  # completed orders carried a zone long before other messages did

NO_TYPE = "None"  # how a gateway writes "no order type"
UNKNOWN = "?"  # right and open/close of a stock
NO_SCALE_ADJUSTMENT: tuple[Field, ...] = (None, None, None, False, None, None, False)
NO_BENCHMARK: tuple[Field, ...] = (0, False, 0.0, 0.0, "")
SHAREHOLDER = "Not an insider or substantial shareholder"

_CONDITION_NUMBERS = {cls: number for number, cls in CONDITION_TYPES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginRow:
    """Account amounts in USD around an order, as a what-if answer reports them. None is not available."""

    init_before: float | None = None
    maint_before: float | None = None
    equity_before: float | None = None
    init_change: float | None = None
    maint_change: float | None = None
    equity_change: float | None = None
    init_after: float | None = None
    maint_after: float | None = None
    equity_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrderRow:
    """An order as the gateway knows it. `order.oca_group` and `.oca_type` are those in force."""

    order_id: int
    client_id: int
    perm_id: int
    contract: WireContract
    order: WireOrder
    status: str
    margin: MarginRow = MarginRow()
    commission_usd: float | None = None
    min_commission_usd: float | None = None
    max_commission_usd: float | None = None
    commission_currency: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedOrderRow:
    """An order that is over. `completed_status` is the gateway's sentence (`Filled Size: 100`)."""

    perm_id: int
    contract: WireContract
    order: WireOrder
    status: str
    filled_quantity: float
    completed_at: datetime
    completed_status: str
    parent_perm_id: int | None = None
    auto_cancel_date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """One fill. `exchange` is the venue; `side` is BOT or SLD; `quantity` in shares."""

    order_id: int
    client_id: int
    perm_id: int
    contract: WireContract
    execution_id: str
    at: datetime
    account: str
    exchange: str
    side: str
    quantity: float
    price_usd: float
    cumulative_quantity: float
    average_price_usd: float
    order_ref: str = ""
    model_code: str = ""
    last_liquidity: int = 1
    liquidation: int = 0


def order_status(
    order_id: int,
    status: str,
    *,
    filled: float,
    remaining: float,
    average_fill_price_usd: float,
    perm_id: int,
    client_id: int,
    parent_id: int = 0,
    last_fill_price_usd: float = 0.0,
    why_held: str = "",
    cap_price_usd: float = 0.0,
) -> bytes:
    """The state of an order. A client drops it when no `open_order` came first."""
    return frame(
        *(3, order_id, status, quantity_text(filled), quantity_text(remaining), average_fill_price_usd, perm_id),
        *(parent_id, last_fill_price_usd, client_id, why_held, cap_price_usd),
    )


def open_order(version: int, row: OpenOrderRow) -> bytes:
    """An order with its state; also the answer to a what-if, with margin and commission."""
    o = row.order
    c = row.contract
    fields: list[Field] = [5, row.order_id, *_contract(c), o.action, quantity_text(o.quantity), *_prices(o)]
    fields += [row.client_id, row.perm_id, o.outside_rth, o.hidden, quantity_text(o.discretionary_amount)]
    fields += [o.good_after_time, f"{row.perm_id}.0/{o.account}/{quantity_text(o.quantity)}", *_allocation(o)]
    fields += [o.auction_strategy, *_reference_prices(o), o.block_order, o.sweep_to_fill, o.all_or_none, o.min_qty]
    fields += [o.oca_type, o.e_trade_only, o.firm_quote_only, o.nbbo_price_cap, o.parent_id, o.trigger_method]
    fields += [o.volatility, o.volatility_type, *_hedging_order(o)]
    fields += [o.continuous_update, o.reference_price_type, o.trail_stop_price, o.trailing_percent, "", ""]
    fields += [*_combo(c, o), *_scale(o), *_hedge(o), o.opt_out_smart_routing, *_clearing(c, o), *_algo(o)]
    fields += [o.solicited, o.what_if, row.status, *map(_or_unset, dataclasses.astuple(row.margin))]
    fields += [row.commission_usd, row.min_commission_usd, row.max_commission_usd, row.commission_currency]
    fields += [row.warning, o.randomize_size, o.randomize_price, *_benchmark(o), *_conditions(o), *_adjusted(o)]
    fields += [o.soft_dollar_name, o.soft_dollar_value, "", o.cash_qty or 0, True, o.is_oms_container]
    fields += [o.discretionary_up_to_limit_price, o.use_price_mgmt_algo]
    if version >= DURATION_VERSION:
        fields.append(o.duration)
    if version >= POST_TO_ATS_VERSION:
        fields.append(o.post_to_ats)
    if version >= AUTO_CANCEL_PARENT_VERSION:
        fields.append(o.auto_cancel_parent)
    return frame(*fields, *_peg_offsets(version, o))


def open_order_end() -> bytes:
    return frame(53, 1)


def completed_order(version: int, row: CompletedOrderRow) -> bytes:
    """An order that is filled or cancelled. Its total quantity is 0, as gateways send it."""
    o = row.order
    c = row.contract
    fields: list[Field] = [101, *_contract(c), o.action, "0", *_prices(o)]
    fields += [row.perm_id, o.outside_rth, o.hidden, quantity_text(o.discretionary_amount), o.good_after_time]
    fields += [*_allocation(o), *_reference_prices(o), o.sweep_to_fill, o.all_or_none, o.min_qty, o.oca_type]
    fields += [o.trigger_method, o.volatility, o.volatility_type, *_short_hedging_order(o)]
    fields += [o.continuous_update, o.reference_price_type, o.trail_stop_price, o.trailing_percent]
    fields += [*_combo(c, o), *_scale(o), *_hedge(o), *_clearing(c, o), *_algo(o), o.solicited, row.status]
    fields += [o.randomize_size, o.randomize_price, *_benchmark(o), *_conditions(o)]
    fields += [_or_unset(o.trail_stop_price), _or_unset(o.limit_price_offset), o.cash_qty or 0, True]
    fields += [o.is_oms_container, row.auto_cancel_date, quantity_text(row.filled_quantity), UNSET_INTEGER_TEXT]
    fields += [o.auto_cancel_parent, SHAREHOLDER, False, False]  # no imbalance-only, no routing to the best quote
    fields.append(UNSET_LONG_TEXT if row.parent_perm_id is None else row.parent_perm_id)
    fields += [exchange_time_text(CLOSED_TIME_VERSION, row.completed_at), row.completed_status]
    return frame(*fields, *_peg_offsets(version, o))


def completed_orders_end() -> bytes:
    return frame(102)


def order_bound(perm_id: int, client_id: int, order_id: int) -> bytes:
    return frame(100, perm_id, client_id, order_id)


def exec_details(version: int, req_id: int, row: ExecutionRow) -> bytes:
    """A fill: live with `req_id` -1, or as an answer. A client loses a commission report that comes before it."""
    contract = dataclasses.replace(row.contract, exchange=row.exchange)
    return frame(
        *(11, req_id, row.order_id, *contract11(contract), row.execution_id, exchange_time_text(version, row.at)),
        *(row.account, row.exchange, row.side, quantity_text(row.quantity), row.price_usd, row.perm_id),
        *(row.client_id, row.liquidation, quantity_text(row.cumulative_quantity), row.average_price_usd),
        *(row.order_ref, "", "", row.model_code, row.last_liquidity),
    )


def exec_details_end(req_id: int) -> bytes:
    return frame(55, 1, req_id)


def commission_report(
    execution_id: str, commission_usd: float, realized_pnl_usd: float | None, currency: str = "USD"
) -> bytes:
    """The fee of one fill. The realized amount, net of both legs' fees, is None on an opening fill."""
    return frame(*(59, 1, execution_id, commission_usd, currency, _or_unset(realized_pnl_usd)), UNSET_DOUBLE_TEXT, "")


def _contract(c: WireContract) -> Sequence[Field]:
    return contract11(dataclasses.replace(c, right=c.right or UNKNOWN))


def _prices(o: WireOrder) -> Sequence[Field]:
    open_close = "" if o.open_close == "O" else o.open_close  # a gateway forgets the clients' default
    return (
        *(o.order_type, _zero_if_unset(o.limit_price), _zero_if_unset(o.aux_price), o.tif, o.oca_group, o.account),
        *(open_close, o.origin, o.order_ref),
    )


def _allocation(o: WireOrder) -> Sequence[Field]:
    return (
        *(o.fa_group, o.fa_method, o.fa_percentage, o.fa_profile, o.model_code, o.good_till_date, o.rule_80a),
        *(o.percent_offset, o.settling_firm, o.short_sale_slot, o.designated_location, o.exempt_code),
    )


def _reference_prices(o: WireOrder) -> Sequence[Field]:
    shown = o.display_size or UNSET_INTEGER_TEXT
    return o.starting_price, o.stock_ref_price, o.delta, o.stock_range_lower, o.stock_range_upper, shown


def _hedging_order(o: WireOrder) -> Sequence[Field]:
    d = o.delta_neutral
    if d is None:
        return NO_TYPE, "", 0, "", "", "", UNKNOWN, False, 0, ""
    return (
        *(d.order_type, d.aux_price, d.con_id, d.settling_firm, d.clearing_account, d.clearing_intent),
        *(d.open_close, d.short_sale, d.short_sale_slot, d.designated_location),
    )


def _short_hedging_order(o: WireOrder) -> Sequence[Field]:
    d = o.delta_neutral
    if d is None:
        return NO_TYPE, "", 0, False, 0, ""
    return d.order_type, d.aux_price, d.con_id, d.short_sale, d.short_sale_slot, d.designated_location


def _combo(c: WireContract, o: WireOrder) -> Sequence[Field]:
    fields: list[Field] = ["", len(c.combo_legs)]  # no description of the legs
    for leg in c.combo_legs:
        fields += _leg(leg)
    return [*fields, len(o.leg_prices), *o.leg_prices, *_counted(o.smart_routing)]


def _leg(leg: ComboLeg) -> Sequence[Field]:
    return (
        *(leg.con_id, leg.ratio, leg.action, leg.exchange, leg.open_close, leg.short_sale_slot),
        *(leg.designated_location, leg.exempt_code),
    )


def _counted(pairs: TagValues) -> list[Field]:
    return [len(pairs), *[text for pair in pairs for text in pair]]


def _scale(o: WireOrder) -> Sequence[Field]:
    levels = [UNSET_INTEGER_TEXT if n is None else n for n in (o.scale_init_level_size, o.scale_subs_level_size)]
    a = o.scale_adjustment
    if not (o.scale_price_increment and o.scale_price_increment > 0):
        return *levels, o.scale_price_increment
    if a is None:
        return *levels, o.scale_price_increment, *NO_SCALE_ADJUSTMENT
    return (
        *(*levels, o.scale_price_increment, a.adjust_value, a.adjust_interval, a.profit_offset, a.auto_reset),
        *(a.init_position, a.init_fill_quantity, a.random_percent),
    )


def _hedge(o: WireOrder) -> Sequence[Field]:
    return (o.hedge_type, o.hedge_param) if o.hedge_type else ("",)


def _clearing(c: WireContract, o: WireOrder) -> Sequence[Field]:
    fields: list[Field] = [o.clearing_account, o.clearing_intent or "IB", o.not_held]
    n = c.delta_neutral
    return [*fields, False] if n is None else [*fields, True, n.con_id, n.delta, n.price]


def _algo(o: WireOrder) -> Sequence[Field]:
    return [o.algo_strategy, *_counted(o.algo_params)] if o.algo_strategy else [""]


def _benchmark(o: WireOrder) -> Sequence[Field]:
    b = o.pegged_benchmark
    if o.order_type != "PEG BENCH":
        return ()
    if b is None:
        return NO_BENCHMARK
    amounts = (b.change_amount, b.reference_change_amount)
    return b.reference_con_id, b.is_change_decrease, *amounts, b.reference_exchange


def _conditions(o: WireOrder) -> Sequence[Field]:
    fields: list[Field] = [len(o.conditions)]
    for condition in o.conditions:
        fields += [_CONDITION_NUMBERS[type(condition)], *_condition(condition)]
    return [*fields, o.conditions_ignore_rth, o.conditions_cancel_order] if o.conditions else fields


def _condition(condition: Condition) -> Sequence[Field]:
    return dataclasses.astuple(condition)


def _adjusted(o: WireOrder) -> Sequence[Field]:
    prices = (o.trigger_price, o.trail_stop_price, o.limit_price_offset, o.adjusted_stop_price)
    limits = (o.adjusted_stop_limit_price, o.adjusted_trailing_amount)
    return o.adjusted_order_type or NO_TYPE, *map(_or_unset, prices + limits), o.adjustable_trailing_unit


def _peg_offsets(version: int, o: WireOrder) -> Sequence[Field]:
    if version < PEG_OFFSETS_VERSION:
        return ()
    offsets = (o.compete_against_best_offset, o.mid_offset_at_whole, o.mid_offset_at_half)
    return o.min_trade_qty, o.min_compete_size, *offsets


def _zero_if_unset(amount: float | None) -> Field:
    return 0.0 if amount is None else amount


def _or_unset(amount: float | None) -> Field:
    return UNSET_DOUBLE_TEXT if amount is None else amount
