"""What the signals of the operating system do to a running session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import operating_system


class Trader(Protocol):
    """What can be stopped."""

    def stop(self, reason: str, *, flatten: bool = False) -> None: ...

    def kill(self, reason: str, *, flatten: bool = False) -> None: ...


def obey_signals(loop: asyncio.AbstractEventLoop, trader: Trader) -> None:
    """Ctrl-C and SIGTERM end the session cleanly; SIGUSR1 throws the kill switch, SIGUSR2 flattens as well.

    Windows has no SIGUSR1 and SIGUSR2: there the kill switch is the file, or `--kill`.
    """
    actions: dict[str, Callable[[], None]] = {
        "SIGINT": lambda: trader.stop("stopped by Ctrl-C"),
        "SIGTERM": lambda: trader.stop("stopped by SIGTERM"),
        "SIGUSR1": lambda: trader.kill("SIGUSR1"),
        "SIGUSR2": lambda: trader.kill("SIGUSR2", flatten=True),
    }
    operating_system.obey_signals(loop, actions)
