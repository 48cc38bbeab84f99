"""Durations and bar sizes of historical requests."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ib_simulator.history import (
    BAR_SIZES_S,
    OPEN_LOCAL_S,
    Duration,
    aggregate,
    bucket_start,
    duration_start_s,
    merge,
    parse_duration,
    whole_day,
)
from market_hours import new_york_calendar
from trading.bars import Bar

OPEN_S = 1_759_843_800  # 2025-10-07 13:30 UTC, a multiple of 300 seconds


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1 D", Duration(1, "D")),
        ("45 D", Duration(45, "D")),
        ("3600 S", Duration(3600, "S")),
        ("2 W", Duration(2, "W")),
        ("6 M", Duration(6, "M")),
        (" 1 Y ", Duration(1, "Y")),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: Duration) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "D", "1", "1D", "0 D", "-1 D", "1.5 D", "1 d", "1 H", "1 D 2"])
def test_any_other_duration_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"Legal ones are: S, D, W, M, Y\. Was: '" + text + "'"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (Duration(1_800, "S"), 1_800),
        (Duration(2, "W"), 14 * 86_400),
        (Duration(1, "M"), 31 * 86_400),
        (Duration(1, "Y"), 366 * 86_400),
    ],
)
def test_a_duration_ends_at_the_asked_second(duration: Duration, seconds: int) -> None:
    assert duration_start_s(duration, OPEN_S) == OPEN_S - seconds


def test_calendar_days_of_a_duration_in_seconds_cover_a_started_day() -> None:
    assert [Duration(seconds, "S").calendar_days for seconds in (1, 86_399, 86_400, 200_000)] == [1, 1, 2, 3]


@pytest.mark.parametrize("amount", [1, 2, 5, 20, 45, 60, 120, 252, 365])
def test_calendar_days_hold_the_asked_number_of_sessions_at_any_time_of_the_year(amount: int) -> None:
    days = [session.date for session in new_york_calendar(date(2025, 1, 1)).sessions_between(date.min, date.max)]
    # the worst end is the last day before the next session: that many sessions begin on `first` and not later
    spans = [(after - timedelta(days=1) - first).days for first, after in zip(days, days[amount:], strict=False)]
    assert max(spans) <= Duration(amount, "D").calendar_days


def test_merging_keeps_the_outer_prices_and_adds_volume() -> None:
    first = Bar(OPEN_S, 100_000, 101_000, 99_000, 100_500, 400)
    second = Bar(OPEN_S + 60, 100_600, 102_000, 99_500, 99_900, 250)
    assert merge(first, second) == Bar(OPEN_S, 100_000, 102_000, 99_000, 99_900, 650)


def minute(offset: int, price: int, volume: int = 100) -> Bar:
    return Bar(OPEN_S + 60 * offset, price, price + 200, price - 100, price + 100, volume)


def test_minutes_are_grouped_by_the_clock_and_not_by_count() -> None:
    bars = [minute(3, 100_000), minute(4, 103_000), minute(5, 101_000), minute(9, 99_000)]
    assert aggregate(bars, 300) == [
        Bar(OPEN_S, 100_000, 103_200, 99_900, 103_100, 200),  # minutes 3 and 4
        Bar(OPEN_S + 300, 101_000, 101_200, 98_900, 99_100, 200),  # minutes 5 and 9
    ]


def test_an_interval_without_minutes_gives_no_bar() -> None:
    assert [bar.start_s - OPEN_S for bar in aggregate([minute(0, 100_000), minute(12, 100_000)], 300)] == [0, 600]


def test_minutes_asked_as_minutes_stay_as_they_are() -> None:
    bars = [minute(0, 100_000), minute(1, 100_500)]
    assert aggregate(bars, 60) == bars


def test_aggregation_of_nothing_is_nothing() -> None:
    assert aggregate([], 300) == []


def test_a_daily_bar_starts_at_the_open_even_if_the_first_trade_came_later() -> None:
    bars = [minute(2, 100_000, 300), minute(3, 99_000, 500)]
    assert whole_day(bars, OPEN_S) == Bar(OPEN_S, 100_000, 100_200, 98_900, 99_100, 800)


def test_a_day_without_bars_has_no_daily_bar() -> None:
    assert whole_day([], OPEN_S) is None


@pytest.mark.parametrize(
    ("size", "starts"),
    [
        ("20 mins", [0, 10, 30]),  # 09:30 and the full twenty minutes from 09:40 on
        ("1 hour", [0, 30, 90]),
        ("4 hours", [0, 150, 390]),
        ("8 hours", [0, 390]),
    ],
)
def test_bars_lie_on_the_clock_of_new_york_and_start_no_earlier_than_the_open(size: str, starts: list[int]) -> None:
    minutes = [minute(offset, 100_000) for offset in range(0, 391, 10)]
    bars = aggregate(minutes, BAR_SIZES_S[size])
    assert [(bar.start_s - OPEN_S) // 60 for bar in bars][: len(starts)] == starts


def test_a_week_begins_on_monday_and_a_month_on_its_first() -> None:
    tuesday = OPEN_S  # 2025-10-07
    assert bucket_start(tuesday, BAR_SIZES_S["1W"]) == OPEN_S - 86_400 - OPEN_LOCAL_S
    assert bucket_start(tuesday, BAR_SIZES_S["1M"]) == OPEN_S - 6 * 86_400 - OPEN_LOCAL_S


def test_sizes_keep_to_the_clock_across_the_change_of_summer_time() -> None:
    friday, monday = 1_761_917_400, 1_762_180_200  # 2025-10-31 and 2025-11-03, 09:30 in New York each
    assert [bucket_start(open_s + 1_800, 3_600) - open_s for open_s in (friday, monday)] == [1_800, 1_800]
