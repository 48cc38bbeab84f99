"""Years of weekly cycles in simulated time: what `python main.py --simulate` runs.

The bot is the one that trades: the same cycle, ledger and orders, over TCP to the simulated gateway that ships with
it. Only clock, prices and evidence differ: daily bars, and a vendor that knows nothing of the day it is asked on.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from commands import DONE, LATEST
from utils import HaltTrading
from weekly.universe import SECTOR_OF

if TYPE_CHECKING:
    from broker.held_account import AccountOptions
    from ib_simulator.embedded import SimulatedWorld
    from ib_simulator.feeds.daily_markets import DailyMarket
    from ib_simulator.gateway import Gateway
    from market_hours import Clock, Session, TradingCalendar
    from observability import TradingHistory
    from portfolio.history import PriceHistory
    from utils import Environment
    from weekly.digest import CycleDigest
    from weekly.opinions import Opinions
    from weekly.options import CycleOptions
    from weekly.results import CycleResult
    from weekly.settings import WeeklyConfiguration
    from weekly.simulated_run import SimulatedRun
    from weekly.span import Span
    from weekly.years import YearsOfCycles

BOT = "weekly"
DATABASE = Path("simulated_history.db")
REPORTS = Path("reports/weekly")
BOT_ACCOUNT, HOLDER_ACCOUNT = "DU1000001", "DU1000002"
PATHS = 2_000  # of the Monte Carlo filter: a cycle is one of hundreds
WEEKS_A_YEAR = 52
HINDSIGHT = (
    "language models were asked about days that may lie before the end of their training: they may know what came, "
    "and nothing about their skill follows from this run"
)
REPLAYED = "views of language models are replayed from {}: a model that was trained on later days knew what came"


def simulate(
    args: argparse.Namespace, environment: Environment, configuration: WeeklyConfiguration, clock: Clock
) -> int:
    """Play the weeks that the command line asks for, report, and return the exit code. Raises Misconfigured."""
    from ib_simulator.simulated_time import simulated_loop
    from llm.replay import RecordedReplies
    from market_hours import new_york_calendar, new_york_date
    from observability import start_afresh
    from records.single_user import only_user
    from weekly.span import choose_span

    loop = simulated_loop(args.speed)  # set before the client library is imported
    try:
        today = new_york_date(clock.now())
        calendar = new_york_calendar(today)
        market = _market(args, configuration, calendar, today)
        first = None if args.simulate == LATEST else args.simulate
        weeks = args.weeks or (args.years or 1) * WEEKS_A_YEAR
        span = choose_span(market.feed.session_dates(), calendar, first, weeks, args.run_days)
        options = _options(args, environment, configuration, market)
        if args.llm_replay is not None:
            RecordedReplies(args.llm_replay)  # a bad one is refused before the last run's database moves
        database = args.db or DATABASE
        with only_user(database, BOT):
            start_afresh(database)
            simulation = Simulation(args, configuration, options, market, calendar, span, database)
            return simulation.tell(loop.run_until_complete(simulation.run()))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _market(
    args: argparse.Namespace, configuration: WeeklyConfiguration, calendar: TradingCalendar, today: date
) -> DailyMarket:
    """Recorded bars, a seeded market, or what is packaged."""
    from ib_simulator.feeds.daily_markets import market_of_directory, packaged_market, synthetic_market

    if args.market_data is not None:
        return market_of_directory(args.market_data, calendar)
    if args.seed is not None:
        yesterday = calendar.previous_session(today).date
        return synthetic_market(args.seed, configuration.weekly.weekly_universe, calendar, yesterday)
    return packaged_market(calendar)


def _options(
    args: argparse.Namespace, environment: Environment, configuration: WeeklyConfiguration, market: DailyMarket
) -> CycleOptions:
    """The user's settings; the names are those of the market, unless WEEKLY_UNIVERSE says which."""
    from weekly.options import CycleOptions

    settings = configuration.weekly
    if "WEEKLY_UNIVERSE" not in environment:
        settings = settings.model_copy(update={"weekly_universe": market.universe})
    return CycleOptions(
        settings=settings,
        allocation=configuration.allocation,
        safety=configuration.safety,
        dry_run=args.dry_run,
        monte_carlo_paths=PATHS,
    )


class Simulation:
    """A span of a market, played in front of the embedded gateway."""

    def __init__(
        self,
        args: argparse.Namespace,
        configuration: WeeklyConfiguration,
        options: CycleOptions,
        market: DailyMarket,
        calendar: TradingCalendar,
        span: Span,
        database: Path,
    ) -> None:
        self._args = args
        self._configuration = configuration
        self._options = options
        self._market = market
        self._calendar = calendar
        self._span = span
        self._database = database

    async def run(self) -> YearsOfCycles:
        """Play the span. Raises HaltTrading when the bot's records and its account differ."""
        import asyncio

        from ib_simulator.embedded import daily_world, running_gateway
        from ib_simulator.gateway import GatewayOptions
        from ib_simulator.simulated_time import SimulatedTimeLoop
        from observability import TradingHistory

        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedTimeLoop)
        world = daily_world(loop, self._market.feed, self._calendar, self._span.sessions)
        records = self._configuration.records
        with TradingHistory(self._database, bot=BOT, mode="simulated", settings=records) as history:
            async with running_gateway(world, GatewayOptions(other_accounts=(HOLDER_ACCOUNT,))) as (gateway, port):
                return await self._play(world, gateway, port, history)

    async def _play(self, world: SimulatedWorld, gateway: Gateway, port: int, history: TradingHistory) -> YearsOfCycles:
        import asyncio

        from day_trading.signals import obey_signals
        from weekly.years import YearsOfCycles

        async with self._opinions(world.clock, history) as opinions:
            cycle = _Cycle(self._options, self._desk(port), self._market, world, history, opinions)
            years = YearsOfCycles(
                cycle.run,
                lambda: self._buy_and_hold(gateway),
                gateway.accounts[BOT_ACCOUNT],
                gateway.accounts[HOLDER_ACCOUNT],
                world.clock,
                history,
                _Progress().tell,
            )
            obey_signals(asyncio.get_running_loop(), years)
            minutes = self._args.interval
            await years.run(self._span, timedelta(minutes=minutes) if minutes is not None else None)
        return years

    def _desk(self, port: int) -> AccountOptions:
        from broker.held_account import AccountOptions

        here = {"ib_port": port, "ib_host": "127.0.0.1", "ib_account": BOT_ACCOUNT}  # the user's are for the real one
        broker = self._configuration.broker.model_copy(update=here)
        return AccountOptions(client_id=self._args.client_id, live=False, broker=broker)

    def _buy_and_hold(self, gateway: Gateway) -> None:
        """The other account puts as much to work as the bot may."""
        from ib_simulator.holder import buy_equally

        account = gateway.accounts[HOLDER_ACCOUNT]
        share = round(account.cash * self._options.allocation.weekly_allocation)
        buy_equally(gateway, account, self._options.settings.weekly_universe, share)

    @asynccontextmanager
    async def _opinions(self, clock: Clock, history: TradingHistory) -> AsyncIterator[Opinions | None]:
        """Language models: replayed, or asked where the user insists; else none."""
        from llm.opening import open_adviser, open_models
        from weekly.opinions import Opinions

        args, settings = self._args, self._configuration.llm
        if args.llm_replay is None and not args.force_online:
            yield None
            return
        models = open_models(
            settings, clock=clock, call_log=history, force_online=args.force_online, replay=args.llm_replay
        )
        try:
            yield Opinions(open_adviser(models, settings)) if models.order else None
        finally:
            await models.close()

    def _notes(self, years: YearsOfCycles) -> tuple[str, ...]:
        notes = [*self._market.notes, *self._without_sector()]
        if self._args.llm_replay is not None:
            notes.append(REPLAYED.format(self._args.llm_replay))
        elif years.latest is not None and years.latest.analysis is not None and years.latest.analysis.said.model:
            notes.append(HINDSIGHT)
        if years.stopped_because:
            notes.append(f"{years.stopped_because} before the end of what was asked for")
        return tuple(notes)

    def _without_sector(self) -> list[str]:
        settings = self._options.settings
        unknown = [symbol for symbol in settings.weekly_universe if symbol not in SECTOR_OF]
        if not unknown or settings.weekly_max_sector_pct >= 100:
            return []
        words = f"{len(unknown)} names have no known sector and share one limit of {settings.weekly_max_sector_pct:g} %"
        return [f"{words} (WEEKLY_MAX_SECTOR_PCT)"]

    def tell(self, years: YearsOfCycles) -> int:
        """The comparison in the terminal, the report on disk; the exit code. Raises HaltTrading after a kill switch."""
        from portfolio.curves import comparison, verdict
        from weekly.report import write_page_of

        if years.latest is None or not years.closes:
            print(f"No cycle was played{': ' if years.stopped_because else ''}{years.stopped_because}.")
            return DONE
        run = self.told(years)
        print(f"prices from {run.prices_from}, {run.sessions[1]} to {run.sessions[-1]}")
        print(f"{run.reconciled} cycles; cash, positions and cost were the account's to the cent after each")
        for line in (*comparison(run.curves), verdict(run.curves, run.warning), *(f"note: {n}" for n in run.notes)):
            print(line)
        print(f"report: {write_page_of(years.latest, years.digests, REPORTS, run)}")
        if years.is_killed:
            raise HaltTrading(years.stopped_because)
        return DONE

    def told(self, years: YearsOfCycles) -> SimulatedRun:
        """What the run came to."""
        from portfolio.survivorship import survivorship
        from trading.money import money_to_usd
        from weekly.simulated_run import SimulatedRun, curves_of

        days, share = [close.session_date for close in years.closes], self._options.allocation.weekly_allocation
        return SimulatedRun(
            sessions=(self._calendar.previous_session(days[0]).date, *days),
            curves=curves_of(years, share, self._market.index_name, self._market.index_usd),
            prices_from=self._market.feed.name,
            start_usd=money_to_usd(years.start),
            allocation=share,
            distributions_usd=money_to_usd(years.distributions),
            reconciled=len(years.digests),
            warning=survivorship(self._closes(days)),
            notes=self._notes(years),
        )

    def _closes(self, days: Sequence[date]) -> PriceHistory:
        """Closes of the universe over the run."""
        import numpy as np

        from market_hours import new_york_date, utc_from_epoch
        from portfolio.history import PriceHistory

        symbols, feed = self._options.settings.weekly_universe, self._market.feed
        row_of = {day: row for row, day in enumerate(days)}
        closes = np.full((len(days), len(symbols)), np.nan)
        for column, symbol in enumerate(symbols):
            for bar in feed.daily(symbol, days[-1] + timedelta(days=1), days[0]):
                closes[row_of[new_york_date(utc_from_epoch(bar.start_s))], column] = bar.close
        return PriceHistory(symbols=symbols, sessions=tuple(days), closes_usd=closes)


class _Cycle:
    """One cycle as `main.py` runs it: connect, decide, trade, disconnect."""

    def __init__(
        self,
        options: CycleOptions,
        desk: AccountOptions,
        market: DailyMarket,
        world: SimulatedWorld,
        history: TradingHistory,
        opinions: Opinions | None,
    ) -> None:
        from random import Random
        from uuid import UUID

        from ib_simulator.feeds.vendor import FeedVendor
        from vendors.sources import Sources

        ids = Random(f"{market.feed.name} {world.sessions[0].date}")
        self._options = options
        self._desk = desk
        self._world = world
        self._history = history
        self._opinions = opinions
        self._sources = Sources([FeedVendor(market.feed, world.clock)], world.clock)
        self._new_id = lambda: str(UUID(int=ids.getrandbits(128), version=4))

    async def run(self, session: Session) -> CycleResult:
        """The cycle of a session, now."""
        from agents import run_cycle
        from broker.portfolio_desk import PortfolioDesk

        clock, history = self._world.clock, self._history
        desk = PortfolioDesk(self._desk, session, clock, history, self._new_id)
        async with desk.running():
            return await run_cycle(
                self._options,
                session,
                self._world.calendar,
                clock,
                desk,
                self._sources,
                history,
                self._opinions,
            )


class _Progress:
    """One line a simulated year, so that a long run is seen to move."""

    def __init__(self) -> None:
        self._year = 0

    def tell(self, digest: CycleDigest) -> None:
        year = digest.session_date.year
        if year != self._year:
            self._year = year
            print(f"{digest.session_date}  account {digest.net_liquidation_usd:>16,.2f} USD", flush=True)


if __name__ == "__main__":  # `python -m weekly` is `python main.py --simulate`
    import runpy
    import sys

    program = Path(__file__).resolve().parents[1] / "main.py"
    sys.argv = [str(program), "--simulate", *sys.argv[1:]]
    runpy.run_path(str(program), run_name="__main__")
