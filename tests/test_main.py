"""The weekly bot's command line: it stands, and says that there is nothing behind it yet."""

from __future__ import annotations

import pytest

import main


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--run-days Monday Thursday",
        "--run-days Monday Thursday --interval 30 --force-online --dry-run --simulate",
        "--live",
    ],
)
def test_every_run_says_in_one_line_that_nothing_was_done(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(line.split()) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "main.py: the weekly bot is not part of this version: nothing was done\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--run-days Sunday", "'Sunday'"),
        ("--interval 0", "'0' is not a whole number of minutes"),
        ("--interval soon", "'soon' is not a whole number of minutes"),
        ("--live --simulate", "not allowed with argument"),
        ("--monthly", "--monthly"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main.main(line.split())
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_help_says_that_the_bot_is_not_here_yet(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main.main(["--help"])
    assert stop.value.code == 0
    assert "It is not part of this version" in " ".join(capsys.readouterr().out.split())
