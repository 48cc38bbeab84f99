"""Bad input ends with exit 2, one clear line, and nothing moved, written or lost."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from observability import TradingHistory
from records.rows import DecisionRow, TradeRow
from tests.terminal import SMALL, run

ALLOCATION = ("--allocation", "0.25")
SIMULATE = (*ALLOCATION, "--simulate")
HEADER = "timestamp,open,high,low,close,volume\n"
GOOD_ROW = "2025-10-07T13:30:00Z,10,10,10,10,100\n"
LAST_RUN = b"the history of the last simulated run\n"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but the log of the program."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "day_trader.log"
    }


def refused(folder: Path, *arguments: str, code: int = 2, settings: dict[str, str] | None = None) -> str:
    """The one line, without the program's name, of a run that must not begin."""
    before = contents(folder)
    done = run(folder, *arguments, settings=SMALL if settings is None else settings)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    line = re.fullmatch(r"day_trader\.py: (\S.*)\n", done.stderr)
    assert line is not None, done.stderr
    assert contents(folder) == before
    return line[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which an earlier run left its database."""
    (tmp_path / "simulated_history.db").write_bytes(LAST_RUN)
    return tmp_path


# The command line


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "the following arguments are required: --allocation"),
        (("--simulate",), "the following arguments are required: --allocation"),
        (("--allocation",), "argument --allocation: expected one argument"),
        (("--allocation", "0"), "argument --allocation: 0 is not in (0, 1]"),
        (("--allocation", "-0.1"), "argument --allocation: -0.1 is not in (0, 1]"),
        (("--allocation", "25"), "argument --allocation: 25 is not in (0, 1]"),
        (("--allocation", "nan"), "argument --allocation: nan is not in (0, 1]"),
        (("--allocation", "a quarter"), "argument --allocation: 'a quarter' is not a number"),
        ((*SIMULATE, "2025-13-45"), "argument --simulate: '2025-13-45' is not a date like 2025-10-07"),
        ((*SIMULATE, "20251007"), "argument --simulate: '20251007' is not a date like 2025-10-07"),
        ((*SIMULATE, "yesterday"), "argument --simulate: 'yesterday' is not a date like 2025-10-07"),
        ((*SIMULATE, "--live"), "--live and --simulate exclude each other"),
        ((*SIMULATE, "--days", "0"), "argument --days: '0' is not a whole number from 1 to 100000"),
        ((*SIMULATE, "--days", "9" * 5_000), f"argument --days: '{'9' * 5_000}' is not a whole number"),
        ((*SIMULATE, "--speed", "0"), "argument --speed: 0 is not a positive number"),
        ((*SIMULATE, "--speed", "nan"), "argument --speed: nan is not a positive number"),
        ((*SIMULATE, "--seed", "-1"), "argument --seed: '-1' is not a whole number"),
        ((*ALLOCATION, "--days", "2"), "--days needs --simulate"),
        ((*ALLOCATION, "--market-data", "."), "--market-data needs --simulate"),
        ((*ALLOCATION, "--client-id", "2147483648"), "argument --client-id: '2147483648' is not a whole number"),
        ((*ALLOCATION, "--liv"), "unrecognized arguments: --liv"),  # no abbreviation may mean --live
        ((*ALLOCATION, "AAPL"), "unrecognized arguments: AAPL"),
    ],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...], why: str) -> None:
    line = refused(folder, *arguments)
    assert line.startswith(why)
    assert line.endswith("(--help shows all options)")


# Dates and market data


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (
            "2025-07-04",
            "no synthetic session on 2025-07-04: the exchange is closed that day; "
            "the nearest sessions are 2025-07-03 and 2025-07-07",
        ),
        ("2004-01-05", "no synthetic session on 2004-01-05: the market begins on 2005-01-03"),
        ("2999-01-02", "no synthetic session on 2999-01-02: the market ends on "),
    ],
)
def test_a_day_without_a_session(folder: Path, day: str, why: str) -> None:
    assert refused(folder, *SIMULATE, day).startswith(why)


def write_bars(folder: Path, text: str) -> None:
    (folder / "data" / "minute").mkdir(parents=True)
    (folder / "data" / "minute" / "AAPL.csv").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not a table", "data/minute/AAPL.csv: column 'timestamp' is missing; the file has not a table"),
        (
            HEADER + "2025-10-07T13:31:00Z,10,10,10,10,100\n" + GOOD_ROW,
            "data/minute/AAPL.csv: row 2 (2025-10-07T13:30:00Z): the timestamp is earlier than the row before",
        ),
        (
            HEADER + GOOD_ROW + "2025-10-07T13:31:00Z,10,10,-10,10,100\n",
            "data/minute/AAPL.csv: row 2 (2025-10-07T13:31:00Z): low is zero or negative",
        ),
        (
            HEADER + GOOD_ROW + "2025-10-07T13:31:00Z,10,10,10,10,-100\n",
            "data/minute/AAPL.csv: row 2 (2025-10-07T13:31:00Z): volume is negative",
        ),
    ],
)
def test_a_malformed_bar_file(folder: Path, text: str, why: str) -> None:
    write_bars(folder, text)
    assert refused(folder, *SIMULATE, "--market-data", "data").startswith(why)


def test_a_market_data_directory_that_is_none(folder: Path) -> None:
    assert refused(folder, *SIMULATE, "--market-data", "nowhere") == "market data directory nowhere does not exist"
    assert refused(folder, *SIMULATE, "--market-data", ".") == "market data directory . has no folder minute/"


def test_market_data_without_what_was_asked_for(folder: Path) -> None:
    write_bars(folder, HEADER + GOOD_ROW)
    data = ("--market-data", "data")
    assert refused(folder, *SIMULATE, *data, "--days", "2") == "--days 2: the market data has only 1 session"
    missing = "no bars for 2025-10-08 in data; the nearest sessions are 2025-10-07"
    assert refused(folder, *SIMULATE, "2025-10-08", *data) == missing
    assert refused(folder, *SIMULATE, *data, "--seed", "1").startswith("--seed belongs to the synthetic market")


# The watchlist


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ('["AAPL",', (), "list.json: line 1, column 9: "),
        ('{"AAPL": 1}', (), 'list.json: it must be a list of symbols or an object with a list "symbols"'),
        ('["AAPL", "aapl"]', (), "list.json: entry 2 has no symbol such as AAPL: 'aapl'"),
        (
            '{"symbols": ["AAPL"], "session_date": "2025-10-02"}',
            ("--no-analyse",),
            "list.json was made for 2025-10-02, more than a session before 2025-10-07: leave --no-analyse out",
        ),
        (
            '{"symbols": ["AAPL"], "session_date": "2025-10-08"}',
            ("--no-analyse",),
            "list.json was made for 2025-10-08, after 2025-10-07: leave --no-analyse out",
        ),
    ],
)
def test_a_bad_watchlist(folder: Path, text: str, options: tuple[str, ...], why: str) -> None:
    (folder / "list.json").write_text(text, encoding="utf-8")
    assert refused(folder, *SIMULATE, "2025-10-07", "--watchlist", "list.json", *options).startswith(why)


def test_a_watchlist_that_is_not_there(folder: Path) -> None:
    assert refused(folder, *SIMULATE, "--watchlist", "lits.json") == "lits.json: no such file"
    line = refused(folder, *SIMULATE, "--no-analyse")
    assert line == "simulated_watchlist.json does not exist and --no-analyse forbids to make it"


def test_a_symbol_that_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('["AAPL", "APLE", "MFST"]', encoding="utf-8")
    done = run(tmp_path, *SIMULATE, "--watchlist", "list.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "day_trader.py: list.json: the gateway knows no stock APLE or MFST\n"


# The database


def test_a_file_that_is_no_database(folder: Path) -> None:
    assert refused(folder, *SIMULATE, "--db", "nowhere/x.db") == "nowhere/x.db: its directory does not exist"
    assert refused(folder, *SIMULATE, "--db", ".") == ".: is a directory, not a database file"


def test_a_database_of_a_newer_program(folder: Path) -> None:
    TradingHistory(folder / "new.db", bot="day_trader", mode="simulated").close()
    with closing(sqlite3.connect(folder / "new.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    line = refused(folder, *SIMULATE, "--db", "new.db")
    assert line.startswith("new.db: written by a newer program: database version 99, this program knows ")


def test_a_database_of_another_program(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "photos.db")) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    assert refused(folder, *SIMULATE, "--db", "photos.db").startswith("photos.db: a database of another program")


def test_a_database_with_paper_trades_is_not_for_a_simulation(folder: Path) -> None:
    with TradingHistory(folder / "paper.db", bot="day_trader", mode="paper") as history:
        history.record_trade(
            TradeRow(
                exec_id="0001",
                session_date="2025-10-07",
                timestamp=datetime(2025, 10, 7, 14, tzinfo=UTC),
                symbol="AAPL",
                action="BUY",
                quantity=1,
                price_usd=256.0,
                reason="entry",
            )
        )
    line = refused(folder, *SIMULATE, "--db", "paper.db")
    assert line == "paper.db is the history of paper trading: a simulated run needs its own --db"


def test_a_paper_day_without_trades_is_not_for_a_simulation_either(folder: Path) -> None:
    with TradingHistory(folder / "paper.db", bot="day_trader", mode="paper") as history:
        history.record_decision(
            DecisionRow(
                decision_id="0001",
                session_date="2025-10-07",
                timestamp=datetime(2025, 10, 7, 14, tzinfo=UTC),
                symbol="AAPL",
                kind="deny",
                rule="warming_up",
            )
        )
    line = refused(folder, *SIMULATE, "--db", "paper.db")
    assert line == "paper.db is the history of paper trading: a simulated run needs its own --db"


# The settings


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("IB_PORT=abc", "IB_PORT=abc (from .env): Input should be a valid integer"),
        ("IB_PORT=99999", "IB_PORT=99999 (from .env): Input should be less than or equal to 65535; allowed 1..65535"),
        ("RISK_COLLAR_BPS=-1", "RISK_COLLAR_BPS=-1 (from .env): Input should be greater than or equal to 0"),
        ("WATCHLIST_UNIVERSE=AAPL,AAPL", "WATCHLIST_UNIVERSE=AAPL,AAPL (from .env): AAPL is named twice"),
        ("WATCHLIST_UNIVERSE=aapl", "WATCHLIST_UNIVERSE=aapl (from .env): 'aapl' is not a symbol such as AAPL"),
        ("IB_PORT", ".env: line 1 is not NAME=value"),
    ],
)
def test_a_bad_setting_is_named_with_its_origin(folder: Path, text: str, why: str) -> None:
    (folder / ".env").write_text(text + "\n", encoding="utf-8")
    assert refused(folder, *SIMULATE, settings={}).startswith(why)


def test_a_bad_setting_is_told_on_a_closed_day_too(folder: Path) -> None:
    line = refused(folder, *ALLOCATION, settings={"RISK_LAST_ENTRY_S": "60"})
    assert line.startswith("RISK_LAST_ENTRY_S=60 (from the environment): ")


@pytest.mark.parametrize("arguments", [ALLOCATION, SIMULATE])
def test_settings_that_contradict_each_other_are_refused_before_anything_is_connected(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    settings = {"RISK_COLLAR_BPS": "90", "RISK_MAX_POSITION_PCT": "50", "KILL_SWITCH_FILE": "STOP"}
    line = refused(folder, *arguments, settings=settings)
    assert line.startswith("RISK_COLLAR_BPS=90: with 0.9 % paid above the ask an entry is at its stop as it fills")
    assert " | RISK_MAX_POSITION_PCT=50: one position cannot be larger than the 25 % of the account" in line


def test_a_kill_switch_that_nobody_can_throw_is_refused(folder: Path) -> None:
    line = refused(folder, *SIMULATE, settings={"KILL_SWITCH_FILE": "nowhere/KILL"})
    assert line.startswith("KILL_SWITCH_FILE=nowhere/KILL: there is no folder ")
    (folder / "KILL").mkdir()
    assert refused(folder, *SIMULATE, settings={}) == "KILL_SWITCH_FILE=KILL is a folder: name a file in it"


def test_an_unknown_variable_is_a_warning_that_the_user_sees(folder: Path) -> None:
    (folder / ".env").write_text("WATCHLIST_SIZ=3\n", encoding="utf-8")
    done = run(folder, *SIMULATE)
    assert done.returncode == 2  # the last run's database is no database
    warning, line = done.stderr.splitlines()
    assert warning.endswith(
        "WARNING configuration: WATCHLIST_SIZ (from .env) is not a setting; did you mean WATCHLIST_SIZE?"
    )
    assert line == "day_trader.py: simulated_history.db: is not a database"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file, no folder", encoding="utf-8")
    assert refused(tmp_path, *SIMULATE) == "cannot write the log file logs/day_trader.log: File exists"
