"""Bars that cannot be real are named."""

from __future__ import annotations

import pytest

from trading.bars import Bar, bar_fault

NO_PRICE = "has a price that is zero or negative"
OUTSIDE = "has open or close outside low..high"


@pytest.mark.parametrize(
    ("bar", "fault"),
    [
        (Bar(0, 100, 110, 90, 105, 0), ""),
        (Bar(0, 100, 100, 100, 100, 7), ""),
        (Bar(0, 1, 1, 1, 1, 7), ""),  # the smallest price there is
        (Bar(0, 0, 110, 90, 105, 7), NO_PRICE),
        (Bar(0, 100, 0, 90, 105, 7), NO_PRICE),
        (Bar(0, 100, 110, -1, 105, 7), NO_PRICE),
        (Bar(0, 100, 110, 90, 0, 7), NO_PRICE),
        (Bar(0, 100, 110, 90, 105, -1), "has a negative volume"),
        (Bar(0, 100, 104, 90, 105, 7), OUTSIDE),
        (Bar(0, 105, 104, 90, 100, 7), OUTSIDE),
        (Bar(0, 89, 110, 90, 105, 7), OUTSIDE),
        (Bar(0, 105, 110, 90, 89, 7), OUTSIDE),
        (Bar(0, 100, 90, 110, 105, 7), OUTSIDE),
    ],
)
def test_a_bar_is_real_or_its_fault_is_named(bar: Bar, fault: str) -> None:
    assert bar_fault(bar) == fault
