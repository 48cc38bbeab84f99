"""A Telegram bot beside the session: allow-listed chats ask how it is and command it, each command confirmed.

It asks Telegram for messages (long polling: nothing listens on this machine), in a thread of its own on wall time.
https://core.telegram.org/bots/api
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from secrets import choice, randbelow
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from aiohttp import ClientError, ClientSession, ClientTimeout

from dashboard.program import Control, Live
from day_trading.board import Board
from day_trading.operator_control import OperatorControl
from day_trading.telegram_settings import TelegramSettings
from day_trading.telegram_words import HELP, positions_told, status_told
from market_hours import LiveClock
from observability import TradingHistory
from trading.commands import Command, CommandKind, Outcome
from trading.live_view import SessionView

log = logging.getLogger(__name__)

POLL_S = 25  # how long Telegram holds a question for messages
ANSWER_LIMIT_S = 15.0  # of one call besides
LONGEST_BACK_OFF_S = 60.0
END_LIMIT_S = 1.5
OLDEST_S = 120.0  # messages of before that, such as from while the program was down, are not obeyed
CONFIRM_WITHIN_S = 60.0
FRESH_WITHIN_S = 6.0  # a view of the next instant of the session, which comes every 5 s
OUTCOME_LIMIT_S = 30.0
T = TypeVar("T")
KINDS = {
    "/pause": CommandKind.PAUSE,
    "/resume": CommandKind.RESUME,
    "/close": CommandKind.CLOSE,
    "/flatten": CommandKind.FLATTEN,
    "/kill": CommandKind.KILL,
}


class Wish(NamedTuple):
    """A command that waits for `/yes CODE`, until when."""

    kind: CommandKind
    symbol: str
    code: str
    until: datetime


class TelegramBot:
    """Answers the chats of `settings`, no others. `control` may command what the dashboard may."""

    def __init__(self, settings: TelegramSettings, live: Live, control: Control, now: Callable[[], datetime]) -> None:
        assert settings.telegram_token is not None
        self.failures = 0  # in a row
        self.strangers = 0  # messages from chats that are not on the list
        self._base = f"{settings.telegram_api_url}/bot{settings.telegram_token.get_secret_value()}"
        self._chats = frozenset(settings.telegram_chats)
        self._live = live
        self._control = control
        self._now = now
        self._offset = 0
        self._wishes: dict[int, Wish] = {}  # chat -> what it is about to command

    async def run(self) -> None:
        """Until cancelled. Failures are logged when they begin and when they are over; trading is not affected."""
        async with ClientSession(timeout=ClientTimeout(total=POLL_S + ANSWER_LIMIT_S)) as web:
            while True:
                try:
                    asked = {"offset": self._offset, "timeout": POLL_S, "allowed_updates": ["message"]}
                    for update in await self._call(web, "getUpdates", **asked):
                        self._offset = update["update_id"] + 1
                        await self._hear(web, update.get("message") or {})
                except (ClientError, TimeoutError, OSError, LookupError, TypeError, ValueError) as error:
                    await self._fail(error)
                else:
                    if self.failures:
                        log.warning("Telegram answers again after %d failures", self.failures)
                    self.failures = 0

    async def _call(self, web: ClientSession, method: str, **arguments: Any) -> Any:
        """The result of a method. Raises ValueError when Telegram says no, without the address, which has the token."""
        async with web.post(f"{self._base}/{method}", json=arguments) as reply:
            if reply.status != 200:
                raise ValueError(f"{method} was answered with HTTP status {reply.status}")
            return (await reply.json())["result"]

    async def _fail(self, error: Exception) -> None:
        self.failures += 1
        if self.failures == 1:
            words = error if isinstance(error, ValueError) else type(error).__name__
            log.warning("Telegram cannot be reached (%s); it is asked again, trading goes on", words)
        await asyncio.sleep(min(2.0 ** min(self.failures - 1, 6), LONGEST_BACK_OFF_S))

    async def _hear(self, web: ClientSession, message: dict[str, Any]) -> None:
        chat, text = int(message.get("chat", {}).get("id", 0)), str(message.get("text", "")).strip()
        if chat not in self._chats:
            self.strangers += 1
            if self.strangers == 1:
                log.warning("Telegram: a message from chat %d, which TELEGRAM_CHATS does not name, is ignored", chat)
            return
        age_s = self._now().timestamp() - float(message.get("date", 0))
        who = f"telegram {message.get('from', {}).get('id', chat)} in chat {chat}"
        answer = "too old, not obeyed: say it again" if age_s > OLDEST_S else await self._answer(chat, who, text)
        await self._call(web, "sendMessage", chat_id=chat, text=answer)

    async def _answer(self, chat: int, who: str, text: str) -> str:
        word, _, rest = text.partition(" ")
        word = word.partition("@")[0].lower()  # /status@name_of_the_bot in groups
        if word in ("/status", "/positions"):
            view = await self._fresh_view()
            tell = status_told if word == "/status" else positions_told
            return tell(view) if view is not None else "no session is running"
        if word in KINDS:
            return self._wish(chat, KINDS[word], rest.strip().upper())
        if word == "/yes":
            return await self._obey(chat, who, rest.strip())
        return HELP

    async def _fresh_view(self) -> SessionView | None:
        """The view of the session's next instant, or the latest one where none comes."""
        before = self._live.view
        with self._live.watching():
            for _ in range(int(FRESH_WITHIN_S / 0.1)):
                if self._live.view is not before or before is None or before.phase == "over":
                    break
                await asyncio.sleep(0.1)
        return self._live.view

    def _wish(self, chat: int, kind: CommandKind, symbol: str) -> str:
        """The first step: what it would do, and how to confirm it."""
        try:
            says = self._control.says(kind, symbol, "")
        except ValueError as error:
            return str(error)
        code = f"{choice('123456789')}{randbelow(1_000):03}"
        until = datetime.fromtimestamp(self._now().timestamp() + CONFIRM_WITHIN_S, self._now().tzinfo)
        self._wishes[chat] = Wish(kind, symbol, code, until)
        return f"{says}\nTo do it send /yes {code} within {CONFIRM_WITHIN_S:.0f} seconds."

    async def _obey(self, chat: int, who: str, code: str) -> str:
        """The second step. A confirmation counts once, for the chat and the command that it was made for."""
        wish = self._wishes.pop(chat, None)
        if wish is None or wish.code != code or self._now() > wish.until:
            return "there is nothing to confirm with that: ask again"
        command = Command(command_id=str(uuid4()), kind=wish.kind, who=who, asked_at=self._now(), symbol=wish.symbol)
        outcome: Future[Outcome] = self._control.submit(command)
        try:
            result = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(outcome)), OUTCOME_LIMIT_S)
        except TimeoutError:
            return "it is on record and handed on, but was not performed yet: ask /status"
        return result.words if result.done else f"refused: {result.words}"


@contextmanager
def telegram_beside(settings: TelegramSettings | None, board: Board | None, history: TradingHistory) -> Iterator[None]:
    """Answer while the block runs, where there are settings of a bot."""
    if settings is None or board is None:
        yield
        return
    now = LiveClock().now
    control = OperatorControl(board, history, now)
    try:
        with running_bot(TelegramBot(settings, board, control, now)):
            yield
    finally:
        control.close()


class DaemonThreads(ThreadPoolExecutor):
    """Each job in a daemon thread of its own: Python waits for others, and a name server may take its time."""

    def submit(self, job: Callable[..., T], /, *args: Any, **named: Any) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = job(*args, **named)
            except Exception as error:  # noqa: BLE001 (handed on to whoever awaits the future)
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=run, name="Telegram bot, names", daemon=True).start()
        return future


@contextmanager
def running_bot(bot: TelegramBot) -> Iterator[None]:
    """The bot in a thread and a loop of its own. Leaving takes 2 s at most."""
    loop = asyncio.new_event_loop()  # never the current one: the client library of the broker has that
    loop.set_default_executor(DaemonThreads())
    running = loop.create_task(bot.run())
    thread = threading.Thread(target=_turn, args=(loop, running), name="Telegram bot", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(running.cancel)
        thread.join(END_LIMIT_S)


def _turn(loop: asyncio.AbstractEventLoop, running: asyncio.Task[None]) -> None:
    try:
        loop.run_until_complete(running)
    except asyncio.CancelledError:
        pass
    except Exception:  # the thread's border: the bot is silent from now on, trading goes on
        log.exception("the Telegram bot ended by itself; trading goes on")
    finally:
        loop.close()
