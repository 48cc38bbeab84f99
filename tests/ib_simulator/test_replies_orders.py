"""Orders, executions and commissions, as the real ib_insync decoder understands them and echoes them back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from ib_simulator import replies_orders
from ib_simulator.request_types import PlaceOrder
from ib_simulator.requests import decode
from ib_simulator.wire import FrameReader
from ib_simulator.wire_order import WireContract, WireOrder
from tests.ib_simulator.ib_insync_peer import heard, imported_ib_insync, said
from tests.ib_simulator.test_requests import AAPL, FULL_ORDER_157, FULL_SPREAD, full_order, spread

VERSIONS = range(157, 177)
ENDS = [157, 176]
UNSET = 1.7976931348623157e308
PLAIN = WireOrder(
    action="BUY",
    quantity=100.0,
    order_type="LMT",
    limit_price=340.5,
    tif="GTC",
    oca_group="77",
    oca_type=3,
    account="DU1",
    order_ref="ref",
    transmit=True,
)
FULL = dataclasses.replace(
    FULL_ORDER_157,
    duration=51,
    post_to_ats=52,
    auto_cancel_parent=True,
    min_trade_qty=53,
    min_compete_size=54,
    compete_against_best_offset=0.1,
    mid_offset_at_whole=0.11,
    mid_offset_at_half=0.12,
)


@pytest.fixture(scope="module", autouse=True)
def ib() -> Iterator[ModuleType]:
    yield from imported_ib_insync()


def fields_of(message: bytes) -> list[str]:
    (fields,) = FrameReader().feed(message)
    return fields


def open_row(contract: WireContract, order: WireOrder, **changes: Any) -> replies_orders.OpenOrderRow:
    row = replies_orders.OpenOrderRow(
        order_id=31, client_id=2, perm_id=1555, contract=contract, order=order, status="PreSubmitted"
    )
    return dataclasses.replace(row, **changes)


def heard_open_order(version: int, row: replies_orders.OpenOrderRow) -> tuple[Any, Any, Any]:
    ((name, (order_id, contract, order, state)),) = heard(version, replies_orders.open_order(version, row))
    assert (name, order_id) == ("openOrder", 31)
    return contract, order, state


@pytest.mark.parametrize("version", ENDS)
def test_plain_open_order_is_what_gateways_send(version: int) -> None:
    documented = (
        "5|31|265598|AAPL|STK||0|?||SMART|USD|AAPL|NMS|BUY|100|LMT|340.5|0.0|GTC|77|DU1||0|ref|2|1555|0|0|0||"
        "1555.0/DU1/100||||||||||0||-1|0||||||2147483647|0|0|0||3|0|0||0|0||0|None||0||||?|0|0||0|0|||||"
        "|0|0|0|2147483647|2147483647|||0||IB|0|0||0|0|PreSubmitted"
        + "|1.7976931348623157E308" * 9
        + "||||||0|0|0|None"
        + "|1.7976931348623157E308" * 6
        + "|0||||0|1|0|0|0"
    )
    later = {157: "", 176: "|||0|||||"}[version]
    message = replies_orders.open_order(version, open_row(AAPL, PLAIN))
    assert "|".join(fields_of(message)) == documented + later


@pytest.mark.parametrize("version", VERSIONS)
def test_open_order_arrives_with_every_attribute(version: int, ib: ModuleType) -> None:
    contract, order, state = heard_open_order(version, open_row(FULL_SPREAD, FULL))
    sent = full_order(ib)
    not_sent = {
        *("transmit", "overridePercentageConstraints", "scaleTable", "activeStartTime", "activeStopTime"),
        *("algoId", "orderMiscOptions", "extOperator", "softDollarTier", "advancedErrorOverride"),
        *("mifid2DecisionMaker", "mifid2DecisionAlgo", "mifid2ExecutionTrader", "mifid2ExecutionAlgo"),
        *("manualOrderTime", "orderId", "clientId", "permId"),
    }
    if version < 170:
        not_sent |= {"minTradeQty", "minCompeteSize", "competeAgainstBestOffset"}
        not_sent |= {"midOffsetAtWhole", "midOffsetAtHalf"}
    first_versions = {"duration": 159, "postToAts": 160, "autoCancelParent": 162}
    not_sent |= {name for name, first in first_versions.items() if version < first}
    names = [field.name for field in dataclasses.fields(ib.Order) if field.name not in not_sent]
    assert {name: getattr(order, name) for name in names} == {name: getattr(sent, name) for name in names}
    assert (order.orderId, order.clientId, order.permId) == (31, 2, 1555)
    assert (order.softDollarTier.name, order.softDollarTier.val) == ("tier", "value")
    assert (contract.strike, contract.symbol, contract.secType) == (2.5, "AAPL", "BAG")
    assert contract.comboLegs == spread(ib).comboLegs
    assert contract.deltaNeutralContract == spread(ib).deltaNeutralContract
    assert (state.status, state.commission, state.initMarginBefore) == (
        "PreSubmitted",
        UNSET,
        "1.7976931348623157E308",
    )


def test_what_if_answer_carries_margin_and_commission() -> None:
    names = ("initMargin", "maintMargin", "equityWithLoan")
    margin = replies_orders.MarginRow(
        init_before=1.5,
        maint_before=2.5,
        equity_before=3.5,
        init_change=4.5,
        maint_change=5.5,
        equity_change=6.5,
        init_after=7.5,
        maint_after=8.5,
        equity_after=9.5,
    )
    row = open_row(
        AAPL,
        dataclasses.replace(PLAIN, what_if=True),
        margin=margin,
        commission_usd=1.0,
        min_commission_usd=0.35,
        max_commission_usd=1.25,
        commission_currency="USD",
        warning="careful",
    )
    _, order, state = heard_open_order(176, row)
    assert order.whatIf is True
    assert [getattr(state, n + when) for when in ("Before", "Change", "After") for n in names] == [
        *("1.5", "2.5", "3.5", "4.5", "5.5", "6.5", "7.5", "8.5", "9.5")
    ]
    assert (state.commission, state.minCommission, state.maxCommission) == (1.0, 0.35, 1.25)
    assert (state.commissionCurrency, state.warningText) == ("USD", "careful")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "order",
    [
        dataclasses.replace(PLAIN, aux_price=0.0, clearing_intent="IB", dont_use_auto_price_for_hedge=True),
        dataclasses.replace(
            PLAIN,
            order_type="TRAIL",
            limit_price=0.0,
            aux_price=0.5,
            trail_stop_price=339.5,
            min_qty=10,
            conditions=FULL.conditions[:2],
            algo_strategy="Adaptive",
            algo_params=(("adaptivePriority", "Normal"),),
            clearing_intent="IB",
            dont_use_auto_price_for_hedge=True,
        ),
    ],
    ids=["limit", "trail"],
)
def test_order_that_a_client_echoes_to_modify_is_the_same_order(version: int, order: WireOrder) -> None:
    contract, echoed, _ = heard_open_order(version, open_row(AAPL, order))
    (fields,) = FrameReader().feed(said(version, lambda c: c.placeOrder(31, contract, echoed)))
    place = decode(fields, version)
    assert isinstance(place, PlaceOrder)
    assert place.order == dataclasses.replace(order, cash_qty=0.0)
    assert place.contract == dataclasses.replace(AAPL, primary_exchange="", right="?")


def test_pegged_and_scaled_orders_without_details_stay_readable() -> None:
    order = dataclasses.replace(PLAIN, order_type="PEG BENCH", scale_price_increment=0.05)
    _, peg, state = heard_open_order(176, open_row(AAPL, order))
    assert (peg.orderType, peg.scalePriceIncrement, peg.usePriceMgmtAlgo) == ("PEG BENCH", 0.05, False)
    assert (state.status, peg.midOffsetAtHalf) == ("PreSubmitted", UNSET)


def test_pending_status_arrives() -> None:
    message = replies_orders.order_status(
        31,
        "Submitted",
        filled=40.0,
        remaining=60.5,
        average_fill_price_usd=340.52,
        perm_id=1555,
        client_id=2,
        parent_id=30,
        last_fill_price_usd=340.5,
        why_held="child,trigger",
        cap_price_usd=341.0,
    )
    expected = (31, "Submitted", 40.0, 60.5, 340.52, 1555, 30, 340.5, 2, "child,trigger", 341.0)
    assert heard(157, message) == heard(176, message) == [("orderStatus", expected)]
    assert fields_of(message)[3:5] == ["40", "60.5"]


@pytest.mark.parametrize("version", ENDS)
def test_ends_and_binding_arrive(version: int) -> None:
    messages = (
        replies_orders.open_order_end(),
        replies_orders.exec_details_end(9),
        replies_orders.completed_orders_end(),
        replies_orders.order_bound(1555, 2, 31),
    )
    assert heard(version, *messages) == [
        ("openOrderEnd", ()),
        ("execDetailsEnd", (9,)),
        ("completedOrdersEnd", ()),
        ("orderBound", (1555, 2, 31)),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_execution_arrives_at_its_instant(version: int, ib: ModuleType) -> None:
    at = datetime(2026, 9, 28, 13, 30, 5, tzinfo=UTC)
    row = replies_orders.ExecutionRow(
        order_id=31,
        client_id=2,
        perm_id=1555,
        contract=AAPL,
        execution_id="0000e0d5.6ab9ea82.01.01",
        at=at,
        account="DU1",
        exchange="ARCA",
        side="BOT",
        quantity=40.0,
        price_usd=340.52,
        cumulative_quantity=60.0,
        average_price_usd=340.505,
        order_ref="ref",
        model_code="model",
        last_liquidity=2,
        liquidation=1,
    )
    ((name, (req_id, contract, execution)),) = heard(version, replies_orders.exec_details(version, -1, row))
    assert (name, req_id) == ("execDetails", -1)
    assert (contract.conId, contract.exchange, contract.primaryExchange) == (265598, "ARCA", "")
    assert execution == ib.Execution(
        execId="0000e0d5.6ab9ea82.01.01",
        time=at,
        acctNumber="DU1",
        exchange="ARCA",
        side="BOT",
        shares=40.0,
        price=340.52,
        permId=1555,
        clientId=2,
        orderId=31,
        liquidation=1,
        cumQty=60.0,
        avgPrice=340.505,
        orderRef="ref",
        modelCode="model",
        lastLiquidity=2,
    )


@pytest.mark.parametrize(("realized", "arrives"), [(-2.077214, -2.077214), (None, UNSET)])
def test_commission_report_arrives(ib: ModuleType, realized: float | None, arrives: float) -> None:
    message = replies_orders.commission_report("0000e0d5.6ab9ea82.01.01", 1.000003, realized)
    report = ib.CommissionReport("0000e0d5.6ab9ea82.01.01", 1.000003, "USD", arrives, UNSET, 0)
    assert heard(157, message) == heard(176, message) == [("commissionReport", (report,))]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("contract", "order"), [(AAPL, PLAIN), (FULL_SPREAD, FULL)], ids=["plain", "full"])
def test_completed_order_arrives(version: int, ib: ModuleType, contract: WireContract, order: WireOrder) -> None:
    row = replies_orders.CompletedOrderRow(
        perm_id=1555,
        contract=contract,
        order=order,
        status="Filled",
        filled_quantity=100.0,
        completed_at=datetime(2026, 9, 28, 19, 55, tzinfo=UTC),
        completed_status="Filled Size: 100",
        parent_perm_id=1500,
    )
    message = replies_orders.completed_order(version, row)
    ((name, (got_contract, got, state)),) = heard(version, message)
    assert name == "completedOrder"
    assert (got.permId, got.parentPermId, got.filledQuantity, got.totalQuantity) == (1555, 1500, 100.0, 0.0)
    assert (got.action, got.orderType, got.lmtPrice) == (order.action, order.order_type, order.limit_price)
    assert (got.ocaGroup, got.ocaType, got.orderRef) == (order.oca_group, order.oca_type, order.order_ref)
    assert (got.shareholder, got.imbalanceOnly, got.routeMarketableToBbo) == (
        "Not an insider or substantial shareholder",
        False,
        False,
    )
    assert (got.autoCancelParent, len(got.conditions)) == (order.auto_cancel_parent, len(order.conditions))
    assert (got_contract.conId, got_contract.symbol) == (contract.con_id, contract.symbol)
    assert (state.status, state.completedStatus) == ("Filled", "Filled Size: 100")
    assert state.completedTime == "20260928 15:55:00 US/Eastern"
    peg = order.mid_offset_at_half if version >= 170 and order.mid_offset_at_half else UNSET
    assert got.midOffsetAtHalf == peg
