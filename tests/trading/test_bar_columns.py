"""Columns of bars are cut by time and joined in order."""

from __future__ import annotations

import numpy as np

from trading.bar_columns import BarColumns, joined


def bars(*starts_s: int) -> BarColumns:
    """A bar at each start, whose other columns are its start plus 1 to 5."""
    start_s = np.array(starts_s, dtype=np.int64)
    return BarColumns(*(start_s + number for number in range(6)))


def as_lists(columns: BarColumns) -> list[list[int]]:
    return [column.tolist() for column in columns]


def test_bars_between_two_instants_include_the_first_and_not_the_last() -> None:
    found = bars(60, 120, 180, 240).between(120, 240)
    assert as_lists(found) == as_lists(bars(120, 180))
    assert len(bars(60).between(61, 1_000).start_s) == 0


def test_bars_are_joined_in_the_order_given_each_column_with_its_own() -> None:
    assert as_lists(joined([bars(60, 120), bars(), bars(180)])) == as_lists(bars(60, 120, 180))


def test_nothing_joined_is_no_bars_of_whole_numbers() -> None:
    nothing = joined([])
    assert as_lists(nothing) == [[]] * 6
    assert {column.dtype for column in nothing} == {np.dtype(np.int64)}
