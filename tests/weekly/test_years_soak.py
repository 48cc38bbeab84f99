"""Long simulated runs, each cycle reconciled to the cent; only in `make soak`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ib_simulator.feeds.daily_markets import packaged_market, synthetic_market
from tests.weekly.market import CALENDAR
from tests.weekly.test_years import play

SYMBOLS = tuple(f"S{number}" for number in range(20))
TWO_YEARS, TEN_YEARS = 104, 520

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("seed", range(6))
def test_two_years_of_splits_dividends_failures_and_takeovers(seed: int, tmp_path: Path) -> None:
    market = synthetic_market(seed, SYMBOLS, CALENDAR, date(2024 - seed, 12, 31))
    _, years = play(tmp_path, market, weeks=TWO_YEARS)
    assert [digest.stage for digest in years.digests] == ["done"] * len(years.digests)
    assert len(years.digests) >= TWO_YEARS


def test_ten_years_of_twenty_real_names(tmp_path: Path) -> None:
    pytest.importorskip("skfolio", reason="requirements.txt is not installed")
    _, years = play(tmp_path, packaged_market(CALENDAR), weeks=TEN_YEARS)
    assert len(years.digests) >= TEN_YEARS
    assert {digest.stage for digest in years.digests} == {"done"}
