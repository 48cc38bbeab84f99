"""Signs of life to those outside who wait for them, and the service manager as the first of them.

It is told ready, alive, stopping in the datagrams of systemd's `sd_notify`
(https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html); with no NOTIFY_SOCKET, and on systems
without Unix sockets, nothing is said.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

log = logging.getLogger(__name__)

BEATS_PER_LIMIT = 3  # two may be late or lost
STATUS_EVERY_S = 10.0  # without a watchdog
T = TypeVar("T")


class Watcher(Protocol):
    """Who waits for signs of life: a service manager, a dead-man switch. No call may wait."""

    limit_s: float  # said more seldom than this, `alive` counts as death; 0: no such limit

    @property
    def is_there(self) -> bool:
        """Whether anybody listens."""

    def ready(self) -> None:
        """The program has started."""

    def alive(self) -> None:
        """The program makes progress."""

    def withheld(self, reason: str) -> None:
        """The program stands still: no sign of life from now on."""

    def status(self, words: str) -> None:
        """How it is going, in one line."""

    def stopping(self) -> None:
        """The program is about to end."""


class ServiceManager:
    """Tells systemd how the program is. A message that cannot be sent is logged once and changes nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the process's environment."""
        address = environment.get("NOTIFY_SOCKET", "")
        if address.startswith("@"):
            address = f"\0{address[1:]}"  # an abstract name
        elif not address.startswith("/"):
            address = ""  # none, or a kind of socket that is not known here (vsock)
        self._address = address if hasattr(socket, "AF_UNIX") else ""
        self._complained = False
        usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        is_ours = pid in ("", str(os.getpid()))
        self.limit_s = int(usec) / 1e6 if usec.isdecimal() and is_ours and self.is_there else 0.0  # 0: no watchdog

    @property
    def is_there(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def ready(self) -> None:
        """The program has started."""
        self._send("READY=1")

    def status(self, words: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={' '.join(words.split())}")

    def alive(self) -> None:
        """The program makes progress; said more seldom than `limit_s`, it is killed and started again."""
        self._send("WATCHDOG=1")

    def withheld(self, reason: str) -> None:
        """Nothing but what `status` says: silence is what it acts upon."""

    def stopping(self) -> None:
        """The program is about to end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._complained:
                self._complained = True
                log.warning("the service manager cannot be told %r: %s", message, error)


async def under_watch(
    watchers: Sequence[Watcher],
    run: Coroutine[Any, Any, T],
    status: Callable[[], str],
    stalled: Callable[[], str],
) -> T:
    """The result of `run`, with the watchers told of its beginning, its life and its end.

    The sign of life comes from the event loop, and only while `stalled` returns no reason: a loop that hangs sends
    none, nor one that turns while the program stands still.
    """
    listening = [watcher for watcher in watchers if watcher.is_there]
    if not listening:
        return await run
    for watcher in listening:
        watcher.ready()
    beating = asyncio.create_task(_beat(listening, status, stalled), name="watchdog heartbeat")
    try:
        return await run
    finally:
        beating.cancel()
        for watcher in listening:
            watcher.stopping()


async def _beat(watchers: Sequence[Watcher], status: Callable[[], str], stalled: Callable[[], str]) -> None:
    limits_s = [watcher.limit_s for watcher in watchers if watcher.limit_s]
    interval_s = min(limits_s) / BEATS_PER_LIMIT if limits_s else STATUS_EVERY_S
    withheld, failures = "", 0
    while True:
        try:
            reason = stalled()
            if reason and not withheld:
                log.error("no sign of life to the outside from now on: %s", reason)
            for watcher in watchers:
                _tell(watcher, reason, status, is_news=bool(reason) and not withheld)
            withheld = reason
        except Exception:  # the task's border: a program that cannot say how it is gives no sign of life
            failures += 1
            words = "nobody could be told how it is, %d times by now; the next try is in %.0f s"
            log.exception(words, failures, interval_s)
        await asyncio.sleep(interval_s)


def _tell(watcher: Watcher, reason: str, status: Callable[[], str], *, is_news: bool) -> None:
    if not reason:
        watcher.alive()
    elif is_news:
        watcher.withheld(reason)
    watcher.status(reason or status())
