"""Pings to an outside dead-man switch (healthchecks.io and its like): who hears none for a while raises the alarm."""

from __future__ import annotations

import logging
import threading
import time
import urllib.request
from http.client import HTTPException
from queue import Empty, SimpleQueue
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from endings import wait_at_end
from notifications.settings import NotificationSettings

log = logging.getLogger(__name__)

PING_LIMIT_S = 10.0  # of wall time for one ping
TELL_AGAIN_S = 3_600.0  # a switch that stays away is named this often
START, FAIL, LIFE = "/start", "/fail", ""  # behind the address, https://healthchecks.io/docs/http_api/


class Heartbeat:
    """Turns signs of life into GET requests: `/start` at the beginning, the address itself while the program lives.

    The trading loop says `alive`, a thread of its own sends at most every `every_s` seconds, and neither waits for
    the other: a loop that hangs says nothing, and nothing is sent. When the program knows why it stands still, or an
    error ends the block, `/fail` is sent at once.
    """

    def __init__(self, url: str, every_s: float) -> None:
        """`url` empty: nothing is ever sent."""
        self.pings = 0  # that arrived
        self.failures = 0
        self.limit_s = every_s
        self._url = url
        self._lives = threading.Event()  # since the last ping
        self._owed: SimpleQueue[str] = SimpleQueue()  # pings that cannot wait
        self._ends = False
        self._told_s = -TELL_AGAIN_S
        self._thread = threading.Thread(target=self._run, name="dead-man pings", daemon=True)

    @classmethod
    def of(cls, settings: NotificationSettings) -> Heartbeat:
        """As the settings say."""
        url = settings.heartbeat_url.get_secret_value() if settings.heartbeat_url is not None else ""
        return cls(url, settings.heartbeat_every_s)

    @property
    def is_there(self) -> bool:
        """Whether anybody listens."""
        return bool(self._url)

    def __enter__(self) -> Self:
        if self.is_there:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """The last ping tells how it ended. What it may cost: see `endings`."""
        if not self.is_there:
            return
        self._ends = True
        self._owed.put(LIFE if error is None or isinstance(error, KeyboardInterrupt) else FAIL)
        wait_at_end(self._thread.join)

    # What the watchdog of the trading loop says (`health.watchdog`).

    def ready(self) -> None:
        """The session has begun; the switch heard of the program already."""

    def alive(self) -> None:
        """The program makes progress."""
        self._lives.set()

    def status(self, words: str) -> None:
        """Nothing: the switch only wants to know whether it lives."""

    def withheld(self, reason: str) -> None:
        """The program stands still and knows it. A sign of life that was not sent yet is void."""
        self._lives.clear()
        self._owed.put(FAIL)

    def stopping(self) -> None:
        """The session is over; the program still has to end well."""

    # From here on: the thread of the pings.

    def _run(self) -> None:
        self._ping(START)
        while not self._ends or not self._owed.empty():
            try:
                self._ping(self._owed.get(timeout=self.limit_s))
            except Empty:
                if self._lives.is_set():
                    self._lives.clear()
                    self._ping(LIFE)

    def _ping(self, what: str) -> None:
        parts = urlsplit(self._url)
        url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + what))
        try:
            with urllib.request.urlopen(url, timeout=PING_LIMIT_S) as reply:
                reply.read(1)
        except (OSError, HTTPException) as error:  # of an HTTP status, too
            self.failures += 1
            if time.monotonic() - self._told_s >= TELL_AGAIN_S:
                self._told_s = time.monotonic()
                words = "the dead-man switch takes no ping, %d by now: %s; trading goes on"
                log.warning(words, self.failures, error)
            return
        self.pings += 1
