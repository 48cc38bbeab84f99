"""A simulated world in this process: loop, clock, gateway and the sessions to play."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ib_simulator.feeds.daily import DailyFeed
from ib_simulator.feeds.replay import ReplayFeed
from ib_simulator.feeds.synthetic import SyntheticFeed
from ib_simulator.feeds.tape import Feed
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.simulated_time import SimulatedClock, SimulatedTimeLoop
from ib_simulator.trading_hours import trading_hours
from market_hours import Session, TradingCalendar, utc_from_epoch
from utils import Misconfigured

START_BEFORE = timedelta(minutes=45)

RecordedOrSynthetic = ReplayFeed | SyntheticFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedWorld:
    """What a simulated run plays, and on which clock."""

    feed: Feed
    calendar: TradingCalendar
    sessions: tuple[Session, ...]
    clock: SimulatedClock
    symbols: tuple[str, ...]
    prices_from: str


def recorded_feed(directory: Path, calendar: TradingCalendar, *, extended_hours: bool = False) -> ReplayFeed:
    """Bars from disk. Raises Misconfigured."""
    return ReplayFeed(directory, calendar, extended_hours=extended_hours)


def synthetic_feed(
    seed: int, symbols: Sequence[str], calendar: TradingCalendar, latest: date, *, extended_hours: bool = False
) -> SyntheticFeed:
    """A seeded market whose last session is the last one on or before `latest`."""
    session = calendar.session_on(latest) or calendar.previous_session(latest)
    return SyntheticFeed(seed, symbols, calendar, session.date, extended_hours=extended_hours)


def choose_sessions(
    feed: RecordedOrSynthetic, calendar: TradingCalendar, first: date | None, days: int
) -> tuple[Session, ...]:
    """`days` sessions from `first` on, or the last ones of the feed. Raises Misconfigured when there are too few."""
    last = feed.latest_session()
    start = feed.require_session(first) if first is not None else None
    if isinstance(feed, ReplayFeed):
        dates = list(feed.session_dates())
        at = dates.index(start.date) if start else max(len(dates) - days, 0)
        chosen = [feed.require_session(day) for day in dates[at : at + days]]
    elif start is not None:
        chosen = calendar.sessions_between(start.date, last.date)[:days]
    else:
        reach = timedelta(days=days * 2 + 10)
        chosen = calendar.sessions_between(last.date - reach, last.date)[-days:]
    if len(chosen) < days:
        since = f" from {start.date} on" if start else ""
        count = "1 session" if len(chosen) == 1 else f"{len(chosen)} sessions"
        raise Misconfigured(f"--days {days}: the market data has only {count}{since}")
    return tuple(chosen)


def build_world(
    loop: SimulatedTimeLoop,
    feed: RecordedOrSynthetic,
    calendar: TradingCalendar,
    sessions: tuple[Session, ...],
) -> SimulatedWorld:
    """The world of these sessions, which begins 45 minutes before anything trades.

    Every file that they need is read and checked now. Raises Misconfigured.
    """
    symbols = sorted({symbol for session in sessions for symbol in feed.symbols(session.date)})
    for symbol in feed.symbols(sessions[0].date):
        feed.tape(symbol, sessions[0])
        feed.daily(symbol, sessions[0].date, sessions[0].date - timedelta(days=62))
    hours = trading_hours(sessions[0], extended=feed.extended_hours)
    return SimulatedWorld(
        feed=feed,
        calendar=calendar,
        sessions=sessions,
        clock=SimulatedClock(loop, utc_from_epoch(hours.first_s) - START_BEFORE),
        symbols=tuple(symbols),
        prices_from=feed.name,
    )


def daily_world(
    loop: SimulatedTimeLoop, feed: DailyFeed, calendar: TradingCalendar, sessions: Sequence[Session]
) -> SimulatedWorld:
    """A world of daily bars that plays these sessions alone: whatever lies between two of them is jumped over.

    Splits, dividends and delistings of the days between happen at the next session.
    """
    return SimulatedWorld(
        feed=feed,
        calendar=calendar,
        sessions=tuple(sessions),
        clock=SimulatedClock(loop, sessions[0].open - START_BEFORE),
        symbols=feed.all_symbols,
        prices_from=feed.name,
    )


@asynccontextmanager
async def running_gateway(world: SimulatedWorld, options: GatewayOptions) -> AsyncIterator[tuple[Gateway, int]]:
    """A gateway that plays the world's sessions while the block runs, and its port."""
    gateway = Gateway(world.feed, world.calendar, world.clock, world.symbols, options)
    async with asyncio.TaskGroup() as group:
        gateway.begin(world.sessions[0])
        port = await gateway.start()
        playing = group.create_task(gateway.play(world.sessions), name="simulated market")
        try:
            yield gateway, port
        finally:
            playing.cancel()
            await gateway.stop()
