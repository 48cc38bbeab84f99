"""The checks against look-ahead and luck: they find what is planted and nothing in the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="requirements-research.txt is not installed")

from research.bias import find_leaks
from research.engine import Outcome, simulate
from research.sessions import PNL
from research.source import Bars
from research.stress import delayed_results, neighbours, stress, with_wider_spread
from research.tapes import CLOSE
from research.trips import PRICE
from tests.research.rough_feed import Roughness
from tests.research.test_engine import EAGER, LOOSE, SYMBOLS, bars_of, plan
from trading.strategy import Parameters

ON = plan(1_000_000, 0.25, LOOSE)


@pytest.fixture(scope="module", params=[False, True], ids=["minutes", "fine"])
def bars(request: pytest.FixtureRequest) -> Bars:
    return bars_of(SYMBOLS[:2], Roughness(swing=3.0, fine=request.param, spreads=request.param), n_sessions=3)


def test_the_engine_does_not_know_the_future(bars: Bars) -> None:
    played = []

    def play(cut: Bars) -> Outcome:
        played.append(simulate(cut, EAGER, ON))
        return played[-1]

    assert find_leaks(bars, play, cuts=8, seed=2) == []
    assert len(played) == 24
    assert sum(len(outcome.fills) for outcome in played) > 100  # there was something to change


def test_a_decision_that_peeks_is_found(bars: Bars) -> None:
    def peek(cut: Bars) -> Outcome:
        outcome = simulate(cut, EAGER, ON)
        fills = outcome.fills.copy()
        fills[:, PRICE] += int(cut.tapes.bars[CLOSE, -1]) % 97  # the last close of all
        return replace(outcome, fills=fills)

    assert {leak.change for leak in find_leaks(bars, peek, cuts=6, seed=2)} == {"removed", "scrambled"}


def test_a_wider_spread_costs_and_the_same_spread_changes_nothing(bars: Bars) -> None:
    usual = simulate(bars, EAGER, ON)
    same = simulate(with_wider_spread(bars, 1), EAGER, ON)
    assert np.array_equal(same.fills, usual.fills)
    wide = simulate(with_wider_spread(bars, 4), EAGER, ON)
    assert wide.trips[:, PNL].mean() < usual.trips[:, PNL].mean()


def test_entries_without_delay_give_the_round_trips_themselves(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = simulate(bars, EAGER, ON)
    late = delayed_results(usual, EAGER)
    monkeypatch.setattr("research.stress.DELAY_S", 0)
    assert np.array_equal(delayed_results(usual, EAGER), usual.trips[:, PNL])
    assert 0 < len(late) <= len(usual.trips)
    assert late.sum() != usual.trips[:, PNL].sum()


def test_neighbours_move_one_parameter_each() -> None:
    assert neighbours(Parameters(100, 60, 75.0, 0.0)) == [
        Parameters(90, 60, 75.0, 0.0),
        Parameters(110, 60, 75.0, 0.0),
        Parameters(100, 54, 75.0, 0.0),
        Parameters(100, 66, 75.0, 0.0),
        Parameters(100, 60, 67.5, 0.0),
        Parameters(100, 60, 82.5, 0.0),
    ]


def test_stress_tells_each_result_by_name(bars: Bars) -> None:
    told = stress(bars, EAGER, ON)
    assert [each.name for each in told][:4] == [
        "as it is",
        "twice the spread",
        "each entry one bar later",
        "profit_target_bps 90",
    ]
    assert told[0].result == simulate(bars, EAGER, ON).pnl
