"""What is done about findings: the next step for each, judged at the next check, escalated when it does not help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from health.findings import THRESHOLDS, Action, Finding, Measure, Severity

TRIES = 3  # of one action before the next one is tried
PATIENCE_S = 30.0  # an action is given this long before it is judged
IN_FORCE = frozenset({Action.PAUSE_ENTRIES, Action.REPORT})  # done once, there is nothing to try again

Key = tuple[Measure, str]  # measure and subject


class Treatment(NamedTuple):
    """A finding under treatment: the rung of its ladder, how often that was tried and when last."""

    finding: Finding
    rung: int
    tries: int
    tried_s: float

    @property
    def action(self) -> Action:
        """What was tried last."""
        return THRESHOLDS[self.finding.measure].ladder[self.rung]

    @property
    def pauses(self) -> bool:
        """Whether there are no entries because of it."""
        critical = self.finding.severity is Severity.CRITICAL
        return self.action is Action.PAUSE_ENTRIES or (critical and THRESHOLDS[self.finding.measure].pauses)


class Step(NamedTuple):
    """An action to carry out now: the `number`-th try of it."""

    action: Action
    finding: Finding
    number: int


class Verdict(NamedTuple):
    """Whether the action that was tried last helped."""

    finding: Finding
    action: Action
    number: int
    healed: bool

    @property
    def words(self) -> str:
        """As the record says it: `data_age AAA: healed by resubscribe (try 2)`."""
        name = " ".join(filter(None, self.finding[:2]))
        outcome = "healed by" if self.healed else "not healed by"
        return f"{name}: {outcome} {self.action} (try {self.number})"


class Plan(NamedTuple):
    """The outcome of one check. `pause` says why there are no entries, empty when nothing forbids them."""

    treatments: Mapping[Key, Treatment]
    steps: tuple[Step, ...]
    verdicts: tuple[Verdict, ...]
    pause: str
    sheds: bool


NOTHING_WRONG = Plan({}, (), (), "", False)


def treat(findings: Iterable[Finding], before: Mapping[Key, Treatment], now_s: float) -> Plan:
    """Judge what was tried and choose what to try now.

    A finding that is gone was healed. One that is still there after `PATIENCE_S` was not: the same action is tried
    again, and after `TRIES` failures the next one of its ladder. The last one is repeated for as long as it takes.
    """
    treatments: dict[Key, Treatment] = {}
    steps: list[Step] = []
    verdicts: list[Verdict] = []
    for finding in findings:
        key = finding.measure, finding.subject
        known = before.get(key)
        if known is None:
            now = Treatment(finding, 0, 1, now_s)
        elif now_s - known.tried_s < PATIENCE_S or _is_last_resort(known):
            now = known._replace(finding=finding)
        else:
            verdicts.append(Verdict(finding, known.action, known.tries, healed=False))
            now = _next_try(known, finding, now_s)
        treatments[key] = now
        if known is None or (now.tried_s != known.tried_s):
            steps.append(Step(now.action, finding, now.tries))
    verdicts += [
        Verdict(gone.finding, gone.action, gone.tries, healed=True)
        for key, gone in before.items()
        if key not in treatments
    ]
    pausing = [treatment.finding.words for treatment in treatments.values() if treatment.pauses]
    sheds = any(_sheds(treatment) for treatment in treatments.values())
    return Plan(treatments, tuple(steps), tuple(verdicts), "; ".join(pausing), sheds)


def _next_try(known: Treatment, finding: Finding, now_s: float) -> Treatment:
    if known.tries < TRIES or _is_last(known):
        return Treatment(finding, known.rung, known.tries + 1, now_s)
    return Treatment(finding, known.rung + 1, 1, now_s)


def _is_last(treatment: Treatment) -> bool:
    return treatment.rung + 1 == len(THRESHOLDS[treatment.finding.measure].ladder)


def _is_last_resort(treatment: Treatment) -> bool:
    """Whether all that is left is in force already, until the finding is over."""
    return treatment.action in IN_FORCE and _is_last(treatment)


def _sheds(treatment: Treatment) -> bool:
    """Work that was shed stays shed until the finding is over, whatever else is tried meanwhile."""
    ladder = THRESHOLDS[treatment.finding.measure].ladder
    return Action.SHED_OPTIONAL_WORK in ladder[: treatment.rung + 1]
