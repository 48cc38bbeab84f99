"""Exchange sessions (holidays, early closes, daylight saving) and the clock: the only place that says *now*."""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from operating_system import cache_folder
from utils import write_json_atomically

EXCHANGE = "XNYS"
NEW_YORK = ZoneInfo("America/New_York")
EOD_BEFORE_CLOSE = timedelta(minutes=5)  # the day trader is flat this long before the real close
FULL_SESSION = timedelta(hours=6, minutes=30)
CALENDAR_FIRST = date(2005, 1, 3)
CALENDAR_YEARS_AHEAD = 2

T = TypeVar("T")


class Clock(Protocol):
    """What the program knows of time. Live and simulated days differ in this object and in the gateway only."""

    is_real: bool  # whether it goes on by itself: how busy the machine is matters then, and never otherwise

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""

    async def sleep_until(self, when: datetime) -> None:
        """Return at or just after `when`; at once if it is past."""

    def off_loop(self, job: Future[T]) -> Awaitable[T]:
        """Await a job that runs in another thread or process (its result or its exception)."""

    def outside(self, limit_s: float) -> AbstractAsyncContextManager[Any]:
        """Bound a call to the outside world by `limit_s` seconds of *wall* time; raises TimeoutError.

        Simulated time stands still inside the block.
        """


class LiveClock:
    """The machine's own clock."""

    is_real = True

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        while (left_s := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 (a deadline, not a poll)
            await asyncio.sleep(min(left_s, 60.0))  # short steps notice a corrected system clock

    def off_loop(self, job: Future[T]) -> Awaitable[T]:
        return asyncio.wrap_future(job)

    def outside(self, limit_s: float) -> AbstractAsyncContextManager[Any]:
        return asyncio.timeout(limit_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One exchange day. A session is named by its date in New York; its instants are UTC."""

    date: date
    open: datetime
    close: datetime

    @property
    def eod(self) -> datetime:
        """When the time exit fires: five minutes before the real close (15:55, or 12:55 on early closes)."""
        return self.close - EOD_BEFORE_CLOSE

    @property
    def is_early_close(self) -> bool:
        return self.close - self.open < FULL_SESSION

    @property
    def open_s(self) -> int:
        """Epoch second of the open."""
        return int(self.open.timestamp())

    @property
    def close_s(self) -> int:
        """Epoch second of the close."""
        return int(self.close.timestamp())


class TradingCalendar:
    """Sessions of the New York exchanges from their published rules. Source: exchange_calendars, XNYS."""

    def __init__(self, first: date, last: date) -> None:
        self._sessions = {session.date: session for session in kept_sessions(first, last)}
        self._dates = list(self._sessions)

    def session_on(self, day: date) -> Session | None:
        """The session of `day`, or None when the exchange is closed."""
        return self._sessions.get(day)

    def next_session(self, day: date) -> Session:
        """The first session strictly after `day`. Raises LookupError past the end of the calendar."""
        index = bisect_right(self._dates, day)
        if index == len(self._dates):
            raise LookupError(f"no session after {day} in the calendar, which ends on {self._dates[-1]}")
        return self._sessions[self._dates[index]]

    def previous_session(self, day: date) -> Session:
        """The last session strictly before `day`. Raises LookupError before the start of the calendar."""
        index = bisect_left(self._dates, day)
        if index == 0:
            raise LookupError(f"no session before {day} in the calendar, which starts on {self._dates[0]}")
        return self._sessions[self._dates[index - 1]]

    def sessions_between(self, first: date, last: date) -> list[Session]:
        """Sessions with `first` <= date <= `last`, in order."""
        return [
            self._sessions[day]
            for day in self._dates[bisect_left(self._dates, first) : bisect_right(self._dates, last)]
        ]


def kept_sessions(first: date, last: date) -> list[Session]:
    """`published_sessions`, from a table of the same version of the library that an earlier start left on disk.

    That spares each start half a second and 64 MB for the library and its pandas. The table has the hours by the
    clock of New York, so that what a time zone is remains the system's word.
    """
    name = f"sessions-{EXCHANGE}-{first}-{last}-{version('exchange_calendars')}.json"
    with suppress(OSError, RuntimeError, ValueError, TypeError, AttributeError):  # missing or damaged: made again
        table = json.loads((cache_folder() / name).read_text(encoding="utf-8"))
        if kept := [_session(date.fromisoformat(day), *hours.split("-")) for day, hours in table.items()]:
            return kept
    sessions = published_sessions(first, last)
    with suppress(OSError, RuntimeError):  # a folder that nobody can write costs the next start half a second
        write_json_atomically(cache_folder() / name, {str(session.date): _hours(session) for session in sessions})
    return sessions


def published_sessions(first: date, last: date) -> list[Session]:
    """All sessions from `first` to `last`, as the library has them."""
    from exchange_calendars import get_calendar

    schedule = get_calendar(EXCHANGE, start=first.isoformat(), end=last.isoformat()).schedule
    return [
        Session(
            date=stamp.date(),
            open=opens.to_pydatetime().astimezone(UTC),
            close=closes.to_pydatetime().astimezone(UTC),
        )
        for stamp, opens, closes in zip(schedule.index, schedule["open"], schedule["close"], strict=True)
    ]


def _session(day: date, open_: str, close: str) -> Session:
    opens, closes = (datetime.combine(day, time.fromisoformat(text), NEW_YORK) for text in (open_, close))
    return Session(date=day, open=opens.astimezone(UTC), close=closes.astimezone(UTC))


def _hours(session: Session) -> str:
    """Open and close by the clock of New York, like 09:30-16:00."""
    return "-".join(f"{when.astimezone(NEW_YORK):%H:%M}" for when in (session.open, session.close))


@lru_cache(maxsize=4)
def new_york_calendar(around: date) -> TradingCalendar:
    """Sessions of the New York exchanges from 2005 to two years after `around`."""
    return TradingCalendar(CALENDAR_FIRST, date(around.year + CALENDAR_YEARS_AHEAD, 12, 31))


def new_york_date(when: datetime) -> date:
    """The calendar date in New York at `when`. A naive datetime raises ValueError."""
    if when.tzinfo is None:
        raise ValueError(f"naive datetime: {when!r}")
    return when.astimezone(NEW_YORK).date()


def utc_from_epoch(second: float) -> datetime:
    """Epoch seconds to an aware UTC datetime."""
    return datetime.fromtimestamp(second, UTC)
