"""A picture on a page: a plot that stretches with the page, and labels around it that keep their size.

The plot is SVG in a square of `SPAN` units that is drawn as wide and high as the page has room; strokes and points are
marked not to stretch with it. Axis labels and legend are HTML beside it, so that they can be read on a phone too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

SPAN = 1000.0  # units of a plot, in both directions
TICKS = 5  # about so many labels on an axis
COLOURS = 10  # classes `c0` … `c9` of the page's style; further series begin again
MOST_DIGITS = 12  # of a label
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Scale(NamedTuple):
    """An axis from `low` to `high`, both labelled, with a label every `step` between."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> tuple[float, ...]:
        """Labelled values, rising."""
        return tuple(self.low + self.step * number for number in range(round((self.high - self.low) / self.step) + 1))

    def across(self, value: float) -> float:
        """Units from the left."""
        return round((value - self.low) / (self.high - self.low) * SPAN, 1)

    def down(self, value: float) -> float:
        """Units from the top."""
        return round(SPAN - self.across(value), 1)

    def text(self, value: float) -> str:
        """A value as the axis writes it: with as many digits as its step has."""
        exact = (digits for digits in range(MOST_DIGITS) if math.isclose(round(self.step, digits), self.step))
        digits = next(exact, MOST_DIGITS)
        return f"{0.0 if abs(value) < self.step * 1e-6 else value:,.{digits}f}"


def scale(values: Iterable[float]) -> Scale:
    """A scale that holds all finite values (one either side of them when there is no extent), at round numbers."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1.0):
        low, high = low - 1.0, high + 1.0
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in STEPS if power * each >= rough * (1 - 1e-9))
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step)


def spaced(texts: Sequence[str], count: int = TICKS) -> tuple[str, ...]:
    """At most `count` of the texts, evenly, with the first and the last."""
    if len(texts) <= count:
        return tuple(texts)
    return tuple(texts[round(number * (len(texts) - 1) / (count - 1))] for number in range(count))


def figure(
    plot: str,
    vertical: Scale,
    labels: Sequence[str],
    *,
    unit: str = "",
    legend: Sequence[str] = (),
    told: str = "",
    horizontal: Scale | None = None,
) -> str:
    """A plot (SVG elements in `SPAN` units) with its grid, axes, and one legend entry for each colour.

    `labels` are written below, evenly spaced; `told` is what a screen reader says.
    """
    grid = "".join(_rule(vertical.down(tick)) for tick in vertical.ticks)
    grid += "" if horizontal is None else "".join(_upright(horizontal.across(tick)) for tick in horizontal.ticks)
    if vertical.low < 0 < vertical.high:
        grid += _rule(vertical.down(0.0), "zero")
    heights = "".join(f"<span>{vertical.text(tick)}</span>" for tick in reversed(vertical.ticks))
    below = "".join(f"<span>{escape(label)}</span>" for label in labels)
    told = f' aria-label="{escape(told)}"' if told else ""
    svg = f'<svg viewBox="0 0 {SPAN:.0f} {SPAN:.0f}" preserveAspectRatio="none" role="img"{told}>{grid}{plot}</svg>'
    return (
        f'<figure class="plot">{_legend(legend)}<div class="unit">{escape(unit)}</div><div class="heights">{heights}'
        f'</div>{svg}<div class="below">{below}</div></figure>'
    )


def dot(x: float, y: float, tone: str, label: str) -> str:
    """A round point, which a stretched circle would not be, with its text for who points at it."""
    title = f"<title>{escape(label)}</title>"
    return f'<path class="dot {tone}" d="M{x:g} {y:g}h.01">{title}</path>'


def colour(number: int) -> str:
    """The class of a series by its place."""
    return f"c{number % COLOURS}"


def _legend(names: Sequence[str]) -> str:
    entries = "".join(f'<span class="{colour(i)}">{escape(name)}</span>' for i, name in enumerate(names))
    return f'<figcaption class="legend">{entries}</figcaption>' if entries else ""


def _rule(y: float, kind: str = "grid") -> str:
    return f'<path class="{kind}" d="M0 {y:g}H{SPAN:.0f}"/>'


def _upright(x: float) -> str:
    return f'<path class="grid" d="M{x:g} 0V{SPAN:.0f}"/>'
