"""Bars up or down from zero: columns over time, or rows with a name each."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from reporting.figure import SPAN, figure, scale, spaced

GAP = 0.15  # share of a column's width that is left free


class Bar(NamedTuple):
    """A named value, and what is said of it besides."""

    name: str
    value: float
    note: str = ""


def columns(bars: Sequence[Bar], unit: str) -> str:
    """One column for each bar, green up or red down from zero."""
    heights = scale([0.0, *(bar.value for bar in bars)])
    width, zero = SPAN / max(1, len(bars)), heights.down(0.0)
    drawn = []
    for number, bar in enumerate(bars):
        top = min(heights.down(bar.value), zero)
        size = f'width="{width * (1 - GAP):.2f}" height="{max(abs(heights.down(bar.value) - zero), 1.0):.1f}"'
        title = f"<title>{escape(_told(bar, unit))}</title>"
        drawn.append(f'<rect class="{tone(bar.value)}" x="{width * number:.2f}" y="{top:.1f}" {size}>{title}</rect>')
    return figure("".join(drawn), heights, spaced([bar.name for bar in bars]), unit=unit)


def rows(bars: Sequence[Bar], unit: str, digits: int = 2, *, signed: bool = True) -> str:
    """One line of text for each bar: name, bar, value. All share one scale with zero at the same place.

    Without `signed` a value is an amount, neither gain nor loss.
    """
    low, high = min(0.0, *(bar.value for bar in bars), 0.0), max(0.0, *(bar.value for bar in bars), 0.0)
    extent = (high - low) or 1.0
    zero = -low / extent * SPAN
    lines = []
    for bar in bars:
        x, width = min(zero, zero + bar.value / extent * SPAN), max(abs(bar.value) / extent * SPAN, 1.0)
        title = f"<title>{escape(_told(bar, unit))}</title>"
        rect = (
            f'<rect class="{tone(bar.value)}" x="{x:.1f}" y="0" width="{width:.1f}" height="{SPAN:.0f}">{title}</rect>'
        )
        svg = f'<svg viewBox="0 0 {SPAN:.0f} {SPAN:.0f}" preserveAspectRatio="none" role="img">{rect}</svg>'
        value = f"{bar.value:{'+' if signed else ''},.{digits}f} {unit}"
        lines.append(f"<span>{escape(bar.name)}</span>{svg}<span>{escape(value)}</span>")
    return f'<figure class="rows">{"".join(lines)}</figure>'


def tone(value: float) -> str:
    """The class of a gain or a loss."""
    return "up" if value >= 0 else "down"


def _told(bar: Bar, unit: str) -> str:
    return f"{bar.name}: {bar.value:+,.3f} {unit}" + (f" ({bar.note})" if bar.note else "")
