"""Research at an operator's word: a process of its own at the lowest priority, one at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import psutil

from trading.commands import Command, Outcome

ROOT = Path(__file__).resolve().parents[1]
LOWEST_PRIORITY = 19
MENU: Mapping[str, tuple[str, ...]] = {  # what may be asked for -> its command line, but for bars and report
    "backtest": (),
    "sweep": (
        *("--method", "random", "--trials", "100"),
        *("--vary", "profit_target_pct=0.8:3.0:0.1", "--vary", "stop_loss_pct=0.5:2.0:0.1"),
        *("--vary", "rsi_cap=40:80:5", "--vary", "atr_floor_pct=0.5:4.0:0.5"),
    ),
}


class ResearchRuns:
    """Starts runs over the bars in `source`; pages and output go to `folder`."""

    def __init__(self, source: str, folder: Path, now: Callable[[], datetime]) -> None:
        self._source = source
        self._folder = folder
        self._now = now
        self._running: subprocess.Popen[bytes] | None = None

    def __call__(self, command: Command) -> Outcome:
        """Start what the command's detail names. Raises OSError when that is not possible."""
        what = command.detail or "backtest"
        if what not in MENU:
            return Outcome(done=False, words=f"there is no {what!r} to run: {' or '.join(MENU)}")
        if self._running is not None and self._running.poll() is None:
            return Outcome(done=False, words=f"one runs already, as process {self._running.pid}")
        self._folder.mkdir(parents=True, exist_ok=True)
        page = self._folder / f"{what}_{self._now():%Y%m%dT%H%M%SZ}.html"
        line = [sys.executable, "-m", "research", what, "--market-data", self._source, "--html", str(page), *MENU[what]]
        with page.with_suffix(".txt").open("wb") as output:
            self._running = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                start_new_session=True,  # Ctrl-C is meant for the day trader
            )
        if os.name == "posix":
            psutil.Process(self._running.pid).nice(LOWEST_PRIORITY)
        return Outcome(done=True, words=f"process {self._running.pid} writes {page}")
