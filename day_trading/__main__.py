"""`python day_trading_agents.py --analyse` (or `python -m day_trading --analyse`): the watchlist, and nothing else."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from commands import DONE, TOLD_BY_US, CommandParser, fail
from utils import Misconfigured, TradingError, read_environment, setup_logging

if TYPE_CHECKING:
    from datetime import date

    from broker.settings import BrokerSettings
    from day_trading.model_advice import ModelAdviser
    from day_trading.settings import DayTraderConfiguration
    from llm.settings import LlmSettings
    from market_hours import Clock, Session
    from tools import VendorSettings
    from trading.watchlist import Watchlist

log = logging.getLogger("day_trading")

LIVE_WATCHLIST = Path("day_trading_watchlist.json")
SIMULATED_WATCHLIST = Path("simulated_watchlist.json")
LOG_FILE = Path("logs/day_trading_analysis.log")
CALLS = Path("llm_history.db")
CLIENT_ID = 3
LATEST = "latest"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(
        prog="day_trading_agents.py", description="Makes the watchlist of a session.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--analyse", action="store_true", help="make the watchlist now and end")
    add("--watchlist", type=Path, metavar="FILE", help="where to write it; default day_trading_watchlist.json")
    add("--client-id", type=int, default=CLIENT_ID, metavar="N", help="API client id (default 3)")
    add("--simulate", nargs="?", const=LATEST, metavar="DATE", help="of a simulated session, default the latest")
    add(
        "--market-data", type=Path, metavar="DIR", help="with --simulate: recorded bars instead of the synthetic market"
    )
    models = parser.add_argument_group("language models", "none is asked of a simulated session without a recording")
    add = models.add_argument
    add("--llm-replay", type=Path, metavar="DB", help="the models' replies recorded there, without a key")
    add("--force-online", action="store_true", help="ask the models of an open market, at any hour")
    add("--db", type=Path, default=CALLS, metavar="FILE", help=f"where calls of models are recorded; default {CALLS}")
    return parser


def main(arguments: Sequence[str] | None = None, clock: Clock | None = None) -> int:
    """Run and return the exit code: 0 done, 1 fault, 2 wrong usage or configuration, 3 stopped by a safety rule."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if not args.analyse:
        parser.error("nothing to do without --analyse; the day trader itself is day_trader.py")
    if args.market_data is not None and args.simulate is None:
        parser.error("--market-data needs --simulate")
    try:
        return _analyse(args, clock)
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C; the watchlist is as it was.")
        return DONE
    except (TradingError, OSError) as error:
        return fail("day_trading_agents.py", error)


def _analyse(args: argparse.Namespace, clock: Clock | None) -> int:
    import asyncio

    from configuration import read_configuration
    from day_trading.settings import DayTraderConfiguration, secrets_of
    from market_hours import LiveClock
    from weekly.settings import WeeklyConfiguration

    environment = read_environment()
    setup_logging(LOG_FILE, secrets=secrets_of(environment), file_only=TOLD_BY_US)
    settings = read_configuration(environment, DayTraderConfiguration, WeeklyConfiguration)
    clock = clock or LiveClock()
    if args.simulate is None:
        with asyncio.Runner() as runner:
            runner.get_loop()  # the client library binds to the loop that is set when it is imported
            return runner.run(_live(args, settings, clock))
    from ib_simulator.simulated_time import simulated_loop

    loop = simulated_loop(None)
    try:
        return loop.run_until_complete(_simulated(args, settings, clock))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _live(args: argparse.Namespace, settings: DayTraderConfiguration, clock: Clock) -> int:
    """The list of today's session, or of the next one when today's is over."""
    from market_hours import new_york_calendar, new_york_date

    today = new_york_date(clock.now())
    calendar = new_york_calendar(today)
    session = calendar.session_on(today)
    if session is None or clock.now() >= session.close:
        session = calendar.next_session(today)
    file = args.watchlist or LIVE_WATCHLIST
    universe = settings.strategy.watchlist_universe
    made = _made(settings, settings.broker, settings.vendors, settings.llm, session, clock, universe, file, args)
    return _tell(await made, file)


async def _simulated(args: argparse.Namespace, settings: DayTraderConfiguration, clock: Clock) -> int:
    """The list of a simulated session: no vendor is asked, of whose past today's data would be the future."""
    import asyncio

    from ib_simulator.embedded import build_world, choose_sessions, recorded_feed, running_gateway, synthetic_feed
    from ib_simulator.gateway import GatewayOptions
    from ib_simulator.simulated_time import SimulatedTimeLoop
    from market_hours import new_york_calendar, new_york_date

    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedTimeLoop)
    today = new_york_date(clock.now())
    calendar = new_york_calendar(today)
    yesterday = calendar.previous_session(today).date
    universe = settings.strategy.watchlist_universe
    synthetic = args.market_data is None
    feed = synthetic_feed(0, universe, calendar, yesterday) if synthetic else recorded_feed(args.market_data, calendar)
    sessions = choose_sessions(feed, calendar, _date(args.simulate), 1)
    world = build_world(loop, feed, calendar, sessions)
    file = args.watchlist or SIMULATED_WATCHLIST
    async with running_gateway(world, GatewayOptions()) as (_gateway, port):
        broker = settings.broker.model_copy(update={"ib_port": port, "ib_host": "127.0.0.1", "ib_account": ""})
        symbols = feed.symbols(sessions[0].date)
        llm = settings.llm if args.llm_replay is not None else None
        watchlist = await _made(settings, broker, None, llm, sessions[0], world.clock, symbols, file, args)
    return _tell(watchlist, file)


async def _made(
    settings: DayTraderConfiguration,
    broker_settings: BrokerSettings,
    vendors: VendorSettings | None,
    llm: LlmSettings | None,
    session: Session,
    clock: Clock,
    universe: Sequence[str],
    file: Path,
    args: argparse.Namespace,
) -> Watchlist:
    """Connect where a gateway answers, analyse, write. Without a gateway the vendors must do."""
    from broker.broker import Broker
    from day_trading.nobody import Nobody
    from day_trading.progress import no_progress, terminal_progress
    from day_trading_agents import WatchlistAnalyst
    from health.workers import WorkerPool
    from performance_config import read_hardware, tuned
    from tools import has_keys, open_sources
    from trading.errors import BrokerUnavailable

    nobody = Nobody()
    broker = Broker(broker_settings, clock, nobody, nobody, args.client_id, live_allowed=True)  # nothing is ever sent
    connected = True
    try:
        await broker.open()
    except BrokerUnavailable as error:
        if vendors is None or not has_keys(vendors):
            raise
        connected = False
        log.warning("%s: history comes from the data vendors alone", error)
    try:
        daily_bars = broker.data.daily_bars if connected else None
        workers = tuned(settings.performance, read_hardware(Path())).watchlist_workers
        name = "IBKR" if clock.is_real else "simulated gateway"
        async with (
            open_sources(vendors, clock, daily_bars=daily_bars, broker_name=name) as sources,
            _open_adviser(llm, session, clock, args) as adviser,
        ):
            with WorkerPool(workers, "watchlist", clock) as pool:
                analyst = WatchlistAnalyst(
                    sources,
                    settings.strategy,
                    pool,
                    adviser=adviser,
                    is_unknown=broker.data.is_unknown if connected and vendors is not None else None,
                    progress=terminal_progress if clock.is_real else no_progress,
                )
                return await analyst.analyse(universe, session, file)
    finally:
        if connected:
            broker.disconnect()


@asynccontextmanager
async def _open_adviser(
    llm: LlmSettings | None, session: Session, clock: Clock, args: argparse.Namespace
) -> AsyncIterator[ModelAdviser | None]:
    """The models, and the file that keeps what they were asked; None, and no file, where there is none to ask."""
    from day_trading.model_advice import open_model_adviser
    from llm.opening import configured
    from observability import TradingHistory

    if llm is None or not (args.llm_replay or configured(llm)):
        yield None
        return
    with TradingHistory(args.db, bot="llm", mode="live") as calls:
        async with open_model_adviser(
            llm, session.date, clock, calls, replay=args.llm_replay, force_online=args.force_online
        ) as adviser:
            yield adviser


def _date(text: str) -> date | None:
    from datetime import date

    if text == LATEST:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"--simulate: {text!r} is not a date like 2025-10-07") from None


def _tell(watchlist: Watchlist, file: Path) -> int:
    from utils import read_json

    content = read_json(file)
    print(f"Watchlist of {watchlist.session_date}, from {content['universe']['symbols']} symbols:")
    for rank, entry in enumerate(watchlist.entries, start=1):
        print(f"{rank:>3}  {entry.symbol:<6} {entry.score:8.2f}  {'; '.join(entry.reasons)}")
    print(f"{len(content['refused'])} refused, {len(content['missing'])} things could not be had: see {file}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
