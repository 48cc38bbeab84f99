"""Faults of the simulated gateway, as a client on the wire meets them in simulated time."""

from __future__ import annotations

import asyncio
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from ib_simulator.fault_kinds import (
    ClientIdInUse,
    ClockJump,
    Connectivity,
    Crash,
    Delay,
    Drop,
    Duplicate,
    Farm,
    Fault,
    FillAfterCancel,
    Halt,
    Login,
    Lose,
    LoseAcknowledgement,
    NextValidId,
    Notice,
    Reject,
    Reorder,
    Restart,
    Segmented,
    Silent,
    Slow,
    StaleQuotes,
)
from ib_simulator.fault_plan import AfterMessage, AtTime, PlannedFault
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.message_names import REPLIES, REQUESTS, Direction
from ib_simulator.simulated_time import SimulatedClock, SimulatedTimeLoop
from market_hours import NEW_YORK
from tests.ib_simulator.wire_client import DAY, WireClient, in_simulated_time, simulated_gateway

OPEN_ORDER, STATUS, EXECUTION, COMMISSION, ERROR = 5, 3, 11, 59, 4


def _at(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime.combine(DAY, time(hour, minute, second), NEW_YORK)


def _planned(hour: int, minute: int, fault: Fault) -> PlannedFault:
    return PlannedFault(fault=fault, when=AtTime(time=time(hour, minute)))


def _after(name: str, fault: Fault, count: int = 1, direction: Direction = Direction.IN) -> PlannedFault:
    ids = frozenset([(REQUESTS if direction is Direction.IN else REPLIES)[name]])
    return PlannedFault(fault=fault, when=AfterMessage(direction=direction, ids=ids, count=count))


async def _ready(port: int, clock: SimulatedClock, client_id: int = 1) -> WireClient:
    """A client at 10:00, whose greetings are read."""
    await clock.sleep_until(_at(10, 0))
    client = await WireClient.connect(port, client_id)
    client.take()
    return client


def _log(gateway: Gateway) -> list[str]:
    assert gateway.faults is not None
    return [event.text for event in gateway.faults.log]


@pytest.mark.parametrize("reset", [False, True])
def test_a_dropped_socket_closes_and_the_order_lives_on(reset: bool) -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, Drop(client=1, reset=reset))) as (_, port, clock):
            client, other = await _ready(port, clock), await WireClient.connect(port, 2)
            client.place(1, "AAA", "BUY", 100, "LMT", 1.0)
            await clock.sleep_until(_at(10, 0, 59))
            assert not client.is_closed
            await clock.sleep_until(_at(10, 1, 1))
            assert client.is_closed and not other.is_closed
            again = await WireClient.connect(port, 1)
            assert ["9", "1", "2"] in again.heard
            again.take()
            again.send(5, 1)
            await asyncio.sleep(0.1)
            assert again.kinds() == [OPEN_ORDER, STATUS, 53]

    in_simulated_time(scenario)


@pytest.mark.parametrize(("reset", "expected"), [(False, None), (True, ConnectionResetError)])
def test_a_reset_is_not_an_end_of_file(reset: bool, expected: type[Exception] | None) -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, Drop(client=1, reset=reset))) as (_, port, clock):
            client = await _ready(port, clock)
            client.follow_quotes(1, "AAA")
            await clock.sleep_until(_at(10, 1, 1))
            assert client.is_closed and client.heard  # what was written before it has arrived
            assert type(client.lost_by) is (expected or type(None))
            assert client.saw_end_of_file is not reset

    in_simulated_time(scenario)


def test_a_crash_resets_every_socket() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, Crash())) as (_, port, clock):
            clients = [await _ready(port, clock), await WireClient.connect(port, 2)]
            await clock.sleep_until(_at(10, 1, 1))
            assert [type(client.lost_by) for client in clients] == [ConnectionResetError] * 2

    in_simulated_time(scenario)


def test_frames_arrive_byte_by_byte_and_are_the_same() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, Segmented(seconds=60))) as (_, port, clock):
            client, whole = await _ready(port, clock), await WireClient.connect(port, 2)
            await clock.sleep_until(_at(10, 1, 1))
            for each in (client, whole):
                each.take()
                each.pieces.clear()
                each.send(9, 8, 5, 0, "AAA", "STK", "", 0, "", "", "SMART", "", "USD", "", "", 0, "", "")
            await clock.sleep_until(_at(10, 1, 30))
            assert client.take() == whole.take() != []
            assert set(client.pieces) == {1}
            late = await WireClient.connect(port, 3, wait_s=5)
            assert set(late.pieces[1:]) == {1}  # all but the handshake
            await clock.sleep_until(_at(10, 2, 1))
            client.pieces.clear()
            client.send(49, 1)
            await asyncio.sleep(0.1)
            assert len(client.pieces) == 1

    in_simulated_time(scenario)


def test_frames_that_were_written_one_by_one_arrive_in_one_piece() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        fault = Segmented(bytes=100_000, gap_s=2.0, client=1)
        async with simulated_gateway(loop, _planned(10, 1, fault)) as (_, port, clock):
            client, other = await _ready(port, clock), await WireClient.connect(port, 2)
            await clock.sleep_until(_at(10, 1, 1))
            for each in (client, other):
                each.take()
                each.pieces.clear()
            for _ in range(3):
                client.send(49, 1)
                other.send(49, 1)
                await asyncio.sleep(0.3)
            assert client.take() == [] and len(other.pieces) == 3
            await asyncio.sleep(3)
            assert client.kinds() == [49, 49, 49] and len(client.pieces) == 1
            client.send(49, 1)
            await asyncio.sleep(0.1)

    in_simulated_time(scenario)


def test_the_clock_of_the_gateway_jumps_and_comes_back() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        plan = [_planned(10, 1, ClockJump(by_s=-90, seconds=60)), _planned(10, 1, ClockJump(by_s=3600, seconds=30))]
        async with simulated_gateway(loop, *plan) as (gateway, port, clock):
            client, off = await _ready(port, clock), []
            for minute, second in ((0, 30), (1, 10), (1, 40), (2, 10)):
                await clock.sleep_until(_at(10, minute, second))
                client.send(49, 1)
                await asyncio.sleep(0.1)
                off.append(int(client.take()[0][2]) - int(_at(10, minute, second).timestamp()))
            assert off == [0, 3510, -90, 0]
            client.place(1, "AAA", "BUY", 10)
            await asyncio.sleep(1)
            assert gateway.orders.register.executions[0].execution.at_s == int(_at(10, 2, 10).timestamp())

    in_simulated_time(scenario)


@pytest.mark.parametrize(
    ("answers", "version", "is_closed"), [("version", 176, False), ("nothing", 0, False), ("close", 176, True)]
)
def test_after_the_weekly_restart_a_human_has_to_log_in(answers: str, version: int, is_closed: bool) -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        fault = Login(refused_s=60, seconds=600, answers=answers)
        async with simulated_gateway(loop, _planned(10, 1, fault)) as (gateway, port, clock):
            client = await _ready(port, clock)
            client.place(1, "AAA", "BUY", 100, "LMT", 1.0)
            await clock.sleep_until(_at(10, 1, 30))
            assert client.is_closed
            with pytest.raises(ConnectionRefusedError):
                await WireClient.connect(port, 1)
            await clock.sleep_until(_at(10, 3))
            waiting = await WireClient.connect(port, 1)
            waiting.send(5, 1)
            await clock.sleep_until(_at(10, 11, 59))  # the limit on connections without startApi does not hold here
            assert (waiting.server_version, waiting.heard, waiting.is_closed) == (version, [], is_closed)
            await clock.sleep_until(_at(10, 12, 1))
            assert waiting.is_closed
            again = await WireClient.connect(port, 1)
            assert ["9", "1", "2"] in again.heard
            assert gateway.orders.find(1, 1) is not None
            assert "logged in" in _log(gateway)

    in_simulated_time(scenario)


def test_a_fill_during_a_disconnect_is_told_after_it() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, Restart(refused_s=60))) as (gateway, port, clock):
            client = await _ready(port, clock)
            market = gateway.exchange.markets.get("AAA")
            client.follow_quotes(5, "AAA")
            await asyncio.sleep(0.1)
            market = gateway.exchange.markets["AAA"]
            client.place(1, "AAA", "BUY", 50, "LMT", (market.bid - 100) / 10_000)
            await clock.sleep_until(_at(10, 0, 59))
            await clock.sleep_until(_at(10, 1, 30))
            assert client.is_closed
            with pytest.raises(ConnectionRefusedError):
                await WireClient.connect(port, 1)
            filled_before = gateway.orders.find(1, 1)
            assert filled_before is not None
            await clock.sleep_until(_at(10, 2, 1))
            again = await WireClient.connect(port, 1)
            again.take()
            await clock.sleep_until(_at(15, 0))
            order = gateway.orders.find(1, 1)
            assert order is not None and order.filled == 50
            assert "the port is open again" in _log(gateway)

    in_simulated_time(scenario)


def test_the_nightly_restart_falls_between_two_sessions() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> list[str]:
        async with simulated_gateway(loop, _planned(23, 45, Restart(refused_s=120)), days=2) as (gateway, port, clock):
            client = await _ready(port, clock)
            client.place(1, "AAA", "BUY", 100, "LMT", 1.0, tif="GTC")
            await clock.sleep_until(_at(23, 44))
            assert not client.is_closed
            await clock.sleep_until(_at(23, 46))
            assert client.is_closed
            with pytest.raises(ConnectionRefusedError):
                await WireClient.connect(port, 1)
            await clock.sleep_until(_at(23, 47, 1))
            again = await WireClient.connect(port, 1)
            assert ["9", "1", "2"] in again.heard
            again.take()
            again.send(5, 1)
            await asyncio.sleep(0.1)
            assert again.kinds() == [OPEN_ORDER, STATUS, 53]
            await clock.sleep_until(_at(10, 0) + timedelta(days=1))
            order = gateway.orders.find(1, 1)
            assert order is not None and order.active
            assert gateway.faults is not None
            return [event.at.astimezone(NEW_YORK).isoformat() for event in gateway.faults.log]

    assert in_simulated_time(scenario) == ["2025-10-07T23:45:00-04:00", "2025-10-07T23:47:00-04:00"]


def test_a_half_open_socket_delivers_late_and_keeps_its_client_id() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, Silent(client=1, seconds=60))) as (_, port, clock):
            client = await _ready(port, clock)
            await clock.sleep_until(_at(10, 1, 1))
            client.take()
            client.send(49, 1)
            rival = await WireClient.connect(port, 1)
            assert rival.errors() == [(-1, 326)] and rival.is_closed
            await clock.sleep_until(_at(10, 1, 59))
            assert client.heard == [] and not client.is_closed
            await clock.sleep_until(_at(10, 2, 1))
            assert client.kinds() == [49]

    in_simulated_time(scenario)


def test_lost_connectivity_holds_reports_and_refuses_orders_until_it_is_back() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        fault = Connectivity(seconds=120, restored=1102)
        async with simulated_gateway(loop, _planned(10, 1, fault)) as (gateway, port, clock):
            client = await _ready(port, clock)
            client.follow_quotes(9, "AAA")
            await asyncio.sleep(0.1)
            price = gateway.exchange.markets["AAA"].last / 10_000
            client.place(1, "AAA", "BUY", 10, "STP", stop=round(price, 2))  # fills as soon as the price ticks up
            await clock.sleep_until(_at(10, 1))
            await asyncio.sleep(0.2)
            assert (-1, 1100) in client.errors()
            client.heard.clear()
            client.place(2, "AAA", "BUY", 10, "MKT")
            client.cancel(1)
            client.send(61, 1)
            await clock.sleep_until(_at(10, 2, 59))
            assert client.errors() == [(2, 10328)]
            assert [message for message in client.heard if message[0] != "4"] == []
            late = await WireClient.connect(port, 2)
            assert (-1, 1100) in late.errors()
            await clock.sleep_until(_at(10, 3, 1))
            messages = client.take()
            kinds = [int(message[0]) for message in messages]
            restored = next(i for i, message in enumerate(messages) if message[0] == "4" and message[3] == "1102")
            assert 62 in kinds[restored:] and 62 not in kinds[:restored]
            client.heard.clear()
            await clock.sleep_until(_at(10, 4))
            assert any(message[0] == "1" for message in client.heard)  # subscriptions go on

    in_simulated_time(scenario)


def test_after_1101_subscriptions_are_gone() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        fault = Connectivity(seconds=30, restored=1101)
        async with simulated_gateway(loop, _planned(10, 1, fault)) as (_, port, clock):
            client = await _ready(port, clock)
            client.follow_quotes(9, "AAA")
            await clock.sleep_until(_at(10, 1, 31))
            assert (-1, 1101) in client.errors()
            client.heard.clear()
            await clock.sleep_until(_at(10, 3))
            assert client.heard == []

    in_simulated_time(scenario)


def test_orders_queued_during_an_outage_arrive_with_the_restore() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        fault = Connectivity(seconds=30, orders="queued")
        async with simulated_gateway(loop, _planned(10, 1, fault)) as (gateway, port, clock):
            client = await _ready(port, clock)
            await clock.sleep_until(_at(10, 1, 1))
            client.place(1, "AAA", "BUY", 10, "MKT")
            await clock.sleep_until(_at(10, 1, 29))
            assert gateway.orders.find(1, 1) is None
            await clock.sleep_until(_at(10, 1, 31))
            order = gateway.orders.find(1, 1)
            assert order is not None and order.filled == 10

    in_simulated_time(scenario)


@pytest.mark.parametrize(("farm", "codes"), [("market", (2103, 2104)), ("history", (2105, 2106))])
def test_a_broken_farm_says_so_and_stalls_what_it_serves(farm: str, codes: tuple[int, int]) -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, Farm(farm=farm, seconds=60))) as (_, port, clock):
            client = await _ready(port, clock)
            client.follow_quotes(9, "AAA")
            await clock.sleep_until(_at(10, 1))
            await asyncio.sleep(0.1)
            client.take()
            contract = [0, "AAA", "STK", "", 0, "", "", "SMART", "", "USD", "", ""]
            client.send(20, 7, *contract, 0, "", "1 min", "1 D", 1, "TRADES", 1, 0, "")
            await clock.sleep_until(_at(10, 1, 59))
            assert any(message[0] == "1" for message in client.heard) == (farm == "history")
            assert any(message[0] == "17" for message in client.heard) == (farm == "market")
            client.heard.clear()
            await clock.sleep_until(_at(10, 3))
            assert client.errors() == [(-1, codes[1])]
            assert any(message[0] == "1" for message in client.heard)
            assert any(message[0] == "17" for message in client.heard) == (farm == "history")

    in_simulated_time(scenario)


def _reports_of_a_market_order(*faults: PlannedFault) -> list[int]:
    """Kinds of the messages about one order that fills at once."""

    async def scenario(loop: SimulatedTimeLoop) -> list[int]:
        async with simulated_gateway(loop, *faults) as (_, port, clock):
            client = await _ready(port, clock)
            client.place(1, "AAA", "BUY", 10, "MKT")
            await asyncio.sleep(2.0)
            return client.kinds()

    return in_simulated_time(scenario)


def test_messages_of_a_kind_are_lost_doubled_delayed_and_reordered() -> None:
    plain = _reports_of_a_market_order()
    assert EXECUTION in plain and plain.count(COMMISSION) == 1
    first = plain.index(EXECUTION)

    lost = _reports_of_a_market_order(_planned(10, 0, Lose(message="execDetails")))
    assert lost == plain[:first] + plain[first + 1 :]

    doubled = _reports_of_a_market_order(_planned(10, 0, Duplicate(message="execDetails")))
    assert doubled == [*plain[:first], EXECUTION, *plain[first:]]

    delayed = _reports_of_a_market_order(_planned(10, 0, Delay(message="execDetails", delay_s=1.0)))
    assert delayed == [*plain[:first], *plain[first + 1 :], EXECUTION]

    swapped = _reports_of_a_market_order(_planned(10, 0, Reorder(message="execDetails")))
    assert swapped == [*plain[:first], plain[first + 1], EXECUTION, *plain[first + 2 :]]

    group = _reports_of_a_market_order(_planned(10, 0, Lose(message="orderReports", seconds=5)))
    assert group == []


def test_an_inbound_message_can_be_lost_or_come_twice() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        lose = Lose(message="placeOrder", direction="in")
        twice = PlannedFault(
            fault=Duplicate(message="reqCurrentTime", direction="in"), when=AtTime(time=time(10, 0, 30))
        )
        async with simulated_gateway(loop, _planned(10, 0, lose), twice) as (gateway, port, clock):
            client = await _ready(port, clock)
            client.place(1, "AAA", "BUY", 10, "MKT")
            await asyncio.sleep(1)
            assert client.take() == [] and gateway.orders.find(1, 1) is None
            await clock.sleep_until(_at(10, 0, 31))
            client.send(49, 1)
            await asyncio.sleep(1)
            assert client.kinds() == [49, 49]

    in_simulated_time(scenario)


def test_a_slow_gateway_answers_late_and_in_order() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, Slow(delay_s=3.0))) as (_, port, clock):
            client = await _ready(port, clock)
            await clock.sleep_until(_at(10, 1, 1))
            client.send(61, 1)
            client.send(49, 1)
            await asyncio.sleep(2.9)
            assert client.heard == []
            await asyncio.sleep(0.2)
            assert client.kinds() == [62, 49]

    in_simulated_time(scenario)


def test_an_order_is_accepted_and_its_acknowledgement_lost() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _after("placeOrder", LoseAcknowledgement(), count=2)) as (gw, port, clock):
            client = await _ready(port, clock)
            client.place(1, "AAA", "BUY", 100, "LMT", 1.0)
            await asyncio.sleep(1)
            assert STATUS in client.kinds()
            client.place(2, "AAA", "BUY", 100, "LMT", 1.0, order_ref="lost one")
            client.place(3, "AAA", "BUY", 100, "LMT", 1.0)
            await asyncio.sleep(1)
            assert {message[1] for message in client.take()} == {"3"}
            order = gw.orders.find(1, 2)
            assert order is not None and not order.is_done
            client.send(5, 1)
            await asyncio.sleep(1)
            assert [message[1] for message in client.take() if message[0] == "3"] == ["1", "2", "3"]

    in_simulated_time(scenario)


def test_a_fill_comes_after_the_cancel_was_confirmed() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 0, FillAfterCancel(report_after_s=5))) as (gw, port, clock):
            client = await _ready(port, clock)
            client.place(7, "AAA", "BUY", 100, "LMT", 1.0)
            await asyncio.sleep(1)
            client.take()
            client.cancel(7)
            await asyncio.sleep(1)
            told = client.take()
            assert [message[0] for message in told] == ["3", "4"]
            assert told[0][2] == "Cancelled" and told[1][3] == "202"
            assert gw.accounts.first.holdings["AAA"].quantity == 100
            await asyncio.sleep(5)
            late = client.take()
            assert EXECUTION in [int(message[0]) for message in late]
            assert "Filled" in [message[2] for message in late if message[0] == "3"]

    in_simulated_time(scenario)


def test_a_stop_that_waits_for_its_price_is_not_filled_after_its_cancel() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 0, FillAfterCancel(report_after_s=5))) as (gw, port, clock):
            client = await _ready(port, clock)
            client.place(7, "AAA", "SELL", 100, "STP", stop=1.0)
            await asyncio.sleep(1)
            client.cancel(7)
            await asyncio.sleep(10)
            assert [message[2] for message in client.take() if message[0] == "3"][-1] == "Cancelled"
            assert "AAA" not in gw.accounts.first.holdings

    in_simulated_time(scenario)


@pytest.mark.parametrize(("code", "status"), [(201, ["Inactive"]), (110, [])])
def test_orders_are_rejected_with_a_code(code: int, status: list[str]) -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        fault = Reject(code=code, text="no", count=1, symbol="AAA")
        async with simulated_gateway(loop, _planned(10, 0, fault)) as (_, port, clock):
            client = await _ready(port, clock)
            client.place(1, "BBB", "BUY", 100, "LMT", 1.0)
            client.place(2, "AAA", "BUY", 100, "LMT", 1.0)
            client.place(3, "AAA", "BUY", 100, "LMT", 1.0)
            await asyncio.sleep(1)
            assert client.errors() == [(2, code)]
            told = [message for message in client.take() if message[0] == "3" and message[1] == "2"]
            assert list(dict.fromkeys(message[2] for message in told)) == status

    in_simulated_time(scenario)


def test_a_client_id_is_in_use_for_a_while() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 0, ClientIdInUse(client=7, seconds=30))) as (_, port, clock):
            await clock.sleep_until(_at(10, 0, 1))
            first = await WireClient.connect(port, 7)
            assert first.errors() == [(-1, 326)] and first.is_closed
            await clock.sleep_until(_at(10, 0, 31))
            second = await WireClient.connect(port, 7)
            assert not second.is_closed and ["9", "1", "1"] in second.heard

    in_simulated_time(scenario)


def test_next_valid_id_goes_back_and_old_ids_are_refused() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, NextValidId(back_by=2))) as (_, port, clock):
            client = await _ready(port, clock)
            for order_id in (1, 2, 3):
                client.place(order_id, "AAA", "BUY", 100, "LMT", 1.0)
            await clock.sleep_until(_at(10, 1, 1))
            client.take()
            client.send(8, 1, 1)
            await asyncio.sleep(0.1)
            client.send(8, 1, 1)
            await asyncio.sleep(0.1)
            assert client.take() == [["9", "1", "2"], ["9", "1", "4"]]

    in_simulated_time(scenario)


def test_a_fault_fires_between_two_messages_of_one_instant() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> list[int]:
        plan = _after("execDetails", Drop(reset=True), direction=Direction.OUT)
        async with simulated_gateway(loop, plan) as (_, port, clock):
            client = await _ready(port, clock)
            client.place(1, "AAA", "BUY", 10, "MKT")
            await asyncio.sleep(1)
            assert client.is_closed
            return client.kinds()

    kinds = in_simulated_time(scenario)
    plain = _reports_of_a_market_order()
    assert kinds == plain[: plain.index(EXECUTION) + 1]


def test_stale_quotes_stop_while_orders_fill() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        fault = StaleQuotes(symbols=("AAA",), seconds=120)
        async with simulated_gateway(loop, _planned(10, 1, fault)) as (gateway, port, clock):
            client = await _ready(port, clock)
            client.follow_quotes(5, "AAA")
            client.follow_quotes(6, "BBB")
            await clock.sleep_until(_at(10, 1))
            await asyncio.sleep(0.5)
            client.heard.clear()
            client.place(1, "AAA", "BUY", 10, "MKT")
            await clock.sleep_until(_at(10, 2, 59))
            assert {message[2] for message in client.heard if message[0] == "1"} == {"6"}
            order = gateway.orders.find(1, 1)
            assert order is not None and order.filled == 10
            await clock.sleep_until(_at(10, 4))
            assert "5" in {message[2] for message in client.heard if message[0] == "1"}

    in_simulated_time(scenario)


def test_a_notice_of_any_code_reaches_one_client() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        fault = Notice(code=10197, text="No market data during competing live session", client=2)
        async with simulated_gateway(loop, _planned(10, 1, fault)) as (_, port, clock):
            client, other = await _ready(port, clock), await WireClient.connect(port, 2)
            other.take()
            await clock.sleep_until(_at(10, 1, 1))
            assert client.errors() == [] and other.errors() == [(-1, 10197)]

    in_simulated_time(scenario)


def test_faults_leave_the_same_trace_twice() -> None:
    def trace() -> tuple[list[str], list[list[str]]]:
        async def scenario(loop: SimulatedTimeLoop) -> tuple[list[str], list[list[str]]]:
            plan = [
                _planned(10, 1, Slow(delay_s=0.7, seconds=100)),
                _planned(10, 2, Duplicate(message="all", seconds=20)),
                _planned(10, 3, Connectivity(seconds=40, restored=1101)),
                _after("placeOrder", LoseAcknowledgement(), count=2),
            ]
            async with simulated_gateway(loop, *plan) as (gateway, port, clock):
                client = await _ready(port, clock)
                client.follow_quotes(5, "AAA")
                for order_id in range(1, 20):
                    client.place(order_id, "AAA", "BUY" if order_id % 2 else "SELL", 10 * order_id, "MKT")
                    await asyncio.sleep(13.3)
                assert gateway.faults is not None
                return [str(event) for event in gateway.faults.log], client.heard

        return in_simulated_time(scenario)

    assert trace() == trace()


def test_a_fault_whose_time_is_over_is_logged_and_left_out() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> list[str]:
        async with simulated_gateway(loop, _planned(8, 0, Drop())) as (gateway, _, clock):
            await clock.sleep_until(_at(10, 0))
            return _log(gateway)

    assert in_simulated_time(scenario) == ["not fired: its time was 2700 s ago"]


@pytest.mark.parametrize(("keeps", "shares", "next_id"), [("servers", 10, "3"), ("file", 10, "2"), ("nothing", 0, "1")])
def test_a_crash_keeps_what_it_is_told_to_keep(tmp_path: Path, keeps: str, shares: int, next_id: str) -> None:
    """It dies after the second order was taken and before anything of it was saved or told."""

    async def scenario(loop: SimulatedTimeLoop) -> None:
        plan = _after("placeOrder", Crash(keeps=keeps, refused_s=20), count=2)
        options = GatewayOptions(state_file=tmp_path / "state.db")
        async with simulated_gateway(loop, plan, options=options) as (_, port, clock):
            client = await _ready(port, clock)
            client.place(1, "AAA", "BUY", 10, "MKT")
            await asyncio.sleep(1)
            client.take()
            client.place(2, "BBB", "BUY", 10, "LMT", 1.0, tif="GTC")
            await asyncio.sleep(1)
            assert client.is_closed and client.heard == []
            with pytest.raises(ConnectionRefusedError):
                await WireClient.connect(port, 1)
            await clock.sleep_until(_at(10, 1))
            again = await WireClient.connect(port, 1)
            assert ["9", "1", next_id] in again.heard
            again.take()
            again.send(61, 1)
            again.send(5, 1)
            await asyncio.sleep(1)
            held = [float(message[14]) for message in again.heard if message[0] == "61"]
            assert held == ([shares] if shares else [])
            assert [message[1] for message in again.heard if message[0] == "3"] == (["2"] if keeps == "servers" else [])
            again.place(7, "AAA", "BUY", 10, "MKT")
            await asyncio.sleep(1)
            assert "Filled" in [message[2] for message in again.heard if message[0] == "3"]

    in_simulated_time(scenario)


def test_a_halt_stops_trading_and_ends() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, _planned(10, 1, Halt(symbol="AAA", seconds=300))) as (gateway, port, clock):
            client = await _ready(port, clock)
            client.follow_quotes(5, "AAA")
            await clock.sleep_until(_at(10, 1, 2))
            assert ["45", "6", "5", "49", "2.0"] in client.heard or ["45", "6", "5", "49", "2"] in client.heard
            client.place(1, "AAA", "BUY", 10, "MKT")
            await clock.sleep_until(_at(10, 5, 59))
            order = gateway.orders.find(1, 1)
            assert order is not None and order.filled == 0
            await clock.sleep_until(_at(10, 7))
            assert order.filled == 10

    in_simulated_time(scenario)


def test_a_fault_at_a_whole_second_comes_before_the_market_of_that_second() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        lose = Lose(message="ticks", seconds=1)  # from 10:01:00, the first path point of a minute, to 10:01:01
        async with simulated_gateway(loop, _planned(10, 1, lose)) as (_, port, clock):
            client = await _ready(port, clock)
            client.follow_quotes(5, "AAA")
            await clock.sleep_until(_at(10, 0, 59))
            await asyncio.sleep(0.5)
            client.heard.clear()
            await clock.sleep_until(_at(10, 1, 19))
            assert [message for message in client.heard if message[0] == "1"] == []
            await clock.sleep_until(_at(10, 1, 21))
            assert [message for message in client.heard if message[0] == "1"] != []

    in_simulated_time(scenario)
