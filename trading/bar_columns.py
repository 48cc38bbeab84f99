"""Bars of one symbol as columns: what files hold and what arrays of a session are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trading.bars import Bar

Int64s = NDArray[np.int64]


class BarColumns(NamedTuple):
    """Bars in time order: epoch seconds, prices in 1e-4 USD, shares. All have shape (n_bars,)."""

    start_s: Int64s
    open: Int64s
    high: Int64s
    low: Int64s
    close: Int64s
    volume: Int64s

    def between(self, first_s: int, end_s: int) -> BarColumns:
        """The bars with `first_s` <= start < `end_s`, as views."""
        low, high = np.searchsorted(self.start_s, (first_s, end_s))
        return BarColumns(*(column[low:high] for column in self))

    def as_bars(self) -> list[Bar]:
        """The same, bar by bar."""
        return [Bar(*row) for row in zip(*(column.tolist() for column in self), strict=True)]


def joined(parts: Sequence[BarColumns]) -> BarColumns:
    """Bars one after the other; none of them where there are no parts."""
    if not parts:
        return BarColumns(*(np.empty(0, dtype=np.int64) for _ in BarColumns._fields))
    return BarColumns(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def as_columns(bars: Sequence[Bar]) -> BarColumns:
    """Bars as columns."""
    rows = np.array(bars, dtype=np.int64).reshape(-1, len(Bar._fields))
    return BarColumns(*np.ascontiguousarray(rows.T))
