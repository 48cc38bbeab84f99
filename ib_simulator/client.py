"""One client's socket at the simulated gateway: handshake, frames in, frames out."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, cast

from ib_simulator import replies
from ib_simulator.request_types import Request, StartApi
from ib_simulator.requests import RequestFault, UnreadableRequest, decode
from ib_simulator.wire import ClientVersions, FrameReader, Handshake, MalformedFrame, WireFault, frame, negotiate

log = logging.getLogger(__name__)

CANNOT_READ = 320


class ClientHost(Protocol):
    """The gateway as a connection sees it."""

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

    def __init__(self, host: ClientHost) -> None:
        self.client_id: int | None = None
        self.version = 0
        self._host = host
        self._handshake: Handshake | None = Handshake()
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []

    def send(self, *messages: bytes) -> None:
        """Queue frames; they are written together at the end of the instant."""
        self._out.extend(messages)

    def error(self, request_id: int, code: int, text: str) -> None:
        """Queue an error message."""
        self._out.append(replies.error(self.version, request_id, code, text))

    def write(self) -> None:
        """Write all queued frames."""
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def close(self) -> None:
        """Write what is queued and close the socket."""
        self.write()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._host.on_lost(self)

    def eof_received(self) -> bool:
        return False  # a client that half-closes is gone: close and free its id

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
                self._handle(fields)
        except MalformedFrame as fault:
            for fields in fault.frames:
                self._handle(fields)
            self._drop(fault)
        except WireFault as fault:
            self._drop(fault)
        self._host.flush()

    def _agree(self, versions: ClientVersions) -> bool:
        version = negotiate(versions.minimum, versions.maximum)
        if version is None:
            log.warning("refused a client that speaks %s..%s", versions.minimum, versions.maximum)
            self.close()
            return False
        self.version = version
        if self._transport is not None:  # alone in its segment: one client throws away what follows it
            self._transport.write(frame(version, self._host.connection_time_text()))
        return True

    def _handle(self, fields: list[str]) -> None:
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
                self._host.on_start(self, request.client_id)
        elif self.client_id is not None:
            self._host.on_request(self, request)

    def _drop(self, fault: WireFault) -> None:
        log.warning("closing a client's socket: %s", fault)
        self.close()
