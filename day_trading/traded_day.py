"""A day of the day trader: the session, and what follows in the same process once it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from day_trading.close_of_day import evaluated
from day_trading.day_page import write_day_page, write_report_index
from day_trading.figures_reader import FiguresReader
from day_trading.improving import Cycle, improve
from day_trading.options import TraderOptions
from day_trading.seen_bars import keep_seen_bars
from day_trading.telling import tell
from market_hours import Clock, Session
from notifications.notices import Kind, Notice, notify
from observability import TradingHistory
from telemetry.garbage import session_is_over
from trading.bars import Bar
from trading.day_report import DayReport
from trading.day_summary import short_summary
from utils import TradingError


def figures_reader(options: TraderOptions, history: TradingHistory, clock: Clock) -> FiguresReader | None:
    """Who reads a session's figures; None where the options name nobody."""
    if options.figures_llm is None:
        return None
    return FiguresReader(settings=options.figures_llm, replay=options.llm_replay, history=history, clock=clock)


class SessionTrader(Protocol):
    """Who trades the session; see `IntradayTrader`."""

    seen_bars: Mapping[str, Sequence[Bar]]
    fault: TradingError | None

    @property
    def was_stopped(self) -> bool: ...
    @property
    def bars(self) -> Mapping[str, Sequence[Bar]]: ...
    async def run(self, universe: Sequence[str]) -> DayReport: ...


async def traded_day(
    trader: SessionTrader,
    universe: Sequence[str],
    session: Session,
    history: TradingHistory,
    clock: Clock,
    options: TraderOptions,
    log_dir: Path,
    report_dir: Path,
    cycle: Cycle | None = None,
) -> DayReport:
    """Trade the session, measure and tell it, learn from it, put its records away. Raises what ended it, after that.

    A session that somebody stopped is not learned from at once: who stops a program wants it to end.
    """
    report = await trader.run(universe)
    if not options.desk.dry_run:
        report = await evaluated(report, session, trader.bars, history, clock, figures_reader(options, history, clock))
    tell(report, log_dir, write_day_page(report, session, trader.bars, history, report_dir), options.json_to)
    notify(Notice(kind=Kind.DAY_SUMMARY, words=short_summary(report), at=clock.now()))
    keep_seen_bars(trader.seen_bars, session, options.records.records_bar_store)
    if cycle is not None and not trader.was_stopped:
        await improve(cycle, session, clock)
    history.end_session(session.date.isoformat(), clock.now())
    if clock.is_real:  # those of simulated sessions are indexed at the end
        write_report_index(report_dir)
    session_is_over()
    if trader.fault is not None:
        raise trader.fault
    return report
