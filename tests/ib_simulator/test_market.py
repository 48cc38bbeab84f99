"""What can be known of one symbol while its tape is played: path, quote, bars and the volume budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_simulator.feeds.tape import SessionTape, minute_tape
from ib_simulator.market import PathPoint, SymbolMarket
from trading.bars import Bar

OPEN_S = 1_759_843_800  # 2025-10-07 13:30 UTC, 09:30 in New York
DAY = date(2025, 10, 7)


class Minute(NamedTuple):
    """One minute of a hand-made session; prices in 1e-4 USD, `minute` counts from the open."""

    minute: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 10_000


RISING = Minute(0, 100_000, 101_000, 99_500, 100_500, 2_345)  # 10.00 up to 10.05, through 9.95 and 10.10
FALLING = Minute(1, 100_600, 100_800, 99_000, 99_200, 3_000)


def tape_of(minutes: Sequence[Minute], spreads: Sequence[tuple[int, int]] = (), symbol: str = "AAA") -> SessionTape:
    """A session with the path of its minute bars. `spreads`: (second after the open, half-spread)."""
    columns = np.array([minute[1:] for minute in minutes], dtype=np.int64).reshape(-1, 5).T.copy()
    start_s = np.array([OPEN_S + 60 * minute.minute for minute in minutes], dtype=np.int64)
    recorded = np.array([[OPEN_S + second, half] for second, half in spreads], dtype=np.int64).reshape(-1, 2)
    return replace(
        minute_tape(symbol, DAY, start_s, *columns),
        spread_s=recorded[:, 0].copy() if spreads else None,
        spread_half=recorded[:, 1].copy() if spreads else None,
    )


def market_of(*minutes: Minute, spreads: Sequence[tuple[int, int]] = ()) -> SymbolMarket:
    return SymbolMarket(tape_of(minutes, spreads), previous_close=99_000)


def visible(market: SymbolMarket) -> dict[str, Any]:
    """All that a caller can read, but for the schedule of what comes next."""
    names = [name for name in dir(market) if not name.startswith("_") and not callable(getattr(market, name))]
    return {name: list(value) if isinstance(value := getattr(market, name), list) else value for name in names}


def test_before_the_first_trade_only_the_previous_close_is_known() -> None:
    market = market_of(RISING)
    assert (market.last, market.bid, market.ask, market.open, market.high, market.low) == (0, 0, 0, 0, 0, 0)
    assert (market.previous_close, market.day_volume, market.published, market.building) == (99_000, 0, [], None)
    assert (market.next_point_s(), market.next_publication_s()) == (OPEN_S, OPEN_S + 60)


def test_a_rising_minute_is_walked_open_low_high_close() -> None:
    market = market_of(RISING)
    assert [market.step() for _ in range(4)] == [
        PathPoint(OPEN_S, 100_000, True),
        PathPoint(OPEN_S + 20, 99_500, False),
        PathPoint(OPEN_S + 40, 101_000, False),
        PathPoint(OPEN_S + 59, 100_500, False),
    ]
    assert market.next_point_s() is None


def test_a_falling_minute_is_walked_open_high_low_close() -> None:
    market = market_of(FALLING)
    assert [market.step() for _ in range(4)] == [
        PathPoint(OPEN_S + 60, 100_600, True),
        PathPoint(OPEN_S + 80, 100_800, False),
        PathPoint(OPEN_S + 100, 99_000, False),
        PathPoint(OPEN_S + 119, 99_200, False),
    ]


def test_high_and_low_are_those_of_the_path_so_far() -> None:
    market = market_of(RISING)
    seen = []
    for _ in range(4):
        market.step()
        seen.append((market.last, market.open, market.high, market.low, market.last_at_s - OPEN_S))
    assert seen == [
        (100_000, 100_000, 100_000, 100_000, 0),
        (99_500, 100_000, 100_000, 99_500, 20),
        (101_000, 100_000, 101_000, 99_500, 40),
        (100_500, 100_000, 101_000, 99_500, 59),
    ]


def test_the_unfinished_bar_grows_with_the_path_and_hides_its_volume() -> None:
    market = market_of(RISING)
    market.step()
    assert market.building == Bar(OPEN_S, 100_000, 100_000, 100_000, 100_000, 0)
    market.step()
    assert market.building == Bar(OPEN_S, 100_000, 100_000, 99_500, 99_500, 0)
    market.step()
    market.step()
    assert market.building == Bar(OPEN_S, 100_000, 101_000, 99_500, 100_500, 0)
    assert (market.last_published_volume, market.day_volume) == (0, 0)


def test_publication_reveals_the_bar_and_leaves_the_next_one_unfinished() -> None:
    market = market_of(RISING, FALLING)
    for _ in range(5):  # the minute and the first point of the next
        market.step()
    assert market.publish() == Bar(OPEN_S, 100_000, 101_000, 99_500, 100_500, 2_345)
    assert (market.last_published_volume, market.day_volume, len(market.published)) == (2_345, 2_345, 1)
    assert market.building == Bar(OPEN_S + 60, 100_600, 100_600, 100_600, 100_600, 0)
    assert market.next_publication_s() == OPEN_S + 120


def test_publication_ends_the_unfinished_bar_when_no_trade_followed() -> None:
    market = market_of(RISING, FALLING._replace(minute=3))
    for _ in range(4):
        market.step()
    market.publish()
    assert market.building is None
    assert market.last == 100_500


def test_a_missing_minute_has_no_point_and_is_published_as_nothing() -> None:
    market = market_of(RISING, FALLING._replace(minute=3))
    for _ in range(4):
        market.step()
    market.publish()
    assert (market.next_point_s(), market.next_publication_s()) == (OPEN_S + 180, OPEN_S + 240)


@pytest.mark.parametrize(
    ("price", "half"),
    [
        (9_999, 1),  # below one dollar the tick is 0.0001; half a basis point is 0.5 ticks, rounded up
        (100_000, 100),  # 10.00: 0.05 cents, at least one tick
        (3_000_000, 200),  # 300.00: 1.5 cents, rounded half-up
        (10_000_000, 500),  # 1000.00: 5 cents
    ],
)
def test_without_recorded_quotes_half_a_basis_point_lies_on_each_side(price: int, half: int) -> None:
    market = market_of(Minute(0, price, price, price, price))
    market.step()
    assert (market.bid, market.ask) == (price - half, price + half)


def test_recorded_spread_holds_from_the_second_at_which_it_is_known() -> None:
    flat = Minute(0, 100_000, 100_000, 100_000, 100_000)
    market = market_of(flat, flat._replace(minute=1), spreads=[(20, 300), (60, 500), (61, 900)])
    quotes = []
    for _ in range(6):
        market.step()
        quotes.append((market.last_at_s - OPEN_S, market.bid, market.ask))
    assert quotes == [
        (0, 99_900, 100_100),  # nothing recorded yet: the modelled tick
        (20, 99_700, 100_300),
        (40, 99_700, 100_300),
        (59, 99_700, 100_300),
        (60, 99_500, 100_500),
        (80, 99_100, 100_900),
    ]


def test_a_minute_fills_a_tenth_of_the_last_published_volume() -> None:
    market = market_of(RISING)
    market.publish()
    assert market.volume_left(OPEN_S + 60) == 234  # 2,345 / 10
    market.take_volume(OPEN_S + 60, 200)
    assert market.volume_left(OPEN_S + 119) == 34
    market.take_volume(OPEN_S + 119, 34)
    assert market.volume_left(OPEN_S + 119) == 0


def test_a_quiet_minute_still_fills_a_hundred_shares() -> None:
    market = market_of(RISING._replace(volume=999))
    assert market.volume_left(OPEN_S) == 100  # nothing published yet
    market.publish()
    assert market.volume_left(OPEN_S + 60) == 100


def test_each_minute_starts_with_a_whole_budget() -> None:
    market = market_of(RISING)
    market.take_volume(OPEN_S, 70)
    market.take_volume(OPEN_S + 59, 30)
    assert (market.volume_left(OPEN_S + 59), market.volume_left(OPEN_S + 60)) == (0, 100)
    market.take_volume(OPEN_S + 60, 1)
    assert market.volume_left(OPEN_S + 60) == 99


def test_volume_published_within_a_minute_counts_what_it_filled_before() -> None:
    market = market_of(RISING)
    market.take_volume(OPEN_S + 60, 90)  # at the first point of the minute, before the publication
    market.publish()
    assert market.volume_left(OPEN_S + 60) == 144  # 234 - 90


PRICES = st.integers(50, 150).map(lambda cents: cents * 1_000)
MINUTES = st.lists(st.tuples(PRICES, PRICES, PRICES, PRICES, st.integers(0, 5_000)), min_size=1, max_size=4)


def session_of(rows: Sequence[tuple[int, int, int, int, int]], first: int = 0) -> list[Minute]:
    return [Minute(first + i, row[0], max(row[:4]), min(row[:4]), row[1], row[4]) for i, row in enumerate(rows)]


@settings(derandomize=True, deadline=None)
@given(past=MINUTES, one=MINUTES, other=MINUTES)
def test_two_futures_of_one_past_look_the_same(past: Any, one: Any, other: Any) -> None:
    markets = [
        SymbolMarket(tape_of(session_of(past) + session_of(future, len(past)), [(30, 200)]), 0)
        for future in (one, other)
    ]
    for _ in past:
        for _ in range(4):
            for market in markets:
                market.step()
            assert visible(markets[0]) == visible(markets[1])
        for market in markets:
            market.publish()
        assert visible(markets[0]) == visible(markets[1])
