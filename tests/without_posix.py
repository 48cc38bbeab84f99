"""The day trader without what only POSIX systems have: `python without_posix.py` and the arguments of day_trader.py.

Taken away are the modules, functions and signals that Windows lacks, handlers of signals in the event loop, and Unix
sockets: a pair of sockets is one of TCP. What depends on `os.name` and the file system stays that of this system.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import psutil  # libraries know their systems: it asks for what it needs first

MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")
FUNCTIONS = ("fork", "forkpty", "getloadavg", "getuid", "posix_fallocate", "sched_getaffinity", "setsid")
SIGNALS = ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2")

sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of tests/, whose packages are named like ours


def byte_locks() -> ModuleType:
    """`msvcrt` as far as locks need it: of bytes from the file's position on, one process at a time."""
    import fcntl

    def locking(file: int, mode: int, n_bytes: int) -> None:
        if mode != module.LK_NBLCK:
            raise NotImplementedError(mode)
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, n_bytes, 0, os.SEEK_CUR)

    module: Any = ModuleType("msvcrt")
    module.LK_NBLCK, module.locking = 2, locking
    return module


def tcp_pair(*_: Any, **__: Any) -> tuple[socket.socket, socket.socket]:
    """Two connected sockets, as Python makes them on Windows."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _address = server.accept()
    return one, other


def no_handlers(*_: Any) -> NoReturn:
    raise NotImplementedError


assert psutil.WINDOWS or psutil.POSIX
sys.modules["msvcrt"] = byte_locks()
for name in MODULES:
    sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
for name in FUNCTIONS:
    if hasattr(os, name):
        delattr(os, name)
for name in SIGNALS:
    if hasattr(signal, name):
        delattr(signal, name)
if hasattr(os, "process_cpu_count"):
    os.process_cpu_count = os.cpu_count  # of Python 3.13; it asks for the affinity where there is one
asyncio.SelectorEventLoop.add_signal_handler = no_handlers  # type: ignore[method-assign]
selectors.DefaultSelector = selectors.SelectSelector  # type: ignore[misc]
socket.socketpair = tcp_pair
del socket.AF_UNIX

import day_trader  # noqa: E402

if __name__ == "__main__":
    sys.exit(day_trader.main(sys.argv[1:]))
