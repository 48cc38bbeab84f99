"""Historical bars as the gateway serves them: what was published until now, in the bar size that was asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from trading.bars import Bar

BAR_SIZES_S = {"1 min": 60, "5 mins": 300, "1 day": 86_400}
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


def aggregate(bars: Iterable[Bar], seconds: int) -> list[Bar]:
    """Minute bars to longer ones, aligned to multiples of `seconds` since the epoch."""
    result: list[Bar] = []
    for bar in bars:
        start_s = bar.start_s - bar.start_s % seconds
        if result and result[-1].start_s == start_s:
            result[-1] = merge(result[-1], bar)
        else:
            result.append(bar._replace(start_s=start_s))
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
