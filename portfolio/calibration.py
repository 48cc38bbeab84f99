"""The calibration table: of the events that were called 30 % likely, did 30 % come?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from portfolio.skill import SettledForecast

Z = 1.96  # of a two-sided 95 % interval


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRow:
    """Forecasts between two probabilities: what was said on average, how many came true, and Wilson's 95 % interval.

    The interval takes forecasts for independent, which those of one cycle are not: it is too narrow, not too wide.
    """

    low: float
    high: float
    forecasts: int
    said: float
    came: float
    came_low: float
    came_high: float


def calibration_table(forecasts: Sequence[SettledForecast], bins: int = 5) -> tuple[CalibrationRow, ...]:
    """Rows of equal width from 0 to 1, without those that nothing fell into."""
    groups: dict[int, list[SettledForecast]] = {}
    for forecast in forecasts:
        groups.setdefault(min(int(forecast.probability * bins), bins - 1), []).append(forecast)
    return tuple(_row(place, bins, groups[place]) for place in sorted(groups))


def _row(place: int, bins: int, group: list[SettledForecast]) -> CalibrationRow:
    count = len(group)
    came = sum(forecast.came_true for forecast in group) / count
    low, high = wilson_interval(came, count)
    return CalibrationRow(
        low=place / bins,
        high=(place + 1) / bins,
        forecasts=count,
        said=sum(forecast.probability for forecast in group) / count,
        came=came,
        came_low=low,
        came_high=high,
    )


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a probability of which `share` of `count` trials came true. Source: Wilson (1927)."""
    scale = 1.0 + Z**2 / count
    middle = (share + Z**2 / (2 * count)) / scale
    radius = Z * math.sqrt(share * (1.0 - share) / count + Z**2 / (4 * count**2)) / scale
    return max(middle - radius, 0.0), min(middle + radius, 1.0)
