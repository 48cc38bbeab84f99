"""What systemd hears, on a real datagram socket: of a start, a life, a stop, and of a program that hangs."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from health.watchdog import ServiceManager, under_watch
from ib_simulator.simulated_time import simulated_loop
from tests.simulated_runs import ROOT

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
LIMIT_S = 30.0

HUNG = """
import asyncio, os, sys, time
sys.path.insert(0, os.environ["ROOT"])
from health.watchdog import ServiceManager, under_watch

async def work():
    await asyncio.sleep(0.3)
    ServiceManager({"NOTIFY_SOCKET": os.environ["NOTIFY_SOCKET"]}).status("hangs now")
    while True:
        time.sleep(1)

asyncio.run(under_watch([ServiceManager(os.environ)], work(), lambda: "all is well", lambda: ""))
"""


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._socket.settimeout(LIMIT_S)

    def manager(self, **more: str) -> ServiceManager:
        return ServiceManager({"NOTIFY_SOCKET": self.address, **more})

    def hears(self) -> str:
        return self._socket.recv(4096).decode()

    def heard(self, within_s: float = 0.0) -> list[str]:
        """All that is there, and what comes until nothing comes for `within_s`."""
        self._socket.settimeout(within_s)
        messages = []
        try:
            while True:
                messages.append(self._socket.recv(4096).decode())
        except (BlockingIOError, TimeoutError):
            self._socket.settimeout(LIMIT_S)
        return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    listening = Systemd(str(tmp_path / "notify"))
    yield listening
    listening.close()


def watched(systemd: Systemd, seconds: float, stalled: Callable[[], str] = lambda: "", **more: str) -> list[str]:
    """What is heard of a program that runs for some seconds of simulated time."""
    loop = simulated_loop()
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            run = under_watch(
                [systemd.manager(**more)], asyncio.sleep(seconds, "done"), lambda: "all\nis well", stalled
            )
            assert runner.run(run) == "done"
    finally:
        asyncio.set_event_loop(None)
    return systemd.heard()


def test_a_program_is_ready_alive_three_times_a_limit_and_stopping(systemd: Systemd) -> None:
    beat = ["WATCHDOG=1", "STATUS=all is well"]
    assert watched(systemd, 60, WATCHDOG_USEC="60000000") == ["READY=1", *beat, *beat, *beat, "STOPPING=1"]


def test_a_program_that_stands_still_while_its_loop_turns_gives_no_sign_of_life(systemd: Systemd) -> None:
    looks = iter(["", "", *["the trading loop stands still"] * 100])
    heard = watched(systemd, 100, stalled=lambda: next(looks), WATCHDOG_USEC="60000000")
    assert heard.count("WATCHDOG=1") == 2
    assert heard[-2] == "STATUS=the trading loop stands still"


def test_a_state_that_cannot_be_told_is_no_sign_of_life_and_is_counted(
    systemd: Systemd, caplog: pytest.LogCaptureFixture
) -> None:
    looks = iter(["", ValueError("no state"), ValueError("no state"), ""])

    def stalled() -> str:
        look = next(looks)
        if isinstance(look, ValueError):
            raise look
        return look

    heard = watched(systemd, 70, stalled, WATCHDOG_USEC="60000000")  # looks at 0, 20, 40 and 60 s
    assert heard.count("WATCHDOG=1") == 2
    told = [record.getMessage() for record in caplog.records if record.exc_info]
    words = "nobody could be told how it is, {} times by now; the next try is in 20 s"
    assert told == [words.format(1), words.format(2)]


def test_a_loop_that_hangs_gives_no_sign_of_life(systemd: Systemd) -> None:
    """A real program whose loop is blocked after 0.3 s; it would send three beats in 0.1 s."""
    environment = {"ROOT": str(ROOT), "NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "100000", "PATH": ""}
    child = subprocess.Popen([sys.executable, "-c", HUNG], env=environment)
    try:
        heard = [systemd.hears()]
        while heard[-1] != "STATUS=hangs now":
            heard.append(systemd.hears())
        assert heard[0] == "READY=1"
        assert heard.count("WATCHDOG=1") >= 2
        assert systemd.heard(within_s=1.0) == []  # thirty beats' time
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_an_abstract_socket_is_told_too() -> None:
    listening = Systemd(f"@ibkr-trader-test-{os.getpid()}")
    try:
        listening.manager().ready()
        assert listening.heard() == ["READY=1"]
    finally:
        listening.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path"])
def test_without_a_service_manager_nothing_happens(address: str) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
    assert (manager.is_there, manager.limit_s) == (False, 0.0)
    manager.ready()
    assert asyncio.run(under_watch([manager], asyncio.sleep(0, "done"), str, str)) == "done"


@pytest.mark.parametrize(
    ("usec", "pid", "limit_s"),
    [("60000000", "", 60.0), ("60000000", "own", 60.0), ("60000000", "1", 0.0), ("x", "", 0.0), ("", "", 0)],
)
def test_the_limit_is_the_one_meant_for_this_process(systemd: Systemd, usec: str, pid: str, limit_s: float) -> None:
    own = str(os.getpid())
    assert systemd.manager(WATCHDOG_USEC=usec, WATCHDOG_PID=own if pid == "own" else pid).limit_s == limit_s


def test_a_service_manager_that_went_away_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    manager.ready()
    manager.alive()
    assert len(caplog.records) == 1
    assert "the service manager cannot be told 'READY=1'" in caplog.text
