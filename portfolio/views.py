"""Expected returns from scores and probabilities: what the optimiser is told about each name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

FACTOR_SKILL = 0.03  # information coefficient of the score: correlation with the next weeks' returns, modest on purpose
MOST_SPREADS = 1.0  # no view is further from zero than this many standard deviations of the horizon
SURE = 0.01  # no probability is surer
SCORE_SPREAD = 0.3  # a typical standard deviation of factor scores, which makes them z-scores

NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Expected excess return of a name over the horizon: what each source says, and the share that is the LLM's."""

    symbol: str
    factor_return: float
    llm_return: float
    llm_share: float

    @property
    def horizon_return(self) -> float:
        """The blend of both."""
        return (1.0 - self.llm_share) * self.factor_return + self.llm_share * self.llm_return


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Views by symbol, and the symbols whose probability could not be used."""

    views: tuple[View, ...]
    unusable: tuple[str, ...]
    llm_influence: float


def make_views(
    scores: Mapping[str, float],
    probabilities: Mapping[str, float],
    volatility: Mapping[str, float],
    *,
    llm_influence: float,
    horizon_days: int = 5,
) -> Views:
    """Blend factor scores with probabilities of beating the benchmark, for names whose daily volatility is known.

    Factor: skill × volatility × z-score (Grinold 1994). Probability p: volatility × Φ⁻¹(p), the shift of a normal
    return that gives p. The blend is (1 − influence) × factor + influence × LLM; a name of which the LLM said nothing
    usable keeps its factor view whole. Raises `ValueError` for an influence outside 0 … 1.
    """
    if not 0.0 <= llm_influence <= 1.0:
        raise ValueError(f"llm_influence is {llm_influence}, not in 0 to 1")
    views, unusable = [], []
    for symbol in sorted(volatility):
        spread = volatility[symbol] * math.sqrt(horizon_days)
        if not (math.isfinite(spread) and spread > 0):
            continue
        factor = _bounded(FACTOR_SKILL * scores.get(symbol, 0.0) / SCORE_SPREAD) * spread
        probability = probabilities.get(symbol)
        share, llm = llm_influence, 0.0
        if probability is None or not 0.0 <= probability <= 1.0:
            share = 0.0
            if probability is not None:
                unusable.append(symbol)
        else:
            llm = _bounded(NORMAL.inv_cdf(min(max(probability, SURE), 1.0 - SURE))) * spread
        views.append(View(symbol=symbol, factor_return=factor, llm_return=llm, llm_share=share))
    return Views(views=tuple(views), unusable=tuple(unusable), llm_influence=llm_influence)


def _bounded(spreads: float) -> float:
    """A view in standard deviations, made sane: NaN says nothing, infinity says the most that may be said."""
    if math.isnan(spreads):
        return 0.0
    return min(max(spreads, -MOST_SPREADS), MOST_SPREADS)
