"""The weekly bot in front of a simulated gateway: names with years of daily bars, and sessions to trade them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from agents import WeeklyCycle
from broker.held_account import AccountOptions
from broker.portfolio_desk import PortfolioDesk
from llm.opening import open_adviser, open_models
from llm.settings import LlmSettings
from market_hours import Session, TradingCalendar
from observability import TradingHistory
from tests.gateway_world import MONDAY, USD, HandMadeFeed, World, in_world
from tools import VendorSettings, open_sources
from trading.bars import Bar
from trading.money import price_to_tick_from_usd
from trading.settings import AllocationSettings, SafetySettings
from vendors.sources import Source, Sources
from weekly.context import CycleContext
from weekly.opinions import Opinions
from weekly.options import CycleOptions
from weekly.results import CycleResult
from weekly.settings import WeeklySettings
from weekly.snapshot import Snapshot

T = TypeVar("T")
Prices = Callable[[str, Session, float], float]  # (symbol, session, last close) -> price of the session

CALENDAR = TradingCalendar(date(2024, 1, 1), date(2027, 1, 31))
NAMES = tuple(f"W{number:02}" for number in range(12))
SESSIONS_OF_HISTORY = 420
TEN_MINUTES = 10
PATHS = 500
CLIENT_ID = 1


def unchanged(_symbol: str, _session: Session, last: float) -> float:
    """Every session trades at the last close before the first one."""
    return last


def closes_before(symbol: str, count: int = SESSIONS_OF_HISTORY) -> list[float]:
    """A seeded walk around 100 USD, with a volatility of its own."""
    rng = np.random.default_rng([7, *symbol.encode()])
    steps = rng.normal(0.0004, 0.008 + 0.001 * (symbol.encode()[-1] % 7), count)
    return [round(float(price), 2) for price in 100.0 * np.exp(np.cumsum(steps))]


def sessions_before(session: Session, count: int) -> list[Session]:
    """The `count` sessions before one, oldest first."""
    found = [CALENDAR.previous_session(session.date)]
    while len(found) < count:
        found.append(CALENDAR.previous_session(found[-1].date))
    return found[::-1]


def market(
    names: Sequence[str] = NAMES,
    sessions: Sequence[Session] = (MONDAY,),
    *,
    volume: int = 200_000,
    every_s: int = 600,
    prices: Prices = unchanged,
) -> HandMadeFeed:
    """Each name at one price for a whole session, with a minute bar every so often."""
    minutes: dict[str, list[Bar]] = {name: [] for name in names}
    days: dict[str, list[Bar]] = {name: [] for name in names}
    earlier = sessions_before(sessions[0], SESSIONS_OF_HISTORY)
    for name in names:
        closes = closes_before(name)
        for session, close in zip(earlier, closes, strict=True):
            days[name].append(_bar(session.open_s, close, 2_000_000))
        for session in CALENDAR.sessions_between(sessions[0].date, sessions[-1].date):
            days[name].append(_bar(session.open_s, prices(name, session, closes[-1]), 2_000_000))
        for session in sessions:
            usd = prices(name, session, closes[-1])
            minutes[name] += [_bar(start, usd, volume) for start in range(session.open_s, session.close_s, every_s)]
    return HandMadeFeed(minutes, days)


def years_before(session: Session, price: int) -> list[Bar]:
    """Daily bars that end at `price` (1e-4 USD), with a volatility that depends on it."""
    rng = np.random.default_rng(price)
    steps = rng.normal(0.0003, 0.008 + price % 7_000 / 1e6, SESSIONS_OF_HISTORY)
    worth = np.exp(np.cumsum(steps[::-1]))[::-1]
    days = sessions_before(session, SESSIONS_OF_HISTORY)
    return [
        _bar(day.open_s, round(price / 10_000 / float(factor), 2), 2_000_000)
        for day, factor in zip(days, worth, strict=True)
    ]


def _bar(start_s: int, usd: float, volume: int) -> Bar:
    price = price_to_tick_from_usd(usd)
    return Bar(start_s, price, price, price, price, volume)


class WeeklyWorld:
    """Cycles of the weekly bot in a world, with the settings of a test."""

    def __init__(self, world: World, names: Sequence[str] = NAMES, **settings: Any) -> None:
        given = {"weekly_universe": tuple(names), "weekly_max_sector_pct": 100.0} | settings
        self.world = world
        self.running: WeeklyCycle | None = None
        self.options = CycleOptions(
            settings=WeeklySettings.model_validate(given),
            allocation=AllocationSettings(),
            safety=SafetySettings(kill_switch_file=str(world.kill_switch)),
            monte_carlo_paths=PATHS,
        )

    def history(self, mode: str = "simulated") -> TradingHistory:
        return TradingHistory(self.world.database, bot="weekly", mode=mode)

    def desk(self, session: Session, history: TradingHistory) -> PortfolioDesk:
        options = AccountOptions(client_id=CLIENT_ID, live=False, broker=self.world.settings())
        return PortfolioDesk(options, session, self.world.clock, history, self.world.new_id)

    async def cycle(
        self,
        session: Session | None = None,
        *,
        adviser: Opinions | None = None,
        evidence: Snapshot | None = None,
        source: Source | None = None,
        llm: LlmSettings | None = None,
        vendors: VendorSettings | None = None,
        **changes: Any,
    ) -> CycleResult:
        """One cycle now. `source` is asked before the gateway, `llm` asks models; `changes` are of `CycleOptions`."""
        session = session or self.world.session
        options, clock = replace(self.options, **changes), self.world.clock
        with self.history() as history:
            desk = self.desk(session, history)
            place = CycleContext(
                options=options, session=session, calendar=CALENDAR, clock=clock, desk=desk, history=history
            )
            async with desk.running(), open_sources(vendors, clock, daily_bars=desk.daily_bars) as known:
                sources = Sources([*([source] if source is not None else []), *known.sources], clock)
                models = open_models(llm or LlmSettings(), clock=clock, call_log=history)
                try:
                    opinions = Opinions(open_adviser(models, llm)) if llm is not None else adviser
                    self.running = WeeklyCycle(place, sources, opinions, evidence)
                    return await self.running.run()
                finally:
                    await models.close()

    def stop(self, reason: str) -> None:
        """As Ctrl-C does."""
        assert self.running is not None
        self.running.stop(reason)

    def allocate(self, allocation: AllocationSettings) -> None:
        """Share the account in another way from now on."""
        self.options = replace(self.options, allocation=allocation)

    def cash_usd(self) -> float:
        return self.world.gateway.accounts.first.cash / USD


def in_weekly_world(
    main: Callable[[WeeklyWorld], Awaitable[T]],
    folder: Path,
    *,
    feed: HandMadeFeed | None = None,
    settings: Mapping[str, Any] | None = None,
    **world: Any,
) -> T:
    """Run `main` in a world that begins ten minutes after the open; `world` are the options of `in_world`."""

    async def entry(inner: World) -> T:
        return await main(WeeklyWorld(inner, **(settings or {})))

    given = {"begins": "09:40", "cash_usd": 1_000_000} | world
    return in_world(entry, feed or market(), folder, **given)
