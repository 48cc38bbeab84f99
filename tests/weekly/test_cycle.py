"""A cycle through the whole way: evidence, plan, orders over TCP, ledger and account."""

from __future__ import annotations

from pathlib import Path

from tests.weekly.world import WeeklyWorld, in_weekly_world
from weekly.results import CycleResult, Stage


def test_first(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> CycleResult:
        return await world.cycle()

    result = in_weekly_world(main, tmp_path)
    assert result.stage is Stage.DONE
    print(result.why, result.plan, result.fulfilment, result.warnings, result.exposures)
    assert 0
