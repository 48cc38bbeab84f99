"""The weekly bot dies by SIGKILL around plan, commit, send, acknowledgement, fill, and at any time: nothing doubles."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kill_points import WEEKLY_POINTS
from tests.weekly.kill_world import killed_again_and_again, some_deaths

Record = Callable[[str, object], None]
SPEED = 10.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed by SIGKILL")


def test_a_bot_killed_at_each_point_once_never_orders_twice(tmp_path: Path, record_property: Record) -> None:
    verdict = killed_again_and_again(tmp_path, some_deaths(WEEKLY_POINTS, each=1, seed=1), seed=1, speed=SPEED)
    record_property("survived", verdict.summary())
    assert verdict.broken == []
    assert verdict.deaths.total() >= len(WEEKLY_POINTS) - 1  # a point may not come by
    assert verdict.executions > 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(301, 311))
def test_five_hundred_kills_never_order_twice(tmp_path: Path, seed: int, record_property: Record) -> None:
    """Ten sessions with fifty-five deaths each, five at each of eleven points."""
    verdict = killed_again_and_again(tmp_path, some_deaths(WEEKLY_POINTS, each=5, seed=seed), seed=seed, speed=SPEED)
    record_property("survived", verdict.summary())
    assert verdict.broken == []
    assert verdict.deaths.total() >= 50
