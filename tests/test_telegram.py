"""The Telegram bot against a server that speaks its Bot API: who is answered, what is confirmed, what is on record."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from day_trading.telegram import TelegramBot, running_bot
from day_trading.telegram_settings import TelegramSettings
from tests.notifications.web import until
from tests.terminal import ended, start
from tests.test_day_trader_runs import SIMULATE, rows, wait_for
from tests.test_terminal import view
from trading.commands import Command, CommandKind, Outcome
from trading.live_view import SessionView
from utils import Misconfigured, load_settings, read_environment

TOKEN = "123456789:AAFabcdefghijklmnopqrstuvwxyz012345"
CHAT, STRANGER = 4711, 666
SMALL = {"WATCHLIST_UNIVERSE": "AAPL,MSFT", "WATCHLIST_SIZE": "2"}


class Telegram:
    """The Bot API: messages that users sent, answers that the bot gave."""

    def __init__(self) -> None:
        self.address = ""
        self.status = 200
        self.answers: list[tuple[int, str]] = []  # (chat, text)
        self._updates: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._ends = False

    def says(self, text: str, chat: int = CHAT, at: float | None = None) -> None:
        """A user sends a message."""
        with self._news:
            number = len(self._updates) + 1
            message = {"chat": {"id": chat}, "from": {"id": 99}, "date": at or time.time(), "text": text}
            self._updates.append({"update_id": number, "message": message})
            self._news.notify_all()

    def answer(self, count: int) -> str:
        """The last of at least `count` answers."""
        until(lambda: len(self.answers) >= count)
        return self.answers[count - 1][1]

    def handle(self, path: str, asked: dict[str, Any]) -> Any:
        if path == f"/bot{TOKEN}/getUpdates":
            with self._news:
                self._news.wait_for(lambda: self._ends or len(self._updates) >= max(asked["offset"], 1), 0.2)
                return self._updates[max(asked["offset"] - 1, 0) :]
        assert path == f"/bot{TOKEN}/sendMessage"
        self.answers.append((asked["chat_id"], asked["text"]))
        return {}


@pytest.fixture
def telegram() -> Iterator[Telegram]:
    api = Telegram()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"ok": True, "result": api.handle(self.path, asked)}).encode()
            self.send_response(api.status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the bot hangs up when it ends
    api.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield api
    server.shutdown()
    server.server_close()
    thread.join()


class Desk:
    """A session that is looked at and commanded."""

    kinds = tuple(CommandKind)

    def __init__(self) -> None:
        self.view: SessionView | None = None
        self.commands: list[Command] = []

    def bars(self, symbol: str) -> tuple[Any, ...]:
        return ()

    def watching(self) -> nullcontext[None]:
        return nullcontext()

    def says(self, kind: CommandKind, symbol: str, detail: str) -> str:
        if kind is CommandKind.CLOSE and symbol != "AAPL":
            raise ValueError(f"the bot owns no {symbol}")
        return f"does {kind} {symbol}".strip()

    def submit(self, command: Command) -> Future[Outcome]:
        self.commands.append(command)
        future: Future[Outcome] = Future()
        future.set_result(Outcome(done=command.kind is not CommandKind.KILL, words=f"{command.kind} it is"))
        return future


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@contextmanager
def bot(telegram: Telegram, desk: Desk, now: Callable[[], datetime]) -> Iterator[TelegramBot]:
    settings = TelegramSettings(
        telegram_token=SecretStr(TOKEN), telegram_chats=(CHAT,), telegram_api_url=telegram.address
    )
    talking = TelegramBot(settings, desk, desk, now)
    with running_bot(talking):
        yield talking


def code_in(text: str) -> str:
    found = re.search(r"/yes (\d{4})", text)
    assert found, text
    return found[1]


def test_it_answers_how_the_session_is_and_what_is_owned(telegram: Telegram) -> None:
    desk = Desk()
    with bot(telegram, desk, Clock()):
        telegram.says("/status")
        assert telegram.answer(1) == "no session is running"
        desk.view = view(2, phase="over")
        telegram.says("/status@my_bot")
        assert "day +123.45 USD (+100.00 realised, +23.45 open)" in telegram.answer(2)
        telegram.says("/positions")
        told = "100 P0 +50.00 USD, 1.29 % to the stop, 0.90 % to the target, at the broker: stop"
        assert telegram.answer(3).splitlines()[0] == told
        telegram.says("hello")
        assert telegram.answer(4).startswith("/status how the session is")


def test_a_command_is_performed_when_it_is_confirmed_and_only_once(telegram: Telegram) -> None:
    desk = Desk()
    with bot(telegram, desk, Clock()):
        telegram.says("/close aapl")
        asked = telegram.answer(1)
        assert asked.startswith("does close AAPL\n")
        telegram.says(f"/yes {code_in(asked)}")
        assert telegram.answer(2) == "close it is"
        telegram.says(f"/yes {code_in(asked)}")
        assert telegram.answer(3) == "there is nothing to confirm with that: ask again"
    (command,) = desk.commands
    assert (command.kind, command.symbol, command.who) == (CommandKind.CLOSE, "AAPL", "telegram 99 in chat 4711")


def test_a_refusal_is_told(telegram: Telegram) -> None:
    with bot(telegram, desk := Desk(), Clock()):
        telegram.says("/close TSLA")
        assert telegram.answer(1) == "the bot owns no TSLA"
        telegram.says("/kill")
        telegram.says(f"/yes {code_in(telegram.answer(2))}")
        assert telegram.answer(3) == "refused: kill it is"
    assert len(desk.commands) == 1


def test_a_wrong_or_late_code_commands_nothing(telegram: Telegram) -> None:
    clock = Clock()
    with bot(telegram, desk := Desk(), clock):
        telegram.says("/flatten")
        right = code_in(telegram.answer(1))
        telegram.says(f"/yes {(int(right) + 1) % 10_000:04}")
        assert telegram.answer(2).startswith("there is nothing to confirm")
        telegram.says(f"/yes {right}")  # a wrong guess ends it
        assert telegram.answer(3).startswith("there is nothing to confirm")
        telegram.says("/flatten")
        right = code_in(telegram.answer(4))
        clock.ahead = timedelta(seconds=61)
        telegram.says(f"/yes {right}")
        assert telegram.answer(5).startswith("there is nothing to confirm")
    assert desk.commands == []


def test_strangers_get_no_answer_and_old_messages_are_not_obeyed(
    telegram: Telegram, caplog: pytest.LogCaptureFixture
) -> None:
    with bot(telegram, desk := Desk(), Clock()) as talking:
        telegram.says("/flatten", chat=STRANGER)
        telegram.says("/flatten", chat=STRANGER)
        telegram.says("/flatten", at=time.time() - 600)
        assert telegram.answer(1) == "too old, not obeyed: say it again"
        assert talking.strangers == 2
    assert {chat for chat, _ in telegram.answers} == {CHAT}
    assert desk.commands == []
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "Telegram: a message from chat 666, which TELEGRAM_CHATS does not name, is ignored"


def test_an_outage_is_told_once_without_the_token_and_the_bot_comes_back(
    telegram: Telegram, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("day_trading.telegram.LONGEST_BACK_OFF_S", 0.02)
    telegram.status = 502
    with bot(telegram, Desk(), Clock()) as talking:
        until(lambda: talking.failures >= 3)
        telegram.status = 200
        telegram.says("/status")
        until(lambda: talking.failures == 0)
        assert telegram.answer(1) == "no session is running"
    first, last = [record.getMessage() for record in caplog.records]
    assert first == (
        "Telegram cannot be reached (getUpdates was answered with HTTP status 502); it is asked again, trading goes on"
    )
    assert last.startswith("Telegram answers again after ")
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"TELEGRAM_TOKEN": TOKEN}, "TELEGRAM_CHATS is not"),
        ({"TELEGRAM_API_URL": "http://example.com"}, "TELEGRAM_API_URL"),
        ({"TELEGRAM_TOKEN": TOKEN, "TELEGRAM_CHATS": "me"}, "TELEGRAM_CHATS"),
    ],
)
def test_settings_that_make_no_sense_are_refused(variables: dict[str, str], words: str) -> None:
    with pytest.raises(Misconfigured, match=words) as refused:
        load_settings(TelegramSettings, read_environment(process=variables))
    assert TOKEN not in str(refused.value)


def test_a_running_day_is_paused_from_a_chat_and_that_is_on_record(tmp_path: Path, telegram: Telegram) -> None:
    database = tmp_path / "simulated_history.db"
    here = {"TELEGRAM_TOKEN": TOKEN, "TELEGRAM_CHATS": str(CHAT), "TELEGRAM_API_URL": telegram.address}
    process = start(tmp_path, *SIMULATE, "2025-10-07", "--speed", "300", "--no-dashboard", settings=SMALL | here)
    wait_for("decisions", process, database, "SELECT 1 FROM decisions")
    telegram.says("/pause")
    telegram.says(f"/yes {code_in(telegram.answer(1))}")
    assert telegram.answer(2) == "no more entries until they are resumed; exits go on"
    telegram.says("/status")
    assert "telegram 99 in chat 4711 paused entries" in telegram.answer(3)
    process.send_signal(signal.SIGTERM)
    done = ended(process)
    assert (done.returncode, done.stderr) == (0, "")
    recorded = rows(database, "SELECT kind, who, state FROM control_actions")
    assert recorded == [("pause", "telegram 99 in chat 4711", "done")]
    assert TOKEN not in done.stdout + (tmp_path / "logs" / "day_trader.log").read_text()


def test_a_name_server_that_hangs_does_not_keep_a_program_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, release = threading.Event(), threading.Event()
    kept: list[bool] = []

    def hang(*_: Any, **__: Any) -> list[Any]:
        kept.append(not threading.current_thread().daemon)
        asked.set()
        release.wait(20)
        raise OSError("no such name")

    monkeypatch.setattr("socket.getaddrinfo", hang)
    settings = TelegramSettings(telegram_token=SecretStr(TOKEN), telegram_chats=(CHAT,))
    with running_bot(TelegramBot(settings, Desk(), Desk(), Clock())):
        assert asked.wait(20)
    assert "Telegram bot" not in {thread.name for thread in threading.enumerate()}
    assert kept == [False]
    release.set()
