"""Size against outcome, half-Kelly with its uncertainty, idle capital, duration."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from evidence.position_size import (
    SizeAnalysis,
    duration_analysis,
    idle_capital,
    rank_correlation,
    size_analysis,
)
from evidence.trips import Trip
from tests.evidence.hand_made import DAY, trip


def many(sessions: int, each: int, mean_usd: float, seed: int = 0) -> list[Trip]:
    rng = np.random.default_rng(seed)
    return [
        trip(float(rng.normal(mean_usd, 100.0)), quantity=int(rng.integers(50, 200)), session_date=day)
        for day in (DAY + timedelta(days=n) for n in range(sessions))
        for _ in range(each)
    ]


def test_rank_correlation_is_scipys_with_ties() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 10, 60).astype(float), rng.normal(size=60)
    assert rank_correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert rank_correlation(np.ones(5), np.arange(5.0)) is None


def test_half_kelly_is_half_of_mean_over_variance() -> None:
    trips = [trip(pnl_usd) for pnl_usd in (60.0, -40.0) * 10]  # 100 shares at 100: +0.6 % and -0.4 %
    found = size_analysis(trips)
    assert isinstance(found, SizeAnalysis)
    assert found.half_kelly == pytest.approx(0.001 / 0.005**2 / 2)
    assert found.rank_correlation is None
    assert found.half_kelly_interval.low < found.half_kelly < found.half_kelly_interval.high


def test_a_doubtful_edge_supports_no_size_and_a_plain_one_does() -> None:
    doubtful, plain = size_analysis(many(10, 4, 5.0)), size_analysis(many(60, 10, 60.0))
    assert isinstance(doubtful, SizeAnalysis)
    assert isinstance(plain, SizeAnalysis)
    assert doubtful.prudent_kelly == 0.0
    assert 0 < plain.prudent_kelly < plain.half_kelly


def test_trips_of_a_session_that_all_do_the_same_count_as_one() -> None:
    """Ten copies of each day's trip leave the interval as wide as it was."""
    single = many(30, 1, 20.0)
    copies = [each for each in single for _ in range(10)]
    one, ten = size_analysis(single), size_analysis(copies)
    assert isinstance(one, SizeAnalysis)
    assert isinstance(ten, SizeAnalysis)
    assert ten.half_kelly_interval == pytest.approx(one.half_kelly_interval)


def test_too_few_trips_give_words() -> None:
    assert str(size_analysis([trip(1.0)] * 19)) == "too few round trips: 19 of 20"


def test_idle_capital_by_hand() -> None:
    # 10,000 USD for one hour of a session of two, of 40,000 allowed
    idle = idle_capital([trip(1.0, 0, 60)], 40_000.0, 7_200.0)
    assert idle.never_used_pct == pytest.approx(75.0)
    assert idle.idle_pct == pytest.approx(100 * (1 - 10_000 / 80_000))
    assert idle_capital([], 40_000.0, 7_200.0).idle_pct == 100.0


def test_durations_by_hand() -> None:
    found = duration_analysis([trip(10.0, 0, 5), trip(-5.0, 0, 6), trip(7.0, 0, 15), trip(-1.0, 0, 200)])
    assert (found.median_win_s, found.median_loss_s) == (600.0, 103 * 60.0)
    assert [(group.up_to_s, group.trips, group.pnl_usd) for group in found.groups] == [
        (300.0, 1, 10.0),
        (900.0, 2, 2.0),
        (None, 1, -1.0),
    ]
    assert duration_analysis([]).groups == ()
