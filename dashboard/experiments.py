"""Experiments as the record has them: what each variant made, and where the improvement cycle found them to stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from dashboard.answers import Experiment, Variant
from records.browsing import ExperimentDay

BASELINE = "baseline"  # the variant that the others are compared with
NOTHING_FOUND: Mapping[str, Any] = {"days": 0, "effect_bps": None, "interval_bps": None, "verdict": "inconclusive"}
BPS_PER_PCT = 100.0


def standings(days: Sequence[ExperimentDay], found: Mapping[str, Mapping[str, Any]]) -> list[Experiment]:
    """Every experiment. `found` is name -> the standing of the last cycle: one place judges."""
    by_name = groupby(days, key=lambda day: day.experiment)
    return [_standing(name, list(rows), found.get(name, NOTHING_FOUND)) for name, rows in by_name]


def _standing(name: str, rows: list[ExperimentDay], found: Mapping[str, Any]) -> Experiment:
    by_variant: dict[str, list[ExperimentDay]] = {}
    for row in rows:
        by_variant.setdefault(row.variant, []).append(row)
    names = sorted(by_variant, key=lambda variant: variant != BASELINE)  # else in the order of their names
    low, high = [_in_pct(bound) for bound in (found["interval_bps"] or (None, None))[:2]]
    return Experiment(
        experiment=name,
        variants=[_variant(variant, by_variant[variant]) for variant in names],
        n_days=found["days"],
        effect_pct=_in_pct(found["effect_bps"]),
        low_pct=low,
        high_pct=high,
        days_still_needed=found.get("days_still_needed"),
        verdict=found["verdict"],
    )


def _variant(variant: str, days: list[ExperimentDay]) -> Variant:
    returns = [day.return_pct for day in days if day.return_pct is not None]
    mean = sum(returns) / len(returns) if returns else None
    return Variant(variant, len(days), sum(day.pnl_usd for day in days), mean)


def _in_pct(bps: float | None) -> float | None:
    return None if bps is None else bps / BPS_PER_PCT
