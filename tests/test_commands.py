"""Typing mistakes are answered with what was meant, in one line."""

from __future__ import annotations

import pytest

from commands import CommandParser
from day_trading.command_line import build_parser
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
