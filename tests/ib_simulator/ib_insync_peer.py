"""The real ib_insync client without a socket: the bytes it sends, and what it makes of bytes that it receives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any


def imported_ib_insync() -> Iterator[ModuleType]:
    """Fixture body: ib_insync, imported under an event loop that is closed afterwards."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    import ib_insync

    yield ib_insync
    asyncio.set_event_loop(None)
    loop.close()


class RecordingWrapper:
    """Keeps every call of the decoder as (method name, its arguments)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.ib = SimpleNamespace(TimezoneTWS="America/New_York")

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.calls.append((name, arguments))


class FailingLogger:
    """Replaces the decoder's logger, which would hide an undecodable message in the log."""

    def exception(self, text: str) -> None:
        raise AssertionError(f"ib_insync cannot decode: {text}")


class ByteSink:
    """Replaces the connection of a client."""

    def __init__(self) -> None:
        self.sent = b""

    def sendMsg(self, data: bytes) -> None:
        self.sent += data


def connected_client(version: int) -> Any:
    """A client that believes it has negotiated `version`; `.conn.sent` is what it wrote."""
    from ib_insync.client import Client

    client = Client(RecordingWrapper())
    client.MaxRequests = 0  # no throttle: it would wait for the clock
    client.conn = ByteSink()
    client.connState = Client.CONNECTED
    client._serverVersion = client.decoder.serverVersion = version
    client._apiReady = True
    client.decoder.logger = FailingLogger()
    return client


def heard(version: int, *frames: bytes) -> list[tuple[str, tuple[Any, ...]]]:
    """The wrapper calls that ib_insync makes of `frames`, but for its own book-keeping of packets."""
    client = connected_client(version)
    client._onSocketHasData(b"".join(frames))
    assert client._data == b"", "ib_insync waits for more bytes of a frame"
    return [call for call in client.wrapper.calls if not call[0].startswith("tcp")]


def said(version: int, ask: Callable[[Any], None]) -> bytes:
    """The bytes that ib_insync sends when `ask` calls a method of its client."""
    client = connected_client(version)
    ask(client)
    sent: bytes = client.conn.sent
    return sent
