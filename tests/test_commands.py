"""Typing mistakes are answered with what was meant, in one line."""

from __future__ import annotations

import pytest

from commands import CommandParser
from day_trading.command_line import build_parser, parse_arguments
from research.command_line import build_parser as build_research


@pytest.mark.parametrize(
    ("parser", "line", "words"),
    [
        (build_parser(), "--alocation 0.25", "unrecognized arguments: --alocation 0.25; did you mean --allocation?"),
        (build_parser(), "--allocation 0.25 --sim=2025-10-07", "arguments: --sim=2025-10-07; did you mean --simulate?"),
        (build_parser(), "--allocation 0.25 today", "unrecognized arguments: today"),
        (build_research(), "sweep --market-data x --varry a", "--varry a; did you mean --vary?"),
    ],
)
def test_an_unknown_option_is_told_with_the_nearest_known(
    parser: CommandParser, line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(line.split())
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert f"{words} (--help shows all options)" in told.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--allocation 0.25 --simulate --preflight", "--preflight and --simulate exclude each other"),
        ("--allocation 0.25 --simulate --live", "--live and --simulate exclude each other"),
        ("--allocation 0.25 --adopt AAPL", "'AAPL' is not a symbol and a number of shares like AAPL:100"),
        ("--allocation 0.25 --adopt AAPL:0", "'AAPL:0' is not a symbol and a number of shares"),
        ("--allocation 0.25 --adopt AAPL:-5", "'AAPL:-5' is not a symbol and a number of shares"),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_line(
    line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_arguments(line.split())
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert words in told.err


def test_shares_are_handed_over_by_symbol_and_number() -> None:
    args = parse_arguments(["--allocation", "0.25", "--adopt", "aapl:100", "--adopt", "MSFT:7"])
    assert args.adopt == [("AAPL", 100), ("MSFT", 7)]
