"""Notices on their way through Apprise to a web server that is slow, broken, away, or there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

import endings
from market_hours import NEW_YORK
from notifications import courier
from notifications.notices import Kind, Notice, notify
from notifications.run import Notifications
from notifications.settings import NotificationSettings, url_secrets
from tests.notifications.web import Web, until, web
from tests.ports import free_port
from utils import HaltTrading, Misconfigured, Redaction

AT = datetime(2025, 10, 7, 13, 35, 5, tzinfo=UTC)
SECRET = "a-path-that-is-a-token-0123456789"


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as running:
        yield running


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "JOIN_S", 0.1)
    monkeypatch.setattr(courier, "FIRST_BACK_OFF_S", 0.05)


def notifications(*addresses: str, **settings: object) -> Notifications:
    urls = ",".join(f"json://{address}/{SECRET}" for address in addresses)
    chosen = NotificationSettings.model_validate({"notify_urls": SecretStr(urls), "notify_pause_s": 0, **settings})
    blank = Redaction(url_secrets({"NOTIFY_URLS": urls}))
    return Notifications(chosen, who="Day trader (paper)", zone=NEW_YORK, blank=blank, now=lambda: AT)


def say(*words: str, kind: Kind = Kind.FILL) -> None:
    for each in words:
        notify(Notice(kind=kind, words=each, at=AT))


def lines(server: Web) -> list[str]:
    """All lines that arrived."""
    return [line for asked in list(server.asked) for line in asked.json()["message"].splitlines()]


def test_a_burst_arrives_as_one_message(server: Web) -> None:
    with notifications(server.address):
        say("bought 100 AAPL", "bought 50 MSFT")
        say("the drawdown limit is reached", kind=Kind.LIMIT)
        (asked,) = server.wait_for(1)
    message = asked.json()
    assert message["title"] == "Day trader (paper): 2 fills, limit reached"
    assert message["message"].splitlines() == [
        "09:35:05 bought 100 AAPL",
        "09:35:05 bought 50 MSFT",
        "09:35:05 the drawdown limit is reached",
    ]
    assert message["type"] == "warning"
    assert len(server.asked) == 1


def test_only_chosen_kinds_are_told(server: Web) -> None:
    with notifications(server.address, notify_events=(Kind.KILL_SWITCH,)):
        say("bought 100 AAPL")
        say("thrown", kind=Kind.KILL_SWITCH)
    assert lines(server) == ["09:35:05 thrown"]


def test_what_waits_at_the_end_is_told_before_it_and_nothing_after_it(server: Web) -> None:
    with notifications(server.address, notify_pause_s=3_600):
        say("one")
        server.wait_for(1)
        say("two", "three")  # would wait an hour
    assert lines(server)[1:] == ["09:35:05 two", "09:35:05 three"]
    say("four")
    assert len(lines(server)) == 3


def test_an_error_that_ends_the_program_is_told(server: Web) -> None:
    with pytest.raises(HaltTrading), notifications(server.address):
        raise HaltTrading(f"the kill switch stopped trading {SECRET}")
    assert lines(server) == ["09:35:05 the program ended: the kill switch stopped trading ***"]


def test_a_server_that_refuses_is_tried_again_and_what_happened_meanwhile_comes_with_it(
    server: Web, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 500
    with notifications(server.address) as running:
        say("one")
        server.wait_for(3)
        say("two")
        server.status = 200
        until(lambda: running._couriers[0].delivered == 2)
    assert server.asked[-1].json()["message"].splitlines() == ["09:35:05 one", "09:35:05 two"]
    told = [record.getMessage() for record in caplog.records]
    (refused,) = [line for line in told if "do not arrive" in line]  # of all those tries
    assert "JSON (address 1)" in refused
    assert "500" in refused
    assert told[-1] == "notifications to JSON (address 1) arrive again"


def test_an_address_that_is_away_is_named_once_and_costs_the_others_nothing(
    server: Web, caplog: pytest.LogCaptureFixture
) -> None:
    with notifications(f"127.0.0.1:{free_port()}", server.address) as running:
        say("one")
        server.wait_for(1)
        until(lambda: running._couriers[0]._failures >= 3)
    assert lines(server) == ["09:35:05 one"]
    told = [record.getMessage() for record in caplog.records]
    assert len([line for line in told if "JSON (address 1) do not arrive" in line]) == 1
    assert told[-1] == "notifications to JSON (address 1): 0 notices delivered, 1 lost or given up"


def test_a_server_that_hangs_holds_up_neither_who_tells_nor_who_ends(
    server: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(endings, "LIMIT_S", 0.05)
    server.held.clear()  # it would answer in 20 s, if ever
    with notifications(server.address):
        say("one")
        server.wait_for(1)
        say(*map(str, range(2_000)))  # returns although nobody takes them
    # the first is on its way, a thousand wait, the rest found no room
    assert (
        caplog.records[-1].getMessage()
        == "notifications to JSON (address 1): 0 notices delivered, 2001 lost or given up"
    )
    assert len(server.asked) == 1


def test_a_flood_is_bounded_and_what_was_lost_is_counted(server: Web) -> None:
    server.held.clear()
    with notifications(server.address, notify_per_hour=3_600) as running:
        say("first")
        server.wait_for(1)
        say(*map(str, range(3 * courier.MOST_WAITING)))
        assert running._couriers[0].lost == 2 * courier.MOST_WAITING
        server.held.set()
        until(lambda: running._couriers[0].delivered == 1 + courier.MOST_WAITING)


def test_a_kind_beyond_its_hourly_limit_is_counted_at_the_end(server: Web) -> None:
    with notifications(server.address, notify_per_hour=2):
        say("one", "two", "three", "four")
        server.wait_for(1)
    assert lines(server)[-1] == "not told one by one: 2 fills"
    assert "09:35:05 three" not in lines(server)


def test_nothing_of_an_address_is_logged(server: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.status = 404
    with notifications(f"127.0.0.1:{free_port()}", server.address) as running:
        say("one")
        until(lambda: all(each._failures >= 2 for each in running._couriers))
    mine = [record for record in caplog.records if not record.name.startswith("urllib3")]  # silent from INFO on
    assert mine
    assert not [record for record in mine if SECRET in record.getMessage()]
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG and SECRET in record.getMessage()]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nosuch://token-0123456789", "nosuch://"),
        ("tgram://token-0123456789", "tgram://"),
        ("token-0123456789", "no ://"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_being_shown(url: str, why: str) -> None:
    settings = NotificationSettings(notify_urls=SecretStr(url))
    with pytest.raises(Misconfigured, match=why) as told, Notifications(settings, who="", zone=NEW_YORK, blank=str):
        raise AssertionError("it was taken")
    assert "token" not in str(told.value)


def test_without_addresses_there_is_no_thread_and_a_simulated_run_is_silent(server: Web) -> None:
    before = threading.active_count()
    url = SecretStr(f"json://{server.address}")
    for settings, mode in ((NotificationSettings(), "live"), (NotificationSettings(notify_urls=url), "simulated")):
        with Notifications.of(settings, bot="Day trader", mode=mode, zone=NEW_YORK, blank=str):
            say("nobody hears this")
            assert threading.active_count() == before
    chosen = NotificationSettings(notify_urls=url, notify_simulated="yes")
    with Notifications.of(chosen, bot="Day trader", mode="simulated", zone=NEW_YORK, blank=str):
        say("heard")
    assert server.asked[-1].json()["title"] == "Day trader (simulated): fill"
