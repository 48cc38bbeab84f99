"""How much the simulated gateway carries: ticks to one client, twenty clients, order acknowledgements, a month.

`PYTHONPATH=. python benchmarks/bench_gateway.py [ticks] [clients] [orders] [month]`; without names, all. The first
three run on a plain event loop over loopback TCP with the clients in a process of their own; the month runs in
simulated time. Each line ends with the figure that must hold; the exit code is 1 when one does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import resource
import struct
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from multiprocessing.connection import Connection
from statistics import quantiles
from typing import Any

from ib_simulator.client import ClientConnection
from ib_simulator.embedded import build_world, running_gateway, synthetic_feed
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.shifted_clock import ShiftedClock
from ib_simulator.simulated_time import simulated_loop
from market_hours import NEW_YORK, Session, new_york_calendar
from tests.ib_simulator.wire_client import WireClient, order_fields

DAY = date(2025, 10, 7)
SYMBOLS = tuple(f"SYM{number:02}" for number in range(40))
TICKS_PER_S, ACKNOWLEDGED_MS, CLIENTS, GROWTH_MIB = 50_000, 2.0, 20, 8.0
N_ORDERS = 2_000
ROUNDS = 3  # what else the machine does only adds time
TICK_WINDOW_S = 5.0
SPEED = 60.0


def _gateway(speed: float) -> tuple[Gateway, Session]:
    """A gateway in the middle of a session."""
    calendar = new_york_calendar(DAY)
    feed = synthetic_feed(0, SYMBOLS, calendar, DAY)
    session = feed.require_session(DAY)
    clock = ShiftedClock(datetime(2025, 10, 7, 10, 0, tzinfo=NEW_YORK), speed)
    gateway = Gateway(feed, calendar, clock, SYMBOLS, GatewayOptions(speed=speed, cash=10**15))
    gateway.begin(session)
    return gateway, session


def _frames(data: bytes, rest: bytes) -> tuple[int, bytes]:
    """(whole frames in `rest` and `data`, the bytes behind them)."""
    data = rest + data
    start = count = 0
    while len(data) - start >= 4:
        (length,) = struct.unpack_from(">I", data, start)
        if len(data) - start < 4 + length:
            break
        start += 4 + length
        count += 1
    return count, data[start:]


async def _said(pipe: Connection) -> Any:
    """What the client process says, once it does; the gateway serves meanwhile."""
    while not pipe.poll():  # noqa: ASYNC110 (the other end is a process)
        await asyncio.sleep(0.05)
    return pipe.recv()


def _count_ticks(port: int, pipe: Connection) -> None:
    """A client process: follow every symbol, then count frames until the gateway is done."""
    import socket

    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"API\0" + struct.pack(">I", 9) + b"v157..176")
        sock.recv(1000)
        for fields in [(71, 2, 1, ""), *[_market_data(number, symbol) for number, symbol in enumerate(SYMBOLS)]]:
            body = "".join(f"{field}\0" for field in fields).encode()
            sock.sendall(struct.pack(">I", len(body)) + body)
        pipe.send("following")
        count, rest = 0, b""
        while data := sock.recv(1 << 20):
            n_frames, rest = _frames(data, rest)
            count += n_frames
    pipe.send(count)


def _market_data(req_id: int, symbol: str) -> tuple[object, ...]:
    return (1, 11, req_id, 0, symbol, "STK", "", 0, "", "", "SMART", "", "USD", "", "", 0, "", 0, 0, "")


async def _ticks() -> bool:
    """Path points as fast as the gateway can tell them, to a client that reads them all."""
    gateway, session = _gateway(1.0)
    port = await gateway.start()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_count_ticks, args=(port, theirs))
    process.start()
    await _said(ours)
    await asyncio.sleep(1.0)
    start_s = int(gateway.now().timestamp())
    started = time.perf_counter()
    seconds = iter(range(start_s, start_s + 5 * 3600))
    while time.perf_counter() - started < TICK_WINDOW_S:
        second = next(seconds, None)
        if second is None:
            break
        gateway.player.act(session, second)
        gateway.flush()
        await asyncio.sleep(0)  # let the socket write
    elapsed_s = time.perf_counter() - started
    await gateway.stop()
    count: int = await _said(ours)
    process.join()
    rate = count / elapsed_s
    print(f"ticks      {count:>9,} messages to one client in {elapsed_s:.2f} s: {rate:>9,.0f}/s (>= {TICKS_PER_S:,}/s)")
    return rate >= TICKS_PER_S


def _acknowledge(port: int, n_clients: int, pipe: Connection) -> None:
    """A client process: orders one after the other from each client; the time to the first message about each."""
    pipe.send(asyncio.run(_acknowledgements(port, n_clients)))


async def _acknowledgements(port: int, n_clients: int) -> list[float]:
    class Client(WireClient):
        heard_one: asyncio.Event

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if any(message[0] in ("3", "5") for message in self.heard):
                self.heard_one.set()
            self.heard.clear()

    async def trade(client_id: int) -> list[float]:
        client = await WireClient.connect(port, client_id)
        client.__class__ = Client
        assert isinstance(client, Client)
        client.heard_one = asyncio.Event()
        took_ms = []
        for order_id in range(1, N_ORDERS // n_clients + 1):
            client.heard_one.clear()
            price = 1.0 if order_id % 2 else 10_000.0  # rests, or fills at once
            started = time.perf_counter()
            client.send(*order_fields(order_id, SYMBOLS[client_id % len(SYMBOLS)], "BUY", 1, "LMT", price))
            await asyncio.wait_for(client.heard_one.wait(), 10)
            took_ms.append((time.perf_counter() - started) * 1e3)
            if order_id % 2:
                client.cancel(order_id)
            await asyncio.sleep(0.002 * n_clients)
        client.close()
        return took_ms

    results = await asyncio.gather(*[trade(number) for number in range(1, n_clients + 1)])
    return [took_ms for result in results for took_ms in result]


async def _traded(n_clients: int) -> list[float]:
    gateway, _ = _gateway(SPEED if n_clients > 1 else 1.0)
    port = await gateway.start()
    calendar = new_york_calendar(DAY)
    playing = asyncio.ensure_future(gateway.play([calendar.next_session(DAY - timedelta(days=1))]))
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_acknowledge, args=(port, n_clients, theirs))
    process.start()
    took_ms: list[float] = await _said(ours)
    process.join()
    playing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await playing
    await gateway.stop()
    return took_ms


def _measure_service() -> list[float]:
    """Milliseconds of processor time per piece of data that a client sends, from now on."""
    cpu_ms: list[float] = []
    serve = ClientConnection.data_received

    def measured(client: ClientConnection, data: bytes) -> None:
        started = time.thread_time()
        serve(client, data)
        cpu_ms.append((time.thread_time() - started) * 1e3)

    ClientConnection.data_received = measured  # type: ignore[method-assign,assignment]
    return cpu_ms


async def _orders() -> bool:
    cpu_ms = _measure_service()
    rounds = [quantiles(await _traded(1), n=100) for _ in range(ROUNDS)]
    p50, p99 = (min(percentiles[at] for percentiles in rounds) for at in (49, 98))
    worst = max(percentiles[98] for percentiles in rounds)
    print(
        f"orders     {ROUNDS} x {N_ORDERS:,} acknowledged: p50 {p50:.2f} ms, p99 {p99:.2f} ms in the best round, "
        f"{worst:.2f} ms in the worst; processor time of the gateway p99 {quantiles(cpu_ms, n=100)[98]:.2f} ms "
        f"(best p99 < {ACKNOWLEDGED_MS} ms)"
    )
    return p99 < ACKNOWLEDGED_MS


async def _clients() -> bool:
    started = time.perf_counter()
    took_ms = await _traded(CLIENTS)
    elapsed_s = time.perf_counter() - started
    p99 = quantiles(took_ms, n=100)[98]
    wanted = N_ORDERS // CLIENTS * CLIENTS
    print(
        f"clients    {CLIENTS:>9} at once, market at {SPEED:g} x: {len(took_ms):,} of {wanted:,} orders acknowledged "
        f"in {elapsed_s:.1f} s, p99 {p99:.2f} ms (all)"
    )
    return len(took_ms) == wanted


def _month() -> bool:
    """Resident memory after each of 21 simulated sessions with two clients that follow, trade and reconnect."""
    loop = simulated_loop()

    async def scenario() -> list[float]:
        calendar = new_york_calendar(DAY)
        feed = synthetic_feed(0, SYMBOLS, calendar, DAY + timedelta(days=60))
        sessions = tuple(calendar.sessions_between(DAY, DAY + timedelta(days=60))[:21])
        world = build_world(loop, feed, calendar, sessions)
        resident_mib = []
        async with running_gateway(world, GatewayOptions(cash=10**15)) as (_, port):
            for session in sessions:
                await world.clock.sleep_until(session.open + timedelta(minutes=5))
                clients = [await WireClient.connect(port, client_id) for client_id in (1, 2)]
                order_id = max(int(message[2]) for message in clients[0].heard if message[0] == "9")
                for client in clients:
                    for number, symbol in enumerate(SYMBOLS):
                        client.follow_quotes(number, symbol)
                while world.clock.now() < session.close:
                    for symbol in SYMBOLS[:10]:
                        side = "BUY" if order_id % 20 < 10 else "SELL"
                        clients[0].place(order_id, symbol, side, 10, "LMT", 10_000.0 if side == "BUY" else 1.0)
                        order_id += 1
                    await world.clock.sleep_until(world.clock.now() + timedelta(minutes=5))
                    for client in clients:
                        client.heard.clear()
                for client in clients:
                    client.close()
                await asyncio.sleep(1)
                resident_mib.append(_resident_mib())
        await asyncio.sleep(1)
        return resident_mib

    started = time.perf_counter()
    resident_mib = loop.run_until_complete(scenario())
    loop.close()
    settled = resident_mib[len(resident_mib) // 2]
    grown = resident_mib[-1] - settled
    print(
        f"month      {len(resident_mib)} sessions in {time.perf_counter() - started:.0f} s: "
        f"{resident_mib[0]:.1f} MiB after the first, {settled:.1f} halfway, {resident_mib[-1]:.1f} at the end "
        f"(second half < {GROWTH_MIB:g} MiB more)"
    )
    return grown < GROWTH_MIB


def _resident_mib() -> float:
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="utf-8") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


BENCHMARKS: dict[str, Callable[[], bool]] = {
    "ticks": lambda: asyncio.run(_ticks()),
    "clients": lambda: asyncio.run(_clients()),
    "orders": lambda: asyncio.run(_orders()),
    "month": _month,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    results = [BENCHMARKS[name]() for name in names or BENCHMARKS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
