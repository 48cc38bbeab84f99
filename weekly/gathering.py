"""Gathering a cycle's evidence: who is looked at, their daily history, and what is said of the best of them."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TypeVar

import numpy as np

import tools
from market_hours import Clock, Session
from portfolio.factors import factor_scores, price_factors
from portfolio.history import PriceHistory
from portfolio.screening import Candidate, screen
from trading.bars import Bar
from trading.money import price_to_usd
from trading.watchlist import SYMBOL
from vendors.facts import Answer, NewsItem, Screen
from vendors.sample import NAME as INVENTED
from vendors.sources import Sources
from weekly.options import CycleOptions
from weekly.snapshot import NameEvidence, Snapshot
from weekly.universe import SECTOR_OF

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 32  # questions on their way together; vendors and the gateway pace them further
TURNOVER_SESSIONS = 20
DEAREST_USD = 100.0  # turnover as shares, for a vendor's screen; the turnover itself is judged afterwards
REPORTS_A_NAME = 5
EPOCH = date(1970, 1, 1)
DAY_S = 86_400


class Gathering:
    """One snapshot in the making. It raises nothing that a vendor can cause; a lost broker is raised."""

    def __init__(self, sources: Sources, options: CycleOptions, session: Session, clock: Clock) -> None:
        self._sources = sources
        self._options = options
        self._session = session
        self._clock = clock
        self._answered: dict[str, str] = {}  # need -> who answered
        self._missing: Counter[str] = Counter()  # what could not be had -> how often

    async def snapshot(self, held: Sequence[str], watched: Iterable[str] = ()) -> Snapshot:
        """The evidence on candidates, on names `held`, and on those `watched` because forecasts of them are open."""
        rows = await self._screened()
        own = frozenset() if rows else frozenset(self._options.settings.weekly_universe)
        fit = sorted(own) or [row.symbol for row in screen(rows, self._options.screening_rules()).passed]
        wanted = list(dict.fromkeys([*fit, *held, *watched]))
        bars = dict(zip(wanted, await _all(wanted, self._history), strict=True))
        prices = price_history(bars)
        return Snapshot(
            session_date=self._session.date,
            taken_at=self._clock.now(),
            candidates=tuple(rows) if not own else tuple(own_candidate(symbol, bars[symbol]) for symbol in sorted(own)),
            own_names=own,
            names=await self._said_of(self._best(prices, fit, held)),
            history=prices,
            sources=self._answered,
            missing=tuple(f"{words} ({n} times)" if n > 1 else words for words, n in sorted(self._missing.items())),
        )

    async def _screened(self) -> list[Candidate]:
        """A vendor's screen where it says of a name what it is; else nothing: the user's own list counts."""
        settings = self._options.settings
        wanted = Screen(
            min_price_usd=settings.weekly_min_price_usd,
            min_volume=settings.weekly_min_dollar_volume_usd / DEAREST_USD,
            min_market_cap_usd=settings.weekly_min_market_cap_usd,
            most=settings.weekly_candidates,
        )
        answer = self._heard("screen", await tools.screen(self._sources, wanted))
        if not any(listing.is_active and listing.is_fund is False for listing in answer.value):
            return []
        return [
            Candidate(
                symbol=listing.symbol,
                exchange=listing.exchange,
                sector=listing.sector or None,
                market_cap_usd=listing.market_cap_usd,
                price_usd=listing.price_usd,
                volume_shares=listing.volume,
                is_active=listing.is_active,
                is_fund=listing.is_fund,
            )
            for listing in sorted(answer.value, key=lambda listing: listing.symbol)
            if SYMBOL.fullmatch(listing.symbol)
        ]

    async def _history(self, symbol: str) -> list[Bar]:
        """Daily bars before the session, oldest first; none where nobody has them."""
        days = self._options.settings.weekly_history_days
        answer = self._heard("history", await tools.history(self._sources, symbol, self._session.date, days))
        before = (self._session.date - EPOCH).days
        return [bar for bar in answer.value if _day(bar) < before]

    def _best(self, prices: PriceHistory, fit: Sequence[str], held: Sequence[str]) -> list[str]:
        """Names worth asking more about: those held, and the best by what prices tell."""
        known = price_factors(prices)
        scores = factor_scores({symbol: known[symbol] for symbol in fit if symbol in known})
        ranked = sorted(scores, key=lambda score: (-score.score, score.symbol))
        best = [score.symbol for score in ranked[: self._options.settings.weekly_detailed_names]]
        return sorted({*best, *held})

    async def _said_of(self, symbols: Sequence[str]) -> Mapping[str, NameEvidence]:
        """Fundamentals, estimates and news. Invented numbers are left out: nothing is traded on them."""
        told = self._heard("news", await tools.news(self._sources, symbols, self._session.date)) if symbols else None
        reports: dict[str, list[NewsItem]] = {}  # symbol -> reports that name it
        for item in told.value if told is not None else ():
            for symbol in item.symbols:
                reports.setdefault(symbol, []).append(item)

        async def one(symbol: str) -> NameEvidence:
            facts = self._heard("fundamentals", await tools.fundamentals(self._sources, symbol))
            view = self._heard("opinion", await tools.opinion(self._sources, symbol))
            real = facts.is_known and facts.source != INVENTED
            return NameEvidence(
                symbol=symbol,
                name=facts.value.name if real else "",
                sector=facts.value.sector if real else "",
                fundamentals=facts.value if real else None,
                opinion=view.value if view.is_known and view.source != INVENTED else None,
                news=tuple(reports.get(symbol, ())[:REPORTS_A_NAME]),
            )

        return {evidence.symbol: evidence for evidence in await _all(symbols, one)}

    def _heard(self, need: str, answer: Answer[T]) -> Answer[T]:
        if answer.is_known and answer.source != INVENTED:
            self._answered[need] = answer.source
        self._missing.update(answer.missing)
        return answer


async def _all(symbols: Sequence[str], ask: Callable[[str], Awaitable[R]]) -> list[R]:
    """`ask` about all symbols, some at a time; the answers in their order."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(symbol: str) -> R:
        async with slots:
            return await ask(symbol)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(symbol)) for symbol in symbols]
    return [task.result() for task in tasks]


def price_history(bars: Mapping[str, Sequence[Bar]]) -> PriceHistory:
    """Closes of several names on all sessions that any of them has; NaN where one has none."""
    days = {symbol: np.array([_day(bar) for bar in series], dtype=np.int64) for symbol, series in bars.items()}
    all_days = np.unique(np.concatenate([*days.values(), np.empty(0, dtype=np.int64)]))
    closes = np.full((len(all_days), len(bars)), math.nan)
    for column, (symbol, series) in enumerate(bars.items()):
        closes[np.searchsorted(all_days, days[symbol]), column] = [price_to_usd(bar.close) for bar in series]
    sessions = tuple(EPOCH + timedelta(days=day) for day in all_days.tolist())
    return PriceHistory(symbols=tuple(bars), sessions=sessions, closes_usd=closes)


def own_candidate(symbol: str, bars: Sequence[Bar]) -> Candidate:
    """A name of the user's own list: price and turnover are its history's, the rest the user vouches for."""
    recent = bars[-TURNOVER_SESSIONS:]
    return Candidate(
        symbol=symbol,
        exchange=None,
        sector=SECTOR_OF.get(symbol),
        market_cap_usd=None,
        price_usd=price_to_usd(bars[-1].close) if bars else None,
        volume_shares=sum(bar.volume for bar in recent) / len(recent) if recent else None,
        is_active=None,
        is_fund=None,
    )


def _day(bar: Bar) -> int:
    """The session of a daily bar in days since 1970: it starts at midnight UTC of its date, or at its open."""
    return bar.start_s // DAY_S
