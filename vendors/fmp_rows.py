"""Rows of Financial Modeling Prep's `/stable` API. Percentages are percent, growth and margins are fractions."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field, field_validator

from vendors.rows import (
    Count,
    Day,
    Figures,
    LocalTime,
    MaybeDay,
    Number,
    Price,
    Row,
    Stamp,
    Symbol,
    Text,
    Volume,
    Whole,
    Year,
)


class Screened(Row):
    symbol: Symbol
    company_name: Text | None = None
    market_cap: Number | None = None
    sector: Text | None = None
    industry: Text | None = None
    beta: Number | None = None
    price: Price
    last_annual_dividend: Number | None = None
    volume: Volume
    exchange_short_name: Text | None = None
    country: Text | None = None
    is_etf: bool
    is_fund: bool
    is_actively_trading: bool


class Profile(Row):
    symbol: Symbol
    price: Price
    market_cap: Number | None = None
    beta: Number | None = None
    last_dividend: Number | None = None
    average_volume: Volume | None = None
    company_name: Text | None = None
    currency: Text | None = None
    exchange: Text | None = None
    industry: Text | None = None
    sector: Text | None = None
    country: Text | None = None
    ipo_date: MaybeDay = None
    is_etf: bool
    is_actively_trading: bool
    is_adr: bool
    is_fund: bool


class Quote(Row):
    symbol: Symbol
    name: Text | None = None
    price: Price
    change_percentage: Number | None = None
    change: Number | None = None
    volume: Volume
    day_low: Number | None = None
    day_high: Number | None = None
    year_high: Number | None = None
    year_low: Number | None = None
    market_cap: Number | None = None
    price_avg50: Number | None = Field(None, alias="priceAvg50")
    price_avg200: Number | None = Field(None, alias="priceAvg200")
    exchange: Text | None = None
    open: Number | None = None
    previous_close: Number | None = None
    timestamp: Annotated[Whole, Field(gt=0, lt=10**11)]  # epoch seconds


class ShortQuote(Row):
    symbol: Symbol
    price: Price
    change: Number | None = None
    volume: Volume


class Mover(Row):
    symbol: Symbol
    price: Price
    name: Text | None = None
    change: Number
    changes_percentage: Number
    exchange: Text | None = None


class DailyBar(Row):
    symbol: Symbol
    date: Day
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Volume
    change: Number | None = None
    change_percent: Number | None = None
    vwap: Number | None = None


class LightBar(Row):
    symbol: Symbol
    date: Day
    price: Price
    volume: Volume


class ChartBar(Row):
    """`date` is exchange-local, without an offset."""

    date: LocalTime
    open: Price
    low: Price
    high: Price
    close: Price
    volume: Volume


class News(Row):
    """`published_date` has no offset; which zone it is in is not documented."""

    symbol: Symbol | None = None
    published_date: Stamp | None = None
    publisher: Text | None = None
    title: Text
    site: Text | None = None
    text: Text | None = None
    url: Text | None = None


class Earnings(Row):
    symbol: Symbol
    date: Day
    eps_actual: Number | None = None
    eps_estimated: Number | None = None
    revenue_actual: Number | None = None
    revenue_estimated: Number | None = None
    last_updated: MaybeDay = None


class Period(Figures):
    """Figures of one fiscal period."""

    symbol: Symbol
    date: Day
    fiscal_year: Year | None = None
    period: Text | None = None
    reported_currency: Text | None = None


class KeyMetrics(Period):
    market_cap: Number | None = None
    return_on_equity: Number | None = None
    net_debt_to_ebitda: Number | None = Field(None, alias="netDebtToEBITDA")


class KeyMetricsTtm(Figures):
    symbol: Symbol
    market_cap: Number | None = None
    return_on_equity: Number | None = Field(None, alias="returnOnEquityTTM")
    net_debt_to_ebitda: Number | None = Field(None, alias="netDebtToEBITDATTM")
    free_cash_flow_yield: Number | None = Field(None, alias="freeCashFlowYieldTTM")


class Ratios(Period):
    price_to_earnings_ratio: Number | None = None
    price_to_book_ratio: Number | None = None
    debt_to_equity_ratio: Number | None = None
    net_profit_margin: Number | None = None
    dividend_yield: Number | None = None


class RatiosTtm(Figures):
    symbol: Symbol
    price_to_earnings: Number | None = Field(None, alias="priceToEarningsRatioTTM")
    price_to_book: Number | None = Field(None, alias="priceToBookRatioTTM")
    debt_to_equity: Number | None = Field(None, alias="debtToEquityRatioTTM")
    net_profit_margin: Number | None = Field(None, alias="netProfitMarginTTM")
    dividend_yield: Number | None = Field(None, alias="dividendYieldTTM")


class IncomeGrowth(Period):
    growth_revenue: Number | None = None
    growth_net_income: Number | None = None
    growth_eps: Number | None = Field(None, alias="growthEPS")


class FinancialGrowth(Period):
    revenue_growth: Number | None = None
    net_income_growth: Number | None = None
    eps_growth: Number | None = Field(None, alias="epsgrowth")


class Estimates(Figures):
    symbol: Symbol
    date: Day
    revenue_avg: Number | None = None
    eps_avg: Number | None = None
    num_analysts_revenue: Number | None = None
    num_analysts_eps: Number | None = None


class TargetConsensus(Row):
    symbol: Symbol
    target_high: Number | None = None
    target_low: Number | None = None
    target_consensus: Price
    target_median: Number | None = None


class TargetSummary(Figures):
    """How many price targets there were of late, and their average in USD."""

    symbol: Symbol
    last_month_count: Number | None = None
    last_month_avg_price_target: Number | None = None
    publishers: list[str] = Field(default_factory=list)

    @field_validator("publishers", mode="before")
    @classmethod
    def _list_in_a_text(cls, value: object) -> object:
        """The vendor writes a JSON array inside a string."""
        return json.loads(value) if isinstance(value, str) else value


class TargetNews(Row):
    symbol: Symbol
    published_date: Stamp
    news_title: Text | None = None
    analyst_name: Text | None = None
    price_target: Number
    adj_price_target: Number | None = None
    price_when_posted: Number | None = None
    news_publisher: Text | None = None
    analyst_company: Text | None = None


class GradesConsensus(Row):
    symbol: Symbol
    strong_buy: Count
    buy: Count
    hold: Count
    sell: Count
    strong_sell: Count
    consensus: Text | None = None


class RatingsSnapshot(Figures):
    symbol: Symbol
    rating: Text
    overall_score: Count


class PriceChange(Figures):
    """Percent over the spans "1D" … "max", under those names."""

    symbol: Symbol


class MarketHours(Row):
    exchange: Text
    name: Text | None = None
    opening_hour: Text
    closing_hour: Text
    timezone: Text
    is_market_open: bool


class Holiday(Row):
    exchange: Text
    date: Day
    name: Text
    is_closed: bool | None = None
    adj_open_time: Text | None = None
    adj_close_time: Text | None = None


class Dividend(Row):
    symbol: Symbol
    date: Day
    dividend: Number
    adj_dividend: Number | None = None
    record_date: MaybeDay = None
    payment_date: MaybeDay = None


class EnterpriseValue(Figures):
    symbol: Symbol
    date: Day
    stock_price: Price
    enterprise_value: Number | None = None


class MarketCap(Row):
    symbol: Symbol
    date: Day
    market_cap: Number


class Listed(Row):
    """A line of the list of all stocks, or of a search."""

    symbol: Symbol
    company_name: Text | None = None
    name: Text | None = None
    currency: Text | None = None
    exchange: Text | None = None


class Filing(Row):
    symbol: Symbol
    cik: Text | None = None
    filing_date: Stamp
    accepted_date: Stamp | None = None
    form_type: Text
    link: Text | None = None


class SectorPerformance(Row):
    date: Day
    sector: Text
    exchange: Text
    average_change: Number


class TreasuryRates(Figures):
    """Percent a year under "month1" … "year30"."""

    date: Day
