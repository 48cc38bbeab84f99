"""The day trader in a real terminal: the live view, the progress bar, plain lines, JSON; and how it leaves it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from day_trading.terminal_view import drawn
from tests.terminal import PROGRAM, ROOT, inherited_environment, run
from tests.test_day_trader_runs import SIMULATE
from trading.live_view import (
    Account,
    DecisionView,
    Finding,
    LimitUse,
    PositionView,
    RestingLeg,
    SessionView,
    Watched,
)

pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")

AT = datetime(2025, 10, 7, 14, 31, 5, tzinfo=UTC)  # 10:31:05 in New York
SMALL = {"WATCHLIST_UNIVERSE": "AAPL,MSFT", "WATCHLIST_SIZE": "2"}
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor
ERASE_LINE = "\x1b[2K"
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LIMIT_S = 60.0


def position(symbol: str, *, rests: bool = True) -> PositionView:
    leg = RestingLeg("stop", "working", "STP", "GTC", 100, None, 99.2, False)
    return PositionView(
        symbol=symbol,
        quantity=100,
        average_cost_usd=100.0,
        bid_usd=100.5,
        unrealised_usd=50.0,
        unrealised_pct=0.5,
        stop_usd=99.2,
        target_usd=101.4,
        to_stop_pct=1.29,
        to_target_pct=0.9,
        opened_at=AT,
        resting=(leg,) if rests else (),
        closing=False,
    )


def watched(rank: int, symbol: str, rule: str = "rsi_not_below_cap") -> Watched:
    return Watched(rank, symbol, 100.5, 100.4, 100.6, 100.1, 63.2, 2.5, 59, 0, 0, 0, rule)


def decision(number: int) -> DecisionView:
    return DecisionView(f"d{number}", AT, "AAPL", "deny", "rsi_not_below_cap", 60.0, 63.2, 100.5, None, "t")


def view(n_positions: int = 2, n_watched: int = 10, **changes: Any) -> SessionView:
    account = Account("DU1", 1_000_123.45, 1e6, 100.0, 23.45, 123.45, 200.0, -76.55, -90.0, 250_000, 90_000, None)
    whole = SessionView(
        at=AT,
        mode="paper",
        bot="day_trader",
        phase="trading",
        session_date="2025-10-07",
        opens_at=AT,
        eod_at=AT,
        closes_at=AT,
        connection="ready",
        reconnects=0,
        health="normal",
        findings=(Finding("warning", "AAPL: the last tick is 91 s old"),),
        no_entries=(),
        held_by_operator=False,
        killed=False,
        account=account,
        positions=tuple(position(f"P{number}") for number in range(n_positions)),
        watchlist=tuple(watched(number, f"W{number}") for number in range(n_watched)),
        limits=(LimitUse("daily_loss", "USD", 250, 5_000, False), LimitUse("entries_per_session", "", 12, 50, False)),
        parameters={},
        decisions=tuple(decision(number) for number in range(20)),
        warnings=("connection disconnected at 14:00:00 UTC: socket lost",),
        ticks=1,
        n_decisions=20,
        n_orders=8,
        n_fills=4,
    )
    return replace(whole, **changes)


def printed(session: SessionView, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=StringIO(), color_system=None, record=True)
    console.print(drawn(session, width, height))
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("height", [8, 16, 24, 40, 60])
@pytest.mark.parametrize("n_positions", [0, 2, 10])
def test_a_view_never_has_more_lines_or_columns_than_the_terminal(width: int, height: int, n_positions: int) -> None:
    lines = printed(view(n_positions), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert "10:31:05 New York" in lines[0]
    assert "daily loss 5 %" in "\n".join(lines)


def test_a_view_tells_positions_with_their_distances_and_why_nothing_was_bought() -> None:
    text = "\n".join(printed(view(), 120, 40))
    assert re.search(r"P0 +100 +100\.00 +100\.50 +\+50\.00 +1\.29 % +0\.90 % +stop", text)
    assert re.search(r"W3 +100\.50 +100\.10 +63\.2 +2\.50 +59 +0 +RSI not below cap", text)
    assert "10:31:05 AAPL  deny  RSI not below cap, 63.20 (limit 60.00)" in text
    assert "entries per session 12/50" in text
    assert "! connection disconnected at 14:00:00 UTC: socket lost" in text


@pytest.mark.parametrize("width", [80, 120])
def test_shares_without_a_resting_order_stand_out(width: int) -> None:
    bare = view(positions=(position("AAPL", rests=False),))
    (line,) = [line for line in printed(bare, width, 40) if line.startswith("AAPL")]
    assert line.rstrip().endswith("NOTHING RESTS" if width >= 100 else "!")


def test_why_entries_are_stopped_is_told_in_one_line() -> None:
    text = printed(view(no_entries=("kill switch: SIGUSR1, no more entries", "x" * 300)), 80, 30)
    assert text[2].startswith("no entries: kill switch: SIGUSR1, no more entries; xxx")
    assert len(text[2]) <= 80


# The program in a terminal


class Screen:
    """A program in a pseudo-terminal of 100 columns and 40 lines."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.text = ""
        self._terminal = terminal

    def read_until(self, words: str) -> None:
        end_s = time.monotonic() + LIMIT_S
        while words not in CODES.sub("", self.text):
            assert time.monotonic() < end_s, self.text
            assert self._read(), self.text

    def read_to_end(self) -> str:
        """All that was printed, without the codes."""
        while self._read():
            pass
        self.process.wait(LIMIT_S)
        return CODES.sub("", self.text)

    def _read(self) -> bool:
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:  # the other end is closed
            return False
        self.text += data.decode()
        return bool(data)


@contextmanager
def screen(folder: Path, *arguments: str, settings: Mapping[str, str] = SMALL) -> Iterator[Screen]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, b"\x28\x00\x64\x00\x00\x00\x00\x00")
    environment = {**inherited_environment(), "PYTHONPATH": str(ROOT), "TZ": "UTC", "TERM": "xterm", **settings}
    command = [sys.executable, *PROGRAM, *arguments]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield Screen(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_paced_day_is_drawn_and_the_terminal_is_left_as_it_was(tmp_path: Path) -> None:
    with screen(tmp_path, *SIMULATE, "2025-10-07", "--speed", "600", "--no-dashboard") as shown:
        shown.read_until("last judgement")
        shown.process.send_signal(signal.SIGINT)
        told = shown.read_to_end()
        assert shown.process.returncode == 0
    assert HIDE in shown.text
    assert shown.text.rindex(SHOW) > shown.text.rindex(HIDE)
    assert "\x1b[2J" not in shown.text  # it is overdrawn, never wiped
    assert re.search(r"^ended +\d\d:\d\d, stopped by Ctrl-C", told, re.MULTILINE)
    last = shown.text[shown.text.rindex("New York") :]
    assert last.count(ERASE_LINE) >= last.count("\n")  # the last view is taken away again, the summary stays


def test_many_days_have_a_bar_that_goes_away(tmp_path: Path) -> None:
    with screen(tmp_path, *SIMULATE, "2025-10-06", "--days", "3") as shown:
        told = shown.read_to_end()
        assert shown.process.returncode == 0
    for part in ("0/3", "3/3"):
        assert re.search(rf"sessions .* {part}", told)
    assert shown.text.rindex(SHOW) > shown.text.rindex(HIDE)
    assert told.count("day log") == 3


def test_a_plain_run_draws_nothing(tmp_path: Path) -> None:
    with screen(tmp_path, *SIMULATE, "2025-10-07", "--no-dashboard", "--speed", "20000", "--plain") as shown:
        shown.read_to_end()
        assert shown.process.returncode == 0
    assert "\x1b" not in shown.text


def test_json_is_one_line_a_session_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, *SIMULATE, "2025-10-06", "--days", "2", "--json", settings=SMALL)
    assert done.returncode == 0
    report = "Improvement report: reports/improvement/improvement_report_{}.html"
    assert done.stderr.splitlines() == [report.format(day) for day in ("2025-10-06", "2025-10-07")]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["session_date"] for report in reports] == ["2025-10-06", "2025-10-07"]
    logs = sorted((tmp_path / "logs").glob("*.json"))
    assert reports == [json.loads(path.read_text()) for path in logs]
