"""What is done quicker than by the client library sends the same bytes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ib_insync import IB, Contract, LimitOrder, Order, Stock, TagValue, Trade
from ib_insync.client import Client
from ib_insync.order import OrderStatus
from ib_insync.util import UNSET_DOUBLE, UNSET_INTEGER

from broker import library_speed
from broker.one_write import one_write

FIELDS = st.one_of(
    st.text(max_size=10),
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.sampled_from([None, UNSET_INTEGER, UNSET_DOUBLE, float("inf"), ""]),
    st.lists(st.builds(TagValue, st.text(max_size=3), st.text(max_size=3)), max_size=3),
    st.just(Stock("AAPL", "SMART", "USD", conId=265598, localSymbol="AAPL")),
)


class Deaf(Client):
    """A client that keeps its messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def isConnected(self) -> bool:
        return True

    def sendMsg(self, msg: str) -> None:
        self.messages.append(msg)

    def serverVersion(self) -> int:
        return 176


@given(st.lists(FIELDS, max_size=20), st.booleans())
def test_any_fields_are_written_as_the_library_writes_them(fields: list[Any], makes_empty: bool) -> None:
    quick, slow = Deaf(), Deaf()
    library_speed._send(quick, *fields, makeEmpty=makes_empty)
    library_speed._send_slowly(slow, *fields, makeEmpty=makes_empty)
    assert quick.messages == slow.messages


def test_an_order_is_written_as_the_library_writes_it() -> None:
    order = LimitOrder("BUY", 100, 187.5, tif="GTD", goodTillDate="20260928 15:55:00 US/Eastern", orderRef="id-1")
    order.algoParams, order.ocaGroup, order.ocaType = [TagValue("a", "b")], "exit", 2
    messages = []
    for send in (library_speed._send, library_speed._send_slowly):
        client = Deaf()
        client.send = send.__get__(client)
        client.placeOrder(7, Contract("STK", symbol="AAPL", exchange="SMART", currency="USD"), order)
        messages += client.messages
    assert messages[0] == messages[1]
    assert messages[0].startswith("3\x007\x00")


def test_a_client_without_a_connection_refuses_as_the_librarys_does() -> None:
    client = Deaf()
    client.isConnected = lambda: False  # type: ignore[method-assign]
    for send in (library_speed._send, library_speed._send_slowly):
        with pytest.raises(ConnectionError):
            send(client, 1)


def test_an_order_is_described_in_one_short_line() -> None:
    trade = Trade(Stock("AAPL"), Order(orderId=5, action="BUY", totalQuantity=10, orderType="LMT"), OrderStatus())
    assert repr(trade) == "Trade(5: BUY 10 AAPL LMT, , 0.0 filled)"


class Socket:
    """The part of the library's connection that writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def sendMsg(self, message: bytes) -> None:
        self.writes.append(message)


def test_what_is_sent_together_is_one_write_and_later_messages_are_their_own() -> None:
    ib = IB()
    ib.client.conn = socket = Socket()
    with one_write(ib):
        for message in (b"a", b"b", b"c"):
            ib.client.conn.sendMsg(message)
        assert socket.writes == []
    ib.client.conn.sendMsg(b"d")
    assert socket.writes == [b"abc", b"d"]


def test_what_was_sent_before_a_fault_leaves_all_the_same() -> None:
    ib = IB()
    ib.client.conn = socket = Socket()
    with pytest.raises(ConnectionError), one_write(ib):
        for number in itertools.count():
            if number == 2:
                raise ConnectionError
            ib.client.conn.sendMsg(b"%d" % number)
    assert socket.writes == [b"01"]


def test_nothing_sent_is_nothing_written() -> None:
    ib = IB()
    ib.client.conn = socket = Socket()
    with one_write(ib):
        pass
    assert socket.writes == []
