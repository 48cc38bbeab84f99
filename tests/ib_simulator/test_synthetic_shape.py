"""The synthetic market has the shape of recorded minute bars; the figures it was fitted to are in benchmarks/."""

from __future__ import annotations

import pytest

from benchmarks.market_shape import shape_of, synthetic_tapes
from benchmarks.recorded_shape import LAST, RECORDED
from ib_simulator.feeds.synthetic import SyntheticFeed
from market_hours import TradingCalendar, new_york_calendar

# exchange_calendars reads pandas in a way that pandas 3 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray:DeprecationWarning")

SEED = 11
SYMBOLS = tuple(f"SYM{number:02d}" for number in range(45))


@pytest.fixture(scope="module")
def calendar() -> TradingCalendar:
    return new_york_calendar(LAST)


@pytest.fixture(scope="module")
def shape(calendar: TradingCalendar) -> dict[str, float]:
    return shape_of(synthetic_tapes(SyntheticFeed(SEED, SYMBOLS, calendar, LAST), 22), calendar)


@pytest.mark.parametrize("name", [name for name in RECORDED if name.startswith(("volume,", "variance,"))])
def test_volume_and_variance_follow_the_time_of_day(name: str, shape: dict[str, float]) -> None:
    assert shape[name] == pytest.approx(RECORDED[name], rel=0.12)


@pytest.mark.parametrize(
    ("name", "rel"),
    [
        ("kurtosis of minute moves", 0.3),
        ("the same without time of day", 0.1),
        ("minutes beyond 4 sd, per mille", 0.25),
        ("minutes beyond 6 sd, per mille", 0.6),
        ("span of a minute / sd of its move", 0.05),
        ("sd of log volume without time of day, median", 0.05),
        ("autocorrelation of log volume, lag 1", 0.1),
        ("autocorrelation of log volume, lag 5", 0.15),
        ("correlation of log volume and |move|", 0.1),
        ("daily true range, % of price, median symbol", 0.3),
        ("mean |overnight gap| / mean |open to close|", 0.2),
        ("sd of log volatility over a symbol's sessions", 0.25),
        ("sd of log volume over a symbol's sessions", 0.25),
    ],
)
def test_tails_ranges_and_volume_are_as_large_as_recorded_ones(name: str, rel: float, shape: dict[str, float]) -> None:
    assert shape[name] == pytest.approx(RECORDED[name], rel=rel)


@pytest.mark.parametrize(
    "name", [name for name in RECORDED if name.startswith(("autocorrelation of moves", "autocorrelation of |moves|"))]
)
def test_memory_of_moves_and_of_their_size_is_short(name: str, shape: dict[str, float]) -> None:
    assert shape[name] == pytest.approx(RECORDED[name], abs=0.012)


@pytest.mark.parametrize(
    "name",
    [
        "correlation of minute moves of two symbols",
        "the same, sd over pairs",
        "correlation of 5-minute moves of two symbols",
        "correlation of |minute moves| of two symbols",
    ],
)
def test_symbols_move_together_as_much_as_recorded_ones(name: str, shape: dict[str, float]) -> None:
    assert shape[name] == pytest.approx(RECORDED[name], abs=0.06)
