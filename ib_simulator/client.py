"""One client's socket at the simulated gateway: handshake, frames in, frames out."""

from __future__ import annotations

import asyncio
import logging
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import Protocol, cast, runtime_checkable

from ib_simulator import replies
from ib_simulator.request_types import Request, StartApi
from ib_simulator.requests import RequestFault, UnreadableRequest, decode
from ib_simulator.segments import Segments
from ib_simulator.wire import ClientVersions, FrameReader, Handshake, MalformedFrame, WireFault, frame

log = logging.getLogger(__name__)

CANNOT_READ = 320
MAX_REQUEST_BYTES = 1 << 20  # no client sends a longer frame; the protocol allows sixteen times that
MAX_UNREAD_BYTES = 32 << 20  # written and not taken by a client before it is dropped
START_LIMIT_S = 30.0  # from the connection to startApi
NO_LINGER = struct.pack("ii", 1, 0)  # close with a reset


class Tap(Protocol):
    """Stands between a connection and the gateway, and passes messages on: `handle` inwards, `transmit` outwards."""

    def incoming(self, client: ClientConnection, fields: list[str]) -> None:
        """The client sent a message."""

    def outgoing(self, client: ClientConnection, frames: list[bytes]) -> None:
        """The gateway wants these frames written."""


class Witness(Protocol):
    """Hears what really passes the socket. `client.number` names the connection."""

    def on_opened(self, client: ClientConnection, versions: ClientVersions, connection_time: str) -> None:
        """The versions are agreed: `client.version`."""

    def on_received(self, client: ClientConnection, fields: list[str]) -> None:
        """A message came in."""

    def on_sent(self, client: ClientConnection, frames: list[bytes]) -> None:
        """Frames were given to the socket."""

    def on_closed(self, client: ClientConnection) -> None:
        """The connection is over."""


@runtime_checkable
class Resettable(Protocol):
    """A transport that can end with a reset by itself: an end in the simulated-time loop."""

    def reset(self) -> None:
        """End the connection; the other end hears of a reset."""


class ClientHost(Protocol):
    """The gateway as a connection sees it."""

    tap: Tap | None
    witness: Witness | None

    def agree(self, versions: ClientVersions) -> int | None:
        """The version to speak with a client; None refuses it."""

    def connection_time_text(self) -> str:
        """The time that the handshake announces."""

    def on_start(self, client: ClientConnection, client_id: int) -> None:
        """The client said startApi."""

    def on_request(self, client: ClientConnection, request: Request) -> None:
        """The client asks for something."""

    def on_lost(self, client: ClientConnection) -> None:
        """The client is gone."""

    def flush(self) -> None:
        """Write what all clients were told."""


class ClientConnection(asyncio.Protocol):
    """A protocol instance per socket. `client_id` is None until startApi was accepted."""

    def __init__(self, host: ClientHost, number: int = 0) -> None:
        self.client_id: int | None = None
        self.version = 0
        self.number = number
        self.is_silent = False
        self._host = host
        self._handshake: Handshake | None = Handshake()
        self._frames = FrameReader(MAX_REQUEST_BYTES)
        self._transport: asyncio.Transport | None = None
        self._start_limit: asyncio.TimerHandle | None = None
        self._out: list[bytes] = []
        self._unsent: list[bytes] = []  # held back while silent
        self._n_unsent_bytes = 0
        self._segments: Segments | None = None

    @property
    def is_open(self) -> bool:
        """Whether frames can still reach the client."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, *messages: bytes) -> None:
        """Queue frames; they are written together at the end of the instant."""
        self._out.extend(messages)

    def error(self, request_id: int, code: int, text: str) -> None:
        """Queue an error message."""
        self._out.append(replies.error(self.version, request_id, code, text))

    def write(self) -> None:
        """Write all queued frames."""
        if self._out:
            frames, self._out = self._out, []
            if self._host.tap is None:
                self.transmit(frames)
            else:
                self._host.tap.outgoing(self, frames)

    def transmit(self, frames: list[bytes]) -> None:
        """Give frames to the socket, past the tap. A silent connection keeps them until it speaks again."""
        if self._transport is None or self._transport.is_closing() or not frames:
            return
        if self.is_silent:
            self._unsent += frames
            self._n_unsent_bytes += sum(map(len, frames))
            if self._n_unsent_bytes > MAX_UNREAD_BYTES:
                self.pause_writing()
            return
        if self._segments is None:
            self._transport.write(b"".join(frames))
        else:
            self._segments.write(b"".join(frames))
            if self._segments.n_pending > MAX_UNREAD_BYTES:
                self.pause_writing()
        if self._host.witness is not None:
            self._host.witness.on_sent(self, frames)

    def queued(self) -> int:
        """How many frames are queued."""
        return len(self._out)

    def take_queued(self, start: int) -> list[bytes]:
        """Take the frames queued since `queued()` was `start` out of the queue."""
        taken = self._out[start:]
        del self._out[start:]
        return taken

    def close(self) -> None:
        """Write what is queued and close the socket."""
        self.write()
        self.write_whole()
        if self._transport is not None:
            self._transport.close()

    def break_off(self, *, reset: bool) -> None:
        """Close without writing what is queued; `reset` without the closing handshake of TCP as well."""
        self._out.clear()
        self._unsent.clear()
        if self._segments is not None:
            self._segments.abandon()
        if self._transport is None:
            return
        if not reset:
            self._transport.close()
        elif isinstance(self._transport, Resettable):
            self._transport.reset()
        else:
            self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGER)
            self._transport.abort()

    def write_in_segments(self, n_bytes: int, gap_s: float) -> None:
        """From now on frames reach the client in pieces, one every `gap_s` seconds of the event loop."""
        self.write_whole()
        self._segments = Segments(self._write_piece, n_bytes, gap_s)

    def write_whole(self) -> None:
        """Write what waits for its segment, and all later frames as they come."""
        if self._segments is not None:
            self._segments.finish()
            self._segments = None

    def _write_piece(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def fall_silent(self) -> None:
        """Neither read nor write, while the socket stays open."""
        self.is_silent = True
        if self.is_open and self._transport is not None:
            self._transport.pause_reading()

    def speak_again(self) -> None:
        """Write what was held back and read what has come in meanwhile."""
        self.is_silent = False
        if self.is_open and self._transport is not None:
            frames, self._unsent, self._n_unsent_bytes = self._unsent, [], 0
            self.transmit(frames)
            self._transport.resume_reading()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_UNREAD_BYTES)
        self._start_limit = asyncio.get_running_loop().call_later(START_LIMIT_S, self._start_is_overdue)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._segments is not None:
            self._segments.abandon()
        self.accept_start()
        self._host.on_lost(self)
        if self._host.witness is not None and self.version:
            self._host.witness.on_closed(self)

    def eof_received(self) -> bool:
        return False  # a client that half-closes is gone: close and free its id

    def pause_writing(self) -> None:
        """The client does not read what it asked for. It is dropped, or it would fill the memory."""
        log.warning("client %s does not read: %s bytes wait; closing its socket", self.client_id, MAX_UNREAD_BYTES)
        self._out.clear()
        self._unsent.clear()
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            if self._handshake is not None:
                versions = self._handshake.feed(data)
                if versions is None:
                    return
                data, self._handshake = self._handshake.rest, None
                if not self._agree(versions):
                    return
            for fields in self._frames.feed(data):
                self._take(fields)
        except MalformedFrame as fault:
            for fields in fault.frames:
                self._take(fields)
            self._drop(fault)
        except WireFault as fault:
            self._drop(fault)
        self._host.flush()

    def _take(self, fields: list[str]) -> None:
        if not self.is_open:
            return
        if self._host.witness is not None:
            self._host.witness.on_received(self, fields)
        if self._host.tap is None:
            self.handle(fields)
        else:
            self._host.tap.incoming(self, fields)

    def handle(self, fields: list[str]) -> None:
        """Serve one message, past the tap."""
        try:
            request = decode(fields, self.version)
        except UnreadableRequest as fault:
            if self.client_id is not None:
                known = fault.req_id if fault.req_id is not None else -1
                self.error(known, CANNOT_READ, f"Error reading request:{fault}")
            return
        except RequestFault as fault:
            log.info("client %s: %s", self.client_id, fault)
            return
        if isinstance(request, StartApi):
            if self.client_id is None:
                self.accept_start()
                self._host.on_start(self, request.client_id)
        elif self.client_id is not None:
            self._host.on_request(self, request)

    def _agree(self, versions: ClientVersions) -> bool:
        version = self._host.agree(versions)
        if version is None:
            log.warning("refused a client that speaks %s..%s", versions.minimum, versions.maximum)
            self.close()
            return False
        self.version = version
        if self._transport is not None:  # alone in its segment: one client throws away what follows it
            connection_time = self._host.connection_time_text()
            self._transport.write(frame(version, connection_time))
            if self._host.witness is not None:
                self._host.witness.on_opened(self, versions, connection_time)
        return True

    def _start_is_overdue(self) -> None:
        log.warning("a client connected and sent no startApi in %s s; closing its socket", START_LIMIT_S)
        self.close()

    def accept_start(self) -> None:
        """startApi came in time."""
        if self._start_limit is not None:
            self._start_limit.cancel()
            self._start_limit = None

    def _drop(self, fault: WireFault) -> None:
        log.warning("closing a client's socket: %s", fault)
        self.close()
