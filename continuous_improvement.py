"""The improvement cycle: what kind of market it is, what may change, what is tried, and the six steps after a close.

`MarketRegimeDetector`, `AdaptiveParameters`, `StrategyExperiment` and `ImprovementCycle` are the faces; what they are
made of is in `improvement/`. `python continuous_improvement.py` shows what was changed and why, and takes it back.
"""

from __future__ import annotations

if __name__ == "__main__":
    import sys

    from improvement.__main__ import main

    sys.exit(main())

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

from evidence.regime import DAILY, INTRADAY, Regime, RegimeReading, RegimeRule, RegimeTracker
from improvement import steps
from improvement.assignment import Assignment
from improvement.deciding import Decision, decide
from improvement.decision import Memory
from improvement.experiment import BASELINE, Experiment
from improvement.ledger import in_force, last_step, rows_of, undoing, without
from improvement.material import Desk, Material, gather
from improvement.parameters import ParameterSet
from improvement.remembering import memory_from_json
from improvement.report import improvement_page, improvement_report
from improvement.settings import ImprovementSettings
from improvement.steps import STEPS, Outcome
from observability import SIMULATED, TradingHistory
from records.rows import ExperimentDayRow, ImprovementStep, ImprovementStepRow, ParameterChangeRow
from records.tables import json_text
from reporting.page import write_page
from self_evaluation import DailyInsights, PerformanceAnalyzer, SessionFacts
from utils import read_json, write_json_atomically

BASE_KEY, FROZEN_KEY = "improvement.base", "improvement.frozen"  # of `meta`
LAST_DAY = "9999-12-31"
REGIME_SESSIONS = 6  # of minutes: what the intraday rule looks back upon, and one


class MarketRegimeDetector:
    """The regime of one series, an index or `evidence.regime.watchlist_index`, by days and within the session.

    Both readings are None while too little is known. A reading follows from the closes before it alone.
    Usage: `learn` past daily closes once; each session `begin_session`, `minute` for each completed minute, `day` at
    the close.
    """

    def __init__(self, daily: RegimeRule = DAILY, intraday: RegimeRule = INTRADAY) -> None:
        self._daily = RegimeTracker(daily)
        self._intraday = RegimeTracker(intraday)

    @property
    def intraday_reading(self) -> RegimeReading | None:
        """The regime after the last minute that was told."""
        return self._intraday.reading

    def learn(self, daily_closes: Iterable[float]) -> RegimeReading | None:
        """Take past daily closes in the order of time. Raises ValueError for what is no price."""
        for close in daily_closes:
            self._daily.observe(close)
        return self._daily.reading

    def begin_session(self) -> None:
        """The gap over night is no return of a minute."""
        self._intraday.begin_session()

    def minute(self, close: float) -> RegimeReading | None:
        """Take the close of a completed minute bar. Raises ValueError for what is no price."""
        return self._intraday.observe(close)

    def minutes(self, closes: Sequence[float]) -> RegimeReading | None:
        """Take the closes of a whole session."""
        self.begin_session()
        for close in closes:
            self._intraday.observe(close)
        return self._intraday.reading

    def day(self, close: float) -> RegimeReading | None:
        """Take a session's close, once it is known. Raises ValueError for what is no price."""
        return self._daily.observe(close)


class AdaptiveParameters:
    """The parameters in force: those of `.env` with every applied change on record, and the ways back.

    What is said here takes effect when the next session begins. Each method raises RecordsFailed when the database
    cannot be read or written.
    """

    def __init__(self, history: TradingHistory, base: ParameterSet) -> None:
        self.base = base
        self._history = history

    def present(self) -> ParameterSet:
        """What is in force now."""
        return in_force(self.base, self.changes())

    def changes(self) -> list[ParameterChangeRow]:
        """All changes on record, applied or not, in their order."""
        return self._history.parameter_changes(LAST_DAY)

    def notice_base(self, session_date: str, now: datetime) -> tuple[str, ...]:
        """What `.env` says now and did not say before wins over what was learned; told in words, on record."""
        said = self._history.meta(BASE_KEY)
        before = self.base if said is None else ParameterSet(**json.loads(said))
        present = self.present()
        moved = self.base.differences(before)
        rows: list[ParameterChangeRow] = []
        words = []
        for name, (new, old) in moved.items():
            reason = f".env says {_in_words(new)} for {name} now, it said {_in_words(old)}"
            after = present.with_values({name: new})
            rows += rows_of(
                present, after, source="manual", reason=reason, evidence={}, session_date=session_date, now=now
            )
            present = after
            words.append(f"{reason}: that is in force from now on")
        if moved or said is None:
            self._history.commit_improvement(changes=rows, meta={BASE_KEY: json_text(self.base.values())})
        return tuple(words)

    def roll_back(self, session_date: str, now: datetime, *, everything: bool = False) -> list[ParameterChangeRow]:
        """Take the newest change back, or every change since `.env`; the rows that do it, none when nothing stands."""
        present, changes = self.present(), self.changes()
        step = [] if everything else last_step(present, changes)
        target = self.base if everything else without(present, step)
        rows = rows_of(
            present,
            target,
            source="rollback",
            reason="back to .env by hand" if everything else "taken back by hand",
            evidence=undoing(step),
            session_date=session_date,
            now=now,
        )
        if rows:
            self._history.commit_improvement(changes=rows)
        return rows

    @property
    def frozen(self) -> str:
        """Why nothing may change, or empty."""
        return self._history.meta(FROZEN_KEY) or ""

    def freeze(self, why: str) -> None:
        """Nothing changes from now on; an empty `why` lets changes happen again."""
        self._history.commit_improvement(meta={FROZEN_KEY: why})


class StrategyExperiment:
    """Two variants that sessions alternate between, and their comparison on the same sessions, as of the last close."""

    def __init__(self, history: TradingHistory, present: ParameterSet) -> None:
        self._history = history
        last = history.latest_step("plan", LAST_DAY)
        self.memory = (Memory() if last is None else memory_from_json(last.detail["memory"])).knowing(present)

    @property
    def running(self) -> Experiment | None:
        """The experiment that the next session belongs to, if there is one."""
        return self.memory.experiment

    def next_variant(self) -> str:
        """The variant of the next session."""
        return BASELINE if self.running is None else self.running.variant_after(self.memory.sessions)

    def status(self) -> Mapping[str, Any]:
        """n, effect, interval and days still needed, as the last cycle found them; empty while nothing is judged."""
        last = self._history.latest_step("experiment", LAST_DAY)
        if self.running is None or last is None or last.detail["running"] != self.running.name:
            return {}
        standing: Mapping[str, Any] = last.detail["standing"]
        return standing

    def days(self) -> list[ExperimentDayRow]:
        """Each session of the running experiment under each variant, replayed."""
        return [] if self.running is None else self._history.experiment_days(self.running.name)


class ImprovementCycle:
    """Six steps after a close: analyse, insights, regime, suggestions, experiment, plan; then the report.

    Each step is one transaction with all that it changes, so that a program that dies continues with the next one when
    it starts again. The same database and the same bars give the same report. `run` raises what the steps raise; who
    calls it sees to it that trading is not touched. Not for the trading loop: it takes seconds.
    """

    def __init__(
        self,
        history: TradingHistory,
        parameters: AdaptiveParameters,
        desk: Desk,
        settings: ImprovementSettings,
        reports: Path,
    ) -> None:
        self._history = history
        self.parameters = parameters
        self._desk = desk
        self._settings = settings
        self._reports = reports

    def begin_session(self, session_date: str, now: datetime) -> Assignment:
        """What a session trades with: the set in force, or the variant whose turn it is."""
        notes = self.parameters.notice_base(session_date, now)
        present = self.parameters.present()
        experiment = StrategyExperiment(self._history, present)
        if experiment.running is None or self._frozen() or not self._experiments:
            return Assignment(parameters=present, variant=BASELINE, notes=notes)
        variant = experiment.next_variant()
        return Assignment(parameters=experiment.running.set_of(variant), variant=variant, notes=notes)

    def unfinished(self, before: str) -> str | None:
        """The last session before the date `before` whose cycle or report is not done; None without one."""
        plans = self._history.session_plans(_weeks_before(before), _day_before(before))
        if not plans:
            return None
        last = plans[-1].session_date
        is_done = "plan" in self._history.improvement_steps(last) and self._page(last).exists()
        return None if is_done else last

    def run(self, session_date: str, now: datetime) -> Path | None:
        """Do the steps that are not done yet and write the report; its path. None when the session was not recorded.

        Raises RecordsFailed, Misconfigured, OSError when database, bars or report cannot be read or written.
        """
        material = gather(self._history, self._desk, session_date)
        if material is None:
            return None
        if session_date not in material.metrics:
            self._measure(material, now)
            material = gather(self._history, self._desk, session_date) or material
        done = self._history.improvement_steps(session_date)
        decision: Decision | None = None
        for step in STEPS:
            if step in done:
                continue
            if step in ("suggestions", "experiment", "plan") and decision is None:
                decision = self._decide(material, steps.regime_of(done["regime"].detail))
            outcome = self._outcome(step, material, decision, now)
            row = ImprovementStepRow(session_date=session_date, step=step, timestamp=now, detail=outcome.detail)
            self._history.commit_improvement(row, changes=outcome.changes, experiment_days=outcome.experiment_days)
            done[step] = row
        return self._tell(session_date)

    def _outcome(self, step: ImprovementStep, material: Material, decision: Decision | None, now: datetime) -> Outcome:
        match step:
            case "analyse":
                return steps.analyse(material)
            case "insights":
                return steps.insights(material)
            case "regime":
                return steps.regime(_regime(material))
        assert decision is not None
        if step == "suggestions":
            return steps.suggestions(decision)
        if step == "experiment":
            return steps.experiment(material, decision)
        return steps.plan(material, decision, self.parameters.changes(), now, self._frozen())

    def _decide(self, material: Material, regime: Regime | None) -> Decision:
        present = self.parameters.present()
        return decide(
            material.memory,
            session_date=material.session_date,
            present=present,
            suggestions=material.suggestions,
            regime=regime,
            replays=material.replays,
            live_bps=material.live_bps(present),
            equal_share_pct=material.equal_share_pct,
            frozen=self._frozen(),
            experiments=self._experiments,
        )

    @property
    def _experiments(self) -> bool:
        return self._settings.improvement_experiments == "alternate"

    def _frozen(self) -> str:
        observes = "IMPROVEMENT_MODE=observe" if self._settings.improvement_mode == "observe" else ""
        return observes or self.parameters.frozen

    def _measure(self, material: Material, now: datetime) -> None:
        """Measure and explain a session whose program died before it did, from what is on record."""
        session = self._desk.calendar.session_on(date.fromisoformat(material.session_date))
        if session is None:
            return
        analyzer = PerformanceAnalyzer(self._history)
        trips = analyzer.trips(material.session_date, material.session_date)
        plan = material.plan
        facts = SessionFacts(
            session_date=session.date,
            length_s=(session.close - session.open).total_seconds(),
            equity_at_open_usd=plan.equity_usd,
            capital_usd=plan.equity_usd * plan.allocation,
            max_drawdown_usd=min(0.0, *accumulate((trip.pnl_usd for trip in trips), initial=0.0)),
            parameters=material.traded.numbers(material.equal_share_pct),
            judgements={},
        )
        DailyInsights(self._history, analyzer).by_rules(facts, analyzer.evaluate(facts), {}, now)

    def _tell(self, session_date: str) -> Path:
        """Write the report from what is on record, as JSON and as a page; the path of the page."""
        report = improvement_report(session_date, self._history.improvement_steps(session_date))
        page = self._page(session_date)
        write_json_atomically(page.with_suffix(".json"), report)
        write_page(page, improvement_page(report))
        return page

    def _page(self, session_date: str) -> Path:
        """Where a session's page is; a simulated session never takes the place of a real one of the same date."""
        page = self._reports / f"improvement_report_{session_date}.html"
        told = page.with_suffix(".json")
        if self._history.mode == SIMULATED and told.exists() and read_json(told).get("mode") != SIMULATED:
            return page.with_stem(f"{page.stem}_{SIMULATED}")
        return page


def _regime(material: Material) -> RegimeReading | None:
    """The regime by minutes after the session, of the watchlist's mean."""
    detector = MarketRegimeDetector()
    for closes in material.replays.indexes(REGIME_SESSIONS):
        detector.minutes(closes.tolist())
    return detector.intraday_reading


def _weeks_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=28)).isoformat()


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def _in_words(value: float | None) -> str:
    return "an equal share" if value is None else f"{value:g}"
