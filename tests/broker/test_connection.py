"""Connecting to a gateway over TCP: what goes wrong is named with its likely cause."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from broker.connection import choose_account, guard_account
from broker.connection_state import LinkEvent
from broker.values import AccountState, BrokerPosition
from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.request_types import ReqAccountUpdates, ReqAccountUpdatesMulti, ReqAllOpenOrders, ReqPositions
from tests.gateway_world import LIVE, PAPER, USD, HandMadeFeed, Listener, World, in_world, warm_up
from tests.ports import free_port
from trading.errors import BrokerUnavailable
from utils import HaltTrading, Misconfigured

FEED = HandMadeFeed({"AAA": warm_up()})


def test_a_connected_broker_knows_the_account(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[AccountState, bool, bool]:
        broker = world.broker()
        account = await broker.open()
        connected = broker.is_connected
        broker.disconnect()
        return account, connected, broker.is_connected

    account, connected, after = in_world(main, FEED, tmp_path)
    assert account == AccountState(PAPER, 100_000 * USD, 100_000 * USD, settled_cash=100_000 * USD, cash=100_000 * USD)
    assert account.is_paper
    assert (connected, after) == (True, False)


def test_a_refused_connection_names_host_port_and_likely_cause(tmp_path: Path) -> None:
    port = free_port()

    async def main(world: World) -> None:
        await world.broker(ib_port=port).open()

    words = rf"connection refused at 127\.0\.0\.1:{port}: is IB Gateway or TWS running, .* 4002 \(paper\)"
    with pytest.raises(BrokerUnavailable, match=words):
        in_world(main, FEED, tmp_path)


def test_an_address_that_does_not_exist_is_named(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        await world.broker(ib_host="no-such-host.invalid").open()

    with pytest.raises(BrokerUnavailable, match=r"cannot connect to no-such-host\.invalid:"):
        in_world(main, FEED, tmp_path)


def test_a_silent_port_is_given_up_after_the_limit(tmp_path: Path) -> None:
    """Something listens and says nothing: a gateway that is not logged in. The limit is one of virtual time."""

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def main(world: World) -> tuple[str, float]:
        began = world.clock.now()
        async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(BrokerUnavailable) as caught:
                await world.broker(ib_port=port, ib_connect_timeout_s=15).open()
        return str(caught.value), (world.clock.now() - began).total_seconds()

    text, waited_s = in_world(main, FEED, tmp_path)
    assert "within 15 s: not logged in, client id 2 already in use" in text
    assert waited_s == 15


def test_a_client_id_in_use_is_named_at_once_and_leaves_the_other_alone(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[str, float, bool, list[tuple[int, str]]]:
        first, listener = world.broker(client_id=7), Listener()
        await first.open()
        began = world.clock.now()
        with pytest.raises(BrokerUnavailable) as caught:
            await world.broker(listener, client_id=7).open()
        waited_s = (world.clock.now() - began).total_seconds()
        return str(caught.value), waited_s, first.is_connected, listener.messages

    text, waited_s, alive, messages = in_world(main, FEED, tmp_path)
    assert re.fullmatch(r"client id 7 is already in use at 127\.0\.0\.1:\d+", text)
    assert waited_s < 1  # not the whole limit of a connection
    assert alive
    assert messages == [(326, "")]


def test_a_client_id_is_free_again_after_a_disconnect(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        for _ in range(3):
            broker = world.broker(client_id=7)
            await broker.open()
            broker.disconnect()
            await asyncio.sleep(1)

    in_world(main, FEED, tmp_path)


def two_accounts(world: World) -> None:
    """Let the gateway announce a second account."""
    start = world.gateway.on_start

    def on_start(client: ClientConnection, client_id: int) -> None:
        start(client, client_id)
        client._out[0] = replies.managed_accounts([PAPER, "DU1000002"])

    world.gateway.on_start = on_start  # type: ignore[method-assign]


def test_of_several_accounts_one_must_be_named(tmp_path: Path) -> None:
    async def main(world: World) -> AccountState:
        two_accounts(world)
        with pytest.raises(Misconfigured, match=r"2 accounts \(DU1000001, DU1000002\): set IB_ACCOUNT"):
            await world.broker().open()
        return await world.broker(client_id=3, ib_account=PAPER).open()

    assert in_world(main, FEED, tmp_path).account_id == PAPER


def test_an_account_of_another_login_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"IB_ACCOUNT=DU9 is not an account of this login \(DU1, DU2\)"):
        choose_account(["DU1", "DU2"], "DU9")
    assert choose_account(["DU1", "DU2"], "DU2") == "DU2"
    assert choose_account(["DU1"], "") == "DU1"
    with pytest.raises(Misconfigured, match="0 accounts"):
        choose_account([], "")


@pytest.mark.parametrize(("account_id", "paper"), [("DU1", True), ("DF1", True), ("U1", False), ("F1", False)])
def test_paper_or_live_is_decided_by_the_account_id(account_id: str, paper: bool) -> None:
    account = AccountState(account_id, 0, 0)
    assert account.is_paper is paper
    guard_account(account, live_allowed=True)
    if paper:
        guard_account(account, live_allowed=False)
    else:
        with pytest.raises(HaltTrading, match=f"{account_id} is a live account"):
            guard_account(account, live_allowed=False)


def test_a_live_account_stops_the_program_unless_it_is_allowed(tmp_path: Path) -> None:
    async def main(world: World) -> AccountState:
        with pytest.raises(HaltTrading, match="give --live to trade real money"):
            await world.broker(client_id=3).open()
        return await world.broker(client_id=4, live_allowed=True).open()

    assert not in_world(main, FEED, tmp_path, account_id=LIVE).is_paper


def test_account_values_that_never_came_are_unknown_and_not_zero(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        def end_at_once(client: ClientConnection, request: Any) -> None:
            if isinstance(request, ReqAccountUpdates):
                client.send(replies_account_end())
            else:
                client.send(replies_multi_end(request.req_id))

        world.answer(ReqAccountUpdates, end_at_once)
        world.answer(ReqAccountUpdatesMulti, end_at_once)
        await world.broker().open()

    with pytest.raises(BrokerUnavailable, match=f"did not report NetLiquidation and AvailableFunds of {PAPER} in USD"):
        in_world(main, FEED, tmp_path)


def replies_account_end() -> bytes:
    from ib_simulator.replies_account import account_download_end

    return account_download_end(PAPER)


def replies_multi_end(request_id: int) -> bytes:
    from ib_simulator.replies_account import account_update_multi_end

    return account_update_multi_end(request_id)


# Positions


def test_positions_are_those_of_the_account(tmp_path: Path) -> None:
    async def main(world: World) -> list[BrokerPosition]:
        world.hold("AAA", 100, 99.50)
        broker = world.broker()
        await broker.open()
        positions = await broker.positions()
        assert broker.orders.held("AAA") == 100
        assert broker.orders.held("ZZZ") == 0
        return positions

    assert in_world(main, FEED, tmp_path) == [BrokerPosition("AAA", 100.0, 995_000, True)]


def test_a_short_position_leaves_nothing_to_sell(tmp_path: Path) -> None:
    async def main(world: World) -> int:
        world.hold("AAA", -40, 99.50)
        broker = world.broker()
        await broker.open()
        return broker.orders.held("AAA")

    assert in_world(main, FEED, tmp_path) == 0


def test_positions_that_cannot_be_read_are_no_empty_list(tmp_path: Path) -> None:
    async def main(world: World) -> list[LinkEvent]:
        listener = Listener()
        broker = world.broker(listener)
        await broker.open()
        world.answer(ReqPositions, lambda client, _: client.close())
        with pytest.raises(BrokerUnavailable, match="positions could not be read"):
            await broker.positions()
        with pytest.raises(BrokerUnavailable, match="positions could not be read"):
            await broker.positions()  # and again, without a socket
        return listener.links

    assert in_world(main, FEED, tmp_path) == [LinkEvent.SOCKET_LOST]


def test_positions_that_are_never_answered_are_given_up(tmp_path: Path) -> None:
    async def main(world: World) -> float:
        broker = world.broker(ib_request_timeout_s=30)
        await broker.open()
        world.answer(ReqPositions, lambda _client, _request: None)
        began: datetime = world.clock.now()
        with pytest.raises(BrokerUnavailable, match="positions could not be read"):
            await broker.positions()
        return (world.clock.now() - began).total_seconds()

    assert in_world(main, FEED, tmp_path) == 30


def test_what_is_never_answered_is_told_as_that(tmp_path: Path) -> None:
    async def main(world: World) -> list[str]:
        broker = world.broker()
        await broker.open()
        told = []
        for request in (ReqPositions, ReqAllOpenOrders):
            world.answer(request, lambda _client, _request: None)
        for question in (broker.positions(), broker.sells_of_others(lambda _: False), broker.orders.read()):
            with pytest.raises(BrokerUnavailable) as caught:
                await question
            told.append(str(caught.value))
        return told

    assert in_world(main, FEED, tmp_path) == [
        "positions could not be read: no answer",
        "open orders could not be read: no answer",
        "orders and executions could not be read: no answer",
    ]


# Reports


def test_a_listener_that_raises_is_kept_for_the_agent(tmp_path: Path) -> None:
    class Clumsy(Listener):
        def on_message(self, code: int, text: str, order_ref: str) -> None:
            raise ValueError(f"cannot bear {code}")

    async def main(world: World) -> tuple[Exception | None, bool]:
        broker = world.broker(Clumsy())
        await broker.open()
        client = world.client(2)
        assert client is not None
        client.error(-1, 1100, "Connectivity between IBKR and Trader Workstation has been lost.")
        client.error(-1, 2110, "Connectivity between Trader Workstation and server is broken.")
        client.write()
        await asyncio.sleep(1)
        return broker.fault, broker.is_connected

    fault, connected = in_world(main, FEED, tmp_path)
    assert isinstance(fault, ValueError)
    assert "cannot bear" in str(fault)
    assert connected


def test_notices_are_not_told_and_messages_are(tmp_path: Path) -> None:
    async def main(world: World) -> list[tuple[int, str]]:
        listener = Listener()
        broker = world.broker(listener)
        await broker.open()
        client = world.client(2)
        assert client is not None
        for code in (2106, 2158, 2103, 1100):
            client.error(-1, code, "words")
        client.write()
        await asyncio.sleep(1)
        return listener.messages

    assert in_world(main, FEED, tmp_path) == [(2104, ""), (2103, ""), (1100, "")]


def test_a_wanted_disconnect_is_no_event(tmp_path: Path) -> None:
    async def main(world: World) -> list[list[LinkEvent]]:
        wanted, cut = Listener(), Listener()
        first, second = world.broker(wanted, client_id=3), world.broker(cut, client_id=4)
        await first.open()
        await second.open()
        first.disconnect()
        world.cut(4)
        await asyncio.sleep(1)
        return [wanted.links, cut.links]

    assert in_world(main, FEED, tmp_path) == [[], [LinkEvent.SOCKET_LOST]]
