"""What the portfolio is exposed to now: weights, drift from the target, sectors, and the risk of holding it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from portfolio.history import Floats, Returns
from portfolio.rebalance import Position
from trading.money import notional

SESSIONS_A_YEAR = 252
LEAST_DAYS = 60  # with fewer days of returns no risk number is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposures:
    """Fractions of the weekly bot's capital. `drift` is weight − target, by symbol."""

    weights: Mapping[str, float]
    drift: Mapping[str, float]
    sectors: Mapping[str, float]
    cash: float  # below zero when holdings exceed the capital
    effective_names: float  # 1 ÷ Σ of squared shares: how many equal holdings would be as concentrated

    @property
    def largest_drift(self) -> float:
        """The size of the largest drift: what REBALANCE_BAND_PCT is compared with."""
        return max((abs(drift) for drift in self.drift.values()), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskNumbers:
    """Of today's weights over past days, as fractions of the capital; a loss is above zero, a drawdown below."""

    days: int
    volatility: float  # a year
    value_at_risk: float  # of a day, 95 %
    expected_shortfall: float  # of a day, mean of the worst 5 %
    beta: float | None  # to the benchmark; None without one
    max_drawdown: float  # of holding these weights, rebalanced daily
    uncovered: float  # weight of holdings that have no returns, and so no part in this


def exposures(
    positions: Sequence[Position], capital: int, targets: Mapping[str, float], sectors: Mapping[str, str]
) -> Exposures:
    """Measure `positions` against `capital` (1e-6 USD). Raises `ValueError` when there is no capital."""
    if capital <= 0:
        raise ValueError(f"capital is {capital}, not above 0")
    weights = {each.symbol: notional(each.price, each.owned) / capital for each in positions if each.owned}
    by_sector: dict[str, float] = {}
    for symbol, weight in weights.items():
        sector = sectors.get(symbol, "unknown")
        by_sector[sector] = by_sector.get(sector, 0.0) + weight
    invested = sum(weights.values())
    squares = sum((weight / invested) ** 2 for weight in weights.values()) if invested > 0 else 0.0
    names = sorted({*weights, *(symbol for symbol, target in targets.items() if target)})
    return Exposures(
        weights=weights,
        drift={symbol: weights.get(symbol, 0.0) - targets.get(symbol, 0.0) for symbol in names},
        sectors=by_sector,
        cash=1.0 - invested,
        effective_names=1.0 / squares if squares else 0.0,
    )


def risk_numbers(weights: Mapping[str, float], returns: Returns, benchmark: Floats | None = None) -> RiskNumbers | None:
    """Risk of `weights` by the history of `returns`, and of `benchmark` (n_days,) on the same days; None if too few."""
    if len(returns.daily) < LEAST_DAYS:
        return None
    held = np.array([weights.get(symbol, 0.0) for symbol in returns.symbols])
    daily = returns.daily @ held
    worst = np.sort(daily)[: math.ceil(0.05 * len(daily))]
    worth = np.concatenate([[1.0], np.cumprod(1.0 + daily)])
    return RiskNumbers(
        days=len(daily),
        volatility=float(daily.std(ddof=1)) * math.sqrt(SESSIONS_A_YEAR),
        value_at_risk=-float(worst[-1]),
        expected_shortfall=-float(worst.mean()),
        beta=None if benchmark is None else _beta(daily, benchmark),
        max_drawdown=float((worth / np.maximum.accumulate(worth) - 1.0).min()),
        uncovered=sum(weight for symbol, weight in weights.items() if symbol not in returns.symbols),
    )


def _beta(daily: Floats, benchmark: Floats) -> float | None:
    if benchmark.shape != daily.shape:
        raise ValueError(f"the benchmark has {len(benchmark)} days, the returns {len(daily)}")
    spread = float(benchmark.var())
    return float(np.mean((daily - daily.mean()) * (benchmark - benchmark.mean()))) / spread if spread else None
