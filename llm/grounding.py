"""Whether the numbers of a thesis stand in the evidence. A model that invents a figure is not listened to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

_NUMBER = re.compile(
    r"(?P<digits>\d+(?:,\d{3})*(?:\.\d+)?)(?:\s?(?P<unit>thousand|million|billion|trillion|[kmbt])\b)?", re.IGNORECASE
)
_SCALES = {"k": 3, "thousand": 3, "m": 6, "million": 6, "b": 9, "billion": 9, "t": 12, "trillion": 12}
_REFERENCE = re.compile(r"\[?\b[ES]\d+\b\]?")  # evidence numbers and aliases are names, not figures


class Figure(NamedTuple):
    """A number as written: its value, and half of its last digit, within which a rounded number may lie."""

    text: str
    value: Decimal
    tolerance: Decimal


def figures(text: str) -> list[Figure]:
    """Every number in `text`, without its sign: "fell 3 %" and "-3 %" say the same."""
    found = []
    for match in _NUMBER.finditer(_REFERENCE.sub(" ", text)):
        digits = match["digits"].replace(",", "")
        scale = Decimal(10) ** _SCALES.get((match["unit"] or "").lower(), 0)
        decimals = len(digits.partition(".")[2])
        tolerance = Decimal(10) ** -decimals / 2 * scale if decimals or scale > 1 else Decimal(0)
        found.append(Figure(match[0].strip(), Decimal(digits) * scale, tolerance))
    return found


def ungrounded(thesis: str, evidence: Iterable[str]) -> list[str]:
    """Numbers of `thesis` that no text of `evidence` has, as they are written.

    A number of the evidence may be rounded to the digits shown (24.31 supports 24.3) and told in another unit
    (1,200 million supports 1.2 billion). A whole number must be there as it is. Number words are not looked at.
    """
    there = {figure.value for text in evidence for figure in figures(text)}
    return [
        figure.text
        for figure in figures(thesis)
        if not any(abs(figure.value - value) <= figure.tolerance for value in there)
    ]
