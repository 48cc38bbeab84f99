"""Which orders the simulated gateway takes, and the integer terms it makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ib_simulator.order_checks import OrderTerms, check_order
from ib_simulator.orders import BUY, SELL, Refusal
from ib_simulator.wire_order import WireOrder

NOW = datetime(2025, 10, 7, 14, 0, tzinfo=UTC)  # 10:00 in New York
NOW_S = 1_759_845_600
LIMIT_ORDER = WireOrder(
    action="BUY", quantity=100.0, order_type="LMT", limit_price=340.52, tif="DAY", account="DU1", transmit=True
)


def checked(**changes: Any) -> OrderTerms | Refusal:
    return check_order(replace(LIMIT_ORDER, **changes), "DU1", NOW)


def code(**changes: Any) -> int:
    answer = checked(**changes)
    assert isinstance(answer, Refusal), answer
    return answer.code


def test_a_limit_order_keeps_its_side_size_and_price() -> None:
    assert checked() == OrderTerms(BUY, 100, 3_405_200, 0, 0, 0)


def test_a_stop_order_has_a_stop_and_no_limit() -> None:
    terms = checked(action="SELL", order_type="STP", limit_price=None, aux_price=335.1, tif="GTC")
    assert terms == OrderTerms(SELL, 100, 0, 3_351_000, 0, 0)


def test_a_market_order_ignores_prices() -> None:
    assert checked(order_type="MKT", limit_price=1.234567, aux_price=7.7) == OrderTerms(BUY, 100, 0, 0, 0, 0)


def test_a_short_sale_is_a_sale() -> None:
    terms = checked(action="SSHORT")
    assert isinstance(terms, OrderTerms)
    assert terms.side == SELL


@pytest.mark.parametrize("tif", ["", "DAY", "GTC"])
def test_the_usual_times_in_force_need_no_date(tif: str) -> None:
    assert isinstance(checked(tif=tif), OrderTerms)


@pytest.mark.parametrize("tif", ["AUC", "DTC", "day"])
def test_other_times_in_force_are_refused(tif: str) -> None:
    assert code(tif=tif) == 111


@pytest.mark.parametrize("order_type", ["", "PEG BEST", "MIDPRICE", "REL", "lmt"])
def test_other_order_types_are_refused(order_type: str) -> None:
    assert code(order_type=order_type) == 387


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"action": "HOLD"}, "Invalid order action:HOLD"),
        ({"quantity": 0.0}, "The size value cannot be zero:"),
        ({"account": "DU2"}, "Invalid account code 'DU2'."),
        ({"limit_price": None}, "Please enter a limit price"),
        ({"limit_price": 0.0}, "Please enter a limit price"),
        ({"limit_price": -1.0}, "Please enter a limit price"),
        ({"order_type": "STP", "aux_price": None}, "Please enter a stop price"),
        ({"order_type": "STP", "aux_price": -5.0}, "Please enter a stop price"),
    ],
)
def test_an_incomplete_order_is_refused_with_its_cause(changes: dict[str, Any], cause: str) -> None:
    assert checked(**changes) == Refusal(321, f"Error validating request.-'bH' : cause - {cause}")


@pytest.mark.parametrize("quantity", [0.5, 100.25, -1.0])
def test_fractions_of_a_share_are_refused(quantity: float) -> None:
    assert code(quantity=quantity) == 10243


@pytest.mark.parametrize("limit", [10.001, 340.525, 0.99995, 0.00001])
def test_a_price_between_ticks_is_refused(limit: float) -> None:
    assert code(limit_price=limit) == 110


def test_a_stop_between_ticks_is_refused() -> None:
    assert code(order_type="STP", aux_price=10.005) == 110


def test_below_one_dollar_the_tick_is_a_hundredth_of_a_cent() -> None:
    assert checked(limit_price=0.9999) == OrderTerms(BUY, 100, 9_999, 0, 0, 0)


def test_the_noise_of_a_float_is_not_a_price_between_ticks() -> None:
    assert checked(limit_price=0.1 + 0.2) == OrderTerms(BUY, 100, 3_000, 0, 0, 0)


@pytest.mark.parametrize(
    "text", ["20251007 15:55:00 US/Eastern", "20251007 15:55:00", "20251007-19:55:00", "20251007 14:55:00 US/Central"]
)
def test_a_good_after_time_is_read_in_its_zone_and_in_new_york_without_one(text: str) -> None:
    terms = checked(order_type="MKT", tif="GTC", good_after_time=text)
    assert terms == OrderTerms(BUY, 100, 0, 0, NOW_S + 21_300, 0)  # 10:00 + 5 h 55 min


def test_winter_time_is_an_hour_further_from_utc() -> None:
    terms = checked(order_type="MKT", good_after_time="20251128 12:55:00 US/Eastern")
    assert isinstance(terms, OrderTerms)
    assert terms.good_after_s == int(datetime(2025, 11, 28, 17, 55, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    "text",
    [
        "15:55",
        "20251007",
        "20251307 15:55:00",
        "20251007 25:00:00",
        "20251007 15:55:00 Mars/Base",
        "20251007 15:55:00 US",
    ],
)
@pytest.mark.parametrize("field", ["good_after_time", "good_till_date"])
def test_nonsense_in_place_of_a_time_is_refused(field: str, text: str) -> None:
    assert code(**{field: text}) == 10314


def test_a_good_till_order_carries_its_end() -> None:
    assert checked(tif="GTD", good_till_date="20251007-14:00:05") == OrderTerms(BUY, 100, 3_405_200, 0, 0, NOW_S + 5)


@pytest.mark.parametrize("end", ["", "20251007-14:00:00", "20251007-13:59:59"])
def test_a_good_till_order_without_a_coming_end_is_refused(end: str) -> None:
    assert code(tif="GTD", good_till_date=end) == 321


def test_the_end_of_an_order_that_is_not_good_till_is_ignored() -> None:
    assert checked(tif="DAY", good_till_date="20251007-14:00:05") == OrderTerms(BUY, 100, 3_405_200, 0, 0, 0)


@pytest.mark.parametrize(
    ("order_type", "tif", "answer"),
    [
        ("MKT", "OPG", 0),
        ("LMT", "OPG", 0),
        ("STP", "OPG", 111),
        ("MTL", "OPG", 111),
        ("LMT", "IOC", 0),
        ("MKT", "FOK", 0),
        ("STP", "IOC", 111),
        ("MOC", "DAY", 0),
        ("MOC", "", 0),
        ("LOC", "DAY", 0),
        ("MOC", "GTC", 113),
        ("LOC", "OPG", 113),
        ("LOC", "IOC", 113),
    ],
)
def test_which_time_in_force_goes_with_which_type(order_type: str, tif: str, answer: int) -> None:
    terms = checked(order_type=order_type, tif=tif, aux_price=300.0)
    assert (terms.code if isinstance(terms, Refusal) else 0) == answer


def test_a_stop_limit_order_has_both_prices() -> None:
    assert checked(order_type="STP LMT", aux_price=335.1) == OrderTerms(BUY, 100, 3_405_200, 3_351_000, 0, 0)


def test_a_trailing_amount() -> None:
    terms = checked(order_type="TRAIL", aux_price=1.5, limit_price=None)
    assert terms == OrderTerms(BUY, 100, 0, 0, 0, 0, trail=15_000)


def test_a_trailing_percentage_with_its_first_stop() -> None:
    terms = checked(order_type="TRAIL", aux_price=None, trailing_percent=1.25, trail_stop_price=345.0)
    assert terms == OrderTerms(BUY, 100, 0, 3_450_000, 0, 0, trail_ppm=12_500)


@pytest.mark.parametrize(
    "changes",
    [
        {"aux_price": None},
        {"aux_price": 1.0, "trailing_percent": 1.0},
        {"aux_price": -1.0},
        {"trailing_percent": 100.0, "aux_price": None},
    ],
)
def test_a_trailing_order_needs_one_distance(changes: dict[str, Any]) -> None:
    assert code(order_type="TRAIL", **changes) == 321


def test_a_trailing_limit_lies_behind_its_stop_by_an_offset() -> None:
    terms = checked(order_type="TRAIL LIMIT", aux_price=1.0, limit_price=None, limit_price_offset=0.1)
    assert terms == OrderTerms(BUY, 100, 0, 0, 0, 0, trail=10_000, limit_offset=1_000)


@pytest.mark.parametrize(("action", "limit"), [("BUY", 342.10), ("SELL", 341.90)])
def test_a_trailing_limit_can_name_its_first_stop_and_limit_instead(action: str, limit: float) -> None:
    prices = {"aux_price": 1.0, "limit_price": limit, "trail_stop_price": 342.0}
    terms = checked(action=action, order_type="TRAIL LIMIT", **prices)
    assert isinstance(terms, OrderTerms)
    assert terms.limit_offset == 1_000


def test_a_trailing_limit_without_a_limit_is_refused() -> None:
    assert code(order_type="TRAIL LIMIT", aux_price=1.0, limit_price=None) == 321


@pytest.mark.parametrize(
    "changes", [{"adjusted_order_type": "TRAIL"}, {"hedge_type": "D"}, {"scale_price_increment": 0.1}]
)
def test_what_is_not_simulated_is_refused(changes: dict[str, Any]) -> None:
    assert code(**changes) == 321


@pytest.mark.parametrize("field", ["limit_price", "aux_price"])
def test_an_absurd_price_is_refused(field: str) -> None:
    assert code(order_type="STP LMT", **{"aux_price": 300.0, field: 1e300}) == 110


def test_an_absurd_size_is_refused() -> None:
    assert code(quantity=1e300) == 383
