"""The deterministic score of a name: ranks of documented parts among the candidates, no model and no opinion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from portfolio.history import Floats, PriceHistory


class FactorPart(NamedTuple):
    """One part of the score. `sign` is +1 where more is better, -1 where less is. Weights add up to one."""

    name: str
    weight: float
    sign: int
    meaning: str


PARTS = (
    FactorPart(
        "momentum", 0.25, +1, "return over the 252 sessions that ended 21 sessions ago (Jegadeesh, Titman 1993)"
    ),
    FactorPart("volatility", 0.15, -1, "standard deviation of 126 daily returns (Ang, Hodrick, Xing, Zhang 2006)"),
    FactorPart("earnings_yield", 0.15, +1, "earnings of twelve months over price (Basu 1977)"),
    FactorPart("return_on_equity", 0.15, +1, "net income of twelve months over equity (Novy-Marx 2013, in spirit)"),
    FactorPart("revenue_growth", 0.10, +1, "revenue against the same quarter a year ago"),
    FactorPart("estimate_revision", 0.10, +1, "change of the consensus of next year's earnings in 90 days"),
    FactorPart("debt_to_equity", 0.10, -1, "total debt over equity"),
)
WINSOR_SHARE = 0.05  # of each tail: beyond it values count as equal
LEAST_KNOWN = 5  # with fewer known values a part ranks nobody
MOMENTUM_SESSIONS, SKIPPED_SESSIONS, VOLATILITY_SESSIONS = 252, 21, 126


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorScore:
    """A name's score in -1 … 1 (0 is average), its weighted parts, and the parts that had no value."""

    symbol: str
    score: float
    parts: Mapping[str, float]  # part -> what it adds to the score
    missing: tuple[str, ...]


def factor_scores(values: Mapping[str, Mapping[str, float | None]]) -> tuple[FactorScore, ...]:
    """Score names from `values`: symbol -> part -> raw value. Missing or not finite: neutral, and named.

    A missing part adds nothing while its weight stays in the total, so what is not known pulls a name to average.
    Raises `ValueError` for a part that `PARTS` does not know.
    """
    unknown = {part for parts in values.values() for part in parts} - {part.name for part in PARTS}
    if unknown:
        raise ValueError(f"no such factor: {', '.join(sorted(unknown))}")
    symbols = sorted(values)
    ranked = {part.name: _ranks([values[symbol].get(part.name) for symbol in symbols]) for part in PARTS}
    return tuple(_score(symbol, [ranked[part.name][i] for part in PARTS]) for i, symbol in enumerate(symbols))


def price_factors(history: PriceHistory) -> dict[str, dict[str, float | None]]:
    """The parts that prices alone give, for each name of the history: momentum and volatility."""
    closes = history.closes_usd
    found: dict[str, dict[str, float | None]] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = closes[-VOLATILITY_SESSIONS:] / closes[-VOLATILITY_SESSIONS - 1 : -1] - 1.0
    for i, symbol in enumerate(history.symbols):
        enough = len(closes) > MOMENTUM_SESSIONS + SKIPPED_SESSIONS
        now, then = (
            (closes[-1 - SKIPPED_SESSIONS, i], closes[-1 - SKIPPED_SESSIONS - MOMENTUM_SESSIONS, i])
            if enough
            else (0, 0)
        )
        known = returns[:, i][np.isfinite(returns[:, i])] if len(closes) > VOLATILITY_SESSIONS else np.empty(0)
        found[symbol] = {
            "momentum": float(now / then - 1.0) if then > 0 and now > 0 else None,
            "volatility": float(known.std()) if len(known) >= VOLATILITY_SESSIONS // 2 else None,
        }
    return found


def _score(symbol: str, ranks: Sequence[float]) -> FactorScore:
    parts = {
        part.name: part.weight * part.sign * rank
        for part, rank in zip(PARTS, ranks, strict=True)
        if not math.isnan(rank)
    }
    missing = tuple(part.name for part in PARTS if part.name not in parts)
    return FactorScore(symbol=symbol, score=sum(parts.values()), parts=parts, missing=missing)


def _ranks(raw: Sequence[float | None]) -> Floats:
    """Ranks in -1 … 1 after winsorising, ties at their mean, NaN where there is no value (n_names,)."""
    values = np.array([math.nan if value is None else float(value) for value in raw])
    known = np.isfinite(values)
    ranks = np.full(len(values), np.nan)
    if known.sum() < LEAST_KNOWN:
        return ranks
    inner = values[known]
    low, high = np.quantile(inner, [WINSOR_SHARE, 1.0 - WINSOR_SHARE])
    inner = np.clip(inner, low, high)
    ordered = np.sort(inner)
    below, up_to = np.searchsorted(ordered, inner, "left"), np.searchsorted(ordered, inner, "right")
    ranks[known] = (below + up_to) / len(inner) - 1.0
    return ranks
