"""`Documentation/METRICS.md` says of each metric and bound what the code says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from evidence.days import OF_DAYS
from evidence.metrics import OF_TRIPS, description
from evidence.suggestions import BOUNDS
from records.rows import DailyMetricsRow

METRICS = Path(__file__).resolve().parents[2] / "Documentation" / "METRICS.md"


def rows() -> list[list[str]]:
    lines = METRICS.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]


def test_every_metric_is_told_as_its_docstring_tells_it() -> None:
    told = {tuple(row) for row in rows() if len(row) == 4}
    for metric in (*OF_TRIPS, *OF_DAYS):
        name, meaning, unit, formula = description(metric)
        assert (f"`{name}`", unit, formula, meaning) in told


def test_no_metric_is_told_that_does_not_exist() -> None:
    text = METRICS.read_text(encoding="utf-8")
    tables = "".join(re.findall(r"\| metric \|.*?\n\n", text, re.DOTALL))
    told = re.findall(r"^\| `(\w+)`", tables, re.MULTILINE)
    assert told == [metric.__name__ for metric in (*OF_TRIPS, *OF_DAYS)]


def test_bounds_are_those_of_the_code() -> None:
    told = {row[0].strip("`"): tuple(map(float, row[1:])) for row in rows() if row[0].strip("`") in BOUNDS}
    assert told == {name: tuple(bounds) for name, bounds in BOUNDS.items()}


def test_every_metric_of_round_trips_is_a_column_of_the_day() -> None:
    columns = {field.name for field in fields(DailyMetricsRow)}
    assert {metric.__name__ for metric in OF_TRIPS} <= columns
