"""Refusals by their texts and status, as the vendors were seen to write them; and rows by what they must be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vendors.failures import Failure, Verdict, fmp_verdict, parsed, polygon_verdict
from vendors.fmp_rows import News, Quote, TargetSummary
from vendors.polygon_rows import Agg, Snapshot
from vendors.rows import check_rows

LIMIT = "Limit Reach . Please upgrade your plan or visit our documentation"
PREMIUM = "Premium Query Parameter: 'Special Endpoint : This value set for '{}' is not available under your plan"


def failure(verdict: Verdict | None) -> Failure | None:
    return verdict.failure if verdict is not None else None


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, [], None),
        (200, [{"Error Message": "inside a row"}], None),
        (200, {"Error Message": LIMIT}, Failure.QUOTA),  # "upgrade your plan" is in it, and it is no PLAN
        (200, {"message": "invalid api key. feel free"}, Failure.AUTH),
        (200, {"error": "Bandwidth Limit Reach . Please"}, Failure.QUOTA),
        (200, {"symbol": "AAPL"}, Failure.MALFORMED),
        (200, "", Failure.MALFORMED),
        (200, "<html>", Failure.MALFORMED),
        (301, "", Failure.MALFORMED),
        (400, {"Error Message": "?"}, Failure.MALFORMED),
        (401, "", Failure.AUTH),
        (402, PREMIUM.format("symbol"), Failure.SYMBOL),
        (402, PREMIUM.format("period"), Failure.PLAN),
        (
            402,
            "Premium Query Parameter: 'Special Parameters : The values for 'limit' must be between 0 and 5",
            Failure.PLAN,
        ),
        (402, "  RESTRICTED ENDPOINT: no", Failure.PLAN),
        (403, {"Error Message": "Exclusive Endpoint : no"}, Failure.PLAN),
        (403, {"Error Message": "Legacy Endpoint : no"}, Failure.PLAN),
        (404, "", Failure.PLAN),
        (429, "", Failure.QUOTA),
        (500, "", Failure.TRANSIENT),
        (503, LIMIT, Failure.QUOTA),
    ],
)
def test_fmp_is_judged_by_text_before_status(status: int, body: Any, expected: Failure | None) -> None:
    assert failure(fmp_verdict(status, body)) is expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"status": "OK"}, None),
        (200, {"status": "DELAYED", "results": []}, None),
        (200, [], None),
        (200, {"market": "open"}, None),
        (200, {"status": "ERROR", "error": "?"}, Failure.MALFORMED),
        (200, "<html>", Failure.MALFORMED),
        (401, {"status": "ERROR", "error": "API Key was not provided"}, Failure.AUTH),
        (403, {"status": "NOT_AUTHORIZED", "message": "Your plan doesn't include this data timeframe."}, Failure.PLAN),
        (404, {"status": "NOT_FOUND", "message": "Ticker not found."}, Failure.SYMBOL),
        (429, {"status": "ERROR", "error": "You've exceeded the maximum requests per minute"}, Failure.QUOTA),
        (502, "Bad Gateway", Failure.TRANSIENT),
    ],
)
def test_polygon_is_judged_by_its_own_status(status: int, body: Any, expected: Failure | None) -> None:
    assert failure(polygon_verdict(status, body)) is expected


@pytest.mark.parametrize("text", ["", "[", "[NaN]", '{"a": Infinity}', "[" * 100_000, "\x00"])
def test_what_is_no_json_stays_a_text(text: str) -> None:
    assert parsed(text) == text


def test_byte_order_mark_is_no_fault() -> None:
    assert parsed("\ufeff[1]") == [1]


QUOTE = {"symbol": "AAPL", "price": 232.8, "volume": 44489128, "timestamp": 1738702801}


@pytest.mark.parametrize(
    "change",
    [
        {"price": "232.8"},
        {"price": True},
        {"price": 0},
        {"price": -1},
        {"price": None},
        {"price": 1e300},
        {"volume": -1},
        {"timestamp": "1738702801"},
        {"timestamp": 1738702801000000},
        {"timestamp": 0.5},
        {"symbol": ""},
        {"symbol": "<script>"},
        {"symbol": 7},
        {"marketCap": "3T"},
    ],
)
def test_absurd_or_wrongly_typed_quote_is_dropped_and_named_without_its_value(change: dict[str, Any]) -> None:
    found = check_rows(Quote, [QUOTE, QUOTE | change])
    assert (len(found.rows), found.dropped) == (1, 1)
    assert found.named[0].startswith("row 1")
    assert str(*change.values()) not in found.named[0] or str(*change.values()) in ("", "0", "-1", "7")


@pytest.mark.parametrize(
    "change", [{"marketCap": None}, {"new": {"key": 1}}, {"timestamp": 1738702801.0}, {"price": 5}]
)
def test_null_unknown_and_whole_values_are_taken(change: dict[str, Any]) -> None:
    assert check_rows(Quote, [QUOTE | change]).dropped == 0


def test_dropped_rows_are_all_counted_and_the_first_named() -> None:
    found = check_rows(Quote, [None] * 1_000)
    assert (found.dropped, len(found.named)) == (1_000, 20)


def test_list_inside_a_text_is_read_and_a_broken_one_drops_the_row() -> None:
    good = {"symbol": "AAPL", "publishers": json.dumps(["Benzinga"])}
    found = check_rows(TargetSummary, [good, {"symbol": "AAPL", "publishers": "[Benz"}])
    assert [row.publishers for row in found.rows] == [["Benzinga"]]
    assert found.dropped == 1


def test_general_news_has_no_symbol() -> None:
    assert check_rows(News, [{"symbol": None, "title": "t", "publishedDate": "2025-02-03 23:51:37"}]).dropped == 0


def test_price_of_a_snapshot_ignores_zeros_of_the_cleared_day() -> None:
    row = {"ticker": "A", "day": {"c": 0}, "min": {"c": 0}, "prevDay": {"c": 20.63}, "lastTrade": {"p": 0}}
    [snapshot] = check_rows(Snapshot, [row]).rows
    assert snapshot.price() == 20.63
    [empty] = check_rows(Snapshot, [{"ticker": "A"}]).rows
    assert empty.price() is None


def test_bar_of_the_vendor_may_count_in_floats() -> None:
    row = {"o": 1, "h": 1.5, "l": 1, "c": 1.2, "v": 95595226.0, "t": 1651003200000.0, "n": 99.0}
    assert check_rows(Agg, [row]).rows[0].n == 99
