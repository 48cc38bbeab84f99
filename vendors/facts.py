"""What the agents learn of the outside world, in the field's words, whoever said it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")
BROKEN_PRINT_PCT = 60.0  # a mover beyond it is more often a broken print than a stock to trade


class Need(StrEnum):
    """What can be asked for."""

    SCREEN = "screen"
    MOVERS = "movers"
    QUOTES = "quotes"
    FUNDAMENTALS = "fundamentals"
    OPINION = "opinion"
    NEWS = "news"
    EARNINGS = "earnings"
    HISTORY = "history"
    MARKET_STATUS = "market status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """A value, who gave it, how old it was when it was handed on, and what was asked before and failed.

    `source` is empty when nobody could answer: the value is then an empty one, and `missing` says why.
    """

    value: T
    source: str
    age_s: float = 0.0
    missing: tuple[str, ...] = ()
    dropped_rows: int = 0
    unanswered: bool = False  # somebody who may know did not answer

    @property
    def is_known(self) -> bool:
        return bool(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What a universe must be made of. Volume is shares a day as the vendor last saw it."""

    min_price_usd: float
    min_volume: float
    min_market_cap_usd: float
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A common stock that passed a screen, or moved."""

    symbol: str
    name: str
    price_usd: float
    volume: float | None = None
    market_cap_usd: float | None = None
    sector: str = ""
    change_pct: float | None = None
    exchange: str = ""
    is_active: bool | None = None  # None: the vendor did not say
    is_fund: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketQuote:
    """A symbol now. Bid and ask are None where the plan has none; `volume` is today's."""

    symbol: str
    price_usd: float
    previous_close_usd: float | None
    volume: float | None
    bid_usd: float | None = None
    ask_usd: float | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fundamentals:
    """Trailing twelve months. Yields, margins and growth are fractions."""

    symbol: str
    name: str = ""
    sector: str = ""
    market_cap_usd: float | None = None
    beta: float | None = None
    price_to_earnings: float | None = None
    price_to_book: float | None = None
    debt_to_equity: float | None = None
    return_on_equity: float | None = None
    net_profit_margin: float | None = None
    revenue_growth: float | None = None
    eps_growth: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What analysts say: mean target, how many say buy, hold, sell, the next year's EPS."""

    symbol: str
    target_usd: float | None = None
    buys: int = 0
    holds: int = 0
    sells: int = 0
    eps_estimate_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsItem:
    """One report. `sentiment` is the vendor's, per symbol; `published_at` None where its zone is not documented."""

    symbols: tuple[str, ...]
    title: str
    text: str = ""
    publisher: str = ""
    published_at: datetime | None = None
    sentiment: tuple[tuple[str, str], ...] = ()  # (symbol, positive | neutral | negative)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarningsDate:
    """The day on which a company reports, and what is expected in USD a share."""

    symbol: str
    date: date
    eps_estimate_usd: float | None = None
