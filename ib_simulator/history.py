"""Historical bars as the gateway serves them: what was published until now, in the bar size that was asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from market_hours import NEW_YORK
from trading.bars import Bar

DAY_S, WEEK_S, MONTH_S = 86_400, 7 * 86_400, 31 * 86_400
BAR_SIZES_S = {  # bar size as clients spell it -> seconds; a week and a month by the calendar
    "1 secs": 1,
    "5 secs": 5,
    "10 secs": 10,
    "15 secs": 15,
    "30 secs": 30,
    "1 min": 60,
    "2 mins": 120,
    "3 mins": 180,
    "5 mins": 300,
    "10 mins": 600,
    "15 mins": 900,
    "20 mins": 1200,
    "30 mins": 1800,
    "1 hour": 3600,
    "2 hours": 7200,
    "3 hours": 10_800,
    "4 hours": 14_400,
    "8 hours": 28_800,
    "1 day": DAY_S,
    "1 week": WEEK_S,
    "1W": WEEK_S,
    "1 month": MONTH_S,
    "1M": MONTH_S,
}
OPEN_LOCAL_S = 9 * 3600 + 30 * 60  # New York; no bar of the session is stamped earlier
_DURATION = re.compile(r"(\d+) ([SDWMY])")
_DAYS = {"D": 1, "W": 7, "M": 31, "Y": 366}


class Duration(NamedTuple):
    """A request's length: `amount` counts sessions for D, else seconds, weeks, months or years."""

    amount: int
    unit: str

    @property
    def calendar_days(self) -> int:
        """Calendar days that surely hold the duration."""
        if self.unit == "S":
            return 1 + self.amount // 86_400
        if self.unit == "D":
            return self.amount * 3 // 2 + 5  # 252 sessions are a year; five more days for a long weekend
        return self.amount * _DAYS[self.unit]


def parse_duration(text: str) -> Duration:
    """`45 D` and its like. Raises ValueError with IB's wording for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"Historical data bar size setting is invalid. Legal ones are: S, D, W, M, Y. Was: {text!r}")
    return Duration(int(match[1]), match[2])


def bucket_start(start_s: int, seconds: int, *, from_open: bool = True) -> int:
    """The start of the bar of `seconds` that holds `start_s`.

    Bars up to a day lie on multiples of their size since midnight in New York, and start no earlier than the open
    unless `from_open` is False; bars of a week or a month start on its first day.
    """
    midnight_s = _midnight_s(start_s // 3600)
    if seconds >= WEEK_S:
        day = datetime.fromtimestamp(midnight_s, NEW_YORK)
        back = day.weekday() if seconds == WEEK_S else day.day - 1
        return int((day - timedelta(days=back)).timestamp())
    local_s = start_s - midnight_s
    aligned = local_s - local_s % seconds
    return midnight_s + (max(aligned, OPEN_LOCAL_S) if from_open and local_s >= OPEN_LOCAL_S else aligned)


@lru_cache(4096)
def _midnight_s(hour: int) -> int:
    """The start of the New York day that holds the epoch hour `hour`."""
    local = datetime.fromtimestamp(hour * 3600, UTC).astimezone(NEW_YORK)
    return int(local.replace(hour=0, minute=0).timestamp())


def aggregate(bars: Iterable[Bar], seconds: int, *, from_open: bool = True) -> list[Bar]:
    """Bars to longer ones; a bar of a day or more starts when its first part does."""
    result: list[Bar] = []
    bucket_s = 0
    for bar in bars:
        start_s = bucket_start(bar.start_s, seconds, from_open=from_open)
        if result and bucket_s == start_s:
            result[-1] = merge(result[-1], bar)
        else:
            bucket_s = start_s
            result.append(bar if seconds >= DAY_S else bar._replace(start_s=start_s))
    return result


def merge(first: Bar, second: Bar) -> Bar:
    """One bar over two consecutive ones."""
    return Bar(
        first.start_s,
        first.open,
        max(first.high, second.high),
        min(first.low, second.low),
        second.close,
        first.volume + second.volume,
    )


def whole_day(bars: Iterable[Bar], open_s: int) -> Bar | None:
    """The bars of one session as its daily bar, None when there are none."""
    day: Bar | None = None
    for bar in bars:
        day = bar._replace(start_s=open_s) if day is None else merge(day, bar)
    return day


def duration_start_s(duration: Duration, end_s: int) -> int:
    """First epoch second of a duration of seconds, weeks, months or years that ends at `end_s`."""
    if duration.unit == "S":
        return end_s - duration.amount
    return end_s - int(timedelta(days=duration.calendar_days).total_seconds())
