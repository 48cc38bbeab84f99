"""A backtest that holds a stretch of sessions at a time is that of all sessions at once."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

pytest.importorskip("numba", reason="requirements-research.txt is not installed")

from ib_simulator.feeds.research_source import FeedSource
from market_hours import new_york_calendar
from research.backtest import backtest
from research.engine import simulate
from research.source import analysed_watchlist, fixed_watchlist, load, stretches
from research.trials import MarketName
from tests.research.rough_feed import RoughFeed, Roughness
from tests.research.test_engine import EAGER, LOOSE, SYMBOLS, plan

LATEST = date(2026, 9, 30)
CALENDAR = new_york_calendar(LATEST)
DAYS = CALENDAR.sessions_between(date(2025, 11, 24), date(2025, 12, 3))  # an early close among them
ON = plan(1_000_000, 0.25, LOOSE)
ROUGH = (Roughness(missing=0.3, swing=3.0), Roughness(fine=True, spreads=True, swing=2.0))


@pytest.mark.parametrize("roughness", ROUGH)
@pytest.mark.parametrize("most_bars", [1, 5 * 390, 12 * 390])
def test_stretches_are_played_as_one(most_bars: int, roughness: Roughness) -> None:
    source = FeedSource(RoughFeed(3, SYMBOLS, CALENDAR, LATEST, roughness))
    choose = fixed_watchlist(SYMBOLS)
    whole = load(source, DAYS, choose)
    parts = list(stretches(source, DAYS, choose, most_bars))
    assert len(parts) > 1
    assert all(part.n_bars <= max(most_bars, 5 * 390) for part in parts)
    expected, found = simulate(whole, EAGER, ON), backtest(parts, EAGER, ON, "here")
    assert list(found.trips) == expected.round_trips() != []
    assert np.array_equal(found.days, expected.days)
    assert (found.dates, found.symbol_days, found.n_bars) == (whole.dates, whole.n_tapes, whole.n_bars)
    name = MarketName("here", ON)
    name.add(whole)
    assert found.market == name.text()


def test_the_name_of_a_market_tells_prices_symbols_and_accounts_apart() -> None:
    names = set()
    for seed, symbols, on in ((3, SYMBOLS[:2], ON), (4, SYMBOLS[:2], ON), (3, SYMBOLS[:3], ON), (3, SYMBOLS[:2], None)):
        source = FeedSource(RoughFeed(seed, SYMBOLS, CALENDAR, LATEST, Roughness()))
        name = MarketName("here", on or plan(2_000_000, 0.25, LOOSE))
        name.add(load(source, DAYS[:2], fixed_watchlist(symbols)))
        names.add(name.text())
    assert len(names) == 4


def test_a_watchlist_of_the_day_is_chosen_for_each_session_of_each_stretch() -> None:
    source = FeedSource(RoughFeed(3, SYMBOLS, CALENDAR, LATEST, Roughness(swing=3.0)))
    choose = analysed_watchlist(2, 0.0, 0.01, 1.0)
    whole = load(source, DAYS, choose)
    parts = list(stretches(source, DAYS, choose, 1))
    assert [part.symbols for part in parts] == [
        tuple(whole.symbol_of(tape) for tape in range(first, end))
        for first, end in whole.tapes.sessions[:, :2].tolist()
    ]
