"""Rows of Polygon (Massive). `t` of bars is epoch milliseconds; of quotes, trades and `updated` nanoseconds."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from vendors.rows import Count, Day, Instant, MaybeDay, Number, Price, Row, Symbol, Text, Volume, Whole

Ms = Annotated[Whole, Field(gt=0, lt=10**14)]
Ns = Annotated[Whole, Field(ge=0, lt=10**20)]


class PolygonRow(Row):
    model_config = ConfigDict(alias_generator=None)


class Agg(PolygonRow):
    """A bar: open, high, low, close, volume, volume-weighted price, start, trades."""

    T: Symbol | None = None
    o: Price
    h: Price
    l: Price  # noqa: E741 (the vendor's name)
    c: Price
    v: Volume
    vw: Number | None = None
    t: Ms
    n: Count | None = None


class OpenClose(PolygonRow):
    symbol: Symbol
    from_: Day = Field(alias="from")
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Volume


class Sums(PolygonRow):
    """A day or minute of a snapshot; all zero between the clearing and the first trade."""

    o: Volume | None = None
    h: Volume | None = None
    l: Volume | None = None  # noqa: E741 (the vendor's name)
    c: Volume | None = None
    v: Volume | None = None
    vw: Volume | None = None
    av: Volume | None = None
    t: Count | None = None


class LastTrade(PolygonRow):
    p: Volume | None = None
    s: Volume | None = None
    t: Ns | None = None


class LastQuote(PolygonRow):
    """`p`, `s` are the bid, `P`, `S` the ask."""

    p: Volume | None = None
    s: Volume | None = None
    P: Volume | None = None
    S: Volume | None = None
    t: Ns | None = None


class Snapshot(PolygonRow):
    """A symbol now: its day, last minute, last trade and quote, and the day before."""

    ticker: Symbol
    day: Sums | None = None
    min: Sums | None = None
    prev_day: Sums | None = Field(None, alias="prevDay")
    last_trade: LastTrade | None = Field(None, alias="lastTrade")
    last_quote: LastQuote | None = Field(None, alias="lastQuote")
    todays_change: Number | None = Field(None, alias="todaysChange")
    todays_change_pct: Number | None = Field(None, alias="todaysChangePerc")
    updated: Ns | None = None

    def price(self) -> float | None:
        """Last trade, else minute, day, previous day; zeros mean nothing yet."""
        parts = (self.last_trade and self.last_trade.p, self.min and self.min.c, self.day and self.day.c)
        return next((price for price in (*parts, self.prev_day and self.prev_day.c) if price), None)


class Unified(PolygonRow):
    """Of /v3/snapshot: a bad ticker fails inside its row."""

    ticker: Symbol
    type: Text | None = None
    market_status: Text | None = None
    error: Text | None = None
    message: Text | None = None


class Ticker(PolygonRow):
    ticker: Symbol
    name: Text
    market: Text | None = None
    locale: Text | None = None
    primary_exchange: Text | None = None
    type: Text | None = None
    active: bool | None = None
    currency_name: Text | None = None
    cik: Text | None = None


class TickerDetails(Ticker):
    market_cap: Number | None = None
    weighted_shares_outstanding: Number | None = None
    list_date: MaybeDay = None
    sic_description: Text | None = None
    total_employees: Count | None = None


class TickerType(PolygonRow):
    code: Text
    description: Text
    asset_class: Text | None = None
    locale: Text | None = None


class Exchange(PolygonRow):
    name: Text
    type: Text | None = None
    asset_class: Text | None = None
    mic: Text | None = None
    operating_mic: Text | None = None


class Publisher(PolygonRow):
    name: Text | None = None


class Insight(PolygonRow):
    ticker: Symbol
    sentiment: Text
    sentiment_reasoning: Text | None = None


class News(PolygonRow):
    id: Text | None = None
    publisher: Publisher | None = None
    title: Text
    author: Text | None = None
    published_utc: Instant
    article_url: Text | None = None
    tickers: list[Symbol] = Field(default_factory=list)
    description: Text | None = None
    insights: list[Insight] = Field(default_factory=list)


class MarketStatus(PolygonRow):
    market: Text
    server_time: Instant = Field(alias="serverTime")
    early_hours: bool | None = Field(None, alias="earlyHours")
    after_hours: bool | None = Field(None, alias="afterHours")
    exchanges: dict[str, str] = Field(default_factory=dict)


class Upcoming(PolygonRow):
    """`open` and `close` only of early closes."""

    date: Day
    exchange: Text
    name: Text
    status: Text
    open: Instant | None = None
    close: Instant | None = None


class Dividend(PolygonRow):
    ticker: Symbol
    cash_amount: Number
    ex_dividend_date: Day
    dividend_type: Text | None = None
    pay_date: MaybeDay = None


class Split(PolygonRow):
    ticker: Symbol
    execution_date: Day
    split_from: Price
    split_to: Price


class Related(PolygonRow):
    ticker: Symbol


class IndicatorValue(PolygonRow):
    timestamp: Annotated[Whole, Field(gt=0)]
    value: Number
