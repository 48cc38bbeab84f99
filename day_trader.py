"""The day trader: `python day_trader.py --allocation 0.25`; with `--simulate` the same program on a simulated day."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from utils import (
    Environment,
    HaltTrading,
    Misconfigured,
    Redaction,
    TradingError,
    read_environment,
    setup_logging,
    unknown_variables,
)

if TYPE_CHECKING:
    import asyncio
    from datetime import date

    from day_trading.options import TraderOptions
    from ib_simulator.embedded import RecordedOrSynthetic
    from market_hours import Clock
    from observability import TradingHistory

log = logging.getLogger("day_trader")

DONE, FAULT, WRONG_USAGE, STOPPED_BY_RULE = 0, 1, 2, 3
LIVE_DATABASE = Path("trading_history.db")
SIMULATED_DATABASE = Path("simulated_history.db")
LIVE_WATCHLIST = Path("day_trading_watchlist.json")
SIMULATED_WATCHLIST = Path("simulated_watchlist.json")
LOG_DIR = Path("logs")
CLIENT_LIBRARIES = ("ib_insync", "ib_async")
TOLD_BY_US = tuple(f"{library}.{part}" for library in CLIENT_LIBRARIES for part in ("wrapper", "client"))  # told again
CLIENT_ID = 2
LATEST = "latest"
MOST_DAYS = 100_000
LARGEST_ID = 2**31 - 1
LARGEST_SEED = 2**63 - 1


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one clear line and exit 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"day_trader.py: {message} (--help shows all options)\n")


def _allocation(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in (0, 1]: it is the share of the account that may be used")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _speed(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _whole(least: int, most: int) -> Callable[[str], int]:
    """A type of argparse: whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        digits = text.lstrip("0") or "0"
        if text.isdecimal() and len(digits) <= len(str(most)) and least <= int(digits) <= most:
            return int(digits)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")

    return parse


def _consent(text: str) -> tuple[str, int]:
    symbol, _, shares = text.partition(":")
    if not symbol.isalnum() or not shares.isdecimal() or int(shares) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a symbol and a number of shares like AAPL:100")
    return symbol.upper(), int(shares)


def _session_date(text: str) -> date | str:
    from datetime import date

    if text == LATEST:
        return LATEST
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # other ISO forms (20251007, 2025-W41-2) are typing mistakes here
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2025-10-07")
    return day


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = _Parser(prog="day_trader.py", description="Trades one session by itself.", allow_abbrev=False)
    add = parser.add_argument
    add("--allocation", type=_allocation, metavar="SHARE", help="share of the account to use, 0 to 1; required")
    add("--live", action="store_true", help="allow a live account (ids that do not start with D): real money")
    add("--dry-run", action="store_true", help="decide and record, but send no order")
    add("--client-id", type=_whole(0, LARGEST_ID), default=CLIENT_ID, metavar="N", help="API client id (default 2)")
    add("--watchlist", type=Path, metavar="FILE", help="symbols to trade; default day_trading_watchlist.json")
    add("--no-analyse", action="store_true", help="refuse to trade a watchlist that is missing or outdated")
    add("--db", type=Path, metavar="FILE", help="database; default trading_history.db or simulated_history.db")
    add("--adopt", type=_consent, action="append", metavar="SYMBOL:SHARES", help="hand external shares to the bot")
    add("--flatten-on-exit", action="store_true", help="on Ctrl-C close positions at market")
    add("--kill", nargs="?", const="stop", choices=("stop", "flatten"), help="throw the kill switch of a running bot")
    add("--no-dashboard", action="store_true", help="do not start the web page")
    add("--verbose", action="store_true", help="log to the terminal what otherwise only the log file gets")
    simulation = parser.add_argument_group("simulation", "the same program against the simulated gateway")
    add = simulation.add_argument
    add("--simulate", nargs="?", const=LATEST, type=_session_date, metavar="DATE", help="a session, default the latest")
    add("--market-data", type=Path, metavar="DIR", help="replay bars from DIR instead of the synthetic market")
    add("--days", type=_whole(1, MOST_DAYS), metavar="N", help="N sessions in a row (default 1)")
    add("--seed", type=_whole(0, LARGEST_SEED), metavar="N", help="seed of the synthetic market (default 0)")
    add("--speed", type=_speed, metavar="X", help="X times real time instead of as fast as possible")
    return parser


def main(arguments: Sequence[str] | None = None, clock: Clock | None = None) -> int:
    """Run and return the exit code: 0 done, 1 fault, 2 wrong usage or configuration, 3 stopped by a safety rule.

    `clock` is the machine's own when not given.
    """
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.kill is None and args.allocation is None:
        parser.error("the following arguments are required: --allocation")
    if args.simulate is None:
        for option in ("market_data", "days", "seed", "speed"):
            if getattr(args, option) is not None:
                parser.error(f"--{option.replace('_', '-')} needs --simulate")
    elif args.live:
        parser.error("--live and --simulate exclude each other")
    blank: Callable[[str], str] = str
    try:
        environment = read_environment()
        level, unseen = (logging.INFO, ()) if args.verbose else (logging.WARNING, TOLD_BY_US)
        from day_trading.settings import SETTINGS_CLASSES
        from telemetry.settings import header_secrets

        secrets = (*environment.secrets(SETTINGS_CLASSES), *header_secrets(environment))
        blank = Redaction(secrets)
        setup_logging(LOG_DIR / "day_trader.log", level, secrets=secrets, file_only=unseen)
        from market_hours import LiveClock
        from observability import Telemetry
        from telemetry.garbage import quiet_collection

        if args.kill is not None:
            from day_trading.kill_switch import throw_from_console

            print(throw_from_console(environment, args.kill))
            return DONE
        run = _trade if args.simulate is None else _simulate
        mode = "simulated" if args.simulate is not None else "live" if args.live else "paper"
        with Telemetry.of(environment, bot="day_trader", mode=mode, secrets=secrets), quiet_collection():
            return run(args, environment, clock or LiveClock())
    except KeyboardInterrupt:  # the session takes the signals over when it begins
        print("Stopped by Ctrl-C before the session began.")
        return DONE
    except Exception as error:
        if (known := _known(error)) is not None:
            return _fail(known, blank)
        log.critical("a fault of the program ended it", exc_info=error)  # blanked there; Python's own trace is not
        return FAULT


def _fail(error: TradingError | OSError, blank: Callable[[str], str]) -> int:
    """Tell an error in one line and return its exit code; the log file gets the trace."""
    code = FAULT
    if isinstance(error, Misconfigured | HaltTrading):
        code = WRONG_USAGE if isinstance(error, Misconfigured) else STOPPED_BY_RULE
    words = str(error)
    if isinstance(error, OSError) and error.filename:
        words = f"{error.filename2 or error.filename}: {error.strerror}"
    log.info("ended with exit code %s", code, exc_info=error)
    print("day_trader.py:", *blank(words).split(), file=sys.stderr)
    return code


def _known(error: BaseException) -> TradingError | OSError | None:
    """The error itself, or the first one of a group, that has its place in one line; None for a bug."""
    if isinstance(error, TradingError | OSError):
        return error
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if (known := _known(member)) is not None:
            return known
    return None


def _trade(args: argparse.Namespace, environment: Environment, clock: Clock) -> int:
    """A live or paper session against the gateway of the settings."""
    import asyncio
    from uuid import uuid4

    with asyncio.Runner() as runner:
        loop = runner.get_loop()  # the client library binds to the loop that is set when it is imported
        from day_trading.telling import clock_text, tell
        from market_hours import new_york_calendar, new_york_date

        options = _options(args, environment)
        today = new_york_date(clock.now())
        calendar = new_york_calendar(today)
        session = calendar.session_on(today)
        if session is None or clock.now() >= session.close:
            following = calendar.next_session(today)
            opens = f"{following.date:%A %Y-%m-%d}, it opens at {clock_text(following.open)}"
            print(f"The exchange is closed. The next session is {opens}.")
            return DONE
        from day_trading.seen_bars import keep_seen_bars
        from day_trading.signals import obey_signals
        from day_trading.single_run import only_user

        database, mode = args.db or LIVE_DATABASE, "live" if args.live else "paper"
        with only_user(database), _open_history(database, mode, options) as history:
            from day_trading.close_of_day import evaluated
            from day_trading_agents import PREPARE_BEFORE_OPEN, IntradayTrader
            from health.watchdog import ServiceManager, under_watch

            trader = IntradayTrader(options, session, calendar, clock, history, lambda: str(uuid4()))
            if clock.now() < session.open - PREPARE_BEFORE_OPEN:
                start = clock_text(session.open - PREPARE_BEFORE_OPEN)
                print(f"Waiting until {start}, then the program connects.", flush=True)
            obey_signals(loop, trader)
            running = trader.run(options.strategy.watchlist_universe)
            service = ServiceManager(environment.process)
            report = runner.run(under_watch(service, running, trader.health.status, trader.health.stalled))
            if not args.dry_run:
                report = evaluated(report, session, trader.bars, history, clock.now())
            tell(report, LOG_DIR)
            history.end_session(session.date.isoformat(), clock.now())
            keep_seen_bars(trader.seen_bars, session, options.records.records_bar_store)
            if trader.fault is not None:
                raise trader.fault
    return DONE


def _simulate(args: argparse.Namespace, environment: Environment, clock: Clock) -> int:
    """Sessions in simulated time against the embedded gateway."""
    from day_trading.single_run import only_user
    from ib_simulator.simulated_time import simulated_loop

    loop = simulated_loop(args.speed)  # set before the client library is imported
    try:
        options = _options(args, environment)
        with only_user(args.db or SIMULATED_DATABASE):
            return loop.run_until_complete(_simulate_sessions(args, options, clock, loop))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _simulate_sessions(
    args: argparse.Namespace, options: TraderOptions, clock: Clock, loop: asyncio.AbstractEventLoop
) -> int:
    from dataclasses import replace
    from random import Random
    from uuid import UUID

    from day_trading.close_of_day import evaluated
    from day_trading.options import known_watchlist
    from day_trading.signals import obey_signals
    from day_trading.telling import tell
    from day_trading_agents import IntradayTrader
    from ib_simulator.embedded import build_world, choose_sessions, recorded_feed, running_gateway, synthetic_feed
    from ib_simulator.gateway import GatewayOptions
    from ib_simulator.simulated_time import SimulatedTimeLoop
    from market_hours import new_york_calendar, new_york_date
    from observability import start_afresh

    assert isinstance(loop, SimulatedTimeLoop)
    today = new_york_date(clock.now())
    calendar = new_york_calendar(today)
    first = None if args.simulate == LATEST else args.simulate
    feed: RecordedOrSynthetic
    if args.market_data is not None:
        if args.seed is not None:
            raise Misconfigured("--seed belongs to the synthetic market and has no effect on --market-data")
        feed = recorded_feed(args.market_data, calendar)
    else:
        yesterday = calendar.previous_session(today).date
        feed = synthetic_feed(args.seed or 0, options.strategy.watchlist_universe, calendar, yesterday)
    sessions = choose_sessions(feed, calendar, first, args.days or 1)
    world = build_world(loop, feed, calendar, sessions)
    database = args.db or SIMULATED_DATABASE
    known_watchlist(options, sessions[0], calendar)  # a bad one is refused before the last run's database moves
    ids = Random(f"{args.seed or 0} {sessions[0].date}")

    def new_id() -> str:
        return str(UUID(int=ids.getrandbits(128), version=4))

    start_afresh(database)
    async with running_gateway(world, GatewayOptions()) as (_gateway, port):
        here = {"ib_port": port, "ib_host": "127.0.0.1", "ib_account": ""}  # the user's are for the real one
        desk = replace(options.desk, broker=options.desk.broker.model_copy(update=here))
        options = replace(options, prices_from=world.prices_from, desk=desk)
        with _open_history(database, "simulated", options) as history:
            for session in sessions:
                trader = IntradayTrader(options, session, calendar, world.clock, history, new_id)
                obey_signals(loop, trader)
                report = await trader.run(feed.symbols(session.date))
                if not args.dry_run:
                    report = evaluated(report, session, trader.bars, history, world.clock.now())
                tell(report, LOG_DIR)
                history.end_session(session.date.isoformat(), world.clock.now())
                if trader.fault is not None:
                    raise trader.fault
                if trader.was_stopped:
                    break
    return DONE


def _open_history(path: Path, mode: str, options: TraderOptions) -> TradingHistory:
    """The database of a run, with what the run works with on record."""
    from dataclasses import asdict

    from observability import TradingHistory

    history = TradingHistory(
        path,
        bot="day_trader",
        mode=mode,
        cache_mb=options.performance.sqlite_cache_mb,
        mmap_mb=options.performance.sqlite_mmap_mb,
        settings=options.records,
    )
    history.record_configuration(asdict(options.performance))
    return history


def _options(args: argparse.Namespace, environment: Environment) -> TraderOptions:
    """All settings of a run, checked before anything is read, moved or connected."""
    from importlib.metadata import version
    from platform import python_version

    from day_trading.settings import SETTINGS_CLASSES, DayTraderConfiguration
    from performance_config import read_hardware, tuned

    for line in unknown_variables(environment, SETTINGS_CLASSES):
        log.warning(line)
    if args.watchlist is not None and not args.watchlist.exists():
        raise Misconfigured(f"{args.watchlist}: no such file")
    settings = DayTraderConfiguration.load(environment)
    consents = dict(args.adopt or ())
    settings.refuse_contradictions(args.allocation, consents)
    simulated = args.simulate is not None
    database = args.db or (SIMULATED_DATABASE if simulated else LIVE_DATABASE)
    from broker.trading_desk import DeskOptions  # what takes long to load comes after what may be refused
    from day_trading.options import TraderOptions

    return TraderOptions(
        allocation=args.allocation,
        flatten_on_exit=args.flatten_on_exit,
        analyse=not args.no_analyse,
        load_watchlist=args.watchlist is not None or args.no_analyse or not simulated,
        watchlist_file=args.watchlist or (SIMULATED_WATCHLIST if simulated else LIVE_WATCHLIST),
        prices_from="the gateway",
        versions={
            "python": python_version(),
            **{name: version(name) for name in (settings.broker.ib_client_library, "numpy", "exchange_calendars")},
        },
        strategy=settings.strategy,
        risk=settings.risk,
        performance=tuned(settings.performance, read_hardware(database.parent)),
        records=settings.records,
        vendors=None if simulated else settings.vendors,
        desk=DeskOptions(
            client_id=args.client_id,
            live=args.live,
            dry_run=args.dry_run,
            broker=settings.broker,
            safety=settings.safety,
            consents=consents,
            daily_atr=settings.strategy.atr_timeframe == "day",
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
