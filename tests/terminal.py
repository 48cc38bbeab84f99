"""The day trader as its user meets it: a program in a folder, with what it prints and the code it ends with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
SMALL = {"WATCHLIST_UNIVERSE": "AAPL,MSFT", "WATCHLIST_SIZE": "2"}  # a synthetic market that plays in a second
# nothing that could be a setting; the last is how `make coverage` measures started programs too
INHERITED = ("PATH", "HOME", "SYSTEMROOT", "LANG", "COVERAGE_PROCESS_CONFIG")
PROGRAM = (str(ROOT / "day_trader.py"),)
SHIFTED_PROGRAM = ("-m", "tests.shifted_time", "trader")
SHIFTED_GATEWAY = ("-m", "tests.shifted_time", "gateway")


def inherited_environment() -> dict[str, str]:
    """What a started program gets of our environment."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def start(
    folder: Path,
    *arguments: str,
    settings: Mapping[str, str] = SMALL,
    program: tuple[str, ...] = PROGRAM,
) -> subprocess.Popen[str]:
    """Start a program in `folder`; `settings` are all that it has in its environment."""
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=folder,
        env={
            **inherited_environment(),
            "PYTHONPATH": str(ROOT),
            "TZ": "UTC",
            "DASHBOARD_PORT": str(free_port()),
            **settings,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    folder: Path,
    *arguments: str,
    settings: Mapping[str, str] = SMALL,
    program: tuple[str, ...] = PROGRAM,
) -> subprocess.CompletedProcess[str]:
    """The same to its end."""
    return ended(start(folder, *arguments, settings=settings, program=program))


def ended(process: subprocess.Popen[str], limit_s: float = 90) -> subprocess.CompletedProcess[str]:
    """What a program said when it was over. It is killed at the limit, which fails the test."""
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
