"""The book and the record in step with reports: each counted once, exits fitted, foreign ones left alone."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from broker.bookkeeper import Bookkeeper
from broker.order_desk import OrderDesk
from observability import TradingHistory
from records.intent_log import IntentLog
from tests.gateway_world import MONDAY, USD, HandMadeFeed, World, in_world, rows, second, warm_up
from trading.book import PendingEntry, SessionBook
from trading.money import notional
from trading.orders import (
    Action,
    ExecutionReport,
    IntentState,
    OrderIntent,
    OrderReport,
    Role,
    entry_bracket,
)
from trading.settings import RiskSettings
from trading.strategy import Parameters
from trading.sync import Adoption

EOD_S = int(MONDAY.eod.timestamp())
OPEN_S = MONDAY.open_s


class RecordingDesk(OrderDesk):
    """Keeps what it is asked to do, and answers every modification with success, or with none when it `refuses`."""

    def __init__(self) -> None:
        self.refuses = False
        self.changes: list[tuple[str, int, int, int]] = []
        self.cancelled: list[str] = []
        self.placed: list[OrderIntent] = []
        self.shares: dict[str, int] = {}  # symbol -> shares on the account

    def modify(self, intent_id: str, *, quantity: int, limit_price: int = 0, stop_price: int = 0) -> bool:
        self.changes.append((intent_id, quantity, limit_price, stop_price))
        return not self.refuses

    def cancel(self, intent_id: str) -> bool:
        self.cancelled.append(intent_id)
        return True

    async def place(self, intents: Sequence[OrderIntent]) -> None:
        self.placed += intents

    def held(self, symbol: str) -> int:
        return self.shares.get(symbol, 0)


class Kept:
    """A bookkeeper over a real database, with one bracket of 249 shares on its way in the session of `day`."""

    def __init__(self, history: TradingHistory, day: str = MONDAY.date.isoformat()) -> None:
        self.history = history
        numbers = itertools.count(1)
        self.desk = RecordingDesk()

        async def now(job: Future[None]) -> None:
            job.result()

        self.intents = IntentLog(history, now=lambda: MONDAY.open, await_off_loop=now, session_date=lambda: day)
        self.keeper = Bookkeeper(
            history=history,
            intents=self.intents,
            session_date=day,
            book=SessionBook(100_000 * USD, 250_000, MONDAY.close_s, RiskSettings().limits(25_000 * USD)),
            parameters=Parameters(),
            market_of=lambda _: None,
            new_id=lambda: f"id{next(numbers)}",
        )
        self.keeper.orders = self.desk
        self.entry, self.stop, self.target, self.time_exit = self.legs = entry_bracket(
            new_id=lambda: f"id{next(numbers)}",
            symbol="AAA",
            quantity=249,
            collar=1_003_100,
            expected_fill=1_002_100,
            parameters=Parameters(),
            good_till_s=OPEN_S + 15,
            eod_s=EOD_S,
            decision_id="d",
        )
        self.keeper.track(self.legs)
        self.keeper.book.add_pending("AAA", PendingEntry(self.entry.intent_id, 249, 1_003_100))

    async def committed(self) -> None:
        """Its orders are on record, as before they are sent."""
        await self.intents.commit(self.legs)

    def new_exits(self) -> tuple[OrderIntent, ...]:
        """Exits of the same shares that stand in the place of the first ones."""
        return tuple(replace(leg, intent_id=f"{leg.intent_id}-b", bracket_id="b") for leg in self.legs[1:])

    def executed(self, exec_id: str, intent: OrderIntent, quantity: int, price: int, at_s: int = OPEN_S) -> None:
        self.keeper.on_execution(
            ExecutionReport(exec_id, intent.intent_id, "AAA", intent.action, quantity, price, at_s, 1, 1)
        )

    def reported(self, intent: OrderIntent, state: IntentState, filled: int = 0, detail: str = "") -> None:
        remaining = intent.quantity - filled
        self.keeper.on_order(OrderReport(intent.intent_id, state, filled, remaining, 0, 1, 1, detail))

    def trades(self) -> list[tuple[str, int, float | None, float | None]]:
        return [(row.exec_id, row.quantity, row.commission_usd, row.pnl_usd) for row in self.history.trades()]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with TradingHistory(tmp_path / "history.db", bot="day_trader", mode="simulated") as history:
        yield Kept(history)


# Executions and fees


def test_an_execution_that_is_repeated_counts_once(kept: Kept) -> None:
    for _ in range(3):
        kept.executed("e1", kept.entry, 249, 1_002_100)
    assert kept.keeper.executions == 1
    assert kept.keeper.book.positions["AAA"].quantity == 249
    assert kept.trades() == [("e1", 249, None, None)]


def test_executions_of_others_are_counted_and_left_alone(kept: Kept) -> None:
    for order_ref in ("", "weekly-bot-order"):
        kept.keeper.on_execution(
            ExecutionReport(f"x{order_ref}", order_ref, "AAA", Action.SELL, 50, 1_002_100, OPEN_S, 9, 9)
        )
    assert (kept.keeper.foreign, kept.keeper.executions) == (2, 0)
    assert kept.keeper.book.positions == {}
    assert kept.trades() == []


def test_a_fee_is_booked_once_however_often_it_is_told(kept: Kept) -> None:
    kept.executed("b", kept.entry, 249, 1_002_100)
    for _ in range(3):
        kept.keeper.on_fee("b", 1_245_747)
    assert kept.keeper.book.positions["AAA"].cost == notional(1_002_100, 249) + 1_245_747
    assert kept.trades() == [("b", 249, 1.245747, None)]


def test_a_revised_fee_replaces_the_former(kept: Kept) -> None:
    # bought for 24,952.29 + 1.245747, sold for 25,303.38: 349.844253 before the sale's own fee
    kept.executed("b", kept.entry, 249, 1_002_100)
    kept.keeper.on_fee("b", 1_245_747)
    kept.executed("s", kept.target, 249, 1_016_200, OPEN_S + 60)
    kept.keeper.on_fee("s", 2 * USD)
    assert kept.trades()[1] == ("s", 249, 2.0, 347.844253)
    kept.keeper.on_fee("s", 1_815_552)
    assert kept.trades()[1] == ("s", 249, 1.815552, 348.028701)
    assert kept.keeper.book.realised == 348_028_701


def test_a_fee_of_an_execution_nobody_counted_is_ignored(kept: Kept) -> None:
    kept.keeper.on_fee("unknown", 1_000_000)
    assert kept.trades() == []
    assert kept.keeper.book.realised == 0


def test_a_sale_of_more_than_is_owned_is_recorded_whole_and_stops_entries_once_it_is_told_again(kept: Kept) -> None:
    kept.executed("b", kept.entry, 100, 1_002_100)
    kept.executed("s", kept.stop, 249, 994_000)
    assert kept.keeper.doubt(OPEN_S) == "AAA: more was sold than the ledger owns"
    assert kept.keeper.book.entries_stopped == ""
    kept.executed("s", kept.stop, 249, 994_000)
    assert "sold" not in kept.keeper.doubt(OPEN_S)
    assert kept.keeper.book.positions == {}
    assert [row[:2] for row in kept.trades()] == [("b", 100), ("s", 249)]
    assert kept.keeper.book.entries_stopped == "AAA: 249 sold by our stop order, 100 owned by the ledger"
    assert kept.keeper.warnings == [kept.keeper.book.entries_stopped]


def test_a_sale_that_overtakes_the_answer_about_its_purchase_is_booked_behind_it(kept: Kept) -> None:
    # As after a crash: the entry filled while nobody listened, its target fills between connection and answers.
    kept.executed("s", kept.stop, 249, 994_000)
    kept.executed("b", kept.entry, 249, 1_002_100)
    kept.executed("s", kept.stop, 249, 994_000)
    assert kept.keeper.book.positions == {}
    assert [row[:2] for row in kept.trades()] == [("b", 249), ("s", 249)]
    assert kept.keeper.warnings == []
    assert "sold" not in kept.keeper.doubt(OPEN_S)


def test_a_fill_whose_execution_is_not_told_keeps_its_capital_and_is_asked_for(kept: Kept) -> None:
    free = kept.keeper.book.free_capital
    kept.reported(kept.entry, IntentState.FILLED, 249)
    assert kept.keeper.owed_shares("AAA") == 249
    assert kept.keeper.book.free_capital == free
    assert kept.keeper.doubt(OPEN_S) == "AAA: its entry is over and not all of its executions were told"
    kept.executed("s", kept.stop, 249, 994_000)  # its stop was hit meanwhile: not to be booked before the purchase
    kept.executed("s", kept.stop, 249, 994_000)
    assert kept.trades() == []
    kept.executed("b", kept.entry, 249, 1_002_100)
    kept.executed("s", kept.stop, 249, 994_000)
    assert (kept.keeper.owed_shares("AAA"), kept.keeper.book.positions, kept.keeper.book.pending) == (0, {}, {})
    assert [row[:2] for row in kept.trades()] == [("b", 249), ("s", 249)]


def test_the_fee_of_a_sale_without_shares_is_on_record(kept: Kept) -> None:
    kept.executed("s", kept.stop, 249, 994_000)
    kept.executed("s", kept.stop, 249, 994_000)
    kept.keeper.on_fee("s", 1_250_000)
    assert [(row[0], row[1], row[2]) for row in kept.trades()] == [("s", 249, 1.25)]
    assert kept.keeper.book.realised == 0


def test_a_sale_is_a_decision_on_record_with_its_reason(kept: Kept, tmp_path: Path) -> None:
    kept.executed("b", kept.entry, 249, 1_002_100)
    kept.executed("s", kept.stop, 249, 993_900, OPEN_S + 60)
    kept.history.flush().result()
    (told,) = rows(tmp_path / "history.db", "SELECT kind, rule, quantity, timestamp FROM decisions")
    assert (told["kind"], told["rule"], told["quantity"]) == ("exit", "stop_loss", 249)
    assert told["timestamp"] == "2026-09-28T13:31:00.000000+00:00"


def test_a_fee_that_nobody_reports_is_asked_for_after_half_a_minute(kept: Kept) -> None:
    kept.executed("b", kept.entry, 249, 1_002_100)
    kept.reported(kept.entry, IntentState.FILLED, 249)
    for leg in kept.legs[1:]:
        kept.reported(leg, IntentState.WORKING)
    assert kept.keeper.doubt(OPEN_S + 30) == ""
    assert kept.keeper.doubt(OPEN_S + 31) == "no fee was reported for execution b"
    kept.keeper.on_fee("b", 1_245_747)
    assert kept.keeper.doubt(OPEN_S + 31) == ""


# Entries and their exits


def test_exits_that_could_not_be_shrunk_are_not_believed_smaller_and_shrink_at_the_next_look(kept: Kept) -> None:
    sizes = [(kept.stop.intent_id, 100), (kept.target.intent_id, 100), (kept.time_exit.intent_id, 100)]
    kept.desk.refuses = True
    kept.executed("b", kept.entry, 100, 1_002_100)
    kept.reported(kept.entry, IntentState.CANCELLED, 100)
    bracket = kept.keeper.brackets["AAA"]
    assert [leg.quantity for leg in bracket.live_exits()] == [249, 249, 249]
    kept.desk.refuses = False
    kept.keeper.fit_exits(bracket)
    assert [change[:2] for change in kept.desk.changes] == sizes * 2
    assert [leg.quantity for leg in bracket.live_exits()] == [100, 100, 100]


def test_a_cancelled_entry_that_bought_a_part_all_the_same_stays_cancelled_on_record(
    kept: Kept, tmp_path: Path
) -> None:
    asyncio.run(kept.committed())
    kept.reported(kept.entry, IntentState.CANCELLED)
    kept.executed("b", kept.entry, 100, 1_002_100)
    kept.history.flush().result()
    query = "SELECT state, filled_quantity, avg_fill_price, detail FROM order_intents WHERE role = 'entry'"
    assert [tuple(row.values()) for row in rows(tmp_path / "history.db", query)] == [
        ("cancelled", 100, 100.21, "filled after it was believed dead")
    ]
    assert kept.keeper.book.positions["AAA"].quantity == 100
    assert {change[:2] for change in kept.desk.changes} == {(leg.intent_id, 100) for leg in kept.legs[1:]}


def test_an_exit_that_was_believed_gone_is_withdrawn_once_another_stands_in_its_place(kept: Kept) -> None:
    kept.reported(kept.stop, IntentState.EXPIRED)
    kept.reported(kept.stop, IntentState.WORKING)
    assert kept.desk.cancelled == []  # it is the one that protects
    kept.reported(kept.target, IntentState.EXPIRED)
    kept.keeper.track(kept.new_exits())
    kept.reported(kept.target, IntentState.WORKING)
    assert kept.desk.cancelled == [kept.target.intent_id]
    assert kept.keeper.warnings == ["AAA: a target order that was believed gone is alive, it is withdrawn"]


def test_an_order_whose_state_becomes_unknown_is_asked_about_once(kept: Kept) -> None:
    doubts: list[tuple[str, str]] = []
    kept.keeper.on_doubt = lambda intent_id, why: doubts.append((intent_id, why))
    for state in (IntentState.WORKING, IntentState.UNKNOWN, IntentState.UNKNOWN):
        kept.reported(kept.stop, state)
    assert doubts == [(kept.stop.intent_id, "AAA: the state of its stop order is unknown")]


def test_exits_take_the_prices_of_the_real_fill(kept: Kept) -> None:
    # filled a cent lower than expected: 100.20 · 0.992 = 99.3984, down; 100.20 · 1.014 = 101.6028, up
    kept.executed("b", kept.entry, 249, 1_002_000)
    kept.reported(kept.entry, IntentState.FILLED, 249)
    assert kept.desk.changes == [
        (kept.stop.intent_id, 249, 0, 993_900),
        (kept.target.intent_id, 249, 1_016_100, 0),
    ]
    kept.reported(kept.entry, IntentState.FILLED, 249)
    assert len(kept.desk.changes) == 2  # said once


def test_exits_that_fit_already_are_left_as_they_are(kept: Kept) -> None:
    kept.executed("b", kept.entry, 249, 1_002_100)
    kept.reported(kept.entry, IntentState.FILLED, 249)
    assert kept.desk.changes == []


def test_a_partly_filled_entry_that_expires_shrinks_its_exits_to_the_average_of_its_fills(kept: Kept) -> None:
    # 60 at 100.21 and 40 at 100.25: 10,022.60 for 100, average 100.226
    # 100.226 · 0.992 = 99.424192, down to 99.42; 100.226 · 1.014 = 101.629164, up to 101.63
    kept.executed("b1", kept.entry, 60, 1_002_100)
    kept.executed("b2", kept.entry, 40, 1_002_500)
    assert kept.keeper.book.pending["AAA"].quantity == 149
    kept.reported(kept.entry, IntentState.CANCELLED, 100)
    assert kept.desk.changes == [
        (kept.stop.intent_id, 100, 0, 994_200),
        (kept.target.intent_id, 100, 1_016_300, 0),
        (kept.time_exit.intent_id, 100, 0, 0),
    ]
    assert kept.keeper.book.pending == {}


def test_an_entry_that_expires_unfilled_frees_its_capital_and_changes_no_exit(kept: Kept) -> None:
    free = kept.keeper.book.free_capital
    kept.reported(kept.entry, IntentState.CANCELLED)
    assert kept.keeper.book.free_capital == free + notional(1_003_100, 249)
    assert kept.desk.changes == []
    assert kept.keeper.warnings == []


@pytest.mark.parametrize("role", [Role.ENTRY, Role.STOP])
def test_a_rejected_order_is_named_in_the_report(kept: Kept, role: Role) -> None:
    intent = next(leg for leg in kept.legs if leg.role is role)
    kept.reported(intent, IntentState.REJECTED, detail="no funds")
    kept.reported(intent, IntentState.REJECTED, detail="no funds")
    assert kept.keeper.warnings == [f"AAA: {role} order rejected no funds"]
    assert (role is Role.ENTRY) == (not kept.keeper.book.pending)


def test_orders_of_others_are_nobodys_business(kept: Kept) -> None:
    kept.keeper.on_order(OrderReport("weekly-bot-order", IntentState.REJECTED, 0, 10, 0, 1, 1))
    assert kept.keeper.warnings == []


# Messages


def test_messages_about_our_orders_are_named_once_and_answers_to_cancels_never(kept: Kept) -> None:
    for _ in range(2):
        kept.keeper.on_message(399, "will not be placed until the open", kept.stop.intent_id)
    for code in (202, 10147, 10148, 161):
        kept.keeper.on_message(code, "cancelled", kept.stop.intent_id)
    kept.keeper.on_message(399, "not ours", "weekly-bot-order")
    kept.keeper.on_message(2103, "farm", "")
    assert kept.keeper.warnings == [
        "AAA: gateway message 399 about its stop order: will not be placed until the open",
        "gateway message 2103, market data farm disconnected: no entries on data that is lost",
    ]


def test_an_order_for_the_open_that_waits_for_it_is_no_warning(kept: Kept) -> None:
    queued = replace(kept.entry, intent_id="queued", bracket_id="queued", symbol="BBB", tif="OPG")
    kept.keeper.track((queued,))
    kept.keeper.on_message(399, "will not be placed until the open", "queued")
    assert kept.keeper.warnings == []
    kept.keeper.on_message(2109, "attribute ignored", "queued")
    assert kept.keeper.warnings == ["BBB: gateway message 2109 about its entry order: attribute ignored"]


def test_a_refused_change_of_a_live_order_is_asked_about(kept: Kept) -> None:
    doubts: list[tuple[str, str]] = []
    kept.keeper.on_doubt = lambda intent_id, why: doubts.append((intent_id, why))
    kept.reported(kept.stop, IntentState.WORKING)
    kept.reported(kept.target, IntentState.CANCELLED)
    for leg in (kept.stop, kept.target):
        kept.keeper.on_message(110, "price off the minimum variation", leg.intent_id)
    kept.keeper.on_message(399, "a warning", kept.stop.intent_id)
    assert doubts == [(kept.stop.intent_id, "AAA: a change of an order was refused")]


# Shares that the account does not have


def test_exits_shrink_once_to_the_shares_that_the_account_still_has(kept: Kept) -> None:
    kept.executed("b", kept.entry, 249, 1_002_100)
    kept.reported(kept.entry, IntentState.FILLED, 249)
    for _ in range(2):
        kept.keeper.on_positions({"AAA": 149.0})
    assert kept.desk.changes == [(leg.intent_id, 149, 0, 0) for leg in kept.legs[1:]]
    assert kept.keeper.book.entries_stopped.startswith("149 AAA at the broker, 249 in the ledger: shares are missing")


def test_exits_that_could_not_be_shrunk_to_the_account_are_shrunk_at_the_next_reading(kept: Kept) -> None:
    kept.executed("b", kept.entry, 249, 1_002_100)
    kept.reported(kept.entry, IntentState.FILLED, 249)
    for refuses, size in ((True, 249), (False, 149)):
        kept.desk.refuses = refuses
        kept.keeper.on_positions({"AAA": 149.0})
        assert [leg.quantity for leg in kept.keeper.brackets["AAA"].live_exits()] == [size] * 3
    assert kept.desk.changes == [(leg.intent_id, 149, 0, 0) for leg in kept.legs[1:]] * 2


def test_shares_that_are_gone_before_they_had_exits_stop_entries_and_send_nothing(kept: Kept) -> None:
    kept.keeper.adopt(Adoption("BBB", 100, 995_000), OPEN_S)
    kept.keeper.on_positions({"BBB": 40.0})
    assert kept.keeper.shares.missing == {"BBB": 60}
    assert kept.keeper.book.entries_stopped.startswith("40 BBB at the broker, 100 in the ledger: shares are missing")
    assert (kept.desk.changes, kept.desk.cancelled, kept.desk.placed) == ([], [], [])


# Adoption and what earlier runs left


def test_adopted_shares_are_a_trade_without_a_fee_and_a_decision(kept: Kept, tmp_path: Path) -> None:
    kept.keeper.adopt(Adoption("BBB", 100, 995_000), OPEN_S)
    assert kept.keeper.book.positions["BBB"] == (100, 9_950 * USD)
    assert kept.keeper.book.entries.get("BBB", 0) == 0
    assert kept.trades() == [(f"sync-2026-09-28-BBB-{OPEN_S}", 100, 0.0, None)]
    (told,) = rows(tmp_path / "history.db", "SELECT kind, symbol, quantity FROM decisions")
    assert (told["kind"], told["symbol"], told["quantity"]) == ("sync", "BBB", 100)


def test_a_fee_that_the_dead_run_never_heard_completes_its_row(kept: Kept) -> None:
    """The process died between an execution and its fee; the next run is told both again."""
    kept.executed("b", kept.entry, 249, 1_002_100)
    next_run = Kept(kept.history)
    next_run.keeper.restore()
    next_run.executed("b", kept.entry, 249, 1_002_100)
    next_run.keeper.on_fee("b", 1_245_747)
    assert next_run.keeper.executions == 0
    assert next_run.keeper.book.positions["AAA"].cost == notional(1_002_100, 249) + 1_245_747
    assert next_run.trades() == [("b", 249, 1.245747, None)]


# Over TCP


def test_exits_at_the_gateway_follow_a_fill_better_than_expected(tmp_path: Path) -> None:
    """The price seen was 100.30; the ask is 100.11 when the order arrives."""
    # 100.11 · 0.992 = 99.30912, down to 99.30; 100.11 · 1.014 = 101.51154, up to 101.52

    async def main(world: World) -> list[tuple[int, int, int]]:
        with world.history() as history:
            kept = Kept(history)
            await world.until("09:49:30")
            broker = world.broker(kept.keeper)
            kept.keeper.orders = broker.orders
            await broker.open()
            intents = entry_bracket(
                new_id=world.new_id,
                symbol="AAA",
                quantity=100,
                collar=1_004_000,
                expected_fill=1_003_000,
                parameters=Parameters(),
                good_till_s=second("09:50"),
                eod_s=EOD_S,
                decision_id="d",
            )
            kept.keeper.track(intents)
            await broker.orders.place(intents)
            await asyncio.sleep(1)
            assert kept.keeper.book.positions["AAA"].quantity == 100
            return [(order.quantity, order.stop, order.limit) for order in world.resting()]

    resting = in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)
    assert resting == [(100, 993_000, 0), (100, 0, 1_015_200), (100, 0, 0)]
