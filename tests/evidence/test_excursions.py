"""Excursions and other stops on bars made by hand: an entry at 100.00 at 9:30, an exit at 9:33."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.excursions import PriceBars, bracket_outcome, excursion, stop_trials
from tests.evidence.hand_made import OPEN, trip

OPEN_S = OPEN.timestamp()


def bars(*rows: tuple[float, float, float], first_minute: int = 0) -> PriceBars:
    """One-minute bars of (high, low, close)."""
    highs, lows, closes = np.array(rows).T
    return PriceBars(OPEN_S + 60.0 * np.arange(first_minute, first_minute + len(rows)), highs, lows, closes)


DAY = bars((100.5, 99.8, 100.2), (101.0, 99.5, 99.9), (100.1, 99.3, 99.3), (99.4, 98.0, 99.0), (101.6, 99.0, 101.5))


def test_excursions_are_those_between_entry_and_exit() -> None:
    found = excursion(trip(-72.0, 0, 3), DAY)  # sold at 99.30
    assert found.favourable_pct == pytest.approx(1.0)
    assert found.adverse_pct == pytest.approx(-0.7)
    assert found.afterwards_pct == pytest.approx(1.6)


def test_minutes_in_which_the_trip_began_or_ended_are_not_counted() -> None:
    found = excursion(trip(-52.0, 0.5, 1.5), DAY)  # from the middle of the first minute to the end of the second
    assert found.adverse_pct == pytest.approx(-0.5)
    assert found.favourable_pct == pytest.approx(1.0)
    inside_one = excursion(trip(-32.0, 0.2, 0.5), DAY)
    assert (inside_one.adverse_pct, inside_one.favourable_pct) == (pytest.approx(-0.3), 0.0)


def test_nothing_is_known_after_the_last_bar() -> None:
    assert excursion(trip(-72.0, 0, 5), DAY).afterwards_pct is None


@pytest.mark.parametrize(
    ("stop_pct", "target_pct", "outcome"),
    [
        (0.5, 1.4, (-0.5, "stop")),  # 99.5 in the second minute
        (3.0, 1.4, (1.4, "target")),  # 101.6 in the last
        (3.0, 2.0, (1.5, "end")),
        (0.5, 1.0, (-0.5, "stop")),  # the second minute shows both
        (0.4, 0.4, (0.4, "target")),  # the first minute shows the target alone
    ],
)
def test_bracket_ends_where_the_bars_show_it_first(
    stop_pct: float, target_pct: float, outcome: tuple[float, str]
) -> None:
    found = bracket_outcome(100.0, OPEN_S, DAY, stop_pct=stop_pct, target_pct=target_pct)
    assert found is not None
    assert (pytest.approx(found.return_pct), found.ended_by) == outcome


def test_entry_after_the_last_bar_has_no_outcome() -> None:
    assert bracket_outcome(100.0, OPEN_S + 301, DAY, stop_pct=1, target_pct=1) is None


def test_a_wider_stop_is_tried_on_the_same_entries() -> None:
    """Ten dips to 99.1 that recover to the target: a stop of 0.8 % loses them, one of 1.0 % wins them."""
    dip = bars((100.0, 99.1, 99.5), (101.5, 99.5, 101.4))
    stopped = [(trip(-82.0, 0, 1), dip)] * 10
    (wider,) = stop_trials(stopped, [1.0], stop_pct=0.8, target_pct=1.4)
    assert (wider.trips, wider.gain_pct) == (10, pytest.approx(2.2))
    assert wider.interval_pct.low == pytest.approx(2.2)
    assert stop_trials([], [1.0], stop_pct=0.8, target_pct=1.4) == []


def test_several_stops_together_get_wider_intervals() -> None:
    rng = np.random.default_rng(0)
    days = [(trip(1.0), bars((100 + rng.random(), 100 - rng.random(), 100.0), (102.0, 98.0, 99.0))) for _ in range(20)]
    (alone,) = stop_trials(days, [0.5], stop_pct=0.8, target_pct=1.4)
    first, _ = stop_trials(days, [0.5, 0.6], stop_pct=0.8, target_pct=1.4)
    assert (alone.interval_pct.level, first.interval_pct.level) == (0.95, 0.975)
