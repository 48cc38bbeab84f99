"""What all agents of a cycle work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from broker.portfolio_desk import PortfolioDesk
from market_hours import Clock, Session, TradingCalendar
from observability import TradingHistory
from weekly.options import CycleOptions

P = ParamSpec("P")
T = TypeVar("T")


class Thinking:
    """One thread for what takes seconds, so that the connection is looked after meanwhile."""

    def __init__(self, clock: Clock, pool: ThreadPoolExecutor) -> None:
        self._clock = clock
        self._pool = pool

    async def about(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """The result of `work`, which runs in the thread."""
        return await self._clock.off_loop(self._pool.submit(work, *args, **named))


@contextmanager
def thinking(clock: Clock) -> Iterator[Thinking]:
    """The thread, while the block runs."""
    with ThreadPoolExecutor(1, thread_name_prefix="weekly") as pool:
        yield Thinking(clock, pool)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleContext:
    """A cycle's place: what was asked, which session, whose time, which broker, which record."""

    options: CycleOptions
    session: Session
    calendar: TradingCalendar
    clock: Clock
    desk: PortfolioDesk
    history: TradingHistory

    @property
    def session_date(self) -> str:
        """The session as the database writes it."""
        return self.session.date.isoformat()
