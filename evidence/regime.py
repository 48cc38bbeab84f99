"""The regime of a market from its closes: five kinds, each with a probability, nothing known before its time.

After each close, from the log returns until then:

    volatility   v = ln(s ÷ S)           s: spread of the last `short_bars` returns
                                         S: median of s over the last `long_bars` bars
    trend        t = R ÷ (s̄ · √L)       R: return over the last `trend_bars` = L bars, s̄: spread of those L returns

    score of high volatility  v ÷ 0.35 − 1        score of trending up    t − 1
    score of low volatility  −v ÷ 0.35 − 1        score of trending down −t − 1
    score of ranging          0

Probabilities are the softmax of `SHARPNESS` · score, smoothed over bars. The regime changes only when another one was
more probable by `margin` for `confirm_bars` bars in a row: a day's noise changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite, log, sqrt

import numpy as np

from evidence.bootstrap import Floats

VOLATILITY_UNIT = 0.35  # of ln(s ÷ S): half as volatile again as usual is one unit above
SHARPNESS = 2.0
SPREAD_FLOOR = 1e-9  # of a return: a price that does not move has no trend and no volatility


class Regime(StrEnum):
    """What kind of market it is."""

    TRENDING_UP = "trending_up"
    TRENDING_DOWN = "trending_down"
    HIGH_VOLATILITY = "high_volatility"
    LOW_VOLATILITY = "low_volatility"
    RANGING = "ranging"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeRule:
    """The lengths of a definition, in bars. `least_bars` returns must be there before anything is said."""

    trend_bars: int
    short_bars: int
    long_bars: int
    least_bars: int
    smoothing_bars: int
    confirm_bars: int
    margin: float = 0.10


DAILY = RegimeRule(
    trend_bars=60, short_bars=20, long_bars=1260, least_bars=252, smoothing_bars=3, confirm_bars=3
)  # a quarter, a month, five years; said after one
INTRADAY = RegimeRule(
    trend_bars=60, short_bars=30, long_bars=1950, least_bars=120, smoothing_bars=5, confirm_bars=5
)  # of minutes: an hour, half an hour, five sessions; said after two hours


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeReading:
    """The regime after a bar, which `bars_in_regime` counts. `probabilities` sum to 1; `trend`, `volatility`: above."""

    regime: Regime
    probabilities: Mapping[Regime, float]
    bars_in_regime: int
    trend: float
    volatility: float


@dataclass(slots=True)
class RegimeTracker:
    """Reads closes one by one; the past is all it knows, so what it said never changes."""

    rule: RegimeRule
    reading: RegimeReading | None = None  # None while too little is known
    _last_close: float | None = None
    _returns: deque[float] = field(default_factory=deque)
    _spreads: deque[float] = field(default_factory=deque)
    _sorted: list[float] = field(default_factory=list)  # the spreads by size
    _smooth: Floats | None = None
    _rival: Regime | None = None
    _rival_bars: int = 0

    def begin_session(self) -> None:
        """The next close follows a pause: the jump to it is no return."""
        self._last_close = None

    def observe(self, close: float) -> RegimeReading | None:
        """Take the next close. Raises ValueError for what is no price."""
        if not (isfinite(close) and close > 0):
            raise ValueError(f"{close} is no price")
        if self._last_close is None:
            self._last_close = close
            return self.reading
        rule = self.rule
        self._returns.append(log(close / self._last_close))
        self._last_close = close
        if len(self._returns) > max(rule.trend_bars, rule.short_bars):
            self._returns.popleft()
        if len(self._returns) < max(rule.trend_bars, rule.short_bars):
            return None
        returns = np.fromiter(self._returns, dtype=np.float64)
        spread = max(float(returns[-rule.short_bars :].std()), SPREAD_FLOOR)
        self._spreads.append(spread)
        insort(self._sorted, spread)
        if len(self._spreads) > rule.long_bars:
            del self._sorted[bisect_left(self._sorted, self._spreads.popleft())]
        window = returns[-rule.trend_bars :]
        trend = float(window.sum()) / (max(float(window.std()), SPREAD_FLOOR) * sqrt(rule.trend_bars))
        volatility = log(spread / _middle(self._sorted))
        self._smoothen(_probabilities(trend, volatility))
        if len(self._spreads) + max(rule.trend_bars, rule.short_bars) <= rule.least_bars:
            return None
        self.reading = self._judged(trend, volatility)
        return self.reading

    def _smoothen(self, probabilities: Floats) -> None:
        weight = 2.0 / (self.rule.smoothing_bars + 1)
        before = self._smooth
        self._smooth = probabilities if before is None else before + weight * (probabilities - before)

    def _judged(self, trend: float, volatility: float) -> RegimeReading:
        """The reading after this bar: the regime before it, unless a rival has led long enough."""
        assert self._smooth is not None
        probabilities = dict(zip(REGIMES, self._smooth.tolist(), strict=True))
        likeliest = max(REGIMES, key=probabilities.__getitem__)
        regime, bars = likeliest, 1
        if self.reading is not None:
            regime, bars = self.reading.regime, self.reading.bars_in_regime + 1
            leads = likeliest is not regime and probabilities[likeliest] >= probabilities[regime] + self.rule.margin
            self._rival_bars = (self._rival_bars + 1 if likeliest is self._rival else 1) if leads else 0
            self._rival = likeliest if leads else None
            if self._rival_bars >= self.rule.confirm_bars:
                regime, bars, self._rival, self._rival_bars = likeliest, 1, None, 0
        return RegimeReading(
            regime=regime,
            probabilities=probabilities,
            bars_in_regime=bars,
            trend=trend,
            volatility=volatility,
        )


REGIMES = tuple(Regime)


def readings(closes: Iterable[float], rule: RegimeRule = DAILY) -> list[RegimeReading | None]:
    """The reading after each close."""
    tracker = RegimeTracker(rule)
    return [tracker.observe(close) for close in closes]


def dwell_times(path: Iterable[RegimeReading | None]) -> dict[Regime, list[int]]:
    """regime -> lengths of its spells in bars, in their order; the last one may go on."""
    spells: dict[Regime, list[int]] = {regime: [] for regime in REGIMES}
    for reading in path:
        if reading is None:
            continue
        if reading.bars_in_regime == 1:
            spells[reading.regime].append(0)
        spells[reading.regime][-1] += 1
    return spells


def watchlist_index(closes: Floats) -> Floats:
    """One series (n_bars,) for `closes` (n_bars, n_symbols): the mean of their log returns, from 100."""
    returns = np.diff(np.log(closes), axis=0).mean(axis=1)
    return np.asarray(100.0 * np.exp(np.concatenate([[0.0], np.cumsum(returns)])), dtype=np.float64)


def _middle(values: list[float]) -> float:
    """The median of `values`, which are in order."""
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def _probabilities(trend: float, volatility: float) -> Floats:
    """Softmax of the scores, in the order of REGIMES."""
    units = volatility / VOLATILITY_UNIT
    scores = SHARPNESS * np.array([trend - 1.0, -trend - 1.0, units - 1.0, -units - 1.0, 0.0])
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)
