"""The regime detector by days and within the session."""

from __future__ import annotations

import numpy as np
import pytest

from continuous_improvement import MarketRegimeDetector
from evidence.regime import DAILY, INTRADAY, Regime, readings


def closes(bars: int, drift: float, spread: float, seed: int = 0) -> list[float]:
    returns = np.random.default_rng(seed).normal(drift, spread, bars)
    return [float(close) for close in 100 * np.exp(np.cumsum(returns))]


def test_nothing_is_said_before_enough_is_known() -> None:
    detector = MarketRegimeDetector()
    assert detector.learn(closes(DAILY.least_bars - 2, 0.0, 0.01)) is None
    assert detector.intraday_reading is None
    assert detector.minutes(closes(INTRADAY.least_bars - 2, 0.0, 0.0005)) is None


def test_days_learned_at_once_and_one_by_one_give_the_same_reading() -> None:
    history = closes(600, 0.0003, 0.01)
    at_once, one_by_one = MarketRegimeDetector(), MarketRegimeDetector()
    *_, last = [one_by_one.day(close) for close in history]
    assert at_once.learn(history) == last == readings(history)[-1]


def test_a_wild_morning_after_calm_sessions_is_high_volatility_within_the_session() -> None:
    detector = MarketRegimeDetector()
    for seed in range(4):
        detector.minutes(closes(390, 0.0, 0.0004, seed))
    detector.begin_session()
    for close in closes(90, 0.0, 0.0016, 9):
        detector.minute(close)
    assert detector.intraday_reading is not None
    assert detector.intraday_reading.regime is Regime.HIGH_VOLATILITY
    assert detector.learn([]) is None


def test_the_days_reading_does_not_know_the_minutes() -> None:
    detector = MarketRegimeDetector()
    before = detector.learn(closes(400, 0.0, 0.01))
    detector.minutes(closes(390, 0.0, 0.01))
    assert detector.learn([]) == before


def test_what_is_no_price_is_refused() -> None:
    with pytest.raises(ValueError, match="no price"):
        MarketRegimeDetector().day(0.0)
