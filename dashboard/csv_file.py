"""Round trips as CSV, in parts."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import NamedTuple

from dashboard.encoding import plain
from records.browsing import Browsing, TripFilter
from records.rows import RoundTripRow

COLUMNS = tuple(field.name for field in fields(RoundTripRow))
HEAD = (",".join(COLUMNS) + "\r\n").encode()
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets would run, in a text
PART = 500


class Part(NamedTuple):
    """Some lines, and where the next ones begin; None at the end."""

    content: bytes
    next: str | None


def part(browsing: Browsing, wanted: TripFilter, after: str) -> Part:
    """The lines behind a cursor, newest first."""
    page = browsing.round_trips(wanted, limit=PART, after=after)
    text = io.StringIO()
    csv.writer(text).writerows([_cell(getattr(row, column)) for column in COLUMNS] for row in page.rows)
    return Part(text.getvalue().encode(), page.next)


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return plain(value)
