"""Bars that cannot be real are named."""

from __future__ import annotations

import pytest

from trading.bars import Bar, bar_fault


@pytest.mark.parametrize(
    ("bar", "fault"),
    [
        (Bar(0, 100, 110, 90, 105, 0), ""),
        (Bar(0, 100, 100, 100, 100, 7), ""),
        (Bar(0, 0, 110, 90, 105, 7), "price that is zero"),
        (Bar(0, 100, 110, -1, 105, 7), "zero or negative"),
        (Bar(0, 100, 110, 90, 105, -1), "negative volume"),
        (Bar(0, 100, 104, 90, 105, 7), "outside low..high"),
        (Bar(0, 89, 110, 90, 105, 7), "outside low..high"),
        (Bar(0, 100, 90, 110, 105, 7), "outside low..high"),
    ],
)
def test_a_bar_is_real_or_its_fault_is_named(bar: Bar, fault: str) -> None:
    assert bar_fault(bar) == "" if not fault else fault in bar_fault(bar)
