"""The full day trader on one simulated session, in this process: what the research engine must equal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from broker.settings import BrokerSettings
from broker.trading_desk import DeskOptions
from day_trading.options import TraderOptions
from day_trading_agents import IntradayTrader
from ib_simulator.embedded import SimulatedWorld, running_gateway
from ib_simulator.feeds.tape import Feed
from ib_simulator.gateway import GatewayOptions
from ib_simulator.simulated_time import SimulatedClock, simulated_loop
from market_hours import Session, new_york_calendar
from observability import TradingHistory
from performance_config import PerformanceConfig
from trading.book import RoundTrip
from trading.settings import RiskSettings, SafetySettings, StrategySettings
from utils import write_json_atomically


@dataclass(frozen=True, kw_only=True)
class Played:
    """What the daemon did. Money in 1e-6 USD; `judgements` is symbol -> rule name -> count."""

    round_trips: tuple[RoundTrip, ...]
    judgements: dict[str, dict[str, int]]
    result: int
    peak: int
    trough: int
    left: dict[str, int]
    warnings: tuple[str, ...]


def play_daemon(
    feed: Feed,
    session: Session,
    symbols: Sequence[str],
    *,
    strategy: StrategySettings,
    risk: RiskSettings,
    allocation: float,
    cash: int,
) -> Played:
    """One session over TCP in simulated time, the watchlist given."""
    calendar = new_york_calendar(session.date)
    loop = simulated_loop()
    clock = SimulatedClock(loop, session.open - timedelta(minutes=45))
    world = SimulatedWorld(
        feed=feed,  # type: ignore[arg-type]
        calendar=calendar,
        sessions=(session,),
        clock=clock,
        symbols=tuple(sorted(symbols)),
        prices_from=feed.name,
    )
    ids = count(1)

    async def main(folder: Path) -> Played:
        watchlist = folder / "watchlist.json"
        write_json_atomically(watchlist, list(symbols))
        async with running_gateway(world, GatewayOptions(cash=cash)) as (_, port):
            options = TraderOptions(
                allocation=allocation,
                flatten_on_exit=False,
                analyse=False,
                load_watchlist=True,
                watchlist_file=watchlist,
                prices_from=feed.name,
                versions={},
                strategy=strategy,
                risk=risk,
                performance=PerformanceConfig(),
                desk=DeskOptions(
                    client_id=2,
                    live=False,
                    dry_run=False,
                    broker=BrokerSettings(ib_port=port),
                    safety=SafetySettings(kill_switch_file=str(folder / "KILL")),
                    consents={},
                    daily_atr=strategy.atr_timeframe == "day",
                ),
            )
            with TradingHistory(folder / "history.db", bot="day_trader", mode="simulated") as history:
                trader = IntradayTrader(options, session, calendar, clock, history, lambda: f"id-{next(ids):05}")
                report = await trader.run(symbols)
            if trader.fault is not None:
                raise trader.fault
        book = trader._book
        return Played(
            round_trips=book.closed_round_trips(),
            judgements=trader._entries.funnel.by_symbol(),
            result=book.realised,
            peak=book.peak,
            trough=book.trough,
            left={symbol: position.quantity for symbol, position in book.positions.items()},
            warnings=report.warnings,
        )

    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner, TemporaryDirectory() as folder:
            return runner.run(main(Path(folder)))
    finally:
        asyncio.set_event_loop(None)
