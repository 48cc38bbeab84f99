"""Cycles through the whole way: evidence, forecasts, plan, orders over TCP, ledger and account."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ib_simulator.account import AccountKind
from ib_simulator.client import ClientConnection
from ib_simulator.journal import JournalEntry
from ib_simulator.market_phases import EventKind, MarketEvent
from ib_simulator.request_types import ReqHistoricalData
from market_hours import Session
from tests.gateway_world import MONDAY, rows
from tests.heard import listening
from tests.weekly.judge import broken_invariants, differences
from tests.weekly.world import CALENDAR, CLIENT_ID, NAMES, WeeklyWorld, in_weekly_world, market
from trading.costs import BUY, SELL
from trading.money import money_to_usd, notional
from trading.settings import AllocationSettings, SafetySettings
from utils import HaltTrading
from weekly.results import CycleResult, Stage

START_USD = 1_000_000
WEEKS = 4


def mondays(count: int) -> tuple[Session, ...]:
    """The first session of each of `count` weeks."""
    found = [MONDAY]
    while len(found) < count:
        session = CALENDAR.next_session(found[-1].date + timedelta(days=6))
        found.append(session)
    return tuple(found)


def moving(symbol: str, session: Session, last: float) -> float:
    """Prices that drift apart from week to week: half of the names rise, the others fall."""
    weeks = (session.date - MONDAY.date).days / 7
    step = 0.04 if int(symbol[1:]) % 2 else -0.03
    return round(last * (1 + step) ** weeks, 2)


def reconciled(world: WeeklyWorld, entries: Sequence[JournalEntry]) -> list[str]:
    """What does not agree between the bot's record, the exchange and the account."""
    with world.history() as history:
        differing = differences(history, entries, world.world.held(), world.cash_usd() - START_USD)
    return [*broken_invariants(entries), *differing]


def test_each_execution_is_one_trace_from_the_plan_to_its_row(tmp_path: Path) -> None:
    with listening() as heard:
        result = in_weekly_world(lambda world: world.cycle(), tmp_path)
    assert result.stage is Stage.DONE
    booked = heard.named("INSERT trades")
    assert booked
    assert {tuple(heard.above(span)) for span in booked} == {("fill", "order", "intent", "plan")}
    assert not any("lost" in heard.above(span) for span in heard.spans)


def test_a_first_cycle_builds_the_portfolio_within_its_share_and_reconciles_to_the_cent(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> tuple[CycleResult, list[str]]:
        journal = world.world.gateway.keep_journal()
        result = await world.cycle()
        return result, reconciled(world, journal.entries())

    result, differing = in_weekly_world(main, tmp_path)
    assert differing == []
    assert result.stage is Stage.DONE
    assert result.plan is not None
    assert {order.side for order in result.plan.orders} == {BUY}
    assert result.fulfilment is not None
    assert result.fulfilment.done_share == 1.0
    assert result.target is not None
    assert result.target.method == "mean_cvar"
    invested = sum(notional(each.price, each.owned) for each in result.after.positions)
    assert 0.55 < invested / result.plan.capital < 0.60  # the turnover limit: a portfolio is built in several cycles
    assert result.plan.capital == 750_000 * 1_000_000
    assert result.warnings == ()
    assert result.forecasts_made == len(NAMES)


def test_four_weeks_reconcile_to_the_cent_after_each_cycle_and_sell_before_they_buy(tmp_path: Path) -> None:
    sessions = mondays(WEEKS)

    async def main(world: WeeklyWorld) -> list[tuple[CycleResult, list[str], list[JournalEntry]]]:
        journal = world.world.gateway.keep_journal()
        found = []
        for session in sessions:
            await world.world.clock.sleep_until(session.open + timedelta(minutes=10))
            seen = len(journal.entries())
            result = await world.cycle(session)
            found.append((result, reconciled(world, journal.entries()), journal.entries()[seen:]))
        return found

    feed = market(sessions=sessions, prices=moving)
    weeks = in_weekly_world(main, tmp_path, feed=feed, following=sessions[1:])
    assert [differing for _, differing, _ in weeks] == [[]] * WEEKS
    assert [result.stage for result, _, _ in weeks] == [Stage.DONE] * WEEKS
    assert [result.number for result, _, _ in weeks] == list(range(WEEKS))
    assert any(order.side == SELL for result, _, _ in weeks for order in result.plan.orders)  # type: ignore[union-attr]
    for _, _, entries in weeks:
        sides = [entry.side for entry in entries if entry.event == "execution"]
        assert sides == sorted(sides)  # -1 before 1
    for before, after in pairwise(weeks):
        earned = after[0].attribution
        assert earned is not None
        worth = after[0].before.funds.net_liquidation - before[0].after.funds.net_liquidation
        assert abs(money_to_usd(earned.total - worth)) < 0.01
        assert sum(earned.by_source.values()) == earned.total
    assert [result.forecasts_settled for result, _, _ in weeks] == [0, *[len(NAMES)] * (WEEKS - 1)]


def test_a_second_cycle_of_a_session_sends_nothing_while_the_drift_is_within_the_band(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> tuple[CycleResult, int, int]:
        journal = world.world.gateway.keep_journal()
        await world.cycle()
        sent = len(journal.entries("order"))
        again = await world.cycle()
        return again, sent, len(journal.entries("order"))

    again, sent, sent_in_all = in_weekly_world(main, tmp_path)
    assert again.stage is Stage.PLANNED
    assert again.why.startswith("2026-09-28 has had its trading cycle, and the largest drift of 0.0")
    assert sent_in_all == sent
    assert again.forecasts_made == 0  # the same event is not forecast twice


def test_a_drift_beyond_the_band_allows_a_second_trading_cycle_in_a_session(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> CycleResult:
        await world.cycle()
        return await world.cycle()

    again = in_weekly_world(main, tmp_path, settings={"rebalance_band_pct": 0.0001})
    assert again.stage is Stage.DONE


def test_a_dry_run_stores_its_plan_and_sends_nothing(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> tuple[CycleResult, int]:
        journal = world.world.gateway.keep_journal()
        return await world.cycle(dry_run=True), len(journal.entries("order"))

    result, sent = in_weekly_world(main, tmp_path)
    assert sent == 0
    assert result.plan is not None
    assert result.plan.orders
    stored = rows(tmp_path / "history.db", "SELECT stage, why, plan FROM weekly_cycles")
    assert [(row["stage"], row["why"]) for row in stored] == [("planned", "dry run: the plan is not sent")]
    assert result.plan.plan_id in stored[0]["plan"]
    assert rows(tmp_path / "history.db", "SELECT * FROM order_intents") == []


def test_forecasts_are_on_record_before_the_first_order(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> CycleResult:
        return await world.cycle()

    in_weekly_world(main, tmp_path)
    said = rows(tmp_path / "history.db", "SELECT MAX(timestamp) AS at FROM forecasts WHERE outcome IS NULL")[0]["at"]
    ordered = rows(tmp_path / "history.db", "SELECT MIN(created_at) AS at FROM order_intents")[0]["at"]
    assert said < ordered


def test_a_cycle_that_died_among_its_orders_is_finished_by_its_own_plan_and_nothing_is_sent_twice(
    tmp_path: Path,
) -> None:
    async def main(world: WeeklyWorld) -> tuple[CycleResult, list[str], str]:
        journal = world.world.gateway.keep_journal()
        dying = asyncio.ensure_future(world.cycle())
        while len(journal.entries("execution")) < 3:  # noqa: ASYNC110 (the exchange tells nobody)
            await asyncio.sleep(0.01)
        dying.cancel()
        await asyncio.wait([dying])
        stage = rows(tmp_path / "history.db", "SELECT stage FROM weekly_cycles")[0]["stage"]
        await asyncio.sleep(20)
        return await world.cycle(), reconciled(world, journal.entries()), stage

    result, differing, stage = in_weekly_world(main, tmp_path)
    assert stage == "trading"
    assert differing == []
    assert result.stage is Stage.DONE
    assert result.cycle_id == "2026-09-28-1"
    assert result.analysis is None  # what was decided is not decided again
    assert len(rows(tmp_path / "history.db", "SELECT * FROM weekly_cycles")) == 1
    assert len(rows(tmp_path / "history.db", "SELECT * FROM order_intents")) == len(NAMES)


def test_what_is_left_when_the_exchange_is_closed_is_a_plan(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> CycleResult:
        return await world.cycle()

    result = in_weekly_world(main, tmp_path, begins="08:00")
    assert result.stage is Stage.PLANNED
    assert result.why.startswith("the exchange is closed: the plan is left as it is")


def test_queued_orders_trade_at_the_open_and_are_booked_by_the_next_run(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> tuple[CycleResult, CycleResult, list[str], list[JournalEntry]]:
        journal = world.world.gateway.keep_journal()
        queued = await world.cycle(queue=True)
        await world.world.until("09:45")
        return queued, await world.cycle(), reconciled(world, journal.entries()), journal.entries("execution")

    queued, after, differing, executions = in_weekly_world(main, tmp_path, begins="08:00")
    assert queued.stage is Stage.QUEUED
    assert queued.fulfilment is not None
    assert queued.fulfilment.done_share == 0.0
    assert differing == []
    assert queued.plan is not None
    assert len(executions) == len(queued.plan.orders)
    assert {entry.at[:16] for entry in executions} == {"2026-09-28T13:30"}
    assert after.stage is Stage.PLANNED  # the session has had its trading cycle
    assert len(after.before.owned) == len(queued.plan.orders)


def test_a_cash_account_buys_with_what_is_settled_only(tmp_path: Path) -> None:
    sessions = mondays(2)[:1]
    sessions = (*sessions, CALENDAR.next_session(MONDAY.date))

    async def main(world: WeeklyWorld) -> tuple[CycleResult, CycleResult, list[str]]:
        journal = world.world.gateway.keep_journal()
        first = await world.cycle()
        await world.world.clock.sleep_until(sessions[1].open + timedelta(minutes=10))
        return first, await world.cycle(sessions[1]), reconciled(world, journal.entries())

    feed = market(sessions=sessions, prices=moving)
    allocation = AllocationSettings(weekly_allocation=1.0, day_trader_allocation=0.0)

    async def with_all(world: WeeklyWorld) -> Any:
        world.allocate(allocation)
        return await main(world)

    _, second, differing = in_weekly_world(
        with_all,
        tmp_path,
        feed=feed,
        following=sessions[1:],
        account_kind=AccountKind.CASH,
        settings={"weekly_min_cash_pct": 0.0, "weekly_max_turnover_pct": 100.0},
    )
    assert differing == []
    assert not second.before.funds.proceeds_usable
    bought = sum(each.value for each in second.fulfilment.outcomes if each.order.side == BUY)  # type: ignore[union-attr]
    assert bought <= second.before.funds.settled_buying_power


def test_what_the_day_trader_may_still_use_and_external_shares_are_not_spent(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> CycleResult:
        world.world.hold("W00", 4_000, 100.0)  # nobody's ledger explains these
        return await world.cycle()

    result = in_weekly_world(main, tmp_path, settings={"weekly_max_turnover_pct": 100.0})
    cash = START_USD - 400_000
    funds = result.before.funds
    assert money_to_usd(funds.settled_buying_power) <= cash
    assert money_to_usd(funds.reserved) == pytest.approx(0.25 * money_to_usd(funds.net_liquidation))
    spent = sum(each.value + each.fees for each in result.fulfilment.outcomes)  # type: ignore[union-attr]
    assert spent <= funds.spendable
    assert result.after.owned.get("W00", 0) < 4_000  # only what it bought itself


def test_never_trade_names_are_neither_bought_nor_sold(tmp_path: Path) -> None:
    sessions = mondays(2)

    async def main(world: WeeklyWorld) -> tuple[CycleResult, CycleResult]:
        first = await world.cycle()
        await world.world.clock.sleep_until(sessions[1].open + timedelta(minutes=10))
        safety = SafetySettings(never_trade=("W01", "W05"), kill_switch_file=str(world.world.kill_switch))
        return first, await world.cycle(sessions[1], safety=safety)

    feed = market(sessions=sessions, prices=moving)
    first, second = in_weekly_world(main, tmp_path, feed=feed, following=sessions[1:])
    assert {"W01", "W05"} <= set(first.after.owned)
    assert {order.symbol for order in second.plan.orders}.isdisjoint({"W01", "W05"})  # type: ignore[union-attr]
    assert all(second.after.owned[symbol] == first.after.owned[symbol] for symbol in ("W01", "W05"))


def test_a_halted_holding_keeps_its_shares(tmp_path: Path) -> None:
    sessions = mondays(2)

    async def main(world: WeeklyWorld) -> tuple[CycleResult, CycleResult, list[str]]:
        journal = world.world.gateway.keep_journal()
        first = await world.cycle()
        await world.world.clock.sleep_until(sessions[1].open + timedelta(minutes=5))
        now_s = int(world.world.clock.now().timestamp())
        world.world.gateway.schedule(MarketEvent(second=now_s + 1, symbol="W01", kind=EventKind.HALT))
        await world.world.clock.sleep_until(sessions[1].open + timedelta(minutes=10))
        return first, await world.cycle(sessions[1]), reconciled(world, journal.entries())

    feed = market(sessions=sessions, prices=moving)
    first, second, differing = in_weekly_world(main, tmp_path, feed=feed, following=sessions[1:])
    assert differing == []
    assert second.target is not None
    assert second.target.locked == ("W01",)
    assert second.after.owned["W01"] == first.after.owned["W01"]


def test_orders_fill_in_part_and_what_is_missing_is_said(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> tuple[CycleResult, list[str]]:
        journal = world.world.gateway.keep_journal()
        result = await world.cycle()
        return result, reconciled(world, journal.entries())

    feed = market(volume=300, every_s=60)  # a minute lets 100 shares of a name trade
    result, differing = in_weekly_world(main, tmp_path, feed=feed, settings={"weekly_order_patience_s": 120})
    assert differing == []
    assert result.fulfilment is not None
    assert 0.1 < (result.fulfilment.done_share or 0) < 0.9
    assert all(each.missing > 0 for each in result.fulfilment.outcomes if each.order.quantity > 400)


def test_the_kill_switch_stops_a_cycle_before_anything_is_sent(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> int:
        journal = world.world.gateway.keep_journal()
        world.world.kill_switch.write_text("stop")
        with pytest.raises(ExceptionGroup) as stopped:
            await world.cycle()
        assert stopped.group_contains(HaltTrading)
        return len(journal.entries("order"))

    assert in_weekly_world(main, tmp_path) == 0


def test_what_queued_orders_filled_is_found_a_day_later_when_the_gateway_has_forgotten_it(tmp_path: Path) -> None:
    sessions = (MONDAY, CALENDAR.next_session(MONDAY.date))

    async def main(world: WeeklyWorld) -> tuple[CycleResult, CycleResult, dict[str, float]]:
        queued = await world.cycle(queue=True)
        await world.world.clock.sleep_until(sessions[1].open + timedelta(minutes=10))
        return queued, await world.cycle(sessions[1], dry_run=True), world.world.held()

    feed = market(sessions=sessions)
    queued, after, held = in_weekly_world(main, tmp_path, feed=feed, following=sessions[1:], begins="08:00")
    assert queued.plan is not None
    assert len(held) == len(queued.plan.orders)
    assert after.before.owned == held


def test_a_stop_among_the_orders_withdraws_what_works_and_tells_what_was_done(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> tuple[CycleResult, list[str], int]:
        journal = world.world.gateway.keep_journal()
        running = asyncio.ensure_future(world.cycle())
        while not journal.entries("execution"):  # noqa: ASYNC110 (the exchange tells nobody)
            await asyncio.sleep(0.01)
        world.stop("stopped by Ctrl-C")
        result = await running
        return result, reconciled(world, journal.entries()), len(world.world.resting())

    feed = market(volume=300, every_s=60)  # orders work for minutes
    result, differing, resting = in_weekly_world(main, tmp_path, feed=feed)
    assert differing == []
    assert resting == 0
    assert result.stage is Stage.DONE
    assert result.why == "stopped by Ctrl-C"
    assert result.fulfilment is not None
    assert 0 < (result.fulfilment.done_share or 0) < 1


def test_a_stop_before_the_orders_sends_none(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> int:
        journal = world.world.gateway.keep_journal()
        running = asyncio.ensure_future(world.cycle())
        while world.running is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        world.stop("stopped by Ctrl-C")
        await asyncio.wait([running])
        assert running.cancelled()
        return len(journal.entries("order"))

    assert in_weekly_world(main, tmp_path) == 0


def test_a_kill_switch_among_the_orders_withdraws_them_and_ends_by_a_rule(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> tuple[list[str], int, bool]:
        journal = world.world.gateway.keep_journal()
        running = asyncio.ensure_future(world.cycle())
        while not journal.entries("execution"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        world.world.kill_switch.write_text("stop")
        await asyncio.wait([running])
        error = running.exception()
        halted = isinstance(error, ExceptionGroup) and error.subgroup(HaltTrading) is not None
        return reconciled(world, journal.entries()), len(world.world.resting()), halted

    feed = market(volume=300, every_s=60)
    assert in_weekly_world(main, tmp_path, feed=feed) == ([], 0, True)
    assert rows(tmp_path / "history.db", "SELECT stage, why FROM weekly_cycles") == [
        {"stage": "done", "why": "the kill switch stopped trading"}
    ]


def test_a_connection_that_is_lost_while_history_is_asked_for_costs_time_only(tmp_path: Path) -> None:
    async def main(world: WeeklyWorld) -> CycleResult:
        usual = 0

        def cut_once(client: ClientConnection, request: ReqHistoricalData) -> None:
            nonlocal usual
            usual += 1
            if usual == 4:
                world.world.cut(CLIENT_ID)
            else:
                world.world.as_usual(client, request)

        world.world.answer(ReqHistoricalData, cut_once)
        return await world.cycle()

    result = in_weekly_world(main, tmp_path)
    assert result.stage is Stage.DONE
    assert result.analysis is not None
    assert len(result.analysis.returns.symbols) == len(NAMES)
