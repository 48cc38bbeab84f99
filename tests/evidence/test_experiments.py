"""An experiment says "inconclusive" until it knows, keeps what it said, and counts its trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evidence.experiments import Registration, Verdict, standing

PLAN = Registration(name="tighter", baseline="a", candidate="b", horizon_days=120, least_effect_bps=5.0)


def days(effect_bps: float, n: int, seed: int = 0, spread_bps: float = 10.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(effect_bps, spread_bps, n)


def test_nothing_seen_is_inconclusive() -> None:
    now = standing(PLAN, np.array([]))
    assert (now.verdict, now.days, now.effect_bps, now.is_over) == (Verdict.INCONCLUSIVE, 0, None, False)


@pytest.mark.parametrize(
    ("effect_bps", "verdict"), [(12.0, Verdict.BETTER), (-12.0, Verdict.NO_GAIN), (-1.0, Verdict.NO_GAIN)]
)
def test_a_plain_effect_gets_its_verdict_within_the_horizon(effect_bps: float, verdict: Verdict) -> None:
    now = standing(PLAN, days(effect_bps, 120))
    assert now.verdict is verdict
    assert now.decided_on is not None
    assert now.is_over


def test_a_small_effect_stays_inconclusive_and_says_how_many_days_are_needed() -> None:
    now = standing(PLAN, days(3.0, 40, spread_bps=25.0))
    assert (now.verdict, now.is_over) == (Verdict.INCONCLUSIVE, False)
    assert now.days_still_needed is not None
    assert now.days_still_needed > 80  # 25 bps of spread against an effect of 5


def test_the_horizon_ends_it_and_later_days_change_nothing() -> None:
    seen = days(2.0, 120, spread_bps=40.0)
    now = standing(PLAN, seen)
    assert (now.verdict, now.is_over, now.days) == (Verdict.INCONCLUSIVE, True, 120)
    assert standing(PLAN, np.concatenate([seen, days(90.0, 60)])) == now


def test_a_verdict_is_not_taken_back() -> None:
    good = days(12.0, 40)
    decided = standing(PLAN, good)
    assert decided.verdict is Verdict.BETTER
    assert standing(PLAN, np.concatenate([good, days(-50.0, 60)])) == decided


def test_variants_that_never_differ_prove_nothing() -> None:
    assert standing(PLAN, np.zeros(120)).verdict is Verdict.INCONCLUSIVE
    few = np.zeros(120)
    few[[3, 50, 70]] = 4.0
    assert standing(PLAN, few).verdict is Verdict.INCONCLUSIVE


def test_trials_share_alpha() -> None:
    one, ten = (standing(replace(PLAN, trials=trials), days(3.0, 30)) for trials in (1, 10))
    assert one.interval_bps is not None
    assert ten.interval_bps is not None
    assert ten.interval_bps.level == pytest.approx(0.995)
    assert ten.interval_bps.low < one.interval_bps.low


def test_no_difference_is_rarely_called_better() -> None:
    verdicts = [standing(PLAN, days(0.0, 120, seed)).verdict for seed in range(200)]
    assert verdicts.count(Verdict.BETTER) <= 10


@pytest.mark.parametrize(
    "wrong", [{"horizon_days": 5}, {"horizon_days": 9_999}, {"alpha": 0.0}, {"trials": 0}, {"least_effect_bps": 0.0}]
)
def test_what_cannot_be_an_experiment_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="tighter"):
        replace(PLAN, **wrong)
    with pytest.raises(ValueError, match="not a number"):
        standing(PLAN, np.array([1.0, np.nan]))
