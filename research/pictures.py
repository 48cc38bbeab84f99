"""Pictures as SVG text: lines, prices with trades, a heat map, bars. No script, no outside file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from research.tapes import Floats

WIDTH, HEIGHT = 900, 220
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 14, 26
TICKS = 4
MOST_POINTS = 2_000


class Marker(NamedTuple):
    """A point on a line: where, what it is called, and its colour."""

    x: float
    y: float
    label: str
    colour: str


def lines(
    xs: Floats, ys: Floats, ends: tuple[str, str], unit: str, *, fill: bool = False, markers: Sequence[Marker] = ()
) -> str:
    """One line over `xs`, named at both ends, with markers; filled down to zero where asked for."""
    step = max(1, len(xs) // MOST_POINTS)
    xs, ys = np.append(xs[:-1:step], xs[-1]), np.append(ys[:-1:step], ys[-1])
    low, high = _range([*ys.tolist(), *(marker.y for marker in markers), *([0.0] if fill else [])])
    first, last = float(xs[0]), max(float(xs[-1]), float(xs[0]) + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        return round(across, 1), round(TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    points = " ".join(f"{x},{y}" for x, y in (place(float(x), float(y)) for x, y in zip(xs, ys, strict=True)))
    body = [_axis(low, high, unit)]
    if fill:
        zero = place(first, 0)[1]
        body.append(f'<polygon class="area" points="{LEFT},{zero} {points} {WIDTH - RIGHT},{zero}"/>')
    body.append(f'<polyline class="line" points="{points}"/>')
    for marker in markers:
        x, y = place(marker.x, marker.y)
        title = f"<title>{escape(marker.label)}</title>"
        body.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{marker.colour}">{title}</circle>')
    body.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">{escape(ends[0])}</text>')
    body.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{escape(ends[1])}</text>')
    return _svg("".join(body), HEIGHT)


def heat_map(rows: Sequence[str], columns: Sequence[str], values: Floats, names: tuple[str, str]) -> str:
    """Values (n_rows, n_columns) as colours, red below zero and green above; NaN is left empty."""
    cell = min(70, (WIDTH - LEFT - RIGHT) // max(1, len(columns)))
    height = TOP + 24 * len(rows) + 2 * BOTTOM
    most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    body = []
    for i, row in enumerate(rows):
        y = TOP + 24 * i
        body.append(f'<text x="{LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(row)}</text>')
        for j, value in enumerate(values[i].tolist()):
            if value != value:
                continue
            x, strength = LEFT + cell * j, abs(value) / most
            colour = f"rgba({'26,140,80' if value >= 0 else '190,60,50'},{0.08 + 0.8 * strength:.2f})"
            title = f"<title>{escape(f'{names[0]} {row}, {names[1]} {columns[j]}: {value:.4f}')}</title>"
            body.append(f'<rect x="{x}" y="{y}" width="{cell - 2}" height="22" fill="{colour}">{title}</rect>')
            if cell >= 44:
                body.append(f'<text x="{x + cell / 2 - 1}" y="{y + 15}" text-anchor="middle">{value:.2f}</text>')
    for j, column in enumerate(columns):
        middle, y = LEFT + cell * j + cell / 2, TOP + 24 * len(rows) + 14
        body.append(f'<text x="{middle}" y="{y}" text-anchor="middle">{escape(column)}</text>')
    body.append(f'<text x="{LEFT}" y="{height - 6}">{escape(f"{names[0]} down, {names[1]} across")}</text>')
    return _svg("".join(body), height)


def bands(labels: Sequence[str], values: Sequence[float]) -> str:
    """One bar for each label, up or down from zero, in percent."""
    low, high = _range([0.0, *values])
    width = (WIDTH - LEFT - RIGHT) / max(1, len(values))
    scale = (HEIGHT - TOP - BOTTOM) / (high - low)
    zero = TOP + high * scale
    body = [_axis(low, high, "%")]
    for number, (label, value) in enumerate(zip(labels, values, strict=True)):
        x, y = LEFT + width * number, zero - max(value, 0.0) * scale
        title = f"<title>{escape(f'{label}: {value:+.3f} %')}</title>"
        size = f'width="{max(width - 2, 1):.1f}" height="{max(abs(value) * scale, 0.5):.1f}"'
        body.append(f'<rect class="{"up" if value >= 0 else "down"}" x="{x:.1f}" y="{y:.1f}" {size}>{title}</rect>')
    if labels:
        body.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">{escape(labels[0])}</text>')
        body.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{escape(labels[-1])}</text>')
    return _svg("".join(body), HEIGHT)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 1, high + 1)


def _axis(low: float, high: float, unit: str) -> str:
    drawn = []
    for number in range(TICKS + 1):
        value = low + (high - low) * number / TICKS
        y = TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)
        drawn.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        text = f"{value:,.2f}" if high - low < 100 else f"{value:,.0f}"
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text} {escape(unit)}</text>')
    return "".join(drawn)


def _svg(body: str, height: int) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{body}</svg>'
