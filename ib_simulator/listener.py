"""The gateway's port: opened, closed for a while, opened again under the same number; the sockets behind it."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import cast

from ib_simulator.client import ClientConnection, ClientHost
from utils import Misconfigured

log = logging.getLogger(__name__)

MAX_SOCKETS = 256


class _Refused(asyncio.Protocol):
    """A connection beyond the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        log.warning("more than %s sockets: refused one more", MAX_SOCKETS)
        cast(asyncio.Transport, transport).close()


class _Mute(asyncio.Protocol):
    """A connection that nobody answers."""

    transport: asyncio.Transport | None = None
    is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over = True


class Listener:
    """Serves `host` on a port that is free or given, the same one each time it is opened."""

    def __init__(self, gateway: ClientHost, host: str, port: int) -> None:
        self._gateway = gateway
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._n_connections = 0
        self.sockets: list[ClientConnection] = []  # also those that have not said startApi
        self.is_mute = False  # accepts connections and answers nothing
        self._mute: list[_Mute] = []

    @property
    def is_open(self) -> bool:
        return self._server is not None

    async def open(self) -> int:
        """Listen; returns the port. Raises Misconfigured when it is taken or not allowed."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, self._host, self._port)
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0, str(error))
            why = "another program listens there" if error.errno == errno.EADDRINUSE else code
            raise Misconfigured(f"cannot listen on {self._host}:{self._port}: {why}") from error
        self._port = int(self._server.sockets[0].getsockname()[1])
        return self._port

    def close(self) -> None:
        """Stop listening: from now on connections are refused. The sockets stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._close_mute()

    def speak(self) -> None:
        """Answer from now on. Who got no answer is disconnected."""
        self.is_mute = False
        self._close_mute()

    def forget(self, client: ClientConnection) -> None:
        """A socket is gone."""
        if client in self.sockets:
            self.sockets.remove(client)

    def _close_mute(self) -> None:
        for connection in self._mute:
            if connection.transport is not None:
                connection.transport.close()
        self._mute.clear()

    def _accept(self) -> asyncio.Protocol:
        self._mute = [connection for connection in self._mute if not connection.is_over]
        if len(self.sockets) + len(self._mute) >= MAX_SOCKETS:
            return _Refused()
        if self.is_mute:
            self._mute.append(_Mute())
            return self._mute[-1]
        self._n_connections += 1
        client = ClientConnection(self._gateway, self._n_connections)
        self.sockets.append(client)
        return client
