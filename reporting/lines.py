"""Lines over time: one or several series, with markers, and areas stacked on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from reporting.figure import SPAN, Scale, colour, dot, figure, scale

MOST_POINTS = 1_200  # of one line; more cannot be seen


class Series(NamedTuple):
    """A line: its name in the legend and one value for each x, NaN where there is none."""

    name: str
    values: Sequence[float]


class Marker(NamedTuple):
    """A point: where, what is said of it, and its tone: `up`, `down` or `plain`."""

    x: float
    y: float
    label: str
    tone: str = "plain"


def lines(
    xs: Sequence[float],
    series: Sequence[Series],
    labels: Sequence[str],
    unit: str,
    *,
    fill: bool = False,
    markers: Sequence[Marker] = (),
) -> str:
    """Series over rising `xs` (n,), `labels` spaced below; the first filled down to zero where asked for.

    Raises `ValueError` when there is no x or a series has another length.
    """
    _check(xs, series)
    rows = _kept(len(xs))
    shown = [[each.values[row] for row in rows] for each in series]
    heights = scale([value for values in shown for value in values] + [m.y for m in markers] + ([0.0] if fill else []))
    width = _width(xs)
    places = [width.across(xs[row]) for row in rows]
    drawn = []
    for number, (one, values) in reversed(list(enumerate(zip(series, shown, strict=True)))):
        path = _path(places, values, heights)
        if fill and number == 0:
            drawn.append(_area(places, values, heights))
        drawn.append(f'<path class="line {colour(number)}" d="{path}"><title>{escape(one.name)}</title></path>')
    drawn += [dot(width.across(m.x), heights.down(m.y), m.tone, m.label) for m in markers]
    legend = [each.name for each in series] if len(series) > 1 else []
    told = ", ".join(each.name for each in series)
    return figure("".join(drawn), heights, labels, unit=unit, legend=legend, told=told)


def stacked(xs: Sequence[float], series: Sequence[Series], labels: Sequence[str], unit: str) -> str:
    """Series as areas one upon the other, the first lowest. Values below zero and NaN count as zero."""
    _check(xs, series)
    rows = _kept(len(xs))
    width = _width(xs)
    places = [width.across(xs[row]) for row in rows]
    edges = [[0.0] * len(rows)]
    for each in series:
        values = (each.values[row] for row in rows)
        edges.append([below + (value if value > 0 else 0.0) for below, value in zip(edges[-1], values, strict=True)])
    heights = scale([0.0, *edges[-1]])
    drawn = []
    for number, (each, lower, upper) in enumerate(zip(series, edges, edges[1:], strict=False)):
        around = [f"{x:g} {heights.down(y):g}" for x, y in zip(places, upper, strict=True)]
        around += [f"{x:g} {heights.down(y):g}" for x, y in zip(reversed(places), reversed(lower), strict=True)]
        title = f"<title>{escape(each.name)}</title>"
        drawn.append(f'<path class="layer {colour(number)}" d="M{"L".join(around)}Z">{title}</path>')
    names = [each.name for each in series]
    return figure("".join(drawn), heights, labels, unit=unit, legend=names, told=", ".join(names))


def _check(xs: Sequence[float], series: Sequence[Series]) -> None:
    if not len(xs) or not series:
        raise ValueError("a picture needs a series and an x")
    for each in series:
        if len(each.values) != len(xs):
            raise ValueError(f"{each.name} has {len(each.values)} values for {len(xs)} xs")


def _kept(count: int) -> list[int]:
    """Rows that are drawn: all, or evenly some of them with the last."""
    step = max(1, -(-count // MOST_POINTS))
    return [*range(0, count - 1, step), count - 1]


def _width(xs: Sequence[float]) -> Scale:
    first, last = float(xs[0]), float(xs[-1])
    last = last if last > first else first + 1.0
    return Scale(first, last, last - first)


def _path(places: Sequence[float], values: Sequence[float], heights: Scale) -> str:
    """Moves and lines; a gap begins anew."""
    parts, is_down = [], False
    for x, y in zip(places, values, strict=True):
        if math.isfinite(y):
            parts.append(f"{'L' if is_down else 'M'}{x:g} {heights.down(y):g}")
        is_down = math.isfinite(y)
    return "".join(parts)


def _area(places: Sequence[float], values: Sequence[float], heights: Scale) -> str:
    zero = heights.down(min(max(0.0, heights.low), heights.high))
    points = [(x, heights.down(y) if math.isfinite(y) else zero) for x, y in zip(places, values, strict=True)]
    edge = "".join(f"L{x:g} {y:g}" for x, y in points)
    last = points[-1][0] if points else SPAN
    return f'<path class="area" d="M{points[0][0]:g} {zero:g}{edge}L{last:g} {zero:g}Z"/>'
