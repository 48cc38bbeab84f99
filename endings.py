"""What a program that ends still waits for: threads that bring its last words, all side by side, within one limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LIMIT_S = 2.0  # what the last words may cost a program that ends, all together

Wait = Callable[[float], None]  # for so many seconds of wall time at most

_put_off: list[Wait] | None = None  # inside `ending_together`


@contextmanager
def ending_together(now_s: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """What `wait_at_end` is told of in this block is waited for at its end: what hangs costs the limit once."""
    global _put_off
    waits = _put_off = list[Wait]()
    try:
        yield
    finally:
        _put_off = None
        until_s = now_s() + LIMIT_S
        for wait in waits:
            wait(max(until_s - now_s(), 0.0))


def wait_at_end(wait: Wait) -> None:
    """Wait for a thread that was told to end: with all others, or at once where nothing ends together."""
    if _put_off is None:
        wait(LIMIT_S)
    else:
        _put_off.append(wait)
