"""A session's messages on disk, both directions, with their times.

JSON lines. The first is the header {"format": "ib_simulator recording", "version": 1}; every other one has the
seconds since the header `t`, the number of the connection `c` and what happened:

    {"t": 0.0, "c": 1, "open": {"version": 176, "minimum": 157, "maximum": 176, "options": "", "time": "..."}}
    {"t": 0.1, "c": 1, "in": ["71", "2", "1", ""]}       fields of a message from the client
    {"t": 0.1, "c": 1, "out": ["15", "1", "DU1000001"]}  fields of a message of the gateway, as it was written
    {"t": 9.0, "c": 1, "close": true}

Bytes of a client that are not UTF-8 stand as \\xNN. What faults lost is not in it; what they changed is as sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ib_simulator.client import ClientConnection
from ib_simulator.wire import ClientVersions, single_frames
from utils import Misconfigured

FORMAT = "ib_simulator recording"
VERSION = 1


class Recorder:
    """A gateway's witness that writes what it hears. `now_s` is the session's clock in seconds.

    Raises Misconfigured when the file cannot be written. `close` it at the end.
    """

    def __init__(self, path: Path, now_s: Callable[[], float]) -> None:
        try:
            self._file: IO[str] = path.open("w", encoding="utf-8")
        except OSError as error:
            raise Misconfigured(f"cannot write the recording {path}: {error.strerror}") from error
        self._now_s = now_s
        self._start_s = now_s()
        self._line({"format": FORMAT, "version": VERSION})

    def on_opened(self, client: ClientConnection, versions: ClientVersions, connection_time: str) -> None:
        opened = {"version": client.version, "minimum": versions.minimum, "maximum": versions.maximum}
        self._event(client, "open", {**opened, "options": versions.options, "time": connection_time})

    def on_received(self, client: ClientConnection, fields: list[str]) -> None:
        self._event(client, "in", fields)

    def on_sent(self, client: ClientConnection, frames: list[bytes]) -> None:
        for each in single_frames(frames):
            self._event(client, "out", each[4:-1].decode("ascii").split("\0"))

    def on_closed(self, client: ClientConnection) -> None:
        self._event(client, "close", True)

    def close(self) -> None:
        """Write what is buffered."""
        self._file.close()

    def _event(self, client: ClientConnection, what: str, value: object) -> None:
        if not self._file.closed:
            self._line({"t": round(self._now_s() - self._start_s, 3), "c": client.number, what: value})

    def _line(self, value: dict[str, Any]) -> None:
        self._file.write(json.dumps(value, separators=(",", ":")) + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMessage:
    """One message. `at_s` is since the start of the recording."""

    at_s: float
    is_request: bool
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedConnection:
    """What passed one socket, in order."""

    version: int
    connection_time: str
    messages: tuple[RecordedMessage, ...]


def read_recording(path: Path) -> tuple[RecordedConnection, ...]:
    """The connections of a recording in the order in which they were opened. Raises Misconfigured with one line."""
    opened: dict[int, dict[str, Any]] = {}  # connection -> its first line
    messages: dict[int, list[RecordedMessage]] = {}  # connection -> what passed it
    number = 1  # of the line being read
    try:
        with path.open(encoding="utf-8") as lines:
            header = json.loads(next(lines, "null"))
            if not isinstance(header, dict) or header.get("format") != FORMAT:
                raise Misconfigured(f"{path}: not a recording of this simulator")
            if header.get("version") != VERSION:
                raise Misconfigured(f"{path}: version {header.get('version')}, this program reads {VERSION}")
            for text in lines:
                number += 1
                line = json.loads(text)
                connection = line["c"]
                if "open" in line:
                    opened[connection] = {"version": int(line["open"]["version"]), "time": str(line["open"]["time"])}
                    messages[connection] = []
                for key in ("in", "out"):
                    if key in line:
                        fields = tuple(map(str, line[key]))
                        message = RecordedMessage(at_s=float(line["t"]), is_request=key == "in", fields=fields)
                        messages[connection].append(message)
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misconfigured(f"{path}: line {number} is not of a recording: {error!r}") from error
    return tuple(
        RecordedConnection(version=first["version"], connection_time=first["time"], messages=tuple(messages[key]))
        for key, first in opened.items()
    )
