"""How many shares an entry buys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.examples import PROPERTY, RATES, USD
from trading.money import notional
from trading.sizing import collar_price, entry_quantity, quantity_with_fees, symbol_budget

PLENTY = 10**15


def test_symbol_budget_is_an_equal_share_of_the_allocation() -> None:
    assert symbol_budget(100_000 * USD, 250_000, 10, 0) == 2_500 * USD
    # 100,000.01 * 0.25 = 25,000.0025, over three symbols 8,333.334166…: rounded down
    assert symbol_budget(100_000_010_000, 250_000, 3, 0) == 8_333_334_166


def test_a_position_size_is_a_share_of_the_account_but_never_more_than_the_allocation() -> None:
    assert symbol_budget(100_000 * USD, 250_000, 10, 350) == 3_500 * USD
    assert symbol_budget(100_000 * USD, 50_000, 10, 1_000) == 5_000 * USD
    assert symbol_budget(100_000 * USD, 250_000, 10, 1) == 10 * USD  # the smallest size there is


def test_a_budget_is_whole_millionths_of_a_dollar() -> None:
    budgets = [symbol_budget(99_999, 333_333, 1, 0), symbol_budget(99_999, 333_333, 1, 7)]
    assert [(budget, type(budget)) for budget in budgets] == [(33_332, int), (69, int)]  # 33,332.966667 and 69.9993


def test_symbol_budget_of_an_empty_watchlist_is_the_whole_allocation() -> None:
    assert symbol_budget(100_000 * USD, 250_000, 0, 0) == 25_000 * USD


@pytest.mark.parametrize(
    ("ask", "bps", "collar"),
    [
        (3_405_400, 10, 3_408_800),  # 340.54 * 1.001 = 340.88054, down to the cent
        (50_000, 10, 50_000),  # 5.005: down to the ask itself
        (10_050, 10, 10_050),  # an ask between ticks: the tick below would miss it
        (5_000, 10, 5_005),  # 0.5005 is valid below a dollar
        (5_001, 10, 5_006),  # 0.5006001
        (3_405_400, 0, 3_405_400),
    ],
)
def test_collar_is_rounded_down_but_never_below_the_ask(ask: int, bps: int, collar: int) -> None:
    assert collar_price(ask, bps) == collar


def test_quantity_is_the_budget_over_the_collar_price() -> None:
    # 2,500 / 340.88 = 7.33
    assert entry_quantity(2_500 * USD, 3_408_800, PLENTY, 5_000, 1_000, PLENTY) == 7


def test_the_least_of_order_cap_capital_and_volume_limits_an_entry() -> None:
    # at 10.00 a share
    assert entry_quantity(2_500 * USD, 100_000, 1_000 * USD, 5_000, 1_000, PLENTY) == 100
    assert entry_quantity(2_500 * USD, 100_000, PLENTY, 5_000, 1_000, 999 * USD) == 99
    assert entry_quantity(9_000 * USD, 100_000, PLENTY, 5_000, 1_000, PLENTY) == 500
    assert entry_quantity(9_000 * USD, 100_000, PLENTY, 5_009, 1_000, PLENTY) == 500  # whole shares
    assert entry_quantity(9_000 * USD, 100_000, PLENTY, 700, 1_000, PLENTY) == 100  # a tenth is 70: at least 100


def test_no_share_is_bought_without_money() -> None:
    assert entry_quantity(2_500 * USD, 3_408_800, PLENTY, 5_000, 1_000, 340 * USD) == 0
    assert entry_quantity(-USD, 100_000, PLENTY, 5_000, 1_000, PLENTY) == 0


@PROPERTY
@given(
    budget=st.integers(0, 10**12),
    collar=st.integers(1, 10**8),
    cap=st.integers(0, 10**12),
    volume=st.integers(0, 10**7),
    share_bps=st.integers(1, 1_000),
    capital=st.integers(0, 10**12),
)
def test_an_entry_is_as_large_as_its_bounds_allow_and_no_larger(
    budget: int, collar: int, cap: int, volume: int, share_bps: int, capital: int
) -> None:
    quantity = entry_quantity(budget, collar, cap, volume, share_bps, capital)
    money, shares = min(budget, cap, capital), max(100, volume * share_bps // 10_000)
    assert 0 <= quantity <= shares
    assert notional(collar, quantity) <= money
    assert quantity == shares or notional(collar, quantity + 1) > money


def test_fees_are_part_of_what_an_entry_may_cost() -> None:
    # 25 shares at 100.00 are all of 2,500; the fee of 1.000075 is not there any more
    assert quantity_with_fees(25, 1_000_000, 2_501_000_075, RATES) == 25
    assert quantity_with_fees(25, 1_000_000, 2_501_000_074, RATES) == 24
    assert quantity_with_fees(0, 1_000_000, 0, RATES) == 0
    assert quantity_with_fees(1, 1_000_000, 100 * USD, RATES) == 0


def test_capital_that_pays_shares_and_fees_to_the_last_millionth_is_enough() -> None:
    # 7 x 340.88 and 1.000021 of fees
    assert quantity_with_fees(7, 3_408_800, 2_387_160_021, RATES) == 7
    assert quantity_with_fees(7, 3_408_800, 2_387_160_020, RATES) == 6
