"""The weekly portfolio bot: `python main.py`. Not part of this version: its command line stands, and says so."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

FAULT, WRONG_USAGE = 1, 2
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
NOT_HERE = "the weekly bot is not part of this version: nothing was done"


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one clear line and exit 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"main.py: {message} (--help shows all options)\n")


def _minutes(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of minutes of at least 1")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """The command line as it will stay."""
    parser = _Parser(
        prog="main.py",
        description="The weekly portfolio bot. It is not part of this version: every run says so and ends with exit 1.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run-days", nargs="+", choices=WEEKDAYS, metavar="DAY", help="days on which a cycle may run: Monday …")
    add("--interval", type=_minutes, metavar="MIN", help="stay, and run a cycle every MIN minutes; default: one cycle")
    add("--force-online", action="store_true", help="ask the online language model even while the market is closed")
    add("--dry-run", action="store_true", help="decide and record, but send no order")
    account = parser.add_mutually_exclusive_group()
    account.add_argument("--simulate", action="store_true", help="run against the simulated gateway")
    account.add_argument("--live", action="store_true", help="allow a live account: real money")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the command line and say that there is nothing behind it yet."""
    build_parser().parse_args(arguments)
    print(f"main.py: {NOT_HERE}", file=sys.stderr)
    return FAULT


if __name__ == "__main__":
    sys.exit(main())
