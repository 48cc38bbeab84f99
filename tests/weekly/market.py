"""Small markets of daily bars for simulated weeks: seeded walks, and what may happen to a stock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import numpy as np

from ib_simulator.feeds.corporate_actions import Action
from ib_simulator.feeds.daily import DailyFeed, DailySeries
from ib_simulator.feeds.daily_markets import DailyMarket
from market_hours import new_york_calendar
from trading.bars import Bar
from trading.money import price_to_tick_from_usd

CALENDAR = new_york_calendar(date(2025, 1, 1))
FIRST, LAST = date(2023, 7, 3), date(2024, 6, 28)
SESSIONS = CALENDAR.sessions_between(FIRST, LAST)
DAYS = tuple(session.date for session in SESSIONS)
NAMES = tuple(f"N{number}" for number in range(8))

Prices = np.ndarray  # (n_sessions, 4): open, high, low and close in USD


def walk(symbol: str, seed: int = 1) -> Prices:
    """A walk around 100 USD with gaps over night."""
    rng = np.random.default_rng([seed, *symbol.encode()])
    volatility = 0.008 + 0.004 * rng.random()
    nights, days = rng.normal(0.0003, volatility / 2, len(DAYS)), rng.normal(0.0003, volatility, len(DAYS))
    closes = 100.0 * np.exp(np.cumsum(nights + days))
    opens = closes / np.exp(days)
    reach = np.exp(np.abs(rng.normal(0, volatility / 2, (2, len(DAYS)))))
    high, low = np.maximum(opens, closes) * reach[0], np.minimum(opens, closes) / reach[1]
    return np.stack([opens, high, low, closes], axis=1)


def series(prices: Prices, days: tuple[date, ...] = DAYS, *actions: Action) -> DailySeries:
    """The walk as traded on `days` of it."""
    bars = [
        Bar(session.open_s, *(price_to_tick_from_usd(float(usd)) for usd in row), 5_000_000)
        for session, row in zip(SESSIONS, prices, strict=True)
        if session.date in days
    ]
    return DailySeries(days=tuple(day for day in DAYS if day in days), bars=tuple(bars), actions=actions)


def market(
    stocks: Mapping[str, DailySeries] | None = None, change: Callable[[str, Prices], Prices] | None = None
) -> DailyMarket:
    """Eight walks, some of them replaced by `stocks`; `change` makes other prices of each."""
    usual = {name: walk(name) for name in NAMES}
    if change is not None:
        usual = {name: change(name, prices) for name, prices in usual.items()}
    feed = DailyFeed("a small market", {**{n: series(p) for n, p in usual.items()}, **(stocks or {})}, CALENDAR)
    levels = {day: 1_000.0 + number for number, day in enumerate(DAYS)}
    return DailyMarket(feed=feed, universe=feed.all_symbols, index_name="a line", index_usd=levels)
