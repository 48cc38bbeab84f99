"""Sessions of the New York exchanges and the live clock."""

from __future__ import annotations

import asyncio
import csv
from concurrent.futures import Future
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from market_hours import (
    NEW_YORK,
    LiveClock,
    Session,
    TradingCalendar,
    kept_sessions,
    new_york_calendar,
    new_york_date,
    published_sessions,
    utc_from_epoch,
)

RECORDED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
NAIVE = datetime(2026, 9, 28, 9, 30)  # noqa: DTZ001 (to be refused)


@pytest.fixture(scope="module")
def calendar() -> TradingCalendar:
    return new_york_calendar(date(2026, 9, 28))


def session(calendar: TradingCalendar, year: int, month: int, day: int) -> Session:
    found = calendar.session_on(date(year, month, day))
    assert found is not None
    return found


def utc(year: int, month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


# Sessions


def test_christmas_eve_of_2019_closed_at_13_00_in_new_york(calendar: TradingCalendar) -> None:
    eve = session(calendar, 2019, 12, 24)
    assert eve.is_early_close
    assert (eve.open, eve.close) == (utc(2019, 12, 24, 14, 30), utc(2019, 12, 24, 18, 0))
    assert eve.close.astimezone(NEW_YORK).time() == time(13, 0)
    assert eve.eod.astimezone(NEW_YORK).time() == time(12, 55)


def test_the_open_is_14_30_utc_in_winter_and_13_30_in_summer(calendar: TradingCalendar) -> None:
    # in 2026 daylight saving starts on Sunday 8 March and ends on Sunday 1 November
    opens = [
        session(calendar, 2026, month, day).open.strftime("%H:%M") for month, day in ((3, 6), (3, 9), (10, 30), (11, 2))
    ]
    assert opens == ["14:30", "13:30", "13:30", "14:30"]
    # 2025: 9 March and 2 November
    opens = [
        session(calendar, 2025, month, day).open.strftime("%H:%M")
        for month, day in ((3, 7), (3, 10), (10, 31), (11, 3))
    ]
    assert opens == ["14:30", "13:30", "13:30", "14:30"]


def test_a_full_session_lasts_six_and_a_half_hours_and_its_eod_is_15_55(calendar: TradingCalendar) -> None:
    full = session(calendar, 2026, 9, 28)
    assert not full.is_early_close
    assert (full.open, full.close) == (utc(2026, 9, 28, 13, 30), utc(2026, 9, 28, 20, 0))
    assert (full.open_s, full.close_s) == (1_790_602_200, 1_790_602_200 + 23_400)
    assert full.eod == utc(2026, 9, 28, 19, 55)


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 9, 26),  # Saturday
        date(2026, 9, 27),
        date(2026, 1, 1),
        date(2026, 1, 19),  # Martin Luther King
        date(2026, 4, 3),  # Good Friday
        date(2026, 6, 19),  # Juneteenth
        date(2026, 7, 3),  # Independence Day falls on a Saturday
        date(2026, 11, 26),  # Thanksgiving
        date(2026, 12, 25),
        date(2025, 1, 9),  # mourning for President Carter
    ],
)
def test_the_exchange_is_closed_on(calendar: TradingCalendar, day: date) -> None:
    assert calendar.session_on(day) is None


@pytest.mark.parametrize("day", [date(2026, 11, 27), date(2026, 12, 24), date(2025, 7, 3), date(2015, 12, 24)])
def test_the_exchange_closes_early_on(calendar: TradingCalendar, day: date) -> None:
    assert session(calendar, day.year, day.month, day.day).close.astimezone(NEW_YORK).time() == time(13, 0)


def test_instants_are_aware_and_utc(calendar: TradingCalendar) -> None:
    for each in calendar.sessions_between(date(2026, 1, 1), date(2026, 12, 31)):
        assert each.open.tzinfo is UTC
        assert each.close.tzinfo is UTC
        assert each.open.astimezone(NEW_YORK).date() == each.date


# Walking the calendar


def test_next_session_skips_weekends_and_holidays(calendar: TradingCalendar) -> None:
    assert calendar.next_session(date(2026, 9, 25)).date == date(2026, 9, 28)  # Friday to Monday
    assert calendar.next_session(date(2026, 9, 26)).date == date(2026, 9, 28)  # from a day without a session
    assert calendar.next_session(date(2026, 11, 25)).date == date(2026, 11, 27)
    assert calendar.next_session(date(2026, 12, 31)).date == date(2027, 1, 4)


def test_previous_session_is_strictly_before_the_day(calendar: TradingCalendar) -> None:
    assert calendar.previous_session(date(2026, 9, 28)).date == date(2026, 9, 25)
    assert calendar.previous_session(date(2026, 9, 27)).date == date(2026, 9, 25)
    assert calendar.previous_session(date(2026, 11, 27)).date == date(2026, 11, 25)


def test_sessions_between_includes_both_ends(calendar: TradingCalendar) -> None:
    found = [each.date.day for each in calendar.sessions_between(date(2026, 11, 25), date(2026, 11, 30))]
    assert found == [25, 27, 30]
    assert calendar.sessions_between(date(2026, 9, 26), date(2026, 9, 27)) == []
    assert calendar.sessions_between(date(2026, 9, 28), date(2026, 9, 25)) == []


def test_2026_has_251_sessions(calendar: TradingCalendar) -> None:
    # 261 weekdays less ten holidays
    assert len(calendar.sessions_between(date(2026, 1, 1), date(2026, 12, 31))) == 251


def test_beyond_its_ends_the_calendar_says_so() -> None:
    short = TradingCalendar(date(2026, 9, 21), date(2026, 9, 25))
    with pytest.raises(LookupError, match="no session after 2026-09-25 in the calendar, which ends on 2026-09-25"):
        short.next_session(date(2026, 9, 25))
    with pytest.raises(LookupError, match="no session before 2026-09-21 in the calendar, which starts on 2026-09-21"):
        short.previous_session(date(2026, 9, 21))
    assert short.session_on(date(2026, 9, 28)) is None


def test_the_new_york_calendar_reaches_from_2005_to_two_years_ahead(calendar: TradingCalendar) -> None:
    assert session(calendar, 2005, 1, 3).open == utc(2005, 1, 3, 14, 30)
    assert calendar.previous_session(date(2028, 12, 31)).date == date(2028, 12, 29)


@pytest.mark.parametrize("damage", ["", "{", "{}", "[]", '{"2026-09-28": "09:30"}', '{"2026-09-28": 1}'])
def test_sessions_are_kept_on_disk_and_made_again_where_the_table_is_damaged(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    published = published_sessions(date(2025, 10, 1), date(2026, 11, 30))  # both changes of the clock, an early close
    assert kept_sessions(date(2025, 10, 1), date(2026, 11, 30)) == published
    (table,) = (tmp_path / "ibkr-autonomous-traders").iterdir()
    content = table.read_text()
    monkeypatch.setattr("market_hours.published_sessions", lambda *_: [])
    assert kept_sessions(date(2025, 10, 1), date(2026, 11, 30)) == published  # without the library
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    table.write_text(damage)
    assert kept_sessions(date(2025, 10, 1), date(2026, 11, 30)) == published
    assert table.read_text() == content


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert [each.date.day for each in kept_sessions(date(2026, 9, 25), date(2026, 9, 28))] == [25, 28]


def test_sessions_equal_the_recorded_calendar(calendar: TradingCalendar) -> None:
    path = RECORDED / "calendar" / "us_equity_sessions.csv"
    if not path.is_file():
        pytest.skip("no recorded calendar beside the repository")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 5_000
    recorded = {date.fromisoformat(row["date"]): row for row in rows}
    first, last = min(recorded), max(recorded)
    ours = {each.date: each for each in calendar.sessions_between(first, last)}
    for day in sorted(ours.keys() | recorded.keys()):
        if day < date(2006, 10, 1):  # the two sources agree from October 2006 on
            continue
        assert day in ours, day
        assert day in recorded, day
        for name, instant in (("open_utc", ours[day].open), ("close_utc", ours[day].close)):
            assert datetime.fromisoformat(recorded[day][name]) == instant, day


# Dates and instants


def test_the_date_in_new_york_is_not_that_of_utc_late_in_the_evening() -> None:
    assert new_york_date(utc(2026, 9, 29, 3, 59)) == date(2026, 9, 28)
    assert new_york_date(utc(2026, 9, 29, 4, 0)) == date(2026, 9, 29)
    assert new_york_date(utc(2026, 12, 29, 4, 59)) == date(2026, 12, 28)  # one hour later in winter
    assert new_york_date(utc(2026, 12, 29, 5, 0)) == date(2026, 12, 29)


def test_a_naive_datetime_raises() -> None:
    with pytest.raises(ValueError, match="naive datetime"):
        new_york_date(NAIVE)
    with pytest.raises(TypeError, match="naive"):
        asyncio.run(LiveClock().sleep_until(NAIVE))


def test_epoch_seconds_become_aware_utc_instants() -> None:
    instant = utc_from_epoch(1_790_602_200)
    assert instant == utc(2026, 9, 28, 13, 30)
    assert instant.tzinfo is UTC


# The live clock


def test_live_clock_speaks_utc() -> None:
    assert LiveClock().now().tzinfo is UTC


def test_sleeping_until_the_past_returns_at_once() -> None:
    clock = LiveClock()

    async def turns() -> int:
        """How often the loop turned while the clock slept."""
        count = 0

        async def counting() -> None:
            nonlocal count
            while True:
                count += 1
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            counter = group.create_task(counting())
            await asyncio.sleep(0)
            before = count
            await clock.sleep_until(clock.now() - timedelta(hours=1))
            after = count
            counter.cancel()
        return after - before

    assert asyncio.run(turns()) == 0


def test_sleeping_ends_at_its_instant_and_not_before() -> None:
    clock = LiveClock()
    until = clock.now() + timedelta(milliseconds=20)
    asyncio.run(clock.sleep_until(until))
    assert clock.now() >= until


def test_a_call_to_the_outside_that_takes_too_long_raises_timeout_error() -> None:
    async def call() -> None:
        async with LiveClock().outside(0.01):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(call())


def test_a_call_to_the_outside_within_its_limit_returns() -> None:
    async def call() -> str:
        async with LiveClock().outside(60.0):
            await asyncio.sleep(0)
            return "answer"

    assert asyncio.run(call()) == "answer"


def test_a_job_off_the_loop_gives_its_result_or_its_exception() -> None:
    async def outcome(job: Future[int]) -> int:
        return await LiveClock().off_loop(job)

    done: Future[int] = Future()
    done.set_result(7)
    assert asyncio.run(outcome(done)) == 7
    failed: Future[int] = Future()
    failed.set_exception(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        asyncio.run(outcome(failed))
