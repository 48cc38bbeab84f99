"""What follows from the verdicts: at most one change a session, at most one experiment, always a way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evidence.experiments import Standing
from evidence.experiments import Verdict as Conclusion
from evidence.plain import plain
from improvement.experiment import BASELINE, Experiment
from improvement.gate import WINDOW, Judged, Replays, Verdict
from improvement.parameters import ParameterSet
from improvement.probation import Probation, Watch, usual_gap_bps


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What one session's decision hands on to the next.

    `sessions` counts those decided on. `trials` are all pairs of sets ever compared, `barred` candidates that failed
    with the number of the session until which they are not tried again.
    """

    sessions: int = 0
    trials: frozenset[str] = frozenset()
    barred: Mapping[str, int] = field(default_factory=dict)  # candidate -> first session number it may come back at
    slot_free_at: int = 0  # first session number at which an experiment may begin
    probation: Probation | None = None
    experiment: Experiment | None = None

    def bars(self, candidate: ParameterSet) -> bool:
        """Whether a candidate failed too recently."""
        return self.barred.get(str(candidate), 0) > self.sessions

    def knowing(self, present: ParameterSet) -> Memory:
        """The same, when the set in force is `present`: what was meant for another one is over.

        A change that somebody took back by hand meanwhile is left alone like one that failed.
        """
        known = self
        if self.experiment is not None and self.experiment.baseline != present:
            known = replace(known, experiment=None)
        if self.probation is not None and self.probation.after != present:
            known = replace(_barring(known, self.probation.after), probation=None)
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A step from one set to another, with its grounds. `source` is one of `parameter_changes`."""

    old: ParameterSet
    new: ParameterSet
    source: str
    reason: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSession:
    """What the next session trades with: `parameters` under the name `variant`; `change` says what is new, if anything.

    `notes` tell in words what was decided beside that.
    """

    change: Change | None
    present: ParameterSet
    parameters: ParameterSet
    variant: str
    notes: tuple[str, ...]
    memory: Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that is known after a session. `standing` is of the running experiment, `watched` of the last change.

    `live_bps` is session -> live result under the set in force; `frozen` says why nothing may change, or is empty;
    `experiments` whether sessions may alternate.
    """

    session_date: str
    present: ParameterSet
    judged: Sequence[Judged]
    standing: Standing | None
    watched: Watch | None
    replays: Replays
    live_bps: Mapping[str, float]
    frozen: str = ""
    experiments: bool = True


def plan_next(memory: Memory, found: Findings) -> NextSession:
    """Decide. A broken promise comes first, then a decided experiment, then the gate, then a new experiment."""
    memory = _counted(memory, found)
    if found.frozen:
        return _unchanged(replace(memory, experiment=None), found, (f"frozen: {found.frozen}",))
    if found.watched is not None and found.watched.is_broken and memory.probation is not None:
        return _rolled_back(memory, memory.probation, found.watched, found)
    experiment = memory.experiment
    if experiment is not None and found.standing is not None and found.standing.is_over:
        if found.standing.verdict is Conclusion.BETTER and _is_sound(experiment.candidate, found.judged):
            return _adopted(memory, experiment, found.standing, found)
        memory = _concluded(memory, experiment)
    best = max((each for each in found.judged if each.may_be_applied), key=_lower_end, default=None)
    if best is not None and not memory.bars(best.candidate.parameters):
        return _applied(memory, best, found)
    return _with_experiment(memory, found)


def _counted(memory: Memory, found: Findings) -> Memory:
    """With this session and its trials counted, and a probation that was survived forgotten."""
    tried = {f"{found.present} > {each.candidate.parameters}" for each in found.judged}
    sessions = memory.sessions + 1
    probation = memory.probation
    if probation is not None and sessions - probation.changed_at > WINDOW:
        probation = None
    barred = {key: until for key, until in memory.barred.items() if until > sessions}
    return replace(memory, sessions=sessions, trials=memory.trials | tried, barred=barred, probation=probation)


def _rolled_back(memory: Memory, probation: Probation, watched: Watch, found: Findings) -> NextSession:
    reason = (
        f"live results were {watched.advantage_bps:+.2f} bps a session against the set before, over "
        f"{watched.sessions} sessions; {watched.promised_bps:+.2f} bps were promised"
    )
    change = Change(
        old=found.present, new=probation.before, source="rollback", reason=reason, evidence=plain({"watch": watched})
    )
    return _changed(_barring(memory, probation.after), change, None, found)


def _adopted(memory: Memory, experiment: Experiment, standing: Standing, found: Findings) -> NextSession:
    assert standing.interval_bps is not None
    reason = (
        f"experiment {experiment.name}: {standing.effect_bps:+.2f} bps a session over {standing.days} sessions, "
        f"at least {standing.interval_bps.low:+.2f}"
    )
    evidence = plain({"registration": experiment.registration, "standing": standing})
    change = Change(old=found.present, new=experiment.candidate, source="experiment", reason=reason, evidence=evidence)
    return _changed(memory, change, standing.interval_bps.low, found)


def _applied(memory: Memory, best: Judged, found: Findings) -> NextSession:
    assert best.interval_bps is not None
    reason = (
        f"{'; '.join(best.candidate.reasons)}: {best.effect_bps:+.2f} bps a session in replay of {best.sessions} "
        f"sessions, at least {best.interval_bps.low:+.2f} after {best.trials} trials"
    )
    new = best.candidate.parameters
    change = Change(
        old=found.present, new=new, source=best.candidate.source, reason=reason, evidence=plain({"gate": best})
    )
    return _changed(memory, change, best.interval_bps.low, found)


def _changed(memory: Memory, change: Change, promised_bps: float | None, found: Findings) -> NextSession:
    """The next session under another set; without a promise nothing is watched."""
    probation = None
    if promised_bps is not None:
        probation = Probation(
            before=change.old,
            after=change.new,
            promised_bps=promised_bps,
            usual_gap_bps=usual_gap_bps(change.old, found.replays, found.live_bps),
            changed_on=found.session_date,
            changed_at=memory.sessions,
        )
    return NextSession(
        change=change,
        present=change.new,
        parameters=change.new,
        variant=BASELINE,
        notes=(),
        memory=replace(memory, probation=probation, experiment=None),
    )


def _with_experiment(memory: Memory, found: Findings) -> NextSession:
    """The next session under the set in force or its rival."""
    if not found.experiments:
        return _unchanged(replace(memory, experiment=None), found, ())
    experiment, notes = memory.experiment, tuple[str, ...]()
    if experiment is None and memory.sessions >= memory.slot_free_at:
        experiment = _new_experiment(memory, found)
        if experiment is not None:
            notes = (f"experiment {experiment.name} begins: up to {WINDOW} sessions",)
            memory = replace(memory, experiment=experiment, slot_free_at=memory.sessions + WINDOW)
    if experiment is None:
        return _unchanged(memory, found, notes)
    variant = experiment.variant_after(memory.sessions)
    return replace(_unchanged(memory, found, notes), parameters=experiment.set_of(variant), variant=variant)


def _new_experiment(memory: Memory, found: Findings) -> Experiment | None:
    """The candidate whose advantage is the least likely to be luck."""
    fit = [each for each in found.judged if each.may_be_tried and not memory.bars(each.candidate.parameters)]
    best = max(fit, key=lambda each: each.deflated or 0.0, default=None)
    if best is None:
        return None
    return Experiment(
        baseline=found.present,
        candidate=best.candidate.parameters,
        reasons=best.candidate.reasons,
        registered_on=found.session_date,
        registered_at=memory.sessions,
    )


def _unchanged(memory: Memory, found: Findings, notes: tuple[str, ...]) -> NextSession:
    return NextSession(
        change=None, present=found.present, parameters=found.present, variant=BASELINE, notes=notes, memory=memory
    )


def _concluded(memory: Memory, experiment: Experiment) -> Memory:
    """Over without adoption: its candidate is left alone for a while."""
    return _barring(replace(memory, experiment=None), experiment.candidate)


def _barring(memory: Memory, candidate: ParameterSet) -> Memory:
    return replace(memory, barred={**memory.barred, str(candidate): memory.sessions + WINDOW})


def _is_sound(candidate: ParameterSet, judged: Sequence[Judged]) -> bool:
    """Whether the gate has nothing against it today: costs doubled, drawdown, the last sessions."""
    fit = (Verdict.BETTER, Verdict.PROMISING)
    return any(each.candidate.parameters == candidate and each.verdict in fit for each in judged)


def _lower_end(judged: Judged) -> float:
    return judged.interval_bps.low if judged.interval_bps is not None else float("-inf")
