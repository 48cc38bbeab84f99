"""Sharpe ratios against scipy and the papers' own numbers; too few days give words."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from evidence.days import (
    SharpeEvidence,
    deflated_sharpe,
    luckiest,
    probabilistic_sharpe,
    sharpe,
    sharpe_evidence,
    sortino,
)

RETURNS = np.random.default_rng(7).standard_t(5, 250) * 0.01 + 0.0008


def test_sharpe_and_sortino_by_hand() -> None:
    returns = np.array([0.01, -0.02, 0.03, 0.00])  # mean 0.005, squares from it 0.0013, three degrees of freedom
    assert sharpe(returns) == pytest.approx(sqrt(252) * 0.005 / sqrt(0.0013 / 3))
    assert sortino(returns) == pytest.approx(sqrt(252) * 0.005 / sqrt(0.0004 / 4))


def test_sharpe_and_sortino_are_those_of_empyrical() -> None:
    """The figures of empyrical-reloaded 0.7.1 for these returns."""
    returns = np.random.default_rng(1).normal(0.0005, 0.01, 300)
    assert sharpe(returns) == pytest.approx(-0.9074270258852923, rel=1e-12)
    assert sortino(returns) == pytest.approx(-1.2371683588592246, rel=1e-12)


def test_probabilistic_sharpe_is_that_of_the_paper_with_scipys_moments() -> None:
    rate = RETURNS.mean() / RETURNS.std(ddof=1)
    skew, kurtosis = stats.skew(RETURNS), stats.kurtosis(RETURNS, fisher=False)
    z = rate * sqrt(len(RETURNS) - 1) / sqrt(1 - skew * rate + (kurtosis - 1) / 4 * rate**2)
    assert probabilistic_sharpe(RETURNS) == pytest.approx(stats.norm.cdf(z))


def test_deflation_takes_what_the_luckiest_of_many_trials_would_show() -> None:
    rng = np.random.default_rng(3)
    for trials in (10, 100):
        simulated = rng.standard_normal((20_000, trials)).max(axis=1).mean()
        assert luckiest(trials) == pytest.approx(simulated, rel=0.03)
    assert deflated_sharpe(RETURNS, 1) == probabilistic_sharpe(RETURNS)
    falling = [deflated_sharpe(RETURNS, trials) or 0.0 for trials in (1, 2, 10, 100)]
    assert falling == sorted(falling, reverse=True)
    with pytest.raises(ValueError, match="0 trials"):
        luckiest(0)


def test_probabilistic_sharpe_is_right_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    sure = [probabilistic_sharpe(rng.normal(0, 0.01, 120)) or 0.0 for _ in range(2_000)]
    assert np.mean(np.array(sure) > 0.95) == pytest.approx(0.05, abs=0.015)


def test_fewer_than_twenty_days_give_words_instead_of_a_number() -> None:
    assert str(sharpe_evidence(RETURNS[:19])) == "too few days: 19 of 20"
    assert isinstance(sharpe_evidence(RETURNS[:20]), SharpeEvidence)


@pytest.mark.parametrize("returns", [np.zeros(30), np.full(30, 0.001)])
def test_equal_returns_have_no_sharpe_ratio(returns: np.ndarray) -> None:
    assert str(sharpe_evidence(returns)) == "30 days without a spread"


def test_no_losing_day_leaves_sortino_unsaid() -> None:
    assert sortino(np.array([0.01, 0.02, 0.0])) is None
    assert sortino(np.array([0.01])) is None


def test_interval_covers_the_true_sharpe_ratio_about_as_often_as_it_says() -> None:
    true = sqrt(252) * 0.1
    rng = np.random.default_rng(11)
    covered = 0
    for n in range(100):
        evidence = sharpe_evidence(rng.normal(0.001, 0.01, 250), seed=n)
        assert isinstance(evidence, SharpeEvidence)
        covered += evidence.interval.low <= true <= evidence.interval.high
    assert 0.88 <= covered / 100 <= 0.99


def test_same_returns_give_the_same_evidence() -> None:
    assert sharpe_evidence(RETURNS) == sharpe_evidence(RETURNS.copy())
