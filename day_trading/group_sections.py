"""Results by symbol, by hour of entry and by exit, as sections of a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reporting.bars import Bar, rows
from reporting.page import Section, table
from trading.day_summary import words_of

HEADINGS = {"symbol": "By symbol", "hour": "By hour of entry", "exit_reason": "By exit"}
COLUMNS = (  # metric -> its column and how it is written
    ("win_rate_pct", "won %", ".0f"),
    ("total_pnl_usd", "result USD", "+,.2f"),
    ("expectancy_usd", "a trip USD", "+,.2f"),
    ("slippage_bps", "slippage bps", "+.2f"),
)


def group_sections(groups: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Section]:
    """A section for each grouping that is there. `groups` is grouping -> group -> metrics by their names."""
    return [
        (heading, _section(grouping, groups[grouping]))
        for grouping, heading in HEADINGS.items()
        if groups.get(grouping)
    ]


def _section(grouping: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    by_result = sorted(groups, key=lambda group: -groups[group]["total_pnl_usd"])
    order = sorted(groups) if grouping == "hour" else by_result
    picture = rows([Bar(_name(grouping, group), groups[group]["total_pnl_usd"]) for group in order], "USD")
    head = (grouping.replace("_", " "), "round trips", *(column for _, column, _ in COLUMNS))
    return picture + table(head, [_row(_name(grouping, group), groups[group]) for group in order])


def _name(grouping: str, group: str) -> str:
    if grouping == "hour":
        return f"{group}:00"
    return words_of(group) if grouping == "exit_reason" else group


def _row(name: str, metrics: Mapping[str, Any]) -> tuple[str, ...]:
    cells = ["" if metrics[metric] is None else format(metrics[metric], how) for metric, _, how in COLUMNS]
    return (name, f"{metrics['round_trips']:,}", *cells)
