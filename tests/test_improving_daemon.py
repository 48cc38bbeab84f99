"""Half a year of a market whose drift and volatility switch, traded and learned from by the whole program.

`benchmarks/bench_improvement.py` asks the same of twenty seeds, without the daemon.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bench_improvement import FROZEN, LEAST_LOWER_BPS, Results
from benchmarks.switching_market import SYMBOLS, SwitchingMarket
from research.source import load, watchlist_of
from tests.simulated_runs import rows, run
from trading.settings import StrategySettings

SESSIONS = 120
SEED = 1
LIMIT_S = 3_600  # of wall time
LARGEST_GAP_BPS = 1.0  # between a live session and its replay
ANALYSED = "SELECT detail FROM improvement_steps WHERE step = 'analyse' ORDER BY session_date"
APPLIED = "SELECT session_date, parameter, old_value, new_value FROM parameter_changes WHERE applied = 1"


@pytest.mark.soak
def test_half_a_year_of_learning_by_the_whole_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    market = SwitchingMarket(SEED, SESSIONS)
    market.write(tmp_path / "bars")
    options = (market.sessions[0].date.isoformat(), "--days", str(SESSIONS), "--market-data", "bars")
    done = run(tmp_path, *options, settings={"WATCHLIST_UNIVERSE": ",".join(SYMBOLS)}, limit_s=LIMIT_S)
    assert done.returncode == 0, done.stderr
    with capsys.disabled():
        sys.stdout.write(judged(tmp_path, market, SESSIONS))


def judged(folder: Path, market: SwitchingMarket, sessions: int) -> str:
    """Hold what a run left against what must be true of it; the comparison with the frozen set in words."""
    steps = rows(folder, "SELECT session_date, COUNT(*) FROM improvement_steps GROUP BY 1 ORDER BY 1")
    assert [day for day, _ in steps] == [session.date.isoformat() for session in market.sessions[:sessions]]
    assert {count for _, count in steps} == {6}
    assert len(list((folder / "reports" / "improvement").glob("improvement_report_*.html"))) == sessions
    analysed = [
        json.loads(detail)
        for (detail,) in rows(
            folder, "SELECT detail FROM improvement_steps WHERE step = 'analyse' ORDER BY session_date"
        )
    ]
    gaps = np.array([each["gap_bps"] for each in analysed])
    assert np.abs(gaps).max() <= LARGEST_GAP_BPS
    assert {each["broker_result"]["difference_usd"] for each in analysed} == {0.0}
    played = market.sessions[:sessions]
    frozen = Results([load(market, played, watchlist_of(None, StrategySettings()))]).of([FROZEN])[0]
    differences = np.array([each["live_bps"] for each in analysed]) - frozen
    assert differences.mean() >= LEAST_LOWER_BPS
    changes = rows(
        folder, "SELECT session_date, parameter, old_value, new_value FROM parameter_changes WHERE applied = 1"
    )
    return (
        f"{sessions} sessions through the daemon: frozen {frozen.mean():+.2f}, adaptive - frozen "
        f"{differences.mean():+.2f} bps a session, live - replay at most {np.abs(gaps).max():.2f} bps, "
        f"changes {changes}\n"
    )
