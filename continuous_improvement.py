"""The improvement cycle: what kind of market it is, what may change, what is tried, and the six steps after a close.

`MarketRegimeDetector`, `AdaptiveParameters`, `StrategyExperiment` and `ImprovementCycle` are the faces; what they are
made of is in `improvement/`. `python continuous_improvement.py` shows what was changed and why, and takes it back.
"""

from __future__ import annotations

if __name__ == "__main__":
    import sys

    from improvement.__main__ import main

    sys.exit(main())

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from evidence.experiments import Standing
from evidence.regime import DAILY, INTRADAY, RegimeReading, RegimeRule, RegimeTracker
from improvement import steps
from improvement.deciding import Decision, decide
from improvement.decision import Memory
from improvement.experiment import BASELINE, Experiment
from improvement.ledger import UNDOES, in_force, last_step, rows_of
from improvement.material import Desk, Material, gather
from improvement.page import improvement_page
from improvement.parameters import ParameterSet
from improvement.remembering import memory_from_json
from improvement.report import improvement_report
from improvement.settings import ImprovementSettings
from improvement.steps import STEPS, Outcome
from observability import TradingHistory
from records.rows import ImprovementStep, ImprovementStepRow, ParameterChangeRow
from records.tables import json_text
from utils import write_json_atomically, write_text_atomically

log = logging.getLogger(__name__)

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
    def daily_reading(self) -> RegimeReading | None:
        """The regime after the last close that was told."""
        return self._daily.reading

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
        before = self.base if said is None else ParameterSet(**_json(said))
        present = self.present()
        moved = self.base.differences(before)
        rows: list[ParameterChangeRow] = []
        words = []
        for name, (new, old) in moved.items():
            reason = f".env says {_said(new)} for {name} now, it said {_said(old)}"
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
        undone = last_step(changes)
        target = present.with_values({row.parameter: row.old_value for row in undone})  # type: ignore[misc]  # numbers
        evidence: dict[str, object] = {UNDOES: undone[0].timestamp.isoformat()} if undone else {}
        reason = "taken back by hand"
        if everything:
            target, evidence, reason = self.base, {UNDOES: "everything"}, "back to .env by hand"
        rows = rows_of(
            present, target, source="rollback", reason=reason, evidence=evidence, session_date=session_date, now=now
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
