"""Simulated time: an event loop whose clock jumps to the next timer once nothing else can happen, and its clock.

Before a jump the loop lets everything of the present instant finish, always in the same order:

1. whatever is ready;
2. bytes, ends of file and connects on the way between two ends that both live in this loop ("embedded"). They
   are handed over only when all of them have arrived, in the order they were sent, so that neither the kernel's
   timing nor its division into packets can show;
3. off-loop jobs, one at a time, in the order they were submitted;
4. calls to the outside world, on wall time.

    SimulationStalled     nothing is left that could ever happen, or bytes were lost on the way
    SimulationSpinning    the loop turns for ever at one instant
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from socket import SHUT_WR, socket
from types import TracebackType
from typing import Any, TypeVar

RESOLUTION_S = 1e-6
LANDING_NS = 1_000  # each jump lands this far past its timer: ib_insync's throttle tests strictly
SPIN_TURNS = 100_000
BUSY_TURNS_PER_POLL = 64  # signals and other threads are heard this often while handles are ready
SLICE_S = 0.05  # longest blind wait for embedded traffic
LONGEST_WAIT_S = 3600.0  # the real selector refuses very long waits
ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # listening on every address -> how to reach it
MS_NS = 1_000_000

T = TypeVar("T")
_Events = list[tuple[selectors.SelectorKey, int]]


class SimulationStalled(RuntimeError):
    """No timer, job, byte on the way or outside call is left, or bytes on the way never arrived."""


class SimulationSpinning(RuntimeError):
    """The loop turned `SPIN_TURNS` times at one instant."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Pipe:
    """One direction of an embedded connection: what was sent into it and not yet handed over."""

    name: str
    due: int = 0  # bytes sent and not yet received; the end of file counts as one
    counted: bool = True  # False while the reader has paused, and once it is over
    over: bool = False  # the reader has seen the end of file or is gone
    ended: bool = False  # the writer has sent the end of file
    held: list[bytes] = field(default_factory=list)  # received, not handed over; b"" is the end of file
    reader: _End | None = None


class _Traffic:
    """What is on the way between embedded ends."""

    __slots__ = ("expecting", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0  # bytes, ends of file and connects
        self.expecting: list[_Pipe] = []  # in the order of their first unread byte

    def send(self, pipe: _Pipe, count: int) -> None:
        pipe.due += count
        if pipe.counted:
            if pipe.due == count:
                self.expecting.append(pipe)
            self.in_flight += count

    def receive(self, pipe: _Pipe, data: bytes) -> None:
        count = len(data)
        pipe.held.append(data)
        pipe.due -= count
        self.in_flight -= count
        if not self.in_flight:
            self.hand_over()

    def pause(self, pipe: _Pipe) -> None:
        if pipe.counted:
            pipe.counted = False
            self.in_flight -= pipe.due

    def resume(self, pipe: _Pipe) -> None:
        if not pipe.over and not pipe.counted:
            pipe.counted = True
            self.in_flight += pipe.due
        self.expecting.append(pipe)

    def finish(self, pipe: _Pipe) -> None:
        """Nothing more will arrive through `pipe`."""
        self.pause(pipe)
        pipe.over = True

    def hand_over(self) -> None:
        pipes, self.expecting = self.expecting, []
        for pipe in pipes:
            if pipe.held and pipe.reader is not None:
                pipe.reader.hand_over()


class _End(asyncio.Protocol):
    """One end of a connection, between asyncio's transport and the program's protocol.

    Each takes it for the other. Steps aside when the other end does not live in this loop.
    """

    __slots__ = (
        "_closing",
        "_inbox",
        "_is_server",
        "_loop",
        "_outbox",
        "_paused",
        "_raw",
        "_traffic",
        "embedded",
        "protocol",
    )

    def __init__(self, loop: SimulatedTimeLoop, protocol: Any, is_server: bool) -> None:
        self._loop = loop
        self._traffic = loop.traffic
        self._is_server = is_server
        self._closing = False
        self._paused = False
        self._inbox: _Pipe
        self._outbox: _Pipe
        self._raw: Any = None
        self.embedded = False
        self.protocol = protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def __repr__(self) -> str:
        return f"<embedded {self._raw!r}>"

    # What asyncio's transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = transport
        pipes = self._loop.pipes_of(transport, self._is_server)
        if pipes is None:
            self._raw.set_protocol(self.protocol)
            self.protocol.connection_made(transport)
            return
        self._inbox, self._outbox = pipes
        self._inbox.reader = self
        self.embedded = True
        self.protocol.connection_made(self)

    def data_received(self, data: bytes) -> None:
        self._traffic.receive(self._inbox, data)

    def eof_received(self) -> bool:
        inbox = self._inbox
        if not inbox.over:
            inbox.held.append(b"")
            self._traffic.finish(inbox)
            if not self._traffic.in_flight:
                self._traffic.hand_over()
        return True  # what the protocol answers decides when it is handed over

    def connection_lost(self, exc: Exception | None) -> None:
        inbox = self._inbox
        if inbox.ended:  # a reset is only how a close looks whose closer had not read everything
            exc = None
            if not inbox.over:
                inbox.held.append(b"")
        self.hand_over()
        self._stop()
        with suppress(OSError):  # a forked worker may hold the socket open: say the end explicitly
            self._raw.get_extra_info("socket").shutdown(SHUT_WR)
        self.protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        self.protocol.resume_writing()

    def hand_over(self) -> None:
        """Give the protocol what has arrived, in one piece. Its errors end the connection, as asyncio's do."""
        inbox = self._inbox
        held = inbox.held
        if self._paused or not held:
            return
        inbox.held = []
        at_end = not held[-1]
        data = held[0] if len(held) == 1 else b"".join(held)
        try:
            if data and not self._closing:
                self.protocol.data_received(data)
            if at_end and self._paused:
                inbox.held = [b""]
            elif at_end and not self._closing and not self.protocol.eof_received():
                self.close()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 (the border between a protocol and its transport)
            message = "Fatal error: an embedded connection's protocol failed"
            self._loop.call_exception_handler(
                {"message": message, "exception": exc, "transport": self, "protocol": self.protocol}
            )
            self.abort()

    # What the program's protocol calls. The rest goes to asyncio's transport through __getattr__.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        self._raw.write(data)
        self._traffic.send(self._outbox, data.nbytes if isinstance(data, memoryview) else len(data))

    def writelines(self, lines: list[bytes]) -> None:
        self.write(b"".join(lines))

    def write_eof(self) -> None:
        self._raw.write_eof()
        self._announce_end()

    def close(self) -> None:
        self._stop()
        self._raw.close()

    def abort(self) -> None:
        self._stop()
        self._raw.abort()

    def pause_reading(self) -> None:
        self._raw.pause_reading()
        self._paused = True
        self._traffic.pause(self._inbox)

    def resume_reading(self) -> None:
        self._paused = False
        self._raw.resume_reading()
        self._traffic.resume(self._inbox)

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def _announce_end(self) -> None:
        if not self._outbox.ended:
            self._outbox.ended = True
            self._traffic.send(self._outbox, 1)

    def _stop(self) -> None:
        if not self._closing:
            self._closing = True
            self._traffic.finish(self._inbox)
            self._announce_end()


@dataclass(slots=True, eq=False, kw_only=True)
class _Dial:
    """A connect to an embedded server that the server's end has yet to see."""

    server: asyncio.Server
    to_server: _Pipe
    to_client: _Pipe
    accepted: asyncio.Future[None]


class _Selector:
    """The real selector with another idea of waiting."""

    def __init__(self, real: selectors.BaseSelector, select: Callable[[float | None], _Events]) -> None:
        self._real = real
        self.select = select

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _Outside:
    """`asyncio.timeout` on wall time, holding the virtual clock. Cancels and uncancels as asyncio's does."""

    def __init__(self, loop: SimulatedTimeLoop, limit_s: float) -> None:
        self._loop = loop
        self._limit_s = limit_s
        self.deadline_s = math.inf  # of time.monotonic; infinite before the block and once it has expired

    async def __aenter__(self) -> _Outside:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("clock.outside() needs a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self.deadline_s = time.monotonic() + self._limit_s
        self._loop.holds.append(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.holds.remove(self)
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError(f"outside call took longer than {self._limit_s} s of wall time") from exc

    def expire(self) -> None:
        self._expired = True
        self.deadline_s = math.inf
        self._task.cancel()


class SimulatedTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time: integer nanoseconds from 0. Made by `simulated_loop`.

    `speed` paces it to that many virtual seconds per wall second; None runs as fast as possible.
    """

    _ready: deque[asyncio.Handle]
    _selector: Any
    _ssock: socket
    _default_executor: Executor | None

    def __init__(self, speed: float | None = None) -> None:
        super().__init__()
        if speed is not None and not 0 < speed < math.inf:
            self.close()
            raise ValueError(f"speed must be a positive number: {speed!r}")
        self._clock_resolution = RESOLUTION_S
        self._real: selectors.BaseSelector = self._selector
        self._selector = _Selector(self._real, self._select)
        self._speed = speed
        self._paced_from_s = math.nan  # of time.monotonic: the wall's idea of virtual 0
        self._turns = 0  # since the last jump
        self._blocked = False
        self._servers: list[asyncio.Server] = []
        self._dials: dict[Any, _Dial] = {}  # the client's (host, port) -> its connect
        self._tickets: deque[tuple[Future[Any], asyncio.Future[Any]]] = deque()  # in submission order
        self.now_ns = 0
        self.lost_after_s = 30.0  # wall time after which bytes on the way count as lost
        self.traffic = _Traffic()
        self.holds: list[_Outside] = []

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now_ns / 1e9

    # Off-loop jobs.

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """As asyncio's, but the result is released in the order of submission."""
        self._check_closed()  # type: ignore[attr-defined]
        if executor is None:
            self._check_default_executor()  # type: ignore[attr-defined]
            if self._default_executor is None:
                self._default_executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
            executor = self._default_executor
        return self.off_loop(executor.submit(func, *args))

    def off_loop(self, job: Future[T]) -> asyncio.Future[T]:
        """Take a ticket for `job`, which runs elsewhere. Time stands still until its result has been released.

        Cancelling the returned future does not cancel the job: whether that still works is a matter of threads.
        """
        future: asyncio.Future[T] = self.create_future()
        self._tickets.append((job, future))
        job.add_done_callback(self._wake)
        return future

    def _wake(self, _: Future[Any]) -> None:
        if self._blocked:
            self._write_to_self()  # type: ignore[attr-defined]

    def _release_ticket(self) -> None:
        job, future = self._tickets.popleft()
        if future.done():
            return
        if job.cancelled():
            future.cancel()
        elif (exc := job.exception()) is None:
            future.set_result(job.result())
        elif isinstance(exc, CancelledError):
            future.set_exception(asyncio.CancelledError(*exc.args))
        elif isinstance(exc, StopIteration):
            error = RuntimeError("an off-loop job raised StopIteration, which cannot be raised into a future")
            error.__cause__ = exc
            future.set_exception(error)
        else:
            future.set_exception(exc)

    async def shutdown_default_executor(self) -> None:
        async with _Outside(self, math.inf):  # its thread reports past the tickets
            await super().shutdown_default_executor()

    # Embedded connections.

    async def create_server(self, protocol_factory: Callable[[], Any], *args: Any, **kwargs: Any) -> Any:
        """As asyncio's. Without TLS, connections to it from this loop are embedded: their bytes are counted."""
        if kwargs.get("ssl") is not None:
            return await super().create_server(protocol_factory, *args, **kwargs)
        server = await super().create_server(lambda: _End(self, protocol_factory(), True), *args, **kwargs)
        self._servers = [known for known in self._servers if known.sockets] + [server]
        return server

    async def create_connection(self, protocol_factory: Callable[[], Any], *args: Any, **kwargs: Any) -> Any:
        """As asyncio's. The transport is a counting one when a server of this loop is at the other end."""
        if kwargs.get("ssl"):
            return await super().create_connection(protocol_factory, *args, **kwargs)
        transport, end = await super().create_connection(lambda: _End(self, protocol_factory(), False), *args, **kwargs)
        return end if end.embedded else transport, end.protocol

    async def sock_connect(self, sock: socket, address: Any) -> None:
        """As asyncio's. Returns only once an embedded server has seen the connection."""
        server = self._embedded_server(address)
        if server is None and not _is_loopback(address):
            return await super().sock_connect(sock, address)
        self.traffic.in_flight += 1  # until both ends know, or the machine has refused
        try:
            if server is None:
                return await super().sock_connect(sock, address)
            if not sock.getsockname()[1]:
                sock.bind(
                    (ANY_HOST.get(address[0], address[0]), 0)
                )  # the server's end finds its partner by this address
            return await self._dial(server, sock, address)
        finally:
            self.traffic.in_flight -= 1

    async def _dial(self, server: asyncio.Server, sock: socket, address: Any) -> None:
        local = sock.getsockname()[:2]
        ours, theirs = (f"{host}:{port}" for host, port in (local, address[:2]))
        dial = _Dial(
            server=server,
            to_server=_Pipe(name=f"{ours} -> {theirs}"),
            to_client=_Pipe(name=f"{theirs} -> {ours}"),
            accepted=self.create_future(),
        )
        self._dials[local] = dial
        try:
            await super().sock_connect(sock, address)
            await dial.accepted
        except BaseException:
            self._dials.pop(local)
            self.traffic.finish(dial.to_client)
            self.traffic.finish(dial.to_server)
            raise

    def _embedded_server(self, address: Any) -> asyncio.Server | None:
        if not isinstance(address, tuple):  # a Unix socket's path
            return None
        for server in self._servers:
            for listening in server.sockets if server.is_serving() else ():
                host, port = listening.getsockname()[:2]
                if port == address[1] and (host == address[0] or host in ANY_HOST):
                    return server
        return None

    def pipes_of(self, transport: asyncio.BaseTransport, is_server: bool) -> tuple[_Pipe, _Pipe] | None:
        """(inbox, outbox) of an end whose other end lives in this loop, else None."""
        key = (transport.get_extra_info("peername" if is_server else "sockname") or ())[:2]
        dial = self._dials.get(key) if is_server else self._dials.pop(key, None)
        if dial is None:
            return None
        if not is_server:
            return dial.to_client, dial.to_server
        if not dial.accepted.done():
            dial.accepted.set_result(None)
        return dial.to_server, dial.to_client

    def _refuse_dials_of_closed_servers(self) -> None:
        for local, dial in self._dials.items():
            if not dial.server.is_serving() and not dial.accepted.done():
                dial.accepted.set_exception(ConnectionResetError(f"the server closed before it saw {local}"))

    # Waiting.

    def _select(self, timeout: float | None) -> _Events:
        """What the selector's wait becomes. An empty answer makes the loop turn, and ask again if it is idle."""
        self._turns += 1
        if self._turns > SPIN_TURNS:
            raise SimulationSpinning(self._spinning_text())
        if timeout == 0:  # handles are ready, or a timer is due
            return self._poll_wakeups() if self._turns % BUSY_TURNS_PER_POLL == 0 else []
        traffic = self.traffic
        if traffic.expecting and not traffic.in_flight:
            self.call_soon(traffic.hand_over)
            return []
        if events := self._real.select(0):
            return events
        if self.holds and self._expire_overdue():
            return []
        if traffic.in_flight:
            return self._wait_for_traffic()
        if self._tickets:
            return self._wait_for_ticket()
        if self.holds:
            self._turns = 0  # the outside world is at work: no spinning
            return self._real.select(self._wall_left_s())
        if timeout is None:
            raise SimulationStalled(self._stalled_text())
        if self._speed is not None and (wall_s := self._ahead_of_pace_s(self._speed, timeout)) > 0:
            events = self._real.select(min(wall_s, LONGEST_WAIT_S))
            self._keep_pace(self._speed, timeout)
            return events
        self.now_ns += math.ceil(timeout * 1e9) + LANDING_NS
        self._turns = 0
        return []

    def _poll_wakeups(self) -> _Events:
        """Signals and other threads only: sockets wait until nothing is ready, or their turn would be chance."""
        if self.holds:
            self._expire_overdue()
        return [event for event in self._real.select(0) if event[0].fd == self._ssock.fileno()]

    def _wait_for_traffic(self) -> _Events:
        give_up_s = time.monotonic() + self.lost_after_s
        while time.monotonic() < give_up_s:
            if events := self._real.select(SLICE_S):
                return events
            self._refuse_dials_of_closed_servers()
            if self._expire_overdue() or self._ready:
                return []
        raise SimulationStalled(self._lost_text())

    def _wait_for_ticket(self) -> _Events:
        job = self._tickets[0][0]
        self._blocked = True  # before the test: a job that ends after it will write to the self-pipe
        try:
            events = [] if job.done() else self._real.select(self._wall_left_s())
        finally:
            self._blocked = False
        if not events and job.done():
            self._release_ticket()
        return events

    def _wall_left_s(self) -> float:
        first_s = min((hold.deadline_s for hold in self.holds), default=math.inf)
        return min(max(0.0, first_s - time.monotonic()), LONGEST_WAIT_S)

    def _expire_overdue(self) -> bool:
        now_s = time.monotonic()
        overdue = [hold for hold in self.holds if hold.deadline_s <= now_s]
        for hold in overdue:
            hold.expire()
        return bool(overdue)

    def _ahead_of_pace_s(self, speed: float, timeout: float) -> float:
        """Wall seconds until the next timer is due at `speed`."""
        if math.isnan(self._paced_from_s):
            self._paced_from_s = time.monotonic() - self.time() / speed
        return self._paced_from_s + (self.time() + timeout) / speed - time.monotonic()

    def _keep_pace(self, speed: float, timeout: float) -> None:
        """A wait is over or interrupted: say what time it is, short of the timer, which only a jump reaches."""
        reached_ns = int((time.monotonic() - self._paced_from_s) * speed * 1e9)
        short_of_timer_ns = self.now_ns + int(timeout * 1e9) - 2 * LANDING_NS
        self.now_ns = max(self.now_ns, min(reached_ns, short_of_timer_ns))
        self._turns = 0

    def _spinning_text(self) -> str:
        self._turns = 0
        culprit = repr(self._ready[0]) if self._ready else "embedded traffic, off-loop jobs or a due timer"
        return f"{SPIN_TURNS} turns at virtual second {self.time():.6f}; next is {culprit}"

    def _stalled_text(self) -> str:
        waiting = sorted(task.get_name() for task in asyncio.all_tasks(self))
        return (
            f"virtual second {self.time():.6f}: no timer, job, byte on the way or outside call is left, "
            f"but {len(waiting)} tasks wait: {', '.join(waiting[:5])}"
        )

    def _lost_text(self) -> str:
        pipes = [f"{pipe.name} ({pipe.due} left)" for pipe in self.traffic.expecting if pipe.due]
        connects = [f"connect from {host}:{port}" for host, port in self._dials]
        return (
            f"virtual second {self.time():.6f}: {self.traffic.in_flight} bytes, ends or connects on the way "
            f"did not arrive within {self.lost_after_s} s of wall time: {', '.join(pipes + connects)}"
        )


def _is_loopback(address: Any) -> bool:
    try:
        return isinstance(address, tuple) and ip_address(address[0]).is_loopback
    except ValueError:  # a name
        return False


def _finish_sleep(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class SimulatedClock:
    """`market_hours.Clock` over a `SimulatedTimeLoop`; virtual time 0 is `start` (aware)."""

    def __init__(self, loop: SimulatedTimeLoop, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError(f"naive datetime: {start!r}")
        self._loop = loop
        self._start = start.astimezone(UTC)

    def now(self) -> datetime:
        """The current instant, floored to a millisecond since the start: a landing 1 µs late reads as exact."""
        return self._start + timedelta(milliseconds=self._loop.now_ns // MS_NS)

    async def sleep_until(self, when: datetime) -> None:
        """Return with `now() >= when`; at once if it is past. Absolute, so a periodic grid never drifts."""
        offset_us = (when - self._start) // timedelta(microseconds=1)
        target_ns = -(-offset_us // 1_000) * MS_NS
        while self._loop.now_ns < target_ns:  # again if asyncio fires within its resolution before the timer
            future: asyncio.Future[None] = self._loop.create_future()
            timer = self._loop.call_at(target_ns / 1e9, _finish_sleep, future)
            try:
                await future
            finally:
                timer.cancel()

    def off_loop(self, job: Future[T]) -> asyncio.Future[T]:
        """The job's result, released in the order of submission."""
        return self._loop.off_loop(job)

    def outside(self, limit_s: float) -> AbstractAsyncContextManager[Any]:
        """Hold virtual time; raise TimeoutError after `limit_s` seconds of wall time."""
        return _Outside(self._loop, limit_s)


def simulated_loop(speed: float | None = None) -> SimulatedTimeLoop:
    """Make a simulated-time loop and set it as the thread's event loop.

    Call it before the first import of `ib_insync`, which takes the event loop that is set at import.
    `speed`: virtual seconds per wall second; None as fast as possible. Raises ValueError unless positive.
    """
    loop = SimulatedTimeLoop(speed)
    asyncio.set_event_loop(loop)
    return loop
