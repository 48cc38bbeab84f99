"""Frames, the handshake and the negotiated version."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ib_simulator.wire import (
    UNSET_DOUBLE,
    ClientVersions,
    FrameReader,
    Handshake,
    MalformedFrame,
    MalformedHandshake,
    client_versions,
    frame,
    negotiate,
)
from tests.ib_simulator.ib_insync_peer import imported_ib_insync, said


@pytest.fixture(scope="module")
def ib() -> Iterator[ModuleType]:
    yield from imported_ib_insync()


FIELD_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
MESSAGES = st.lists(st.lists(FIELD_TEXTS, min_size=1, max_size=6), max_size=6)


def client_frame(fields: list[str]) -> bytes:
    """A frame as clients build it: UTF-8, where `frame` writes the gateway's ASCII."""
    payload = "".join(f"{field}\0" for field in fields).encode()
    return len(payload).to_bytes(4, "big") + payload


def test_frame_is_length_and_nul_ended_fields() -> None:
    assert frame(49, 1, 1700000000) == b"\x00\x00\x00\x10" + b"49\x001\x001700000000\x00"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (None, b""),
        (True, b"1"),
        (False, b"0"),
        (-1, b"-1"),
        (5.0, b"5.0"),
        (340.52, b"340.52"),
        (UNSET_DOUBLE, b"1.7976931348623157E308"),
        (math.inf, b"Infinity"),
        ("AAPL", b"AAPL"),
        ("Nestlé", rb"Nestl\u00e9"),
        ("€", rb"\u20ac"),
        ("\U0001f600", rb"\ud83d\ude00"),
        ("two\nlines", b"two\nlines"),
    ],
)
def test_value_is_written_as_gateways_do(field: str | float | None, text: bytes) -> None:
    assert frame(field)[4:] == text + b"\0"


def test_nan_and_nul_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        frame(math.nan)
    with pytest.raises(ValueError, match="NUL"):
        frame("a\0b")


def test_message_above_the_frame_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        frame("x" * 0x1000000)


@given(MESSAGES, st.data())
def test_any_split_gives_the_same_messages(messages: list[list[str]], data: st.DataObject) -> None:
    stream = b"".join(map(client_frame, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = FrameReader()
    read = [
        message
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for message in reader.feed(stream[start:end])
    ]
    assert read == messages


def test_byte_by_byte_gives_whole_messages() -> None:
    stream = frame(71, 2, 7, "") + frame(49, 1)
    reader = FrameReader()
    read = [message for byte in stream for message in reader.feed(bytes([byte]))]
    assert read == [["71", "2", "7", ""], ["49", "1"]]


def test_last_field_without_nul_is_kept() -> None:
    assert FrameReader().feed(b"\x00\x00\x00\x04" + b"9\x0012") == [["9", "12"]]


def test_empty_frame_is_a_message_without_fields() -> None:
    assert FrameReader().feed(b"\0\0\0\0") == [[]]


def test_bytes_that_are_not_utf8_are_escaped() -> None:
    assert FrameReader().feed(b"\0\0\0\x03" + b"A\xff\0") == [["A\\xff"]]


@pytest.mark.parametrize("length", [b"\x01\x00\x00\x00", b"\xff\xff\xff\xff"])
def test_oversize_or_negative_length_raises_now_and_later(length: bytes) -> None:
    reader = FrameReader()
    with pytest.raises(MalformedFrame) as caught:
        reader.feed(frame(49, 1) + length)
    assert caught.value.frames == [["49", "1"]]
    with pytest.raises(MalformedFrame) as again:
        reader.feed(frame(49, 1))
    assert again.value.frames == []


def test_frame_at_the_limit_is_read() -> None:
    assert FrameReader(max_frame=4).feed(frame("abc")) == [["abc"]]
    with pytest.raises(MalformedFrame):
        FrameReader(max_frame=4).feed(frame("abcd"))


@pytest.mark.parametrize("size", [1, 3, 100])
def test_handshake_is_read_whatever_the_splits(size: int) -> None:
    stream = b"API\0" + b"\x00\x00\x00\x13" + b"v157..176 +PACEAPI " + frame(71, 2, 1, "")
    handshake = Handshake()
    at, versions = 0, None
    while versions is None:
        versions = handshake.feed(stream[at : at + size])
        at += size
    assert versions == ClientVersions(minimum=157, maximum=176, options="+PACEAPI ")
    assert handshake.rest == stream[27:at]


@pytest.mark.parametrize("start", [b"GET / HTTP", b"AP\0I", b"\0", b"API\0\x7f\xff\xff\xff"])
def test_other_protocols_are_refused_at_their_first_wrong_byte(start: bytes) -> None:
    with pytest.raises(MalformedHandshake):
        Handshake().feed(start)


@pytest.mark.parametrize("text", ["", "157..176", "v157..", "v..176", "v-1..5", "v1..176x", "v9999999999"])
def test_text_that_is_no_range_of_versions_is_refused(text: str) -> None:
    with pytest.raises(MalformedHandshake):
        client_versions(text)


def test_single_version_is_a_range_of_one() -> None:
    assert client_versions("v173") == ClientVersions(minimum=173, maximum=173, options="")


@given(st.binary(max_size=40))
def test_handshake_raises_nothing_but_its_own_fault(data: bytes) -> None:
    for start in (b"", b"API\0", b"API\0\0\0\0\x05"):
        try:
            Handshake().feed(start + data)
        except MalformedHandshake:
            continue


@pytest.mark.parametrize(
    ("minimum", "maximum", "version"),
    [
        (157, 176, 176),  # ib_insync
        (157, 178, 176),  # ib_async
        (100, 157, 157),  # ibapi 9.81
        (100, 193, 176),  # @stoqey/ib
        (163, 165, 165),
        (100, 156, None),  # too old
        (177, 200, None),  # too new
        (176, 157, None),  # upside down
    ],
)
def test_version_is_the_highest_both_speak(minimum: int, maximum: int, version: int | None) -> None:
    assert negotiate(minimum, maximum) == version


def test_ib_insync_frames_are_read(ib: ModuleType) -> None:
    stream = said(176, lambda client: client.reqMatchingSymbols(5, "Nestlé"))
    assert FrameReader().feed(stream) == [["81", "5", "Nestlé"]]
