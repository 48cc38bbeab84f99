"""Bytes of the TWS socket protocol: frames, the handshake, and how one value is written as text.

A frame is a 4-byte big-endian length and that many bytes: fields, each ended by NUL. What the fields mean is
known by `requests` (inbound) and `replies` (outbound).
"""

from __future__ import annotations

import math
import re
import struct
import sys
from dataclasses import dataclass

MIN_VERSION = 157  # the oldest dialect that all four known clients accept
MAX_VERSION = 176  # what a current gateway negotiates with ib_insync
MAX_FRAME_BYTES = 0xFFFFFF
MAX_HANDSHAKE_BYTES = 1024  # `v157..176` and a few connect options; anything longer is not a TWS client

UNSET_DOUBLE = sys.float_info.max  # DBL_MAX
UNSET_INTEGER = 2**31 - 1
UNSET_LONG = 2**63 - 1
UNSET_DOUBLE_TEXT = "1.7976931348623157E308"  # as the gateway's Java writes it
UNSET_INTEGER_TEXT = str(UNSET_INTEGER)
UNSET_LONG_TEXT = str(UNSET_LONG)

Field = str | int | float | bool | None

_LENGTH = struct.Struct(">I")
_PREFIX = b"API\0"
_VERSIONS = re.compile(r"v(\d{1,9})(?:\.\.(\d{1,9}))?(?: (.*))?", re.DOTALL)


class WireFault(Exception):
    """The bytes are not the protocol and cannot be resynchronised: close this socket, keep the others."""


class MalformedHandshake(WireFault):
    """The first bytes of a connection are not a TWS handshake."""


class MalformedFrame(WireFault):
    """A length prefix that no client sends. `frames` are the whole ones that arrived before it."""

    def __init__(self, length: int, max_frame: int, frames: list[list[str]]) -> None:
        super().__init__(f"frame of {length} bytes, the limit is {max_frame}")
        self.length = length
        self.frames = frames


def frame(*fields: Field) -> bytes:
    """One frame of `fields`: None is an empty field, a bool `1` or `0`, DBL_MAX the gateway's spelling of unset.

    Text outside ASCII becomes `\\uXXXX`. Raises ValueError on NaN, on a NUL inside a text, and past 16 MiB.
    """
    return frame_text("".join([field_text(field) + "\0" for field in fields]))


def frame_text(body: str) -> bytes:
    """One frame of an ASCII `body` whose fields are already ended by NUL. Raises ValueError past 16 MiB."""
    payload = body.encode("ascii")
    if len(payload) > MAX_FRAME_BYTES:
        raise ValueError(f"message of {len(payload)} bytes does not fit a frame of {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(payload)) + payload


def field_text(field: Field) -> str:
    """How one value is written, without its NUL."""
    if field is None:
        return ""
    if isinstance(field, str):
        return ascii_text(field)
    if isinstance(field, bool):
        return "1" if field else "0"
    if isinstance(field, int):
        return str(field)
    return float_text(field)


def float_text(number: float) -> str:
    """The shortest text that reads back as `number`; whole numbers keep their point (`5.0`). NaN raises ValueError."""
    if number == UNSET_DOUBLE:
        return UNSET_DOUBLE_TEXT
    if math.isnan(number):
        raise ValueError("NaN has no form on the wire; None is the unset value")
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(float(number))


def ascii_text(text: str) -> str:
    """`text` with every UTF-16 unit outside ASCII as `\\uXXXX`, the form clients unescape. A NUL raises ValueError."""
    if "\0" in text:
        raise ValueError(f"text with a NUL would end its field early: {text!r}")
    if text.isascii():
        return text
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    return "".join([chr(code) if code < 0x80 else f"\\u{code:04x}" for code in codes])


def single_frames(written: list[bytes]) -> list[bytes]:
    """What was written, one frame at a time: services may put several frames into one piece."""
    frames: list[bytes] = []
    for piece in written:
        start = 0
        while start < len(piece):
            end = start + 4 + _LENGTH.unpack_from(piece, start)[0]
            frames.append(piece[start:end])
            start = end
    return frames


class FrameReader:
    """Bytes in, whole messages out, whatever the splits. One per connection and direction."""

    def __init__(self, max_frame: int = MAX_FRAME_BYTES) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[list[str]]:
        """The messages that `data` completes, each as its fields. Bytes that are not UTF-8 become `\\xNN`.

        Raises MalformedFrame on a length above the limit (a negative one reads as such), and again on every
        later call: the stream has no second start.
        """
        buffer = self._buffer
        buffer += data
        frames: list[list[str]] = []
        start, available = 0, len(buffer)
        while available - start >= 4:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > self._max_frame:
                del buffer[:start]
                raise MalformedFrame(length, self._max_frame, frames)
            end = start + 4 + length
            if available < end:
                break
            frames.append(_fields(buffer[start + 4 : end]))
            start = end
        del buffer[:start]
        return frames


def _fields(payload: bytearray) -> list[str]:
    fields = payload.decode("utf-8", "backslashreplace").split("\0")
    if not fields[-1]:
        fields.pop()  # what follows the last NUL; a text there is a field that the client left unended
    return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientVersions:
    """The server versions that a client accepts, and its connect options (`+PACEAPI`)."""

    minimum: int
    maximum: int
    options: str


class Handshake:
    """Reads `API\\0` and the length-prefixed version range, whatever the splits."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.rest = b""  # bytes that arrived behind the handshake: the start of the first frame

    def feed(self, data: bytes) -> ClientVersions | None:
        """The client's versions once they are complete, None before. Raises MalformedHandshake."""
        buffer = self._buffer
        buffer += data
        if buffer[:4] != _PREFIX[: len(buffer)]:
            raise MalformedHandshake(f"starts with {bytes(buffer[:4])!r}, not with {_PREFIX!r}")
        if len(buffer) < 8:
            return None
        (length,) = _LENGTH.unpack_from(buffer, 4)
        if length > MAX_HANDSHAKE_BYTES:
            raise MalformedHandshake(f"announces {length} bytes of versions")
        if len(buffer) < 8 + length:
            return None
        self.rest = bytes(buffer[8 + length :])
        return client_versions(buffer[8 : 8 + length].decode("utf-8", "backslashreplace"))


def client_versions(text: str) -> ClientVersions:
    """`v157..176`, `v176` or either with ` options` behind it. Raises MalformedHandshake."""
    match = _VERSIONS.fullmatch(text)
    if match is None:
        raise MalformedHandshake(f"{text!r} is not a range of versions such as v157..176")
    minimum, maximum, options = match.groups()
    return ClientVersions(minimum=int(minimum), maximum=int(maximum or minimum), options=options or "")


def negotiate(minimum: int, maximum: int) -> int | None:
    """The version to speak with a client that accepts `minimum`..`maximum`; None: refuse and close."""
    version = min(MAX_VERSION, maximum)
    return version if version >= max(MIN_VERSION, minimum) else None
