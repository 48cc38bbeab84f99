"""The gate: each candidate replayed beside the set in force, and what may be said about the difference.

A difference is one session's result of the candidate minus that of the set in force, in bps of the account's equity,
both replayed on the same recorded session under the same costs. The mean of the last `WINDOW` differences gets a
confidence sequence (`evidence.confidence_sequence`): an interval that holds however often one looks. Its probability of
error is shared among all trials ever made, so that the best of many is not believed for being the best. A normal
mixture is symmetric, so half of its error is on each side; only the upper half can change anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Protocol

import numpy as np

from evidence.bootstrap import Floats, Interval
from evidence.confidence_sequence import confidence_sequence, prior_days_for
from evidence.days import deflated_sharpe
from evidence.experiments import DAYS_WITHOUT_A_VERDICT
from evidence.suggestions import Priority
from improvement.candidates import FAMILY_SIZE, Candidate
from improvement.parameters import ParameterSet

WINDOW = 60  # sessions that are looked back upon
LEAST_SESSIONS = 20  # fewer recorded ones decide nothing
ALPHA = 0.025  # of a change for the worse by the gate in `WINDOW` sessions; experiments may err as often
LEAST_EFFECT_BPS = 0.5  # of equity a session: less is not worth a change
DEEPER_DRAWDOWN = 1.25  # times the present one, beyond which more return is only more risk
DRAWDOWN_SLACK_BPS = 10.0


class Verdict(StrEnum):
    """What replay says of a candidate. Only `better` may be applied, only `promising` may be tried as a variant."""

    BETTER = "better"
    PROMISING = "promising"
    NOT_BETTER = "not_better"
    WORSE = "worse"
    FAILS_UNDER_STRESS = "fails_under_stress"
    RISKIER = "riskier"
    TOO_FEW = "too_few"


class Replays(Protocol):
    """The recorded sessions, in order, under any set of parameters."""

    @property
    def sessions(self) -> tuple[str, ...]:
        """Their dates, YYYY-MM-DD, at most `WINDOW`, the newest last."""

    def bps(self, sets: Sequence[ParameterSet], *, stressed: bool = False) -> Floats:
        """Net results (n_sets, n_sessions) in bps of equity at the open; `stressed`: all costs doubled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A candidate with its verdict. Effects are means a session in bps of equity; None: not looked at.

    `interval_bps` is the confidence sequence after all trials; `deflated` the probability that the Sharpe ratio of the
    differences is real after `trials`.
    """

    candidate: Candidate
    verdict: Verdict
    sessions: int
    differing: int
    trials: int
    effect_bps: float | None = None
    interval_bps: Interval | None = None
    stressed_effect_bps: float | None = None
    drawdown_bps: float | None = None
    present_drawdown_bps: float | None = None
    deflated: float | None = None

    @property
    def may_be_applied(self) -> bool:
        """Whether replay and priority allow a change."""
        return self.verdict is Verdict.BETTER and self.candidate.priority is Priority.HIGH

    @property
    def may_be_tried(self) -> bool:
        """Whether it is not worse and worth trying as a variant."""
        known = self.verdict in (Verdict.PROMISING, Verdict.BETTER)
        return known and self.candidate.priority is not Priority.LOW


def gate(
    present: ParameterSet, candidates: Sequence[Candidate], replays: Replays, trials_before: int = 0
) -> tuple[Judged, ...]:
    """Every candidate's verdict, in their order. `trials_before` counts other trials that were ever made."""
    trials = max(FAMILY_SIZE, trials_before + len(candidates))
    sessions = len(replays.sessions)
    if sessions < LEAST_SESSIONS:
        return tuple(_too_few(candidate, sessions, 0, trials) for candidate in candidates)
    results = replays.bps([present, *(each.parameters for each in candidates)])
    return tuple(
        _judged(candidate, present, results[0], own, replays, trials)
        for candidate, own in zip(candidates, results[1:], strict=True)
    )


def _too_few(candidate: Candidate, sessions: int, differing: int, trials: int) -> Judged:
    return Judged(candidate=candidate, verdict=Verdict.TOO_FEW, sessions=sessions, differing=differing, trials=trials)


def _judged(
    candidate: Candidate, present: ParameterSet, usual: Floats, own: Floats, replays: Replays, trials: int
) -> Judged:
    differences = own - usual
    sessions, differing = len(differences), int((differences != 0).sum())
    if differing <= DAYS_WITHOUT_A_VERDICT:
        return _too_few(candidate, sessions, differing, trials)
    effect, interval = float(differences.mean()), interval_of(differences, ALPHA / trials)
    depth, present_depth = drawdown_bps(own), drawdown_bps(usual)
    stressed = None
    if effect >= LEAST_EFFECT_BPS and interval.high > 0:
        with_stress = replays.bps([present, candidate.parameters], stressed=True)
        stressed = float((with_stress[1] - with_stress[0]).mean())
    return Judged(
        candidate=candidate,
        verdict=_verdict(effect, interval, stressed, depth, present_depth),
        sessions=sessions,
        differing=differing,
        trials=trials,
        effect_bps=effect,
        interval_bps=interval,
        stressed_effect_bps=stressed,
        drawdown_bps=depth,
        present_drawdown_bps=present_depth,
        deflated=deflated_sharpe(differences, trials),
    )


def _verdict(
    effect: float, interval: Interval, stressed: float | None, drawdown: float, present_drawdown: float
) -> Verdict:
    """The first that holds, the reasons against a candidate first."""
    if interval.high < 0:
        return Verdict.WORSE
    if stressed is None:
        return Verdict.NOT_BETTER
    if stressed <= 0:
        return Verdict.FAILS_UNDER_STRESS
    if -drawdown > -present_drawdown * DEEPER_DRAWDOWN + DRAWDOWN_SLACK_BPS:
        return Verdict.RISKIER
    return Verdict.BETTER if interval.low > 0 else Verdict.PROMISING


def interval_of(differences: Floats, alpha: float) -> Interval:
    """Where the mean of `differences` (n,) lies. It is above or below with a probability of at most `alpha` each."""
    low, high = confidence_sequence(differences, 2 * alpha, prior_days(2 * alpha))
    return Interval(float(low[-1]), float(high[-1]), 1 - 2 * alpha)


@cache
def prior_days(alpha: float) -> float:
    """The weight of the prior that makes intervals after `WINDOW` sessions as narrow as they can be."""
    return prior_days_for(WINDOW, alpha)


def drawdown_bps(results: Floats) -> float:
    """The deepest fall of the sum of `results` (n,) from its peak, <= 0."""
    path = np.concatenate([[0.0], np.cumsum(results)])
    return float((path - np.maximum.accumulate(path)).min())
