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
from broker.new_orders import place_new, plain_order
from broker.one_write import one_write
from broker.translate import order_to_ib
from trading.orders import Action, OrderIntent, Reason, Role

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


TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
CONTRACTS = {
    "qualified": Stock("AAPL", "SMART", "USD", conId=265598, localSymbol="AAPL", primaryExchange="NASDAQ"),
    "with a space": Stock("BRK B", "NYSE", "USD", conId=72063691),
    "by ISIN": Stock("", secIdType="ISIN", secId="US0378331005"),
}
WORDS = ("action", "orderType", "tif", "ocaGroup", "account", "orderRef", "goodAfterTime", "goodTillDate")


@given(
    st.sampled_from(sorted(CONTRACTS)),
    st.integers(1, 2**31 - 1),
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(WORDS, TEXTS),
            "orderType": TEXTS.filter(lambda word: not word.startswith("PEG")),  # the library writes more for these
            "totalQuantity": st.integers(1, 10**6) | st.floats(0.1, 1e6),
            "lmtPrice": st.floats(0, 1e6) | st.just(UNSET_DOUBLE),
            "auxPrice": st.floats(0, 1e6),
            "transmit": st.booleans(),
            "parentId": st.integers(0, 2**31 - 1),
            "ocaType": st.integers(0, 3),
        },
    ),
)
def test_a_new_order_is_written_filled_in_and_kept_as_the_library_does_it(
    name: str, order_id: int, fields: dict[str, Any]
) -> None:
    contract = CONTRACTS[name]
    quick, slow = plain_order(order_id, **fields), Order(orderId=order_id, **fields)
    assert vars(quick) == vars(slow)
    assert {id(each) for each in vars(quick).values() if isinstance(each, list)}.isdisjoint(
        id(each) for each in vars(plain_order(1)).values()
    )
    placed = []
    for place, order in ((place_new, quick), (IB.placeOrder, slow)):
        ib = IB()
        ib.client, ib.wrapper.clientId, heard = Deaf(), 2, []
        ib.newOrderEvent += heard.append
        trade = place(ib, contract, order)
        assert heard == [trade]
        assert ib.wrapper.trades == {(2, order_id): trade}
        told = trade.contract, vars(trade.order), trade.orderStatus, trade.fills, [entry.status for entry in trade.log]
        placed.append((ib.client.messages, told))
        ib.client.isConnected = lambda: False  # type: ignore[method-assign]  # it hangs up when it is collected
    assert placed[0] == placed[1]


def test_what_is_filled_in_is_all_that_an_order_of_ours_sets() -> None:
    intent = OrderIntent(
        intent_id="i",
        bracket_id="b",
        role=Role.STOP,
        reason=Reason.STOP_LOSS,
        symbol="AAPL",
        action=Action.SELL,
        quantity=5,
        order_type="STP LMT",
        tif="GTD",
        limit_price=10_000,
        stop_price=10_100,
        good_till_s=1_790_000_000,
        good_after_s=1_790_000_000,
        oca_group="g",
    )
    order = order_to_ib(intent, order_id=7, parent_id=6, account="DU1", transmit=False)
    changed = {name for name, value in vars(order).items() if value != vars(Order())[name]}
    assert changed == {"orderId", *library_speed.FILLED_IN}


def test_new_orders_share_their_events_and_the_connection_tells_of_each() -> None:
    first, second = Trade(order=Order(orderId=1)), Trade(order=Order(orderId=2))
    assert first.filledEvent is second.filledEvent
    assert {len(getattr(first, name)) for name in Trade.events} == {0}


def test_a_client_without_a_connection_refuses_as_the_librarys_does() -> None:
    client = Deaf()
    client.isConnected = lambda: False  # type: ignore[method-assign]
    for send in (library_speed._send, library_speed._send_slowly):
        with pytest.raises(ConnectionError):
            send(client, 1)
    ib = IB()
    ib.client = client
    with pytest.raises(ConnectionError):
        place_new(ib, Stock("AAPL"), plain_order(1))
    assert client.messages == []


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
