"""The control port of a standalone gateway: faults by hand, as lines of JSON on the loopback interface.

    {"fault": {"kind": "drop", "client": 2}}     -> {"ok": true}; the keys are those of a fault file
    {"status": true}                             -> {"ok": true, "now": ..., "clients": [...], "log": [...]}

A line that is none of these is answered with {"ok": false, "error": ...}; one that is no JSON ends the connection,
so that a browser that was talked into posting here achieves nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, cast

from ib_simulator.fault_plan import planned_fault
from ib_simulator.faults import FaultInjector
from utils import Misconfigured

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_LINE_BYTES = 65_536
LOG_LINES_TOLD = 100


class ControlConnection(asyncio.Protocol):
    """One connection to the control port."""

    def __init__(self, injector: FaultInjector) -> None:
        self._injector = injector
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            if self._transport is None or self._transport.is_closing():
                return
            self._answer(line)
        if len(self._buffer) > MAX_LINE_BYTES:
            self._close()

    def _answer(self, line: bytes) -> None:
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            log.warning("control port: a line is no JSON; closing the connection")
            self._close()
            return
        try:
            answer = {"ok": True, **self._served(asked)}
        except (ValueError, TypeError) as error:
            answer = {"ok": False, "error": str(error)}
        if self._transport is not None:
            self._transport.write(json.dumps(answer).encode() + b"\n")

    def _served(self, asked: Any) -> dict[str, Any]:
        match asked:
            case {"fault": dict(entry), **rest} if not rest:
                self._injector.add(planned_fault(entry))
                return {}
            case {"status": True, **rest} if not rest:
                return self._status()
            case _:
                raise ValueError('neither {"fault": {...}} nor {"status": true}')

    def _status(self) -> dict[str, Any]:
        gateway = self._injector.gateway
        return {
            "now": gateway.now().isoformat(),
            "session": gateway.session_date().isoformat(),
            "port_open": gateway.listener.is_open,
            "clients": [
                {"client_id": client.client_id, "version": client.version, "silent": client.is_silent}
                for client in gateway.clients
            ],
            "log": [
                {"at": event.at.isoformat(), "kind": event.kind, "text": event.text}
                for event in self._injector.log[-LOG_LINES_TOLD:]
            ],
        }

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def open_control_port(injector: FaultInjector, port: int) -> asyncio.Server:
    """Serve the control port on the loopback interface. Raises Misconfigured when it is taken."""
    try:
        return await asyncio.get_running_loop().create_server(lambda: ControlConnection(injector), LOOPBACK, port)
    except OSError as error:
        raise Misconfigured(f"cannot listen on {LOOPBACK}:{port} for control: {error.strerror}") from error
