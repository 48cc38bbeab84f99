"""The engine equals the daemon: a part of what `make parity` compares, in every run of the tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.research.parity import Case, Tally, compare, recorded_cases, synthetic_cases

pytest.importorskip("numba", reason="requirements-research.txt is not installed")


def tally_of(cases: list[Case]) -> Tally:
    total = Tally()
    for case in cases:
        total.add(compare(case))
    return total


@pytest.mark.parametrize(("make", "symbol_days"), [(recorded_cases, 20), (synthetic_cases, 50)])
def test_engine_makes_the_round_trips_and_judgements_of_the_daemon(
    make: Callable[[int], list[Case]], symbol_days: int
) -> None:
    cases = make(symbol_days)
    if not cases:
        pytest.skip("no recordings here")
    total = tally_of(cases)
    assert total.differences == []
    assert total.symbol_days >= symbol_days
    assert total.round_trips >= 10


@pytest.mark.soak
def test_parity_in_full() -> None:
    total = tally_of([*recorded_cases(100), *synthetic_cases(500)])
    assert total.differences == []
    assert total.gaps(20) == []
    assert total.round_trips >= 300
