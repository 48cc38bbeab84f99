"""`HealthMonitor`: samples, has the rules decide, acts, records, and judges what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

from health.findings import Action, Finding, Measure, Reading, Severity, Vitals, examine, worst
from health.machine import Machine
from health.treatment import NOTHING_WRONG, Plan, Step, treat
from market_hours import Clock
from records.rows import HealthRow, HealthStatus
from utils import TradingError

log = logging.getLogger(__name__)

STATUS: dict[Severity, HealthStatus] = {
    Severity.NORMAL: "normal",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "critical",
}
BEFORE_THE_TICK = timedelta(milliseconds=250)  # agents act at half seconds: what a check decides holds for them


class HealthLog(Protocol):
    """Where checks are put on record; `observability.TradingHistory` is one."""

    def record_health(self, health: HealthRow) -> None:
        """Returns at once."""


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
        history: HealthLog,
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
