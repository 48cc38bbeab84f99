"""A cycle on its way to its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from portfolio.construction import Target
from portfolio.rebalance import Plan
from records.rows import WeeklyCycleRow
from weekly.analysis import Analysis
from weekly.results import Holdings


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a cycle has come to. One that goes on with an earlier program's plan has no analysis and no target."""

    row: WeeklyCycleRow  # as on record
    before: Holdings
    plan: Plan
    weights: Mapping[str, float]  # wanted
    target: Target | None = None
    analysis: Analysis | None = None
    sectors: Mapping[str, str] = field(default_factory=dict)
    forecasts_made: int = 0
    forecasts_settled: int = 0
