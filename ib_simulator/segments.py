"""Frames as TCP may deliver them: cut into pieces that know nothing of the frames' borders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Segments:
    """What is written goes out in pieces of `n_bytes`, one every `gap_s` seconds of the event loop, in order.

    One byte splits every frame; a size above what comes together in `gap_s` merges frames.
    """

    def __init__(self, write: Callable[[bytes], None], n_bytes: int, gap_s: float) -> None:
        self._write = write
        self._n_bytes = n_bytes
        self._gap_s = gap_s
        self._pending = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def n_pending(self) -> int:
        """Bytes that wait for their turn."""
        return len(self._pending)

    def write(self, data: bytes) -> None:
        self._pending += data
        if self._timer is None:
            self._wait()

    def finish(self) -> None:
        """Write at once what still waits."""
        self.abandon()
        if self._pending:
            self._write(bytes(self._pending))
            self._pending.clear()

    def abandon(self) -> None:
        """Write nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._gap_s, self._go_on)

    def _go_on(self) -> None:
        piece = bytes(self._pending[: self._n_bytes])
        del self._pending[: self._n_bytes]
        self._timer = None
        self._write(piece)
        if self._pending:
            self._wait()
