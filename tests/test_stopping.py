"""A day trader that is told to stop: entries are withdrawn, exits fit what is owned, and twice means at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ib_simulator.fault_kinds import Connectivity, Lose
from tests.gateway_world import HandMadeFeed, Played, World, at, in_world, market_order, run_until, what_is_left
from tests.test_simulated_day import until_entry
from trading.orders import Action


def test_an_entry_that_still_works_is_withdrawn_and_its_exits_fit_what_it_bought(tmp_path: Path) -> None:
    # Another client took 500 of the minute's 600 shares: the entry of 9:50:40 got 100 of 249 and works until 9:50:55.
    async def main(world: World) -> Played:
        other = world.broker(client_id=9)

        async def interfere() -> None:
            await other.open()
            await world.until("09:50:20")
            await other.orders.place([market_order("AAA", 500)])

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(interfere())
                report = await run_until(world, world.trader(history), ["AAA"], "09:50:45")
            other.disconnect()
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": until_entry()}), tmp_path)
    assert day.report.ended_at <= at("09:50:47")
    assert day.report.positions_left == {"AAA": 100}
    assert [order.quantity for order in day.resting] == [100, 100, 100]
    assert day.report.resting_orders is not None
    assert [(order["order_type"], order["quantity"]) for order in day.report.resting_orders] == [
        ("STP", 100.0),
        ("LMT", 100.0),
        ("MKT", 100.0),
    ]
    assert (day.intents[0]["role"], day.intents[0]["state"]) == ("entry", "cancelled")


def test_told_twice_it_does_not_wait_for_its_shares_to_be_sold(tmp_path: Path) -> None:
    # The shares are gone and the exits too: flattening would try until its limit.
    async def main(world: World) -> Played:
        with world.history() as history:
            trader = world.trader(history, flatten_on_exit=True)

            async def interfere() -> None:
                await world.until("10:59")
                for order in world.resting():
                    world.gateway.exchange.cancel(order)
                world.faults().fire(Lose(message="execDetails", client=2, seconds=600))  # nobody says who sold them
                other = world.broker(client_id=9)
                await other.open()
                await other.orders.place([market_order("AAA", 249, Action.SELL)])
                await world.until("11:00:10")
                other.disconnect()
                trader.stop("again")

            async with asyncio.TaskGroup() as group:
                group.create_task(interfere())
                report = await run_until(world, trader, ["AAA"], "11:00")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": until_entry()}), tmp_path)
    assert day.report.ended_because == "the test has seen enough"
    assert day.report.positions_left == {"AAA": 249}
    assert at("11:00:10") <= day.report.ended_at <= at("11:00:12")


def test_what_is_to_be_sold_at_the_end_is_sold_once_the_connection_is_back(tmp_path: Path) -> None:
    """The socket stays open while the gateway has lost its servers: nothing is sent into it."""

    async def main(world: World) -> tuple[Played, list[str]]:
        journal = world.gateway.keep_journal()

        async def interfere() -> None:
            await world.until("10:59:50")
            world.faults().fire(Connectivity(seconds=40, orders="queued"))

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(interfere())
                report = await run_until(world, world.trader(history, flatten_on_exit=True), ["AAA"], "11:00")
        return what_is_left(world, report), sorted({entry.at for entry in journal.entries("order")})

    day, sent = in_world(main, HandMadeFeed({"AAA": until_entry()}), tmp_path)
    # the gateway works off at 11:00:30 what it was given before; the broker's truth is read first
    assert next(when[11:19] for when in sent if when > "2026-09-28T14:59:50") == "15:00:31"
    assert [(row.action, row.quantity, row.reason) for row in day.trades] == [
        ("BUY", 249, "entry"),
        ("SELL", 249, "manual"),
    ]
    assert (day.held, day.resting, day.report.positions_left) == ({}, [], {})
