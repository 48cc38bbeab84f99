"""Pages over a database: `python -m reporting month 2025-10 --db FILE`, and the index: `python -m reporting index`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands import DONE, CommandParser, fail
from utils import Misconfigured, TradingError, read_environment, setup_logging

if TYPE_CHECKING:
    from datetime import date

PROGRAM = "python -m reporting"
REPORT_DIR = Path("reports")


def _month(text: str) -> date:
    """The first day of `2025-10`."""
    from datetime import date

    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        first = None
    if first is None or f"{first:%Y-%m}" != text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a month like 2025-10")
    return first


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="month|index")
    month = commands.add_parser("month", help="the tear sheet of a month", allow_abbrev=False)
    month.add_argument("month", type=_month, metavar="YYYY-MM", help="which month")
    month.add_argument("--db", type=Path, required=True, metavar="FILE", help="the database; it is only read")
    month.add_argument("--bot", default="day_trader", metavar="NAME", help="whose sessions (default day_trader)")
    month.add_argument("--mode", choices=("live", "paper", "simulated"), help="which sessions; default: the latest")
    index = commands.add_parser("index", help="the index of all pages", allow_abbrev=False)
    for command in (month, index):
        command.add_argument("--reports", type=Path, default=REPORT_DIR, metavar="DIR", help="folder (default reports)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a page and name it. Returns the exit code: 0 done, 1 a fault, 2 wrong usage or configuration."""
    args = build_parser().parse_args(arguments)
    try:
        environment = read_environment()
        setup_logging(None, logging.WARNING, secrets=environment.secrets())
        from reporting.index import write_index

        if args.command == "month":
            print(_write_month(args))
        print(write_index(args.reports) if args.reports.is_dir() else _nothing(args.reports))
    except (TradingError, OSError) as error:
        return fail(PROGRAM, error)
    return DONE


def _nothing(folder: Path) -> str:
    raise Misconfigured(f"{folder}: no such folder; a session of the day trader makes it")


def _write_month(args: argparse.Namespace) -> str:
    """Read the month, write its page, return its path. Raises Misconfigured when there is nothing to tell."""
    from contextlib import closing
    from datetime import timedelta

    from day_trading.month_page import month_page
    from records.browsing import bots_on_record
    from records.connections import open_for_reading
    from records.evidence_trips import days_on_record, trips_on_record
    from records.history_reader import HistoryReader
    from reporting.page import write_page

    first = args.month
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    with closing(open_for_reading(args.db)) as connection:
        modes = [mode for bot, mode in bots_on_record(connection) if bot == args.bot]
        mode = args.mode or (modes[0] if modes else "")
        history = HistoryReader(connection, args.db, bot=args.bot, mode=mode)
        known = days_on_record(history, "0001-01-01", last.isoformat())
        trips = trips_on_record(history, first.isoformat(), last.isoformat())
    days = [day for day in known if day.session_date >= first]
    if not days:
        raise Misconfigured(f"{args.db}: no session of {args.bot} in {first:%Y-%m} was evaluated")
    kind = "" if mode in ("live", "paper") else f"_{mode}"
    path: Path = args.reports / "monthly" / f"{args.bot}_{first:%Y-%m}{kind}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path, month_page(args.bot, mode, first, days, known[: -len(days)], trips))
    return str(path)


if __name__ == "__main__":
    sys.exit(main())
