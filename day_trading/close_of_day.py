"""What becomes of a session once it is over: it is measured and explained."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from day_trading.figures_reader import FiguresReader
from evidence.excursions import PriceBars
from evidence.plain import plain
from market_hours import Clock, Session
from observability import TradingHistory
from self_evaluation import DailyInsights, PerformanceAnalyzer, SessionFacts
from trading.bars import Bar
from trading.day_report import DayReport
from trading.money import PRICE_UNITS_PER_USD

log = logging.getLogger(__name__)

CENT_USD = 0.01


async def evaluated(
    report: DayReport,
    session: Session,
    bars: Mapping[str, Sequence[Bar]],
    history: TradingHistory,
    clock: Clock,
    reader: FiguresReader | None = None,
) -> DayReport:
    """`report` with all metrics and insights, which are kept in the database. Not for dry runs: they earn no return.

    `reader` is asked last, when the rules' findings are on record. Whatever goes wrong here is logged and becomes a
    warning of the report: the next session does not depend on it.
    """
    if not report.equity_at_open_usd:
        return report  # the gateway was not reached: nothing was traded, and no return can be told
    try:
        return await _evaluated(report, session, bars, history, clock, reader)
    except Exception as error:
        log.exception("the session was not evaluated; its trades are on record and the next session is not affected")
        return replace(report, warnings=(*report.warnings, f"the session was not evaluated: {error}"))


async def _evaluated(
    report: DayReport,
    session: Session,
    bars: Mapping[str, Sequence[Bar]],
    history: TradingHistory,
    clock: Clock,
    reader: FiguresReader | None,
) -> DayReport:
    facts = SessionFacts(
        session_date=report.session_date,
        length_s=(session.close - session.open).total_seconds(),
        equity_at_open_usd=report.equity_at_open_usd,
        capital_usd=report.equity_at_open_usd * report.allocation,
        max_drawdown_usd=report.metrics["max_drawdown_usd"],
        parameters=_parameters(report),
        judgements=report.funnel_totals,
        broker_result=report.broker_result,
    )
    analyzer = PerformanceAnalyzer(history)
    row = analyzer.evaluate(facts)
    prices = {symbol: price_bars(each) for symbol, each in bars.items() if each}
    insights = DailyInsights(history, analyzer)
    found = insights.by_rules(facts, row, prices, clock.now())
    if reader is not None:
        found += await reader.read(insights, facts, row, found)
    booked_usd = report.metrics["total_pnl_usd"]
    warnings = report.warnings
    if abs(row.total_pnl_usd - booked_usd) >= CENT_USD:
        warnings += (f"the database has a result of {row.total_pnl_usd:+,.2f} USD, the book of {booked_usd:+,.2f} USD",)
    kept = {name: value for name, value in asdict(row).items() if name not in ("session_date", "bot", "mode")}
    return replace(
        report,
        metrics={**kept, **report.metrics},  # where both have a number, the book's is exact
        insights=tuple(plain(insight) for insight in found),
        warnings=warnings,
    )


def price_bars(bars: Sequence[Bar]) -> PriceBars:
    """Bars of the rules as statistics read them."""
    columns = np.array([(bar.start_s, bar.high, bar.low, bar.close) for bar in bars], dtype=np.float64).T
    return PriceBars(columns[0], *(columns[1:] / PRICE_UNITS_PER_USD))


def _parameters(report: DayReport) -> dict[str, float]:
    """The rules' parameters by the names and in the units of suggestions."""
    used = report.parameters
    return {
        "profit_target_pct": used["profit_target_bps"] / 100,
        "stop_loss_pct": used["stop_loss_bps"] / 100,
        "position_size_pct": 100 * report.symbol_budget_usd / report.equity_at_open_usd,
        "rsi_cap": used["rsi_cap"],
        "atr_floor_pct": used["atr_floor_pct"],
    }
