"""What replay must show before a candidate is believed."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.suggestions import Priority
from improvement.candidates import FAMILY_SIZE, Candidate, candidates
from improvement.gate import ALPHA, LEAST_SESSIONS, Judged, Verdict, drawdown_bps, gate, interval_of
from improvement.parameters import ParameterSet
from tests.improvement.replays import BASE, EQUAL_SHARE_PCT, Result, SaidReplays, noise

WIDER = BASE.with_values({"stop_loss_pct": 1.0})


def judged(
    result: Result, sessions: int = 60, *, stress_bps: float = 0.0, priority: Priority = Priority.HIGH, trials: int = 0
) -> Judged:
    candidate = Candidate(parameters=WIDER, source="rule", priority=priority, reasons=("why",))
    (found,) = gate(BASE, [candidate], SaidReplays(result, sessions, stress_bps), trials)
    return found


def paying(gain_bps: float, spread_bps: float = 4.0) -> Result:
    """The candidate brings `gain_bps` a session more, give or take."""

    def result(parameters: ParameterSet, session: int) -> float:
        extra = gain_bps + noise(session, "gain", spread_bps) if parameters == WIDER else 0.0
        return noise(session) + extra

    return result


def test_a_clear_gain_is_better_and_may_be_applied() -> None:
    found = judged(paying(6.0))
    assert found.verdict is Verdict.BETTER
    assert found.may_be_applied
    assert found.interval_bps is not None
    assert found.interval_bps.low > 0


def test_only_high_priority_may_be_applied_and_low_is_not_even_tried() -> None:
    assert not judged(paying(6.0), priority=Priority.MEDIUM).may_be_applied
    assert judged(paying(6.0), priority=Priority.MEDIUM).may_be_tried
    assert not judged(paying(6.0), priority=Priority.LOW).may_be_tried


def test_a_small_gain_in_the_noise_is_promising_and_not_applied() -> None:
    found = judged(paying(1.5))
    assert found.verdict is Verdict.PROMISING
    assert found.may_be_tried
    assert not found.may_be_applied


def test_the_same_gain_is_not_believed_after_many_more_trials() -> None:
    result = paying(2.6)
    assert judged(result).verdict is Verdict.BETTER
    assert judged(result, trials=100_000).verdict is Verdict.PROMISING


def test_a_loss_is_worse_and_no_gain_is_not_better() -> None:
    assert judged(paying(-6.0)).verdict is Verdict.WORSE
    assert judged(paying(-0.3)).verdict is Verdict.NOT_BETTER


def test_a_gain_that_doubled_costs_eat_up_is_refused() -> None:
    found = judged(paying(6.0), stress_bps=7.0)
    assert found.verdict is Verdict.FAILS_UNDER_STRESS
    assert found.stressed_effect_bps == pytest.approx(found.effect_bps - 7.0)  # type: ignore[operator]


def test_a_gain_bought_with_a_much_deeper_fall_is_refused() -> None:
    def result(parameters: ParameterSet, session: int) -> float:
        falls = -90.0 if 30 <= session < 34 else 20.0
        return falls + 0.1 * noise(session) if parameters == WIDER else 1.0

    assert judged(result).verdict is Verdict.RISKIER


def test_too_few_sessions_or_too_few_differences_decide_nothing() -> None:
    assert judged(paying(50.0), LEAST_SESSIONS - 1).verdict is Verdict.TOO_FEW
    seldom = judged(lambda parameters, session: 50.0 if parameters == WIDER and session % 15 == 0 else 0.0)
    assert (seldom.verdict, seldom.differing, seldom.sessions) == (Verdict.TOO_FEW, 4, 60)


def test_trials_are_never_fewer_than_the_family_and_count_those_before() -> None:
    family = candidates(BASE, (), None, EQUAL_SHARE_PCT)
    replays = SaidReplays(paying(0.0), 30)
    assert {each.trials for each in gate(BASE, family, replays)} == {FAMILY_SIZE}
    assert {each.trials for each in gate(BASE, family, replays, 40)} == {40 + len(family)}


def test_one_side_of_the_interval_errs_as_often_as_was_said() -> None:
    """Looked at after each of 60 sessions without an effect, in 2,000 runs: within three standard errors of 2.5 %."""
    rng, runs, wrong = np.random.default_rng(5), 2_000, 0
    for values in rng.normal(0.0, 10.0, (runs, 60)):
        wrong += any(interval_of(values[:end], ALPHA).low > 0 for end in (6, 10, 15, 20, 30, 40, 50, 60))
    assert wrong / runs <= ALPHA + 3 * (ALPHA * (1 - ALPHA) / runs) ** 0.5


def test_drawdown_is_the_deepest_fall_of_the_sum() -> None:
    assert drawdown_bps(np.array([5.0, -3.0, -4.0, 6.0, -1.0])) == -7.0
    assert drawdown_bps(np.array([1.0, 2.0])) == 0.0
