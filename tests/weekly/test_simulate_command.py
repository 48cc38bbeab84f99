"""`python main.py --simulate` as its user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.terminal import ROOT, run
from tests.weekly.market import DAYS, NAMES, walk

PROGRAM = (str(ROOT / "main.py"),)


def write_market(folder: Path) -> None:
    (folder / "daily").mkdir(parents=True)
    for name in NAMES:
        rows = [
            ",".join([day.isoformat(), *(f"{usd:.2f}" for usd in (o, max(o, h, c), min(o, low, c), c)), "5000000"])
            for day, (o, h, low, c) in zip(DAYS, walk(name).round(2).tolist(), strict=True)
        ]
        text = "\n".join(["date,open,high,low,close,volume", *rows])
        (folder / "daily" / f"{name}.csv").write_text(text)


def test_weeks_are_played_compared_and_reported(tmp_path: Path) -> None:
    write_market(tmp_path / "bars")
    options = ("--simulate", "--weeks", "3", "--market-data", "bars", "--run-days", "Monday", "Thursday")
    done = run(tmp_path, *options, settings={"WEEKLY_MAX_SECTOR_PCT": "100"}, program=PROGRAM)
    assert done.returncode == 0, done.stderr
    assert "6 cycles; cash, positions and cost were the account's to the cent after each" in done.stdout
    assert "the bot earned" in done.stdout
    assert "report: reports/weekly/weekly_report_2024-06-27.html" in done.stdout
    told = json.loads((tmp_path / "reports/weekly/weekly_report_2024-06-27.json").read_text())
    assert told["run"]["reconciled_cycles"] == len(told["cycles"]) == 6
    assert len(told["run"]["equity_usd"]["weekly bot"]) == len(told["run"]["sessions"])
    assert (tmp_path / "simulated_history.db").exists()
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--market-data", "none"), "main.py: market data directory none does not exist"),
        (("--market-data", ".", "--seed", "1"), "--seed belongs to the synthetic market"),
        (("--seed", "1", "--llm-replay", "none.db"), "none.db: no such recording of language models"),
        (("2031-01-01", "--seed", "1"), "52 weeks from 2031-01-01 on: the market data allows"),
    ],
)
def test_what_cannot_be_played_is_one_line_and_exit_2(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    done = run(tmp_path, "--simulate", *options, settings={}, program=PROGRAM)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "simulated_history.db").exists()
