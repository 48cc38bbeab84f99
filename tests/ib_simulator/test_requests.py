"""Every inbound message, as the real ib_insync client writes it, and messages that no client should write."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ib_simulator import request_types as asked
from ib_simulator import requests
from ib_simulator.requests import RequestFault, UnknownRequest, UnreadableRequest, decode
from ib_simulator.wire import FrameReader
from ib_simulator.wire_order import (
    ComboLeg,
    DeltaNeutralContract,
    DeltaNeutralOrder,
    ExecutionCondition,
    MarginCondition,
    PeggedBenchmark,
    PercentChangeCondition,
    PriceCondition,
    ScaleAdjustment,
    TimeCondition,
    VolumeCondition,
    WireContract,
    WireOrder,
)
from tests.ib_simulator.ib_insync_peer import imported_ib_insync, said

VERSIONS = range(157, 177)
AAPL = WireContract(
    con_id=265598,
    symbol="AAPL",
    sec_type="STK",
    exchange="SMART",
    primary_exchange="NASDAQ",
    currency="USD",
    local_symbol="AAPL",
    trading_class="NMS",
)


@pytest.fixture(scope="module")
def ib() -> Iterator[ModuleType]:
    yield from imported_ib_insync()


@pytest.fixture
def aapl(ib: ModuleType) -> Any:
    return ib.Stock(
        "AAPL", "SMART", "USD", conId=265598, primaryExchange="NASDAQ", localSymbol="AAPL", tradingClass="NMS"
    )


def asked_of(version: int, ask: Callable[[Any], None]) -> asked.Request:
    """The one request that `ask` puts on the wire."""
    (fields,) = FrameReader().feed(said(version, ask))
    return decode(fields, version)


ByClient = Callable[[Any, ModuleType, Any], None]  # (client, ib_insync, its AAPL contract) asks

REQUESTS: list[tuple[ByClient, asked.Request]] = [
    (lambda c, ib, k: c.startApi(), asked.StartApi(client_id=-1, optional_capabilities="")),
    (lambda c, ib, k: c.reqCurrentTime(), asked.ReqCurrentTime()),
    (lambda c, ib, k: c.reqManagedAccts(), asked.ReqManagedAccounts()),
    (lambda c, ib, k: c.reqIds(3), asked.ReqIds(n_ids=3)),
    (lambda c, ib, k: c.reqMatchingSymbols(5, "app"), asked.ReqMatchingSymbols(req_id=5, pattern="app")),
    (lambda c, ib, k: c.reqMarketRule(26), asked.ReqMarketRule(market_rule_id=26)),
    (
        lambda c, ib, k: c.reqMktData(9, k, "233,236", True, False, [ib.TagValue("XYZ", "1")]),
        asked.ReqMktData(
            req_id=9,
            contract=AAPL,
            generic_ticks=("233", "236"),
            snapshot=True,
            regulatory_snapshot=False,
            options=(("XYZ", "1"),),
        ),
    ),
    (lambda c, ib, k: c.cancelMktData(9), asked.CancelMktData(req_id=9)),
    (lambda c, ib, k: c.reqMarketDataType(3), asked.ReqMarketDataType(market_data_type=3)),
    (
        lambda c, ib, k: c.reqRealTimeBars(9, k, 5, "TRADES", True, []),
        asked.ReqRealTimeBars(req_id=9, contract=AAPL, bar_size_s=5, what_to_show="TRADES", use_rth=True, options=()),
    ),
    (lambda c, ib, k: c.cancelRealTimeBars(9), asked.CancelRealTimeBars(req_id=9)),
    (
        lambda c, ib, k: c.reqHistoricalData(9, k, "", "45 D", "1 day", "TRADES", True, 2, True, []),
        asked.ReqHistoricalData(
            req_id=9,
            contract=AAPL,
            include_expired=False,
            end_datetime="",
            bar_size="1 day",
            duration="45 D",
            use_rth=True,
            what_to_show="TRADES",
            format_date=2,
            keep_up_to_date=True,
            options=(),
        ),
    ),
    (lambda c, ib, k: c.cancelHistoricalData(9), asked.CancelHistoricalData(req_id=9)),
    (
        lambda c, ib, k: c.reqHeadTimeStamp(9, k, "TRADES", False, 1),
        asked.ReqHeadTimestamp(
            req_id=9, contract=AAPL, include_expired=False, use_rth=False, what_to_show="TRADES", format_date=1
        ),
    ),
    (lambda c, ib, k: c.cancelHeadTimeStamp(9), asked.CancelHeadTimestamp(req_id=9)),
    (
        lambda c, ib, k: c.reqTickByTickData(9, k, "BidAsk", 7, True),
        asked.ReqTickByTick(req_id=9, contract=AAPL, tick_type="BidAsk", n_ticks=7, ignore_size=True),
    ),
    (lambda c, ib, k: c.cancelTickByTickData(9), asked.CancelTickByTick(req_id=9)),
    (lambda c, ib, k: c.reqGlobalCancel(), asked.ReqGlobalCancel()),
    (lambda c, ib, k: c.reqOpenOrders(), asked.ReqOpenOrders()),
    (lambda c, ib, k: c.reqAllOpenOrders(), asked.ReqAllOpenOrders()),
    (lambda c, ib, k: c.reqAutoOpenOrders(True), asked.ReqAutoOpenOrders(auto_bind=True)),
    (lambda c, ib, k: c.reqCompletedOrders(False), asked.ReqCompletedOrders(api_only=False)),
    (
        lambda c, ib, k: c.reqExecutions(
            9, ib.ExecutionFilter(2, "DU1", "20260928-09:30:00", "AAPL", "STK", "SMART", "BUY")
        ),
        asked.ReqExecutions(
            req_id=9,
            client_id=2,
            account="DU1",
            time="20260928-09:30:00",
            symbol="AAPL",
            sec_type="STK",
            exchange="SMART",
            side="BUY",
        ),
    ),
    (lambda c, ib, k: c.reqPositions(), asked.ReqPositions()),
    (lambda c, ib, k: c.cancelPositions(), asked.CancelPositions()),
    (lambda c, ib, k: c.reqAccountUpdates(True, "DU1"), asked.ReqAccountUpdates(subscribe=True, account="DU1")),
    (
        lambda c, ib, k: c.reqAccountUpdatesMulti(9, "DU1", "Core", True),
        asked.ReqAccountUpdatesMulti(req_id=9, account="DU1", model_code="Core", ledger_and_nlv=True),
    ),
    (lambda c, ib, k: c.cancelAccountUpdatesMulti(9), asked.CancelAccountUpdatesMulti(req_id=9)),
    (
        lambda c, ib, k: c.reqAccountSummary(9, "All", "NetLiquidation,BuyingPower,$LEDGER:ALL"),
        asked.ReqAccountSummary(req_id=9, group="All", tags=("NetLiquidation", "BuyingPower", "$LEDGER:ALL")),
    ),
    (lambda c, ib, k: c.cancelAccountSummary(9), asked.CancelAccountSummary(req_id=9)),
    (lambda c, ib, k: c.reqPnL(9, "DU1", ""), asked.ReqPnL(req_id=9, account="DU1", model_code="")),
    (lambda c, ib, k: c.cancelPnL(9), asked.CancelPnL(req_id=9)),
    (
        lambda c, ib, k: c.reqPnLSingle(9, "DU1", "", 265598),
        asked.ReqPnLSingle(req_id=9, account="DU1", model_code="", con_id=265598),
    ),
    (lambda c, ib, k: c.cancelPnLSingle(9), asked.CancelPnLSingle(req_id=9)),
    (lambda c, ib, k: c.setServerLogLevel(5), asked.SetServerLogLevel(log_level=5)),
    (lambda c, ib, k: c.reqSoftDollarTiers(9), asked.ReqSoftDollarTiers(req_id=9)),
    (lambda c, ib, k: c.reqFamilyCodes(), asked.ReqFamilyCodes()),
    (lambda c, ib, k: c.reqMktDepthExchanges(), asked.ReqMktDepthExchanges()),
    (
        lambda c, ib, k: c.reqSmartComponents(9, "9c0001"),
        asked.ReqSmartComponents(req_id=9, bbo_exchange="9c0001"),
    ),
    (lambda c, ib, k: c.reqNewsProviders(), asked.ReqNewsProviders()),
    (
        lambda c, ib, k: c.reqHistogramData(9, k, True, "3 days"),
        asked.ReqHistogramData(req_id=9, contract=AAPL, include_expired=False, use_rth=True, period="3 days"),
    ),
    (
        lambda c, ib, k: c.reqHistoricalTicks(9, k, "20260928 09:30:00", "", 100, "TRADES", True, False, []),
        asked.ReqHistoricalTicks(
            req_id=9,
            contract=AAPL,
            include_expired=False,
            start_datetime="20260928 09:30:00",
            end_datetime="",
            n_ticks=100,
            what_to_show="TRADES",
            use_rth=True,
            ignore_size=False,
            options=(),
        ),
    ),
]


@pytest.mark.parametrize("version", [157, 176])
@pytest.mark.parametrize(("ask", "expected"), REQUESTS, ids=[type(e).__name__ for _, e in REQUESTS])
def test_request_of_ib_insync_is_read(
    ib: ModuleType, aapl: Any, version: int, ask: ByClient, expected: asked.Request
) -> None:
    assert asked_of(version, lambda client: ask(client, ib, aapl)) == expected


def test_every_message_of_the_table_was_asked(ib: ModuleType) -> None:
    with_versions = {asked.ReqContractDetails, asked.PlaceOrder, asked.CancelOrder}
    classes = {cls for cls in vars(asked).values() if isinstance(cls, type) and issubclass(cls, asked.Request)}
    assert classes - {type(e) for _, e in REQUESTS} - with_versions == {asked.Request, asked.ById}
    assert len(requests._LAYOUTS) == len(REQUESTS) + len(with_versions)


@pytest.mark.parametrize(("version", "issuer_id"), [(157, ""), (175, ""), (176, "e12345")])
def test_contract_details_carry_the_issuer_from_176(ib: ModuleType, aapl: Any, version: int, issuer_id: str) -> None:
    aapl.secIdType, aapl.secId, aapl.issuerId, aapl.includeExpired = "ISIN", "US0378331005", "e12345", True
    assert asked_of(version, lambda c: c.reqContractDetails(9, aapl)) == asked.ReqContractDetails(
        req_id=9,
        contract=AAPL,
        include_expired=True,
        sec_id_type="ISIN",
        sec_id="US0378331005",
        issuer_id=issuer_id,
    )


@pytest.mark.parametrize(("version", "time"), [(157, ""), (168, ""), (169, "20260928 10:00:00")])
def test_cancel_carries_its_time_from_169(ib: ModuleType, version: int, time: str) -> None:
    cancel = asked_of(version, lambda c: c.cancelOrder(12, "20260928 10:00:00"))
    assert cancel == asked.CancelOrder(order_id=12, manual_cancel_time=time)


def spread(ib: ModuleType) -> Any:
    legs = [
        ib.ComboLeg(1, 1, "BUY", "SMART", 1, 2, "here", 3),
        ib.ComboLeg(2, 3, "SELL", "CBOE"),
    ]
    return ib.Contract(
        secType="BAG",
        symbol="AAPL",
        exchange="SMART",
        currency="USD",
        strike=2.5,
        comboLegs=legs,
        deltaNeutralContract=ib.DeltaNeutralContract(77, 0.5, 99.25),
    )


SPREAD = WireContract(
    symbol="AAPL",
    sec_type="BAG",
    strike=2.5,
    exchange="SMART",
    currency="USD",
    combo_legs=(
        ComboLeg(con_id=1, ratio=1, action="BUY", exchange="SMART"),
        ComboLeg(con_id=2, ratio=3, action="SELL", exchange="CBOE"),
    ),
)
UNDERLYING = DeltaNeutralContract(con_id=77, delta=0.5, price=99.25)


def test_combo_market_data_and_history_carry_legs(ib: ModuleType) -> None:
    market = asked_of(176, lambda c: c.reqMktData(9, spread(ib), "", False, False, []))
    assert isinstance(market, asked.ReqMktData)
    assert market.contract == dataclasses.replace(SPREAD, delta_neutral=UNDERLYING)
    history = asked_of(
        176,
        lambda c: c.reqHistoricalData(9, spread(ib), "", "1 D", "1 min", "TRADES", 1, 1, False, []),
    )
    assert isinstance(history, asked.ReqHistoricalData)
    assert (history.contract, history.use_rth, history.keep_up_to_date) == (SPREAD, True, False)


def full_order(ib: ModuleType) -> Any:
    """An order with every attribute that travels set to a value of its own."""
    return ib.Order(
        action="BUY",
        totalQuantity=7.5,
        orderType="PEG BENCH",
        lmtPrice=101.25,
        auxPrice=99.75,
        tif="GTD",
        activeStartTime="start",
        activeStopTime="stop",
        ocaGroup="oca",
        ocaType=2,
        orderRef="ref",
        transmit=True,
        parentId=41,
        blockOrder=True,
        sweepToFill=True,
        displaySize=42,
        triggerMethod=8,
        outsideRth=True,
        hidden=True,
        goodAfterTime="20260928 15:55:00 US/Eastern",
        goodTillDate="20260929 16:00:00 US/Eastern",
        rule80A="I",
        allOrNone=True,
        minQty=43,
        percentOffset=0.01,
        overridePercentageConstraints=True,
        trailStopPrice=98.5,
        trailingPercent=1.5,
        faGroup="group",
        faProfile="profile",
        faMethod="method",
        faPercentage="50",
        designatedLocation="place",
        openClose="C",
        origin=1,
        shortSaleSlot=2,
        exemptCode=5,
        discretionaryAmt=0.05,
        eTradeOnly=True,
        firmQuoteOnly=True,
        nbboPriceCap=102.5,
        optOutSmartRouting=True,
        auctionStrategy=3,
        startingPrice=100.5,
        stockRefPrice=100.25,
        delta=0.4,
        stockRangeLower=90.5,
        stockRangeUpper=110.5,
        randomizePrice=True,
        randomizeSize=True,
        volatility=0.3,
        volatilityType=2,
        deltaNeutralOrderType="LMT",
        deltaNeutralAuxPrice=97.5,
        deltaNeutralConId=44,
        deltaNeutralSettlingFirm="dnFirm",
        deltaNeutralClearingAccount="dnAccount",
        deltaNeutralClearingIntent="dnIntent",
        deltaNeutralOpenClose="O",
        deltaNeutralShortSale=True,
        deltaNeutralShortSaleSlot=1,
        deltaNeutralDesignatedLocation="dnPlace",
        continuousUpdate=True,
        referencePriceType=1,
        scaleInitLevelSize=45,
        scaleSubsLevelSize=46,
        scalePriceIncrement=0.02,
        scalePriceAdjustValue=0.03,
        scalePriceAdjustInterval=47,
        scaleProfitOffset=0.04,
        scaleAutoReset=True,
        scaleInitPosition=48,
        scaleInitFillQty=49,
        scaleRandomPercent=True,
        scaleTable="table",
        hedgeType="B",
        hedgeParam="beta",
        account="DU1",
        settlingFirm="firm",
        clearingAccount="clearing",
        clearingIntent="Away",
        algoStrategy="Adaptive",
        algoParams=[ib.TagValue("adaptivePriority", "Normal"), ib.TagValue("x", "")],
        smartComboRoutingParams=[ib.TagValue("NonGuaranteed", "1")],
        algoId="algo",
        whatIf=True,
        notHeld=True,
        solicited=True,
        modelCode="model",
        orderComboLegs=[ib.OrderComboLeg(1.25), ib.OrderComboLeg()],
        orderMiscOptions=[ib.TagValue("a", "b"), ib.TagValue("c", "d")],
        referenceContractId=50,
        peggedChangeAmount=0.06,
        isPeggedChangeAmountDecrease=True,
        referenceChangeAmount=0.07,
        referenceExchangeId="ARCA",
        adjustedOrderType="STP",
        triggerPrice=96.5,
        adjustedStopPrice=95.5,
        adjustedStopLimitPrice=94.5,
        adjustedTrailingAmount=0.08,
        adjustableTrailingUnit=1,
        lmtPriceOffset=0.09,
        conditions=[
            ib.PriceCondition(1, "a", True, 200.5, 265598, "SMART", 4),
            ib.TimeCondition(3, "o", False, "20260928 15:00:00"),
            ib.MarginCondition(4, "a", True, 30),
            ib.ExecutionCondition(5, "o", "STK", "SMART", "MSFT"),
            ib.VolumeCondition(6, "a", False, 100000, 265598, "NASDAQ"),
            ib.PercentChangeCondition(7, "a", True, 2.5, 265598, "ARCA"),
        ],
        conditionsCancelOrder=True,
        conditionsIgnoreRth=True,
        extOperator="operator",
        softDollarTier=ib.SoftDollarTier("tier", "value", "shown"),
        cashQty=1234.5,
        mifid2DecisionMaker="maker",
        mifid2DecisionAlgo="decision",
        mifid2ExecutionTrader="trader",
        mifid2ExecutionAlgo="execution",
        dontUseAutoPriceForHedge=True,
        isOmsContainer=True,
        discretionaryUpToLimitPrice=True,
        usePriceMgmtAlgo=True,
        duration=51,
        postToAts=52,
        autoCancelParent=True,
        advancedErrorOverride="override",
        manualOrderTime="20260928 09:00:00",
        minTradeQty=53,
        minCompeteSize=54,
        competeAgainstBestOffset=0.1,
        midOffsetAtWhole=0.11,
        midOffsetAtHalf=0.12,
    )


FULL_ORDER_157 = WireOrder(
    action="BUY",
    quantity=7.5,
    order_type="PEG BENCH",
    limit_price=101.25,
    aux_price=99.75,
    tif="GTD",
    oca_group="oca",
    account="DU1",
    open_close="C",
    origin=1,
    order_ref="ref",
    transmit=True,
    parent_id=41,
    block_order=True,
    sweep_to_fill=True,
    display_size=42,
    trigger_method=8,
    outside_rth=True,
    hidden=True,
    leg_prices=(1.25, None),
    smart_routing=(("NonGuaranteed", "1"),),
    discretionary_amount=0.05,
    good_after_time="20260928 15:55:00 US/Eastern",
    good_till_date="20260929 16:00:00 US/Eastern",
    fa_group="group",
    fa_method="method",
    fa_percentage="50",
    fa_profile="profile",
    model_code="model",
    short_sale_slot=2,
    designated_location="place",
    exempt_code=5,
    oca_type=2,
    rule_80a="I",
    settling_firm="firm",
    all_or_none=True,
    min_qty=43,
    percent_offset=0.01,
    e_trade_only=True,
    firm_quote_only=True,
    nbbo_price_cap=102.5,
    auction_strategy=3,
    starting_price=100.5,
    stock_ref_price=100.25,
    delta=0.4,
    stock_range_lower=90.5,
    stock_range_upper=110.5,
    override_percentage_constraints=True,
    volatility=0.3,
    volatility_type=2,
    delta_neutral=DeltaNeutralOrder(
        order_type="LMT",
        aux_price=97.5,
        con_id=44,
        settling_firm="dnFirm",
        clearing_account="dnAccount",
        clearing_intent="dnIntent",
        open_close="O",
        short_sale=True,
        short_sale_slot=1,
        designated_location="dnPlace",
    ),
    continuous_update=True,
    reference_price_type=1,
    trail_stop_price=98.5,
    trailing_percent=1.5,
    scale_init_level_size=45,
    scale_subs_level_size=46,
    scale_price_increment=0.02,
    scale_adjustment=ScaleAdjustment(
        adjust_value=0.03,
        adjust_interval=47,
        profit_offset=0.04,
        auto_reset=True,
        init_position=48,
        init_fill_quantity=49,
        random_percent=True,
    ),
    scale_table="table",
    active_start_time="start",
    active_stop_time="stop",
    hedge_type="B",
    hedge_param="beta",
    opt_out_smart_routing=True,
    clearing_account="clearing",
    clearing_intent="Away",
    not_held=True,
    algo_strategy="Adaptive",
    algo_params=(("adaptivePriority", "Normal"), ("x", "")),
    algo_id="algo",
    what_if=True,
    misc_options=(("a", "b"), ("c", "d")),
    solicited=True,
    randomize_size=True,
    randomize_price=True,
    pegged_benchmark=PeggedBenchmark(
        reference_con_id=50,
        is_change_decrease=True,
        change_amount=0.06,
        reference_change_amount=0.07,
        reference_exchange="ARCA",
    ),
    conditions=(
        PriceCondition(conjunction="a", is_more=True, price=200.5, con_id=265598, exchange="SMART", trigger_method=4),
        TimeCondition(conjunction="o", is_more=False, time="20260928 15:00:00"),
        MarginCondition(conjunction="a", is_more=True, percent=30),
        ExecutionCondition(conjunction="o", sec_type="STK", exchange="SMART", symbol="MSFT"),
        VolumeCondition(conjunction="a", is_more=False, volume=100000, con_id=265598, exchange="NASDAQ"),
        PercentChangeCondition(conjunction="a", is_more=True, change_percent=2.5, con_id=265598, exchange="ARCA"),
    ),
    conditions_ignore_rth=True,
    conditions_cancel_order=True,
    adjusted_order_type="STP",
    trigger_price=96.5,
    limit_price_offset=0.09,
    adjusted_stop_price=95.5,
    adjusted_stop_limit_price=94.5,
    adjusted_trailing_amount=0.08,
    adjustable_trailing_unit=1,
    ext_operator="operator",
    soft_dollar_name="tier",
    soft_dollar_value="value",
    cash_qty=1234.5,
    mifid2_decision_maker="maker",
    mifid2_decision_algo="decision",
    mifid2_execution_trader="trader",
    mifid2_execution_algo="execution",
    dont_use_auto_price_for_hedge=True,
    is_oms_container=True,
    discretionary_up_to_limit_price=True,
    use_price_mgmt_algo=True,
)
LATER_VALUES = {  # first version that sends it -> attribute, value of `full_order`
    158: ("duration", 51),
    160: ("post_to_ats", 52),
    162: ("auto_cancel_parent", True),
    166: ("advanced_error_override", "override"),
    169: ("manual_order_time", "20260928 09:00:00"),
}
FULL_SPREAD = dataclasses.replace(
    SPREAD,
    combo_legs=(
        ComboLeg(
            con_id=1,
            ratio=1,
            action="BUY",
            exchange="SMART",
            open_close=1,
            short_sale_slot=2,
            designated_location="here",
            exempt_code=3,
        ),
        SPREAD.combo_legs[1],
    ),
    delta_neutral=UNDERLYING,
)


@pytest.mark.parametrize("version", VERSIONS)
def test_order_with_every_attribute_set_is_read(ib: ModuleType, version: int) -> None:
    contract = spread(ib)
    contract.secIdType, contract.secId = "ISIN", "US0378331005"
    later: dict[str, Any] = dict(value for first, value in LATER_VALUES.items() if version >= first)
    assert asked_of(version, lambda c: c.placeOrder(31, contract, full_order(ib))) == asked.PlaceOrder(
        order_id=31,
        contract=FULL_SPREAD,
        sec_id_type="ISIN",
        sec_id="US0378331005",
        order=dataclasses.replace(FULL_ORDER_157, **later),
    )


def test_full_order_leaves_no_attribute_of_ours_at_its_default() -> None:
    later = {name for name, _ in LATER_VALUES.values()}
    pegs = {"min_trade_qty", "min_compete_size", "compete_against_best_offset", "mid_offset_at_whole"}
    untouched = {
        field.name for field in dataclasses.fields(WireOrder) if getattr(FULL_ORDER_157, field.name) == field.default
    }
    assert untouched == later | pegs | {"mid_offset_at_half"}


@pytest.mark.parametrize("version", VERSIONS)
def test_plain_order_has_unset_prices(ib: ModuleType, aapl: Any, version: int) -> None:
    place = asked_of(version, lambda c: c.placeOrder(31, aapl, ib.MarketOrder("SELL", 100)))
    assert place == asked.PlaceOrder(
        order_id=31,
        contract=AAPL,
        sec_id_type="",
        sec_id="",
        order=WireOrder(action="SELL", quantity=100.0, order_type="MKT", open_close="O", transmit=True),
    )


@pytest.mark.parametrize(
    ("exchange", "order_type", "offset", "expected"),
    [
        ("IBKRATS", "LMT", 0.1, {"min_trade_qty": 53}),
        ("SMART", "PEG MID", 0.1, {"mid_offset_at_whole": 0.11, "mid_offset_at_half": 0.12}),
        ("SMART", "PEG BEST", 0.1, {"min_compete_size": 54, "compete_against_best_offset": 0.1}),
        (
            "IBKRATS",
            "PEG BEST",
            math.inf,
            {
                "min_trade_qty": 53,
                "min_compete_size": 54,
                "compete_against_best_offset": math.inf,
                "mid_offset_at_whole": 0.11,
                "mid_offset_at_half": 0.12,
            },
        ),
    ],
)
def test_peg_offsets_are_read_from_170(
    ib: ModuleType, exchange: str, order_type: str, offset: float, expected: dict[str, float]
) -> None:
    contract = ib.Stock("AAPL", exchange, "USD")
    order = full_order(ib)
    order.orderType, order.competeAgainstBestOffset = order_type, offset
    names = ["min_trade_qty", "min_compete_size", "compete_against_best_offset"]
    names += ["mid_offset_at_whole", "mid_offset_at_half"]
    for version, values in ((169, {}), (170, expected), (176, expected)):
        place = asked_of(version, lambda c: c.placeOrder(31, contract, order))
        assert isinstance(place, asked.PlaceOrder)
        assert {n: v for n in names if (v := getattr(place.order, n)) is not None} == values


def placed_by_ib_insync(order_id: int, contract: Any, order: Any) -> asked.PlaceOrder:
    place = asked_of(176, lambda client: client.placeOrder(order_id, contract, order))
    assert isinstance(place, asked.PlaceOrder)
    return place


def test_bracket_keeps_parent_and_transmits_last(ib: ModuleType, aapl: Any) -> None:
    parent = ib.LimitOrder("BUY", 10, 100.0, orderId=1, transmit=False)
    target = ib.LimitOrder("SELL", 10, 101.4, parentId=1, transmit=False)
    stop = ib.StopOrder("SELL", 10, 99.2, parentId=1, transmit=True)
    orders = [placed_by_ib_insync(i, aapl, o) for i, o in enumerate((parent, target, stop), start=1)]
    assert [(o.order_id, o.order.parent_id, o.order.transmit) for o in orders] == [
        (1, 0, False),
        (2, 1, False),
        (3, 1, True),
    ]
    assert [(o.order.order_type, o.order.limit_price, o.order.aux_price) for o in orders] == [
        ("LMT", 100.0, None),
        ("LMT", 101.4, None),
        ("STP", None, 99.2),
    ]


def plain_order_fields(version: int = 157) -> list[str]:
    contract = SIMPLE_CONTRACT
    head = ["3", "31", *contract, "", "", "BUY", "10", "LMT", "100.5", "", "DAY", *[""] * 13]
    middle = [""] * (1 + 29 + 2 + 4 + 3 + 4 + 4 + 1 + 1 + 6)  # routing to randomizePrice, nothing set
    return [*head, *middle, "", *[""] * 19, *[""] * sum(version >= first for first in LATER_VALUES)]


SIMPLE_CONTRACT = ["", "AAPL", "STK", "", "", "", "", "SMART", "", "USD", "", ""]


def changed(at: int, text: str) -> list[str]:
    fields = plain_order_fields()
    fields[at] = text
    return fields


def placed(fields: list[str], version: int = 157) -> WireOrder:
    place = decode(fields, version)
    assert isinstance(place, asked.PlaceOrder)
    return place.order


@pytest.mark.parametrize("version", VERSIONS)
def test_order_of_empty_fields_reads_as_defaults(version: int) -> None:
    order = placed(plain_order_fields(version), version)
    assert order == WireOrder(
        action="BUY", quantity=10.0, order_type="LMT", limit_price=100.5, tif="DAY", transmit=False
    )


def test_positions_of_a_plain_order_are_fixed() -> None:
    fields = plain_order_fields()
    for at in (22, 23, 26, 27, 28, 33, 38, 47, 51, 53):
        fields[at] = str(at) if at not in (27, 33, 53) else "1"
    assert placed(fields) == WireOrder(
        action="BUY",
        quantity=10.0,
        order_type="LMT",
        limit_price=100.5,
        tif="DAY",
        oca_group="22",
        account="23",
        order_ref="26",
        transmit=True,
        parent_id=28,
        outside_rth=True,
        good_till_date="38",
        oca_type=47,
        min_qty=51,
        e_trade_only=True,
    )


@pytest.mark.parametrize("text", ["", "1.7976931348623157e+308", "1.7976931348623157E308", "2147483647"])
def test_unset_prices_and_whole_numbers_are_none_or_default(text: str) -> None:
    assert placed(changed(20, text)).aux_price is None
    assert placed(changed(32, text)).trigger_method == 0
    assert placed(changed(51, text)).min_qty is None
    assert placed(changed(46, text)).exempt_code == -1


@pytest.mark.parametrize(("text", "value"), [("5", 5.0), ("5.0", 5.0), ("0.25", 0.25), ("1e2", 100.0)])
def test_quantity_has_several_forms(text: str, value: float) -> None:
    assert placed(changed(17, text)).quantity == value


@pytest.mark.parametrize(("at", "text"), [(17, "many"), (19, "nan"), (19, "Infinite"), (28, "1.5"), (33, "2")])
@pytest.mark.parametrize("version", [157, 176])
def test_field_of_the_wrong_type_names_message_order_and_field(at: int, text: str, version: int) -> None:
    fields = plain_order_fields(version)
    fields[at] = text
    names = {17: "quantity", 19: "limit_price", 28: "parent_id", 33: "outside_rth"}
    with pytest.raises(UnreadableRequest, match=names[at]) as caught:
        decode(fields, version)
    assert (caught.value.message_id, caught.value.req_id) == (3, 31)


def test_echoed_none_is_no_order_type() -> None:
    fields = plain_order_fields()
    fields[65:67] = ["None", "", "0", "", "", "", "?", "0", "0", ""]
    assert placed(fields).delta_neutral is None
    assert placed(fields).limit_price == 100.5


def test_message_that_ends_early_says_where() -> None:
    with pytest.raises(UnreadableRequest, match="ends before tif") as caught:
        decode(plain_order_fields()[:21], 157)
    assert caught.value.req_id == 31


def test_id_that_is_missing_is_a_fault_without_request_id() -> None:
    with pytest.raises(UnreadableRequest, match="req_id is empty") as caught:
        decode(["2", "2", ""], 176)
    assert (caught.value.message_id, caught.value.req_id) == (2, None)


def test_number_past_32_bits_is_unreadable() -> None:
    with pytest.raises(UnreadableRequest, match="32 bits"):
        decode(["2", "2", "2147483648"], 176)
    assert decode(["2", "2", "2147483646"], 176) == asked.CancelMktData(req_id=2147483646)


@pytest.mark.parametrize("fields", [[], [""], ["x"], ["1.5"]])
def test_message_without_readable_id_is_a_fault(fields: list[str]) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        decode(fields, 176)
    assert caught.value.message_id is None


def test_unknown_message_id_is_its_own_fault() -> None:
    with pytest.raises(UnknownRequest) as caught:
        decode(["1234", "1"], 176)
    assert caught.value.message_id == 1234


def test_fields_behind_the_last_known_one_are_ignored() -> None:
    assert decode(["2", "2", "9", "more"], 176) == asked.CancelMktData(req_id=9)


def test_count_larger_than_the_message_is_a_fault() -> None:
    bag = ["1", "11", "9", "0", "X", "BAG", *[""] * 9, "1000000000"]
    with pytest.raises(UnreadableRequest, match="legs"):
        decode(bag, 176)
    with pytest.raises(UnreadableRequest, match="legs"):
        decode([*bag[:-1], "-1", "", ""], 176)


def test_unknown_condition_type_is_a_fault() -> None:
    fields = plain_order_fields()
    at = len(fields) - 20
    assert fields[at] == ""
    fields[at] = "1"
    fields[at + 1] = "2"
    with pytest.raises(UnreadableRequest, match="condition type 2"):
        decode(fields, 157)


TEXTS = st.sampled_from(
    [
        *("", "0", "1", "2", "-1", "1.5", "nan", "Infinite", "-inf", "1e999", "BAG", "PEG BEST", "None"),
        *("2147483647", "1.7976931348623157E308", "9" * 5000, "²", "a=b;c", "\ud800"),
    ]
) | st.text(max_size=6)
IDS = st.sampled_from(sorted(map(str, requests._LAYOUTS)))


@given(IDS | TEXTS, st.lists(TEXTS, max_size=40), st.sampled_from(VERSIONS))
def test_random_fields_raise_nothing_but_request_faults(message_id: str, fields: list[str], version: int) -> None:
    try:
        assert isinstance(decode([message_id, *fields], version), asked.Request)
    except RequestFault as fault:
        assert str(fault)


@given(st.lists(st.tuples(st.integers(1, 200), TEXTS), max_size=5), st.integers(0, 200), st.booleans())
def test_mutated_orders_raise_nothing_but_request_faults(
    changes: list[tuple[int, str]], length: int, is_cut: bool
) -> None:
    fields = plain_order_fields(176)
    for at, text in changes:
        fields[at % len(fields)] = text
    try:
        decode(fields[:length] if is_cut else fields, 176)
    except RequestFault as fault:
        assert str(fault)
