"""The day trader dies by SIGKILL around every commit, send, acknowledgement, fill and modification: nothing is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kill_points import POINTS
from tests.kill_world import killed_again_and_again, some_deaths

Record = Callable[[str, object], None]
SPEED = 10.0  # a request that takes a second on a busy machine meets its ten-second limit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed by SIGKILL")


def test_a_daemon_killed_at_each_point_once_leaves_a_consistent_world(tmp_path: Path, record_property: Record) -> None:
    verdict = killed_again_and_again(tmp_path, some_deaths(POINTS, each=1, seed=1), seed=1, speed=SPEED)
    record_property("survived", verdict.summary())
    assert verdict.broken == []
    assert set(verdict.deaths) >= set(POINTS) - {"before modify", "after modify"}  # those wait for a partial fill
    assert verdict.executions > 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(201, 221))
def test_a_thousand_kills_leave_a_consistent_world(tmp_path: Path, seed: int, record_property: Record) -> None:
    """Twenty sessions with fifty deaths each, a hundred at each of the ten points."""
    verdict = killed_again_and_again(tmp_path, some_deaths(POINTS, each=5, seed=seed), seed=seed, speed=SPEED)
    record_property("survived", verdict.summary())
    assert verdict.broken == []
    assert verdict.deaths.total() >= 40  # the others met SIGKILL elsewhere: their point did not come in time
