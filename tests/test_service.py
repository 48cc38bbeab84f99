"""The day trader as a service, in real time: what its service manager hears of a session, and of one that froze."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.health.test_watchdog import Systemd
from tests.terminal import SHIFTED_PROGRAM, ended, start
from tests.test_day_trader_runs import gateway, rows, shift_s

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


def test_a_service_is_told_of_the_start_of_life_of_a_freeze_and_of_the_end(tmp_path: Path) -> None:
    now = shift_s("2025-10-07 15:00:02")
    systemd = Systemd(str(tmp_path / "notify"))
    watchdog = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "300000"}  # a sign of life each 0.1 s
    try:
        with gateway(tmp_path, now, "DU1234567") as settings:
            process = start(
                tmp_path, now, "--allocation", "0.25", settings=settings | watchdog, program=SHIFTED_PROGRAM
            )
            try:
                assert systemd.hears() == "READY=1"
                while not systemd.hears().startswith("STATUS=connection ready, 0 positions, health "):
                    pass
                process.send_signal(signal.SIGSTOP)
                systemd.heard(within_s=0.5)  # what was on its way
                assert systemd.heard(within_s=1.0) == []
                process.send_signal(signal.SIGCONT)
                while not systemd.hears().endswith("health critical"):  # it knows that it was away
                    pass
                while systemd.hears() != "WATCHDOG=1":  # and goes on
                    pass
            finally:
                process.send_signal(signal.SIGTERM)
                done = ended(process)
    finally:
        told = systemd.heard()
        systemd.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert told[-1] == "STOPPING=1"
    checks = rows(tmp_path / "trading_history.db", "SELECT status, clock_drift_s, cpu_pct, detail FROM agent_health")
    assert any("connection ready" in str(detail) for *_, detail in checks)
    assert any("the event loop was " in str(detail) for status, *_, detail in checks if status == "critical")
    assert all(cpu_pct is not None for _, _, cpu_pct, _ in checks)
