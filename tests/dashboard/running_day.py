"""A simulated day with its dashboard, and a dashboard over a database: programs of their own, as a user starts them."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.ports import free_port
from tests.terminal import ROOT, inherited_environment

PACED_PROGRAM = ROOT / "tests" / "paced_day_trader.py"
TOKEN = "the token of these tests, and of nothing else"
SESSION = "2026-11-20"
DATABASE = "history.db"
START_S = 120.0  # within which a program answers, also on a machine that has much else to do


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A program that serves the page."""

    port: int
    database: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database answers."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    def state(self) -> dict[str, Any]:
        """What the API tells of the server and of the running session."""
        with urlopen(f"{self.url}api/state", timeout=START_S) as answer:
            return json.load(answer)


@contextmanager
def running_day(folder: Path, *, fast_until_s: float, speed: str) -> Iterator[Served]:
    """The day trader on a simulated day: as fast as it can for `fast_until_s` of virtual time, then at `speed`."""
    options = ("--allocation", "0.25", "--simulate", SESSION, "--speed", speed, "--db", DATABASE)
    with _serving(folder, [str(PACED_PROGRAM), str(fast_until_s), *options], folder / DATABASE) as day:
        _wait_for(lambda: (day.state()["view"] or {}).get("at", "") >= f"{SESSION}T16:20", day)
        yield day


@contextmanager
def page_over(database: Path, folder: Path, port: int | None = None) -> Iterator[Served]:
    """`python -m dashboard` over a database."""
    with _serving(folder, ["-m", "dashboard", "--db", str(database)], database, port) as served:
        yield served


@contextmanager
def _serving(folder: Path, arguments: list[str], database: Path, port: int | None = None) -> Iterator[Served]:
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    settings = {"DASHBOARD_PORT": str(port), "DASHBOARD_TOKEN": TOKEN, "XDG_STATE_HOME": str(folder / "state")}
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env={**inherited_environment(), **settings, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    served = Served(port=port, database=database, process=process)
    try:
        _wait_for(lambda: _answers(served.url), served)
        yield served
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1):
            return True
    except (URLError, OSError):
        return False


def _wait_for(happened: Any, served: Served) -> None:
    give_up_s = time.monotonic() + START_S
    while not happened():
        assert served.process.poll() is None, "the program ended"
        assert time.monotonic() < give_up_s, "the program does not answer"
        time.sleep(0.05)
