"""After a start, a reconnect or a doubt: intents, executions and positions agree again, and nothing is resent.

The days are those of `test_simulated_day`: 249 shares bought at 9:50:40 for 100.21, stop 99.40, target 101.62.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from broker.bookkeeper import Bookkeeper
from broker.broker import Broker
from broker.order_desk import OrderFacts
from broker.reconcile import MOST_READS, Reconciler
from broker.values import BrokerPosition
from ib_simulator.fault_kinds import Drop, Lose, LoseAcknowledgement, Restart
from ib_simulator.orders import SimOrder
from observability import TradingHistory
from records.intent_log import IntentLog
from tests.faulty_day import BOUGHT, ONE_ENTRY, RISE, entered, play, trade_beside
from tests.gateway_world import (
    MONDAY,
    HandMadeFeed,
    Played,
    World,
    at,
    in_world,
    run_until,
    warm_up,
    what_is_left,
)
from tests.test_position_sync import bought_by_the_weekly_bot
from trading.errors import BrokerUnavailable
from trading.orders import Action, entry_bracket
from trading.settings import SafetySettings
from trading.strategy import Parameters

# Intents


def test_an_intent_that_never_left_expires_and_is_not_sent_again(tmp_path: Path) -> None:
    """A run died between the commit and the sending."""

    async def main(world: World) -> tuple[list[dict[str, Any]], list[SimOrder], str]:
        await world.until("09:45")
        intents = entry_bracket(
            new_id=world.new_id,
            symbol="AAA",
            quantity=100,
            collar=1_004_000,
            expected_fill=1_003_000,
            parameters=Parameters(),
            good_till_s=int(at("09:45:15").timestamp()),
            eod_s=int(MONDAY.eod.timestamp()),
            decision_id="d",
        )
        with world.history() as history:
            day = MONDAY.date.isoformat()
            log = IntentLog(history, now=world.clock.now, await_off_loop=world.clock.off_loop, session_date=lambda: day)
            await log.commit(intents)
        with world.history() as history:
            report = await run_until(world, world.trader(history), ["AAA"], "09:46")
        return what_is_left(world, report).intents, world.resting(), report.ended_because

    intents, resting, ended = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert [intent["state"] for intent in intents] == ["expired"] * 4
    assert intents[0]["detail"] == "not known to the broker after 10 s"
    assert (resting, ended) == ([], "the test has seen enough")


def test_an_order_that_was_lost_on_its_way_expires_and_is_not_sent_again(tmp_path: Path) -> None:
    async def lose(world: World) -> None:
        await world.until("09:50:30")
        world.faults().fire(Lose(message="placeOrder", direction="in", count=4, client=2))
        await world.until("09:50:42")
        world.faults().fire(Drop())

    played = play(tmp_path, lose, stop_at="09:55", risk=ONE_ENTRY)
    assert played.orders() == []
    assert [intent["state"] for intent in played.day.intents] == ["expired"] * 4
    assert (played.day.trades, played.day.report.positions_left) == ([], {})
    assert played.day.report.funnel["AAA"]["entries_per_symbol"] > 0  # the try counts, its capital is free


def test_an_order_whose_acknowledgement_was_lost_is_adopted_and_not_doubled(tmp_path: Path) -> None:
    # Another client took all 600 shares of the minute: the entry of 9:50:40 works until 9:50:55.
    async def lose(world: World) -> None:
        world.faults().fire(LoseAcknowledgement(count=4, client=2))
        await trade_beside(world, "09:50:20", 600, Action.SELL)
        await world.until("09:50:42")
        world.faults().fire(Drop(client=2))

    played = play(tmp_path, lose, stop_at="09:50:52", look_at=("09:50:41", "09:50:50"))
    assert len(played.orders()) == 4
    assert played.sizes("09:50:50") == played.sizes("09:50:41")
    assert played.day.report.reconnects == 1
    assert [intent["state"] for intent in played.day.intents] == ["cancelled"] * 4  # withdrawn at the end of the run


def test_a_fill_that_nobody_reported_is_found_and_booked_once(tmp_path: Path) -> None:
    """The entry fills in the instant of its arrival, and all that was written about it is lost."""

    async def lose(world: World) -> None:
        world.faults().fire(LoseAcknowledgement(count=4, client=2))
        await asyncio.Event().wait()

    played = play(tmp_path, lose, RISE)
    assert len(played.orders()) == 4
    assert played.day.told() == [BOUGHT, ("11:30:40", "AAA", "SELL", 249, 101.62, "profit_target")]
    assert [(row.commission_usd, row.pnl_usd) for row in played.day.trades] == [
        (1.245747, None),
        (1.815552, 348.028701),
    ]
    assert (played.day.held, played.day.resting) == ({}, [])


def test_a_fill_during_a_disconnect_is_booked_once_at_its_own_time(tmp_path: Path) -> None:
    async def cut(world: World) -> None:
        await world.until("11:29")
        world.faults().fire(Restart(refused_s=180))
        await world.until("11:40")
        world.faults().fire(Drop())  # and everything is told once more
        await asyncio.Event().wait()

    played = play(tmp_path, cut, RISE)
    assert played.day.told() == [BOUGHT, ("11:30:40", "AAA", "SELL", 249, 101.62, "profit_target")]
    assert [(row.commission_usd, row.pnl_usd) for row in played.day.trades] == [
        (1.245747, None),
        (1.815552, 348.028701),
    ]
    assert [intent["state"] for intent in played.day.intents] == ["filled", "cancelled", "filled", "cancelled"]
    assert (played.day.report.reconnects, played.day.report.executions) == (2, 2)


# Shares


def test_missing_shares_stop_entries_and_shrink_exits_and_are_not_bought_back(tmp_path: Path) -> None:
    """100 of the 249 leave the account, and no execution says how."""

    async def take(world: World) -> None:
        await world.until("10:59")
        world.faults().fire(Lose(message="execDetails", client=2, seconds=600))
        await trade_beside(world, "11:00", 100, Action.SELL)

    played = play(tmp_path, take, RISE, look_at=("11:00:10", "11:20"))
    for clock_text in ("11:00:10", "11:20"):
        assert played.sizes(clock_text) == [("STP", 149), ("LMT", 149), ("MKT", 149)]
    assert played.day.told() == [BOUGHT, ("11:30:40", "AAA", "SELL", 149, 101.62, "profit_target")]
    assert played.day.held == {}  # never short
    assert played.day.report.positions_left == {"AAA": 100}  # the record keeps what nobody explained
    words = "149 AAA at the broker, 249 in the ledger: shares are missing, entries stop, nothing is traded to repair it"
    assert words in played.day.report.warnings
    assert len(played.orders()) == 4


def test_a_sale_that_is_not_ours_takes_external_shares_first(tmp_path: Path) -> None:
    # 50 external shares beside our 249: of 60 sold by somebody else 10 were ours
    async def sell(world: World) -> None:
        await trade_beside(world, "11:00", 60, Action.SELL)

    async def main(world: World) -> Played:
        world.hold("AAA", 50, 99.50)
        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(sell(world))
                safety = SafetySettings(external_positions="ignore")
                report = await run_until(world, world.trader(history, safety=safety), ["AAA"], "11:01")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert day.told() == [BOUGHT, ("11:00:00", "AAA", "SELL", 10, 100.17, "manual")]
    assert day.report.positions_left == {"AAA": 239}
    assert [order.quantity for order in day.resting] == [239, 239, 239]
    assert day.held == {"AAA": 239}
    assert "AAA: 10 of our shares were sold by somebody else" in day.report.warnings


def test_a_sale_of_external_shares_leaves_ours_and_their_exits_alone(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        world.hold("AAA", 50, 99.50)
        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(trade_beside(world, "11:00", 50, Action.SELL))
                safety = SafetySettings(external_positions="ignore")
                report = await run_until(world, world.trader(history, safety=safety), ["AAA"], "11:01")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert day.told() == [BOUGHT]
    assert [order.quantity for order in day.resting] == [249, 249, 249]
    assert day.held == {"AAA": 249}


def test_a_restart_does_not_take_a_sale_of_external_shares_for_one_of_ours(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        world.hold("AAA", 50, 99.50)
        safety = SafetySettings(external_positions="ignore")
        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(trade_beside(world, "11:00", 50, Action.SELL))
                await run_until(world, world.trader(history, safety=safety), ["AAA"], "11:01")
            await world.until("11:05")
            report = await run_until(world, world.trader(history, safety=safety), ["AAA"], "11:06")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert day.told() == [BOUGHT]
    assert [order.quantity for order in day.resting] == [249, 249, 249]
    assert day.report.positions_left == day.held == {"AAA": 249}


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_sale_that_is_nobodys_takes_external_then_ours_then_the_other_bots_shares(
    tmp_path: Path, is_killed: bool
) -> None:
    # 10 external and 40 of the weekly bot's beside our 249: of 60 sold by somebody else 50 were ours, also when the
    # sale is found only at a restart
    async def main(world: World) -> Played:
        world.hold("AAA", 50, 99.50)
        safety = SafetySettings(external_positions="ignore", shared_symbols="share")
        with TradingHistory(world.database, bot="weekly", mode="simulated") as weekly:
            weekly.record_trade(bought_by_the_weekly_bot(40))
        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(trade_beside(world, "11:00", 60, Action.SELL))
                first_end = "10:59" if is_killed else "11:01"
                report = await run_until(world, world.trader(history, safety=safety), ["AAA"], first_end)
            if is_killed:
                await world.until("11:05")
                report = await run_until(world, world.trader(history, safety=safety), ["AAA"], "11:06")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert day.report.positions_left == {"AAA": 199}
    assert [order.quantity for order in day.resting] == [199, 199, 199]
    assert day.held == {"AAA": 239}  # ours, and the 40 of the weekly bot
    assert "AAA: 50 of our shares were sold by somebody else" in day.report.warnings


# Rows that are absent


def test_exits_stay_where_the_row_of_a_position_is_absent_and_nothing_tells_of_a_sale(tmp_path: Path) -> None:
    """A gateway leaves the row out of complete answers for half an hour: nobody knows, so nothing is withdrawn."""

    async def main(world: World) -> tuple[Played, list[list[tuple[str, int]]], list[str]]:
        resting: list[list[tuple[str, int]]] = []
        waiting: list[str] = []
        with world.history() as history:
            trader = world.trader(history)

            async def lose_and_look() -> None:
                await world.until("10:30")
                world.faults().fire(Lose(message="position", client=2, seconds=1_800))
                world.faults().fire(Drop(client=2))
                for clock_text in ("10:30:30", "10:59", "11:20"):
                    await world.until(clock_text)
                    resting.append([(order.order_type, order.quantity) for order in world.resting()])
                    waiting.append(trader._book.entries_waiting)

            async with asyncio.TaskGroup() as group:
                group.create_task(lose_and_look())
                report = await run_until(world, trader, ["AAA"])
        return what_is_left(world, report), resting, waiting

    day, resting, waiting = in_world(main, HandMadeFeed({"AAA": entered(RISE)}), tmp_path)
    assert resting == [[("STP", 249), ("LMT", 249), ("MKT", 249)]] * 3
    assert waiting == ["the broker does not list AAA", "the broker does not list AAA", ""]
    assert day.told() == [BOUGHT, ("11:30:40", "AAA", "SELL", 249, 101.62, "profit_target")]
    words = "AAA: 249 in the ledger, the broker does not list them and told of no sale: exits stay, entries wait"
    assert [warning for warning in day.report.warnings if warning.startswith(words)]


def test_exits_are_withdrawn_where_the_row_is_absent_and_an_order_of_somebody_else_sold_it(tmp_path: Path) -> None:
    """Sold by hand while nobody listened: no execution and no row is told, the finished order is."""

    async def main(world: World) -> tuple[Played, int]:
        with world.history() as history:
            await run_until(world, world.trader(history), ["AAA"], "10:00")
            left = len(world.resting())
            await trade_beside(world, "10:05", 249, Action.SELL)
            world.faults().fire(Lose(message="execDetails", client=2, seconds=600))
            await world.until("10:10")
            report = await run_until(world, world.trader(history), ["AAA"], "10:11")
        return what_is_left(world, report), left

    day, left = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert (left, day.resting, day.held) == (3, [], {})
    words = "0 AAA at the broker, 249 in the ledger: shares are missing, entries stop, nothing is traded to repair it"
    assert words in day.report.warnings


# Two agreeing reads


class Answers:
    """A broker that tells one list of positions after another, and then the last one for ever."""

    def __init__(self, *told: dict[str, float]) -> None:
        self.told = list(told)
        self.reads = 0
        self.replays = 0
        self.orders = self

    async def positions(self) -> list[BrokerPosition]:
        self.reads += 1
        held = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        return [BrokerPosition(symbol, quantity, 1_000_000, True) for symbol, quantity in held.items()]

    async def read(self) -> OrderFacts:
        return OrderFacts({}, {}, {}, frozenset())

    def replay_executions(self) -> None:
        self.replays += 1


class Keeper:
    """Hears what positions were believed."""

    def __init__(self) -> None:
        self.believed: list[dict[str, float]] = []
        self.owned: tuple[str, ...] = ()
        self.fewer: list[bool] = []  # answers to `lacks`, then it is False

    def intent_facts(self) -> list[Any]:
        return []

    def look_back(self, stocks: Any, filled: Any, now_s: int) -> None:
        """Nothing happened before."""

    def unlisted(self, told: Any) -> list[str]:
        """Symbols of the ledger without a row."""
        return [symbol for symbol in self.owned if symbol not in told]

    def lacks(self, held: dict[str, float]) -> bool:
        return bool(self.fewer) and self.fewer.pop(0)

    def on_positions(self, held: dict[str, float], sales: Any) -> None:
        self.believed.append(held)


def reconciled(
    folder: Path, answers: Answers, owned: tuple[str, ...] = (), fewer: tuple[bool, ...] = ()
) -> list[dict[str, float]]:
    keeper = Keeper()
    keeper.owned, keeper.fewer = owned, list(fewer)

    async def main(world: World) -> None:
        parts = cast(Broker, answers), cast(Bookkeeper, keeper), cast(IntentLog, None), world.clock
        await Reconciler(*parts).run()

    in_world(main, HandMadeFeed({"AAA": warm_up()}), folder)
    return keeper.believed


def test_positions_are_believed_when_two_reads_agree(tmp_path: Path) -> None:
    answers = Answers({"AAA": 249.0})
    assert reconciled(tmp_path, answers) == [{"AAA": 249.0}]
    assert answers.reads == 2


def test_an_absent_row_of_shares_that_are_owned_is_asked_for_until_every_read_lacks_it(tmp_path: Path) -> None:
    answers = Answers({}, {}, {}, {"AAA": 249.0})
    assert reconciled(tmp_path, answers, owned=("AAA",)) == [{"AAA": 249.0}]
    assert answers.reads == 5
    always = Answers({})
    assert reconciled(tmp_path, always, owned=("AAA",)) == [{}]
    assert always.reads == MOST_READS + 1


def test_shares_that_rows_tell_to_be_gone_are_asked_for_once_more_with_the_executions(tmp_path: Path) -> None:
    """Executions are answered before positions: a fill between them is in neither or, now, in both."""
    answers = Answers({"AAA": 0.0})
    assert reconciled(tmp_path, answers, fewer=(True, True)) == [{"AAA": 0.0}]
    assert answers.reads == 4  # and no more: what two rounds tell is believed


def test_positions_that_change_between_reads_are_read_until_two_agree(tmp_path: Path) -> None:
    """A sale fills in parts while it is asked: none of the answers on the way is taken for the truth."""
    answers = Answers({"AAA": 249.0}, {"AAA": 149.0}, {"AAA": 49.0}, {})
    assert reconciled(tmp_path, answers) == [{}]
    assert answers.reads == 5
    assert answers.replays >= 3  # what changed them is booked before they are believed


def test_positions_that_never_come_to_rest_are_no_agreement(tmp_path: Path) -> None:
    answers = Answers(*({"AAA": float(n)} for n in range(20)))
    with pytest.raises(BrokerUnavailable, match="positions kept changing"):
        reconciled(tmp_path, answers)
    assert answers.reads == MOST_READS + 1
