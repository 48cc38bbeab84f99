"""Statistics of searches against numbers worked by hand and against simulations."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from evidence.overfitting import (
    deflated_sharpe,
    expected_best_sharpe,
    overfitting_probability,
    probabilistic_sharpe,
    sharpe,
)

NOISE = np.random.default_rng(7)


def test_sharpe_is_mean_over_deviation_and_zero_where_nothing_varies() -> None:
    found = sharpe(np.array([[0.01, 0.02, 0.03], [0.01, 0.01, 0.01], [0.0, 0.0, 0.0]]))
    assert found.tolist() == pytest.approx([2.0, 0.0, 0.0])


def test_probabilistic_sharpe_of_alternating_returns_is_as_worked_by_hand() -> None:
    # 0.03 and -0.01 in turn: mean 0.01, deviation 0.02 * sqrt(24 / 23), skew 0, kurtosis 1 -> z = sharpe * sqrt(23)
    returns = np.tile([0.03, -0.01], 12)
    ratio = 0.5 * (23 / 24) ** 0.5
    assert float(sharpe(returns)) == pytest.approx(ratio)
    assert probabilistic_sharpe(returns) == pytest.approx(0.9905, abs=1e-4)  # Phi(2.3474)
    assert probabilistic_sharpe(returns, ratio) == pytest.approx(0.5)


def test_expected_best_of_trials_without_skill_is_what_simulations_show() -> None:
    best = [NOISE.normal(0, 0.1, 50).max() for _ in range(4_000)]
    trials = NOISE.normal(0, 0.1, 20_000)
    scaled = (trials - trials.mean()) / trials.std() * 0.1
    fifty = scaled[:50] / scaled[:50].std(ddof=1) * 0.1
    assert expected_best_sharpe(fifty) == pytest.approx(float(np.mean(best)), rel=0.03)


def test_the_best_of_many_without_skill_deflates_and_real_skill_does_not() -> None:
    luck = NOISE.normal(0, 0.01, (200, 250))
    best = luck[np.argmax(sharpe(luck))]
    assert probabilistic_sharpe(best) > 0.98  # alone it looks sure
    assert deflated_sharpe(best, sharpe(luck)) < 0.8
    skilled = NOISE.normal(0.004, 0.01, 250)
    assert deflated_sharpe(skilled, np.append(sharpe(luck), sharpe(skilled))) > 0.98


def test_overfitting_is_a_coin_toss_for_noise_and_rare_for_skill() -> None:
    noise = [overfitting_probability(NOISE.normal(0, 0.01, (30, 120))) for _ in range(20)]
    assert 0.35 < float(np.mean(noise)) < 0.65
    skill = NOISE.normal(0, 0.01, (30, 120))
    skill[11] += 0.01
    assert overfitting_probability(skill) < 0.02
    assert overfitting_probability(np.tile(NOISE.normal(0, 0.01, 120), (5, 1))) == 0.5  # all sets equal


def test_too_few_sessions_give_no_number() -> None:
    few = NOISE.normal(0.01, 0.01, (3, 19))
    assert isnan(overfitting_probability(few))
    assert isnan(deflated_sharpe(few[0], sharpe(few)))
    assert isnan(overfitting_probability(NOISE.normal(0, 0.01, (1, 100))))
