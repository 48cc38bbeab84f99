"""The dashboard as its user starts it: over a database, and beside a day trader."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.served import Client, fill
from tests.ports import free_port
from tests.terminal import SMALL, ended, run, start

DASHBOARD = ("-m", "dashboard")
TOKEN = "a-token-that-nobody-guesses-0123456789"


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_finished_day_is_served_until_ctrl_c(tmp_path: Path) -> None:
    fill(tmp_path / "days.db")
    port = free_port()
    process = start(tmp_path, "--db", "days.db", "--port", str(port), program=DASHBOARD)
    told = first_line(process)
    assert told == f"days.db (day_trader, simulated) is at http://127.0.0.1:{port} until Ctrl-C.\n"
    client = Client(f"http://127.0.0.1:{port}")
    assert len(client.ask("/api/round-trips").json["rows"]) == 5
    assert client.ask("/").status == 200
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert (done.returncode, done.stderr) == (0, "")


def older(path: Path) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 4")


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("no database at all, just words" * 100, encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "days.db: no such file"),
        (older, "days.db: database version 4, this program reads"),
        (empty, "days.db: database version 0, this program reads"),
        (text, "days.db: is not a database"),
    ],
)
def test_what_is_no_database_of_the_program_is_refused_in_one_line(tmp_path: Path, make: Any, words: str) -> None:
    make(tmp_path / "days.db")
    done = run(tmp_path, "--db", "days.db", "--port", str(free_port()), program=DASHBOARD)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"python -m dashboard: {words}")
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    fill(tmp_path / "days.db")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, "--db", "days.db", "--port", str(port), program=DASHBOARD)
    assert done.returncode == 2
    assert done.stderr == f"python -m dashboard: cannot listen on 127.0.0.1:{port}: Address already in use\n"


class Reader(threading.Thread):
    """Keeps the output of a program flowing, and notes where its dashboard is."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self.url = ""
        self.found = threading.Event()
        self.lines: list[str] = []
        self._process = process
        self.start()

    def run(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if match := re.match(r"Dashboard: (http://\S+) ", line):
                self.url = match[1]
                self.found.set()
        self.found.set()


def test_a_paced_day_is_watched_and_commanded_and_a_taken_port_only_costs_the_page(tmp_path: Path) -> None:
    """Two runs: in the first somebody pauses entries before the open, in the second the port is taken."""
    port = free_port()
    settings = {**SMALL, "DASHBOARD_PORT": str(port), "DASHBOARD_TOKEN": TOKEN, "XDG_STATE_HOME": str(tmp_path)}
    options = ("--allocation", "0.25", "--simulate", "2025-10-07", "--db", "days.db", "--speed")
    with start(tmp_path, *options, "400", settings=settings) as process:
        reader = Reader(process)
        assert reader.found.wait(60)
        client = Client(reader.url)
        assert client.ask("/api/state").json["server"]["mode"] == "simulated"
        frozen = client.command(kind="freeze").json["command_id"]
        while client.ask(f"/api/commands/{frozen}").json["state"] == "waiting":
            time.sleep(0.05)
        words = "frozen by somebody through the dashboard from 127.0.0.1"
        assert client.ask("/api/parameters").json["frozen"] == words
        confirmed = client.post("/api/confirmations", {"kind": "kill_flatten"}, token=TOKEN)
        for _ in range(200):  # until the trader shows its first view
            if confirmed.status == 201:
                break
            time.sleep(0.1)
            confirmed = client.post("/api/confirmations", {"kind": "kill_flatten"}, token=TOKEN)
        wish = {"kind": "kill_flatten", "confirmation_id": confirmed.json["confirmation_id"]}
        assert client.post("/api/commands", wish, token=TOKEN).status == 202
        assert process.wait(90) == 3  # stopped by a safety rule
        reader.join(10)
    with closing(sqlite3.connect(tmp_path / "days.db")) as connection:
        rows = connection.execute("SELECT kind, state, who FROM control_actions").fetchall()
    who = "somebody through the dashboard from 127.0.0.1"
    assert rows == [("freeze", "done", who), ("kill_flatten", "done", who)]
    assert not (tmp_path / "KILL").exists()  # a simulated day leaves no switch behind
    with socket.create_server(("127.0.0.1", port)):
        done = run(tmp_path, *options, "100000", settings=settings)
    assert done.returncode == 0, done.stderr
    assert f"no dashboard at 127.0.0.1:{port}, the program goes on without it: Address already in use" in done.stderr
    assert "Day trader, simulated session" in done.stdout


def test_at_full_speed_there_is_no_page(tmp_path: Path) -> None:
    settings = {**SMALL, "XDG_STATE_HOME": str(tmp_path)}
    done = run(tmp_path, "--allocation", "0.25", "--simulate", "2025-10-07", settings=settings)
    assert done.returncode == 0
    assert "Dashboard" not in done.stdout
    assert not (tmp_path / "ibkr-autonomous-traders").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"DASHBOARD_HOST": "0.0.0.0"}, "DASHBOARD_HOST=0.0.0.0 can be reached by others: set DASHBOARD_TOKEN"),
        ({"DASHBOARD_TOKEN": "short-secret"}, "DASHBOARD_TOKEN=*** (from the environment)"),
    ],
)
def test_unsafe_settings_end_the_day_trader_before_it_connects(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    options = ("--allocation", "0.25", "--simulate", "--speed", "1000")
    done = run(tmp_path, *options, settings=SMALL | settings)
    assert done.returncode == 2
    assert words in done.stderr
    assert "short-secret" not in done.stderr + json.dumps(done.stdout)
