"""The stationary bootstrap keeps blocks together, and its interval is honest about dependence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evidence.bootstrap import block_length, bootstrap_interval, means, resampled


def autoregressive(n: int, phi: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(n)
    values = np.zeros(n)
    for t in range(1, n):
        values[t] = phi * values[t - 1] + noise[t]
    return values


def test_mean_block_is_as_long_as_asked_and_blocks_are_of_neighbours() -> None:
    chosen = resampled(500, 8.0, 200, np.random.default_rng(0))
    follows = (chosen[:, 1:] - chosen[:, :-1]) % 500 == 1
    assert 1 / (1 - follows.mean()) == pytest.approx(8.0, rel=0.03)
    counts = np.bincount(chosen.ravel(), minlength=500)
    assert counts.min() > 100  # each place is drawn about 200 times
    assert counts.max() < 320


def test_block_length_grows_with_dependence() -> None:
    # 41.9 and 17.2 by arch 8.0.0 for such series
    assert block_length(autoregressive(2_000, 0.9, 1)) == pytest.approx(42, rel=0.35)
    assert block_length(autoregressive(2_000, 0.6, 1)) == pytest.approx(17, rel=0.35)
    assert block_length(autoregressive(2_000, 0.0, 1)) < 6
    assert block_length(np.ones(50)) == 1.0


def test_interval_of_independent_values_is_that_of_student() -> None:
    values = np.random.default_rng(2).normal(1.0, 2.0, 200)
    low, high = stats.t.interval(0.95, 199, values.mean(), stats.sem(values))
    found = bootstrap_interval(values, means)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.08)


def test_interval_of_dependent_values_covers_the_mean_where_students_does_not() -> None:
    ours = students = 0
    for seed in range(100):
        values = autoregressive(400, 0.7, seed)
        found = bootstrap_interval(values, means, seed=seed, resamples=400)
        ours += found.low <= 0 <= found.high
        low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
        students += low <= 0 <= high
    assert ours >= 82
    assert students <= 70
