"""Five regimes on made and on real history; nothing is known before its time, and noise changes nothing."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from benchmarks.index_history import sp500
from evidence.regime import DAILY, INTRADAY, REGIMES, Regime, RegimeTracker, dwell_times, readings, watchlist_index


def walk(*stretches: tuple[int, float, float], seed: int = 0) -> np.ndarray:
    """Closes of stretches of (bars, drift, spread) of daily log returns."""
    rng = np.random.default_rng(seed)
    returns = np.concatenate([rng.normal(drift, spread, bars) for bars, drift, spread in stretches])
    return 100 * np.exp(np.cumsum(returns))


def last_regimes(closes: np.ndarray, bars: int) -> Counter[Regime]:
    return Counter(each.regime for each in readings(closes)[-bars:] if each is not None)


@pytest.mark.parametrize(
    ("drift", "spread", "regime"),
    [
        (+0.0030, 0.010, Regime.TRENDING_UP),
        (-0.0030, 0.010, Regime.TRENDING_DOWN),
        (0.0, 0.030, Regime.HIGH_VOLATILITY),
        (0.0, 0.0035, Regime.LOW_VOLATILITY),
    ],
)
def test_a_made_market_gets_its_regime(drift: float, spread: float, regime: Regime) -> None:
    regimes = last_regimes(walk((600, 0.0, 0.010), (120, drift, spread)), 50)
    assert regimes[regime] > 30, regimes


def test_an_aimless_market_is_mostly_ranging() -> None:
    regimes = last_regimes(walk((2_000, 0.0, 0.010)), 1_700)
    assert regimes.most_common(1)[0][0] is Regime.RANGING


def test_what_was_said_never_depends_on_what_came_after() -> None:
    closes = walk((500, 0.0005, 0.01), (200, -0.002, 0.03))
    crash = closes.copy()
    crash[450:] *= np.linspace(1.0, 0.3, len(closes) - 450)
    assert readings(closes)[:450] == readings(crash)[:450]
    assert readings(closes[:333]) == readings(closes)[:333]


def test_probabilities_sum_to_one_and_nothing_is_said_in_the_first_year() -> None:
    path = readings(walk((400, 0.0, 0.01)))
    assert all(each is None for each in path[: DAILY.least_bars - 1])
    said = [each for each in path if each is not None]
    assert len(said) > 140
    for each in said:
        assert sum(each.probabilities.values()) == pytest.approx(1.0)
        assert min(each.probabilities.values()) >= 0


def test_hysteresis_makes_spells_longer_than_the_likeliest_regime_of_the_day() -> None:
    path = [each for each in readings(walk((2_500, 0.0002, 0.01), seed=3)) if each is not None]
    likeliest = [max(REGIMES, key=each.probabilities.__getitem__) for each in path]
    noisy = sum(a is not b for a, b in pairwise(likeliest))
    changes = sum(a.regime is not b.regime for a, b in pairwise(path))
    assert changes < 0.75 * noisy
    assert min(length for spells in dwell_times(path).values() for length in spells[:-1]) >= DAILY.confirm_bars


def test_dwell_times_count_every_reading_once() -> None:
    path = readings(walk((900, 0.0, 0.01), seed=5))
    assert sum(map(sum, dwell_times(path).values())) == sum(each is not None for each in path)


def test_the_gap_over_night_is_no_return_of_a_minute() -> None:
    rng = np.random.default_rng(1)
    minutes = 100 * np.exp(np.cumsum(rng.normal(0, 0.0005, 780)))
    gapped = np.concatenate([minutes[:390], minutes[390:] * 1.10])
    trackers = [RegimeTracker(INTRADAY), RegimeTracker(INTRADAY)]
    for tracker, closes in zip(trackers, (minutes, gapped), strict=True):
        for session in (closes[:390], closes[390:]):
            tracker.begin_session()
            for close in session:
                tracker.observe(float(close))
    same, with_gap = (tracker.reading for tracker in trackers)
    assert same is not None
    assert with_gap is not None
    assert with_gap.regime is same.regime
    assert with_gap.trend == pytest.approx(same.trend)
    assert with_gap.volatility == pytest.approx(same.volatility)


def test_a_stock_that_stands_still_has_a_regime_all_the_same() -> None:
    assert readings([50.0] * 300)[-1] is not None


@pytest.mark.parametrize("close", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_price_is_refused(close: float) -> None:
    with pytest.raises(ValueError, match="no price"):
        RegimeTracker(DAILY).observe(close)


def test_watchlist_index_is_the_mean_of_log_returns() -> None:
    index = watchlist_index(np.array([[10.0, 100.0], [11.0, 100.0], [11.0, 121.0]]))
    assert index == pytest.approx([100.0, 100 * 1.1**0.5, 100 * (1.1 * 1.21) ** 0.5])


def test_known_episodes_of_the_sp500_are_recognised() -> None:
    closes = sp500()
    path = pd.Series([None if each is None else each.regime for each in readings(closes)], index=closes.index)

    def share(period: str, *regimes: Regime) -> float:
        found = Counter(path.loc[period])
        return sum(found[regime] for regime in regimes) / found.total()

    assert share("2008-10", Regime.HIGH_VOLATILITY) == 1.0
    assert share("2008-11", Regime.HIGH_VOLATILITY) == 1.0
    assert share("2007-08", Regime.HIGH_VOLATILITY) == 1.0
    assert share("2002-07", Regime.TRENDING_DOWN, Regime.HIGH_VOLATILITY) == 1.0
    assert share("2005", Regime.LOW_VOLATILITY) > 0.7
    assert share("2017", Regime.LOW_VOLATILITY, Regime.TRENDING_UP) > 0.8
    assert share("2017", Regime.HIGH_VOLATILITY, Regime.TRENDING_DOWN) == 0.0
    assert share("2018-12", Regime.HIGH_VOLATILITY) == 1.0
    assert share("2020-01", Regime.TRENDING_UP) > 0.9
    assert share("2020-03", Regime.HIGH_VOLATILITY) == 1.0
    assert share("2021", Regime.TRENDING_UP, Regime.RANGING, Regime.LOW_VOLATILITY) > 0.8
    assert share("2022", Regime.HIGH_VOLATILITY) > 0.8


def test_the_crash_of_2020_is_called_six_sessions_after_the_peak() -> None:
    """The index closed highest on 19 February; the regime was trending up until the 26th."""
    closes = sp500().loc[:"2020-03-31"]
    path = pd.Series([None if each is None else each.regime for each in readings(closes)], index=closes.index)
    assert closes.loc["2020"].idxmax() == pd.Timestamp("2020-02-19")
    assert path.loc["2020-02-26"] == Regime.TRENDING_UP
    assert set(path.loc["2020-02-27":]) == {Regime.HIGH_VOLATILITY}


def test_regimes_of_the_sp500_last() -> None:
    spells = dwell_times(readings(sp500()))
    assert all(spells.values()), "each regime occurs"
    lengths = [length for each in spells.values() for length in each]
    assert np.median(lengths) >= 15
    assert len(lengths) < 8_313 / 25
