"""What was measured, and what of it is a finding: one table of thresholds, and one pure function over it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Severity(IntEnum):
    """How bad a finding is; the worst one is the status of a sample."""

    NORMAL = 0
    WARNING = 1
    CRITICAL = 2


class Measure(StrEnum):
    """What is watched."""

    CONNECTION = "connection"
    SERVERS = "servers"
    FEED_AGE = "feed_age"
    DATA_AGE = "data_age"
    BARS_MISSING = "bars_missing"
    UNPROTECTED = "unprotected"
    CLOCK_DRIFT = "clock_drift"
    TRADING_LOOP = "trading_loop"
    LOOP_LAG = "loop_lag"
    DATABASE = "database"
    DATABASE_QUEUE = "database_queue"
    WORKER_QUEUE = "worker_queue"
    WORKER_STUCK = "worker_stuck"
    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"


class Action(StrEnum):
    """What the program can do about a finding."""

    RESUBSCRIBE = "resubscribe"  # ask again for quotes and bars
    RECONCILE = "reconcile"  # read the broker's truth, and place the exits that are missing
    RECONNECT = "reconnect"  # a new connection, its subscriptions and a reconciliation
    RESTART_WORKER = "restart_worker"  # new threads in place of those that hang
    SHED_OPTIONAL_WORK = "shed_optional_work"  # nothing is written or kept that trading can do without
    PAUSE_ENTRIES = "pause_entries"  # no entries until it is over; exits go on
    REPORT = "report"  # nothing the program could repair: the user must know


class Reading(NamedTuple):
    """One measured value, of one `subject` (a symbol, a pool) where there are several."""

    measure: Measure
    value: float
    subject: str = ""


class Vitals(NamedTuple):
    """What could be measured, and what could not: of the latter nothing is known, neither well nor ill."""

    readings: tuple[Reading, ...]
    unknown: frozenset[Measure] = frozenset()


class Threshold(NamedTuple):
    """From which value on a reading is a finding, and what is tried then, first to last.

    `is_floor`: the value must not fall below; otherwise it must not reach. `of_machine`: depends on the machine and
    its load, so it is never judged in simulated time. `pauses`: while it is critical there are no entries, whatever
    else is tried. `words` say it, with `value` and `subject`.
    """

    warning: float
    critical: float
    ladder: tuple[Action, ...]
    words: str
    unit: str
    is_floor: bool = False
    of_machine: bool = False
    pauses: bool = False


NEVER = math.inf

THRESHOLDS: dict[Measure, Threshold] = {
    Measure.CONNECTION: Threshold(
        *(0, 60, (Action.RECONNECT, Action.PAUSE_ENTRIES)),
        words="no connection for {value:.0f} s",
        unit="s",
        pauses=True,
    ),
    Measure.SERVERS: Threshold(
        *(0, 60, (Action.PAUSE_ENTRIES,)),
        words="the gateway has been without IBKR's servers for {value:.0f} s",
        unit="s",
        pauses=True,
    ),
    Measure.FEED_AGE: Threshold(
        *(90, 300, (Action.RESUBSCRIBE, Action.RECONNECT, Action.PAUSE_ENTRIES)),
        words="no tick of any symbol for {value:.0f} s",
        unit="s",
        pauses=True,
    ),
    Measure.DATA_AGE: Threshold(
        *(90, NEVER, (Action.RESUBSCRIBE,)),  # a quiet stock is none of our doing, and is not bought on an old quote
        words="{subject}: the last tick is {value:.0f} s old",
        unit="s",
    ),
    Measure.BARS_MISSING: Threshold(
        *(1, NEVER, (Action.RESUBSCRIBE,)), words="{subject}: no minute bars from the gateway yet", unit=""
    ),
    Measure.UNPROTECTED: Threshold(
        *(10, 30, (Action.RECONCILE, Action.RECONNECT, Action.PAUSE_ENTRIES)),
        words="{subject}: shares without a live stop for {value:.0f} s",
        unit="s",
        pauses=True,
    ),
    Measure.CLOCK_DRIFT: Threshold(
        *(2, 5, (Action.REPORT,)),
        words="this machine's clock and the gateway's differ by {value:.1f} s",
        unit="s",
        pauses=True,
    ),
    Measure.TRADING_LOOP: Threshold(
        *(30, 60, (Action.REPORT,)),
        words="an instant of the trading loop is {value:.0f} s overdue",
        unit="s",
        pauses=True,
    ),
    Measure.LOOP_LAG: Threshold(
        *(250, 1_000, (Action.SHED_OPTIONAL_WORK, Action.REPORT)),
        words="the event loop was {value:.0f} ms late",
        unit="ms",
    ),
    Measure.DATABASE: Threshold(*(1, 1, (Action.PAUSE_ENTRIES,)), words="{subject}", unit="", pauses=True),
    Measure.DATABASE_QUEUE: Threshold(
        *(2_000, 20_000, (Action.SHED_OPTIONAL_WORK, Action.PAUSE_ENTRIES)),
        words="{value:.0f} rows wait to be written",
        unit="rows",
        of_machine=True,
        pauses=True,
    ),
    Measure.WORKER_QUEUE: Threshold(
        *(200, NEVER, (Action.SHED_OPTIONAL_WORK, Action.REPORT)),
        words="{value:.0f} jobs wait for a {subject} worker",
        unit="jobs",
        of_machine=True,
    ),
    Measure.WORKER_STUCK: Threshold(
        *(60, 300, (Action.RESTART_WORKER, Action.REPORT)),
        words="a {subject} worker has been busy with one job for {value:.0f} s",
        unit="s",
        of_machine=True,
    ),
    Measure.CPU: Threshold(
        *(95, NEVER, (Action.SHED_OPTIONAL_WORK, Action.REPORT)),
        words="the program takes {value:.0f} % of a core",
        unit="% of a core",
        of_machine=True,
    ),
    Measure.MEMORY: Threshold(
        *(85, 95, (Action.SHED_OPTIONAL_WORK, Action.PAUSE_ENTRIES)),
        words="{value:.0f} % of the machine's memory is in use",
        unit="%",
        of_machine=True,
        pauses=True,
    ),
    Measure.DISK: Threshold(
        *(1_024, 128, (Action.SHED_OPTIONAL_WORK, Action.PAUSE_ENTRIES)),
        words="{value:.0f} MB of disk left beside the database",
        unit="MB",
        is_floor=True,
        of_machine=True,
        pauses=True,
    ),
}


class Finding(NamedTuple):
    """A reading that passed a threshold."""

    measure: Measure
    subject: str
    severity: Severity
    value: float

    @property
    def words(self) -> str:
        """What was found, as a sentence without its full stop."""
        return THRESHOLDS[self.measure].words.format(value=self.value, subject=self.subject)


def severity_of(measure: Measure, value: float) -> Severity:
    """What the table says of one value."""
    threshold = THRESHOLDS[measure]
    sign = -1 if threshold.is_floor else 1
    if sign * value >= sign * threshold.critical:
        return Severity.CRITICAL
    return Severity.WARNING if sign * value >= sign * threshold.warning else Severity.NORMAL


def examine(readings: Iterable[Reading], *, judges_machine: bool) -> tuple[Finding, ...]:
    """The findings in the readings, in their order. Without `judges_machine` what depends on it is left alone.

    When no symbol ticks, the single symbols' ages are part of that and no findings of their own.
    """
    found = [
        Finding(reading.measure, reading.subject, severity, reading.value)
        for reading in readings
        if (severity := severity_of(reading.measure, reading.value)) is not Severity.NORMAL
        and (judges_machine or not THRESHOLDS[reading.measure].of_machine)
    ]
    if any(finding.measure is Measure.FEED_AGE for finding in found):
        found = [finding for finding in found if finding.measure is not Measure.DATA_AGE]
    return tuple(found)


def worst(findings: Iterable[Finding]) -> Severity:
    """The status of a sample with these findings."""
    return max((finding.severity for finding in findings), default=Severity.NORMAL)
