"""A contract, an order and its conditions in the words of the wire: what clients send and replies show again.

Prices, amounts and quantities are floats in the units of the wire (USD, shares) exactly as the client sent them;
they are finite but otherwise unjudged. None is a value that the client left unset.
"""

from __future__ import annotations

from dataclasses import dataclass

TagValues = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboLeg:
    """One leg of a BAG contract. Market data requests carry the first four attributes only."""

    con_id: int
    ratio: int
    action: str
    exchange: str
    open_close: int = 0
    short_sale_slot: int = 0
    designated_location: str = ""
    exempt_code: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaNeutralContract:
    """The underlying that hedges a delta-neutral combo."""

    con_id: int
    delta: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WireContract:
    """A contract as a client names it; any attribute may be empty. The first twelve are in wire order."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    last_trade_date: str = ""
    strike: float = 0.0
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    combo_legs: tuple[ComboLeg, ...] = ()
    delta_neutral: DeltaNeutralContract | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must come true before an order works; `conjunction` (a: and, o: or) joins it to the next one."""

    conjunction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceCondition(Condition):
    is_more: bool
    price: float
    con_id: int
    exchange: str
    trigger_method: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeCondition(Condition):
    is_more: bool
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginCondition(Condition):
    is_more: bool
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionCondition(Condition):
    sec_type: str
    exchange: str
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeCondition(Condition):
    is_more: bool
    volume: int
    con_id: int
    exchange: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentChangeCondition(Condition):
    is_more: bool
    change_percent: float
    con_id: int
    exchange: str


CONDITION_TYPES: dict[int, type[Condition]] = {  # number on the wire -> condition
    1: PriceCondition,
    3: TimeCondition,
    4: MarginCondition,
    5: ExecutionCondition,
    6: VolumeCondition,
    7: PercentChangeCondition,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaNeutralOrder:
    """The hedging order of a volatility order."""

    order_type: str
    aux_price: float | None
    con_id: int
    settling_firm: str
    clearing_account: str
    clearing_intent: str
    open_close: str
    short_sale: bool
    short_sale_slot: int
    designated_location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleAdjustment:
    """The part of a scale order that is present only with a positive price increment."""

    adjust_value: float | None
    adjust_interval: int | None
    profit_offset: float | None
    auto_reset: bool
    init_position: int | None
    init_fill_quantity: int | None
    random_percent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeggedBenchmark:
    """The reference of a PEG BENCH order."""

    reference_con_id: int
    is_change_decrease: bool
    change_amount: float
    reference_change_amount: float
    reference_exchange: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WireOrder:
    """An order as a client describes it. `order_type` and `tif` are the field's own words (`STP LMT`, `GTC`)."""

    action: str
    quantity: float
    order_type: str
    limit_price: float | None = None
    aux_price: float | None = None
    tif: str = ""
    oca_group: str = ""
    account: str = ""
    open_close: str = ""
    origin: int = 0
    order_ref: str = ""
    transmit: bool  # no default: an empty field is read as False, the clients' own default is True
    parent_id: int = 0
    block_order: bool = False
    sweep_to_fill: bool = False
    display_size: int = 0
    trigger_method: int = 0
    outside_rth: bool = False
    hidden: bool = False
    leg_prices: tuple[float | None, ...] = ()
    smart_routing: TagValues = ()
    discretionary_amount: float = 0.0
    good_after_time: str = ""
    good_till_date: str = ""
    fa_group: str = ""
    fa_method: str = ""
    fa_percentage: str = ""
    fa_profile: str = ""
    model_code: str = ""
    short_sale_slot: int = 0
    designated_location: str = ""
    exempt_code: int = -1
    oca_type: int = 0
    rule_80a: str = ""
    settling_firm: str = ""
    all_or_none: bool = False
    min_qty: int | None = None
    percent_offset: float | None = None
    e_trade_only: bool = False
    firm_quote_only: bool = False
    nbbo_price_cap: float | None = None
    auction_strategy: int = 0
    starting_price: float | None = None
    stock_ref_price: float | None = None
    delta: float | None = None
    stock_range_lower: float | None = None
    stock_range_upper: float | None = None
    override_percentage_constraints: bool = False
    volatility: float | None = None
    volatility_type: int = 0
    delta_neutral: DeltaNeutralOrder | None = None
    continuous_update: bool = False
    reference_price_type: int = 0
    trail_stop_price: float | None = None
    trailing_percent: float | None = None
    scale_init_level_size: int | None = None
    scale_subs_level_size: int | None = None
    scale_price_increment: float | None = None
    scale_adjustment: ScaleAdjustment | None = None
    scale_table: str = ""
    active_start_time: str = ""
    active_stop_time: str = ""
    hedge_type: str = ""
    hedge_param: str = ""
    opt_out_smart_routing: bool = False
    clearing_account: str = ""
    clearing_intent: str = ""
    not_held: bool = False
    algo_strategy: str = ""
    algo_params: TagValues = ()
    algo_id: str = ""
    what_if: bool = False
    misc_options: TagValues = ()
    solicited: bool = False
    randomize_size: bool = False
    randomize_price: bool = False
    pegged_benchmark: PeggedBenchmark | None = None
    conditions: tuple[Condition, ...] = ()
    conditions_ignore_rth: bool = False
    conditions_cancel_order: bool = False
    adjusted_order_type: str = ""
    trigger_price: float | None = None
    limit_price_offset: float | None = None
    adjusted_stop_price: float | None = None
    adjusted_stop_limit_price: float | None = None
    adjusted_trailing_amount: float | None = None
    adjustable_trailing_unit: int = 0
    ext_operator: str = ""
    soft_dollar_name: str = ""
    soft_dollar_value: str = ""
    cash_qty: float | None = None
    mifid2_decision_maker: str = ""
    mifid2_decision_algo: str = ""
    mifid2_execution_trader: str = ""
    mifid2_execution_algo: str = ""
    dont_use_auto_price_for_hedge: bool = False
    is_oms_container: bool = False
    discretionary_up_to_limit_price: bool = False
    use_price_mgmt_algo: bool = False
    duration: int | None = None
    post_to_ats: int | None = None
    auto_cancel_parent: bool = False
    advanced_error_override: str = ""
    manual_order_time: str = ""
    min_trade_qty: int | None = None
    min_compete_size: int | None = None
    compete_against_best_offset: float | None = None  # infinite: up to the midpoint
    mid_offset_at_whole: float | None = None
    mid_offset_at_half: float | None = None
