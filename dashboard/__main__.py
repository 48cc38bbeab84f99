"""The page over any database, finished or in use: `python -m dashboard --db FILE --port N`. It only reads."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands import DONE, CommandParser, fail, whole
from utils import Environment, Misconfigured, Redaction, TradingError, read_environment, setup_logging

if TYPE_CHECKING:
    from dashboard.program import BarsOf, Program
    from dashboard.settings import DashboardSettings

log = logging.getLogger("dashboard")

LOG_FILE = Path("logs/day_trader.log")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(prog="python -m dashboard", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--db", type=Path, required=True, metavar="FILE", help="the database")
    add("--port", type=whole(1, 65_535), metavar="N", help="default DASHBOARD_PORT")
    add("--bot", metavar="NAME", help="whose days: day_trader or weekly; default: whose are the latest")
    add("--mode", choices=("live", "paper", "simulated"), help="which days; default: the latest")
    add("--market-data", type=Path, metavar="DIR", help="where the bars of a simulated day are; default the bar store")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C. Returns the exit code: 0 done, 1 a fault, 2 wrong usage or configuration."""
    args = build_parser().parse_args(arguments)
    try:
        environment = read_environment()
        from dashboard.settings import DashboardSettings
        from utils import load_settings

        secrets = environment.secrets((DashboardSettings,))
        setup_logging(None, logging.WARNING, secrets=secrets)
        settings = load_settings(DashboardSettings, environment)
        if args.port is not None:
            settings = settings.model_copy(update={"dashboard_port": args.port})
        _serve(_program(args, environment, Redaction(secrets)), settings)
    except KeyboardInterrupt:
        pass
    except (TradingError, OSError) as error:
        return fail("python -m dashboard", error)
    return DONE


def _serve(program: Program, settings: DashboardSettings) -> None:
    """Until Ctrl-C. Raises Misconfigured when the address cannot be had."""
    import threading

    from dashboard.server import DashboardThread

    token = settings.dashboard_token.get_secret_value() if settings.dashboard_token is not None else ""
    try:
        thread = DashboardThread(program, settings, token)
    except OSError as error:
        where = f"{settings.dashboard_host}:{settings.dashboard_port}"
        raise Misconfigured(f"cannot listen on {where}: {error.strerror or error}") from error
    with thread:
        print(f"{program.database.name} ({program.bot}, {program.mode}) is at {thread.url} until Ctrl-C.", flush=True)
        threading.Event().wait()


def _program(args: argparse.Namespace, environment: Environment, blank: Callable[[str], str]) -> Program:
    """The database as a program of which nothing runs. Raises Misconfigured, Retryable."""
    from contextlib import closing
    from functools import partial

    from dashboard.program import Program
    from day_trading.seen_bars import seen_bars
    from market_hours import LiveClock
    from records.browsing import bots_on_record
    from records.connections import open_for_reading
    from records.migrations import checked_version
    from records.schema import MIGRATIONS
    from records.settings import RecordsSettings
    from utils import load_settings

    with closing(open_for_reading(args.db)) as connection:
        version = checked_version(connection, args.db)
        if version < len(MIGRATIONS):
            raise Misconfigured(
                f"{args.db}: database version {version}, this program reads {len(MIGRATIONS)}: "
                "the next start of a bot brings it up to date"
            )
        found = [pair for pair in bots_on_record(connection) if pair[0] == (args.bot or pair[0])]
    bot, mode = next((pair for pair in found if pair[1] == (args.mode or pair[1])), ("", ""))
    clock = LiveClock()
    store = load_settings(RecordsSettings, environment).records_bar_store
    return Program(
        database=args.db,
        bot=bot or args.bot or "day_trader",
        mode=mode or args.mode or "paper",
        now=clock.now,
        started_at=clock.now(),
        bars_of=_replayed(args.market_data) if args.market_data is not None else partial(seen_bars, store),
        log_file=LOG_FILE,
        blank=blank,
    )


def _replayed(directory: Path) -> BarsOf:
    """The bars that a simulated run was played from, read when first asked for. Raises Misconfigured."""
    from datetime import date

    from ib_simulator.embedded import recorded_feed
    from market_hours import LiveClock, new_york_calendar, new_york_date
    from trading.bars import Bar

    calendar = new_york_calendar(new_york_date(LiveClock().now()))
    feed = recorded_feed(directory, calendar)

    def bars_of(session_date: str, symbol: str) -> list[Bar]:
        session = calendar.session_on(date.fromisoformat(session_date))
        if session is None:
            raise LookupError(f"{session_date} is no session of the exchange")
        tape = feed.tape(symbol, session)
        columns = (tape.start_s, tape.open, tape.high, tape.low, tape.close, tape.volume)
        return [Bar(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    return bars_of


if __name__ == "__main__":
    sys.exit(main())
