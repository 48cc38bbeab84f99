"""The event stream: each new view and each command's state, to everybody who listens, encoded once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from itertools import count

from dashboard.answers import CommandState, Server
from dashboard.encoding import to_json
from dashboard.program import Live
from trading.live_view import SessionView

LOOK_EVERY_S = 0.2  # for a new view, while somebody listens
LEASE_S = 15.0  # who asks for the state now is taken to ask again within this time
ALIVE_EVERY_S = 10.0
MOST_LISTENERS = 64
MOST_COMMANDS = 50  # states of commands that wait for one listener
ALIVE = b": alive\n\n"


class Listener:
    """What waits for one open page. Of views only the latest: who is slow misses some, and never lags behind."""

    def __init__(self) -> None:
        self.view: bytes = b""
        self.others: deque[bytes] = deque(maxlen=MOST_COMMANDS)
        self.news = asyncio.Event()

    def take(self) -> bytes:
        """All that waits."""
        found, self.view = b"".join([*self.others, self.view]), b""
        self.others.clear()
        self.news.clear()
        return found


class Stream:
    """Looks for new views while somebody listens, and sleeps otherwise. For the server's loop."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._listeners: dict[Listener, None] = {}
        self._numbers = count(1)
        self._leased_until_s = 0.0
        self._wanted = asyncio.Event()
        self._shown: SessionView | None = None
        self._latest: bytes = b""  # the event of the latest view
        self._is_over = False

    @property
    def is_full(self) -> bool:
        """Whether nobody else may listen."""
        return len(self._listeners) >= MOST_LISTENERS

    def look(self) -> None:
        """Somebody asks for the state now and then, instead of listening."""
        self._leased_until_s = asyncio.get_running_loop().time() + LEASE_S
        self._wanted.set()

    def told(self, state: CommandState) -> None:
        """A command was handed in or answered."""
        self._send(self._event("command", state))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            with self._live.watching():
                while self._is_wanted():
                    self._show_new_view()
                    await asyncio.sleep(LOOK_EVERY_S)
            self._wanted.clear()

    async def listen(self, server: Server) -> AsyncGenerator[bytes, None]:
        """Everything for one page, until it or the server goes."""
        with self._listening() as listener:
            listener.others.append(self._event("server", server))
            self._show_new_view()
            listener.view = self._latest
            listener.news.set()
            while not self._is_over:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ALIVE_EVERY_S):
                        await listener.news.wait()
                yield listener.take() or ALIVE

    def end(self) -> None:
        """No more events."""
        self._is_over = True
        for listener in self._listeners:
            listener.news.set()

    @contextmanager
    def _listening(self) -> Iterator[Listener]:
        listener = Listener()
        self._listeners[listener] = None
        self._wanted.set()
        try:
            yield listener
        finally:
            del self._listeners[listener]

    def _is_wanted(self) -> bool:
        return bool(self._listeners) or asyncio.get_running_loop().time() < self._leased_until_s

    def _show_new_view(self) -> None:
        view = self._live.view
        if view is None or view is self._shown:
            return
        self._shown, self._latest = view, self._event("view", view)
        for listener in self._listeners:
            listener.view = self._latest
            listener.news.set()

    def _send(self, event: bytes) -> None:
        for listener in self._listeners:
            listener.others.append(event)
            listener.news.set()

    def _event(self, name: str, value: object) -> bytes:
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (next(self._numbers), name.encode(), to_json(value))
