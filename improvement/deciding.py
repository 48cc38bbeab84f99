"""One session decided, from what is remembered to what the next one trades with: pure, without the daemon.

The cycle does the same in steps that it puts on record one by one; research drives it over years of sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evidence.experiments import Standing
from evidence.regime import Regime
from evidence.suggestions import Suggestion
from improvement.candidates import candidates
from improvement.decision import Findings, Memory, NextSession, plan_next
from improvement.gate import Judged, Replays, gate
from improvement.parameters import ParameterSet
from improvement.probation import Watch, watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Every verdict of a session and what follows."""

    judged: tuple[Judged, ...]
    standing: Standing | None
    watched: Watch | None
    next: NextSession


def decide(
    memory: Memory,
    *,
    session_date: str,
    present: ParameterSet,
    suggestions: Sequence[Suggestion],
    regime: Regime | None,
    replays: Replays,
    live_bps: Mapping[str, float],
    equal_share_pct: float,
    frozen: str = "",
    experiments: bool = True,
) -> Decision:
    """Judge all candidates, the experiment and the last change, and plan the next session.

    `live_bps` is session -> live result in bps under the set in force; sessions of another variant are not in it.
    """
    memory = memory.knowing(present)
    family = candidates(present, suggestions, regime, equal_share_pct)
    judged = gate(present, family, replays, trials_elsewhere(memory, present))
    standing = memory.experiment.standing(replays) if memory.experiment is not None else None
    watched = watch(memory.probation, replays, live_bps) if memory.probation is not None else None
    found = Findings(
        session_date=session_date,
        present=present,
        judged=judged,
        standing=standing,
        watched=watched,
        replays=replays,
        live_bps=live_bps,
        frozen=frozen,
        experiments=experiments,
    )
    return Decision(judged=judged, standing=standing, watched=watched, next=plan_next(memory, found))


def trials_elsewhere(memory: Memory, present: ParameterSet) -> int:
    """Trials ever made against other sets than `present`, whose own family is counted anew."""
    return sum(not trial.startswith(f"{present} > ") for trial in memory.trials)
