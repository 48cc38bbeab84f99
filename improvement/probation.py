"""After a change: whether the live account gets what replay promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evidence.bootstrap import Floats, Interval
from evidence.confidence_sequence import confidence_sequence
from evidence.experiments import DAYS_WITHOUT_A_VERDICT
from improvement.gate import Replays, prior_days
from improvement.parameters import ParameterSet

ALPHA = 0.05  # of taking a change back that keeps its promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Probation:
    """A change under watch for `WINDOW` sessions after session number `changed_at`, on the date `changed_on`.

    `promised_bps` a session is the lower end of the interval it was applied on; `usual_gap_bps` is by how much live
    results were above replayed ones before, which is no merit or fault of the change.
    """

    before: ParameterSet
    after: ParameterSet
    promised_bps: float
    usual_gap_bps: float
    changed_on: str
    changed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Live results less what the set before would have brought in replay, against the promise."""

    sessions: int
    advantage_bps: float | None
    interval_bps: Interval | None
    promised_bps: float
    is_broken: bool


def watch(probation: Probation, replays: Replays, live_bps: Mapping[str, float]) -> Watch:
    """Judge the sessions since the change. `live_bps` is session -> live result under the set in force.

    The promise is broken once the interval's upper end is below it.
    """
    before = replays.bps([probation.before])[0]
    pairs = [
        live_bps[day] - replayed
        for day, replayed in zip(replays.sessions, before.tolist(), strict=True)
        if day > probation.changed_on and day in live_bps
    ]
    advantages: Floats = np.array(pairs, dtype=np.float64) - probation.usual_gap_bps
    if int((advantages != 0).sum()) <= DAYS_WITHOUT_A_VERDICT:
        return Watch(
            sessions=len(advantages),
            advantage_bps=None,
            interval_bps=None,
            promised_bps=probation.promised_bps,
            is_broken=False,
        )
    low, high = confidence_sequence(advantages, 2 * ALPHA, prior_days(2 * ALPHA))
    interval = Interval(float(low[-1]), float(high[-1]), 1 - 2 * ALPHA)
    return Watch(
        sessions=len(advantages),
        advantage_bps=float(advantages.mean()),
        interval_bps=interval,
        promised_bps=probation.promised_bps,
        is_broken=interval.high < probation.promised_bps,
    )


def usual_gap_bps(present: ParameterSet, replays: Replays, live_bps: Mapping[str, float]) -> float:
    """Mean of live less replayed results under the set in force; 0 without any such session."""
    replayed = replays.bps([present])[0].tolist()
    gaps = [live_bps[day] - each for day, each in zip(replays.sessions, replayed, strict=True) if day in live_bps]
    return float(np.mean(gaps)) if gaps else 0.0
