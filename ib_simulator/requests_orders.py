"""Reading placeOrder: the contract, the order with every optional block, and the conditions."""

from __future__ import annotations

import math
from typing import Any

from ib_simulator.fields import FieldFault, FieldReader, plan, read_steps
from ib_simulator.wire_order import (
    CONDITION_TYPES,
    ComboLeg,
    Condition,
    DeltaNeutralContract,
    DeltaNeutralOrder,
    PeggedBenchmark,
    ScaleAdjustment,
    TagValues,
    WireContract,
    WireOrder,
)

NOT_SET = frozenset({"", "None"})  # the gateway writes "None" for no order type, and clients echo it on a modify
PEG_OFFSETS_VERSION = 170

_CONTRACT = plan(
    WireContract,
    "con_id symbol sec_type last_trade_date strike right multiplier exchange primary_exchange currency"
    " local_symbol trading_class",
)
_LEG = plan(ComboLeg)
_LEG_HEAD = plan(ComboLeg, "con_id ratio action exchange")
_UNDERLYING = plan(DeltaNeutralContract)
_CONDITIONS = {number: plan(cls) for number, cls in CONDITION_TYPES.items()}
_HEDGE = plan(
    DeltaNeutralOrder,
    "con_id settling_firm clearing_account clearing_intent open_close short_sale short_sale_slot designated_location",
)
_SCALE_ADJUSTMENT = plan(ScaleAdjustment)
_BENCHMARK = plan(PeggedBenchmark)
_HEAD = plan(
    WireOrder,
    "action quantity order_type limit_price aux_price tif oca_group account open_close origin order_ref transmit"
    " parent_id block_order sweep_to_fill display_size trigger_method outside_rth hidden",
)
_ROUTING = plan(
    WireOrder,
    "discretionary_amount good_after_time good_till_date fa_group fa_method fa_percentage fa_profile model_code"
    " short_sale_slot designated_location exempt_code oca_type rule_80a settling_firm all_or_none min_qty"
    " percent_offset e_trade_only firm_quote_only nbbo_price_cap auction_strategy starting_price stock_ref_price"
    " delta stock_range_lower stock_range_upper override_percentage_constraints volatility volatility_type",
)
_TRAILING = plan(
    WireOrder,
    "continuous_update reference_price_type trail_stop_price trailing_percent scale_init_level_size"
    " scale_subs_level_size scale_price_increment",
)
_ACTIVE = plan(WireOrder, "scale_table active_start_time active_stop_time hedge_type")
_CLEARING = plan(WireOrder, "opt_out_smart_routing clearing_account clearing_intent not_held")
_MISC = plan(WireOrder, "algo_id what_if misc_options solicited randomize_size randomize_price")
_CONDITION_RULES = plan(WireOrder, "conditions_ignore_rth conditions_cancel_order")
_ADJUSTED = plan(
    WireOrder,
    "adjusted_order_type trigger_price limit_price_offset adjusted_stop_price adjusted_stop_limit_price"
    " adjusted_trailing_amount adjustable_trailing_unit ext_operator soft_dollar_name soft_dollar_value cash_qty"
    " mifid2_decision_maker mifid2_decision_algo mifid2_execution_trader mifid2_execution_algo"
    " dont_use_auto_price_for_hedge is_oms_container discretionary_up_to_limit_price use_price_mgmt_algo",
)
_LATER = tuple(  # (first server version that sends it, the step)
    (version, plan(WireOrder, name))
    for version, name in (
        (158, "duration"),
        (160, "post_to_ats"),
        (162, "auto_cancel_parent"),
        (166, "advanced_error_override"),
        (169, "manual_order_time"),
    )
)


def read_contract(reader: FieldReader, name: str = "contract", default: object = None) -> WireContract:
    """The twelve fields that name a contract. Raises FieldFault."""
    return WireContract(**read_steps(reader, _CONTRACT))


def read_short_legs(reader: FieldReader) -> tuple[ComboLeg, ...]:
    """The legs of a BAG as market data requests carry them."""
    return tuple([ComboLeg(**read_steps(reader, _LEG_HEAD)) for _ in range(reader.count("legs"))])


def read_underlying(reader: FieldReader) -> DeltaNeutralContract | None:
    """The delta-neutral flag, and the contract when it is set."""
    if not reader.flag("delta neutral contract"):
        return None
    return DeltaNeutralContract(**read_steps(reader, _UNDERLYING))


def read_order(
    reader: FieldReader, contract: WireContract, version: int
) -> tuple[WireOrder, tuple[ComboLeg, ...], DeltaNeutralContract | None]:
    """The order behind the contract and its security id, with the parts of the contract that travel inside it.

    Raises FieldFault.
    """
    order = read_steps(reader, _HEAD)
    legs: tuple[ComboLeg, ...] = ()
    if contract.sec_type == "BAG":
        legs = tuple([ComboLeg(**read_steps(reader, _LEG)) for _ in range(reader.count("legs"))])
        n_prices = reader.count("leg prices")
        order["leg_prices"] = tuple([reader.number("leg price", None) for _ in range(n_prices)])
        order["smart_routing"] = _pairs(reader, "smart routing parameters")
    reader.skip(1)  # shares allocation, obsolete
    order |= read_steps(reader, _ROUTING)
    order["delta_neutral"] = _hedging_order(reader)
    order |= read_steps(reader, _TRAILING)
    increment = order["scale_price_increment"]
    if increment is not None and increment > 0:
        order["scale_adjustment"] = ScaleAdjustment(**read_steps(reader, _SCALE_ADJUSTMENT))
    order |= read_steps(reader, _ACTIVE)
    if order["hedge_type"]:
        order["hedge_param"] = reader.text("hedge_param")
    order |= read_steps(reader, _CLEARING)
    underlying = read_underlying(reader)
    order["algo_strategy"] = reader.text("algo_strategy")
    if order["algo_strategy"]:
        order["algo_params"] = _pairs(reader, "algo parameters")
    order |= read_steps(reader, _MISC)
    if order["order_type"] == "PEG BENCH":
        order["pegged_benchmark"] = PeggedBenchmark(**read_steps(reader, _BENCHMARK))
    n_conditions = reader.count("conditions")
    if n_conditions:
        order["conditions"] = tuple([_condition(reader) for _ in range(n_conditions)])
        order |= read_steps(reader, _CONDITION_RULES)
    order |= read_steps(reader, _ADJUSTED)
    if order["adjusted_order_type"] in NOT_SET:
        order["adjusted_order_type"] = ""
    for first_version, steps in _LATER:
        if version >= first_version:
            order |= read_steps(reader, steps)
    if version >= PEG_OFFSETS_VERSION:
        order |= _peg_offsets(reader, contract.exchange, order["order_type"])
    return WireOrder(**order), legs, underlying


def _pairs(reader: FieldReader, name: str) -> TagValues:
    return tuple([(reader.text("tag"), reader.text("value")) for _ in range(reader.count(name))])


def _hedging_order(reader: FieldReader) -> DeltaNeutralOrder | None:
    order_type = reader.text("delta neutral order type")
    aux_price = reader.number("delta neutral aux price", None)
    if not order_type:
        return None
    rest = read_steps(reader, _HEDGE)
    if order_type in NOT_SET:
        return None
    return DeltaNeutralOrder(order_type=order_type, aux_price=aux_price, **rest)


def _condition(reader: FieldReader) -> Condition:
    number = reader.integer("condition type", 0)
    cls = CONDITION_TYPES.get(number)
    if cls is None:
        raise FieldFault(f"condition type {number} is not one of {sorted(CONDITION_TYPES)}")
    return cls(**read_steps(reader, _CONDITIONS[number]))


def _peg_offsets(reader: FieldReader, exchange: str, order_type: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    has_mid_offsets = order_type == "PEG MID"
    if exchange == "IBKRATS":
        values["min_trade_qty"] = reader.integer("min_trade_qty", None)
    if order_type == "PEG BEST":
        values["min_compete_size"] = reader.integer("min_compete_size", None)
        offset = reader.extended_number("compete_against_best_offset", None)
        values["compete_against_best_offset"] = offset
        has_mid_offsets = offset == math.inf
    if has_mid_offsets:
        values["mid_offset_at_whole"] = reader.number("mid_offset_at_whole", None)
        values["mid_offset_at_half"] = reader.number("mid_offset_at_half", None)
    return values
