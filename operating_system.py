"""What operating systems do differently: locks on files, signals, space on a disk, where a user's state lives."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

TRIES = 10  # a lock file that vanishes between its opening and its locking is made anew


class FileLock:
    """A lock that one process at a time can hold.

    The system lets go of it when the process ends, however it ends: a file that was left behind never blocks. The
    file names its holder and is removed with a clean release.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def acquire(self) -> bool:
        """Take the lock; False when another process, or another lock of this one, has it.

        Raises OSError where its file cannot be made.
        """
        for _ in range(TRIES):
            file = self.path.open("a+b")
            if not lock(file):
                file.close()
                return False
            if self._is_at_its_place(file):
                file.truncate(0)
                file.write(f"{os.getpid()}\n".encode())
                file.flush()
                self._file = file
                return True
            file.close()  # its last holder removed it meanwhile
        return False

    def holder(self) -> str:
        """Who has it, in words."""
        with suppress(OSError, ValueError):
            return f"process {int(self.path.read_bytes())}"
        return "another process"

    def release(self) -> None:
        """Let go, if it is held. The file goes first, so that nobody locks one that is about to vanish."""
        file, self._file = self._file, None
        if file is None:
            return
        with suppress(PermissionError):  # Windows does not remove what is open; the next holder takes the file over
            self.path.unlink(missing_ok=True)
        file.close()

    def _is_at_its_place(self, file: BinaryIO) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False


def state_folder() -> Path:
    """Where programs keep what belongs to this user and this machine."""
    chosen = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(chosen) if chosen else Path.home() / ".local" / "state"


def cache_folder() -> Path:
    """Where programs keep what they can make again. Raises RuntimeError for a user without a home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ibkr-autonomous-traders"


def obey_signals(loop: asyncio.AbstractEventLoop, actions: Mapping[str, Callable[[], object]]) -> None:
    """Do this on these signals, on the loop. Those that the system does not have are left out."""
    for name, act in actions.items():
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:  # Windows has no signal handlers in the loop
            signal.signal(number, lambda *_, act=act: loop.call_soon_threadsafe(act))


def reserve(file: FileIO, size: int) -> bool:
    """Give a file `size` bytes of the disk now; False where the system cannot. Raises OSError when there is no room."""
    if not hasattr(os, "posix_fallocate"):
        return False
    os.posix_fallocate(file.fileno(), 0, size)
    return True


def lock(file: BinaryIO | FileIO) -> bool:
    """Lock an open file for this process, without waiting; the system lets go of it when the process ends."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            file.seek(1 << 30)  # a byte beyond the text: what is locked cannot be read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
