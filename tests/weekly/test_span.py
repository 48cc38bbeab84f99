"""Which weeks a simulation plays."""

from __future__ import annotations

from datetime import date

import pytest

from tests.weekly.market import CALENDAR, DAYS, LAST
from utils import Misconfigured
from weekly.span import choose_span


def test_the_last_weeks_of_the_market_are_played_with_a_cycle_on_the_first_session_of_each() -> None:
    span = choose_span(DAYS, CALENDAR, None, 4, None)
    assert (span.sessions[0].date, span.sessions[-1].date) == (date(2024, 6, 1 + 2), LAST)
    assert sorted(span.cycles) == [date(2024, 6, 3), date(2024, 6, 10), date(2024, 6, 17), date(2024, 6, 24)]


def test_a_week_that_begins_with_a_holiday_has_its_cycle_on_the_day_after() -> None:
    span = choose_span(DAYS, CALENDAR, date(2024, 5, 27), 1, None)  # Memorial Day
    assert sorted(span.cycles) == [date(2024, 5, 28)]


def test_run_days_are_those_and_no_others_so_that_a_holiday_has_no_cycle() -> None:
    span = choose_span(DAYS, CALENDAR, date(2024, 5, 20), 2, ["Monday", "Thursday"])
    assert sorted(span.cycles) == [date(2024, 5, 20), date(2024, 5, 23), date(2024, 5, 30)]


@pytest.mark.parametrize(
    ("first", "weeks"), [(None, 40), (date(2023, 8, 1), 4), (date(2024, 6, 20), 8), (date(2030, 1, 1), 1)]
)
def test_more_than_there_is_is_refused_with_what_there_is(first: date | None, weeks: int) -> None:
    with pytest.raises(Misconfigured, match=r"the market data allows 2024-01-08 to 2024-06-28, after the 130 sessions"):
        choose_span(DAYS, CALENDAR, first, weeks, None)


def test_a_market_that_is_too_short_for_any_week_says_so() -> None:
    with pytest.raises(Misconfigured, match="the market data allows nothing"):
        choose_span(DAYS[:130], CALENDAR, None, 1, None)
