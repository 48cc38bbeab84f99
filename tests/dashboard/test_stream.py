"""The event stream over a socket: who listens hears each view and each command, and nobody is waited for."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dashboard import stream
from day_trading.board import Board
from day_trading.operator_control import OperatorControl
from observability import TradingHistory
from tests.dashboard.served import LIMIT_S, NOW, Client, fill, served
from trading.commands import CommandKind, Outcome
from trading.live_view import Account, SessionView

OPEN = datetime(2025, 10, 7, 13, 30, tzinfo=UTC)
ACCOUNT = Account("DU1", 1_000_000.0, 1_000_000.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 250_000.0, 0.0, None)


def view(number: int) -> SessionView:
    """A view that differs from others by its instant and its ticks."""
    return SessionView(
        at=OPEN + timedelta(seconds=5 * number),
        mode="simulated",
        bot="day_trader",
        phase="trading",
        session_date="2025-10-07",
        opens_at=OPEN,
        eod_at=OPEN,
        closes_at=OPEN,
        connection="ready",
        reconnects=0,
        health="normal",
        findings=(),
        no_entries=(),
        held_by_operator=False,
        killed=False,
        account=ACCOUNT,
        positions=(),
        watchlist=(),
        limits=(),
        parameters={"rsi_cap": 60.0},
        decisions=(),
        warnings=(),
        ticks=number,
        n_decisions=0,
        n_orders=0,
        n_fills=0,
    )


class Event(NamedTuple):
    """One server-sent event."""

    name: str
    data: Any
    number: int


class Page:
    """An open page: reads its stream line by line."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.headers = dict(response.getheaders())
        self._response = response

    def event(self) -> Event:
        """The next event; signs of life are skipped."""
        fields: dict[str, str] = {}
        while True:
            line = self._response.readline().decode().rstrip("\n")
            if line.startswith(":"):
                continue
            if not line and fields:
                return Event(fields["event"], json.loads(fields["data"]), int(fields["id"]))
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value

    def line(self) -> bytes:
        return self._response.readline()


@contextmanager
def page(client: Client) -> Iterator[Page]:
    connection = client.open()
    try:
        connection.request("GET", "/api/stream")
        yield Page(connection.getresponse())
    finally:
        connection.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < give_up, "it never was so"
        time.sleep(0.01)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def client(tmp_path: Path, board: Board) -> Iterator[Client]:
    database = fill(tmp_path / "history.db")
    with TradingHistory(database, bot="day_trader", mode="simulated") as history:
        control = OperatorControl(board, history, lambda: NOW)
        with served(database, live=board, control=control) as client:
            yield client
        control.close()


def test_a_page_hears_who_serves_then_each_new_view(client: Client, board: Board) -> None:
    board.publish(view(1))
    with page(client) as open_page:
        assert open_page.headers["Content-Type"] == "text/event-stream"
        hello, first = open_page.event(), open_page.event()
        assert (hello.name, hello.data["control"]) == ("server", True)
        assert (first.name, first.data["ticks"], first.data["at"]) == ("view", 1, "2025-10-07T13:30:05+00:00")
        board.publish(view(2))
        second = open_page.event()
        assert (second.data["ticks"], second.number > first.number) == (2, True)


def test_ten_pages_hear_the_same_and_views_are_made_only_while_they_are_open(client: Client, board: Board) -> None:
    assert not board.is_watched
    pages = [page(client) for _ in range(10)]
    opened = [each.__enter__() for each in pages]
    for each in opened:
        assert each.event().name == "server"
    wait_until(lambda: board.is_watched)
    board.publish(view(7))
    assert {each.event().data["ticks"] for each in opened} == {7}
    for context in pages:
        context.__exit__(None, None, None)
    board.publish(view(8))  # a page that is gone is noticed when something is sent
    board.publish(view(9))
    wait_until(lambda: board.publish(view(10)) or not board.is_watched)


def test_a_page_that_comes_back_sees_the_latest_view_at_once(client: Client, board: Board) -> None:
    for number in (1, 2):
        board.publish(view(number))
        with page(client) as open_page:
            open_page.event()
            assert open_page.event().data["ticks"] == number


def test_commands_are_told_to_every_page_when_given_and_when_answered(client: Client, board: Board) -> None:
    board.begin({})
    board.publish(view(1))
    with page(client) as open_page:
        open_page.event(), open_page.event()
        assert client.command(kind="pause").status == 202
        given = open_page.event()
        assert (given.name, given.data["kind"], given.data["state"]) == ("command", "pause", "waiting")
        (pinned,) = board.take()
        assert pinned.command.kind is CommandKind.PAUSE
        pinned.outcome.set_result(Outcome(done=True, words="paused"))
        answered = open_page.event()
        assert (answered.data["state"], answered.data["words"]) == ("done", "paused")
    wait_until(lambda: client.ask("/api/commands").json["rows"][0]["state"] == "done")
    assert client.ask("/api/commands").json["rows"][0]["words"] == "paused"


def test_a_quiet_stream_gives_signs_of_life(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "ALIVE_EVERY_S", 0.05)
    with page(client) as open_page:
        open_page.event()
        assert open_page.line() == b": alive\n"


def test_asking_for_the_state_keeps_views_coming_for_a_while(
    client: Client, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.ask("/api/state")
    wait_until(lambda: board.is_watched)
    monkeypatch.setattr(stream, "LEASE_S", 0.0)  # who asks now is not taken to ask again
    client.ask("/api/state")
    wait_until(lambda: not board.is_watched)


def test_the_number_of_open_pages_has_a_limit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_LISTENERS", 1)
    with page(client) as open_page:
        open_page.event()
        assert client.ask("/api/stream").status == 503


def test_open_pages_do_not_hold_up_the_end_of_the_program(tmp_path: Path) -> None:
    board = Board()
    with served(fill(tmp_path / "history.db"), live=board) as client:
        connection = client.open()
        connection.request("GET", "/api/stream")
        response = connection.getresponse()
        assert response.readline().startswith(b"id:")
    assert response.read()  # the rest, up to an orderly end
    connection.close()
