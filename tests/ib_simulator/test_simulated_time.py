"""Simulated time: jumps, ordered completions, embedded traffic, outside calls, stalls, pacing, the clock."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ib_simulator.simulated_time import (
    SimulatedClock,
    SimulatedTimeLoop,
    SimulationSpinning,
    SimulationStalled,
    simulated_loop,
)
from market_hours import Clock

START = datetime(2025, 3, 3, 14, 30, tzinfo=UTC)
DAY_S = 86_400

Main = Callable[[SimulatedTimeLoop], Awaitable[Any]]


def run(main: Main, speed: float | None = None, debug: bool = False) -> Any:
    """Run `main(loop)` on a fresh simulated loop and close it."""
    loop = simulated_loop(speed)

    async def entry() -> Any:
        return await main(loop)

    try:
        with asyncio.Runner(loop_factory=lambda: loop, debug=debug) as runner:
            return runner.run(entry())
    finally:
        asyncio.set_event_loop(None)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def serve(handler: Any = echo) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


# Jumps.


def test_a_year_of_sleep_takes_no_wall_time_and_lands_one_microsecond_late() -> None:
    async def main(loop: SimulatedTimeLoop) -> int:
        await asyncio.sleep(3600)
        return loop.now_ns

    assert run(main) == 3600 * 10**9 + 1_000


def test_timers_still_fire_once_each_after_four_hundred_days() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[int]:
        landings = []
        for day in range(1, 401):
            await asyncio.sleep(day * DAY_S + 0.123 - loop.time())
            landings.append(loop.now_ns // 1_000_000)
        return landings

    assert run(main) == [(day * DAY_S * 1000) + 123 for day in range(1, 401)]


def test_a_timer_at_one_hundred_million_seconds_does_not_spin() -> None:
    async def main(loop: SimulatedTimeLoop) -> float:
        loop.now_ns = 10**17
        for _ in range(1000):
            await asyncio.sleep(0.000_3)
        return loop.time()

    assert run(main) == pytest.approx(1e8 + 1000 * 0.000_301, abs=1e-4)


def test_debug_mode_works() -> None:
    async def main(loop: SimulatedTimeLoop) -> float:
        await asyncio.to_thread(time.sleep, 0)
        await asyncio.sleep(10)
        return loop.time()

    assert run(main, debug=True) == pytest.approx(10, abs=1e-5)


def test_timeout_wait_for_gather_and_task_group_use_virtual_time() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[float]:
        marks = []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await loop.create_future()
        marks.append(loop.time())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 7)
        marks.append(loop.time())
        await asyncio.gather(asyncio.sleep(3), asyncio.sleep(4))
        marks.append(loop.time())
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10))
            group.create_task(asyncio.sleep(20))
        marks.append(loop.time())
        return marks

    assert run(main) == pytest.approx([5, 12, 16, 36], abs=1e-4)


# The clock.


def test_clock_reads_the_exact_instant_after_a_jump() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[datetime]:
        clock: Clock = SimulatedClock(loop, START)
        readings = [clock.now()]
        await clock.sleep_until(START + timedelta(seconds=5.5))
        readings.append(clock.now())
        return readings

    assert run(main) == [START, START + timedelta(seconds=5.5)]


def test_a_periodic_grid_does_not_drift() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[datetime]:
        clock = SimulatedClock(loop, START)
        readings = []
        for step in range(1, 4681):  # a session of 5-second ticks
            await clock.sleep_until(START + timedelta(seconds=5 * step))
            readings.append(clock.now())
        return readings

    assert run(main) == [START + timedelta(seconds=5 * step) for step in range(1, 4681)]


def test_sleep_until_never_returns_early() -> None:
    async def main(loop: SimulatedTimeLoop) -> tuple[datetime, datetime]:
        clock = SimulatedClock(loop, START)
        off_grid = START + timedelta(seconds=1, microseconds=500)
        await clock.sleep_until(off_grid)
        first = clock.now()
        # a neighbour 1.2 µs before the grid lands 0.2 µs before it, where asyncio already takes the timer as due
        loop.call_at(1.999_998_8, lambda: None)
        await clock.sleep_until(START + timedelta(seconds=2))
        return first, clock.now()

    first, second = run(main)
    assert first == START + timedelta(seconds=1, milliseconds=1)
    assert second == START + timedelta(seconds=2)


def test_sleep_until_a_past_instant_returns_at_once() -> None:
    async def main(loop: SimulatedTimeLoop) -> int:
        await SimulatedClock(loop, START).sleep_until(START - timedelta(days=1))
        return loop.now_ns

    assert run(main) == 0


def test_a_naive_start_is_refused() -> None:
    with closing(SimulatedTimeLoop()) as loop, pytest.raises(ValueError, match="naive"):
        SimulatedClock(loop, datetime(2025, 3, 3))  # noqa: DTZ001


# Off-loop jobs.


def test_time_stands_still_while_a_job_runs() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[str]:
        order: list[str] = []
        loop.call_later(0.001, order.append, "timer")
        await asyncio.to_thread(time.sleep, 0.02)
        order.append("job")
        await asyncio.sleep(1)
        return order

    assert run(main) == ["job", "timer"]


def trace_of_jittery_day(seed: int) -> list[str]:
    """Jobs with random durations, timers and socket traffic together."""
    jitter = random.Random(seed)

    async def main(loop: SimulatedTimeLoop) -> list[str]:
        trace: list[str] = []
        clock = SimulatedClock(loop, START)
        server, port = await serve()

        async def jobs(name: str) -> None:
            for step in range(8):
                await clock.off_loop(pool.submit(time.sleep, jitter.random() * 0.002))
                trace.append(f"{loop.now_ns} {name} job {step}")
                if step % 3 == 0:
                    await asyncio.sleep(0.25)

        async def talk(name: str) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for step in range(12):
                writer.write(f"{name}{step:02}".encode())
                trace.append(f"{loop.now_ns} {name} got {(await reader.readexactly(3)).decode()}")
                if step % 4 == 0:
                    await asyncio.sleep(0.25)
            writer.close()
            await writer.wait_closed()
            trace.append(f"{loop.now_ns} {name} closed")

        async with asyncio.TaskGroup() as group:
            for name in "abcd":
                group.create_task(jobs(name))
            for name in "xyz":
                group.create_task(talk(name))
        server.close()
        return trace

    with ThreadPoolExecutor(4) as pool:
        trace: list[str] = run(main)
    return trace


def test_the_trace_is_the_same_under_any_thread_jitter() -> None:
    first = trace_of_jittery_day(seed=0)
    assert len(first) == 4 * 8 + 3 * 13
    for seed in range(1, 6):
        assert trace_of_jittery_day(seed) == first


def test_jobs_are_released_in_submission_order_one_turn_apart() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[str]:
        order: list[str] = []
        slow_first = [0.02, 0.01, 0.0]

        async def job(number: int) -> None:
            await loop.run_in_executor(pool, time.sleep, slow_first[number])
            order.append(f"job {number}")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            order.append(f"after {number}")

        await asyncio.gather(*(job(number) for number in range(3)))
        return order

    with ThreadPoolExecutor(3) as pool:
        assert run(main) == ["job 0", "after 0", "job 1", "after 1", "job 2", "after 2"]


def test_a_jobs_exception_reaches_its_awaiter() -> None:
    async def main(loop: SimulatedTimeLoop) -> None:
        await loop.run_in_executor(None, int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        run(main)


def test_stop_iteration_in_a_job_becomes_a_runtime_error() -> None:
    async def main(loop: SimulatedTimeLoop) -> None:
        await loop.run_in_executor(None, next, iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        run(main)


def test_a_cancelled_awaiter_leaves_its_ticket_in_order() -> None:
    async def main(loop: SimulatedTimeLoop) -> tuple[list[str], bool]:
        order: list[str] = []
        ended = threading.Event()

        def slow() -> None:
            time.sleep(0.02)
            ended.set()

        first = loop.run_in_executor(pool, slow)
        second = loop.run_in_executor(pool, lambda: order.append("second ran"))
        second.add_done_callback(lambda _: order.append(f"second released, first ended: {ended.is_set()}"))
        first.cancel()
        await second
        return order, first.cancelled()

    with ThreadPoolExecutor(2) as pool:
        order, cancelled = run(main)
    assert order == ["second ran", "second released, first ended: True"]
    assert cancelled


# Embedded connections.


def test_a_thousand_round_trips_byte_by_byte_happen_at_one_instant() -> None:
    async def main(loop: SimulatedTimeLoop) -> tuple[int, list[str]]:
        server, port = await serve()
        ticks: list[str] = []
        loop.call_later(1e-5, ticks.append, "the clock moved")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(1000):
            writer.write(b"x")
            await reader.readexactly(1)
        result = loop.now_ns, list(ticks)
        writer.close()
        server.close()
        await asyncio.sleep(1)
        return result

    assert run(main) == (0, [])


def test_what_is_written_in_one_instant_arrives_in_one_piece_however_it_was_sent() -> None:
    received: list[int] = []

    class Sink(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.append(len(data))

    async def main(loop: SimulatedTimeLoop) -> None:
        server = await loop.create_server(Sink, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        for _ in range(20):
            transport.write(b"x" * 100_000)
        await asyncio.sleep(1)
        transport.writelines([b"ab", b"c"])
        await asyncio.sleep(1)
        transport.close()
        server.close()
        await asyncio.sleep(1)

    run(main)
    assert received == [2_000_000, 3]


def test_end_of_file_arrives_at_the_instant_of_the_close() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[tuple[str, int]]:
        seen: list[tuple[str, int]] = []

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append((repr(await reader.read()), loop.now_ns))
            writer.write(b"bye")
            writer.close()

        server, port = await serve(handler)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(2)
        writer.write(b"last")
        writer.write_eof()
        seen.append((repr(await reader.read()), loop.now_ns))
        writer.close()
        server.close()
        await asyncio.sleep(1)
        return seen

    assert run(main) == [("b'last'", 2 * 10**9 + 1_000), ("b'bye'", 2 * 10**9 + 1_000)]


class Witness(asyncio.Protocol):
    """Records how its connection ended, and when."""

    def __init__(self, loop: SimulatedTimeLoop) -> None:
        self.loop = loop
        self.transport: Any = None
        self.ends: list[tuple[Exception | None, int]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends.append((exc, self.loop.now_ns))


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("unread", [b"", b"never read"])
def test_a_close_reaches_the_other_end_at_once_even_with_unread_bytes(how: str, unread: bytes) -> None:
    async def main(loop: SimulatedTimeLoop) -> list[Any]:
        witness = Witness(loop)
        server = await loop.create_server(lambda: witness, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        await asyncio.sleep(1)
        witness.transport.write(unread)
        getattr(transport, how)()
        await asyncio.sleep(1)
        server.close()
        return witness.ends

    assert run(main) == [(None, 10**9 + 1_000)]


def test_writing_to_an_end_that_has_gone_ends_like_its_close_and_not_by_chance_as_a_reset() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[Any]:
        witness = Witness(loop)
        server = await loop.create_server(lambda: witness, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        await asyncio.sleep(1)
        witness.transport.write(b"never read")
        transport.abort()
        for _ in range(5):  # no pause, so the end of file has not been read when the machine refuses a write
            await asyncio.sleep(0)
            witness.transport.write(b"into the void")
        await asyncio.sleep(1)
        server.close()
        return witness.ends

    assert run(main) == [(None, 10**9 + 1_000)]


def test_a_host_name_reaches_an_embedded_server() -> None:
    async def main(loop: SimulatedTimeLoop) -> tuple[bytes, int]:
        server, port = await serve()
        reader, writer = await asyncio.open_connection("localhost", port)
        writer.write(b"hello")
        answer = await reader.readexactly(5), loop.now_ns
        writer.close()
        server.close()
        await asyncio.sleep(1)
        return answer

    assert run(main) == (b"hello", 0)


def test_a_socket_held_open_by_another_process_still_ends() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[Any]:
        witness = Witness(loop)
        server = await loop.create_server(lambda: witness, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        held = os.dup(transport.get_extra_info("socket").fileno())  # what a forked worker inherits
        transport.close()
        await asyncio.sleep(1)
        os.close(held)
        server.close()
        return witness.ends

    assert run(main) == [(None, 0)]


def test_a_paused_reader_lets_time_pass_and_gets_its_bytes_later() -> None:
    class Slow(Witness):
        got = b""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()
            self.loop.call_later(3, transport.resume_reading)

        def data_received(self, data: bytes) -> None:
            self.got += data
            self.ends.append((None, self.loop.now_ns))

    async def main(loop: SimulatedTimeLoop) -> tuple[bytes, list[Any]]:
        slow = Slow(loop)
        server = await loop.create_server(lambda: slow, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        transport.write(b"patience")
        await asyncio.sleep(5)
        result = slow.got, list(slow.ends)
        transport.close()
        server.close()
        await asyncio.sleep(1)
        return result

    assert run(main) == (b"patience", [(None, 3 * 10**9 + 1_000)])


def test_a_full_buffer_pauses_the_writer_and_resumes_it() -> None:
    calls: list[str] = []

    class Writer(asyncio.Protocol):
        def pause_writing(self) -> None:
            calls.append("pause")

        def resume_writing(self) -> None:
            calls.append("resume")

    async def main(loop: SimulatedTimeLoop) -> None:
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(Writer, *server.sockets[0].getsockname())
        transport.write(bytes(20_000_000))
        await asyncio.sleep(1)
        transport.close()
        server.close()
        await asyncio.sleep(1)

    run(main)
    assert calls == ["pause", "resume"]


def test_a_protocol_error_ends_its_own_connection_only() -> None:
    class Faulty(Witness):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    async def main(loop: SimulatedTimeLoop) -> tuple[list[str], int, int]:
        reports: list[str] = []
        loop.set_exception_handler(lambda _, context: reports.append(repr(context["exception"])))
        server = await loop.create_server(lambda: Faulty(loop), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        talker, sent = await loop.create_connection(lambda: Witness(loop), *address)
        idler, idle = await loop.create_connection(lambda: Witness(loop), *address)
        talker.write(b"x")
        await asyncio.sleep(1)
        result = reports, len(sent.ends), len(idle.ends)
        idler.close()
        server.close()
        await asyncio.sleep(1)
        return result

    assert run(main) == (["ZeroDivisionError()"], 1, 0)


def test_connect_to_a_closed_port_is_refused_at_the_same_instant() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    async def main(loop: SimulatedTimeLoop) -> int:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 2)
        return loop.now_ns

    assert run(main) == 0


def test_a_server_that_closes_before_accepting_resets_the_connect() -> None:
    async def main(loop: SimulatedTimeLoop) -> None:
        server, port = await serve()
        connecting = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", port))
        await asyncio.sleep(0)
        server.close()
        with pytest.raises(ConnectionError):
            await connecting

    run(main)


def test_lost_bytes_are_reported_with_their_connection() -> None:
    async def main(loop: SimulatedTimeLoop) -> None:
        loop.lost_after_s = 0.1
        witness = Witness(loop)
        server = await loop.create_server(lambda: witness, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        witness.transport._raw.pause_reading()  # behind the counter's back
        transport.write(b"lost")
        try:
            await asyncio.sleep(1)
        finally:
            loop.lost_after_s = 30
            witness.transport.abort()
            transport.abort()
            server.close()

    with pytest.raises(SimulationStalled, match=r"127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+ \(4 left\)"):
        run(main)


@pytest.mark.parametrize("begin_s", [0.0, 1_475_234.0])
def test_a_strict_throttle_ends_wherever_another_timer_lands(begin_s: float) -> None:
    """`ib_insync` arms its timer again until strictly more than a second has passed: landing on it is not enough."""
    ended: list[float] = []

    def throttled(since_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - since_s > 1:
            ended.append(now_s - since_s)
        else:
            asyncio.get_running_loop().call_at(since_s + 1, throttled, since_s)

    async def main(loop: SimulatedTimeLoop) -> None:
        for number in range(100):
            at_s = begin_s + 10 * number + 0.101 + number * 0.005
            loop.call_at(at_s, lambda: throttled(loop.time()))
            loop.call_at(at_s + 1, lambda: None)
        await asyncio.sleep(begin_s + 2_000)

    run(main)
    assert len(ended) == 100
    assert max(ended) < 1.00001


def test_ib_insync_sends_a_hundred_requests_of_one_instant_through_its_throttle() -> None:
    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(*fields: object) -> None:
            body = "".join(f"{field}\0" for field in fields).encode()
            writer.write(struct.pack(">I", len(body)) + body)

        async def receive() -> bytes:
            return await reader.readexactly(struct.unpack(">I", await reader.readexactly(4))[0])

        await reader.readexactly(4)  # API\0
        await receive()
        send(176, "20250303 14:30:00 UTC")
        await receive()  # startApi
        send(15, 1, "DU1")
        send(9, 1, 1)
        while True:
            try:
                request = (await receive()).split(b"\0")
            except asyncio.IncompleteReadError:
                writer.close()
                return
            if request[0] == b"49":
                arrivals.append(asyncio.get_running_loop().time())

    arrivals: list[float] = []

    async def main(loop: SimulatedTimeLoop) -> None:
        from ib_insync.client import Client
        from ib_insync.wrapper import Wrapper

        server, port = await serve(gateway)
        client = Client(Wrapper(None))
        await client.connectAsync("127.0.0.1", port, 2)
        for _ in range(100):
            client.reqCurrentTime()
        await asyncio.sleep(10)
        client.disconnect()
        await asyncio.sleep(1)
        server.close()

    run(main)
    # startApi and 44 requests in the first second's quota, then 45, then the remaining 11
    assert [sum(int(at) == second for at in arrivals) for second in range(3)] == [44, 45, 11]


# The outside world.


def test_outside_holds_the_virtual_clock() -> None:
    async def main(loop: SimulatedTimeLoop) -> tuple[bytes, int]:
        clock = SimulatedClock(loop, START)
        loop.call_later(0.001, lambda: None)
        async with clock.outside(limit_s=20):
            reader, writer = await asyncio.open_connection(*address)
            answer = await reader.read()
        writer.close()
        return answer, loop.now_ns

    def answer_late() -> None:
        peer, _ = listener.accept()
        with peer:
            time.sleep(0.03)
            peer.sendall(b"late")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        vendor = threading.Thread(target=answer_late)
        vendor.start()
        result = run(main)
        vendor.join()
    assert result == (b"late", 0)


def test_outside_limits_wall_time() -> None:
    async def main(loop: SimulatedTimeLoop) -> tuple[int, int]:
        with pytest.raises(TimeoutError, match=r"0\.02 s of wall time"):
            async with SimulatedClock(loop, START).outside(limit_s=0.02):
                await loop.create_future()
        task = asyncio.current_task()
        assert task is not None
        return loop.now_ns, task.cancelling()

    assert run(main) == (0, 0)


def test_outside_limits_wall_time_of_a_hanging_job() -> None:
    release = threading.Event()

    async def main(loop: SimulatedTimeLoop) -> None:
        with pytest.raises(TimeoutError):
            async with SimulatedClock(loop, START).outside(limit_s=0.02):
                await asyncio.to_thread(release.wait, 20)
        release.set()

    run(main)


def test_a_cancelled_outside_call_stays_cancelled() -> None:
    async def main(loop: SimulatedTimeLoop) -> bool:
        async def call() -> None:
            async with SimulatedClock(loop, START).outside(limit_s=20):
                await loop.create_future()

        task = asyncio.ensure_future(call())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return not loop.holds

    assert run(main)


def test_jobs_under_outside_keep_their_ticket_order() -> None:
    async def main(loop: SimulatedTimeLoop) -> list[str]:
        order: list[str] = []
        clock = SimulatedClock(loop, START)

        async def ask(name: str, wall_s: float) -> None:
            async with clock.outside(limit_s=20):
                await asyncio.to_thread(time.sleep, wall_s)
            order.append(name)

        await asyncio.gather(ask("slow", 0.02), ask("fast", 0))
        return order

    assert run(main) == ["slow", "fast"]


# Faults of the simulation.


def test_waiting_for_nothing_is_a_stall() -> None:
    async def main(loop: SimulatedTimeLoop) -> None:
        await loop.create_future()

    with pytest.raises(SimulationStalled, match="no timer, job, byte on the way or outside call"):
        run(main)


def test_endless_turns_at_one_instant_name_the_handle() -> None:
    async def main(loop: SimulatedTimeLoop) -> None:
        def chase_my_tail() -> None:
            loop.call_soon(chase_my_tail)

        chase_my_tail()
        await asyncio.sleep(1)

    with pytest.raises(SimulationSpinning, match="chase_my_tail"):
        run(main)


def test_endless_embedded_traffic_at_one_instant_is_spinning() -> None:
    ends: list[Any] = []

    class PingPong(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            ends.append(transport)
            transport.write(b"x")

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    async def main(loop: SimulatedTimeLoop) -> None:
        server = await loop.create_server(PingPong, "127.0.0.1", 0)
        await loop.create_connection(PingPong, *server.sockets[0].getsockname())
        try:
            await asyncio.sleep(1)
        finally:
            for transport in ends:
                transport.abort()
            server.close()

    with pytest.raises(SimulationSpinning, match="at virtual second 0"):
        run(main)


# Pacing and signals.


def test_speed_paces_virtual_time() -> None:
    async def main(loop: SimulatedTimeLoop) -> float:
        began_s = time.monotonic()
        for _ in range(10):
            await asyncio.sleep(0.5)
        return time.monotonic() - began_s

    assert run(main, speed=100) >= 0.045  # 5 virtual seconds at 100 per wall second


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_a_speed_that_is_not_positive_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        SimulatedTimeLoop(speed)


def send_signal_soon() -> threading.Timer:
    timer = threading.Timer(0.03, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    return timer


def test_a_signal_ends_a_paced_wait() -> None:
    heard_enough = threading.Event()

    def send_signals() -> None:
        while not heard_enough.wait(0.01):
            os.kill(os.getpid(), signal.SIGUSR1)

    async def main(loop: SimulatedTimeLoop) -> tuple[float, float]:
        stopped = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, lambda: stopped.set() if loop.time() > 0.02 else None)
        loop.call_later(3600, lambda: None)
        began_s = time.monotonic()
        sender = threading.Thread(target=send_signals)
        sender.start()
        await stopped.wait()
        heard_enough.set()
        sender.join()
        return loop.time(), time.monotonic() - began_s

    virtual_s, wall_s = run(main, speed=1)
    assert 0.02 < virtual_s <= wall_s < 3600  # woken long before the timer, at the time the pace says


def test_a_signal_is_heard_while_a_job_runs() -> None:
    release = threading.Event()

    async def main(loop: SimulatedTimeLoop) -> bool:
        loop.add_signal_handler(signal.SIGUSR1, release.set)
        timer = send_signal_soon()
        heard = await asyncio.to_thread(release.wait, 20)
        timer.join()
        return heard

    assert run(main)


def test_a_signal_is_heard_while_handles_are_always_ready() -> None:
    async def main(loop: SimulatedTimeLoop) -> None:
        stopped = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, stopped.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        while not stopped.is_set():  # noqa: ASYNC110 (the busy loop is what is tested)
            await asyncio.sleep(0)

    run(main)
