"""The day trader: `python day_trader.py --allocation 0.25`; with `--simulate` the same program on a simulated day."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from commands import DONE, FAULT, LATEST, fail, known_error, loudness
from day_trading.command_line import parse_arguments
from utils import (
    Environment,
    Misconfigured,
    Redaction,
    load_settings,
    read_environment,
    setup_logging,
    unknown_variables,
)

if TYPE_CHECKING:
    import asyncio

    from continuous_improvement import ImprovementCycle
    from day_trading.options import TraderOptions
    from ib_simulator.embedded import RecordedOrSynthetic
    from market_hours import Clock, TradingCalendar
    from notifications.settings import NotificationSettings
    from observability import TradingHistory

log = logging.getLogger("day_trader")

LIVE_DATABASE = Path("trading_history.db")
SIMULATED_DATABASE = Path("simulated_history.db")
LIVE_WATCHLIST = Path("day_trading_watchlist.json")
SIMULATED_WATCHLIST = Path("simulated_watchlist.json")
LOG_DIR = Path("logs")
REPORT_DIR = Path("reports")
LOG_FILE = LOG_DIR / "day_trader.log"


def main(arguments: Sequence[str] | None = None, clock: Clock | None = None) -> int:
    """Run and return the exit code: 0 done, 1 fault, 2 wrong usage or configuration, 3 stopped by a safety rule.

    `clock` is the machine's own when not given.
    """
    args = parse_arguments(arguments)
    blank: Callable[[str], str] = str
    try:
        environment = read_environment()
        level, unseen = loudness(args.verbose)
        from day_trading.settings import secrets_of
        from notifications.settings import NotificationSettings

        secrets = secrets_of(environment)
        blank = Redaction(secrets)
        setup_logging(LOG_FILE, level, secrets=secrets, file_only=unseen)
        from market_hours import NEW_YORK, LiveClock
        from notifications.run import Notifications
        from observability import Telemetry
        from telemetry.garbage import quiet_collection

        if args.kill is not None:
            from health.kill_switch import throw_from_console

            print(throw_from_console(environment, args.kill))
            return DONE
        run = _preflight if args.preflight else _trade if args.simulate is None else _simulate
        mode = "simulated" if args.simulate is not None else "live" if args.live else "paper"
        telling = load_settings(NotificationSettings, environment)
        args.json_to = sys.stdout if args.json else None
        with (
            redirect_stdout(sys.stderr) if args.json else nullcontext(),
            Telemetry.of(environment, bot="day_trader", mode=mode, secrets=secrets),
            Notifications.of(telling, bot="Day trader", mode=mode, zone=NEW_YORK, blank=blank),
            quiet_collection(),
        ):
            return run(args, environment, telling, clock or LiveClock())
    except KeyboardInterrupt:  # the session takes the signals over when it begins
        print("Stopped by Ctrl-C before the session began.")
        return DONE
    except Exception as error:
        if (known := known_error(error)) is not None:
            return fail("day_trader.py", known, blank)
        log.critical("a fault of the program ended it", exc_info=error)  # blanked there; Python's own trace is not
        return FAULT


def _preflight(args: argparse.Namespace, environment: Environment, telling: NotificationSettings, clock: Clock) -> int:
    """The checklist of today's session, or of the next one when today's is over."""
    import asyncio

    with asyncio.Runner() as runner:
        runner.get_loop()  # the client library binds to the loop that is set when it is imported
        from day_trading.preflight import Preflight, tell_preflight
        from market_hours import new_york_calendar, new_york_date

        options = _options(args, environment, telling)
        today = new_york_date(clock.now())
        calendar = new_york_calendar(today)
        session = calendar.session_on(today)
        if session is None or clock.now() >= session.close:
            session = calendar.next_session(today)
        preflight = Preflight(options, session, calendar, clock, args.db or LIVE_DATABASE)
        return FAULT if runner.run(tell_preflight(preflight.checks(), print)) else DONE


def _trade(args: argparse.Namespace, environment: Environment, telling: NotificationSettings, clock: Clock) -> int:
    """A live or paper session against the gateway of the settings."""
    import asyncio
    from uuid import uuid4

    from notifications.heartbeat import Heartbeat

    with Heartbeat.of(telling) as heartbeat, asyncio.Runner() as runner:
        loop = runner.get_loop()  # the client library binds to the loop that is set when it is imported
        from day_trading.telling import clock_text
        from market_hours import new_york_calendar, new_york_date

        options = _options(args, environment, telling)
        today = new_york_date(clock.now())
        calendar = new_york_calendar(today)
        session = calendar.session_on(today)
        if session is None or clock.now() >= session.close:
            following = calendar.next_session(today)
            opens = f"{following.date:%A %Y-%m-%d}, it opens at {clock_text(following.open)}"
            print(f"The exchange is closed. The next session is {opens}.")
            return DONE
        from day_trading.board import Board
        from day_trading.dashboard_beside import dashboard_beside
        from day_trading.improving import assigned
        from day_trading.settings import secrets_of
        from day_trading.signals import obey_signals
        from day_trading.telegram import telegram_beside
        from day_trading.terminal import terminal_beside
        from day_trading.traded_day import traded_day
        from records.single_user import only_user

        database, mode = args.db or LIVE_DATABASE, "live" if args.live else "paper"
        with only_user(database, "day_trader"), _open_history(database, mode, options) as history:
            from day_trading_agents import PREPARE_BEFORE_OPEN, IntradayTrader
            from health.watchdog import ServiceManager, under_watch

            bars = options.records.records_bar_store
            cycle = _cycle(history, options, calendar, Path(bars) if bars else None)
            options = runner.run(assigned(options, cycle, session, clock))
            board = Board() if options.is_shown else None
            trader = IntradayTrader(options, session, calendar, clock, history, lambda: str(uuid4()), board)
            if clock.now() < session.open - PREPARE_BEFORE_OPEN:
                start = clock_text(session.open - PREPARE_BEFORE_OPEN)
                print(f"Waiting until {start}, then the program connects.", flush=True)
            obey_signals(loop, trader)
            universe = options.strategy.watchlist_universe
            day = traded_day(trader, universe, session, history, clock, options, LOG_DIR, REPORT_DIR, cycle)
            watchers = (ServiceManager(environment.process), heartbeat)
            secrets = secrets_of(environment)
            with (
                dashboard_beside(
                    options,
                    board,
                    history,
                    LOG_FILE,
                    secrets,
                    trader.health.stalled,
                    parameters=cycle.parameters if cycle is not None else None,
                ),
                telegram_beside(options.telegram, board, history),
                terminal_beside(options.shows, board, 1),
            ):
                runner.run(under_watch(watchers, day, trader.health.status, trader.health.stalled))
    return DONE


def _simulate(args: argparse.Namespace, environment: Environment, telling: NotificationSettings, clock: Clock) -> int:
    """Sessions in simulated time against the embedded gateway."""
    from day_trading.settings import secrets_of
    from ib_simulator.simulated_time import simulated_loop
    from records.single_user import only_user

    loop = simulated_loop(args.speed)  # set before the client library is imported
    try:
        options = _options(args, environment, telling)
        with only_user(args.db or SIMULATED_DATABASE, "day_trader"):
            secrets = secrets_of(environment)
            return loop.run_until_complete(_simulate_sessions(args, options, clock, loop, secrets))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _simulate_sessions(
    args: argparse.Namespace,
    options: TraderOptions,
    clock: Clock,
    loop: asyncio.AbstractEventLoop,
    secrets: Sequence[str],
) -> int:
    from contextlib import ExitStack
    from dataclasses import replace
    from random import Random
    from uuid import UUID

    from day_trading.board import Board
    from day_trading.dashboard_beside import dashboard_beside
    from day_trading.day_page import write_report_index
    from day_trading.improving import assigned
    from day_trading.options import known_watchlist
    from day_trading.seen_bars import forget_seen_bars
    from day_trading.signals import obey_signals
    from day_trading.telegram import telegram_beside
    from day_trading.terminal import terminal_beside
    from day_trading.traded_day import traded_day
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
    bars = database.with_name(f"{database.stem}_bars")
    forget_seen_bars(bars)
    async with running_gateway(world, GatewayOptions()) as (_gateway, port):
        here = {"ib_port": port, "ib_host": "127.0.0.1", "ib_account": ""}  # the user's are for the real one
        desk = replace(options.desk, broker=options.desk.broker.model_copy(update=here))
        records = options.records.model_copy(update={"records_bar_store": str(bars) if options.improves else ""})
        options = replace(options, prices_from=world.prices_from, desk=desk, records=records)
        board = Board() if options.is_shown else None
        with ExitStack() as beside:
            history = beside.enter_context(_open_history(database, "simulated", options))
            cycle = _cycle(history, options, calendar, bars)
            parameters = cycle.parameters if cycle is not None else None
            replayed = str(args.market_data or "")
            beside.enter_context(
                dashboard_beside(options, board, history, LOG_FILE, secrets, parameters=parameters, bars=replayed)
            )
            beside.enter_context(telegram_beside(options.telegram, board, history))
            done = beside.enter_context(terminal_beside(options.shows, board, len(sessions)))
            for session in sessions:
                todays = await assigned(options, cycle, session, world.clock)
                trader = IntradayTrader(todays, session, calendar, world.clock, history, new_id, board)
                obey_signals(loop, trader)
                universe = feed.symbols(session.date)
                day = traded_day(trader, universe, session, history, world.clock, todays, LOG_DIR, REPORT_DIR, cycle)
                done(await day)
                if trader.was_stopped:
                    break
    write_report_index(REPORT_DIR)
    return DONE


def _cycle(
    history: TradingHistory, options: TraderOptions, calendar: TradingCalendar, bars: Path | None
) -> ImprovementCycle | None:
    """The improvement cycle of a run that improves; `bars` is where it keeps what it saw."""
    from continuous_improvement import AdaptiveParameters, ImprovementCycle
    from improvement.material import Desk
    from improvement.parameters import ParameterSet

    if not options.improves:
        return None
    desk = Desk(risk=options.risk, minute_atr=not options.desk.daily_atr, calendar=calendar, bar_store=bars)
    parameters = AdaptiveParameters(history, ParameterSet.of_settings(options.strategy))
    return ImprovementCycle(history, parameters, desk, options.improvement, REPORT_DIR / "improvement")


def _open_history(path: Path, mode: str, options: TraderOptions) -> TradingHistory:
    """The database of a run, with what the run works with on record."""
    from dataclasses import asdict

    from observability import SIMULATED, TradingHistory
    from records.log_file import LOG_MB

    history = TradingHistory(
        path,
        bot="day_trader",
        mode=mode,
        cache_mb=options.performance.sqlite_cache_mb,
        mmap_mb=options.performance.sqlite_mmap_mb,
        log_mb=0 if mode == SIMULATED else LOG_MB,
        settings=options.records,
    )
    history.record_configuration(asdict(options.performance))
    return history


def _options(args: argparse.Namespace, environment: Environment, telling: NotificationSettings) -> TraderOptions:
    """All settings of a run, checked before anything is read, moved or connected."""
    from importlib.metadata import version
    from platform import python_version

    from day_trading.settings import SETTINGS_CLASSES, DayTraderConfiguration
    from performance_config import read_hardware, tuned
    from weekly.settings import WeeklySettings  # one `.env` serves both bots

    for line in unknown_variables(environment, (*SETTINGS_CLASSES, WeeklySettings)):
        log.warning(line)
    if args.watchlist is not None and not args.watchlist.exists():
        raise Misconfigured(f"{args.watchlist}: no such file")
    if args.llm_replay is not None:
        from llm.replay import RecordedReplies

        RecordedReplies(args.llm_replay)  # a bad recording is refused before anything is connected
    settings = DayTraderConfiguration.load(environment)
    consents = dict(args.adopt or ())
    settings.refuse_contradictions(args.allocation, consents)
    simulated = args.simulate is not None
    database = args.db or (SIMULATED_DATABASE if simulated else LIVE_DATABASE)
    dashboard = None  # at full speed a simulated day is over before anybody could look
    if not args.no_dashboard and (not simulated or args.speed is not None):
        dashboard = settings.dashboard
        dashboard.refuse_unsafe()
    from broker.trading_desk import DeskOptions  # what takes long to load comes after what may be refused
    from day_trading.options import TraderOptions
    from day_trading.terminal import what_to_show

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
        llm=settings.llm if args.llm_replay or not simulated else None,
        figures_llm=settings.llm,
        llm_replay=args.llm_replay,
        improvement=settings.improvement,
        tell_outage_after_s=telling.notify_after_disconnected_s,
        json_to=args.json_to,
        shows="nothing" if args.plain or args.json else what_to_show(args.speed, simulated, args.days or 1),
        dashboard=dashboard,
        telegram=settings.telegram if settings.telegram.is_on and (not simulated or args.speed is not None) else None,
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
