"""Values of two parameters as a table of colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape


def heat_map(
    rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], names: tuple[str, str]
) -> str:
    """Values (n_rows, n_columns), red below zero and green above, `names` down and across; NaN is left empty."""
    most = max((abs(value) for row in values for value in row if math.isfinite(value)), default=0.0) or 1.0
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr><th>{escape(row)}</th>{''.join(_cell(value, most) for value in line)}</tr>"
        for row, line in zip(rows, values, strict=True)
    )
    corner = f"<th>{escape(names[0])} \u2193 {escape(names[1])} \u2192</th>"
    return f'<div class="wide"><table class="heat"><tr>{corner}{head}</tr>{body}</table></div>'


def _cell(value: float, most: float) -> str:
    if not math.isfinite(value):
        return "<td></td>"
    colour = f"rgba({'26,140,80' if value >= 0 else '190,60,50'},{0.08 + 0.8 * abs(value) / most:.2f})"
    return f'<td style="background:{colour}" title="{value:.4f}">{value:.2f}</td>'
