"""Orders over TCP: committed before they leave, linked as a bracket, changed, cancelled, taken over, refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ib_insync import LimitOrder
from ib_insync.objects import CommissionReport
from ib_insync.util import UNSET_DOUBLE

from broker.broker import Broker
from ib_simulator.client import ClientConnection
from ib_simulator.orders import Status
from ib_simulator.request_types import PlaceOrder
from tests.gateway_world import (
    MONDAY,
    HandMadeFeed,
    Listener,
    MemoryStore,
    World,
    in_world,
    market_order,
    minute,
    second,
    warm_up,
)
from trading.errors import BrokerUnavailable
from trading.orders import Action, IntentState, OrderIntent, Role, entry_bracket, exit_legs
from trading.strategy import Parameters

# until 9:50 the price stays within 100.00 .. 100.10; later it stands at 100.10
FEED = HandMadeFeed({"AAA": [*warm_up(), minute("09:50", 100.00, 100.10, 100.00, 100.10, 6_000)]})
EOD_S = int(MONDAY.eod.timestamp())


def bracket(
    world: World, *, collar: int = 1_002_000, quantity: int = 100, till: str = "10:00"
) -> tuple[OrderIntent, ...]:
    """An entry at up to `collar`, its exits expecting a fill at 100.11."""
    return entry_bracket(
        new_id=world.new_id,
        symbol="AAA",
        quantity=quantity,
        collar=collar,
        expected_fill=1_001_100,
        parameters=Parameters(),
        good_till_s=second(till),
        eod_s=EOD_S,
        decision_id="decision",
    )


def exits(world: World, quantity: int = 100) -> tuple[OrderIntent, ...]:
    return exit_legs(
        new_id=world.new_id,
        bracket_id=world.new_id(),
        symbol="AAA",
        quantity=quantity,
        fill_price=1_001_100,
        parameters=Parameters(),
        eod_s=EOD_S,
    )


class Desk:
    """A connected broker, its listener and store, and the orders that the gateway was sent."""

    def __init__(self, world: World, store: MemoryStore | None = None, client_id: int = 2) -> None:
        self.world = world
        self.listener = Listener()
        self.store = store or MemoryStore()
        self.broker: Broker = world.broker(self.listener, self.store, client_id=client_id)
        self.seen: list[PlaceOrder] = []
        place = world.gateway.orders.place

        def see(client: ClientConnection, request: PlaceOrder) -> None:
            self.seen.append(request)
            self.store.happened.append(("at the gateway", request.order.order_ref))
            place(client, request)

        world.answer(PlaceOrder, see)

    async def connect(self, at: str = "09:55") -> Desk:
        await self.world.until(at)
        await self.broker.open()
        self.listener.messages.clear()  # what every connection begins with
        return self

    async def place(self, intents: Sequence[OrderIntent]) -> None:
        await self.broker.orders.place(intents)
        await asyncio.sleep(1)

    def state(self, intent: OrderIntent) -> IntentState:
        return self.listener.states(intent.intent_id)[-1]


# Before anything leaves


def test_a_bracket_is_committed_as_one_before_its_first_byte_leaves(tmp_path: Path) -> None:
    class SlowDisk(MemoryStore):
        async def commit(self, intents: Sequence[OrderIntent]) -> None:
            await asyncio.sleep(5)
            await super().commit(intents)

    async def main(world: World) -> tuple[list[tuple[str, str]], list[str]]:
        desk = await Desk(world, SlowDisk()).connect()
        intents = bracket(world)
        placing = asyncio.ensure_future(desk.place(intents))
        await asyncio.sleep(4)
        assert desk.seen == []
        await placing
        return desk.store.happened, [intent.intent_id for intent in intents]

    happened, ids = in_world(main, FEED, tmp_path)
    assert happened[:4] == [("committed", intent_id) for intent_id in ids]
    assert [entry for entry in happened if entry[0] == "sent"] == [("sent", intent_id) for intent_id in ids]
    assert [entry for entry in happened if entry[0] == "at the gateway"] == [("at the gateway", i) for i in ids]
    assert happened.index(("sent", ids[3])) < happened.index(("at the gateway", ids[0]))


def test_an_intent_that_cannot_be_committed_is_never_sent(tmp_path: Path) -> None:
    class FullDisk(MemoryStore):
        async def commit(self, intents: Sequence[OrderIntent]) -> None:
            raise OSError("disk full")

    async def main(world: World) -> list[PlaceOrder]:
        desk = await Desk(world, FullDisk()).connect()
        with pytest.raises(OSError, match="disk full"):
            await desk.place(bracket(world))
        await asyncio.sleep(1)
        return desk.seen

    assert in_world(main, FEED, tmp_path) == []


def test_a_connection_lost_while_committing_leaves_intents_on_record_and_unsent(tmp_path: Path) -> None:
    class CutWhileWriting(MemoryStore):
        async def commit(self, intents: Sequence[OrderIntent]) -> None:
            await super().commit(intents)
            world_of_test[0].cut(2)
            await asyncio.sleep(1)

    world_of_test: list[World] = []

    async def main(world: World) -> tuple[list[tuple[str, str]], list[PlaceOrder]]:
        world_of_test.append(world)
        desk = await Desk(world, CutWhileWriting()).connect()
        with pytest.raises(BrokerUnavailable, match="lost before the order could be sent"):
            await desk.place(bracket(world))
        return desk.store.happened, desk.seen

    happened, seen = in_world(main, FEED, tmp_path)
    assert [what for what, _ in happened] == ["committed"] * 4
    assert seen == []


def test_an_order_for_a_symbol_nobody_knows_is_neither_committed_nor_sent(tmp_path: Path) -> None:
    async def main(world: World) -> list[tuple[str, str]]:
        desk = await Desk(world).connect()
        with pytest.raises(BrokerUnavailable, match="no contract for NOPE"):
            await desk.place([market_order("NOPE", 1)])
        return desk.store.happened

    assert in_world(main, FEED, tmp_path) == []


# A bracket on the wire


def test_only_the_last_leg_of_a_bracket_transmits(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[list[PlaceOrder], list[str]]:
        desk = await Desk(world).connect()
        intents = bracket(world)
        await desk.place(intents)
        return desk.seen, [intent.intent_id for intent in intents]

    seen, ids = in_world(main, FEED, tmp_path)
    entry_id = seen[0].order_id
    assert [request.order.transmit for request in seen] == [False, False, False, True]
    assert [request.order.parent_id for request in seen] == [0, entry_id, entry_id, entry_id]
    assert [request.order_id for request in seen] == [entry_id, entry_id + 1, entry_id + 2, entry_id + 3]
    assert [request.order.order_ref for request in seen] == ids
    assert [request.order.oca_group for request in seen][1:] == [f"exit-{_bracket_of(ids)}"] * 3
    assert {request.order.account for request in seen} == {"DU1000001"}


def _bracket_of(ids: list[str]) -> str:
    """The bracket's id was made just before its entry's."""
    return f"id-{int(ids[0].removeprefix('id-')) - 1:04}"


def test_exits_without_an_entry_transmit_each_by_itself(tmp_path: Path) -> None:
    async def main(world: World) -> list[PlaceOrder]:
        world.hold("AAA", 100, 100.0)
        desk = await Desk(world).connect()
        await desk.place(exits(world))
        return desk.seen

    seen = in_world(main, FEED, tmp_path)
    assert [request.order.transmit for request in seen] == [True, True, True]
    assert [request.order.parent_id for request in seen] == [0, 0, 0]


def test_a_bracket_lives_its_life_in_reports(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Desk, tuple[OrderIntent, ...]]:
        desk = await Desk(world).connect()
        intents = bracket(world)
        await desk.place(intents)
        return desk, intents

    desk, (entry, stop, target, time_exit) = in_world(main, FEED, tmp_path)
    assert desk.listener.states(entry.intent_id)[-1] is IntentState.FILLED
    assert [desk.state(leg) for leg in (stop, target, time_exit)] == [IntentState.WORKING] * 3
    (execution,) = desk.listener.executions
    assert (execution.order_ref, execution.quantity, execution.price) == (entry.intent_id, 100, 1_001_100)
    assert desk.listener.fees == {execution.exec_id: 1_000_300}  # 1.00 and 100 · 0.000003
    filled = next(report for report in desk.listener.orders if report.state is IntentState.FILLED)
    assert (filled.filled, filled.remaining, filled.average_price) == (100, 0, 1_001_100)


# Changes


def test_a_resting_order_takes_a_new_size_and_price(tmp_path: Path) -> None:
    async def main(world: World) -> list[tuple[int, int, int]]:
        world.hold("AAA", 100, 100.0)
        desk = await Desk(world).connect()
        stop, target, time_exit = exits(world)
        await desk.place((stop, target, time_exit))
        orders = desk.broker.orders
        assert orders.modify(stop.intent_id, quantity=60, stop_price=990_000)
        assert orders.modify(target.intent_id, quantity=60, limit_price=1_020_000)
        assert orders.modify(time_exit.intent_id, quantity=60)
        await asyncio.sleep(1)
        assert [desk.state(leg) for leg in (stop, target, time_exit)] == [IntentState.WORKING] * 3
        assert desk.listener.messages == []
        return [(order.quantity, order.stop, order.limit) for order in world.resting()]

    assert in_world(main, FEED, tmp_path) == [(60, 990_000, 0), (60, 0, 1_020_000), (60, 0, 0)]


def test_what_is_over_or_unknown_can_be_neither_changed_nor_cancelled(tmp_path: Path) -> None:
    async def main(world: World) -> list[bool]:
        desk = await Desk(world).connect()
        intents = bracket(world)
        await desk.place(intents)
        orders, answers = desk.broker.orders, []
        for intent_id in (intents[0].intent_id, "nobody's"):  # the entry is filled
            answers += [orders.modify(intent_id, quantity=1), orders.cancel(intent_id)]
        world.cut(2)
        await asyncio.sleep(1)
        return [*answers, orders.modify(intents[1].intent_id, quantity=1), orders.cancel(intents[1].intent_id)]

    assert in_world(main, FEED, tmp_path) == [False] * 6


def test_a_cancel_is_confirmed_by_the_orders_status(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[list[IntentState], list[tuple[int, str]], list[OrderIntent]]:
        desk = await Desk(world).connect()
        intents = bracket(world, collar=1_000_000)  # below the ask: it rests
        await desk.place(intents)
        assert desk.broker.orders.cancel(intents[0].intent_id)
        assert desk.state(intents[0]) is IntentState.WORKING  # asked for, not confirmed
        await asyncio.sleep(1)
        assert world.resting() == []
        return [desk.state(intent) for intent in intents], desk.listener.messages, list(intents)

    states, messages, intents = in_world(main, FEED, tmp_path)
    assert states == [IntentState.CANCELLED] * 4  # its exits die with it
    assert sorted(messages) == sorted((202, intent.intent_id) for intent in intents)


def test_an_entry_that_is_not_filled_expires_by_itself(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[list[IntentState], int]:
        desk = await Desk(world).connect()
        intents = bracket(world, collar=1_000_000, till="09:55:15")
        await desk.place(intents)
        await world.until("09:55:14.900")
        resting = len(world.resting())
        await world.until("09:55:15.100")
        return [desk.state(intent) for intent in intents], resting

    assert in_world(main, FEED, tmp_path) == ([IntentState.CANCELLED] * 4, 4)


# Orders of an earlier run


def test_orders_left_behind_by_this_client_are_taken_over(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[list[tuple[Any, ...]], list[tuple[int, Status]]]:
        world.hold("AAA", 100, 100.0)
        first = await Desk(world).connect()
        legs = exits(world)
        await first.place(legs)
        first.broker.disconnect()
        await world.until("10:05")
        second_run = await Desk(world).connect("10:05")
        orders = second_run.broker.orders
        shown = [(o.order_ref, o.order_type, o.quantity, o.price_usd, o.tif) for o in orders.resting()]
        assert [row[0] for row in shown] == [leg.intent_id for leg in legs]
        alive = world.resting()
        assert orders.modify(legs[0].intent_id, quantity=50, stop_price=990_000)
        await asyncio.sleep(1)
        assert alive[0].quantity == 50
        assert orders.cancel(legs[1].intent_id)
        await asyncio.sleep(1)
        return [row[1:] for row in shown], [(order.quantity, order.status) for order in alive]

    shown, alive = in_world(main, FEED, tmp_path)
    # stop 100.11 · 0.992 = 99.30912, down; target 100.11 · 1.014 = 101.51154, up
    assert shown == [
        ("STP", 100.0, 99.30, "GTC"),
        ("LMT", 100.0, 101.52, "DAY"),
        ("MKT", 100.0, 0.0, "GTC"),
    ]
    assert alive == [(50, Status.CANCELLED), (100, Status.CANCELLED), (100, Status.CANCELLED)]  # one cancels all


def test_executions_of_the_day_are_told_again_oldest_first_with_their_fees(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Listener, Listener]:
        first = await Desk(world).connect()
        intents = bracket(world)
        await first.place(intents)
        other = await Desk(world, client_id=9).connect()
        await other.place([market_order("AAA", 10)])
        assert first.broker.orders.cancel(intents[1].intent_id)
        await asyncio.sleep(1)
        close = OrderIntent(
            **{
                **{name: getattr(intents[3], name) for name in intents[3].__slots__},
                "intent_id": "close",
                "role": Role.CLOSE,
                "good_after_s": 0,
                "oca_group": "",
                "parent_intent_id": "",
                "tif": "DAY",
            }
        )
        await first.place([close])
        first.broker.disconnect()
        await asyncio.sleep(1)
        again = await Desk(world).connect()
        assert again.listener.executions == []
        again.broker.orders.replay_executions()
        return first.listener, again.listener

    live, replayed = in_world(main, FEED, tmp_path)
    mine = [execution for execution in replayed.executions if execution.order_ref != "somebody-else"]
    assert mine == live.executions
    assert [execution.action for execution in mine] == [Action.BUY, Action.SELL]
    assert [execution.quantity for execution in replayed.executions] == [100, 10, 100]  # the other client's as well
    assert {exec_id: replayed.fees[exec_id] for exec_id in live.fees} == live.fees
    assert len(replayed.fees) == 3


# Refusals


@pytest.mark.parametrize(
    ("collar", "code", "follow_ups"),
    [(1_002_050, 110, [135] * 3), (900_000_000, 201, [201] * 3)],  # an order with a local fault never was an order
)
def test_a_refused_entry_is_rejected_with_its_exits(
    tmp_path: Path, collar: int, code: int, follow_ups: list[int]
) -> None:
    """110 is a price off the tick; 201 here more than the account can carry: 90,000 USD a share."""

    async def main(world: World) -> tuple[list[IntentState], list[tuple[int, str]], int]:
        desk = await Desk(world).connect()
        intents = bracket(world, collar=collar)
        await desk.place(intents)
        return [desk.state(intent) for intent in intents], desk.listener.messages, len(world.resting())

    states, messages, resting = in_world(main, FEED, tmp_path)
    assert states == [IntentState.REJECTED] * 4
    assert [number for number, _ in messages] == [code, *follow_ups]
    assert resting == 0


def test_a_refused_change_leaves_the_order_alive(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[IntentState, list[tuple[int, str]], int]:
        world.hold("AAA", 100, 100.0)
        desk = await Desk(world).connect()
        legs = exits(world)
        await desk.place(legs)
        assert desk.broker.orders.modify(legs[0].intent_id, quantity=100, stop_price=990_050)  # off the tick
        await asyncio.sleep(1)
        return desk.state(legs[0]), desk.listener.messages, world.resting()[0].stop

    state, messages, stop = in_world(main, FEED, tmp_path)
    assert state is IntentState.WORKING
    assert [number for number, _ in messages] == [110]
    assert stop == 993_000


def test_a_change_that_the_library_takes_for_the_orders_end_leaves_its_state_open(tmp_path: Path) -> None:
    """With code 321 the library calls the order cancelled. It lives on, and can still be cancelled."""

    async def main(world: World) -> tuple[list[IntentState], list[Status]]:
        world.hold("AAA", 100, 100.0)
        desk = await Desk(world).connect()
        legs = exits(world)
        await desk.place(legs)
        alive = world.resting()
        assert desk.broker.orders.modify(legs[0].intent_id, quantity=0)
        await asyncio.sleep(1)
        states = [desk.state(legs[0])]
        assert world.resting() == alive
        assert not desk.broker.orders.modify(legs[0].intent_id, quantity=50)  # not before the broker has said more
        assert desk.broker.orders.cancel(legs[0].intent_id)
        await asyncio.sleep(1)
        states.append(desk.state(legs[0]))
        return states, [order.status for order in alive]

    states, at_gateway = in_world(main, FEED, tmp_path)
    assert states == [IntentState.UNKNOWN, IntentState.CANCELLED]
    assert at_gateway == [Status.CANCELLED] * 3


# Fees


def test_a_fee_that_was_not_given_is_no_fee(tmp_path: Path) -> None:
    async def main(world: World) -> dict[str, int]:
        desk = Desk(world)
        fill: Any = SimpleNamespace(execution=SimpleNamespace(execId="e1"))
        trade: Any = None
        for commission in (UNSET_DOUBLE, float("nan"), 1.0003):
            desk.broker.orders.on_commission(trade, fill, CommissionReport(execId="e1", commission=commission))
            desk.store.happened.append((str(len(desk.listener.fees)), ""))
        assert [what for what, _ in desk.store.happened] == ["0", "0", "1"]
        return desk.listener.fees

    assert in_world(main, FEED, tmp_path) == {"e1": 1_000_300}


def test_executions_of_one_second_are_told_purchases_first(tmp_path: Path) -> None:
    """A gateway gives them in no order within a second; a sale before its purchase would sell what is not owned."""

    async def main(world: World) -> list[Action]:
        desk = Desk(world)
        at = datetime(2026, 9, 28, 14, 0, tzinfo=UTC)

        def fill(side: str, exec_id: str) -> Any:
            execution = SimpleNamespace(
                execId=exec_id, orderRef="", side=side, shares=1, price=1.0, time=at, orderId=1, permId=1
            )
            report = CommissionReport()
            return SimpleNamespace(execution=execution, contract=SimpleNamespace(symbol="AAA"), commissionReport=report)

        desk.broker._ib.fills = lambda: [fill("SLD", "a"), fill("BOT", "b")]
        desk.broker.orders.replay_executions()
        return [execution.action for execution in desk.listener.executions]

    assert in_world(main, FEED, tmp_path) == [Action.BUY, Action.SELL]


# What is none of ours, and what nobody may send


def test_an_order_without_reference_is_seen_and_never_taken_for_one_of_ours(tmp_path: Path) -> None:
    """Somebody made it by hand under our client id: it rests, and is not reported, changed or cancelled."""

    async def main(world: World) -> tuple[Listener, MemoryStore, list[str], bool, bool]:
        desk = await Desk(world).connect()
        by_hand = LimitOrder("BUY", 7, 90.0, account=desk.broker.account().account_id)
        contract = await desk.broker.data.contract("AAA")
        desk.broker._ib.placeOrder(contract, by_hand)
        await asyncio.sleep(1)
        by_hand.lmtPrice = 90.005  # off the tick: an error message about it
        desk.broker._ib.placeOrder(contract, by_hand)
        await asyncio.sleep(1)
        facts = await desk.broker.orders.read()
        assert (facts.working, facts.filled) == ({}, {})
        desk.broker.disconnect()
        await asyncio.sleep(1)
        again = await Desk(world, desk.store).connect()
        resting = [f"{order.symbol} {order.quantity:g}" for order in again.broker.orders.resting()]
        orders = again.broker.orders
        return desk.listener, desk.store, resting, orders.cancel(""), orders.modify("", quantity=1)

    listener, store, resting, cancelled, modified = in_world(main, FEED, tmp_path)
    assert (listener.orders, listener.terms, store.shown) == ([], [], {})
    assert (110, "") in listener.messages
    assert {what for what, _ in store.happened} == {"at the gateway"}
    assert resting == ["AAA 7"]
    assert (cancelled, modified) == (False, False)


def test_under_a_temporary_client_id_nothing_is_sent(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[list[tuple[str, str]], int]:
        desk = Desk(world)
        await world.until("09:55")
        await desk.broker.open(to_watch=True)
        intents = bracket(world)
        with pytest.raises(BrokerUnavailable, match="client id 2 is taken: nothing is sent under another one"):
            await desk.place(intents)
        await asyncio.sleep(1)
        return desk.store.happened, len(world.resting())

    happened, resting = in_world(main, FEED, tmp_path)
    assert {what for what, _ in happened} == {"committed"}
    assert resting == 0


def test_of_a_bracket_that_a_lost_connection_cut_in_two_only_what_was_sent_is_on_record_as_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(world: World) -> tuple[list[str], list[str]]:
        desk = await Desk(world).connect()
        await desk.broker.data.contract("AAA")  # asked for once a symbol, under an id as well
        client, ids = desk.broker._ib.client, iter([101, 102])

        def next_id() -> int:
            number = next(ids, None)
            if number is None:
                raise ConnectionError("Not connected")
            return number

        monkeypatch.setattr(client, "getReqId", next_id)
        intents = bracket(world)
        with pytest.raises(BrokerUnavailable, match="while orders were sent: Not connected"):
            await desk.place(intents)
        sent = [intent_id for what, intent_id in desk.store.happened if what == "sent"]
        return sent, [intent.intent_id for intent in intents]

    sent, intents = in_world(main, FEED, tmp_path)
    assert sent == intents[:2]


def test_a_cancel_that_only_a_message_tells_of_ends_the_doubt_about_an_order(tmp_path: Path) -> None:
    """After a refused change nobody knows whether the order lives; code 202 says that it does not."""

    async def main(world: World) -> tuple[list[IntentState], str]:
        world.hold("AAA", 100, 100.0)
        desk = await Desk(world).connect()
        legs = exits(world)
        await desk.place(legs)
        assert desk.broker.orders.modify(legs[0].intent_id, quantity=0)
        await asyncio.sleep(1)
        client = world.client(2)
        assert client is not None
        client.error(desk.seen[0].order_id, 202, "Order Canceled - reason:by the exchange")
        client.write()
        await asyncio.sleep(1)
        return desk.listener.states(legs[0].intent_id), desk.listener.orders[-1].detail

    states, detail = in_world(main, FEED, tmp_path)
    assert states[-2:] == [IntentState.UNKNOWN, IntentState.CANCELLED]
    assert detail == "Order Canceled - reason:by the exchange"
