"""Financial Modeling Prep, `/stable`: its endpoints, and a client of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from vendors import fmp_rows as rows
from vendors.cache import Kind
from vendors.client import Endpoint, Reply, VendorClient, joined
from vendors.ledger import Priority
from vendors.rows import R

VENDOR = "FMP"
HOSTS = ("financialmodelingprep.com",)
SYMBOLS_A_CALL = 200  # of batch-quote and news/stock: what fits a URL that every proxy takes


def _endpoint(name: str, row: type[R], kind: Kind) -> Endpoint[R]:
    return Endpoint(name=name, path=name, row=row, kind=kind)


SCREENER = _endpoint("company-screener", rows.Screened, Kind.SCREEN)
PROFILE = _endpoint("profile", rows.Profile, Kind.REFERENCE)
QUOTE = _endpoint("quote", rows.Quote, Kind.QUOTE)
QUOTE_SHORT = _endpoint("quote-short", rows.ShortQuote, Kind.QUOTE)
BATCH_QUOTE = _endpoint("batch-quote", rows.Quote, Kind.QUOTE)
BATCH_QUOTE_SHORT = _endpoint("batch-quote-short", rows.ShortQuote, Kind.QUOTE)
EXCHANGE_QUOTE = _endpoint("batch-exchange-quote", rows.ShortQuote, Kind.QUOTE)
GAINERS = _endpoint("biggest-gainers", rows.Mover, Kind.MOVERS)
LOSERS = _endpoint("biggest-losers", rows.Mover, Kind.MOVERS)
ACTIVES = _endpoint("most-actives", rows.Mover, Kind.MOVERS)
METRICS = _endpoint("key-metrics", rows.KeyMetrics, Kind.FUNDAMENTALS)
METRICS_TTM = _endpoint("key-metrics-ttm", rows.KeyMetricsTtm, Kind.FUNDAMENTALS)
RATIOS = _endpoint("ratios", rows.Ratios, Kind.FUNDAMENTALS)
RATIOS_TTM = _endpoint("ratios-ttm", rows.RatiosTtm, Kind.FUNDAMENTALS)
INCOME = _endpoint("income-statement", rows.Period, Kind.FUNDAMENTALS)
BALANCE = _endpoint("balance-sheet-statement", rows.Period, Kind.FUNDAMENTALS)
CASH_FLOW = _endpoint("cash-flow-statement", rows.Period, Kind.FUNDAMENTALS)
INCOME_GROWTH = _endpoint("income-statement-growth", rows.IncomeGrowth, Kind.FUNDAMENTALS)
BALANCE_GROWTH = _endpoint("balance-sheet-statement-growth", rows.Period, Kind.FUNDAMENTALS)
CASH_FLOW_GROWTH = _endpoint("cash-flow-statement-growth", rows.Period, Kind.FUNDAMENTALS)
GROWTH = _endpoint("financial-growth", rows.FinancialGrowth, Kind.FUNDAMENTALS)
ENTERPRISE_VALUES = _endpoint("enterprise-values", rows.EnterpriseValue, Kind.FUNDAMENTALS)
MARKET_CAP = _endpoint("market-capitalization", rows.MarketCap, Kind.FUNDAMENTALS)
DAILY = _endpoint("historical-price-eod/full", rows.DailyBar, Kind.HISTORY)
DAILY_LIGHT = _endpoint("historical-price-eod/light", rows.LightBar, Kind.HISTORY)
CHARTS = {
    step: _endpoint(f"historical-chart/{step}", rows.ChartBar, Kind.INTRADAY)
    for step in ("1min", "5min", "15min", "30min", "1hour", "4hour")
}
STOCK_NEWS = _endpoint("news/stock", rows.News, Kind.NEWS)
STOCK_LATEST = _endpoint("news/stock-latest", rows.News, Kind.NEWS)
GENERAL_LATEST = _endpoint("news/general-latest", rows.News, Kind.NEWS)
PRESS_LATEST = _endpoint("news/press-releases-latest", rows.News, Kind.NEWS)
EARNINGS_CALENDAR = _endpoint("earnings-calendar", rows.Earnings, Kind.CALENDAR)
EARNINGS = _endpoint("earnings", rows.Earnings, Kind.CALENDAR)
ESTIMATES = _endpoint("analyst-estimates", rows.Estimates, Kind.OPINION)
TARGETS = _endpoint("price-target-consensus", rows.TargetConsensus, Kind.OPINION)
TARGET_SUMMARY = _endpoint("price-target-summary", rows.TargetSummary, Kind.OPINION)
TARGET_NEWS = _endpoint("price-target-news", rows.TargetNews, Kind.OPINION)
GRADES = _endpoint("grades-consensus", rows.GradesConsensus, Kind.OPINION)
RATINGS = _endpoint("ratings-snapshot", rows.RatingsSnapshot, Kind.OPINION)
PRICE_CHANGE = _endpoint("stock-price-change", rows.PriceChange, Kind.SCREEN)
MARKET_HOURS = _endpoint("exchange-market-hours", rows.MarketHours, Kind.STATUS)
HOLIDAYS = _endpoint("holidays-by-exchange", rows.Holiday, Kind.REFERENCE)
DIVIDENDS = _endpoint("dividends", rows.Dividend, Kind.CALENDAR)
STOCK_LIST = _endpoint("stock-list", rows.Listed, Kind.REFERENCE)
SEARCH_SYMBOL = _endpoint("search-symbol", rows.Listed, Kind.REFERENCE)
FILINGS = _endpoint("sec-filings-search/symbol", rows.Filing, Kind.NEWS)
SECTORS = _endpoint("sector-performance-snapshot", rows.SectorPerformance, Kind.HISTORY)
TREASURY = _endpoint("treasury-rates", rows.TreasuryRates, Kind.HISTORY)

ENDPOINTS = {each.name: each for each in list(globals().values()) if isinstance(each, Endpoint)} | {
    each.name: each for each in CHARTS.values()
}
Params = dict[str, str | int | bool | None]


class Fmp:
    """FMP's endpoints by what they are for. Each raises VendorError."""

    def __init__(self, client: VendorClient) -> None:
        self.client = client

    async def screener(self, filters: Params) -> Reply[rows.Screened]:
        """Filters by the vendor's names: marketCapMoreThan, priceMoreThan, volumeMoreThan, exchange, limit …"""
        return await self.client.fetch(SCREENER, filters)

    async def quotes(self, symbols: Iterable[str]) -> Reply[rows.Quote]:
        """Many quotes, a call for each 200."""
        return await self._batched(BATCH_QUOTE, symbols, {})

    async def movers(self, which: Endpoint[rows.Mover]) -> Reply[rows.Mover]:
        """GAINERS, LOSERS or ACTIVES; funds and broken prints are among them."""
        return await self.client.fetch(which)

    async def of_symbol(
        self, endpoint: Endpoint[R], symbol: str, params: Params | None = None, priority: Priority = Priority.NORMAL
    ) -> Reply[R]:
        """An endpoint that takes one symbol: profile, ratios, targets, grades, …"""
        return await self.client.fetch(endpoint, {"symbol": symbol, **(params or {})}, symbol=symbol, priority=priority)

    async def daily(self, symbol: str, first: date, last: date) -> Reply[rows.DailyBar]:
        """Split-adjusted daily bars, newest first."""
        span: Params = {"from": first.isoformat(), "to": last.isoformat()}
        return await self.of_symbol(DAILY, symbol, span, Priority.NEEDED)

    async def minutes(self, symbol: str, day: date) -> Reply[rows.ChartBar]:
        """Minute bars of one day as traded, newest first."""
        span: Params = {"from": day.isoformat(), "to": day.isoformat(), "nonadjusted": True}
        return await self.of_symbol(CHARTS["1min"], symbol, span, Priority.NEEDED)

    async def news(self, symbols: Iterable[str], first: date, last: date) -> Reply[rows.News]:
        """News of these symbols, at most 250 a call, newest first."""
        span: Params = {"from": first.isoformat(), "to": last.isoformat(), "limit": 250}
        return await self._batched(STOCK_NEWS, symbols, span, Priority.OPTIONAL)

    async def earnings_calendar(self, first: date, last: date) -> Reply[rows.Earnings]:
        return await self.client.fetch(EARNINGS_CALENDAR, {"from": first.isoformat(), "to": last.isoformat()})

    async def _batched(
        self, endpoint: Endpoint[R], symbols: Iterable[str], params: Params, priority: Priority = Priority.NORMAL
    ) -> Reply[R]:
        names = list(dict.fromkeys(symbols))
        groups = [names[start : start + SYMBOLS_A_CALL] for start in range(0, len(names), SYMBOLS_A_CALL)] or [[]]
        return joined(
            [
                await self.client.fetch(endpoint, {"symbols": ",".join(group), **params}, priority=priority)
                for group in groups
            ]
        )
