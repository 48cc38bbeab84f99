"""What is done about findings: the next step for each, judged at the next check, escalated when it does not help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from health.findings import THRESHOLDS, Action, Finding, Measure, Severity

TRIES = 3  # of one action before the next one is tried
PATIENCE_S = 30.0  # an action is given this long before it is judged
RELAPSE_S = 180.0  # what comes back so soon was not healed: its treatment goes on where it was
IN_FORCE = frozenset({Action.PAUSE_ENTRIES, Action.REPORT})  # done once, there is nothing to try again

Key = tuple[Measure, str]  # measure and subject


class Treatment(NamedTuple):
    """A finding under treatment: the rung of its ladder, how often that was tried and when last.

    Once it is gone, `gone_s` says since when; a relapse finds the treatment there.
    """

    finding: Finding
    rung: int
    tries: int
    tried_s: float
    gone_s: float | None = None

    @property
    def action(self) -> Action:
        """What was tried last."""
        return self._ladder[self.rung]

    @property
    def pauses(self) -> bool:
        """Whether there are no entries because of it."""
        if self.gone_s is not None:
            return False
        critical = self.finding.severity is Severity.CRITICAL
        return self.action is Action.PAUSE_ENTRIES or (critical and THRESHOLDS[self.finding.measure].pauses)

    @property
    def sheds(self) -> bool:
        """Whether optional work is shed because of it, whatever else is tried meanwhile."""
        return self.gone_s is None and Action.SHED_OPTIONAL_WORK in self._ladder[: self.rung + 1]

    @property
    def is_last(self) -> bool:
        """Whether there is nothing else to try."""
        return self.rung + 1 == len(self._ladder)

    @property
    def is_in_force(self) -> bool:
        """Whether there is nothing left to do but to wait until it is over."""
        return self.is_last and self.action in IN_FORCE and self.gone_s is None

    @property
    def _ladder(self) -> tuple[Action, ...]:
        return THRESHOLDS[self.finding.measure].ladder

    def next_try(self, finding: Finding, now_s: float) -> Treatment:
        """The same action again, or the next one after `TRIES` of them."""
        if self.tries < TRIES or self.is_last:
            return Treatment(finding, self.rung, self.tries + 1, now_s)
        return Treatment(finding, self.rung + 1, 1, now_s)


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
        if self.healed and self.action in IN_FORCE:
            return f"{name}: over"
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


def treat(
    findings: Iterable[Finding],
    before: Mapping[Key, Treatment],
    now_s: float,
    unknown: frozenset[Measure] = frozenset(),
) -> Plan:
    """Judge what was tried and choose what to try now.

    A finding that is gone was healed. One that is still there after `PATIENCE_S`, or back within `RELAPSE_S`, was not:
    the same action is tried again, and after `TRIES` failures the next one of its ladder. The last one is repeated for
    as long as it takes. Treatments of what is `unknown` now stay as they are.
    """
    treatments = {key: known for key, known in before.items() if known.finding.measure in unknown}
    steps: list[Step] = []
    verdicts: list[Verdict] = []
    for finding in findings:
        key = finding.measure, finding.subject
        known = before.get(key)
        if known is None:
            now = Treatment(finding, 0, 1, now_s)
        elif known.gone_s is None and (now_s - known.tried_s < PATIENCE_S or known.is_in_force):
            treatments[key] = known._replace(finding=finding)
            continue
        else:
            now = known.next_try(finding, now_s)
            verdicts.append(Verdict(finding, known.action, known.tries, healed=False))
        treatments[key] = now
        steps.append(Step(now.action, finding, now.tries))
    for key, gone in before.items():
        if key in treatments:
            continue
        if gone.gone_s is None:
            verdicts.append(Verdict(gone.finding, gone.action, gone.tries, healed=True))
            treatments[key] = gone._replace(gone_s=now_s)
        elif now_s - gone.gone_s < RELAPSE_S:
            treatments[key] = gone
    pausing = [treatment.finding.words for treatment in treatments.values() if treatment.pauses]
    sheds = any(treatment.sheds for treatment in treatments.values())
    return Plan(treatments, tuple(steps), tuple(verdicts), "; ".join(pausing), sheds)
