"""How the program is doing: `HealthMonitor` its health, `PerformanceAnalyzer` its results, `DailyInsights` why."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from typing import Any, Protocol

import numpy as np

from evidence.days import SharpeEvidence, sharpe_evidence
from evidence.excursions import PriceBars
from evidence.insights import Denial, Insight, Material, insights
from evidence.metrics import Value, measured
from evidence.plain import plain
from evidence.position_size import duration_analysis, idle_capital, size_analysis
from evidence.too_few import TooFew
from evidence.trips import GROUPINGS, TradingDay, Trip, grouped
from health.findings import Action, Finding, Measure, Reading, Severity, Vitals, examine, worst
from health.machine import Machine
from health.treatment import NOTHING_WRONG, Plan, Step, treat
from market_hours import Clock
from observability import TradingHistory
from records.evidence_trips import days_on_record, trips_on_record
from records.rows import DailyMetricsRow, EvaluationRow, HealthRow, HealthStatus
from utils import TradingError

log = logging.getLogger(__name__)

STATUS: dict[Severity, HealthStatus] = {
    Severity.NORMAL: "normal",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "critical",
}
BEFORE_THE_TICK = timedelta(milliseconds=250)  # agents act at half seconds: what a check decides holds for them


class Patient(Protocol):
    """What is watched and healed. Only `heal` and `clock_drift_s` may take time."""

    def vitals(self, now_s: float) -> Vitals:
        """All that can be measured at once."""

    async def clock_drift_s(self) -> float | None:
        """How far this machine's clock is from the gateway's; None when nobody said. Raises TradingError."""

    async def heal(self, step: Step) -> None:
        """Carry one step out. Raises TradingError when that cannot be done."""

    def pause_entries(self, why: str) -> None:
        """No entries from now on; empty: they may go on. Said at every check."""

    def shed_optional_work(self, sheds: bool) -> None:
        """Do without what trading does not need, or do it again. Said at every check."""


class HealthMonitor:
    """Checks every `interval_s` on the grid of `grid`, and at once when `notice` tells of an event.

    A check samples, finds, decides, acts and records one row of `agent_health`. What was done is judged by the
    checks that follow (`health.treatment`). Without `judges_machine`, in simulated time, what depends on the machine
    is recorded and never acted upon: the same day must come out on any machine.
    """

    def __init__(
        self,
        agent: str,
        patient: Patient,
        machine: Machine,
        history: TradingHistory,
        clock: Clock,
        *,
        interval_s: int,
        grid: datetime,
        judges_machine: bool,
    ) -> None:
        self.findings: tuple[Finding, ...] = ()
        self.checked_at = clock.now()  # when the last check ended
        self.failures = 0  # checks that ended with an error of this program
        self._agent = agent
        self._patient = patient
        self._machine = machine
        self._history = history
        self._clock = clock
        self._interval = timedelta(seconds=interval_s)
        self._grid = grid + BEFORE_THE_TICK
        self._judges_machine = judges_machine
        self._plan: Plan = NOTHING_WRONG
        self._events: dict[str, None] = {}  # what happened since the last check, in order
        self._noticed = asyncio.Event()

    def notice(self, event: str) -> None:
        """Something happened that cannot wait for the next minute."""
        self._events[event] = None
        self._noticed.set()

    async def run(self) -> None:
        """Check until cancelled. A check that fails is logged and counted; the next one comes in its time."""
        while True:
            await self._wait()
            events = ", ".join(self._events)
            self._events.clear()
            self._noticed.clear()
            try:
                await self.check(events)
            except Exception:
                self.failures += 1
                words = "a health check failed, %d by now; trading goes on, the next check is due in %s"
                log.exception(words, self.failures, self._interval)
            self.checked_at = self._clock.now()

    async def _wait(self) -> None:
        """Until the next instant of the grid, or until something is noticed."""
        now = self._clock.now()
        instant = self._grid + self._interval * (ceil((now - self._grid) / self._interval))
        left_s = (instant - now).total_seconds() or self._interval.total_seconds()
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._noticed.wait()

    async def check(self, event: str = "") -> None:
        """Sample, decide, act, record."""
        now = self._clock.now()
        machine = self._machine.look()
        vitals = self._patient.vitals(now.timestamp())
        readings = [
            Reading(Measure.CPU, machine.cpu_pct),
            Reading(Measure.MEMORY, machine.memory_used_pct),
            Reading(Measure.DISK, machine.disk_free_mb),
            *vitals.readings,
        ]
        notes: list[str] = []
        drift = None if event else await self._drift(notes)
        readings += [drift] if drift is not None else []
        unknown = vitals.unknown | ({Measure.CLOCK_DRIFT} if drift is None else set())
        self.findings = examine(readings, judges_machine=self._judges_machine)
        before, self._plan = self._plan, treat(self.findings, self._plan.treatments, now.timestamp(), unknown)
        plan = self._plan
        self._patient.pause_entries(plan.pause)
        self._patient.shed_optional_work(plan.sheds)
        for step in plan.steps:
            await self._carry_out(step, notes)
        actions = [step.action for step in plan.steps]
        if plan.pause and not before.pause:
            actions.append(Action.PAUSE_ENTRIES)
        values = _worst_values(readings)
        self._history.record_health(
            HealthRow(
                timestamp=now,
                agent=self._agent,
                status=STATUS[worst(self.findings)],
                cpu_pct=machine.cpu_pct,
                memory_mb=round(machine.memory_mb, 1),
                memory_pct=round(machine.memory_pct, 2),
                disk_free_mb=round(machine.disk_free_mb),
                ib_connected=not {Measure.CONNECTION, Measure.SERVERS} & values.keys(),
                data_age_s=values.get(Measure.DATA_AGE),
                loop_lag_ms=round(values.get(Measure.LOOP_LAG, 0.0), 3),
                worker_queue=int(values.get(Measure.WORKER_QUEUE, 0)),
                database_queue=int(values.get(Measure.DATABASE_QUEUE, 0)),
                clock_drift_s=values.get(Measure.CLOCK_DRIFT),
                unprotected_s=values.get(Measure.UNPROTECTED),
                findings=tuple(_as_json(finding) for finding in self.findings),
                healing_action=", ".join(dict.fromkeys(actions)) or None,
                healing_result="; ".join([verdict.words for verdict in plan.verdicts] + notes) or None,
                detail="; ".join([finding.words for finding in self.findings] or [event] * bool(event)) or None,
            )
        )

    async def _drift(self, notes: list[str]) -> Reading | None:
        try:
            drift_s = await self._patient.clock_drift_s()
        except TradingError as error:
            notes.append(f"the gateway did not tell its time: {error}")
            return None
        return None if drift_s is None else Reading(Measure.CLOCK_DRIFT, drift_s)

    async def _carry_out(self, step: Step, notes: list[str]) -> None:
        log.info("%s: %s, try %s", step.finding.words, step.action, step.number)
        try:
            await self._patient.heal(step)
        except TradingError as error:
            notes.append(f"{step.action} could not be carried out: {error}")


def _worst_values(readings: Iterable[Reading]) -> dict[Measure, float]:
    """The highest value of each measure."""
    values: dict[Measure, float] = {}
    for reading in readings:
        values[reading.measure] = max(reading.value, values.get(reading.measure, reading.value))
    return values


def _as_json(finding: Finding) -> dict[str, str | float]:
    return {
        "measure": finding.measure.value,
        "subject": finding.subject,
        "severity": STATUS[finding.severity],
        "value": round(finding.value, 3),
    }


FIRST_SESSION = "0001-01-01"
INSIGHT_SESSIONS = timedelta(days=28)  # how far back the rules look beyond the day: twenty sessions
SHORT = frozenset({"round_trips", "win_rate_pct", "total_pnl_usd", "expectancy_usd", "slippage_bps"})
BY_RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What of a session is not in the database. `capital_usd` is what the bot may use, `max_drawdown_usd` (<= 0) that
    of the P&L marked at the bid, `judgements` rule -> refusals, `parameters` by the names of `evidence.suggestions`.
    """

    session_date: date
    length_s: float
    equity_at_open_usd: float
    capital_usd: float
    max_drawdown_usd: float
    parameters: Mapping[str, float]
    judgements: Mapping[str, int]


class PerformanceAnalyzer:
    """Measures what one bot has on record, for a session, a range, and each group of `GROUPINGS`.

    Each question raises RecordsFailed when the database cannot be read. A round trip whose commission was not reported
    has no result yet and is left out; `unreported` counts those of a range.
    """

    def __init__(self, history: TradingHistory) -> None:
        self._history = history

    def trips(self, first: str, last: str) -> tuple[Trip, ...]:
        """Round trips that closed in the sessions from `first` to `last`, in the order of their closing."""
        return trips_on_record(self._history, first, last)

    def unreported(self, first: str, last: str) -> int:
        """Round trips of a range whose result is not known yet."""
        return sum(row.pnl_usd is None for row in self._history.round_trips_between(first, last))

    def metrics(self, first: str, last: str) -> dict[str, Value]:
        """All metrics of the round trips of a range."""
        return measured(self.trips(first, last))

    def metrics_by(self, by: str, first: str, last: str) -> dict[str, dict[str, Value]]:
        """group -> its metrics; `by` is one of `GROUPINGS`, else ValueError."""
        return {group: measured(trips) for group, trips in grouped(self.trips(first, last), by).items()}

    def days(self, last: str, first: str = FIRST_SESSION) -> list[TradingDay]:
        """Results of the sessions that were evaluated."""
        return days_on_record(self._history, first, last)

    def sharpe(self, last: str, *, trials: int = 1) -> SharpeEvidence | TooFew:
        """The Sharpe ratio of all sessions up to `last`, after `trials` variants were tried."""
        return sharpe_evidence(np.array([day.return_ for day in self.days(last)]), trials=trials)

    def evaluate(self, facts: SessionFacts) -> DailyMetricsRow:
        """Measure a session and keep it in `daily_metrics`; said again, the last one stands."""
        day = facts.session_date.isoformat()
        trips = self.trips(day, day)
        values: dict[str, Any] = {**measured(trips), "max_drawdown_usd": facts.max_drawdown_usd}
        today = TradingDay(
            session_date=facts.session_date,
            pnl_usd=values["total_pnl_usd"],
            equity_at_open_usd=facts.equity_at_open_usd,
        )
        earlier = [each for each in self.days(day) if each.session_date < facts.session_date]
        evidence = sharpe_evidence(np.array([each.return_ for each in (*earlier, today)]))
        known = evidence if isinstance(evidence, SharpeEvidence) else None
        row = DailyMetricsRow(
            session_date=day,
            sharpe=plain(known.sharpe) if known else None,
            sortino=plain(known.sortino) if known else None,
            detail=plain(
                {
                    "equity_at_open_usd": facts.equity_at_open_usd,
                    "return_pct": 100.0 * today.return_,
                    "unreported_round_trips": self.unreported(day, day),
                    "sharpe": evidence,
                    "size": size_analysis(self.trips(_weeks_before(facts.session_date), day)),
                    "idle_capital": idle_capital(trips, facts.capital_usd, facts.length_s),
                    "duration": duration_analysis(trips),
                    "by": {by: _short(grouped(trips, by)) for by in GROUPINGS if by != "day"},
                }
            ),
            **plain(values),
        )
        self._history.record_daily_metrics(row)
        return row


class DailyInsights:
    """Why a session went as it did, in `evaluations`. Other sources than the rules hand theirs to `record`."""

    def __init__(self, history: TradingHistory, analyzer: PerformanceAnalyzer) -> None:
        self._history = history
        self._analyzer = analyzer

    def by_rules(
        self, facts: SessionFacts, metrics: DailyMetricsRow, bars: Mapping[str, PriceBars], now: datetime
    ) -> tuple[Insight, ...]:
        """Find, record and return what the rules see. `bars` are the session's; rules that need them do without."""
        day = facts.session_date.isoformat()
        found = insights(
            Material(
                trips=self._analyzer.trips(day, day),
                recent_trips=self._analyzer.trips(_weeks_before(facts.session_date), day),
                bars=bars,
                denials=[
                    Denial(rule=row.rule, symbol=row.symbol, at_s=row.timestamp.timestamp(), ask_usd=row.ask_usd)
                    for row in self._history.denials(day)
                ],
                judgements=facts.judgements,
                present=facts.parameters,
            )
        )
        self.record(BY_RULES, day, found, now, metrics=metrics)
        return found

    def record(
        self,
        source: str,
        session_date: str,
        found: Sequence[Insight],
        now: datetime,
        *,
        metrics: DailyMetricsRow | None = None,
        llm_call_id: str | None = None,
    ) -> None:
        """Keep what `source` (rules, or a model's name) found in a session; it replaces what it said before."""
        self._history.replace_evaluation(
            EvaluationRow(
                timestamp=now,
                session_date=session_date,
                source=source,
                insights="\n".join(insight.words for insight in found) or "nothing stood out",
                recommendations=tuple(
                    {"rule": insight.rule, **plain(insight.suggestion)}
                    for insight in found
                    if insight.suggestion is not None
                ),
                metrics=plain({"day": metrics, "insights": found}),
                llm_call_id=llm_call_id,
            )
        )


def _weeks_before(session_date: date) -> str:
    return (session_date - INSIGHT_SESSIONS).isoformat()


def _short(groups: Mapping[str, Sequence[Trip]]) -> dict[str, dict[str, Value]]:
    """The few metrics of each group that fit a day's row."""
    return {
        group: {name: value for name, value in measured(trips).items() if name in SHORT}
        for group, trips in groups.items()
    }
