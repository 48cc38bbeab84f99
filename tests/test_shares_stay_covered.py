"""What chaos and kills have shown: exits that were refused, forgotten or withdrawn while their shares were there.

The days are those of `test_simulated_day`: 249 shares bought at 9:50:40 for 100.21.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from ib_simulator.fault_kinds import Lose, Reject
from ib_simulator.fault_plan import AfterMessage, PlannedFault
from ib_simulator.message_names import Direction
from tests.gateway_world import (
    HandMadeFeed,
    Played,
    World,
    in_world,
    market_order,
    run_until,
    run_until_killed,
    what_is_left,
)
from tests.test_simulated_day import until_entry
from trading.settings import SafetySettings

Sizes = list[tuple[str, int]]


def exits(world: World) -> Sizes:
    """Orders of the day trader that rest at the exchange, by type and size."""
    return [(order.order_type, order.quantity) for order in world.resting() if order.client_id == 2]


def test_a_stop_that_is_refused_with_its_entry_is_replaced_within_two_seconds(tmp_path: Path) -> None:
    async def main(world: World) -> Sizes:
        seen: Sizes = []

        async def look() -> None:
            await world.until("09:50:39")
            entry = AfterMessage(direction=Direction.IN, ids=frozenset({3}), count=1)
            world.faults().add(PlannedFault(fault=Reject(code=201, count=2), when=entry))  # its stop and its target
            await world.until("09:50:42.500")  # the entry filled at 9:50:40.5
            seen.extend(exits(world))

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(look())
                await run_until(world, world.trader(history), ["AAA"], "09:51")
        return seen

    seen = in_world(main, HandMadeFeed({"AAA": until_entry()}), tmp_path)
    assert sorted(seen) == [("LMT", 249), ("MKT", 249), ("STP", 249)]


def test_a_fill_whose_execution_was_never_told_keeps_its_exits_and_is_not_bought_again(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Played, int, list[Sizes]]:
        journal = world.gateway.keep_journal()
        seen: list[Sizes] = []

        async def happen() -> None:
            await world.until("09:50:39")
            world.faults().fire(Lose(message="execDetails", count=1))
            for clock_text in ("09:50:47", "09:51:10", "09:55"):
                await world.until(clock_text)
                seen.append(exits(world))

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(happen())
                report = await run_until(world, world.trader(history), ["AAA"], "09:56")
        bought = sum(entry.shares for entry in journal.entries("execution") if entry.side == 1)
        return what_is_left(world, report), bought, seen

    day, bought, seen = in_world(main, HandMadeFeed({"AAA": until_entry()}), tmp_path)
    assert bought == 249
    assert day.report.positions_left == {"AAA": 249}
    assert [sorted(sizes) for sizes in seen] == [[("LMT", 249), ("MKT", 249), ("STP", 249)]] * 3


def test_exits_of_an_entry_that_ended_while_the_daemon_was_dead_are_not_placed_twice(tmp_path: Path) -> None:
    # Another client took 500 of the minute's 600 shares: the entry of 9:50:40 got 100 of 249 and works until 9:50:55.
    async def main(world: World) -> tuple[Played, Sizes]:
        other = world.broker(client_id=9)
        safety = SafetySettings(kill_switch_file=str(world.kill_switch), external_positions="ignore")

        async def interfere() -> None:
            await other.open()
            await world.until("09:50:20")
            await other.orders.place([market_order("AAA", 500)])

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(interfere())
                await run_until_killed(world, world.trader(history, safety=safety), ["AAA"], "09:50:45")
            world.cut(2)
            await world.until("09:50:58")
            report = await run_until(world, world.trader(history, safety=safety), ["AAA"], "09:52")
        other.disconnect()
        return what_is_left(world, report), exits(world)

    day, left = in_world(main, HandMadeFeed({"AAA": until_entry()}), tmp_path)
    assert day.report.positions_left == {"AAA": 100}
    assert sorted(left) == [("LMT", 100), ("MKT", 100), ("STP", 100)]
