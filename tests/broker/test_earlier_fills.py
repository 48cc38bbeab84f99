"""Across midnight: what the gateway forgot is found in orders and positions, booked once, or it stops entries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.values import BrokerPosition, FilledOrder
from ib_simulator.client import ClientConnection
from ib_simulator.fault_kinds import Lose
from ib_simulator.order_registry import Filed
from ib_simulator.request_types import ReqCompletedOrders
from observability import TradingHistory
from tests.broker.test_bookkeeper import OPEN_S, Kept
from tests.gateway_world import (
    MONDAY,
    HandMadeFeed,
    Played,
    World,
    calendar,
    in_world,
    minute,
    rows,
    run_until,
    run_until_killed,
    warm_up,
    what_is_left,
)
from trading.bars import Bar
from trading.ledger import Position
from trading.money import notional
from trading.orders import Action, ExecutionReport

TUESDAY = calendar().next_session(MONDAY.date)
BOUGHT = ("09:50:40", "AAA", "BUY", 249, 100.21, "entry")
SOLD_AT_TARGET = ("AAA", "SELL", 249, 101.62, "profit_target")
RISE = minute("11:30", 101.00, 102.00, 100.90, 101.90, 6_000)  # 101.62 is passed at 11:30:40
MONDAY_BARS = [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000), RISE]


def tuesday_bars() -> list[Bar]:
    return [*warm_up(TUESDAY), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000, TUESDAY)]


FEED = HandMadeFeed({"AAA": [*MONDAY_BARS, *tuesday_bars()], "BBB": tuesday_bars()})  # both rise on Tuesday
BOTH = ("AAA", "BBB")


def next_morning(
    folder: Path,
    *,
    killed_at: str,
    monday: Callable[[World], Awaitable[None]] | None = None,
    overnight: Callable[[World], None] = lambda _: None,
    stop_at: str = "09:45",
    again: bool = False,
) -> Played:
    """A trader that dies on Monday and is started again on Tuesday; `again`: and once more at 9:46."""

    async def main(world: World) -> Played:
        beside = asyncio.ensure_future(monday(world)) if monday else None
        with world.history() as history:
            await run_until_killed(world, world.trader(history), ["AAA"], killed_at)
        if beside is not None:
            beside.cancel()
        world.session = TUESDAY
        await world.until("08:00")
        overnight(world)
        with world.history() as history:
            report = await run_until(world, world.trader(history), BOTH, stop_at)
        if again:
            with world.history() as history:
                report = await run_until(world, world.trader(history), ["AAA"], "09:47")
        return what_is_left(world, report)

    return in_world(main, FEED, folder, following=(TUESDAY,), also_listed=("BBB",))


async def lose_executions(world: World) -> None:
    """The sale is reported as an order's state, its execution is lost; the process dies before it can ask."""
    await world.until("11:29")
    world.faults().fire(Lose(message="execDetails", client=2, seconds=3_600))
    await asyncio.Event().wait()


def forgets_nothing_of_orders(world: World) -> None:
    """A gateway that tells completed orders of the day before. It gives no price with them."""
    completed = world.seen_completed  # type: ignore[attr-defined]

    def answer(client: ClientConnection, request: Any) -> None:
        world.gateway.orders.register.completed[:0] = completed
        world.as_usual(client, request)
        del world.gateway.orders.register.completed[: len(completed)]

    world.answer(ReqCompletedOrders, answer)


def test_the_gateway_forgets_executions_and_orders_at_midnight(tmp_path: Path) -> None:
    """What all of this is for, of the simulator."""

    async def main(world: World) -> tuple[int, int]:
        with world.history() as history:
            await run_until_killed(world, world.trader(history), ["AAA"], "12:00")
        known = len(world.gateway.orders.register.executions)
        world.session = TUESDAY
        await world.until("08:00")
        return known, len(world.gateway.orders.register.executions)

    assert in_world(main, FEED, tmp_path, following=(TUESDAY,), also_listed=("BBB",)) == (2, 0)


def test_a_sale_that_nobody_will_tell_is_booked_at_the_price_its_order_had(tmp_path: Path) -> None:
    day = next_morning(tmp_path, killed_at="11:30:42", monday=lose_executions)
    assert [row[1:] for row in day.told()] == [BOUGHT[1:], SOLD_AT_TARGET]
    sale = day.trades[1]
    assert sale.exec_id.startswith("reconciled-")
    assert sale.session_date == "2026-09-28"  # the day on which it happened
    assert sale.commission_usd is None  # nobody told it
    assert (day.report.positions_left, day.held) == ({}, {})
    assert "AAA: 249 were sold at 101.62 while nobody listened, booked as reconciled" in day.report.warnings
    assert [(row["kind"], row["rule"]) for row in day.decisions if row["rule"] == "reconciled"] == [
        ("sync", "reconciled")
    ]
    assert "entries_stopped" not in day.report.funnel["AAA"]
    assert (day.report.round_trips, day.report.metrics["total_pnl_usd"]) == ((), 0)  # Monday's result is not Tuesday's


def test_a_reconciled_sale_is_found_once_however_often_the_program_starts(tmp_path: Path) -> None:
    day = next_morning(tmp_path, killed_at="11:30:42", monday=lose_executions, again=True)
    assert [row[1:] for row in day.told()] == [BOUGHT[1:], SOLD_AT_TARGET]


def test_the_real_execution_takes_the_place_of_the_reconciled_one(tmp_path: Path) -> None:
    """A terminal that remembers a week tells it in the afternoon, in two parts that sum up to it."""
    kept: list[Filed] = []

    async def main(world: World) -> Played:
        beside = asyncio.ensure_future(lose_executions(world))
        with world.history() as history:
            await run_until_killed(world, world.trader(history), ["AAA"], "11:30:42")
        beside.cancel()
        whole = world.gateway.orders.register.executions[-1]
        for number, shares in ((1, 100), (2, 149)):
            part = whole.execution._replace(exec_id=f"real-{number}", quantity=shares, fees=shares * 10_000)
            kept.append(whole._replace(execution=part))
        world.session = TUESDAY
        await world.until("08:00")
        with world.history() as history:
            await run_until(world, world.trader(history), ["AAA"], "09:45")
        world.gateway.orders.register.executions[:0] = kept
        for stop_at in ("09:46", "09:47"):
            with world.history() as history:
                report = await run_until(world, world.trader(history), ["AAA"], stop_at)
        return what_is_left(world, report)

    day = in_world(main, FEED, tmp_path, following=(TUESDAY,), also_listed=("BBB",))
    monday = [row for row in day.trades if row.session_date == "2026-09-28"]
    assert [(row.exec_id.startswith("real-"), row.action, row.quantity) for row in monday] == [
        (False, "BUY", 249),
        (True, "SELL", 100),
        (True, "SELL", 149),
    ]
    assert [row.commission_usd for row in monday[1:]] == [1.0, 1.49]
    # 249 · (101.62 − 100.21) = 351.09, less 1.245747 of the purchase's fee and 2.49 of the sale's
    assert sum(row.pnl_usd or 0.0 for row in monday) == pytest.approx(351.09 - 1.245747 - 2.49, abs=0.001)


def test_executions_of_yesterday_that_are_told_again_are_not_counted_again(tmp_path: Path) -> None:
    """A terminal tells a week of executions: a finished round trip of Monday is none of Tuesday's."""
    kept: list[Filed] = []

    async def main(world: World) -> Played:
        with world.history() as history:
            await run_until(world, world.trader(history), ["AAA"])
        kept.extend(world.gateway.orders.register.executions)
        world.session = TUESDAY
        await world.until("08:00")
        world.gateway.orders.register.executions[:0] = kept
        with world.history() as history:
            report = await run_until(world, world.trader(history), ["AAA"], "09:45")
        return what_is_left(world, report)

    day = in_world(main, FEED, tmp_path, following=(TUESDAY,), also_listed=("BBB",))
    assert len(kept) == 2
    assert day.told() == [BOUGHT, ("11:30:40", *SOLD_AT_TARGET)]
    assert [row.pnl_usd for row in day.trades] == [None, 348.028701]
    assert (day.report.round_trips, day.report.positions_left, day.report.metrics["total_pnl_usd"]) == ((), {}, 0)
    assert "entries_stopped" not in day.report.funnel["AAA"]


def test_a_sale_whose_price_nobody_tells_is_not_booked_and_stops_entries(tmp_path: Path) -> None:
    """The process was dead when it happened: only the completed order knows of it, and it has no price."""

    async def main(world: World) -> Played:
        with world.history() as history:
            await run_until_killed(world, world.trader(history), ["AAA"], "11:00")
        await world.until("12:00")
        world.seen_completed = list(world.gateway.orders.register.completed)  # type: ignore[attr-defined]
        world.session = TUESDAY
        await world.until("08:00")
        forgets_nothing_of_orders(world)
        with world.history() as history:
            report = await run_until(world, world.trader(history), BOTH, "09:53")
        return what_is_left(world, report)

    day = in_world(main, FEED, tmp_path, following=(TUESDAY,), also_listed=("BBB",))
    assert day.told() == [BOUGHT]
    doubt = "AAA: 0 at the broker, 249 in the ledger: the gateway no longer tells the price of 249 of them"
    assert doubt in day.report.warnings
    assert day.report.funnel["BBB"]["entries_stopped"] > 0


def test_shares_that_vanished_without_a_trace_stop_entries(tmp_path: Path) -> None:
    day = next_morning(tmp_path, killed_at="11:00", stop_at="09:53")
    assert day.told() == [BOUGHT]
    words = "AAA: 249 in the ledger, the broker does not list them and told of no sale: exits stay, entries wait"
    assert [warning for warning in day.report.warnings if warning.startswith(words)]
    assert day.report.funnel["BBB"]["entries_stopped"] > 0
    assert rows(tmp_path / "history.db", "SELECT COUNT(*) AS n FROM order_intents")[0]["n"] == 4  # nothing was sent


# Of one ledger, by hand: FRIDAY's orders are on record, and MONDAY's session begins

FRIDAY = "2026-09-25"
FRIDAY_S = OPEN_S - 3 * 86_400
ON_FRIDAY = "2026-09-25T13:30:00+00:00"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with TradingHistory(tmp_path / "history.db", bot="day_trader", mode="simulated") as history:
        asyncio.run(Kept(history, FRIDAY).committed())
        monday = Kept(history)
        monday.keeper.book.pending.clear()
        yield monday


def of_friday(kept: Kept) -> list[tuple[str, str, int, float | None]]:
    return [
        (row.exec_id, row.action, row.quantity, row.pnl_usd)
        for row in kept.history.trades()
        if row.session_date == FRIDAY and row.timestamp.isoformat() == ON_FRIDAY
    ]


def test_a_purchase_of_friday_that_is_told_on_monday_is_booked_once_and_named(kept: Kept) -> None:
    for _ in range(2):
        kept.executed("b", kept.entry, 249, 1_002_100, FRIDAY_S)
    assert kept.keeper.book.positions["AAA"] == Position(249, notional(1_002_100, 249))
    assert of_friday(kept) == [("b", "BUY", 249, None)]
    assert kept.keeper.warnings == ["AAA: 249 bought on 2026-09-25 were not on record"]
    assert (kept.keeper.executions, kept.keeper.foreign) == (0, 0)  # not of this session


def test_the_fee_of_a_purchase_of_friday_is_part_of_what_its_shares_cost(kept: Kept) -> None:
    kept.executed("b", kept.entry, 249, 1_002_100, FRIDAY_S)
    for _ in range(2):
        kept.keeper.on_fee("b", 1_245_747)
    assert kept.keeper.book.positions["AAA"].cost == notional(1_002_100, 249) + 1_245_747
    assert kept.keeper.book.realised == 0
    assert kept.trades() == [("b", 249, 1.245747, None)]


def test_executions_of_others_on_friday_are_neither_booked_nor_named(kept: Kept) -> None:
    for _ in range(2):
        kept.keeper.on_execution(ExecutionReport("x", "", "AAA", Action.SELL, 50, 1_002_100, FRIDAY_S, 9, 9))
    assert (kept.trades(), kept.keeper.book.positions, kept.keeper.warnings) == ([], {}, [])


def test_a_sale_of_friday_of_more_than_is_owned_is_on_record_without_a_result(kept: Kept) -> None:
    """Its purchase was before the ledger: what it earned is not made up."""
    kept.executed("b", kept.entry, 100, 1_002_100, FRIDAY_S)
    kept.executed("s", kept.target, 249, 1_016_200, FRIDAY_S)
    assert of_friday(kept) == [("b", "BUY", 100, None), ("s", "SELL", 249, None)]
    assert kept.keeper.book.positions["AAA"].quantity == 100
    assert kept.keeper.book.realised == 0


def test_shares_sold_at_an_unknown_time_are_of_the_session_that_finds_them(kept: Kept) -> None:
    # 249 · (101.62 - 100.21) = 351.09
    kept.executed("b", kept.entry, 249, 1_002_100, FRIDAY_S)
    kept.keeper.look_back([], {kept.target.intent_id: FilledOrder(249, 1_016_200)}, OPEN_S + 60)
    assert kept.keeper.book.positions == {}
    (sale,) = [row for row in kept.history.trades() if row.action == "SELL"]
    assert (sale.session_date, sale.timestamp.isoformat()) == ("2026-09-28", "2026-09-28T13:31:00+00:00")
    assert (sale.price_usd, sale.pnl_usd, sale.commission_usd) == (101.62, 351.09, None)
    assert kept.keeper.book.realised == 351_090_000
    assert kept.keeper.warnings[1:] == [
        "AAA: 249 were sold at 101.62 while nobody listened, booked as reconciled",
    ]
    assert kept.keeper.doubtful == ()


def test_the_real_purchase_takes_the_place_of_the_reconciled_one_which_realised_nothing(kept: Kept) -> None:
    held = [BrokerPosition("AAA", 249.0, 1_002_100, True)]
    kept.keeper.look_back(held, {kept.entry.intent_id: FilledOrder(249, 1_002_100)}, OPEN_S + 60)
    assert [row.exec_id for row in kept.history.trades()] == [f"reconciled-{kept.entry.intent_id}-{OPEN_S + 60}"]
    for _ in range(2):
        kept.executed("b1", kept.entry, 100, 1_002_100, FRIDAY_S)
    assert sorted(row.quantity for row in kept.history.trades()) == [100, 149]
    kept.executed("b2", kept.entry, 149, 1_002_100, FRIDAY_S)
    assert of_friday(kept) == [("b1", "BUY", 100, None), ("b2", "BUY", 149, None)]
    assert len(kept.trades()) == 2
    assert kept.keeper.book.positions["AAA"].quantity == 249
