"""Care for a database: `python -m records check|backup|restore --db FILE`. Not needed while all is well."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from commands import DONE, CommandParser, fail


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(prog="python -m records", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="check|backup|restore")
    about = {
        "check": "look for damage in every page, every index and the chain of llm_calls, and change nothing",
        "backup": "make a checked copy in backups/ beside the database, also while a bot is running",
        "restore": "put the newest good backup in the place of a damaged database, which is kept under another name",
    }
    for name, words in about.items():
        command = commands.add_parser(name, help=words, description=words, allow_abbrev=False)
        command.add_argument("--db", type=Path, required=True, metavar="FILE", help="the database")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 1 a fault, 2 wrong usage or no such database, 3 the database is damaged."""
    args = build_parser().parse_args(arguments)
    from records.faults import RecordsFailed
    from utils import HaltTrading, Misconfigured, Retryable

    try:
        {"check": _check, "backup": _back_up, "restore": _restore}[args.command](args.db)
    except (Misconfigured, HaltTrading, Retryable, RecordsFailed, OSError) as error:
        return fail("python -m records", error)
    return DONE


def _check(database: Path) -> None:
    import sqlite3

    from records.connections import open_for_reading
    from records.faults import RecordsFailed
    from records.integrity import damage, damaged
    from records.llm_calls import verify_chain
    from utils import Misconfigured

    with closing(open_for_reading(database)) as connection:
        if found := damage(connection, thorough=True):
            raise damaged(database, found)
        try:
            chain = verify_chain(connection)
        except sqlite3.OperationalError as error:
            raise Misconfigured(f"{database}: is not a database of this program: {error}") from error
    if chain.broken:
        raise RecordsFailed(f"{database}: llm_calls are not as they were written: {chain.broken}")
    print(f"{database}: no damage found, {chain.calls} call(s) of language models in an unbroken chain")


def _back_up(database: Path) -> None:
    from market_hours import LiveClock, new_york_date
    from records.backups import back_up
    from records.settings import RecordsSettings
    from utils import load_settings, read_environment

    keep = load_settings(RecordsSettings, read_environment()).records_backups
    day = new_york_date(LiveClock().now()).isoformat()
    print(f"{back_up(database, day, keep=max(keep, 1))}: made and checked")


def _restore(database: Path) -> None:
    from market_hours import LiveClock
    from records.backups import restore

    restored = restore(database, f"{LiveClock().now():%Y%m%dT%H%M%SZ}")
    for file in restored.moved:
        print(f"kept what was there as {file}")
    print(f"{database}: is now {restored.backup}; what happened after it is not in it")
    print("The next start merges the fallback journal, if there is one, and asks the broker for today's executions.")


if __name__ == "__main__":
    sys.exit(main())
