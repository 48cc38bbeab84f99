"""Clients that send nonsense, nothing, or read nothing: the others do not notice."""

from __future__ import annotations

import asyncio
import random
import struct
from datetime import datetime, time, timedelta

import pytest

from ib_simulator import client as client_module
from ib_simulator.client import MAX_REQUEST_BYTES, START_LIMIT_S
from ib_simulator.listener import MAX_SOCKETS
from ib_simulator.simulated_time import SimulatedTimeLoop
from market_hours import NEW_YORK
from tests.ib_simulator.wire_client import DAY, WireClient, in_simulated_time, order_fields, simulated_gateway

TEN = datetime.combine(DAY, time(10, 0), NEW_YORK)
CONTRACT = [0, "AAA", "STK", "", 0, "", "", "SMART", "", "USD", "", ""]
REQUESTS: list[list[object]] = [  # one of each kind, right but for what a mutation does to it
    [71, 2, 5, ""],
    [49, 1],
    [17, 1],
    [8, 1, 1],
    [9, 8, 1, *CONTRACT, 0, "", "", ""],
    [81, 1, "A"],
    [91, 26],
    [1, 11, 1, *CONTRACT, 0, "233,236", 0, 0, ""],
    [1, 11, 2, *CONTRACT, 0, "", 1, 0, ""],
    [2, 2, 1],
    [59, 1, 3],
    [50, 3, 3, *CONTRACT, 5, "TRADES", 1, ""],
    [51, 1, 3],
    [20, 4, *CONTRACT, 0, "", "1 min", "1 D", 1, "TRADES", 1, 0, ""],
    [20, 5, *CONTRACT, 0, "", "5 mins", "2 D", 1, "MIDPOINT", 2, 1, ""],
    [25, 1, 5],
    [87, 6, *CONTRACT, 0, 1, "TRADES", 1],
    [88, 7, *CONTRACT, 0, 1, "1 week"],
    [96, 8, *CONTRACT, 0, "20251007 09:31:00 US/Eastern", "", 10, "TRADES", 1, 0, ""],
    [97, 9, *CONTRACT, "Last", 5, 0],
    [98, 9],
    order_fields(10, "AAA", "BUY", 100, "LMT", 100.0),
    order_fields(11, "AAA", "BUY", 100, "MKT"),
    order_fields(12, "AAA", "SELL", 100, "STP", stop=50.0, tif="GTC", oca_group="g"),
    order_fields(13, "BBB", "SELL", 10, "TRAIL", stop=1.0),
    order_fields(14, "BBB", "BUY", 10, "STP LMT", 100.0, 100.0, transmit=0),
    [4, 1, 10, ""],
    [58, 1],
    [5, 1],
    [16, 1],
    [15, 1, 1],
    [99, 1],
    [7, 3, 20, 0, "", "20251007-13:30:00", "", "", "", ""],
    [61, 1],
    [64, 1],
    [6, 2, 1, "DU1000001"],
    [76, 1, 21, "DU1000001", "", 0],
    [77, 1, 21],
    [62, 1, 22, "All", "NetLiquidation,$LEDGER:ALL"],
    [63, 1, 22],
    [92, 23, "DU1000001", ""],
    [93, 23],
    [94, 24, "DU1000001", "", 131774503],
    [95, 24],
    [14, 1, 5],
    [79, 25],
    [80],
    [82],
    [83, 26, "9c0001"],
    [85],
]
NASTY: tuple[str, ...] = (
    "",
    "-1",
    "0",
    "1",
    "nan",
    "inf",
    "-inf",
    "Infinite",
    "1e308",
    "1.7976931348623157E308",
    "2147483647",
)
NASTY += ("2147483648", "-2147483649", "9" * 400, "0x10", "١٢", "\udcff", "x" * 5000, "AAA", "20251007 10:00:00", "LMT")
NASTY += (
    "OPG",
    "GTD",
    "TRAIL",
    "1 Y",
    "1 secs",
    "30 D",
    "99999999999999999999 D",
    "BID_ASK",
    "a=b;c",
    "🙂",
    "1.5",
    "5.0",
)


def mutated(rng: random.Random) -> bytes:
    """A frame that was right once, or never."""
    fields = [str(field) for field in rng.choice(REQUESTS)]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        at = rng.randrange(len(fields)) if fields else 0
        match rng.randrange(4):
            case 0 if fields:
                fields[at] = rng.choice(NASTY)
            case 1 if fields:
                del fields[at]
            case 2:
                fields.insert(at, rng.choice(NASTY))
            case _:
                fields = fields[:at]
    body = bytearray("".join(f"{field}\0" for field in fields).encode("utf-8", "surrogateescape"))
    if body and rng.random() < 0.1:
        body[rng.randrange(len(body))] = rng.randrange(256)
    length = len(body)
    if rng.random() < 0.002:
        length = rng.choice((0xFFFFFFFF, 0x7FFFFFFF, MAX_REQUEST_BYTES + 1))  # cannot be resynchronised
    return struct.pack(">I", length) + bytes(body)


def _fuzz(n_frames: int, seed: int) -> tuple[int, int]:
    """(sockets that the nonsense cost, answers the other client got)."""

    async def scenario(loop: SimulatedTimeLoop) -> tuple[int, int]:
        rng = random.Random(seed)
        async with simulated_gateway(loop) as (gateway, port, clock):
            await clock.sleep_until(TEN)
            quiet = await WireClient.connect(port, 2)
            quiet.place(1, "BBB", "BUY", 100, "LMT", 1.0)
            quiet.follow_quotes(1, "BBB")
            await asyncio.sleep(0.1)
            order = gateway.orders.find(2, 1)
            assert order is not None
            n_sockets, n_sent = 0, 0
            while n_sent < n_frames:
                attacker = await WireClient.connect(port, 1, wait_s=0.01)
                n_sockets += 1
                assert attacker.server_version == 176
                while n_sent < n_frames and not attacker.is_closed:
                    attacker.transport.write(b"".join([mutated(rng) for _ in range(100)]))
                    n_sent += 100
                    quiet.send(49, 1)
                    await asyncio.sleep(0.25)
                    attacker.heard.clear()
                    if n_sent % 2_000 == 0:  # not all at one minute of the session
                        await clock.sleep_until(clock.now() + timedelta(seconds=20))
                attacker.close()
                await asyncio.sleep(0.1)
            assert not quiet.is_closed
            assert any(message[0] == "1" and message[2] == "1" for message in quiet.heard)
            n_answers = sum(message[0] == "49" for message in quiet.heard)
            if not order.is_done:  # a global cancel is a right of every client
                quiet.heard.clear()
                quiet.cancel(1)
                await asyncio.sleep(1)
                assert [message[2] for message in quiet.heard if message[0] == "3"] == ["Cancelled"]
            return n_sockets, n_answers

    return in_simulated_time(scenario)


def test_three_thousand_mutated_frames_disturb_nobody() -> None:
    _, n_answers = _fuzz(3_000, seed=1)
    assert n_answers == 30


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_thousand_mutated_frames_disturb_nobody(seed: int) -> None:
    _, n_answers = _fuzz(25_000, seed=100 + seed)
    assert n_answers == 250


def test_random_bytes_end_in_a_closed_socket() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        rng = random.Random(3)
        async with simulated_gateway(loop) as (gateway, port, _):
            for _ in range(50):
                attacker = await WireClient.connect(port, None)
                attacker.transport.write(
                    struct.pack(">I", rng.randrange(MAX_REQUEST_BYTES, 2**32)) + rng.randbytes(500)
                )
                await asyncio.sleep(0.1)
                assert attacker.is_closed
            for versions in ("", "v", "v1..2", "v100..156", "v999999999999", "x" * 2_000):
                attacker = await WireClient.connect(port, None, versions)
                assert attacker.is_closed
            assert gateway.listener.sockets == []

    in_simulated_time(scenario)


def test_a_client_that_never_starts_is_dropped() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop) as (_, port, _clock):
            mute = await WireClient.connect(port, None)
            started = await WireClient.connect(port, 3)
            await asyncio.sleep(START_LIMIT_S - 1)
            assert not mute.is_closed
            await asyncio.sleep(2)
            assert mute.is_closed and not started.is_closed

    in_simulated_time(scenario)


def test_a_client_that_reads_nothing_is_dropped_and_the_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_UNREAD_BYTES", 1_000_000)

    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop) as (gateway, port, clock):
            await clock.sleep_until(TEN)
            deaf, other = await WireClient.connect(port, 1), await WireClient.connect(port, 2)
            deaf.transport.pause_reading()
            for req_id in range(400):
                deaf.send(20, req_id, *CONTRACT, 0, "", "1 min", "5 D", 1, "TRADES", 1, 0, "")
            await asyncio.sleep(1)
            assert [client.client_id for client in gateway.clients] == [2]
            other.take()
            other.send(49, 1)
            await asyncio.sleep(1)
            assert other.kinds() == [49]
            deaf.transport.resume_reading()

    in_simulated_time(scenario)


def test_sockets_beyond_the_limit_are_refused() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop) as (gateway, port, _):
            clients = [await WireClient.connect(port, number, wait_s=0.01) for number in range(MAX_SOCKETS)]
            surplus = await WireClient.connect(port, 9_999)
            assert surplus.is_closed
            clients[0].close()
            await asyncio.sleep(0.1)
            fresh = await WireClient.connect(port, 9_999)
            assert not fresh.is_closed and len(gateway.clients) == MAX_SOCKETS

    in_simulated_time(scenario)
