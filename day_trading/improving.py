"""Continuous improvement around a session: what the session trades with, and the cycle after its close.

Whatever goes wrong here is logged and told in a line; no session is lost for it, and none is held up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from day_trading.options import TraderOptions
from improvement.assignment import Assignment
from market_hours import Clock, Session

log = logging.getLogger(__name__)

T = TypeVar("T")


class Cycle(Protocol):
    """See `ImprovementCycle`. Each method may take seconds and is called off the trading loop."""

    def begin_session(self, session_date: str, now: datetime) -> Assignment: ...
    def unfinished(self, before: str) -> str | None: ...
    def run(self, session_date: str, now: datetime) -> Path | None: ...


async def assigned(options: TraderOptions, cycle: Cycle | None, session: Session, clock: Clock) -> TraderOptions:
    """`options` with the parameters and the variant of this session; as they are where that cannot be known.

    A cycle that an earlier run did not finish is finished first, unless the session has begun.
    """
    if cycle is None:
        return options
    day = session.date.isoformat()

    def begin(now: datetime) -> Assignment:
        if now < session.open and (unfinished := cycle.unfinished(day)) is not None:
            log.info("the improvement cycle of %s goes on where it ended", unfinished)
            _attempt(lambda: cycle.run(unfinished, now), f"the improvement cycle of {unfinished} was not finished")
        return cycle.begin_session(day, now)

    assignment = await _off_loop(begin, clock, "what was learned is not known; the session trades with .env")
    if assignment is None:
        return options
    for note in assignment.notes:
        log.warning(note)
    return replace(options, strategy=assignment.parameters.settings(options.strategy), variant=assignment.variant)


async def improve(cycle: Cycle, session: Session, clock: Clock) -> None:
    """Run the cycle after a session and tell where its report is."""
    day = session.date.isoformat()
    page = await _off_loop(lambda now: cycle.run(day, now), clock, "the improvement cycle failed, nothing was changed")
    if page is not None:
        print(f"Improvement report: {page}", flush=True)  # noqa: T201 (the summary is for the terminal)


async def _off_loop(work: Callable[[datetime], T], clock: Clock, failure: str) -> T | None:
    now = clock.now()
    return await asyncio.get_running_loop().run_in_executor(None, lambda: _attempt(lambda: work(now), failure))


def _attempt(work: Callable[[], T], failure: str) -> T | None:
    """The task border: trading goes on whatever happens in here."""
    try:
        return work()
    except Exception:
        log.exception("%s; trading is not touched, the next start tries again", failure)
        return None
