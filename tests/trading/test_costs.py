"""Fees: what IBKR and the regulators take from a fill, to 1e-6 USD."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.examples import PROPERTY, RATES
from trading.costs import BUY, SELL, fee_schedule_on, fill_fees, order_commission, round_trip_fees

ON_2026_09_28 = fee_schedule_on(date(2026, 9, 28))


def test_buying_one_share_costs_the_minimum_and_the_cat_fee() -> None:
    # commission 1.00 (the minimum; the cap is 3.4052), CAT 0.000003
    assert fill_fees(BUY, 1, 3_405_200, 0, ON_2026_09_28) == 1_000_003


def test_selling_one_share_costs_sec_and_taf_on_top() -> None:
    # 1.00 + CAT 0.000003 + TAF 0.000195 + SEC 340.45 * 20.60 / 1e6 = 0.00701327, together 1.00721127
    assert fill_fees(SELL, 1, 3_404_500, 0, ON_2026_09_28) == 1_007_211


def test_a_fee_is_a_whole_millionth_of_a_dollar_rounded_half_up() -> None:
    # 1.00 + 0.000003 + 0.000195 + 100.0728 * 20.60 / 1e6 = 1.002259499
    fee = fill_fees(SELL, 1, 1_000_728, 0, RATES)
    assert (fee, type(fee)) == (1_002_259, int)


def test_the_one_percent_cap_wins_over_the_minimum() -> None:
    # 100 shares at 0.50 are worth 50 USD: at most 0.50, though the minimum is 1.00; CAT 0.0003
    assert fill_fees(BUY, 100, 5_000, 0, RATES) == 500_300


def test_the_rate_per_share_takes_over_above_two_hundred_shares() -> None:
    # 1,000 * 0.005 = 5.00, CAT 0.003
    assert fill_fees(BUY, 1_000, 100_000, 0, RATES) == 5_003_000


def test_commission_minimum_is_charged_once_per_order() -> None:
    # 50 shares cost the minimum 1.00 + CAT 0.00015; the next 100 reach 150 * 0.005 = 0.75, still within it
    assert fill_fees(BUY, 50, 100_000, 0, RATES) == 1_000_150
    assert fill_fees(BUY, 100, 100_000, 50, RATES) == 300
    # the last 150 bring the order to 300 * 0.005 = 1.50: 0.50 more, CAT 0.00045
    assert fill_fees(BUY, 150, 100_000, 150, RATES) == 500_450


def test_fees_of_partial_fills_add_up_to_those_of_the_whole_order() -> None:
    # sell 100 at 10.00: 1.00 + CAT 0.0003 + TAF 0.0195 + SEC 1,000 * 20.60e-6 = 0.0206 -> 1.0404
    first = fill_fees(SELL, 100, 100_000, 0, RATES)
    # 200 more: 1.50 - 1.00 = 0.50, CAT 0.0006, TAF 0.039, SEC 0.0412 -> 0.5808
    second = fill_fees(SELL, 200, 100_000, 100, RATES)
    assert (first, second) == (1_040_400, 580_800)
    assert fill_fees(SELL, 300, 100_000, 0, RATES) == 1_621_200


def test_taf_stops_at_its_cap_for_the_whole_order() -> None:
    # 60,000 shares at 1.00: commission 300, CAT 0.18, TAF 11.70 capped to 9.79, SEC 60,000 * 20.60e-6 = 1.236
    assert fill_fees(SELL, 60_000, 10_000, 0, RATES) == 311_206_000
    # the cap is used up: 10,000 more pay 50 + CAT 0.03 + SEC 0.206
    assert fill_fees(SELL, 10_000, 10_000, 60_000, RATES) == 50_236_000


@pytest.mark.parametrize(
    ("session", "fee"),
    [
        # one share sold at 340.45; SEC 27.80 per million is 0.00946451, TAF 0.000166 before 2026, 0.000195 since
        (date(2019, 12, 24), 1_009_634),  # before the first row: the first row
        (date(2024, 5, 22), 1_009_634),
        (date(2025, 5, 13), 1_009_634),
        (date(2025, 5, 14), 1_000_169),  # SEC fee zero
        (date(2025, 12, 31), 1_000_169),
        (date(2026, 1, 1), 1_000_198),
        (date(2026, 4, 3), 1_000_198),
        (date(2026, 4, 4), 1_007_211),
    ],
)
def test_rates_are_those_in_force_on_the_session(session: date, fee: int) -> None:
    assert fill_fees(SELL, 1, 3_404_500, 0, fee_schedule_on(session)) == fee


def test_round_trip_is_a_buy_and_a_sale_of_one_fill_each() -> None:
    # 100 at 50.00: buy 1.0003; sell 1 + 0.0003 + 0.0195 + 5,000 * 20.60e-6 = 0.103 -> 1.1228
    assert round_trip_fees(100, 500_000, RATES) == 1_000_300 + 1_122_800


@PROPERTY
@given(
    st.sampled_from([BUY, SELL]),
    st.integers(1, 10_000_000),
    st.lists(st.integers(1, 20_000), min_size=1, max_size=8),
)
def test_partial_fills_at_one_price_telescope_to_the_rounding(side: int, price: int, fills: list[int]) -> None:
    before = paid = 0
    for quantity in fills:
        fee = fill_fees(side, quantity, price, before, RATES)
        assert fee >= 0
        paid += fee
        before += quantity
    # each fill is rounded once (half a unit) and drops less than 1e-9 USD of the SEC fee
    assert abs(paid - fill_fees(side, before, price, 0, RATES)) <= len(fills)


@PROPERTY
@given(st.integers(1, 10_000_000), st.integers(1, 100_000))
def test_commission_never_exceeds_one_percent_of_the_value(price: int, quantity: int) -> None:
    value_nano_usd = price * quantity * 100_000
    assert 0 < order_commission(price, quantity, RATES) * 100 <= value_nano_usd
