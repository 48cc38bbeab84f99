"""Indicators worked by hand, and compared bar by bar with pandas-ta-classic on the same history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from trading.bars import Bar
from trading.indicators import (
    AtrState,
    MinuteIndicators,
    RsiState,
    VwapState,
    atr_pct,
    atr_step,
    daily_atr,
    is_above_vwap,
    rsi_step,
    rsi_value,
    true_range,
    vwap_step,
    vwap_value,
)
from trading.money import price_from_usd

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
RECORDED_DAY = date(2025, 10, 7)


# By hand


def bar(minute: int, price: int, volume: int = 100, spread: int = 0) -> Bar:
    return Bar(60 * (minute + 1), price, price + spread, price - spread, price, volume)


def rsi_over(closes: Sequence[int]) -> RsiState:
    state = RsiState()
    for close in closes:
        state = rsi_step(state, close)
    return state


def test_vwap_weighs_typical_prices_by_volume() -> None:
    # typical prices 100.00 (300 shares) and 103.00 (100 shares): 40,300 / 400 = 100.75
    state = vwap_step(VwapState(), 3 * 1_000_000 * 300, 300, 0, 0)
    state = vwap_step(state, 3 * 1_030_000 * 100, 100, 0, 0)
    assert vwap_value(state) == 1_007_500.0


def test_vwap_covers_the_last_twenty_bars_only() -> None:
    indicators = MinuteIndicators()
    indicators.add(bar(0, 9_000_000, volume=1_000_000))
    for minute in range(1, 21):
        indicators.add(bar(minute, 1_000_000))
    assert indicators.bars == 21
    assert indicators.vwap == VwapState(3 * 1_000_000 * 100 * 20, 2_000)
    assert vwap_value(indicators.vwap) == 1_000_000.0


def test_price_equal_to_vwap_is_not_above_it_to_the_last_unit() -> None:
    # VWAP 1,000,000 and a third: one bar at typical price (1,000,000 + 1,000,000 + 1,000,001) / 3
    state = vwap_step(VwapState(), 3_000_001 * 7, 7, 0, 0)
    assert not is_above_vwap(1_000_000, state)
    assert is_above_vwap(1_000_001, state)
    assert not is_above_vwap(1_000_000, VwapState(3_000_000 * 7, 7))


def test_no_counted_share_means_no_vwap() -> None:
    assert math.isnan(vwap_value(VwapState()))
    assert not is_above_vwap(1_000_000, VwapState())


def test_rsi_starts_with_the_plain_mean_of_fourteen_changes() -> None:
    # seven rises of 100 and seven falls of 50: averages 50 and 25, RSI 100 * 50 / 75
    closes = [10_000]
    for _ in range(7):
        closes += [closes[-1] + 100, closes[-1] + 50]
    assert math.isnan(rsi_value(rsi_over(closes[:14])))
    state = rsi_over(closes)
    assert (state.average_gain, state.average_loss) == (50.0, 25.0)
    assert rsi_value(state) == pytest.approx(66.66666666666667, rel=1e-15)
    # one more rise of 100: gain (50 * 13 + 100) / 14, loss 25 * 13 / 14: 750 / (750 + 325)
    assert rsi_value(rsi_step(state, closes[-1] + 100)) == pytest.approx(100 * 750 / 1_075, rel=1e-15)


def test_rsi_of_prices_that_only_rise_or_only_fall_is_at_its_ends() -> None:
    assert rsi_value(rsi_over(range(10_000, 10_015))) == 100.0
    assert rsi_value(rsi_over(range(10_015, 10_000, -1))) == 0.0


def test_rsi_of_a_price_that_never_moved_is_unknown() -> None:
    assert math.isnan(rsi_value(rsi_over([10_000] * 30)))


def test_true_range_reaches_back_to_the_previous_close() -> None:
    assert true_range(110, 100, 105) == 10
    assert true_range(110, 100, 80) == 30  # gapped up
    assert true_range(110, 100, 130) == 30  # gapped down


def test_atr_is_the_plain_mean_until_the_fourteenth_range_and_then_wilders() -> None:
    # fourteen ranges of 2 … 28 around a close of 1,000: mean 15; then a range of 43: (15 * 13 + 43) / 14 = 17
    state = atr_step(AtrState(), 1_000, 1_000, 1_000)
    assert math.isnan(atr_pct(state, 1_000))
    for half in range(1, 15):
        state = atr_step(state, 1_000 + half, 1_000 - half, 1_000)
        assert state.average == pytest.approx(half + 1, rel=1e-12)
    state = atr_step(state, 1_020, 977, 1_000)
    assert state.average == pytest.approx(17.0, rel=1e-12)
    assert atr_pct(state, 1_000) == pytest.approx(1.7, rel=1e-12)
    assert atr_pct(state, 1) == pytest.approx(1_700.0, rel=1e-12)
    assert math.isnan(atr_pct(state, 0))


def test_daily_atr_goes_through_the_bars_oldest_first() -> None:
    # the first bar only gives a close; then ranges 30 (high - low) and 90 (gap to 1,090 over a close of 1,000)
    days = [
        Bar(1, 900, 1_100, 900, 1_000, 1),
        Bar(2, 1_000, 1_020, 990, 1_000, 1),
        Bar(3, 1_080, 1_090, 1_070, 1_080, 1),
    ]
    assert daily_atr(days[:1]) == AtrState(ranges=0, bars=1, previous_close=1_000, average=0.0)
    assert daily_atr(days) == AtrState(ranges=2, bars=3, previous_close=1_080, average=60.0)


def test_indicators_know_how_many_bars_they_saw_and_the_last_of_them() -> None:
    indicators = MinuteIndicators()
    assert (indicators.bars, indicators.last_volume, indicators.last_start_s) == (0, 0, 0)
    assert math.isnan(indicators.rsi_now)
    for minute in range(16):
        indicators.add(bar(minute, 1_000_000, volume=100 + minute))
    assert (indicators.bars, indicators.last_volume, indicators.last_start_s) == (16, 115, 960)
    assert (indicators.rsi.bars, indicators.rsi.changes) == (16, 15)
    assert (indicators.atr.bars, indicators.atr.ranges) == (16, 15)


def test_a_bar_that_is_not_later_than_the_last_raises() -> None:
    indicators = MinuteIndicators()
    indicators.add(bar(5, 1_000_000))
    with pytest.raises(ValueError, match="is not after the last one"):
        indicators.add(bar(5, 1_000_000))
    assert indicators.bars == 1


# Against an independent implementation


@pytest.fixture(scope="module")
def peer() -> Any:
    return pytest.importorskip("pandas_ta_classic")


def columns(bars: Sequence[Bar]) -> pd.DataFrame:
    return pd.DataFrame(bars, columns=list(Bar._fields)).astype("float64")


def assert_minutes_equal_peer(peer: Any, bars: Sequence[Bar], name: str) -> None:
    """VWAP(20), RSI(14) and ATR(14) after every bar, relative 1e-9; unknown at the same bars."""
    ours = MinuteIndicators()
    rows = []
    for each in bars:
        ours.add(each)
        vwap = vwap_value(ours.vwap) if ours.bars >= 20 else math.nan
        atr = ours.atr.average if ours.atr.ranges >= 14 else math.nan
        rows.append((vwap, ours.rsi_now, atr))
    frame = columns(bars)
    typical = (frame["high"] + frame["low"] + frame["close"]) / 3
    theirs = (
        peer.vwma(typical, frame["volume"], length=20),
        peer.rsi(frame["close"], length=14),
        peer.atr(frame["high"], frame["low"], frame["close"], length=14),
    )
    for index, series in enumerate(theirs):
        known = np.array([row[index] for row in rows])
        np.testing.assert_allclose(known, series.to_numpy(), rtol=1e-9, atol=0, err_msg=f"{name} {series.name}")
        assert np.isfinite(known).sum() > len(bars) // 2


def assert_daily_equals_peer(peer: Any, bars: Sequence[Bar], name: str) -> None:
    frame = columns(bars)
    theirs = peer.atr(frame["high"], frame["low"], frame["close"], length=14).to_numpy()
    state = AtrState()
    for index, each in enumerate(bars):
        state = atr_step(state, each.high, each.low, each.close)
        if state.ranges >= 14:
            assert state.average == pytest.approx(theirs[index], rel=1e-9), f"{name} bar {index}"
        else:
            assert math.isnan(theirs[index])
    assert daily_atr(list(bars)) == state


def walk(seed: int, n_bars: int) -> list[Bar]:
    """A random walk in whole cents with quiet minutes, flat minutes and gaps."""
    random = np.random.default_rng(seed)
    price, bars = 1_000_000, []
    for minute in range(n_bars):
        open_ = max(price + 100 * int(random.integers(-20, 21)), 50_000)
        close = max(open_ + 100 * int(random.integers(-40, 41)), 50_000)
        high = max(open_, close) + 100 * int(random.integers(0, 30))
        low = min(open_, close) - 100 * int(random.integers(0, 30))
        volume = 0 if random.random() < 0.05 else int(random.integers(1, 200_000))
        bars.append(Bar(60 * (minute + 1), open_, high, low, close, volume))
        price = close
    return bars


@pytest.mark.parametrize("seed", range(5))
def test_indicators_equal_pandas_ta_classic_on_a_random_walk(peer: Any, seed: int) -> None:
    assert_minutes_equal_peer(peer, walk(seed, 390), f"walk {seed}")
    assert_daily_equals_peer(peer, walk(seed, 120), f"walk {seed}")


def recorded_minutes(path: Path) -> dict[date, list[Bar]]:
    """Session -> its regular minutes of one recorded symbol, from September 2025 on."""
    table = pq.read_table(path, filters=[("session", "=", "rth")])
    recent = pc.greater_equal(table["timestamp"], datetime(2025, 8, 1, tzinfo=UTC))
    table = table.filter(recent)
    rows = zip(
        table["timestamp"].to_pylist(),
        *(map(price_from_usd, table[name].to_pylist()) for name in ("open", "high", "low", "close")),
        table["volume"].to_pylist(),
        strict=True,
    )
    sessions: dict[date, list[Bar]] = {}
    for stamp, *values in rows:
        sessions.setdefault(stamp.date(), []).append(Bar(int(stamp.timestamp()), *values))
    return sessions


@pytest.fixture(scope="module")
def recorded() -> dict[str, dict[date, list[Bar]]]:
    if not (RECORDED / "minute").is_dir():
        pytest.skip("no recorded market data beside the repository")
    symbols = {path.stem: recorded_minutes(path) for path in sorted((RECORDED / "minute").glob("*.parquet"))}
    return {symbol: sessions for symbol, sessions in symbols.items() if sessions}


def test_minute_indicators_equal_pandas_ta_classic_on_every_recorded_symbol(
    peer: Any, recorded: dict[str, dict[date, list[Bar]]]
) -> None:
    on_the_day = {symbol: sessions[RECORDED_DAY] for symbol, sessions in recorded.items() if RECORDED_DAY in sessions}
    assert len(on_the_day) >= 40
    for symbol, bars in on_the_day.items():
        assert len(bars) == 390
        assert_minutes_equal_peer(peer, bars, symbol)


def test_daily_atr_equals_pandas_ta_classic_on_recorded_sessions(
    peer: Any, recorded: dict[str, dict[date, list[Bar]]]
) -> None:
    compared = 0
    for symbol, sessions in recorded.items():
        days = [aggregate(day, bars) for day, bars in sorted(sessions.items())]
        if len(days) >= 15:
            assert_daily_equals_peer(peer, days, symbol)
            compared += 1
    assert compared >= 5


def aggregate(day: date, bars: Sequence[Bar]) -> Bar:
    start_s = int(datetime.combine(day, time(), UTC).timestamp())
    highs, lows = (each.high for each in bars), (each.low for each in bars)
    return Bar(start_s, bars[0].open, max(highs), min(lows), bars[-1].close, sum(each.volume for each in bars))
