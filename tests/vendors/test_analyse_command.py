"""`python day_trading_agents.py --analyse`: the list from vendors, from a simulated gateway, and clear refusals."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

import commands
from day_trading import __main__ as command
from tests.vendors.doubles import KEY, Fault, FmpDouble, StillClock, serving

NOBODY = "9"  # a port where no gateway listens


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IB_PORT", NOBODY)
    monkeypatch.setenv("WATCHLIST_UNIVERSE", "AMZN,CRM,MSFT")
    for name in ("FMP_API_KEY", "POLYGON_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _log_handlers_go() -> object:
    """What `setup_logging` installs holds files of this test's folder."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if (each.name or "").startswith("utils.")]:
        root.removeHandler(handler)
        handler.close()


def test_without_a_gateway_the_vendors_make_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    double = FmpDouble(symbols=8)
    double.faults["news"] = Fault.PLAN
    with serving(double):
        monkeypatch.setenv("FMP_API_KEY", KEY)
        monkeypatch.setenv("FMP_PLAN", "ultimate")
        monkeypatch.setenv("FMP_BASE_URL", double.url)
        assert command.main(["--analyse"], StillClock()) == commands.DONE
    out = capsys.readouterr().out
    assert "Watchlist of 2026-11-20, from 11 symbols:" in out
    content = json.loads((tmp_path / "day_trading_watchlist.json").read_text())
    assert [entry["symbol"] for entry in content["symbols"]] == [line.split()[1] for line in out.splitlines()[1:-1]]
    assert any(words.startswith("PLAN: FMP news/stock") for words in content["missing"])
    assert set(content["refused"]) >= {"AMZN", "CRM", "MSFT"}  # the double knows none of them
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in files if KEY.encode() in file.read_bytes()] == []


def test_simulated_list_is_made_through_the_gateway_and_asks_no_vendor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    double = FmpDouble()
    with serving(double):
        monkeypatch.setenv("FMP_API_KEY", KEY)
        monkeypatch.setenv("FMP_BASE_URL", double.url)
        assert command.main(["--analyse", "--simulate", "2026-11-19"], StillClock()) == commands.DONE
    assert double.asked == []
    content = json.loads((tmp_path / "simulated_watchlist.json").read_text())
    assert content["session_date"] == "2026-11-19"
    assert {entry["symbol"] for entry in content["symbols"]} <= {"AMZN", "CRM", "MSFT"}
    assert "3 symbols" in capsys.readouterr().out


def test_neither_gateway_nor_vendor_is_a_fault_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--analyse"], StillClock()) == commands.FAULT
    assert "127.0.0.1:9" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to do without --analyse"),
        (["--analyse", "--market-data", "x"], "--market-data needs --simulate"),
        (["--analyze"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == commands.WRONG_USAGE
    assert words in capsys.readouterr().err


def test_bad_date_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--analyse", "--simulate", "tomorrow"], StillClock()) == commands.WRONG_USAGE
    assert "'tomorrow' is not a date" in capsys.readouterr().err
