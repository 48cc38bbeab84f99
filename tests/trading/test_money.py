"""Integer money and its float borders."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.examples import PROPERTY
from trading.money import (
    ceil_to_tick,
    div_half_up,
    floor_to_tick,
    money_from_usd,
    money_to_usd,
    notional,
    price_from_usd,
    price_to_tick_from_usd,
    price_to_usd,
    tick_size,
    usd_text,
)


@pytest.mark.parametrize(
    ("usd", "price"),
    [
        (340.525, 3_405_200),  # halfway between 340.52 and 340.53: to the even cent
        (340.535, 3_405_400),  # halfway between 340.53 and 340.54
        (340.5251, 3_405_300),
        (340.5249, 3_405_200),
        (1.005, 10_000),
        (1.015, 10_200),
        (0.12345, 1_234),  # below one dollar the tick is 0.0001
        (0.12355, 1_236),
        (0.99996, 10_000),
    ],
)
def test_loading_rounds_half_even_to_the_tick(usd: float, price: int) -> None:
    assert price_to_tick_from_usd(usd) == price


def test_the_decimal_text_of_a_price_decides_a_tie_and_not_its_binary_value() -> None:
    # 1.00005 is 1.000050000000000105… in binary; as written it is halfway, and 10000 is even
    assert price_from_usd(1.00005) == 10_000
    assert price_from_usd(1.00015) == 10_002  # 1.000149999999999872… in binary
    assert money_from_usd(0.0000005) == 0
    assert money_from_usd(-0.0000015) == -2


@pytest.mark.parametrize("convert", [price_from_usd, price_to_tick_from_usd, money_from_usd])
@pytest.mark.parametrize("usd", [math.nan, math.inf, -math.inf])
def test_a_price_or_amount_that_is_no_number_raises(convert, usd: float) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="not a finite number"):
        convert(usd)


def test_the_tick_is_a_cent_from_one_dollar_on() -> None:
    assert [tick_size(price) for price in (1, 9_999, 10_000, 3_405_200)] == [1, 1, 100, 100]


def test_a_price_between_ticks_goes_down_or_up_to_one() -> None:
    assert (floor_to_tick(3_405_299), ceil_to_tick(3_405_201)) == (3_405_200, 3_405_300)
    assert (floor_to_tick(3_405_200), ceil_to_tick(3_405_200)) == (3_405_200, 3_405_200)
    assert (floor_to_tick(9_999), ceil_to_tick(9_999)) == (9_999, 9_999)


def test_notional_of_seven_shares_at_340_52_is_2383_64_usd() -> None:
    assert notional(3_405_200, 7) == 2_383_640_000


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (1_234_567_890, "1,234.57"),
        (-1_234_565_000, "-1,234.56"),  # half to the even cent
        (5_000, "0.00"),
        (15_000, "0.02"),
        (-1, "0.00"),  # no minus sign before nothing
    ],
)
def test_money_is_shown_in_cents(money: int, text: str) -> None:
    assert usd_text(money) == text


@PROPERTY
@given(st.integers(0, 10**10))
def test_every_price_survives_the_float_border(price: int) -> None:
    assert price_from_usd(price_to_usd(price)) == price


@PROPERTY
@given(st.integers(-(10**15), 10**15))
def test_every_amount_up_to_a_billion_dollars_survives_the_float_border(money: int) -> None:
    assert money_from_usd(money_to_usd(money)) == money


@PROPERTY
@given(st.integers(1, 10**9))
def test_a_valid_price_stays_as_it_is_when_loaded(price: int) -> None:
    valid = floor_to_tick(price)
    assert price_to_tick_from_usd(price_to_usd(valid)) == valid
    assert floor_to_tick(price) <= price <= ceil_to_tick(price) < price + 100


@PROPERTY
@given(st.integers(0, 10**15), st.integers(1, 10**12))
def test_half_up_division_is_the_nearest_integer_and_the_upper_one_on_a_tie(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert Fraction(-1, 2) < div_half_up(numerator, denominator) - exact <= Fraction(1, 2)
