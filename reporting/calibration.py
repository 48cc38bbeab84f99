"""What was said beside what came: a reliability diagram of forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reporting.figure import SPAN, Scale, dot, figure

CHANCE = Scale(0.0, 1.0, 0.25)


class Group(NamedTuple):
    """Forecasts of about the same probability: mean of what was said, share that came, its interval, their number."""

    said: float
    came: float
    low: float
    high: float
    forecasts: int


def calibration(groups: Sequence[Group]) -> str:
    """A dot for each group with its interval; on the diagonal, what was said came as often."""
    drawn = [f'<path class="fair" d="M0 {SPAN:.0f}L{SPAN:.0f} 0"/>']
    for group in groups:
        x, y = CHANCE.across(group.said), CHANCE.down(group.came)
        drawn.append(f'<path class="whisker" d="M{x:g} {CHANCE.down(group.low):g}V{CHANCE.down(group.high):g}"/>')
        label = (
            f"said {group.said:.0%}, came {group.came:.0%} of {group.forecasts} ({group.low:.0%} to {group.high:.0%})"
        )
        drawn.append(dot(x, y, "plain", label))
    labels = [CHANCE.text(tick) for tick in CHANCE.ticks]
    told = "share that came, by the probability that was said"
    return figure("".join(drawn), CHANCE, labels, unit="came, by what was said", told=told, horizontal=CHANCE)
