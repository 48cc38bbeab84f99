"""The dashboard in a thread of its own: an event loop on wall time that trading knows nothing of."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import threading
from ipaddress import ip_address
from typing import Self

from aiohttp import web

from dashboard.app import Dashboard
from dashboard.guard import Guard
from dashboard.program import Program
from dashboard.settings import DashboardSettings
from utils import Misconfigured

log = logging.getLogger(__name__)

BACKLOG = 64
MOST_CONNECTIONS = 200  # ten pages need some sixty
KEEP_ALIVE_S = 20.0
END_LIMIT_S = 2.0  # what open pages may cost a program that ends


class DashboardThread:
    """Serves from `start` to `stop`. Raises OSError from the constructor when the address cannot be had.

    Raises Misconfigured for a certificate that cannot be used.
    """

    def __init__(self, program: Program, settings: DashboardSettings, token: str) -> None:
        settings.refuse_unsafe()
        self._tls = _tls_of(settings)
        scheme = "https" if self._tls is not None else "http"
        guard = Guard(token, scheme, settings.dashboard_names)
        self._dashboard = Dashboard(program, guard, reading_needs_token=not settings.is_local)
        self._socket = _listening(settings.dashboard_host, settings.dashboard_port)
        host, port = self._socket.getsockname()[:2]
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="dashboard", daemon=True)

    def start(self) -> Self:
        """Serve from now on."""
        self._thread.start()
        self._ready.wait(END_LIMIT_S)
        return self

    def stop(self) -> None:
        """End open pages and close the socket; returns after END_LIMIT_S at the latest."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(END_LIMIT_S)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._run())
        except Exception:
            log.exception("the dashboard ended; trading goes on without it")
        finally:
            self._ready.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        runner = web.AppRunner(
            self._dashboard.application,
            handle_signals=False,
            access_log=None,
            logger=_quiet_logger(),
            keepalive_timeout=KEEP_ALIVE_S,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        try:
            assert runner.server is not None  # since it is set up
            accepting = _Doorkeeper(runner.server)
            server = await self._loop.create_server(accepting, sock=self._socket, ssl=self._tls, backlog=BACKLOG)
            self._ready.set()
            await self._stop.wait()
            server.close()
        finally:
            await runner.cleanup()


def _quiet_logger() -> logging.Logger:
    """Of aiohttp itself: whoever sends nonsense could fill the disk with it. What fails here is told by the guard."""
    logger = logging.getLogger("dashboard.http")
    logger.setLevel(logging.CRITICAL)
    return logger


class _TurnedAway(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.abort()


class _Doorkeeper:
    """Makes the protocol of a new connection. A process has few file descriptors, and trading needs some of them."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def __call__(self) -> asyncio.BaseProtocol:
        return self._server() if len(self._server.connections) < MOST_CONNECTIONS else _TurnedAway()


def _listening(host: str, port: int) -> socket.socket:
    """A bound socket. Raises OSError."""
    try:
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        family = socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option lets two programs share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _tls_of(settings: DashboardSettings) -> ssl.SSLContext | None:
    if not settings.has_tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.dashboard_tls_cert, settings.dashboard_tls_key)
    except (ssl.SSLError, OSError) as error:
        raise Misconfigured(f"DASHBOARD_TLS_CERT, DASHBOARD_TLS_KEY: {error}") from error
    return context
