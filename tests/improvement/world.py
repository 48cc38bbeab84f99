"""A small world for the improvement cycle: recorded sessions of a losing market, on disk as the day trader leaves them.

Run as a program it does the cycle of one session in a process of its own, which may be killed at a commit.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from continuous_improvement import AdaptiveParameters, ImprovementCycle
from improvement.material import Desk
from improvement.parameters import ParameterSet
from improvement.settings import ImprovementSettings
from market_hours import Session, new_york_calendar
from observability import TradingHistory
from records.rows import DailyMetricsRow, EvaluationRow, SessionPlanRow
from research.store import BarStore
from trading.bar_columns import BarColumns
from trading.settings import RiskSettings

CALENDAR = new_york_calendar(date(2026, 9, 30))
SESSIONS = CALENDAR.sessions_between(date(2026, 6, 1), date(2026, 9, 30))
SYMBOLS = ("AAA", "BBB", "CCC")
EQUITY_USD = 300_000.0
ATR = 15_600.0  # 1.56 % of 100.00 in 1e-4 USD: just above the floor
BASE = ParameterSet(profit_target_pct=1.4, stop_loss_pct=0.8, rsi_cap=60.0, atr_floor_pct=1.5)
DATABASE, BARS, REPORTS = "history.db", "bars", "reports"


def make(
    folder: Path, sessions: int, *, symbols: tuple[str, ...] = SYMBOLS, drift: float = -0.01, noise: float = 0.0006
) -> None:
    """Bars of that many sessions, each of which moves by about `drift` under `noise`, and nothing in the database."""
    store = BarStore.at(folder / BARS)
    for number, symbol in enumerate(symbols):
        for month in sorted({f"{session.date:%Y-%m}" for session in SESSIONS[:sessions]}):
            days = [day for day in range(sessions) if f"{SESSIONS[day].date:%Y-%m}" == month]
            parts = [_columns(SESSIONS[day], number, day, drift, noise) for day in days]
            store.append(
                "minute", symbol, BarColumns(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
            )


def _columns(session: Session, symbol: int, day: int, drift: float, noise: float) -> BarColumns:
    minutes = (session.close_s - session.open_s) // 60
    rng = np.random.default_rng([symbol, day])
    path = 100.0 * np.exp(np.cumsum(rng.normal(drift / minutes, noise, minutes)))
    close = np.round(path * 100).astype(np.int64) * 100
    open_ = np.concatenate([[1_000_000], close[:-1]])
    wick = 100 * rng.integers(0, 6, size=(2, minutes))
    return BarColumns(
        start_s=session.open_s + 60 * np.arange(minutes),
        open=open_,
        high=np.maximum(open_, close) + wick[0],
        low=np.minimum(open_, close) - wick[1],
        close=close,
        volume=np.full(minutes, 20_000, dtype=np.int64),
    )


def at_close(day: int) -> datetime:
    """When the cycle of a session runs."""
    return SESSIONS[day].close.astimezone(UTC) + timedelta(minutes=1)


def open_history(folder: Path) -> TradingHistory:
    return TradingHistory(folder / DATABASE, bot="day_trader", mode="simulated")


def cycle_of(
    history: TradingHistory, folder: Path, *, base: ParameterSet = BASE, settings: ImprovementSettings | None = None
) -> ImprovementCycle:
    desk = Desk(risk=RiskSettings(), minute_atr=False, calendar=CALENDAR, bar_store=folder / BARS)
    adaptive = AdaptiveParameters(history, base)
    return ImprovementCycle(history, adaptive, desk, settings or ImprovementSettings(), folder / REPORTS)


def record_session(
    history: TradingHistory,
    cycle: ImprovementCycle,
    day: int,
    *,
    pnl_usd: float = 0.0,
    recommendations: tuple[dict[str, Any], ...] = (),
    symbols: tuple[str, ...] = SYMBOLS,
) -> None:
    """What the day trader has on record of a session when its cycle begins."""
    name = SESSIONS[day].date.isoformat()
    assigned = cycle.begin_session(name, SESSIONS[day].open.astimezone(UTC) - timedelta(minutes=30))
    history.record_session_plan(
        SessionPlanRow(
            session_date=name,
            equity_usd=EQUITY_USD,
            allocation=0.25,
            watchlist=tuple([symbol, 14, ATR] for symbol in symbols),
            parameters=assigned.parameters.values(),
            variant=assigned.variant,
        )
    )
    history.record_daily_metrics(
        DailyMetricsRow(
            session_date=name,
            trades=0,
            round_trips=0,
            wins=0,
            losses=0,
            total_pnl_usd=pnl_usd,
            gross_profit_usd=max(pnl_usd, 0.0),
            gross_loss_usd=min(pnl_usd, 0.0),
            detail={"equity_at_open_usd": EQUITY_USD},
        )
    )
    history.replace_evaluation(
        EvaluationRow(
            timestamp=at_close(day),
            session_date=name,
            source="rules",
            insights="nothing stood out",
            recommendations=recommendations,
        )
    )


def play(folder: Path, days: range, **record: Any) -> None:
    """Sessions one after the other, each with its cycle."""
    with open_history(folder) as history:
        cycle = cycle_of(history, folder)
        for day in days:
            record_session(history, cycle, day, **record)
            cycle.run(SESSIONS[day].date.isoformat(), at_close(day))


class KilledAtCommit:
    """A history whose process is killed at its commit number `at`: before it is made, or once it is on disk."""

    def __init__(self, history: TradingHistory, at: int, *, after: bool) -> None:
        self._commit = history.commit_improvement
        self._left = at
        self._after = after

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        self._commit(*args, **kwargs)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, day: int, kill_at: int, after: bool) -> None:
    """The cycle of one session; `kill_at` 0 lets it live."""
    with open_history(folder) as history:
        if kill_at:
            history.commit_improvement = KilledAtCommit(history, kill_at, after=after)  # type: ignore[method-assign]
        cycle_of(history, folder).run(SESSIONS[day].date.isoformat(), at_close(day))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "after")
