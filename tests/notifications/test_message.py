"""Notices joined to a message, the hourly limit of a kind, and what of an address is secret."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from market_hours import NEW_YORK
from notifications.message import HOUR_S, Throttle, Weight, joined
from notifications.notices import Kind, Notice
from notifications.settings import NotificationSettings, split_urls, url_secrets
from utils import Misconfigured, Redaction, load_settings, read_environment

AT = datetime(2025, 10, 7, 13, 35, 5, tzinfo=UTC)  # 09:35:05 in New York


def notice(kind: Kind, words: str, after_s: int = 0) -> Notice:
    return Notice(kind=kind, words=words, at=AT + timedelta(seconds=after_s))


def told(*notices: Notice, untold: Counter[Kind] | None = None, longest: int = 4_000) -> tuple[str, str, Weight]:
    message = joined("Day trader (paper)", notices, untold or Counter(), NEW_YORK, longest)
    return message.title, message.body, message.weight


def test_a_single_notice_is_its_line_at_its_time_in_new_york() -> None:
    title, body, weight = told(notice(Kind.FILL, "bought 100 AAPL at 216.55, entry"))
    assert title == "Day trader (paper): fill"
    assert body == "09:35:05 bought 100 AAPL at 216.55, entry"
    assert weight is Weight.INFO


def test_a_burst_is_one_message_in_its_order_with_the_weight_of_its_worst() -> None:
    notices = [notice(Kind.FILL, "one"), notice(Kind.KILL_SWITCH, "thrown", 1), notice(Kind.FILL, "two", 2)]
    title, body, weight = told(*notices)
    assert title == "Day trader (paper): 2 fills, kill switch"
    assert body.splitlines() == ["09:35:05 one", "09:35:06 thrown", "09:35:07 two"]
    assert weight is Weight.FAILURE


def test_what_was_not_told_is_counted() -> None:
    _, body, _ = told(notice(Kind.FILL, "one"), untold=Counter({Kind.FILL: 14, Kind.STOP_HIT: 1}))
    assert body.splitlines()[-1] == "not told one by one: 14 fills, stop hit"


def test_a_message_that_is_too_long_keeps_the_newest_lines_and_says_so() -> None:
    notices = [notice(Kind.FILL, f"number {number}", number) for number in range(100)]
    _, body, _ = told(*notices, longest=200)
    lines = body.splitlines()
    assert len(body) <= 200
    assert lines[-1].endswith("number 99")
    missing = 100 - (len(lines) - 1)
    assert lines[0] == f"({missing} earlier ones)"


def test_a_single_line_that_is_too_long_is_cut() -> None:
    _, body, _ = told(notice(Kind.DAY_SUMMARY, "x" * 1_000), longest=250)
    assert 200 < len(body) <= 250


def test_a_kind_is_told_so_often_in_an_hour_and_others_are_not_touched_by_that() -> None:
    throttle = Throttle(per_hour=2)
    fills = [notice(Kind.FILL, str(number)) for number in range(5)]
    assert [each.words for each in throttle.admitted([*fills, notice(Kind.FAULT, "f")], 0.0)] == ["0", "1", "f"]
    assert throttle.untold == {Kind.FILL: 3}
    assert throttle.admitted(fills[:1], HOUR_S - 1) == []
    assert throttle.admitted(fills[:3], HOUR_S) == fills[:2]


def test_addresses_are_divided_by_commas_and_blanks_but_not_by_a_comma_inside() -> None:
    text = "tgram://123:abc/1,  mailto://me:secret@example.com?to=a@b.c,d@e.f json://127.0.0.1:8080/x"
    urls = ("tgram://123:abc/1", "mailto://me:secret@example.com?to=a@b.c,d@e.f", "json://127.0.0.1:8080/x")
    assert split_urls(text) == urls
    assert NotificationSettings(notify_urls=SecretStr(text)).urls == urls


def test_every_part_of_an_address_but_names_of_hosts_is_secret() -> None:
    blank = Redaction(
        url_secrets(
            {
                "NOTIFY_URLS": "tgram://123456789:AAFabcdefgh/-10012345678 mailto://somebody:pass%20word1@mail.example.com"
                " discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js json://localhost:8080/very-secret-path",
                "HEARTBEAT_URL": "https://hc-ping.com/0d338dcc-a054-11ec-b909-0242ac120002",
            }
        )
    )
    secrets = ["123456789:AAFabcdefgh", "-10012345678", "somebody", "pass word1", "pass%20word1", "4174216298"]
    secrets += ["JHMHI8qBe7bk2ZwO5U711o3dV_js", "very-secret-path", "0d338dcc-a054-11ec-b909-0242ac120002"]
    for secret in secrets:
        assert blank(f"an error about {secret} at it") == "an error about *** at it"
    for harmless in ("mail.example.com", "localhost:8080", "hc-ping.com", "127.0.0.1"):
        assert blank(harmless) == harmless


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "ftp://example.com", "example.com", "https://", "http://127.0.0.1.evil.example"]
)
def test_a_dead_man_switch_on_another_machine_needs_https(url: str) -> None:
    with pytest.raises(Misconfigured, match="HEARTBEAT_URL") as told:
        load_settings(NotificationSettings, read_environment(process={"HEARTBEAT_URL": url}))
    assert url not in str(told.value).replace("https://", "")


def test_an_event_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(Misconfigured, match=r"NOTIFY_EVENTS=fil .*'fill'.*'weekly_report'"):
        load_settings(NotificationSettings, read_environment(process={"NOTIFY_EVENTS": "fil"}))
