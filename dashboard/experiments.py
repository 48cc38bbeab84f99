"""Experiments as the record has them: what each variant made, and what can be said of their difference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from dashboard.answers import Experiment, Variant
from evidence.confidence_sequence import confidence_sequence, prior_days_for
from records.browsing import ExperimentDay

ALPHA = 0.05
BASELINE = "baseline"  # the variant that the others are compared with
HORIZON_DAYS = 60  # for which the interval is narrowest; it is valid at every length


def standings(days: Sequence[ExperimentDay]) -> list[Experiment]:
    """Every experiment; the difference is candidate − baseline, on the sessions that both have."""
    return [_standing(name, list(rows)) for name, rows in groupby(days, key=lambda day: day.experiment)]


def _standing(name: str, rows: list[ExperimentDay]) -> Experiment:
    by_variant: dict[str, dict[str, ExperimentDay]] = {}  # variant -> session -> its day
    for row in rows:
        by_variant.setdefault(row.variant, {})[row.session_date] = row
    names = sorted(by_variant, key=lambda variant: variant != BASELINE)  # else in the order of their names
    variants = [_variant(variant, list(by_variant[variant].values())) for variant in names]
    differences = _differences([by_variant[variant] for variant in names])
    if len(differences) < 2:
        return Experiment(name, variants, len(differences), None, None, None, "inconclusive")
    low, high = confidence_sequence(np.array(differences), ALPHA, prior_days_for(HORIZON_DAYS, ALPHA))
    least, most = _finite(low[-1]), _finite(high[-1])
    verdict = (
        "better" if least is not None and least > 0 else "worse" if most is not None and most < 0 else "inconclusive"
    )
    return Experiment(name, variants, len(differences), float(np.mean(differences)), least, most, verdict)


def _variant(variant: str, days: list[ExperimentDay]) -> Variant:
    returns = [day.return_pct for day in days if day.return_pct is not None]
    mean = sum(returns) / len(returns) if returns else None
    return Variant(variant, len(days), sum(day.pnl_usd for day in days), mean)


def _differences(variants: list[dict[str, ExperimentDay]]) -> list[float]:
    """Differences of the first two variants' returns, session by session."""
    if len(variants) < 2:
        return []
    baseline, candidate = variants[:2]
    return [
        after - before
        for day in baseline
        if day in candidate
        and (before := baseline[day].return_pct) is not None
        and (after := candidate[day].return_pct) is not None
    ]


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
