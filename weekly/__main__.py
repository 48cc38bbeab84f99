"""Years of weekly cycles in simulated time: what `python main.py --simulate` runs.

The bot is the one that trades: the same cycle, ledger and orders, over TCP to the simulated gateway that ships with
it. Only clock, prices and evidence differ: daily bars, and a vendor that knows nothing of the day it is asked on.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from agents import run_cycle
from broker.portfolio_desk import PortfolioDesk, PortfolioDeskOptions
from commands import DONE
from ib_simulator.embedded import SimulatedWorld, daily_world, running_gateway
from ib_simulator.feeds.daily_markets import DailyMarket, market_of_directory, packaged_market, synthetic_market
from ib_simulator.feeds.vendor import FeedVendor
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.holder import buy_equally
from ib_simulator.simulated_time import SimulatedTimeLoop, simulated_loop
from market_hours import Clock, Session, TradingCalendar, new_york_calendar, new_york_date, utc_from_epoch
from observability import TradingHistory, start_afresh
from portfolio.curves import Curves, comparison, verdict
from portfolio.history import Floats, PriceHistory
from portfolio.survivorship import survivorship
from trading.money import MONEY_UNITS_PER_USD, money_to_usd
from utils import Environment
from vendors.sources import Sources
from weekly.digest import CycleDigest, digest_of
from weekly.options import CycleOptions
from weekly.reconciliation import Truth, cash_flow, reconcile
from weekly.report import write_page_of
from weekly.results import CycleResult
from weekly.settings import WeeklyConfiguration
from weekly.simulated_run import SimulatedRun
from weekly.span import Span, choose_span

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("weekly")

SIMULATED_DATABASE = Path("simulated_history.db")
REPORTS = Path("reports/weekly")
LATEST = "latest"
CLIENT_ID = 1
BOT_ACCOUNT, HOLDER_ACCOUNT = "DU1000001", "DU1000002"
AFTER_OPEN = timedelta(minutes=5)  # when a cycle begins: quotes stand, and the day's open is all that is known of it
AFTER_CLOSE = timedelta(seconds=1)
PATHS = 2_000  # of the Monte Carlo filter: a cycle is one of hundreds
WEEKS_A_YEAR = 52


def simulate(args: argparse.Namespace, environment: Environment, clock: Clock) -> int:
    """Play the weeks that the command line asks for; report, and return the exit code."""
    configuration = WeeklyConfiguration.load(environment)
    configuration.refuse_contradictions()
    today = new_york_date(clock.now())
    calendar = new_york_calendar(today)
    market = _market(args, configuration, calendar, today)
    first = None if args.simulate == LATEST else args.simulate
    weeks = args.weeks or (args.years or 1) * WEEKS_A_YEAR
    span = choose_span(market.feed.session_dates(), calendar, first, weeks, args.run_days)
    universe = market.universe if "WEEKLY_UNIVERSE" not in environment else configuration.weekly.weekly_universe
    settings = configuration.weekly.model_copy(update={"weekly_universe": universe})
    options = CycleOptions(
        settings=settings,
        allocation=configuration.allocation,
        safety=configuration.safety,
        dry_run=args.dry_run,
        monte_carlo_paths=PATHS,
    )
    database = args.db or SIMULATED_DATABASE
    start_afresh(database)
    loop = simulated_loop(None)
    try:
        return loop.run_until_complete(_play(loop, market, span, calendar, options, configuration, database, args.seed))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _market(
    args: argparse.Namespace, configuration: WeeklyConfiguration, calendar: TradingCalendar, today: date
) -> DailyMarket:
    """Recorded bars, a seeded market, or what is packaged."""
    if args.market_data is not None:
        return market_of_directory(args.market_data, calendar)
    if args.seed is not None:
        yesterday = calendar.previous_session(today).date
        return synthetic_market(args.seed, configuration.weekly.weekly_universe, calendar, yesterday)
    return packaged_market(calendar)


async def _play(
    loop: SimulatedTimeLoop,
    market: DailyMarket,
    span: Span,
    calendar: TradingCalendar,
    options: CycleOptions,
    configuration: WeeklyConfiguration,
    database: Path,
    seed: int | None,
) -> int:
    world = daily_world(loop, market.feed, calendar, span.sessions)
    ids = Random(f"{seed or 0} {span.sessions[0].date}")
    with TradingHistory(database, bot="weekly", mode="simulated", settings=configuration.records) as history:
        async with running_gateway(world, GatewayOptions(other_accounts=(HOLDER_ACCOUNT,))) as (gateway, port):
            here = {"ib_port": port, "ib_host": "127.0.0.1", "ib_account": BOT_ACCOUNT}
            years = YearsOfCycles(
                market,
                world,
                gateway,
                options,
                PortfolioDeskOptions(
                    client_id=CLIENT_ID, live=False, broker=configuration.broker.model_copy(update=here)
                ),
                history,
                lambda: str(UUID(int=ids.getrandbits(128), version=4)),
            )
            await years.run(span)
    if not years.digests:
        print("No session of these weeks is one of --run-days: nothing was done.")
        return DONE
    return _tell(years, REPORTS)


def _tell(years: YearsOfCycles, folder: Path) -> int:
    """The comparison in the terminal, the report on disk."""
    run = years.told()
    for numbers in comparison(run.curves):
        print(numbers)
    print(verdict(run.curves, run.warning))
    for note in run.notes:
        print(f"note: {note}")
    assert years.latest is not None
    print(f"report: {write_page_of(years.latest, years.digests, folder, run)}")
    return DONE


class YearsOfCycles:
    """Cycles of one account over years, and beside it an account that bought every name once and holds."""

    def __init__(
        self,
        market: DailyMarket,
        world: SimulatedWorld,
        gateway: Gateway,
        options: CycleOptions,
        desk: PortfolioDeskOptions,
        history: TradingHistory,
        new_id: Callable[[], str],
    ) -> None:
        self._market = market
        self._world = world
        self._gateway = gateway
        self._options = options
        self._desk = desk
        self._history = history
        self._new_id = new_id
        self._account = gateway.accounts[BOT_ACCOUNT]
        self._holder = gateway.accounts[HOLDER_ACCOUNT]
        self._start = self._account.cash
        self._flow = 0  # of all executions on record, 1e-6 USD
        self._sessions: list[date] = []
        self._equity: list[tuple[int, int]] = []  # of both accounts at each close, 1e-6 USD
        self.digests: list[CycleDigest] = []
        self.latest: CycleResult | None = None
        self.reconciled = 0

    async def run(self, span: Span) -> None:
        """Play the span from its first cycle on."""
        clock = self._world.clock
        for session in span.sessions:
            if session.date in span.cycles:
                await clock.sleep_until(session.open + AFTER_OPEN)
                await self._cycle(session)
            if self.digests:
                await clock.sleep_until(session.close + AFTER_CLOSE)
                self._sessions.append(session.date)
                self._equity.append((self._account.net_liquidation(), self._holder.net_liquidation()))

    async def _cycle(self, session: Session) -> None:
        """One cycle; before the first the other account buys."""
        if not self.digests:
            share = round(self._start * self._options.allocation.weekly_allocation)
            buy_equally(self._gateway, self._holder, self._options.settings.weekly_universe, share)
        sources = Sources([FeedVendor(self._market.feed, self._world.clock)], self._world.clock)
        desk = PortfolioDesk(self._desk, session, self._world.clock, self._history, self._new_id)
        async with desk.running():
            self.latest = await run_cycle(
                self._options, session, self._world.calendar, self._world.clock, desk, sources, self._history
            )
        self.digests.append(digest_of(self.latest))
        self._reconcile(session, self.latest)

    def _reconcile(self, session: Session, result: CycleResult) -> None:
        self._flow += cash_flow(self._history.trades(session.date.isoformat(), bot=self._history.bot))
        account = self._account
        held = {symbol: (each.quantity, each.cost) for symbol, each in account.holdings.items() if each.quantity}
        truth = Truth(cash=account.cash, net_liquidation=account.net_liquidation(), holdings=held)
        reconcile(result.after, self._start + account.distributions + self._flow, truth)
        self.reconciled += 1

    def told(self) -> SimulatedRun:
        """What the run came to. Curves begin with the money before the first cycle."""
        before = self._world.calendar.previous_session(self._sessions[0]).date
        start = money_to_usd(self._start)
        share = self._options.allocation.weekly_allocation
        bot, held = np.array([(self._start, self._start), *self._equity]).T / MONEY_UNITS_PER_USD
        others = {"equal weight, held": held}
        levels = _levels(self._market.index_usd, self._sessions)
        if levels is not None:
            grown = start * (1 - share) + start * share * levels / levels[0]
            others[f"{self._market.index_name}, held"] = np.concatenate([[start], grown])
        return SimulatedRun(
            sessions=(before, *self._sessions),
            curves=Curves(bot_usd=bot, others_usd=others),
            prices_from=self._market.feed.name,
            start_usd=start,
            allocation=share,
            reconciled=self.reconciled,
            warning=survivorship(self._closes()),
            notes=self._market.notes,
        )

    def _closes(self) -> PriceHistory:
        """Closes of the universe over the run."""
        symbols, feed = self._options.settings.weekly_universe, self._market.feed
        row_of = {day: row for row, day in enumerate(self._sessions)}
        closes = np.full((len(row_of), len(symbols)), np.nan)
        for column, symbol in enumerate(symbols):
            for bar in feed.daily(symbol, self._sessions[-1] + timedelta(days=1), self._sessions[0]):
                closes[row_of[new_york_date(utc_from_epoch(bar.start_s))], column] = bar.close
        return PriceHistory(symbols=symbols, sessions=tuple(self._sessions), closes_usd=closes)


def _levels(index_usd: Mapping[date, float], sessions: Sequence[date]) -> Floats | None:
    """The index at each session, the level before where it has none; None where it does not begin in time."""
    levels: list[float] = []
    for day in sessions:
        level = index_usd.get(day, levels[-1] if levels else math.nan)
        levels.append(level)
    return np.array(levels) if all(math.isfinite(level) for level in levels) else None
