"""Which sessions a simulation plays, and on which of them the bot has its cycle."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from market_hours import Session, TradingCalendar
from utils import Misconfigured

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
WARM_UP_SESSIONS = 130  # what the rules of `portfolio/` want to see of a name, and some


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Sessions to play, in order, and the dates among them that have a cycle."""

    sessions: tuple[Session, ...]
    cycles: frozenset[date]


def choose_span(
    dates: Sequence[date],
    calendar: TradingCalendar,
    first: date | None,
    weeks: int,
    run_days: Collection[str] | None,
) -> Span:
    """`weeks` weeks from `first` on, or the last ones of the market's `dates` (in order, at least one).

    A cycle runs on each of `run_days`, or on the first session of each week. Raises Misconfigured when the market
    has less, or too little before it to judge anything by.
    """
    start = first if first is not None else dates[-1] - timedelta(weeks=weeks) + timedelta(days=1)
    end = start + timedelta(weeks=weeks)
    known = sum(day < start for day in dates)
    if known < WARM_UP_SESSIONS or end > dates[-1] + timedelta(weeks=1):
        usable = f"{dates[WARM_UP_SESSIONS]} to {dates[-1]}" if len(dates) > WARM_UP_SESSIONS else "nothing"
        raise Misconfigured(
            f"{weeks} weeks from {start} on: the market data allows {usable}, after the {WARM_UP_SESSIONS} sessions "
            "that a name is judged by"
        )
    sessions = tuple(each for each in calendar.sessions_between(start, min(end - timedelta(days=1), dates[-1])))
    return Span(sessions=sessions, cycles=frozenset(each.date for each in _with_cycle(sessions, run_days)))


def _with_cycle(sessions: Sequence[Session], run_days: Collection[str] | None) -> list[Session]:
    if run_days is not None:
        return [each for each in sessions if WEEKDAYS[each.date.weekday()] in run_days]
    found: dict[tuple[int, int], Session] = {}  # week -> its first session
    for each in sessions:
        found.setdefault(each.date.isocalendar()[:2], each)
    return list(found.values())
