"""Accounts, profit and loss and the state file through the socket of a running gateway, in simulated time."""

from __future__ import annotations

import asyncio
from datetime import datetime, time
from pathlib import Path

from ib_simulator.gateway import GatewayOptions
from ib_simulator.simulated_time import SimulatedTimeLoop
from market_hours import NEW_YORK
from tests.ib_simulator.wire_client import DAY, WireClient, in_simulated_time, simulated_gateway

PNL, EXECUTION, OPEN_ORDER, NEXT_ID, MANAGED = "94", "11", "5", "9", "15"


def messages(client: WireClient, kind: str) -> list[list[str]]:
    return [message for message in client.heard if message[0] == kind]


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime.combine(DAY, time(hour, minute, second), NEW_YORK)


def test_profit_is_told_a_second_after_a_fill_and_with_the_price() -> None:
    async def run(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop) as (_gateway, port, clock):
            client = await WireClient.connect(port)
            client.send(92, 7, "DU1000001", "")
            await clock.sleep_until(at(10, 0, 5))
            assert len(messages(client, PNL)) == 1  # nothing held, nothing changed
            client.place(1, "AAA", "BUY", 10)
            await asyncio.sleep(2)
            assert len(messages(client, PNL)) == 2
            await clock.sleep_until(at(10, 5))
            n_told = len(messages(client, PNL))
            assert 10 < n_told <= 300  # path points, at most one a second
            client.send(93, 7)
            await clock.sleep_until(at(10, 6))
            assert len(messages(client, PNL)) == n_told

    in_simulated_time(run)


def test_two_accounts_and_a_master_client() -> None:
    async def run(loop: SimulatedTimeLoop) -> None:
        options = GatewayOptions(account_id="DU1", other_accounts=("DU2",), master_client_id=9)
        async with simulated_gateway(loop, options=options) as (gateway, port, clock):
            client, master = await WireClient.connect(port, 1), await WireClient.connect(port, 9)
            assert messages(client, MANAGED) == [["15", "1", "DU1,DU2"]]
            await clock.sleep_until(at(10, 0))
            client.place(1, "AAA", "BUY", 10)
            await asyncio.sleep(1)
            assert (1, 321) in client.errors()
            assert gateway.accounts["DU2"].holdings == {}
            assert messages(master, OPEN_ORDER) == []

    in_simulated_time(run)


def test_orders_and_ids_are_there_again_after_the_process_ended(tmp_path: Path) -> None:
    options = GatewayOptions(state_file=tmp_path / "state.db")

    async def first(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, options=options) as (_gateway, port, clock):
            client = await WireClient.connect(port)
            await clock.sleep_until(at(10, 0))
            client.place(5, "AAA", "BUY", 10)
            client.place(6, "AAA", "BUY", 10, "LMT", 1.0, tif="GTC", order_ref="patient")
            client.place(7, "AAA", "BUY", 10, "LMT", 1.0)
            await asyncio.sleep(1)

    async def second(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, options=options) as (gateway, port, clock):
            await clock.sleep_until(at(10, 1))
            client = await WireClient.connect(port)
            assert messages(client, NEXT_ID) == [["9", "1", "8"]]
            client.send(5, 1)
            client.send(7, 3, 2, 0, "", "", "", "", "", "")
            await asyncio.sleep(1)
            assert [message[1] for message in messages(client, OPEN_ORDER)] == ["6", "7"]
            assert [message[2] for message in messages(client, EXECUTION)] == ["5"]
            assert gateway.accounts.first.holdings["AAA"].quantity == 10
            client.cancel(6)
            await asyncio.sleep(1)
            assert (6, 202) in client.errors()

    in_simulated_time(first)
    in_simulated_time(second)
