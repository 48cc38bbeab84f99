"""How soon a whole trader notices that its broker is gone, and how soon it may trade again, in simulated time.

It owns 249 shares with their exits when the fault comes. An order that is on its way at that moment needs longer: it
is waited for (`UNKNOWN_GRACE_S`) before anything is believed about it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from broker.connection_state import Link
from ib_simulator.fault_kinds import Connectivity, Crash, Drop, Fault, Restart, Silent
from tests.faulty_day import entered
from tests.gateway_world import HandMadeFeed, World, at, in_world, run_until

FAULT_AT = "11:00:03.300"  # between two agent instants, and out of step with the heartbeat
STEP_S = 0.05


def measured(folder: Path, fault: Fault) -> tuple[float, float, list[str]]:
    """Seconds from a fault until it is noticed and until orders may be sent again, and what rests then."""

    async def main(world: World) -> tuple[float, float, list[str]]:
        with world.history() as history:
            trader = world.trader(history)
            supervisor = trader._desk.supervisor

            async def seconds_until(is_ready: bool) -> float:
                while True:
                    if (supervisor.state is Link.READY) is is_ready:
                        return (world.clock.now() - at(FAULT_AT)).total_seconds()
                    await asyncio.sleep(STEP_S)

            async def meet() -> tuple[float, float, list[str]]:
                await world.until(FAULT_AT)
                world.faults().fire(fault)
                noticed_s, ready_s = await seconds_until(False), await seconds_until(True)
                resting = [order.order_type for order in trader._desk.broker.orders.resting()]
                assert trader._desk.broker.orders.held("AAA") == 249
                trader.stop("measured")
                return noticed_s, ready_s, resting

            async with asyncio.TaskGroup() as group:
                meeting = group.create_task(meet())
                group.create_task(run_until(world, trader, ["AAA"]))
            return meeting.result()

    return in_world(main, HandMadeFeed({"AAA": entered()}), folder)


@pytest.mark.parametrize(
    ("fault", "away_s"),
    [
        (Drop(), 0),
        (Drop(reset=True), 0),
        (Restart(refused_s=60), 60),
        (Restart(refused_s=61.7), 61.7),
        (Crash(refused_s=45), 45),
        (Connectivity(seconds=40, restored=1101), 40),
        (Connectivity(seconds=40, restored=1102), 40),
        (Connectivity(seconds=40, code=2110, restored=1102), 40),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fault) else str(value),
)
def test_a_disconnect_is_noticed_in_a_second_and_the_state_is_right_five_seconds_after_the_return(
    tmp_path: Path, fault: Fault, away_s: float
) -> None:
    noticed_s, ready_s, resting = measured(tmp_path, fault)
    assert noticed_s < 1
    assert away_s <= ready_s <= away_s + 5
    assert resting == ["STP", "LMT", "MKT"]


@pytest.mark.parametrize("silent_s", [16, 25, 47, 90])
def test_a_silent_connection_is_noticed_in_fifteen_seconds_and_the_state_is_right_five_after_the_return(
    tmp_path: Path, silent_s: int
) -> None:
    noticed_s, ready_s, resting = measured(tmp_path, Silent(seconds=silent_s))
    assert noticed_s <= 15
    assert silent_s <= ready_s <= silent_s + 5
    assert resting == ["STP", "LMT", "MKT"]
