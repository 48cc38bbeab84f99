"""Connections between two ends that both live in one event loop ("embedded"): nothing about them is left to chance.

What is on the way is counted at both ends. It is handed over only when all of it has arrived, in the order in
which it was sent, so that neither the kernel's timing nor its division into packets can show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from errno import ECONNRESET
from ipaddress import ip_address
from socket import SHUT_WR, socket
from typing import Any

ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # listening on every address -> how to reach it


@dataclass(slots=True, eq=False, kw_only=True)
class _Pipe:
    """One direction of an embedded connection: what was sent into it and not yet handed over."""

    name: str
    due: int = 0  # bytes sent and not yet received; the end of file counts as one
    counted: bool = True  # False while the reader has paused, and once it is over
    over: bool = False  # the reader has seen the end of file or is gone
    ended: bool = False  # the writer has sent the end of file
    was_reset: bool = False  # and meant it as a reset
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

    def __init__(self, loop: EmbeddingLoop, protocol: Any, is_server: bool) -> None:
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
            exc = ConnectionResetError(ECONNRESET, "Connection reset by peer") if inbox.was_reset else None
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
            elif at_end and inbox.was_reset:
                self.close()  # no end of file: the protocol hears of the reset when the connection is lost
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

    def reset(self) -> None:
        """Abort; the other end hears of a reset, after what was written before it."""
        self._outbox.was_reset = True
        self.abort()

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


class EmbeddingLoop(asyncio.SelectorEventLoop):
    """An event loop that knows which of its connections are embedded. `traffic` is what they have on the way.

    Who waits for IO must call `traffic.hand_over` once everything has arrived, and
    `refuse_dials_of_closed_servers` while something is still missing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.traffic = _Traffic()
        self._servers: list[asyncio.Server] = []
        self._dials: dict[Any, _Dial] = {}  # the client's (host, port) -> its connect

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
            if not sock.getsockname()[1]:  # the server's end finds its partner by the client's address
                sock.bind((ANY_HOST.get(address[0], address[0]), 0))
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

    def refuse_dials_of_closed_servers(self) -> None:
        """A server that closed will not see the connects that wait for it: they fail now."""
        for local, dial in self._dials.items():
            if not dial.server.is_serving() and not dial.accepted.done():
                dial.accepted.set_exception(ConnectionResetError(f"the server closed before it saw {local}"))

    def on_the_way(self) -> list[str]:
        """What has not arrived yet, in words."""
        pipes = [f"{pipe.name} ({pipe.due} left)" for pipe in self.traffic.expecting if pipe.due]
        return pipes + [f"connect from {host}:{port}" for host, port in self._dials]


def _is_loopback(address: Any) -> bool:
    try:
        return isinstance(address, tuple) and ip_address(address[0]).is_loopback
    except ValueError:  # a name
        return False
