"""Where a daemon dies: a SIGKILL to itself at the n-th time that it comes by a point in the life of an order.

The points are put around call sites of the product in a forked child; the product's own code knows nothing of them.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from broker import order_desk
from broker.order_desk import OrderDesk
from observability import TradingHistory
from records.intent_log import IntentLog
from trading.orders import OrderIntent

EVENTS = ("commit", "send", "acknowledgement", "fill", "modify")
SIDES = ("before", "after")
POINTS = tuple(f"{side} {event}" for event in EVENTS for side in SIDES)
AT_ANY_TIME = "at any time"
WEEKLY_POINTS = (  # a portfolio's orders are never modified
    *(f"{side} {event}" for event in ("plan", "commit", "send", "acknowledgement", "fill") for side in SIDES),
    AT_ANY_TIME,
)


class Death(NamedTuple):
    """One of the points, and the how-manieth passage is the last; at any time: after how many milliseconds."""

    point: str
    passage: int


class Fuse:
    """Counts passages of one point, and dies at the last of them without a word."""

    def __init__(self, death: Death) -> None:
        self._point = death.point
        self._left = death.passage

    def pass_by(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(death: Death) -> None:
    """From now on this process dies there. Call it before the program makes its objects."""
    fuse = Fuse(death)
    _around_commit(fuse)
    _around_send(fuse)
    _around(fuse, OrderDesk, "on_order_status", "acknowledgement")
    _around(fuse, OrderDesk, "on_execution", "fill")
    _around(fuse, OrderDesk, "modify", "modify")
    _around(fuse, TradingHistory, "commit_cycle", "plan")
    if death.point == AT_ANY_TIME:
        threading.Timer(death.passage / 1_000, os.kill, (os.getpid(), signal.SIGKILL)).start()


def _around(fuse: Fuse, owner: type, name: str, event: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def passed(*args: Any, **named: Any) -> Any:
        fuse.pass_by(f"before {event}")
        result = original(*args, **named)
        fuse.pass_by(f"after {event}")
        return result

    setattr(owner, name, passed)


def _around_commit(fuse: Fuse) -> None:
    original = IntentLog.commit

    async def committed(writing: Awaitable[None]) -> None:
        await writing
        fuse.pass_by("after commit")

    def commit(self: IntentLog, intents: Sequence[OrderIntent]) -> Awaitable[None]:
        fuse.pass_by("before commit")
        return committed(original(self, intents))

    IntentLog.commit = commit  # type: ignore[method-assign]


def _around_send(fuse: Fuse) -> None:
    """New orders: changes of live ones go another way."""
    original = order_desk.place_new

    def place_new(ib: Any, contract: Any, order: Any) -> Any:
        fuse.pass_by("before send")
        result = original(ib, contract, order)
        fuse.pass_by("after send")
        return result

    order_desk.place_new = place_new
