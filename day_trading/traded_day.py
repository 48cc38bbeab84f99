"""A day of the day trader: the session, and what follows in the same process once it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from day_trading.close_of_day import evaluated
from day_trading.day_page import write_day_page, write_report_index
from day_trading.options import TraderOptions
from day_trading.seen_bars import keep_seen_bars
from day_trading.telling import tell
from market_hours import Clock, Session
from notifications.notices import Kind, Notice, notify
from observability import TradingHistory
from trading.bars import Bar
from trading.day_report import DayReport
from trading.day_summary import short_summary
from utils import TradingError


class SessionTrader(Protocol):
    """Who trades the session; see `IntradayTrader`."""

    seen_bars: Mapping[str, Sequence[Bar]]
    fault: TradingError | None

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
) -> DayReport:
    """Trade the session, measure and tell it, and put its records away. Raises what ended it early, after all that."""
    report = await trader.run(universe)
    if not options.desk.dry_run:
        report = evaluated(report, session, trader.bars, history, clock.now())
    tell(report, log_dir, write_day_page(report, session, trader.bars, history, report_dir), options.json_to)
    notify(Notice(kind=Kind.DAY_SUMMARY, words=short_summary(report), at=clock.now()))
    history.end_session(session.date.isoformat(), clock.now())
    if clock.is_real:  # simulated bars are in their file, or follow from their seed; their pages are indexed at the end
        write_report_index(report_dir)
        keep_seen_bars(trader.seen_bars, session, options.records.records_bar_store)
    if trader.fault is not None:
        raise trader.fault
    return report
