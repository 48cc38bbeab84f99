"""A client of the wire without a library: it sends fields and keeps what it receives. For any event loop."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any, TypeVar, cast

from ib_simulator.embedded import build_world, running_gateway, synthetic_feed
from ib_simulator.fault_kinds import Fault
from ib_simulator.fault_plan import PlannedFault
from ib_simulator.faults import FaultInjector
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.simulated_time import SimulatedClock, SimulatedTimeLoop, simulated_loop
from market_hours import new_york_calendar

DAY = date(2025, 10, 7)
SYMBOLS = ("AAA", "BBB")
TICKS = ("1", "2", "45", "46")

T = TypeVar("T")


class WireClient(asyncio.Protocol):
    """`heard` are the messages received, as fields, oldest first."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []
        self.server_version = 0
        self.is_closed = False
        self.saw_end_of_file = False
        self.lost_by: Exception | None = None
        self.pieces: list[int] = []  # sizes of what arrived together
        self.transport: asyncio.Transport
        self._buffer = b""

    @classmethod
    async def connect(
        cls, port: int, client_id: int | None = 1, versions: str = "v157..176", wait_s: float = 0.1
    ) -> WireClient:
        """A client that has shaken hands; and with a client id, started the API."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, "127.0.0.1", port)
        handshake = versions.encode()
        client.transport.write(b"API\0" + struct.pack(">I", len(handshake)) + handshake)
        await asyncio.sleep(wait_s)
        if client.heard:
            client.server_version = int(client.heard.pop(0)[0])
        if client_id is not None:
            client.send(71, 2, client_id, "")
            await asyncio.sleep(wait_s)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.pieces.append(len(data))
        self._buffer += data
        while len(self._buffer) >= 4:
            (length,) = struct.unpack_from(">I", self._buffer)
            if len(self._buffer) < 4 + length:
                return
            body, self._buffer = self._buffer[4 : 4 + length], self._buffer[4 + length :]
            self.heard.append(body.decode().split("\0")[:-1])

    def eof_received(self) -> bool:
        self.saw_end_of_file = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed, self.lost_by = True, exc

    def send(self, *fields: object) -> None:
        body = "".join(f"{field}\0" for field in fields).encode()
        self.transport.write(struct.pack(">I", len(body)) + body)

    def close(self) -> None:
        self.transport.close()

    def take(self) -> list[list[str]]:
        """What was heard, but for ticks; the next call gives what is new since."""
        heard, self.heard = self.heard, []
        return [message for message in heard if message[0] not in TICKS]

    def kinds(self) -> list[int]:
        """`take`, the message ids only."""
        return [int(message[0]) for message in self.take()]

    def errors(self) -> list[tuple[int, int]]:
        """(id, code) of the errors among what was heard."""
        return [(int(message[2]), int(message[3])) for message in self.heard if message[0] == "4"]

    # Requests

    def follow_quotes(self, req_id: int, symbol: str) -> None:
        self.send(1, 11, req_id, 0, symbol, "STK", "", 0, "", "", "SMART", "", "USD", "", "", 0, "", 0, 0, "")

    def place(
        self,
        order_id: int,
        symbol: str,
        action: str,
        quantity: int,
        order_type: str = "MKT",
        limit: float | str = "",
        stop: float | str = "",
        **more: Any,
    ) -> None:
        self.send(*order_fields(order_id, symbol, action, quantity, order_type, limit, stop, **more))

    def cancel(self, order_id: int) -> None:
        self.send(4, 1, order_id, "")


def order_fields(
    order_id: int,
    symbol: str,
    action: str,
    quantity: int,
    order_type: str = "MKT",
    limit: float | str = "",
    stop: float | str = "",
    *,
    tif: str = "DAY",
    order_ref: str = "",
    oca_group: str = "",
    parent_id: int = 0,
    transmit: int = 1,
    outside_rth: int = 0,
) -> list[object]:
    """placeOrder at server version 176 for a plain stock order."""
    contract: list[object] = [0, symbol, "STK", "", 0, "", "", "SMART", "", "USD", "", ""]
    fields: list[object] = [3, order_id, *contract, "", "", action, quantity, order_type, limit, stop, tif]
    fields += [oca_group, "", "", 0, order_ref, transmit, parent_id, 0, 0, 0, 0, outside_rth, 0]  # .. hidden
    fields += ["", 0, "", "", "", "", "", "", "", 0, "", -1]  # shares allocation .. exempt code
    fields += [0, "", "", 0, "", "", 0, 0, "", 0, "", "", "", "", "", 0, "", 0, "", ""]  # oca type .. dn aux price
    fields += [0, 0, "", "", "", "", ""]  # continuous update .. scale price increment
    fields += ["", "", "", "", 0, "", "", 0, 0, "", "", 0, "", 0, 0, 0]  # scale table .. randomize price
    fields += [0, "", "", "", "", "", "", 0, "", "", "", "", "", "", "", "", 0, 0, 0, 0]  # conditions .. price mgmt
    fields += ["", "", 0, "", ""]  # duration, post to ATS, cancel parent, error override, manual time
    return fields


@asynccontextmanager
async def simulated_gateway(
    loop: SimulatedTimeLoop,
    *planned: PlannedFault | Fault,
    options: GatewayOptions | None = None,
    days: int = 1,
    symbols: Sequence[str] = SYMBOLS,
) -> AsyncIterator[tuple[Gateway, int, SimulatedClock]]:
    """A synthetic market that plays from 08:45 of `DAY` on, with these faults; bare ones happen at once."""
    calendar = new_york_calendar(DAY)
    feed = synthetic_feed(7, symbols, calendar, DAY + timedelta(days=60))
    sessions = tuple(calendar.sessions_between(DAY, DAY + timedelta(days=60))[:days])
    world = build_world(loop, feed, calendar, sessions)
    async with running_gateway(world, options or GatewayOptions()) as (gateway, port):
        plan = [entry if isinstance(entry, PlannedFault) else PlannedFault(fault=entry) for entry in planned]
        gateway.inject(FaultInjector(gateway, plan))
        yield gateway, port, world.clock


def in_simulated_time(scenario: Callable[[SimulatedTimeLoop], Coroutine[Any, Any, T]]) -> T:
    """The result of `scenario(loop)` on a loop of its own."""
    loop = simulated_loop()
    try:
        return loop.run_until_complete(scenario(loop))
    finally:
        loop.run_until_complete(asyncio.sleep(1))  # what was closed says goodbye
        loop.close()
        asyncio.set_event_loop(None)
