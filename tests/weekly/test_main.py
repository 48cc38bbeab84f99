"""`python main.py` as its user meets it: options, days, exit codes, what it prints and leaves behind."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.notifications.web import web
from tests.terminal import ROOT, run, start
from weekly.command_line import parse_arguments

PROGRAM = (str(ROOT / "main.py"),)
NO_GATEWAY = {"IB_PORT": "1"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--run-days Sunday", "'Sunday'"),
        ("--interval 0", "'0' is not a whole number from 1 to 10080"),
        ("--interval soon", "'soon' is not a whole number"),
        ("--live --simulate", "--live and --simulate exclude each other"),
        ("--queue --simulate", "--queue and --simulate exclude each other"),
        ("--years 2", "--years needs --simulate"),
        ("--llm-replay calls.db", "--llm-replay needs --simulate"),
        ("--queue --dry-run", "--queue and --dry-run exclude each other"),
        ("--monthly", "unrecognized arguments: --monthly"),
        ("--liv", "unrecognized arguments: --liv"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse_arguments(line.split())
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "arguments", "code", "words"),
    [
        ({"WEEKLY_ALLOCATION": "0.8", "DAY_TRADER_ALLOCATION": "0.3"}, (), 2, "more than the whole account together"),
        ({"WEEKLY_ALLOCATION": "1.5"}, (), 2, "WEEKLY_ALLOCATION=1.5"),
        ({"WEEKLY_UNIVERSE": "AAPL", "NEVER_TRADE": "AAPL"}, (), 2, "nothing is left to trade"),
        ({"WEEKLY_MAX_SECTOR_PCT": "5"}, (), 2, "no name could ever have that weight"),
        ({"REBALANCE_BAND_PCT": "0"}, (), 2, "REBALANCE_BAND_PCT=0"),
        ({}, ("--snapshot", "none.json"), 2, "none.json: no such file"),
        (NO_GATEWAY, (), 1, "connection refused at 127.0.0.1:1"),
    ],
)
def test_what_cannot_run_is_told_in_one_line(
    tmp_path: Path, settings: dict[str, str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run(tmp_path, *arguments, settings=settings, program=PROGRAM)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("main.py: ")
    assert done.stderr.count("\n") == 1


def test_a_run_that_fails_is_told_by_notification_and_the_address_is_in_no_log(tmp_path: Path) -> None:
    with web() as server:
        url = f"json://{server.address}/a-token-of-the-address"
        done = run(tmp_path, settings=NO_GATEWAY | {"NOTIFY_URLS": url}, program=PROGRAM)
        (told,) = server.wait_for(1)
    assert done.returncode == 1
    assert "connection refused at 127.0.0.1:1" in told.json()["message"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if b"a-token-of-the-address" in path.read_bytes()] == []


def test_a_kill_switch_that_is_thrown_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "KILL").write_text("stop")
    done = run(tmp_path, settings=NO_GATEWAY, program=PROGRAM)
    assert done.returncode == 3
    assert "the kill switch stopped trading, delete it to go on" in done.stderr


def test_on_another_day_it_says_so_and_ends_with_0(tmp_path: Path) -> None:
    weekdays = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
    now = datetime.now(UTC)
    near = {f"{now + timedelta(hours=hours):%A}" for hours in (-5, 0, 1)}  # New York is behind
    others = [day for day in weekdays if day not in near]
    done = run(tmp_path, "--run-days", *others, settings=NO_GATEWAY, program=PROGRAM)
    assert done.returncode == 0, done.stderr
    assert f"cycles run on {', '.join(others)}: nothing was done." in done.stdout
    assert not (tmp_path / "trading_history.db").exists()


def test_two_runs_on_one_database_never_overlap(tmp_path: Path) -> None:
    with waiting_for_its_next_cycle(tmp_path):
        second = run(tmp_path, settings=NO_GATEWAY, program=PROGRAM)
        assert second.returncode == 3
        assert "trading_history.db is in use by process" in second.stderr


def test_with_an_interval_a_gateway_that_is_away_costs_a_cycle_and_ctrl_c_ends_it_with_0(tmp_path: Path) -> None:
    with waiting_for_its_next_cycle(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert "this cycle is lost: connection refused" in told


@contextmanager
def waiting_for_its_next_cycle(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A program without a gateway that tries again every hour."""
    process = start(folder, "--interval", "60", settings=NO_GATEWAY, program=PROGRAM)
    log = folder / "logs" / "weekly.log"
    try:
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up and not (log.exists() and "this cycle is lost" in log.read_text()):
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
