"""Pings to a dead-man switch: a real web server, and a program whose loop turns, hangs or ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import sleep

import pytest

import endings
from health.watchdog import under_watch
from notifications.heartbeat import Heartbeat
from tests.notifications.web import Web, until, web
from utils import HaltTrading

PATH = "/0d338dcc-a054-11ec-b909-0242ac120002"


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as running:
        yield running


def paths(server: Web) -> list[str]:
    return [asked.path.removeprefix(PATH) for asked in server.asked]


def beating(server: Web, every_s: float = 0.05) -> Heartbeat:
    return Heartbeat(f"http://{server.address}{PATH}", every_s)


async def until_asked(server: Web, count: int) -> None:
    await asyncio.to_thread(server.wait_for, count)


def test_a_program_that_lives_pings_from_its_start_to_its_end(server: Web) -> None:
    with beating(server) as heart:
        asyncio.run(under_watch([heart], until_asked(server, 4), str, str))
    assert paths(server)[0] == "/start"
    assert set(paths(server)[1:]) == {""}
    assert {asked.method for asked in server.asked} == {"GET"}
    assert heart.pings == len(server.asked) >= 5


def test_a_loop_that_hangs_pings_no_more_although_the_thread_goes_on(server: Web) -> None:
    def hang_and_count() -> int:
        sleep(0.2)  # what was owed at the time is sent
        before = len(server.asked)
        sleep(0.5)  # ten pings' time
        return len(server.asked) - before

    async def hang() -> None:
        await until_asked(server, 3)
        assert hang_and_count() == 0

    with beating(server) as heart:
        asyncio.run(under_watch([heart], hang(), str, str))


def test_a_program_that_knows_it_stands_still_says_so_once_and_pings_no_more(server: Web) -> None:
    async def stand_still() -> None:
        await until_asked(server, 2)
        reason.append("the trading loop has stood still for 60 s")
        await asyncio.to_thread(until, lambda: "/fail" in paths(server))
        await asyncio.sleep(0.3)  # six pings' time

    reason: list[str] = []
    with beating(server) as heart:
        asyncio.run(under_watch([heart], stand_still(), str, lambda: "".join(reason)))
        assert paths(server)[-1] == "/fail"
    assert paths(server).count("/fail") == 1


def test_a_program_that_ends_by_an_error_says_so(server: Web) -> None:
    with pytest.raises(HaltTrading), beating(server, 60):
        server.wait_for(1)
        raise HaltTrading("the kill switch stopped trading")
    assert paths(server) == ["/start", "/fail"]


def test_a_program_that_ends_at_once_pings_twice(server: Web) -> None:
    with beating(server, 60):
        pass
    assert paths(server) == ["/start", ""]


def test_a_switch_that_refuses_is_named_once_and_without_its_address(
    server: Web, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 404
    with beating(server) as heart:
        asyncio.run(under_watch([heart], until_asked(server, 5), str, str))
    assert heart.pings == 0
    assert heart.failures >= 5
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "the dead-man switch takes no ping, 1 by now: HTTP Error 404: Not Found; trading goes on"


def test_a_switch_that_hangs_does_not_hold_up_the_end(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "LIMIT_S", 0.05)
    server.held.clear()
    with beating(server) as heart:
        server.wait_for(1)
    assert heart.pings == 0
    server.held.set()
    until(lambda: heart.pings > 0)  # its thread ends by itself


def test_without_an_address_nothing_happens() -> None:
    with Heartbeat("", 1.0) as heart:
        assert not heart.is_there
        assert asyncio.run(under_watch([heart], asyncio.sleep(0, "done"), str, str)) == "done"
