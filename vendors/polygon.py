"""Polygon, since October 2025 also Massive: its endpoints for stocks, and a client of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from vendors import polygon_rows as rows
from vendors.cache import Kind
from vendors.client import Endpoint, Reply, VendorClient, joined
from vendors.ledger import Priority
from vendors.rows import R

VENDOR = "Polygon"
HOSTS = ("api.polygon.io", "api.massive.com")
MARKET = "v2/snapshot/locale/us/markets/stocks"
SYMBOLS_A_CALL = 250
BARS_A_PAGE = 50_000


def _endpoint(name: str, path: str, row: type[R], kind: Kind, rows_in: str = "results") -> Endpoint[R]:
    return Endpoint(name=name, path=path, row=row, kind=kind, rows_in=rows_in)


BARS = _endpoint("aggs", "v2/aggs/ticker/{ticker}/range/{step}/{unit}/{first}/{last}", rows.Agg, Kind.HISTORY)
MINUTES = _endpoint("minute aggs", BARS.path, rows.Agg, Kind.INTRADAY)
GROUPED = _endpoint("grouped", "v2/aggs/grouped/locale/us/market/stocks/{day}", rows.Agg, Kind.REFERENCE)
PREVIOUS = _endpoint("prev", "v2/aggs/ticker/{ticker}/prev", rows.Agg, Kind.SCREEN)
OPEN_CLOSE = _endpoint("open-close", "v1/open-close/{ticker}/{day}", rows.OpenClose, Kind.HISTORY, ".")
SNAPSHOTS = _endpoint("snapshots", MARKET + "/tickers", rows.Snapshot, Kind.QUOTE, "tickers")
SNAPSHOT = _endpoint("snapshot", MARKET + "/tickers/{ticker}", rows.Snapshot, Kind.QUOTE, "ticker")
GAINERS = _endpoint("gainers", MARKET + "/gainers", rows.Snapshot, Kind.MOVERS, "tickers")
LOSERS = _endpoint("losers", MARKET + "/losers", rows.Snapshot, Kind.MOVERS, "tickers")
UNIFIED = _endpoint("unified snapshot", "v3/snapshot", rows.Unified, Kind.QUOTE)
TICKERS = _endpoint("tickers", "v3/reference/tickers", rows.Ticker, Kind.REFERENCE)
DETAILS = _endpoint("ticker details", "v3/reference/tickers/{ticker}", rows.TickerDetails, Kind.FUNDAMENTALS)
TYPES = _endpoint("ticker types", "v3/reference/tickers/types", rows.TickerType, Kind.REFERENCE)
EXCHANGES = _endpoint("exchanges", "v3/reference/exchanges", rows.Exchange, Kind.REFERENCE)
NEWS = _endpoint("news", "v2/reference/news", rows.News, Kind.NEWS)
STATUS = _endpoint("market status", "v1/marketstatus/now", rows.MarketStatus, Kind.STATUS, ".")
UPCOMING = _endpoint("market holidays", "v1/marketstatus/upcoming", rows.Upcoming, Kind.REFERENCE, "")
DIVIDENDS = _endpoint("dividends", "v3/reference/dividends", rows.Dividend, Kind.CALENDAR)
SPLITS = _endpoint("splits", "v3/reference/splits", rows.Split, Kind.CALENDAR)
RELATED = _endpoint("related companies", "v1/related-companies/{ticker}", rows.Related, Kind.REFERENCE)
SMA = _endpoint("sma", "v1/indicators/sma/{ticker}", rows.IndicatorValue, Kind.HISTORY, "results.values")

ENDPOINTS = {each.name: each for each in list(globals().values()) if isinstance(each, Endpoint)}


class Polygon:
    """Polygon's endpoints by what they are for. Each raises VendorError."""

    def __init__(self, client: VendorClient) -> None:
        self.client = client

    async def daily(self, symbol: str, first: date, last: date) -> Reply[rows.Agg]:
        """Split-adjusted daily bars, oldest first."""
        return await self.client.fetch(
            BARS,
            {"adjusted": True, "sort": "asc", "limit": BARS_A_PAGE},
            path=_span(symbol, "day", first, last),
            symbol=symbol,
            priority=Priority.NEEDED,
            pages=3,
        )

    async def minutes(self, symbol: str, first: date, last: date) -> Reply[rows.Agg]:
        """Minute bars as traded, of all hours, oldest first."""
        return await self.client.fetch(
            MINUTES,
            {"adjusted": False, "sort": "asc", "limit": BARS_A_PAGE},
            path=_span(symbol, "minute", first, last),
            symbol=symbol,
            priority=Priority.NEEDED,
            pages=3,
        )

    async def grouped(self, day: date) -> Reply[rows.Agg]:
        """The whole market's bars of one session: some 12,000 rows. Kept for a week: the past does not change."""
        return await self.client.fetch(GROUPED, {"adjusted": True}, path={"day": day.isoformat()})

    async def snapshots(self, symbols: Iterable[str]) -> Reply[rows.Snapshot]:
        """Day, last trade and quote of each symbol, SYMBOLS_A_CALL in a call."""
        names = list(dict.fromkeys(symbols))
        groups = [names[start : start + SYMBOLS_A_CALL] for start in range(0, len(names), SYMBOLS_A_CALL)] or [[]]
        return joined([await self.client.fetch(SNAPSHOTS, {"tickers": ",".join(group)}) for group in groups])

    async def movers(self, which: Endpoint[rows.Snapshot]) -> Reply[rows.Snapshot]:
        """GAINERS or LOSERS: the first twenty."""
        return await self.client.fetch(which)

    async def details(self, symbol: str) -> Reply[rows.TickerDetails]:
        return await self.client.fetch(DETAILS, path={"ticker": symbol}, symbol=symbol)

    async def tickers(self, pages: int = 1) -> Reply[rows.Ticker]:
        """Active US stocks, a thousand a page."""
        return await self.client.fetch(TICKERS, {"market": "stocks", "active": True, "limit": 1000}, pages=pages)

    async def news(self, since: datetime, pages: int = 1) -> Reply[rows.News]:
        """News of all symbols, newest first."""
        params: dict[str, str | int | bool | None] = {
            "published_utc.gte": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "order": "desc",
            "limit": 1000,
        }
        return await self.client.fetch(NEWS, params, pages=pages, priority=Priority.OPTIONAL)

    async def market_status(self) -> Reply[rows.MarketStatus]:
        return await self.client.fetch(STATUS)


def _span(symbol: str, unit: str, first: date, last: date) -> dict[str, str]:
    return {"ticker": symbol, "step": "1", "unit": unit, "first": first.isoformat(), "last": last.isoformat()}
