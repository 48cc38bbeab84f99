"""The daily ATR of research is the day trader's, to the last bit."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("numba", reason="requirements-research.txt is not installed")

from research.daily_atr import atr_before
from trading.bar_columns import as_columns
from trading.bars import Bar
from trading.watchlist import atr_of


@pytest.mark.parametrize("sessions", [0, 1, 4, 5, 13, 14, 15, 31])
def test_the_atr_over_columns_is_that_over_bars(sessions: int) -> None:
    rng = random.Random(sessions)
    bars = []
    for number in range(sessions):
        low = rng.randrange(900_000, 1_100_000)
        bars.append(Bar(86_400 * number, low, low + rng.randrange(90_000), low, low + rng.randrange(90_000), 1))
    columns = as_columns(bars)
    assert atr_before(columns) == atr_of(bars)
    assert columns.as_bars() == bars
