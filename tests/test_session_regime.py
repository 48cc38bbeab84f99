"""The regime label of a trade: from minutes that were over, the same whoever asks and when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pytest

from day_trading.session_regime import SETTLED_S, SessionRegime
from evidence.regime import INTRADAY, Regime, RegimeTracker, watchlist_index
from market_hours import Session
from tests.gateway_world import MONDAY, calendar
from trading.bars import Bar
from trading.errors import BrokerUnavailable, HistoryUnavailable

FRIDAY = calendar().previous_session(MONDAY.date)
SYMBOLS = ("AAA", "BBB", "CCC")


def day(session: Session, seed: int, spread: float = 0.0008) -> dict[str, list[Bar]]:
    """A session of minutes for each symbol, volatile in the middle."""
    rng = np.random.default_rng(seed)
    bars: dict[str, list[Bar]] = {}
    for symbol in SYMBOLS:
        moves = rng.normal(0, spread, 390) * np.where(np.abs(np.arange(390) - 200) < 50, 3, 1)
        closes = (1_000_000 * np.exp(np.cumsum(moves))).astype(int).tolist()
        starts = range(session.open_s, session.close_s, 60)
        bars[symbol] = [Bar(at, close, close, close, close, 500) for at, close in zip(starts, closes, strict=True)]
    return bars


async def of_friday(symbol: str, session: Session) -> Sequence[Bar]:
    assert session == FRIDAY
    return day(FRIDAY, 1)[symbol]


def learned(bars: dict[str, list[Bar]]) -> SessionRegime:
    regime = SessionRegime(MONDAY, bars)
    asyncio.run(regime.learn(SYMBOLS, FRIDAY, of_friday))
    return regime


def names_by_matrix(*days: dict[str, list[Bar]]) -> list[str | None]:
    """The regime after each minute of the last day, by the index of the matrix of closes."""
    tracker, names = RegimeTracker(INTRADAY), list[str | None]()
    for bars in days:
        tracker.begin_session()
        closes = np.array([[bar.close for bar in bars[symbol]] for symbol in SYMBOLS], dtype=np.float64).T
        names = []
        for level in watchlist_index(closes).tolist():
            reading = tracker.observe(level)
            names.append(reading.regime.value if reading else None)
    return names


def test_labels_are_those_of_the_index_of_both_sessions() -> None:
    today = day(MONDAY, 2)
    regime, expected = learned(today), names_by_matrix(day(FRIDAY, 1), today)
    found = [regime.name_at(MONDAY.open_s + 60 * (minute + 1) + SETTLED_S) for minute in range(390)]
    assert found == expected
    assert set(found) >= {Regime.HIGH_VOLATILITY.value, Regime.RANGING.value}


@pytest.mark.parametrize("minute", [1, 30, 199, 380])
def test_label_does_not_know_the_minute_that_is_not_over(minute: int) -> None:
    whole, second = day(MONDAY, 2), MONDAY.open_s + 60 * minute + SETTLED_S
    known = {symbol: [bar for bar in bars if bar.start_s + 60 <= second - SETTLED_S] for symbol, bars in whole.items()}
    crashed = {
        symbol: known[symbol] + [bar._replace(close=1) for bar in bars[len(known[symbol]) :]]
        for symbol, bars in whole.items()
    }
    assert learned(known).name_at(second) == learned(crashed).name_at(second)


def test_label_of_a_second_is_the_same_before_and_after_later_questions() -> None:
    regime, seconds = learned(day(MONDAY, 2)), [MONDAY.open_s + 977 * n for n in range(24)]
    assert [regime.name_at(second) for second in reversed(seconds)] == [
        learned(day(MONDAY, 2)).name_at(second) for second in reversed(seconds)
    ]


def test_bars_that_arrive_in_time_one_by_one_give_the_same_labels() -> None:
    whole, growing = day(MONDAY, 2), {symbol: list[Bar]() for symbol in SYMBOLS}
    regime, told = SessionRegime(MONDAY, growing), []
    for minute in range(390):
        for symbol in SYMBOLS:
            growing[symbol].append(whole[symbol][minute])
        told.append(regime.name_at(MONDAY.open_s + 60 * (minute + 1) + SETTLED_S))
    assert told == names_by_matrix(whole)
    assert told[:119] == [None] * 119, "two hours are needed when the last session is not known"


def test_symbol_that_is_quiet_stands_still() -> None:
    today = day(MONDAY, 2)
    quiet = today | {"CCC": [bar for bar in today["CCC"] if bar.start_s % 180 == 0]}
    filled = {
        symbol: list(
            accumulate(
                ({bar.start_s: bar for bar in bars}.get(at) for at in range(MONDAY.open_s, MONDAY.close_s, 60)),
                lambda before, bar: bar or before._replace(start_s=before.start_s + 60),
            )
        )
        for symbol, bars in quiet.items()
    }
    ends = [MONDAY.open_s + 60 * (minute + 1) + SETTLED_S for minute in range(390)]
    assert [learned(quiet).name_at(at) for at in ends] == [learned(filled).name_at(at) for at in ends]


@pytest.mark.parametrize("fault", [HistoryUnavailable("AAA", 162, "no data"), BrokerUnavailable("gone")])
def test_session_before_that_cannot_be_had_only_delays_the_first_label(fault: Exception) -> None:
    async def fails(_symbol: str, _session: Session) -> Sequence[Bar]:
        raise fault

    regime = SessionRegime(MONDAY, day(MONDAY, 2))
    asyncio.run(regime.learn(SYMBOLS, FRIDAY, fails))
    assert regime.name_at(MONDAY.open_s + 600) is None
    assert regime.name_at(MONDAY.close_s) is not None
