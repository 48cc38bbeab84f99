"""The day trader: `python day_trader.py --allocation 0.25`; with `--simulate` the same program on a simulated day."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from utils import (
    Environment,
    HaltTrading,
    Misconfigured,
    TradingError,
    load_settings,
    read_environment,
    setup_logging,
    unknown_variables,
    write_json_atomically,
)

if TYPE_CHECKING:
    import asyncio
    from datetime import date

    from pydantic import BaseModel

    from day_trading_agents import IntradayTrader, TraderOptions
    from ib_simulator.embedded import RecordedOrSynthetic
    from trading.day_report import DayReport

log = logging.getLogger("day_trader")

DONE, FAULT, WRONG_USAGE, STOPPED_BY_RULE = 0, 1, 2, 3
LIVE_DATABASE = Path("trading_history.db")
SIMULATED_DATABASE = Path("simulated_history.db")
LIVE_WATCHLIST = Path("day_trading_watchlist.json")
SIMULATED_WATCHLIST = Path("simulated_watchlist.json")
LOG_DIR = Path("logs")
CLIENT_ID = 2
LATEST = "latest"


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


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _not_negative(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


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
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2025-10-07") from None


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = _Parser(prog="day_trader.py", description="Trades one session by itself.")
    add = parser.add_argument
    add("--allocation", type=_allocation, required=True, metavar="SHARE", help="share of the account to use, 0 to 1")
    add("--live", action="store_true", help="allow a live account (ids that do not start with D): real money")
    add("--dry-run", action="store_true", help="decide and record, but send no order")
    add("--client-id", type=_not_negative, default=CLIENT_ID, metavar="N", help="API client id (default 2)")
    add("--watchlist", type=Path, metavar="FILE", help="symbols to trade; default day_trading_watchlist.json")
    add("--no-analyse", action="store_true", help="refuse to trade a watchlist that is missing or outdated")
    add(
        "--db",
        type=Path,
        metavar="FILE",
        help="database; default trading_history.db or simulated_history.db",
    )
    add(
        "--flatten-on-exit",
        action="store_true",
        help="on Ctrl-C close positions at market",
    )
    add("--adopt", type=_consent, action="append", metavar="SYMBOL:SHARES", help="hand external shares to the bot")
    add("--no-dashboard", action="store_true", help="do not start the web page")
    add("--verbose", action="store_true", help="log to the terminal what otherwise only the log file gets")
    simulation = parser.add_argument_group("simulation", "the same program against the simulated gateway")
    add = simulation.add_argument
    add("--simulate", nargs="?", const=LATEST, type=_session_date, metavar="DATE", help="a session, default the latest")
    add("--market-data", type=Path, metavar="DIR", help="replay bars from DIR instead of the synthetic market")
    add("--days", type=_count, metavar="N", help="N sessions in a row (default 1)")
    add("--seed", type=_not_negative, metavar="N", help="seed of the synthetic market (default 0)")
    add("--speed", type=_speed, metavar="X", help="X times real time instead of as fast as possible")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 1 fault, 2 wrong usage or configuration, 3 stopped by a safety rule."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.simulate is None:
        for option in ("market_data", "days", "seed", "speed"):
            if getattr(args, option) is not None:
                parser.error(f"--{option.replace('_', '-')} needs --simulate")
    elif args.live:
        parser.error("--live and --simulate exclude each other")
    try:
        environment = read_environment()
        level = logging.INFO if args.verbose else logging.WARNING
        setup_logging(LOG_DIR / "day_trader.log", level, secrets=environment.secrets(settings_classes()))
        return _simulate(args, environment) if args.simulate is not None else _trade(args, environment)
    except Misconfigured as error:
        return _fail(WRONG_USAGE, error)
    except HaltTrading as error:
        return _fail(STOPPED_BY_RULE, error)
    except TradingError as error:
        return _fail(FAULT, error)
    except ExceptionGroup as group:
        known = _first_known(group)
        if known is None:
            raise
        code = WRONG_USAGE if isinstance(known, Misconfigured) else FAULT
        return _fail(STOPPED_BY_RULE if isinstance(known, HaltTrading) else code, known)


def _fail(code: int, error: BaseException) -> int:
    log.info("ended with exit code %s: %s", code, error)
    print(f"day_trader.py: {error}", file=sys.stderr)
    return code


def _first_known(group: BaseExceptionGroup[BaseException]) -> TradingError | None:
    for error in group.exceptions:
        if isinstance(error, TradingError):
            return error
        if isinstance(error, BaseExceptionGroup) and (known := _first_known(error)) is not None:
            return known
    return None


def _trade(args: argparse.Namespace, environment: Environment) -> int:
    """A live or paper session against the gateway of the settings."""
    import asyncio
    from uuid import uuid4

    with asyncio.Runner() as runner:
        loop = runner.get_loop()  # the client library binds to the loop that is set when it is imported
        from market_hours import LiveClock, new_york_calendar, new_york_date
        from observability import TradingHistory

        clock = LiveClock()
        today = new_york_date(clock.now())
        calendar = new_york_calendar(today)
        session = calendar.session_on(today)
        if session is None or clock.now() >= session.close:
            following = calendar.next_session(today)
            opens = f"{following.date:%A %Y-%m-%d}, it opens at {following.open.astimezone():%H:%M %Z}"
            print(f"The exchange is closed. The next session is {opens}.")
            return DONE
        options = _options(args, environment, simulated=False, prices_from="the gateway", broker={})
        with TradingHistory(
            args.db or LIVE_DATABASE,
            bot="day_trader",
            mode="live" if args.live else "paper",
            cache_mb=options.performance.sqlite_cache_mb,
        ) as history:
            from day_trading_agents import PREPARE_BEFORE_OPEN, IntradayTrader

            trader = IntradayTrader(options, session, calendar, clock, history, lambda: str(uuid4()))
            if clock.now() < session.open - PREPARE_BEFORE_OPEN:
                start = (session.open - PREPARE_BEFORE_OPEN).astimezone()
                print(f"Waiting until {start:%H:%M %Z}, {PREPARE_BEFORE_OPEN.seconds // 60} minutes before the open.")
            _stop_on_signals(loop, trader)
            report = runner.run(trader.run(options.strategy.watchlist_universe))
            _tell(report)
            if trader.fault is not None:
                raise trader.fault
    return DONE


def _simulate(args: argparse.Namespace, environment: Environment) -> int:
    """Sessions in simulated time against the embedded gateway."""
    from ib_simulator.simulated_time import simulated_loop

    loop = simulated_loop(args.speed)  # set before the client library is imported
    try:
        return loop.run_until_complete(_simulate_sessions(args, environment, loop))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _simulate_sessions(
    args: argparse.Namespace, environment: Environment, loop: asyncio.AbstractEventLoop
) -> int:
    from random import Random
    from uuid import UUID

    from day_trading_agents import IntradayTrader
    from ib_simulator.embedded import build_world, choose_sessions, recorded_feed, running_gateway, synthetic_feed
    from ib_simulator.gateway import GatewayOptions
    from ib_simulator.simulated_time import SimulatedTimeLoop
    from market_hours import LiveClock, new_york_calendar, new_york_date
    from observability import TradingHistory, start_afresh
    from trading.settings import StrategySettings

    assert isinstance(loop, SimulatedTimeLoop)
    today = new_york_date(LiveClock().now())
    calendar = new_york_calendar(today)
    universe = load_settings(StrategySettings, environment).watchlist_universe
    first = None if args.simulate == LATEST else args.simulate
    feed: RecordedOrSynthetic
    if args.market_data is not None:
        if args.seed is not None:
            raise Misconfigured("--seed belongs to the synthetic market and has no effect on --market-data")
        feed = recorded_feed(args.market_data, calendar)
    else:
        yesterday = calendar.previous_session(today).date
        feed = synthetic_feed(args.seed or 0, universe, calendar, yesterday)
    sessions = choose_sessions(feed, calendar, first, args.days or 1)
    world = build_world(loop, feed, calendar, sessions)
    database = args.db or SIMULATED_DATABASE
    start_afresh(database)
    ids = Random(f"{args.seed or 0} {sessions[0].date}")

    def new_id() -> str:
        return str(UUID(int=ids.getrandbits(128), version=4))

    async with running_gateway(world, GatewayOptions()) as (_gateway, port):
        options = _options(
            args,
            environment,
            simulated=True,
            prices_from=world.prices_from,
            broker={"ib_port": port, "ib_host": "127.0.0.1"},
        )
        with TradingHistory(
            database, bot="day_trader", mode="simulated", cache_mb=options.performance.sqlite_cache_mb
        ) as history:
            for session in sessions:
                trader = IntradayTrader(options, session, calendar, world.clock, history, new_id)
                _stop_on_signals(loop, trader)
                report = await trader.run(feed.symbols(session.date))
                _tell(report)
                if trader.fault is not None:
                    raise trader.fault
                if trader.was_stopped:
                    break
    return DONE


def settings_classes() -> tuple[type[BaseModel], ...]:
    """Every class whose fields are variables of `.env`."""
    from broker.settings import BrokerSettings
    from tools import VendorSettings
    from trading.settings import RiskSettings, SafetySettings, StrategySettings

    return StrategySettings, RiskSettings, SafetySettings, BrokerSettings, VendorSettings


def _options(
    args: argparse.Namespace, environment: Environment, *, simulated: bool, prices_from: str, broker: dict[str, object]
) -> TraderOptions:
    """All settings of a run, checked before any connection is made."""
    from importlib.metadata import version
    from platform import python_version

    from broker.settings import BrokerSettings
    from broker.trading_desk import DeskOptions
    from day_trading_agents import TraderOptions
    from performance_config import PerformanceConfig
    from trading.settings import RiskSettings, SafetySettings, StrategySettings

    for line in unknown_variables(environment, settings_classes()):
        log.warning(line)
    connection = load_settings(BrokerSettings, environment)
    strategy = load_settings(StrategySettings, environment)
    return TraderOptions(
        allocation=args.allocation,
        flatten_on_exit=args.flatten_on_exit,
        analyse=not args.no_analyse,
        load_watchlist=args.watchlist is not None or not simulated,
        watchlist_file=args.watchlist or (SIMULATED_WATCHLIST if simulated else LIVE_WATCHLIST),
        prices_from=prices_from,
        versions={
            "python": python_version(),
            **{name: version(name) for name in ("ib_insync", "numpy", "exchange_calendars")},
        },
        strategy=strategy,
        risk=load_settings(RiskSettings, environment),
        performance=PerformanceConfig(),
        desk=DeskOptions(
            client_id=args.client_id,
            live=args.live,
            dry_run=args.dry_run,
            broker=connection.model_copy(update=broker),
            safety=load_settings(SafetySettings, environment),
            consents=dict(args.adopt or ()),
            daily_atr=strategy.atr_timeframe == "day",
        ),
    )


def _stop_on_signals(loop: asyncio.AbstractEventLoop, trader: IntradayTrader) -> None:
    """Ctrl-C and SIGTERM end the session cleanly; resting protective orders stay at the broker."""
    import signal

    for number, words in ((signal.SIGINT, "stopped by Ctrl-C"), (signal.SIGTERM, "stopped by SIGTERM")):
        try:
            loop.add_signal_handler(number, trader.stop, words)
        except NotImplementedError:  # Windows has no signal handlers in the loop
            signal.signal(number, lambda *_, words=words: loop.call_soon_threadsafe(trader.stop, words))


def _tell(report: DayReport) -> None:
    """Write the day log and print the summary."""
    from market_hours import NEW_YORK
    from trading.day_report import summary_lines

    ended = report.ended_at.astimezone(NEW_YORK)
    path = LOG_DIR / f"day_trader_run_{report.session_date}_{ended:%H%M%S}.json"
    write_json_atomically(path, report)
    print("\n".join(summary_lines(report, str(path))))


if __name__ == "__main__":
    sys.exit(main())
