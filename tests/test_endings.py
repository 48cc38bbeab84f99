"""What a program that ends waits for: all side by side, within one limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

import endings
from day_trading import telegram
from day_trading.telegram_settings import TelegramSettings
from endings import LIMIT_S, ending_together, wait_at_end
from market_hours import NEW_YORK
from notifications.heartbeat import Heartbeat
from notifications.notices import Kind, Notice, notify
from notifications.run import Notifications
from notifications.settings import NotificationSettings
from telemetry import tracing
from telemetry.run import Telemetry
from telemetry.settings import TelemetrySettings
from tests.notifications.web import Web, web
from tests.test_telegram import TOKEN, Desk
from utils import read_environment

AT = datetime(2025, 10, 7, 13, 35, 5, tzinfo=UTC)


class Seconds:
    """A clock that goes on by what somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waited_s: list[float] = []

    def hang(self, limit_s: float) -> None:
        self.now_s += limit_s
        self.waited_s.append(limit_s)

    def be_quick(self, limit_s: float) -> None:
        self.now_s += 0.5
        self.waited_s.append(limit_s)


def test_what_hangs_costs_the_limit_once() -> None:
    seconds = Seconds()
    with ending_together(lambda: seconds.now_s):
        for wait in (seconds.be_quick, seconds.hang, seconds.hang):
            wait_at_end(wait)
        assert seconds.waited_s == []
    assert seconds.waited_s == [LIMIT_S, LIMIT_S - 0.5, 0.0]
    assert seconds.now_s == LIMIT_S


def test_an_error_that_ends_the_program_is_waited_for_as_well() -> None:
    seconds = Seconds()
    with pytest.raises(ZeroDivisionError), ending_together(lambda: seconds.now_s):
        wait_at_end(seconds.hang)
        raise ZeroDivisionError
    assert seconds.waited_s == [LIMIT_S]


def test_where_nothing_ends_together_the_wait_is_at_once() -> None:
    seconds = Seconds()
    wait_at_end(seconds.hang)
    assert seconds.waited_s == [LIMIT_S]


@contextmanager
def told_by_everything(server: Web, folder: Path) -> Iterator[None]:
    """A program that has something to say to a collector, to its user and to a dead-man switch, and obeys Telegram."""
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{server.address}/otlp"}
    collector["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
    environment = read_environment(folder / ".env", process=collector)
    telling = NotificationSettings(notify_urls=SecretStr(f"json://{server.address}/notify"), notify_pause_s=0)
    chats = TelegramSettings(
        telegram_token=SecretStr(TOKEN), telegram_chats=(1,), telegram_api_url=f"http://{server.address}"
    )
    with (
        Telemetry(TelemetrySettings(), environment, bot="day_trader", mode="paper"),
        Notifications(telling, who="Day trader", zone=NEW_YORK, blank=str),
        Heartbeat(f"http://{server.address}/alive", 60.0),
        telegram.running_bot(telegram.TelegramBot(chats, Desk(), Desk(), lambda: AT)),
    ):
        with tracing.span("decision"):
            notify(Notice(kind=Kind.FAULT, words="something", at=AT))
        yield


def test_everything_that_hangs_at_once_is_put_off_to_one_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_off: list[Callable[[float], None]] = []
    monkeypatch.setattr(telegram, "END_LIMIT_S", 20.0)  # it never takes it: its questions are given up at once
    monkeypatch.setattr(endings, "LIMIT_S", 0.05)
    with web() as server, ExitStack() as program:
        server.held.clear()
        program.enter_context(ending_together())
        with told_by_everything(server, tmp_path):
            server.wait_for(4)
        names = {thread.name for thread in threading.enumerate()}
        assert "Telegram bot" not in names
        assert {"telemetry", "notifications to JSON (address 1)", "dead-man pings"} <= names
        put_off += endings._put_off or []
    assert len(put_off) == 3
