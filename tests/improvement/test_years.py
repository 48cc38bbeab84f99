"""Years of decisions: nothing is changed by luck, what is better is adopted, and what breaks its promise is taken back.

Results are made up here, so that the truth is known; `benchmarks/bench_improvement.py` plays them on the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pytest

from benchmarks import bench_improvement
from benchmarks.bench_improvement import FROZEN, PLANTED, Adapted, adapt
from benchmarks.switching_market import NO_EDGE, SYMBOLS, SwitchingMarket
from evidence.bootstrap import Floats
from improvement.gate import WINDOW
from improvement.parameters import ParameterSet

SPREAD_BPS = 8.0  # of a session's difference between two sets
LONG = 2 * WINDOW


class MadeResults:
    """Results of any set: a common part and one of its own, and `gain_bps` from the ATR floor of `PLANTED` on.

    From session `turns_at` on the gain is a loss of the same size.
    """

    def __init__(self, seed: int, gain_bps: float = 0.0, turns_at: int = LONG) -> None:
        self._seed = seed
        self._common = 20.0 * np.random.default_rng(seed).standard_normal(LONG)
        self._gain = np.where(np.arange(LONG) < turns_at, gain_bps, -gain_bps)

    def of(self, sets: Sequence[ParameterSet], *, stressed: bool = False) -> Floats:
        return np.stack([self._of(each) for each in sets])

    def _of(self, each: ParameterSet) -> Floats:
        own = np.random.default_rng([self._seed, crc32(str(each).encode())]).standard_normal(LONG)
        gains = self._gain if each.atr_floor_pct >= PLANTED.atr_floor_pct else 0.0
        return np.asarray(self._common + SPREAD_BPS / np.sqrt(2) * own + gains, dtype=np.float64)


def lived(seed: int, gain_bps: float, sessions: int, turns_at: int = LONG) -> Adapted:
    results = MadeResults(seed, gain_bps, turns_at)
    return adapt(results, range(sessions), [None] * sessions, until_changed=False)  # type: ignore[arg-type]


def test_without_an_edge_hardly_anything_is_changed() -> None:
    """5 % of the runs at most; these 20 are the same on every machine."""
    changed = [seed for seed in range(20) if lived(seed, 0.0, WINDOW).changes]
    assert len(changed) <= 1


def test_clear_gain_is_adopted_within_sixty_sessions_and_never_before_twenty() -> None:
    runs = [lived(seed, 9.0, WINDOW) for seed in range(6)]
    first = [run.changes[0] for run in runs if run.changes]
    assert len(first) >= 5
    assert all(after >= 20 for after, _ in first)
    assert all(change.old == FROZEN and change.new.atr_floor_pct >= PLANTED.atr_floor_pct for _, change in first)


def test_gain_that_turns_into_a_loss_is_taken_back() -> None:
    runs = [lived(seed, 12.0, LONG, turns_at=30) for seed in range(4)]
    adopted = [run for run in runs if run.changes and run.changes[0][0] <= 40]
    assert adopted
    for run in adopted:
        later = [change.source for after, change in run.changes if after > 30]
        assert "rollback" in later or run.changes[-1][1].new.atr_floor_pct < PLANTED.atr_floor_pct


def test_market_of_the_proof_is_the_same_from_the_same_seed_and_its_traps_lie_between_the_floors() -> None:
    one, same = (SwitchingMarket(3, 5, NO_EDGE, traps=4) for _ in range(2))
    for session in one.sessions:
        assert all((one.tape(symbol, session).close == same.tape(symbol, session).close).all() for symbol in SYMBOLS)
    assert len(one.sessions) == 5


@pytest.mark.soak
def test_improvement_meets_its_goals_on_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty seeds each: switching markets, a planted improvement, luck alone."""
    monkeypatch.setattr("sys.argv", ["bench_improvement.py"])
    assert bench_improvement.main() == 0
