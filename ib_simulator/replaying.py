"""A recording as a server: clients are answered as the recorded one was, for regression tests of clients.

The n-th connection gets the n-th recorded one, and the last one again after that. A request is matched to the first
recorded one that was not asked for yet, with the same fields but for its id, else of the same kind; what followed
the recorded one follows it, with the recorded delays, under the client's own request or order id. What the gateway
said without being asked follows the request before it.

Limits: there is no exchange. A request of a kind that was not recorded is answered with 321, an order of other terms
is answered with the recorded order's reports, and the client must accept the recorded server version.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from ib_simulator.client import ClientConnection, Tap, Witness
from ib_simulator.listener import Listener
from ib_simulator.message_names import REPLIES, REQUESTS
from ib_simulator.recording import RecordedConnection, RecordedMessage
from ib_simulator.request_types import Request
from ib_simulator.wire import ClientVersions, frame

log = logging.getLogger(__name__)

START_API = REQUESTS["startApi"]
SIZE_RULES_VERSION = 164  # contract details lose their version field
REQUEST_ID_AT = {  # inbound message id -> index of its request or order id
    **dict.fromkeys((20, 81, 87, 88, 90, 92, 93, 94, 95, 96, 97, 98, 3, 79, 83), 1),
    **dict.fromkeys((1, 2, 25, 50, 51, 9, 4, 7, 76, 77, 62, 63), 2),
}
REPLY_ID_AT = {  # outbound message id -> index of the request or order id it answers
    **dict.fromkeys((79, 81, 17, 90, 88, 89, 96, 97, 98, 99, 3, 5, 94, 95), 1),
    **dict.fromkeys((4, 52, 58, 1, 2, 45, 46, 57, 50, 55, 73, 74, 63, 64), 2),
}
OPEN_ORDER_REQUESTS = (5, 15, 16)
ORDER_REQUESTS = (3, 4)
ENDS = frozenset(
    [REPLIES[name] for name in ("openOrderEnd", "completedOrdersEnd", "positionEnd", "accountDownloadEnd")]
)
ANSWERS_TO = {  # outbound message without an id -> the kinds of request that it answers
    15: (71, 17),
    9: (71, 8),
    49: (49,),
    93: (91,),
    53: OPEN_ORDER_REQUESTS,
    101: (99,),
    102: (99,),
    61: (61,),
    62: (61,),
    6: (6,),
    7: (6,),
    8: (6,),
    54: (6,),
}


@dataclass(slots=True, eq=False)
class _Step:
    """A recorded request and what followed it."""

    request: RecordedMessage
    kind: int
    own_id: str
    answers: list[RecordedMessage] = field(default_factory=list)
    is_over: bool = False  # an end message has been attributed to it

    @property
    def content(self) -> tuple[str, ...]:
        """The fields without the id."""
        return _without_id(self.kind, self.request.fields)


def steps_of(recorded: RecordedConnection) -> list[_Step]:
    """The requests of a recorded connection, each with what answers it."""
    steps: list[_Step] = []
    for message in recorded.messages:
        kind = _kind(message.fields)
        if message.is_request:
            at = REQUEST_ID_AT.get(kind, 0)
            own_id = message.fields[at] if 0 < at < len(message.fields) else ""
            steps.append(_Step(message, kind, own_id))
        elif steps:
            step = _asked_by(steps, kind, message.fields, recorded.version)
            step.answers.append(message)
            step.is_over = step.is_over or kind in ENDS
    return steps


def _asked_by(steps: list[_Step], kind: int, fields: tuple[str, ...], version: int) -> _Step:
    """The request that an outbound message answers; the last one when nothing says which."""
    latest = reversed(steps)
    if kind in ANSWERS_TO:
        asked = next((step for step in latest if step.kind in ANSWERS_TO[kind]), steps[-1])
        return steps[-1] if asked.is_over else asked  # behind the end of a list come updates
    its_id = _reply_id(kind, fields, version)
    if kind in (REPLIES["openOrder"], REPLIES["orderStatus"]):
        listing = next((step for step in reversed(steps) if step.kind in OPEN_ORDER_REQUESTS), None)
        if listing is not None and not listing.is_over:
            return listing
    is_order = kind in (REPLIES["openOrder"], REPLIES["orderStatus"]) or (
        kind == REPLIES["execDetails"] and fields[1] == "-1"
    )
    for step in latest:
        if its_id and step.own_id == its_id and (not is_order or step.kind in ORDER_REQUESTS):
            return step
    return steps[-1]


class ReplayServer:
    """Serves a recording. `speed`: recorded seconds per second of the event loop; None sends without delay."""

    tap: Tap | None
    witness: Witness | None = None

    def __init__(
        self,
        recorded: Sequence[RecordedConnection],
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float | None = 1.0,
    ) -> None:
        self.tap = self
        self.listener = Listener(self, host, port)
        self._recorded = recorded
        self._speed = speed
        self._players: dict[int, _Player] = {}  # number of a connection -> who answers it
        self._n_agreed = 0

    async def start(self) -> int:
        """Listen; returns the port."""
        return await self.listener.open()

    async def stop(self) -> None:
        """Close the listener and all clients."""
        self.listener.close()
        for client in list(self.listener.sockets):
            client.close()

    # What a connection asks and tells

    def agree(self, versions: ClientVersions) -> int | None:
        version = self._next().version
        return version if versions.minimum <= version <= versions.maximum else None

    def connection_time_text(self) -> str:
        return self._next().connection_time

    def _next(self) -> RecordedConnection:
        return self._recorded[min(self._n_agreed, len(self._recorded) - 1)]

    def incoming(self, client: ClientConnection, fields: list[str]) -> None:
        player = self._players.get(client.number)
        if player is None:
            recorded = self._next()
            self._n_agreed += 1
            player = self._players[client.number] = _Player(client, recorded, self._speed)
        player.ask(fields)

    def outgoing(self, client: ClientConnection, frames: list[bytes]) -> None:
        client.transmit(frames)

    def on_start(self, client: ClientConnection, client_id: int) -> None:
        raise AssertionError("requests do not pass the tap")

    def on_request(self, client: ClientConnection, request: Request) -> None:
        raise AssertionError("requests do not pass the tap")

    def on_lost(self, client: ClientConnection) -> None:
        self.listener.forget(client)
        player = self._players.pop(client.number, None)
        if player is not None:
            player.stop()

    def flush(self) -> None:
        for client in self.listener.sockets:
            client.write()


class _Player:
    """Answers one client."""

    def __init__(self, client: ClientConnection, recorded: RecordedConnection, speed: float | None) -> None:
        self._client = client
        self._version = recorded.version
        self._steps = steps_of(recorded)
        self._speed = speed
        self._due: list[tuple[float, int, bytes]] = []  # heap of (time of the loop, number, frame)
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, fields: list[str]) -> None:
        """The client asks: what followed the recorded request follows."""
        kind = _kind(fields)
        if kind == START_API:
            self._client.accept_start()
        at = REQUEST_ID_AT.get(kind, 0)
        own_id = fields[at] if 0 < at < len(fields) else ""
        alike = [step for step in self._steps if step.kind == kind]
        if not alike:
            text = f"Error validating request.-'bA' : cause - message {kind} is not in the recording"
            self._client.error(int(own_id) if own_id.lstrip("-").isdecimal() else -1, 321, text)
            return
        content = _without_id(kind, tuple(fields))
        step = next((each for each in alike if each.content == content), alike[0])
        self._steps.remove(step)
        now = asyncio.get_running_loop().time()
        for answer in step.answers:
            delay_s = (answer.at_s - step.request.at_s) / self._speed if self._speed else 0.0
            self._number += 1
            heapq.heappush(self._due, (now + delay_s, self._number, self._frame(step, answer, own_id)))
        self._send_due()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _frame(self, step: _Step, answer: RecordedMessage, own_id: str) -> bytes:
        fields = list(answer.fields)
        for at in _reply_ids_at(_kind(fields), self._version):
            if step.own_id and at < len(fields) and fields[at] == step.own_id:
                fields[at] = own_id
        return frame(*fields)

    def _send_due(self) -> None:
        loop = asyncio.get_running_loop()
        frames = []
        while self._due and self._due[0][0] <= loop.time():
            frames.append(heapq.heappop(self._due)[2])
        self._client.transmit(frames)
        self.stop()
        self._timer = loop.call_at(self._due[0][0], self._send_due) if self._due else None


def _reply_ids_at(kind: int, version: int) -> tuple[int, ...]:
    if kind == REPLIES["execDetails"]:
        return (1, 2)
    if kind == REPLIES["contractDetails"]:
        return (1,) if version >= SIZE_RULES_VERSION else (2,)
    return (REPLY_ID_AT[kind],) if kind in REPLY_ID_AT else ()


def _reply_id(kind: int, fields: tuple[str, ...], version: int) -> str:
    """The request or order id of an outbound message, empty when it has none."""
    at = _reply_ids_at(kind, version)
    ids = [fields[index] for index in at if index < len(fields) and fields[index] != "-1"]
    return ids[0] if ids else ""


def _without_id(kind: int, fields: tuple[str, ...]) -> tuple[str, ...]:
    at = REQUEST_ID_AT.get(kind, 0)
    return fields[:at] + fields[at + 1 :] if at else fields


def _kind(fields: Sequence[str]) -> int:
    return int(fields[0]) if fields and fields[0].isdecimal() else -1
