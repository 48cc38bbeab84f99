"""The tear sheet of a month and the index of all pages, by their command over a database of simulated days."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from day_trading.month_page import month_page
from evidence.trips import TradingDay
from reporting.__main__ import main
from reporting.index import write_index
from reporting.page import page
from tests.simulated_runs import DATABASE, rows, run
from tests.test_day_page import SMALL, Content


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tuesday 2025-09-30, Wednesday 2025-10-01, Thursday 2025-10-02."""
    folder = tmp_path_factory.mktemp("month") / "run"
    done = run(folder, "2025-09-30", "--days", "3", settings=SMALL)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_month_has_its_sessions_and_their_numbers_and_no_others(
    three_days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = three_days / "reports"
    assert main(["month", "2025-10", "--db", str(three_days / DATABASE), "--reports", str(reports)]) == 0
    written, index = capsys.readouterr().out.splitlines()
    assert written == str(reports / "monthly" / "day_trader_2025-10_simulated.html")
    content = Content(Path(written).read_text(encoding="utf-8"))
    assert content.outside == []
    known = dict(rows(three_days, "SELECT session_date, total_pnl FROM daily_metrics WHERE session_date >= '2025-10'"))
    assert content.headings[0] == f"October 2025: {sum(known.values()):+,.2f} USD"
    sessions = [row for row in content.rows if re.match(r"(Wed|Thu) 2025-10-0[12]$", row[0])]
    assert [(row[0][4:], row[1]) for row in sessions] == [(day, f"{pnl:+,.2f}") for day, pnl in sorted(known.items())]
    assert content.facts()["Sharpe"] == "too few days: 3 of 20"
    # three days, what was learned from each, and the month
    assert Path(index).read_text(encoding="utf-8").count("<a href=") == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["month", "2025-11", "--db", DATABASE], "no session of day_trader in 2025-11 was evaluated"),
        (["month", "2025-10", "--db", "absent.db"], "absent.db"),
        (["index", "--reports", "absent"], "absent: no such folder"),
    ],
)
def test_what_cannot_be_told_is_one_line_and_exit_2(
    three_days: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(three_days)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.parametrize("text", ["2025-13", "2025", "25-10", "2025-1", "october"])
def test_a_month_is_written_like_a_month(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["month", text, "--db", "x.db"])
    assert ended.value.code == 2
    assert f"{text!r} is not a month like 2025-10" in capsys.readouterr().err


def test_drawdown_is_of_returns_so_that_money_moved_in_or_out_is_none() -> None:
    days = [
        TradingDay(session_date=date(2025, 10, 1), pnl_usd=1_000.0, equity_at_open_usd=100_000.0),
        TradingDay(session_date=date(2025, 10, 2), pnl_usd=-500.0, equity_at_open_usd=50_000.0),  # half was taken out
    ]
    content = Content(month_page("day_trader", "live", date(2025, 10, 1), days, [], []))
    assert content.facts()["deepest drawdown"] == "-1.00 % of the account, at closes"
    assert content.facts()["round trips"] == "none"


def test_an_index_leads_to_every_page_by_its_title(tmp_path: Path) -> None:
    (tmp_path / "daily").mkdir()
    (tmp_path / "own notes & more").mkdir()
    (tmp_path / "daily" / "day_2025-10-07.html").write_text(page("Tuesday: <b> & more", [], []), encoding="utf-8")
    (tmp_path / "own notes & more" / "a b.html").write_text("no title", encoding="utf-8")
    write_index(tmp_path)
    write_index(tmp_path)  # does not list itself
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<a href="(.*?)">(.*?)</a>', html) == [
        ("daily/day_2025-10-07.html", "Tuesday: &lt;b&gt; &amp; more"),
        ("own%20notes%20%26%20more/a%20b.html", "a b"),
    ]
    assert Content(html).headings == ["Reports", "Days", "own notes & more"]
