"""Simulated days under seeded faults and crashes, judged from the exchange's own journal: no invariant may break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ib_simulator.fault_kinds import KINDS
from tests.chaos_world import Verdict, chaotic_days
from tests.exchange_judge import AFTER_ENTRY_S, REPAIR_S
from tests.random_faults import MAKERS

Record = Callable[[str, object], None]


def fired(verdict: Verdict) -> int:
    return sum(verdict.faults.values())


def test_every_fault_of_the_gateway_is_among_the_random_ones() -> None:
    assert set(MAKERS) == set(KINDS.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_two_days_with_ten_faults_and_a_crash_each_break_nothing(
    tmp_path: Path, seed: int, record_property: Record
) -> None:
    verdict = chaotic_days(tmp_path, seed=seed, days=2, faults_a_day=10, crashes_a_day=1, symbols=6)
    record_property("survived", verdict.summary())
    assert verdict.broken == []
    assert (verdict.sessions, verdict.crashes) == (2, 2)
    assert fired(verdict) >= 10
    assert verdict.round_trips > 5  # a day on which nothing is traded proves nothing
    assert verdict.quiet_moments > 500
    assert verdict.longest_naked_s <= max(AFTER_ENTRY_S, REPAIR_S)


def test_the_same_seed_meets_the_same_faults(tmp_path: Path) -> None:
    verdicts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        verdicts.append(chaotic_days(tmp_path / name, seed=3, days=1, faults_a_day=6, crashes_a_day=1, symbols=3))
    assert verdicts[0] == verdicts[1]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(101, 111))
def test_two_hundred_days_break_nothing(tmp_path: Path, seed: int, record_property: Record) -> None:
    """Ten runs of twenty days, each with ten faults and two crashes a day."""
    verdict = chaotic_days(tmp_path, seed=seed, days=20, faults_a_day=10, crashes_a_day=2, symbols=6)
    record_property("survived", verdict.summary())
    assert verdict.broken == []
    assert (verdict.sessions, verdict.crashes) == (20, 40)
    assert fired(verdict) >= 200
    assert len(verdict.faults) >= 15  # kinds
