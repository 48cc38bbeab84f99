"""The confidence sequence holds on every day of a year, whoever looks; and it is the t test's own mixture."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from scipy import integrate, stats

from evidence.confidence_sequence import confidence_sequence, days_needed, prior_days_for, relative_radius

ALPHA = 0.05
YEAR = 252
PRIOR = prior_days_for(YEAR, ALPHA)
RUNS = 2_000


def likelihood_ratio(values: np.ndarray, prior_days: float) -> float:
    """Of the t statistic under an effect ~ N(0, 1 / prior_days) in units of the spread, by numerical integration."""
    n = len(values)
    t = values.mean() / (values.std(ddof=1) / sqrt(n))

    def weighted(effect: float) -> float:
        density = stats.nct.pdf(t, n - 1, effect * sqrt(n)) * stats.norm.pdf(effect, 0, sqrt(1 / prior_days))
        return float(density)

    top, _ = integrate.quad(weighted, -3, 3, limit=200)
    return float(top / stats.t.pdf(t, n - 1))


@pytest.mark.parametrize("n", [20, 60, 120])
def test_bounds_are_where_the_mixture_of_likelihood_ratios_reaches_one_over_alpha(n: int) -> None:
    values = np.random.default_rng(n).normal(0.4, 1.0, n)
    low, high = confidence_sequence(values, ALPHA, 10.0)
    assert likelihood_ratio(values - low[-1], 10.0) == pytest.approx(1 / ALPHA, rel=1e-3)
    assert likelihood_ratio(values - high[-1], 10.0) == pytest.approx(1 / ALPHA, rel=1e-3)


@pytest.mark.parametrize("market", ["normal", "fat tails", "half of the days equal", "skewed"])
def test_false_positives_stay_below_alpha_under_daily_peeking_for_a_year(market: str) -> None:
    """2,000 years without a difference, looked at on each of 252 days."""
    rng = np.random.default_rng(20251007)
    days = {
        "normal": lambda: rng.normal(size=(RUNS, YEAR)),
        "fat tails": lambda: rng.standard_t(4, size=(RUNS, YEAR)),
        "half of the days equal": lambda: rng.normal(size=(RUNS, YEAR)) * (rng.random((RUNS, YEAR)) < 0.5),
        "skewed": lambda: rng.exponential(size=(RUNS, YEAR)) - 1.0,
    }[market]()
    false_positives = 0
    for values in days:
        low, high = confidence_sequence(values, ALPHA, PRIOR)
        false_positives += bool(((low > 0) | (high < 0))[5:].any())
    assert false_positives / RUNS <= ALPHA


def test_a_t_test_looked_at_daily_would_not_hold() -> None:
    """The same years, judged by a 5 % t test each day: what the sequence is for."""
    values = np.random.default_rng(20251007).normal(size=(RUNS, YEAR))
    counts = np.arange(1, YEAR + 1)
    means = values.cumsum(axis=1) / counts
    spreads = np.sqrt(((values**2).cumsum(axis=1) - counts * means**2)[:, 5:] / (counts - 1)[5:])
    t = np.abs(means[:, 5:]) * np.sqrt(counts[5:]) / spreads
    assert (t > stats.t.ppf(0.975, counts[5:] - 1)).any(axis=1).mean() > 0.25


def test_sequence_does_not_depend_on_units_and_moves_with_the_values() -> None:
    values = np.random.default_rng(1).normal(size=40)
    low, high = confidence_sequence(values, ALPHA, PRIOR)
    low_scaled, high_scaled = confidence_sequence(values * 1e-4 + 3.0, ALPHA, PRIOR)
    known = np.isfinite(low)
    assert low_scaled[known] == pytest.approx(low[known] * 1e-4 + 3.0)
    assert high_scaled[known] == pytest.approx(high[known] * 1e-4 + 3.0)


def test_prior_makes_the_interval_narrowest_at_the_horizon() -> None:
    best = relative_radius(YEAR, ALPHA, PRIOR)
    assert all(relative_radius(YEAR, ALPHA, PRIOR * factor) >= best for factor in (0.5, 0.9, 1.1, 2.0))
    with pytest.raises(ValueError, match="too short"):
        prior_days_for(2, ALPHA)


def test_nothing_is_known_before_the_second_day() -> None:
    assert relative_radius(1, ALPHA, PRIOR) == inf
    low, high = confidence_sequence(np.array([5.0]), ALPHA, PRIOR)
    assert (low[0], high[0]) == (-inf, inf)
    assert len(confidence_sequence(np.array([]), ALPHA, PRIOR)[0]) == 0


def test_days_needed_is_the_first_day_that_would_show_it() -> None:
    days = days_needed(5.0, 20.0, ALPHA, PRIOR, 2_520)
    assert days is not None
    assert relative_radius(days, ALPHA, PRIOR) * 20.0 < 5.0 <= relative_radius(days - 1, ALPHA, PRIOR) * 20.0
    assert days_needed(0.01, 20.0, ALPHA, PRIOR, 2_520) is None
