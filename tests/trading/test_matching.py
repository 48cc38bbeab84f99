"""Fills of the simulated exchange along a price path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.examples import PROPERTY
from trading.matching import (
    NO_FILL,
    PATH_SECONDS_FIVE,
    PATH_SECONDS_MINUTE,
    ask_at,
    bid_at,
    buy_limit_fill,
    buy_stop_fill,
    entry_stop_price,
    entry_target_price,
    half_spread,
    path_prices,
    sell_limit_fill,
    sell_stop_fill,
    volume_left,
)

MOVES, JUMPS = False, True
MODELLED = 0  # no recorded half-spread


# Sentence 3: the path of a bar


def test_a_rising_or_flat_bar_shows_its_low_before_its_high() -> None:
    assert path_prices(100, 110, 90, 105) == (100, 90, 110, 105)
    assert path_prices(100, 110, 90, 100) == (100, 90, 110, 100)


def test_a_falling_bar_shows_its_high_before_its_low() -> None:
    assert path_prices(105, 110, 90, 100) == (105, 110, 90, 100)


def test_path_points_lie_at_fixed_seconds_of_the_bar() -> None:
    assert PATH_SECONDS_MINUTE == (0, 20, 40, 59)
    assert PATH_SECONDS_FIVE == (0, 1, 3, 4)


# Sentence 5: the quote


@pytest.mark.parametrize(
    ("price", "half"),
    [
        (3_405_200, 200),  # half a basis point of 340.52 is 0.017026: 1.7 ticks, rounded to 2
        (1_000_000, 100),  # of 100.00 it is half a tick: up to one
        (990_000, 100),  # less than half a tick: at least one
        (3_000_000, 200),  # 1.5 ticks: up
        (2_990_000, 100),  # 1.495 ticks: down
        (9_999, 1),  # below a dollar the tick is 0.0001
        (10_000, 100),
    ],
)
def test_half_spread_is_half_a_basis_point_in_whole_ticks(price: int, half: int) -> None:
    assert half_spread(price) == half
    assert (bid_at(price, MODELLED), ask_at(price, MODELLED)) == (price - half, price + half)


def test_a_recorded_spread_replaces_the_modelled_one() -> None:
    assert (bid_at(3_405_200, 700), ask_at(3_405_200, 700)) == (3_404_500, 3_405_900)
    assert (bid_at(3_405_200, 1), ask_at(3_405_200, 1)) == (3_405_199, 3_405_201)  # the least there is


def test_the_bid_never_falls_to_zero() -> None:
    assert bid_at(1, MODELLED) == 1


# Sentence 6: marketable orders


def test_marketable_limit_fills_at_the_standing_ask_and_not_at_its_collar() -> None:
    collar = 3_408_800
    assert buy_limit_fill(collar, 3_405_200, JUMPS, MODELLED) == 3_405_400  # 340.52 + 0.02


def test_marketable_sale_fills_at_the_standing_bid() -> None:
    assert sell_limit_fill(1, 3_405_200, JUMPS, MODELLED) == 3_405_000


# Sentence 7: volume


@pytest.mark.parametrize(
    ("published", "filled", "left"),
    [
        (5_000, 0, 500),  # a tenth
        (5_009, 0, 500),  # whole shares
        (5_000, 120, 380),
        (5_000, 500, 0),
        (5_000, 600, 0),  # never negative
        (999, 0, 100),  # at least 100, however quiet
        (0, 0, 100),
        (0, 60, 40),
    ],
)
def test_volume_of_a_minute_is_shared_by_all_fills(published: int, filled: int, left: int) -> None:
    assert volume_left(published, filled) == left


# Sentence 8: stops and limits


def test_stop_reached_within_a_bar_fills_at_its_own_level_less_the_half_spread() -> None:
    # the path falls from above to 98.50, through the stop at 99.00: half-spread of 99.00 is one cent
    assert sell_stop_fill(990_000, 985_000, MOVES, MODELLED) == 989_900


def test_stop_triggers_when_the_last_price_equals_it() -> None:
    assert sell_stop_fill(990_000, 990_000, MOVES, MODELLED) == 989_900
    assert sell_stop_fill(990_000, 990_100, MOVES, MODELLED) == NO_FILL


def test_stop_gapped_through_fills_at_the_bid() -> None:
    # the next bar opens at 97.00: 97.00 - 0.01
    assert sell_stop_fill(990_000, 970_000, JUMPS, MODELLED) == 969_900


def test_target_needs_the_bid_and_not_only_the_last_price() -> None:
    # bid is last - 0.01 around 101
    assert sell_limit_fill(1_014_000, 1_014_000, MOVES, MODELLED) == NO_FILL
    assert sell_limit_fill(1_014_000, 1_014_100, MOVES, MODELLED) == 1_014_000


def test_target_passed_within_a_bar_fills_at_the_limit() -> None:
    assert sell_limit_fill(1_014_000, 1_030_000, MOVES, MODELLED) == 1_014_000


def test_target_jumped_over_fills_at_the_better_bid() -> None:
    assert sell_limit_fill(1_014_000, 1_030_000, JUMPS, MODELLED) == 1_029_900


def test_buy_orders_mirror_sell_orders() -> None:
    assert buy_stop_fill(990_000, 995_000, MOVES, MODELLED) == 990_100
    assert buy_stop_fill(990_000, 1_030_000, JUMPS, MODELLED) == 1_030_100
    assert buy_stop_fill(990_000, 990_000, MOVES, MODELLED) == 990_100
    assert buy_stop_fill(990_000, 989_900, MOVES, MODELLED) == NO_FILL
    assert buy_limit_fill(990_000, 990_000, MOVES, MODELLED) == NO_FILL  # ask 99.01
    assert buy_limit_fill(990_000, 989_900, MOVES, MODELLED) == 990_000  # ask 99.00
    assert buy_limit_fill(990_000, 980_000, MOVES, MODELLED) == 990_000
    assert buy_limit_fill(990_000, 970_000, JUMPS, MODELLED) == 970_100


def test_a_recorded_spread_decides_when_a_target_fills() -> None:
    # half-spread 0.05: the bid reaches 101.40 at 101.45
    assert sell_limit_fill(1_014_000, 1_014_400, MOVES, 500) == NO_FILL
    assert sell_limit_fill(1_014_000, 1_014_500, MOVES, 500) == 1_014_000
    assert sell_stop_fill(990_000, 985_000, MOVES, 500) == 989_500


# Sentence 9: exits from the fill price


def test_stop_is_rounded_down_and_target_up_to_the_tick() -> None:
    # 340.52 * 0.992 = 337.79584 and 340.52 * 1.014 = 345.28728
    assert entry_stop_price(3_405_200, 80) == 3_377_900
    assert entry_target_price(3_405_200, 140) == 3_452_900


def test_exits_on_a_tick_stay_there() -> None:
    # 100.00 * 0.992 and 100.00 * 1.014
    assert entry_stop_price(1_000_000, 80) == 992_000
    assert entry_target_price(1_000_000, 140) == 1_014_000


def test_exits_around_a_dollar_use_the_tick_of_their_own_price() -> None:
    assert entry_stop_price(10_000, 80) == 9_920  # 0.9920, valid below a dollar
    assert entry_target_price(9_900, 140) == 10_100  # 1.00386 is above a dollar: up to the cent


# Properties

PRICES = st.integers(101, 5_000).map(lambda cents: cents * 100)  # 1.01 to 50.00 USD, on the tick
PATHS = st.lists(st.tuples(PRICES, st.booleans()), min_size=1, max_size=30)
HALVES = st.sampled_from([0, 100, 300])


def first_stop(stop: int, path: list[tuple[int, bool]], half: int) -> int:
    """Index of the point that fills the stop; behind the path when none does."""
    return next((i for i, (price, jump) in enumerate(path) if sell_stop_fill(stop, price, jump, half)), len(path))


@PROPERTY
@given(PATHS, PRICES, PRICES, HALVES)
def test_a_lower_stop_never_fills_earlier(path: list[tuple[int, bool]], one: int, other: int, half: int) -> None:
    lower, higher = sorted((one, other))
    assert first_stop(lower, path, half) >= first_stop(higher, path, half)


@PROPERTY
@given(PATHS, PRICES, PRICES, HALVES)
def test_a_higher_target_never_fills_earlier(path: list[tuple[int, bool]], one: int, other: int, half: int) -> None:
    lower, higher = sorted((one, other))
    for price, jump in path:
        if sell_limit_fill(higher, price, jump, half):
            assert sell_limit_fill(lower, price, jump, half)


@PROPERTY
@given(PRICES, PRICES, st.booleans(), HALVES)
def test_a_limit_fills_at_its_price_and_better_only_on_jumps(limit: int, price: int, jump: bool, half: int) -> None:
    sold = sell_limit_fill(limit, price, jump, half)
    bought = buy_limit_fill(limit, price, jump, half)
    if sold:
        assert sold >= limit if jump else sold == limit
        assert sold <= bid_at(price, half)
    if bought:
        assert bought <= limit if jump else bought == limit
        assert bought >= ask_at(price, half)


@PROPERTY
@given(PRICES, PRICES, st.booleans(), HALVES)
def test_a_sell_stop_never_fills_above_the_bid_at_its_level(stop: int, price: int, jump: bool, half: int) -> None:
    filled = sell_stop_fill(stop, price, jump, half)
    assert filled == NO_FILL if price > stop else 0 < filled <= bid_at(stop, half)


@PROPERTY
@given(st.integers(100, 10_000_000), st.integers(1, 500))
def test_exits_enclose_the_fill_within_a_tick_of_their_distance(fill: int, bps: int) -> None:
    stop, target = entry_stop_price(fill, bps), entry_target_price(fill, bps)
    assert stop < fill < target
    assert stop * 10_000 <= fill * (10_000 - bps) < (stop + 101) * 10_000
    assert (target - 101) * 10_000 < fill * (10_000 + bps) <= target * 10_000
