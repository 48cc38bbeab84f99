"""Whole runs of the day trader as its user sees them: what is printed, what is written, how they end."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import day_trader
from ib_simulator.embedded import synthetic_feed
from market_hours import new_york_calendar
from research.store import BarStore
from tests.terminal import SHIFTED_GATEWAY, SHIFTED_PROGRAM, SMALL, ended, run, start

SIMULATE = ("--allocation", "0.25", "--simulate")
REAL_FILES = ("trading_history.db", "day_trading_watchlist.json")


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as connection:
        return connection.execute(query).fetchall()


def day_logs(folder: Path) -> list[dict[str, Any]]:
    """The day logs of a folder, in the order of their sessions."""
    return [json.loads(path.read_text()) for path in sorted((folder / "logs").glob("day_trader_run_*.json"))]


def net_shares(database: Path) -> dict[str, int]:
    """symbol -> shares bought and not sold, where there are any."""
    query = "SELECT symbol, SUM(CASE action WHEN 'BUY' THEN quantity ELSE -quantity END) AS n FROM trades GROUP BY 1"
    return {symbol: n for symbol, n in rows(database, query) if n}


# Sessions to their end


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Two sessions in a folder where real trading has left its files."""
    folder = tmp_path_factory.mktemp("two_days")
    for name in REAL_FILES:
        (folder / name).write_text(f"{name} of real trading", encoding="utf-8")
    return folder, run(folder, *SIMULATE, "2025-10-07", "--days", "2")


TwoDays = tuple[Path, subprocess.CompletedProcess[str]]


def test_two_days_print_two_summaries_and_nothing_else(two_days: TwoDays) -> None:
    _, done = two_days
    assert (done.returncode, done.stderr) == (0, "")
    titles = [line for line in done.stdout.splitlines() if line.startswith("Day trader")]
    assert titles == [
        "Day trader, simulated session Tuesday 2025-10-07",
        "Day trader, simulated session Wednesday 2025-10-08",
    ]
    assert done.stdout.count("at broker     flat, no resting orders") == 2
    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_both_sessions_are_in_the_database_and_flat(two_days: TwoDays) -> None:
    folder, _ = two_days
    database = folder / "simulated_history.db"
    days = [("2025-10-07",), ("2025-10-08",)]
    assert rows(database, "SELECT DISTINCT session_date FROM trades ORDER BY 1") == days
    assert rows(database, "SELECT DISTINCT session_date FROM decisions ORDER BY 1") == days
    assert rows(database, "SELECT DISTINCT mode FROM trades") == [("simulated",)]
    assert net_shares(database) == {}


def test_each_session_leaves_a_day_log_named_by_date_and_new_york_time(two_days: TwoDays) -> None:
    folder, done = two_days
    named = re.findall(r"^day log       (.*)$", done.stdout, re.MULTILINE)
    assert named == ["logs/day_trader_run_2025-10-07_155520.json", "logs/day_trader_run_2025-10-08_155520.json"]
    for name, log in zip(named, day_logs(folder), strict=True):
        assert log["session_date"] in name
        assert (log["positions_left"], log["resting_orders"]) == ({}, [])


def test_round_trips_are_told_in_new_york_time(two_days: TwoDays) -> None:
    folder, done = two_days
    first = rows(folder / "simulated_history.db", "SELECT timestamp, symbol FROM trades ORDER BY trade_id LIMIT 1")
    utc, symbol = first[0]
    new_york = datetime.fromisoformat(utc).hour - 4  # daylight saving time
    assert re.search(rf"^{symbol} +[\d,]+  {new_york:02}:{utc[14:16]} ", done.stdout, re.MULTILINE)


def test_a_simulation_leaves_the_files_of_real_trading_alone(two_days: TwoDays) -> None:
    folder, _ = two_days
    for name in REAL_FILES:
        assert (folder / name).read_text(encoding="utf-8") == f"{name} of real trading"
    kept = {path.name for path in folder.iterdir()}
    simulated = {"simulated_history.db", "simulated_history_bars", "simulated_watchlist.json"}
    assert kept == {*REAL_FILES, *simulated, "logs", "reports"}
    assert {path.stem.rpartition("_")[2] for path in folder.glob("reports/daily/*")} == {"simulated"}


def test_a_second_run_keeps_the_database_of_the_first(tmp_path: Path) -> None:
    database, previous = tmp_path / "simulated_history.db", tmp_path / "simulated_history.previous.db"
    assert run(tmp_path, *SIMULATE, "2025-10-07").returncode == 0
    trades = rows(database, "SELECT exec_id, price FROM trades")
    assert run(tmp_path, *SIMULATE, "2025-10-08", "--dry-run").returncode == 0
    assert rows(previous, "SELECT exec_id, price FROM trades") == trades
    assert trades != []
    # a dry run decides and records, sends no order, and is no session that returns are counted of
    assert rows(database, "SELECT * FROM trades") == rows(database, "SELECT * FROM order_intents") == []
    assert rows(database, "SELECT COUNT(*) FROM daily_metrics") == [(0,)]
    (wanted,) = rows(database, "SELECT COUNT(*) FROM decisions WHERE kind = 'enter' AND rule = 'dry_run'")
    assert wanted[0] > 0


def test_a_hand_written_watchlist_is_traded_in_its_order_and_left_as_it_is(tmp_path: Path) -> None:
    text = '["MSFT", "TSLA", "AAPL"]'
    (tmp_path / "mine.json").write_text(text, encoding="utf-8")
    settings = {"WATCHLIST_UNIVERSE": "AAPL,MSFT,NVDA,TSLA", "WATCHLIST_SIZE": "1"}
    done = run(tmp_path, *SIMULATE, "2025-10-07", "--watchlist", "mine.json", "--dry-run", settings=settings)
    assert done.returncode == 0
    assert "watchlist     MSFT TSLA AAPL\n" in done.stdout
    assert day_logs(tmp_path)[0]["watchlist"] == ["MSFT", "TSLA", "AAPL"]
    assert (tmp_path / "mine.json").read_text(encoding="utf-8") == text
    assert not (tmp_path / "simulated_watchlist.json").exists()


# Ctrl-C and SIGTERM


def wait_for(what: str, process: subprocess.Popen[str], database: Path, query: str, limit_s: float = 60) -> None:
    """Until `query` finds a row in the database of a running program."""
    give_up = time.monotonic() + limit_s
    while time.monotonic() < give_up:
        if process.poll() is not None:
            pytest.fail(f"the program ended before {what}: {process.communicate()}")
        try:
            if rows(database, query):
                return
        except sqlite3.OperationalError:  # not there yet, or without tables
            pass
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"{limit_s:.0f} s without {what}: {process.communicate()}")


def stopped(folder: Path, number: int, *options: str) -> subprocess.CompletedProcess[str]:
    """A paced run that gets a signal once it owns something."""
    process = start(folder, *SIMULATE, "2025-10-07", "--speed", "2000", *options)
    bought = "SELECT 1 FROM order_intents WHERE role = 'entry' AND state = 'filled'"
    wait_for("an entry", process, folder / "simulated_history.db", bought)
    process.send_signal(number)
    done = ended(process)
    assert (done.returncode, done.stderr) == (0, "")
    return done


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGINT, "stopped by Ctrl-C"), (signal.SIGTERM, "stopped by SIGTERM")]
)
def test_a_signal_ends_the_day_and_says_what_rests_at_the_broker(tmp_path: Path, number: int, words: str) -> None:
    done = stopped(tmp_path, number)
    owned = net_shares(tmp_path / "simulated_history.db")
    assert owned
    (log,) = day_logs(tmp_path)
    assert log["ended_because"] == words
    assert log["positions_left"] == owned
    assert re.search(rf"^ended         \d\d:\d\d, {words}$", done.stdout, re.MULTILINE)
    _, _, left = done.stdout.partition("left at the broker\n")
    for symbol, shares in owned.items():
        exits = r"stop [\d.]+ GTC, limit [\d.]+ DAY, time exit GTC"
        assert re.search(rf"^  {symbol} +{shares:,} shares   {exits}$", left, re.MULTILINE), left
        sizes = [order["quantity"] for order in log["resting_orders"] if order["symbol"] == symbol]
        assert sizes == [shares] * 3


def test_flatten_on_exit_leaves_nothing_and_a_second_run_works(tmp_path: Path) -> None:
    done = stopped(tmp_path, signal.SIGINT, "--flatten-on-exit")
    assert "at broker     flat, no resting orders\n" in done.stdout
    assert net_shares(tmp_path / "simulated_history.db") == {}
    manual = rows(tmp_path / "simulated_history.db", "SELECT COUNT(*) FROM trades WHERE reason = 'manual'")
    assert manual[0][0] > 0
    again = run(tmp_path, *SIMULATE, "2025-10-07")
    assert (again.returncode, again.stderr) == (0, "")
    assert "ended         15:55, the session is over" in again.stdout


def test_ctrl_c_before_the_session_begins_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(day_trader, "read_environment", interrupted)
    assert day_trader.main(SIMULATE) == 0
    assert capsys.readouterr() == ("Stopped by Ctrl-C before the session began.\n", "")


# Real time, against a gateway of another process


def shift_s(new_york_is_utc: str) -> str:
    """What to add to the machine's clock so that it shows this instant, given in UTC."""
    return str((datetime.fromisoformat(new_york_is_utc).replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())


@pytest.mark.parametrize(
    ("now", "following"),
    [
        ("2025-10-04 15:00", "Monday 2025-10-06, it opens at 09:30 in New York (Mon 13:30 UTC here)"),  # a Saturday
        ("2025-11-27 15:00", "Friday 2025-11-28, it opens at 09:30 in New York (Fri 14:30 UTC here)"),  # Thanksgiving
        ("2025-11-28 18:00", "Monday 2025-12-01, it opens at 09:30 in New York (Mon 14:30 UTC here)"),  # after 13:00
    ],
)
def test_a_closed_exchange_names_the_next_session(tmp_path: Path, now: str, following: str) -> None:
    done = run(tmp_path, shift_s(now), "--allocation", "0.25", program=SHIFTED_PROGRAM)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"The exchange is closed. The next session is {following}.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_a_refused_connection_names_host_port_and_likely_cause(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else can answer there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        settings = {**SMALL, "IB_PORT": str(port)}
        now = shift_s("2025-10-07 15:00")
        done = run(tmp_path, now, "--allocation", "0.25", settings=settings, program=SHIFTED_PROGRAM)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"day_trader.py: connection refused at 127.0.0.1:{port}: is IB Gateway or TWS running, with its API enabled? "
        "IB Gateway listens on 4001 (live) or 4002 (paper), TWS on 7496 (live) or 7497 (paper)\n"
    )


def test_started_before_the_open_it_waits_and_ctrl_c_ends_the_wait(tmp_path: Path) -> None:
    process = start(tmp_path, shift_s("2025-10-07 10:00"), "--allocation", "0.25", program=SHIFTED_PROGRAM)
    assert process.stdout is not None
    waiting = process.stdout.readline()
    assert waiting == "Waiting until 09:00 in New York (Tue 13:00 UTC here), then the program connects.\n"
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert (done.returncode, done.stderr) == (0, "")
    assert "account       none: the gateway was not reached\n" in done.stdout
    assert "at broker     unknown, it could not be asked\n" in done.stdout
    assert day_logs(tmp_path)[0]["resting_orders"] is None


@contextmanager
def gateway(folder: Path, now_s: str, account_id: str) -> Iterator[dict[str, str]]:
    """A simulated gateway in real time; gives the settings that lead to it."""
    process = start(folder, now_s, account_id, "AAPL", "MSFT", program=SHIFTED_GATEWAY)
    try:
        assert process.stdout is not None
        yield {**SMALL, "IB_PORT": process.stdout.readline().strip()}
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("account_id", "options", "code", "why"),
    [
        ("U1234567", (), 3, "U1234567 is a live account (paper ids start with D): give --live to trade real money"),
        ("DU1234567", ("--live",), 2, "--live was given but DU1234567 is a paper account: leave it out"),
    ],
)
def test_the_account_decides_between_paper_and_live(
    tmp_path: Path, account_id: str, options: tuple[str, ...], code: int, why: str
) -> None:
    now = shift_s("2025-10-07 15:00")
    with gateway(tmp_path, now, account_id) as settings:
        done = run(tmp_path, now, "--allocation", "0.25", *options, settings=settings, program=SHIFTED_PROGRAM)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"day_trader.py: {why}\n")
    assert rows(tmp_path / "trading_history.db", "SELECT COUNT(*) FROM order_intents") == [(0,)]
    assert not (tmp_path / "day_trading_watchlist.json").exists()


def test_a_paper_session_in_real_time_is_kept_apart_from_simulations(tmp_path: Path) -> None:
    now = shift_s("2025-10-07 15:00:02")  # an hour and a half into the session
    with gateway(tmp_path, now, "DU1234567") as settings:
        process = start(tmp_path, now, "--allocation", "0.25", settings=settings, program=SHIFTED_PROGRAM)
        judged = "SELECT 1 FROM decisions"
        wait_for("a decision", process, tmp_path / "trading_history.db", judged)
        process.send_signal(signal.SIGINT)
        done = ended(process)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Day trader, paper session Tuesday 2025-10-07\n")
    assert "prices        the gateway\n" in done.stdout
    assert rows(tmp_path / "trading_history.db", "SELECT DISTINCT mode FROM decisions") == [("paper",)]
    assert (tmp_path / "day_trading_watchlist.json").exists()
    assert not (tmp_path / "simulated_history.db").exists()
    assert_bars_are_kept(tmp_path / "bars")


def assert_bars_are_kept(folder: Path) -> None:
    """The store has what the gateway's market showed since the open, bar by bar."""
    store, day = BarStore(str(folder)), date(2025, 10, 7)
    calendar = new_york_calendar(day)
    session = calendar.session_on(day)
    assert session is not None
    assert store.symbols("minute")
    for symbol in store.symbols("minute"):
        kept = store.bars("minute", symbol, day, day)
        shown = synthetic_feed(0, ("AAPL", "MSFT"), calendar, day).tape(symbol, session)
        seen = np.isin(shown.start_s, kept.start_s)
        assert kept.start_s[0] == session.open_s and len(kept.start_s) >= 85
        assert all(
            np.array_equal(kept_column, getattr(shown, name)[seen]) for name, kept_column in kept._asdict().items()
        )


# Help


def test_help_names_every_option(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    promised = (
        *("--allocation", "--simulate", "--market-data", "--days", "--seed", "--speed", "--watchlist", "--db"),
        *("--client-id", "--live", "--dry-run", "--no-dashboard", "--no-analyse", "--flatten-on-exit"),
    )
    assert [option for option in promised if not re.search(rf"^  {option}\b", done.stdout, re.MULTILINE)] == []
    assert list(tmp_path.iterdir()) == []
