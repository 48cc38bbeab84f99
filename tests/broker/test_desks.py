"""The two desks at a gateway that keeps fees, answers and certainty to itself for a while."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from broker.portfolio_desk import MOST_TRIES, PortfolioDesk
from ib_simulator.fault_kinds import Delay, Fault, Lose
from observability import TradingHistory
from tests.gateway_world import HandMadeFeed, World, in_world, market_order, minute, rows, run_until, warm_up
from trading.errors import BrokerUnavailable

# bought at 9:50:40 by the day trader
FEED = HandMadeFeed({"AAA": [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)]})
WITHOUT_FEE = "SELECT COUNT(*) AS n FROM trades WHERE commission IS NULL"


def test_fees_that_were_lost_are_asked_for_before_the_report(tmp_path: Path) -> None:
    async def main(world: World) -> int:
        async def lose() -> None:
            await world.until("09:50:30")
            world.faults().fire(Lose(message="commissionReport", client=2, seconds=30))

        with world.history() as history:
            losing = asyncio.ensure_future(lose())
            await run_until(world, world.trader(history), ["AAA"], "09:50:42")
            await losing
        assert len(rows(world.database, "SELECT * FROM trades")) == 1
        return int(rows(world.database, WITHOUT_FEE)[0]["n"])

    assert in_world(main, FEED, tmp_path) == 0


def test_the_reason_of_a_refusal_is_told_and_recorded_once(tmp_path: Path) -> None:
    async def main(world: World) -> list[str]:
        with world.history() as history:
            desk = world.trader(history)._desk
            desk.refuse("AAA", "no opening trades")
            desk.refuse("AAA", "no opening trades")
            return [words for words in desk.keeper.warnings if "AAA" in words]

    told = in_world(main, FEED, tmp_path)
    assert told == ["AAA: no entry any more today, the broker refused it: no opening trades"]
    recorded = rows(tmp_path / "history.db", "SELECT * FROM decisions WHERE rule = 'rejected_by_broker'")
    assert len(recorded) == 1


def test_the_broker_is_asked_about_each_doubtful_order_at_once_and_again_after_a_minute(tmp_path: Path) -> None:
    async def main(world: World) -> list[str]:
        asked: list[datetime] = []
        with world.history() as history:
            desk = world.trader(history)._desk
            desk.supervisor.ask_for_sync = lambda: asked.append(world.clock.now())  # type: ignore[method-assign]
            for when, intent in (("10:00", "a"), ("10:00:30", "a"), ("10:00:40", "b"), ("10:01:01", "a")):
                await world.until(when)
                desk.keeper.on_doubt(intent, "nobody knows")
        return [f"{when:%M:%S}" for when in asked]

    assert in_world(main, FEED, tmp_path) == ["00:00", "00:40", "01:01"]


def test_a_report_that_could_not_be_handled_ends_trading_at_the_next_instant(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        with world.history() as history:
            trader = world.trader(history)

            async def fail() -> None:
                await world.until("09:45")
                trader._desk.broker.fault = ZeroDivisionError("an execution that nobody understands")

            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(trader.run(["AAA"]))

    with pytest.raises(ZeroDivisionError, match="nobody understands"):
        in_world(main, FEED, tmp_path)
    assert rows(tmp_path / "history.db", "SELECT * FROM order_intents") == []  # the market said buy at 9:50:40


# The weekly bot's desk


def portfolio_desk(world: World, history: TradingHistory) -> PortfolioDesk:
    return PortfolioDesk(world.options().desk, world.session, world.clock, history, world.new_id)


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (Lose(message="commissionReport", client=2, count=1), 1),
        (Delay(message="commissionReport", client=2, count=1, delay_s=3), 0),
    ],
)
def test_a_fee_of_the_weekly_bot_is_waited_for_and_asked_for_where_it_does_not_come(
    tmp_path: Path, fault: Fault, asked: int
) -> None:
    async def main(world: World) -> tuple[int, int, int, int]:
        world.faults().fire(fault)
        with world.history() as history:
            desk = portfolio_desk(world, history)
            syncs = 0
            ask = desk.supervisor.ask_for_sync

            def count() -> None:
                nonlocal syncs
                syncs += 1
                ask()

            await world.until("09:55")
            async with desk.running():
                intent = market_order("AAA", 10)
                await desk.send(intent)
                await asyncio.sleep(1)
                assert desk.keeper.is_owed_fees
                desk.supervisor.ask_for_sync = count  # type: ignore[method-assign]
                await desk.settle()
                left = desk.may_still_fill(intent.intent_id), desk.may_still_fill("an order of nobody")
        return rows(world.database, WITHOUT_FEE)[0]["n"], syncs, *left

    assert in_world(main, FEED, tmp_path) == (0, asked, 0, 0)


def test_daily_bars_that_never_come_are_given_up_after_the_last_try(tmp_path: Path) -> None:
    async def main(world: World) -> int:
        tries = 0

        async def fail(*_: Any) -> None:
            nonlocal tries
            tries += 1
            raise BrokerUnavailable("the connection was lost")

        with world.history() as history:
            desk = portfolio_desk(world, history)
            async with desk.running():
                desk.broker.data.daily_bars = fail  # type: ignore[method-assign,assignment]
                with pytest.raises(BrokerUnavailable, match="the connection was lost"):
                    await desk.daily_bars("AAA", world.session.date, 30)
        return tries

    assert in_world(main, FEED, tmp_path) == MOST_TRIES
