"""Every outbound message, as the real ib_insync decoder understands it at each negotiated version."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from ib_simulator import replies, replies_account
from ib_simulator.wire import FrameReader
from ib_simulator.wire_order import WireContract
from tests.ib_simulator.ib_insync_peer import heard, imported_ib_insync

VERSIONS = range(157, 177)
ENDS = [157, 176]
UNSET = 1.7976931348623157e308
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


@pytest.fixture(scope="module", autouse=True)
def ib() -> Iterator[ModuleType]:
    yield from imported_ib_insync()


def fields_of(message: bytes) -> list[str]:
    (fields,) = FrameReader().feed(message)
    return fields


@pytest.mark.parametrize("version", ENDS)
@pytest.mark.parametrize(
    ("message", "name", "arguments"),
    [
        (replies.managed_accounts(["DU1", "DU2"]), "managedAccounts", ("DU1,DU2",)),
        (replies.next_valid_id(8), "nextValidId", (8,)),
        (replies.current_time(1700000000), "currentTime", (1700000000,)),
        (replies.contract_details_end(9), "contractDetailsEnd", (9,)),
        (replies.market_data_type(9, 3), "marketDataType", (9, 3)),
        (replies.tick_req_params(9, 0.01), "tickReqParams", (9, 0.01, "9c0001", 3)),
        (replies.tick_price(9, 1, 340.52, 400, 1), "priceSizeTick", (9, 1, 340.52, 400.0)),
        (replies.tick_price(9, 1, -1.0, 0), "priceSizeTick", (9, 1, -1.0, 0.0)),
        (replies.tick_size(9, 8, 1234567), "tickSize", (9, 8, 1234567.0)),
        (replies.tick_generic(9, 49, 1.0), "tickGeneric", (9, 49, 1.0)),
        (replies.tick_string(9, 45, "1700000000"), "tickString", (9, 45, "1700000000")),
        (replies.tick_snapshot_end(9), "tickSnapshotEnd", (9,)),
        (
            replies.realtime_bar(9, 1700000005, 1.25, 1.75, 1.0, 1.5, 300, 1.375, 7),
            "realtimeBar",
            (9, 1700000005, 1.25, 1.75, 1.0, 1.5, 300.0, 1.375, 7),
        ),
        (replies.head_timestamp(9, "19801212"), "headTimestamp", (9, "19801212")),
        (replies_account.position_end(), "positionEnd", ()),
        (
            replies_account.account_value("NetLiquidation", "100000.00", "USD", "DU1"),
            "updateAccountValue",
            ("NetLiquidation", "100000.00", "USD", "DU1"),
        ),
        (replies_account.account_time("09:31"), "updateAccountTime", ("09:31",)),
        (replies_account.account_download_end("DU1"), "accountDownloadEnd", ("DU1",)),
        (
            replies_account.account_update_multi(9, "DU1", "", "Cushion", "0.9", ""),
            "accountUpdateMulti",
            (9, "DU1", "", "Cushion", "0.9", ""),
        ),
        (replies_account.account_update_multi_end(9), "accountUpdateMultiEnd", (9,)),
        (
            replies_account.account_summary(9, "DU1", "BuyingPower", "400000", "USD"),
            "accountSummary",
            (9, "DU1", "BuyingPower", "400000", "USD"),
        ),
        (replies_account.account_summary_end(9), "accountSummaryEnd", (9,)),
        (replies_account.pnl(9, -12.5, 3.25, None), "pnl", (9, -12.5, 3.25, UNSET)),
        (
            replies_account.pnl_single(9, 100, None, 1.5, 2.5, 34052.0),
            "pnlSingle",
            (9, 100.0, UNSET, 1.5, 2.5, 34052.0),
        ),
        (replies.no_soft_dollar_tiers(9), "softDollarTiers", (9, [])),
        (replies.no_family_codes(), "familyCodes", ([],)),
        (replies.no_depth_exchanges(), "mktDepthExchanges", ([],)),
        (replies.no_smart_components(9), "smartComponents", (9, [])),
        (replies.no_news_providers(), "newsProviders", ([],)),
        (replies.histogram(9, []), "histogramData", (9, [])),
        (replies.historical_ticks(9, []), "historicalTicks", (9, [], True)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_message_arrives(version: int, message: bytes, name: str, arguments: tuple[Any, ...]) -> None:
    assert heard(version, message) == [(name, arguments)]


@pytest.mark.parametrize("version", ENDS)
def test_historical_ticks_arrive_with_their_times_prices_and_sizes(version: int) -> None:
    at = datetime.fromtimestamp(1_759_843_800, UTC)
    messages = [
        replies.historical_ticks(9, [(1_759_843_800, 10.005)]),
        replies.historical_ticks_bid_ask(9, [(1_759_843_800, 10.0, 10.01, 300, 400)]),
        replies.historical_ticks_last(9, [(1_759_843_800, 10.01, 200)], "NASDAQ", ""),
    ]
    (_, mid), (_, quote), (_, last) = heard(version, *messages)
    assert (mid[0], mid[2], mid[1][0].time, mid[1][0].price) == (9, True, at, 10.005)
    told = quote[1][0]
    assert (told.time, told.priceBid, told.priceAsk, told.sizeBid, told.sizeAsk) == (at, 10.0, 10.01, 300, 400)
    assert (last[1][0].price, last[1][0].size, last[1][0].exchange) == (10.01, 200, "NASDAQ")


@pytest.mark.parametrize("version", ENDS)
def test_a_histogram_arrives_with_prices_and_shares(version: int) -> None:
    ((_, (_, rows)),) = heard(version, replies.histogram(9, [(10.5, 300), (11.0, 5)]))
    assert [(row.price, row.count) for row in rows] == [(10.5, 300), (11.0, 5)]


def test_a_price_and_its_size_are_the_two_messages() -> None:
    both = replies.tick_price_and_size(1_000_000_007, 4, 5, 1234567.89, 1600)
    assert both == replies.tick_price(1_000_000_007, 4, 1234567.89, 1600) + replies.tick_size(1_000_000_007, 5, 1600)


@pytest.mark.parametrize(("version", "reject"), [(157, ""), (165, ""), (166, '{"a":1}'), (176, '{"a":1}')])
def test_error_carries_the_reject_json_from_166(version: int, reject: str) -> None:
    message = replies.error(version, -1, 201, "Order rejected - reason:\nnaïve", '{"a":1}')
    assert heard(version, message) == [("error", (-1, 201, "Order rejected - reason:\nna\\u00efve", reject))]
    assert len(fields_of(message)) == (6 if version >= 166 else 5)


ROW = replies.ContractRow(
    contract=AAPL,
    min_tick=0.01,
    long_name="APPLE INC é",
    order_types="ACTIVETIM,LMT,MKT",
    valid_exchanges="SMART,NASDAQ",
    trading_hours="20260928:0400-20260928:2000;20260929:CLOSED",
    liquid_hours="20260928:0930-20260928:1600;20260929:CLOSED",
    market_rule_ids="26,26",
    industry="Technology",
    category="Computers",
    subcategory="Hardware",
    sec_ids=(("ISIN", "US0378331005"),),
    min_size=0.5,
    size_increment=0.25,
    suggested_size_increment=100.0,
)


@pytest.mark.parametrize("version", VERSIONS)
def test_contract_details_arrive_in_their_fields(version: int, ib: ModuleType) -> None:
    message = replies.contract_details(version, 9, ROW)
    ((name, (req_id, details)),) = heard(version, message)
    sizes = {163: (0.0, 0.0, 0.25)}.get(version, (0.5, 0.25, 100.0) if version >= 164 else (0.0, 0.0, 0.0))
    assert (name, req_id) == ("contractDetails", 9)
    assert details == ib.ContractDetails(
        contract=ib.Contract(
            secType="STK",
            conId=265598,
            symbol="AAPL",
            exchange="SMART",
            primaryExchange="NASDAQ",
            currency="USD",
            localSymbol="AAPL",
            tradingClass="NMS",
        ),
        marketName="NMS",
        minTick=0.01,
        orderTypes="ACTIVETIM,LMT,MKT",
        validExchanges="SMART,NASDAQ",
        priceMagnifier=1,
        longName="APPLE INC é",
        industry="Technology",
        category="Computers",
        subcategory="Hardware",
        timeZoneId="US/Eastern",
        tradingHours="20260928:0400-20260928:2000;20260929:CLOSED",
        liquidHours="20260928:0930-20260928:1600;20260929:CLOSED",
        aggGroup=1,
        marketRuleIds="26,26",
        secIdList=[ib.TagValue("ISIN", "US0378331005")],
        stockType="COMMON",
        minSize=sizes[0],
        sizeIncrement=sizes[1],
        suggestedSizeIncrement=sizes[2],
    )
    assert details.contract.exchange == "SMART"  # equal contracts need no more than an equal conId
    assert details.contract.primaryExchange == "NASDAQ"


@pytest.mark.parametrize(("version", "n_fields"), [(157, 41), (162, 41), (163, 42), (164, 42), (176, 42)])
def test_contract_details_have_no_field_too_many(version: int, n_fields: int) -> None:
    assert len(fields_of(replies.contract_details(version, 9, ROW))) == n_fields


@pytest.mark.parametrize(("version", "described"), [(157, ("", "")), (175, ("", "")), (176, ("APPLE", "e1"))])
def test_symbol_samples_carry_description_from_176(version: int, described: tuple[str, str]) -> None:
    row = replies.SymbolRow(
        con_id=265598,
        symbol="AAPL",
        sec_type="STK",
        primary_exchange="NASDAQ",
        currency="USD",
        derivative_sec_types=("OPT", "WAR"),
        description="APPLE",
        issuer_id="e1",
    )
    other = replies.SymbolRow(con_id=4, symbol="AA", sec_type="STK", primary_exchange="NYSE", currency="USD")
    ((name, (req_id, found)),) = heard(version, replies.symbol_samples(version, 9, [row, other]))
    assert (name, req_id) == ("symbolSamples", 9)
    first, second = found
    assert (first.contract.conId, first.contract.symbol, first.derivativeSecTypes) == (
        265598,
        "AAPL",
        ["OPT", "WAR"],
    )
    assert (first.contract.description, first.contract.issuerId) == described
    assert (second.contract.conId, second.contract.primaryExchange, second.derivativeSecTypes) == (4, "NYSE", [])


def test_market_rule_arrives(ib: ModuleType) -> None:
    message = replies.market_rule(26, [(0.0, 0.0001), (1.0, 0.01)])
    steps = [ib.PriceIncrement(0.0, 0.0001), ib.PriceIncrement(1.0, 0.01)]
    assert heard(176, message) == [("marketRule", (26, steps))]


def test_tick_by_tick_arrives(ib: ModuleType) -> None:
    at = 1700000000
    calls = heard(
        176,
        replies.tick_by_tick_last(9, 1, 1700000000, 340.5, 40, "NASDAQ", 2, "T"),
        replies.tick_by_tick_last(9, 2, 1700000000, 340.25, 1, "FINRA"),
        replies.tick_by_tick_bid_ask(9, 1700000000, 340.5, 340.75, 80, 120, 1),
        replies.tick_by_tick_midpoint(9, 1700000000, 340.625),
    )
    assert [name for name, _ in calls] == [
        "tickByTickAllLast",
        "tickByTickAllLast",
        "tickByTickBidAsk",
        "tickByTickMidPoint",
    ]
    last = ib.TickAttribLast(pastLimit=False, unreported=True)
    assert calls[0][1] == (9, 1, at, 340.5, 40.0, last, "NASDAQ", "T")
    assert calls[1][1] == (9, 2, at, 340.25, 1.0, ib.TickAttribLast(), "FINRA", "")
    assert calls[2][1] == (9, at, 340.5, 340.75, 80.0, 120.0, ib.TickAttribBidAsk(bidPastLow=True))
    assert calls[3][1] == (9, at, 340.625)


def bar(volume: int) -> replies.BarRow:
    return replies.BarRow(
        time_text="1700000000",
        open_usd=10.25,
        high_usd=10.75,
        low_usd=10.0,
        close_usd=10.5,
        volume=volume,
        wap_usd=10.375,
        count=12,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_historical_data_arrives_with_shares_from_175_and_lots_below(version: int, ib: ModuleType) -> None:
    message = replies.historical_data(version, 9, "20260927 16:00:00", "20260928 16:00:00", [bar(12345), bar(-1)])
    volume = 12345 if version >= 175 else 123.45 if version >= 163 else 123
    first = ib.BarData("1700000000", 10.25, 10.75, 10.0, 10.5, volume, 10.375, 12)
    assert heard(version, message) == [
        ("historicalData", (9, first)),
        ("historicalData", (9, dataclasses.replace(first, volume=-1.0))),
        ("historicalDataEnd", (9, "20260927 16:00:00", "20260928 16:00:00")),
    ]
    update = replies.historical_data_update(version, 9, bar(12345))
    assert heard(version, update) == [("historicalDataUpdate", (9, first))]


def test_oldest_clients_get_whole_numbers_without_a_point() -> None:
    """They read these fields with int(), and a point ends their message loop."""
    assert fields_of(replies.tick_price(9, 1, 5.0, 100))[5] == "100"
    assert fields_of(replies.tick_size(9, 0, 100))[4] == "100"
    rows = fields_of(replies.historical_data(157, 9, "", "", [bar(12300)]))
    assert (rows[10], rows[12]) == ("123", "12")
    realtime = fields_of(replies.realtime_bar(9, 0, 1.0, 1.0, 1.0, 1.0, 7, 1.0, 3))
    assert (realtime[8], realtime[10]) == ("7", "3")
    assert fields_of(replies_account.pnl_single(9, 100, 0.0, 0.0, 0.0, 0.0))[2] == "100"


def test_historical_data_without_bars_still_ends() -> None:
    assert heard(176, replies.historical_data(176, 9, "a", "b", [])) == [("historicalDataEnd", (9, "a", "b"))]


@pytest.mark.parametrize(("version", "size"), [(157, 12), (158, 12), (159, 1299), (176, 1299)])
def test_tick_sizes_are_lots_below_159(version: int, size: int) -> None:
    assert replies.market_data_size(version, 1299) == size


@pytest.mark.parametrize(
    ("version", "summer", "winter"),
    [
        (157, "20260928  09:30:00", "20261228  09:30:00"),
        (173, "20260928  09:30:00", "20261228  09:30:00"),
        (174, "20260928 09:30:00 US/Eastern", "20261228 09:30:00 US/Eastern"),
    ],
)
def test_times_are_new_york_and_carry_the_zone_from_174(version: int, summer: str, winter: str) -> None:
    assert replies.exchange_time_text(version, datetime(2026, 9, 28, 13, 30, tzinfo=UTC)) == summer
    assert replies.exchange_time_text(version, datetime(2026, 12, 28, 14, 30, tzinfo=UTC)) == winter


def test_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        replies.exchange_time_text(176, datetime(2026, 9, 28, 13, 30))  # noqa: DTZ001


def test_bar_times_follow_format_date_but_for_daily_bars() -> None:
    start_s = int(datetime(2026, 9, 28, 13, 30, tzinfo=UTC).timestamp())
    assert replies.bar_time_text(176, start_s, 1, is_daily=False) == "20260928 09:30:00 US/Eastern"
    assert replies.bar_time_text(176, start_s, 2, is_daily=False) == str(start_s)
    assert replies.bar_time_text(176, start_s, 2, is_daily=True) == "20260928"


@pytest.mark.parametrize("version", ENDS)
def test_position_and_portfolio_arrive(version: int, ib: ModuleType) -> None:
    position = replies_account.position("DU1", AAPL, 100.0, 770.6867774)
    portfolio = replies_account.portfolio_value(
        "DU1",
        AAPL,
        quantity=-0.5,
        market_price_usd=340.5,
        market_value_usd=-170.25,
        average_cost_usd=341.0,
        unrealized_pnl_usd=0.25,
        realized_pnl_usd=-2.077214,
    )
    (name, (account, contract, quantity, cost)), (name2, values) = heard(version, position, portfolio)
    assert (name, account, quantity, cost) == ("position", "DU1", 100.0, 770.6867774)
    assert (contract.conId, contract.symbol, contract.exchange, contract.right) == (265598, "AAPL", "SMART", "")
    assert (contract.secType, contract.tradingClass, contract.currency) == ("STK", "NMS", "USD")
    assert name2 == "updatePortfolio"
    assert values[1:] == (-0.5, 340.5, -170.25, 341.0, 0.25, -2.077214, "DU1")
    assert (values[0].conId, values[0].primaryExchange, values[0].localSymbol) == (265598, "NASDAQ", "AAPL")
    assert fields_of(position)[14] == "100"
