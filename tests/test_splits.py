"""A split over night: the ledger follows it, the exits are rebuilt, and nobody takes it for a trade.

Monday is the morning of `test_simulated_day`: 249 shares bought at 9:50:40 for 100.21, fee 1.245747. The day trader
dies and its time exit does not come, so that the shares are there on Tuesday, when AAA opens at half the price.
"""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ib_simulator.feeds.corporate_actions import Action
from ib_simulator.orders import SimOrder
from observability import TradingHistory
from records.rows import TradeRow
from tests.gateway_world import (
    MONDAY,
    HandMadeFeed,
    Played,
    World,
    in_world,
    minute,
    rows,
    run_until,
    run_until_killed,
    session_on,
    warm_up,
    what_is_left,
)
from trading.settings import SafetySettings

TUESDAY = session_on(date(2026, 9, 29))
BUYS = minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)
TWO_FOR_ONE = Action(TUESDAY.date, Fraction(2))


def feed(base_usd: float = 50.0, action: Action = TWO_FOR_ONE) -> HandMadeFeed:
    return HandMadeFeed({"AAA": [*warm_up(), BUYS, *warm_up(TUESDAY, base_usd)]}, splits={"AAA": action})


async def hold_over_night(world: World, history: TradingHistory) -> None:
    """Monday: bought, killed, and nothing sells it at 15:55."""
    await run_until_killed(world, world.trader(history), ["AAA"], "10:00")
    for order in world.resting():
        if order.order_type == "MKT":
            order.good_after_s += 10 * 86_400
    await world.clock.sleep_until(TUESDAY.open - timedelta(hours=1))
    assert world.held() == {"AAA": 498}


def on_tuesday(
    folder: Path, *, cancels: bool = False, stop_at: str = "", **options: Any
) -> tuple[Played, list[SimOrder]]:
    async def main(world: World) -> tuple[Played, list[SimOrder]]:
        with world.history() as history:
            await hold_over_night(world, history)
            trader = world.trader(history, session=TUESDAY, **options)
            early: list[SimOrder] = []

            async def look() -> None:
                await world.clock.sleep_until(TUESDAY.open - timedelta(minutes=5))
                early.extend(world.resting())

            async with asyncio.TaskGroup() as group:
                group.create_task(look())
                report = await run_until(world, trader, ["AAA"], stop_at)
        return what_is_left(world, report), early

    return in_world(main, feed(), folder, following=[TUESDAY], splits_cancel_orders=cancels)


@pytest.mark.parametrize("cancels", [True, False])
def test_exits_are_rebuilt_to_the_new_shares_and_prices_before_the_open(tmp_path: Path, cancels: bool) -> None:
    _, early = on_tuesday(tmp_path, cancels=cancels)
    # paid 100.21, now 50.105: stop 50.105 * 0.992 = 49.70416, target 50.105 * 1.014 = 50.80647
    target = [("LMT", 498, 0, 508_100)] if cancels else []  # Monday's was for the day, the rest lives on
    assert sorted((o.order_type, o.quantity, o.stop, o.limit) for o in early) == [
        *target,
        ("MKT", 498, 0, 0),
        ("STP", 498, 497_000, 0),
    ]


def test_the_ledger_is_adjusted_on_record_and_the_result_is_that_of_the_shares(tmp_path: Path) -> None:
    day, _ = on_tuesday(tmp_path)
    assert [(row.action, row.quantity, row.price_usd, row.reason, row.commission_usd) for row in day.trades[1:3]] == [
        ("SELL", 249, 100.21, "sync", -1.245747),
        ("BUY", 498, 50.105, "sync", 1.245747),
    ]
    (split,) = [row for row in day.decisions if row["rule"] == "split"]
    assert (split["kind"], split["symbol"], split["quantity"], split["detail"]) == (
        "sync",
        "AAA",
        498,
        '{"price_before_usd":100.21,"ratio":"2"}',
    )
    # swept up after 15:55 for 49.99 each, 24,895.02, fees of 498 shares, bought for 24,953.535747
    sold = day.trades[3]
    assert (sold.action, sold.quantity, sold.price_usd, sold.reason) == ("SELL", 498, 49.99, "eod")
    assert sold.commission_usd is not None
    assert sold.pnl_usd == pytest.approx(24_895.02 - 24_953.535747 - sold.commission_usd, abs=1e-9)
    assert len(day.trades) == 4
    assert len(day.report.round_trips) == 1  # the split is none
    assert (day.held, day.resting) == ({}, [])


def test_a_split_is_no_foreign_trade_and_no_adoption(tmp_path: Path) -> None:
    day, _ = on_tuesday(tmp_path, safety=SafetySettings(external_positions="halt"))
    assert day.report.foreign_executions == 0
    assert day.report.warnings == ("AAA was split 2 for 1: 249 shares in the ledger are 498 now, exits are rebuilt",)
    assert day.report.ended_because == "the session is over"


def test_a_split_is_noticed_once(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        with world.history() as history:
            await hold_over_night(world, history)
            for stop_at in ("09:31", "09:33"):
                moment = TUESDAY.open.replace(hour=13, minute=int(stop_at[3:]))
                trader = world.trader(history, session=TUESDAY)
                await run_until_at(world, trader, moment)

    async def run_until_at(world: World, trader: Any, moment: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(trader.run(["AAA"]))
            await world.clock.sleep_until(moment)
            trader.stop("seen enough")

    in_world(main, feed(), tmp_path, following=[TUESDAY])
    told = rows(tmp_path / "history.db", "SELECT quantity, action FROM trades ORDER BY trade_id")
    assert [(row["action"], row["quantity"]) for row in told] == [("BUY", 249), ("SELL", 249), ("BUY", 498)]
    assert rows(tmp_path / "history.db", "SELECT quantity, avg_price FROM open_positions") == [
        {"quantity": 498, "avg_price": 50.105}
    ]


def test_every_bots_shares_are_adjusted_by_the_first_one_that_looks(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        with world.history() as history:
            await hold_over_night(world, history)
            world.hold("AAA", 598, (24_953.535747 + 5_001.0) / 598)
            with TradingHistory(world.database, bot="weekly", mode="simulated") as weekly:
                weekly.record_trade(
                    TradeRow(
                        exec_id="weekly-1",
                        session_date="2026-09-25",
                        timestamp=MONDAY.open - timedelta(days=3),
                        symbol="AAA",
                        action="BUY",
                        quantity=50,
                        price_usd=100.0,
                        reason="rebalance",
                        commission_usd=1.0,
                    )
                )
            await run_until(world, world.trader(history, session=TUESDAY), ["AAA"])

    in_world(main, feed(), tmp_path, following=[TUESDAY])
    told = rows(tmp_path / "history.db", "SELECT bot, quantity, avg_price FROM open_positions")
    assert told == [{"bot": "weekly", "quantity": 100, "avg_price": 50.0}]
