"""Everything that the cycle of one session reads, gathered once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from evidence.suggestions import Priority, Suggestion
from improvement.decision import Memory
from improvement.experiment import BASELINE
from improvement.gate import WINDOW
from improvement.parameters import NAMES, PERCENT_BPS, ParameterSet
from improvement.recorded import NoBars, RecordedSessions, SessionPlan
from improvement.remembering import memory_from_json
from market_hours import TradingCalendar
from observability import TradingHistory
from records.rows import DailyMetricsRow, EvaluationRow, SessionPlanRow
from research.store import BarStore, is_store
from research.stored import StoreSource
from trading.indicators import AtrState
from trading.settings import RiskSettings

FIRST_SESSION = "0001-01-01"
ADVISERS = ("rule", "llm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What does not change from session to session: the limits of the account, the calendar and where bars are kept.

    Without a `bar_store` nothing is replayed, and so nothing changes.
    """

    risk: RiskSettings
    minute_atr: bool
    calendar: TradingCalendar
    bar_store: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One session and what came before it. `metrics` is session -> its row, `refused` what was no suggestion."""

    session_date: str
    plan: SessionPlanRow
    plans: Mapping[str, SessionPlanRow]
    metrics: Mapping[str, DailyMetricsRow]
    evaluations: Sequence[EvaluationRow]
    suggestions: tuple[Suggestion, ...]
    refused: tuple[str, ...]
    memory: Memory
    replays: RecordedSessions

    @property
    def traded(self) -> ParameterSet:
        """What the session traded with."""
        return set_of(self.plan)

    @property
    def equal_share_pct(self) -> float:
        """What a position without a size of its own is worth, percent of the account."""
        return equal_share_pct(self.plan.allocation, len(self.plan.watchlist))

    @property
    def is_recorded(self) -> bool:
        """Whether the session can be replayed."""
        return self.session_date in self.replays.sessions

    def result_bps(self, session_date: str) -> float | None:
        """The live result of a session; None when it was not measured."""
        row, plan = self.metrics.get(session_date), self.plans.get(session_date)
        if row is None or plan is None or plan.equity_usd <= 0:
            return None
        return row.total_pnl_usd / plan.equity_usd * PERCENT_BPS * PERCENT_BPS

    def live_bps(self, present: ParameterSet) -> dict[str, float]:
        """session -> live result, of the sessions under `present` as the baseline."""
        return {
            day: result
            for day, plan in self.plans.items()
            if plan.variant == BASELINE and set_of(plan) == present and (result := self.result_bps(day)) is not None
        }


def gather(history: TradingHistory, desk: Desk, session_date: str) -> Material | None:
    """All that is on record until the close of a session; None when it is not known what the session began with.

    Raises RecordsFailed, Misconfigured when database or bars cannot be read.
    """
    plans = {row.session_date: row for row in history.session_plans(FIRST_SESSION, session_date)[-2 * WINDOW :]}
    plan = plans.get(session_date)
    if plan is None:
        return None
    evaluations = history.evaluations(session_date)
    suggestions, refused = suggestions_of(evaluations)
    before = history.latest_step("plan", session_date)
    return Material(
        session_date=session_date,
        plan=plan,
        plans=plans,
        metrics={row.session_date: row for row in history.daily_metrics_between(next(iter(plans)), session_date)},
        evaluations=evaluations,
        suggestions=suggestions,
        refused=refused,
        memory=Memory() if before is None else memory_from_json(before.detail["memory"]),
        replays=_replays(plans.values(), desk),
    )


def set_of(plan: SessionPlanRow) -> ParameterSet:
    """The parameters that a session began with."""
    return ParameterSet(**{name: plan.parameters[name] for name in NAMES})


def equal_share_pct(allocation: float, symbols: int) -> float:
    """What an equal share of the allocation is worth, percent of the account."""
    return 100.0 * allocation / max(symbols, 1)


def suggestions_of(evaluations: Sequence[EvaluationRow]) -> tuple[tuple[Suggestion, ...], tuple[str, ...]]:
    """What the sources recommend, and in words what of it is no suggestion: unknown parameters, values out of bounds.

    Nothing is believed because it is on record: each is checked as if it had just been said.
    """
    made, refused = [], []
    for row in evaluations:
        for said in row.recommendations:
            try:
                made.append(_suggestion(said))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                refused.append(f"{row.source}: {type(error).__name__}: {error}")
    return tuple(made), tuple(refused)


def _suggestion(said: Mapping[str, Any]) -> Suggestion:
    """Raises KeyError, TypeError, ValueError, AttributeError for anything else."""
    source = str(said["source"])
    if source not in ADVISERS:
        raise ValueError(f"{source!r} gives no suggestions; who does: {', '.join(ADVISERS)}")
    return Suggestion(
        parameter=str(said["parameter"]),
        new_value=float(said["new_value"]),
        source=source,
        reason=str(said["reason"]),
        priority=Priority(said["priority"]),
        evidence=dict(said.get("evidence") or {}),
    )


def _replays(plans: Iterable[SessionPlanRow], desk: Desk) -> RecordedSessions:
    if desk.bar_store is None or not is_store(str(desk.bar_store)):
        return RecordedSessions((), NoBars(), desk.risk, minute_atr=desk.minute_atr)
    known = []
    for row in plans:
        session = desk.calendar.session_on(date.fromisoformat(row.session_date))
        if session is not None and row.equity_usd > 0:
            watchlist = {symbol: AtrState(ranges, 0, 0, average) for symbol, ranges, average in row.watchlist}
            known.append(
                SessionPlan(session=session, equity_usd=row.equity_usd, allocation=row.allocation, watchlist=watchlist)
            )
    source = StoreSource(BarStore(str(desk.bar_store)), desk.calendar)
    return RecordedSessions(known, source, desk.risk, minute_atr=desk.minute_atr)
