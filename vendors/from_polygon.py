"""Polygon as a source: its rows as facts. Each answer raises VendorError."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from market_hours import NEW_YORK, Clock, new_york_calendar
from trading.bars import Bar
from vendors import polygon
from vendors.daily_bars import daily_bar, sound_bars
from vendors.facts import BROKEN_PRINT_PCT, Fundamentals, Listing, MarketQuote, Need, NewsItem, Screen
from vendors.failures import SymbolRefused
from vendors.polygon_rows import Snapshot
from vendors.sources import Found

NEWS_PAGES = 3
NS_PER_S = 1_000_000_000


class PolygonSource:
    """Second in the order: bid, ask and sentiment, no earnings calendar and few fundamentals."""

    name = polygon.VENDOR

    def __init__(self, api: polygon.Polygon, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self.needs: Mapping[Need, Callable[..., Awaitable[Found[Any]]]] = {
            Need.SCREEN: self.screen,
            Need.MOVERS: self.movers,
            Need.QUOTES: self.quotes,
            Need.FUNDAMENTALS: self.fundamentals,
            Need.NEWS: self.news,
            Need.HISTORY: self.history,
            Need.MARKET_STATUS: self.market_status,
        }

    async def close(self) -> None:
        await self._api.client.close()

    async def screen(self, screen: Screen) -> Found[tuple[Listing, ...]]:
        """From the whole market's last session, the largest turnover first. Market caps are not in it."""
        today = self._clock.now().astimezone(NEW_YORK).date()
        reply = await self._api.grouped(new_york_calendar(today).previous_session(today).date)
        fit = [row for row in reply.rows if row.T and row.c >= screen.min_price_usd and row.v >= screen.min_volume]
        fit.sort(key=lambda row: (-row.c * row.v, row.T))
        listings = [Listing(symbol=row.T or "", name="", price_usd=row.c, volume=row.v) for row in fit[: screen.most]]
        return Found(tuple(listings), reply.fetched_at, reply.dropped)

    async def movers(self) -> Found[tuple[Listing, ...]]:
        """Gainers and losers, without prints that cannot be true."""
        replies = [await self._api.movers(which) for which in (polygon.GAINERS, polygon.LOSERS)]
        listings = [
            Listing(symbol=row.ticker, name="", price_usd=price, change_pct=row.todays_change_pct)
            for reply in replies
            for row in reply.rows
            if (price := row.price()) and abs(row.todays_change_pct or 0.0) <= BROKEN_PRINT_PCT
        ]
        return Found(tuple(listings), min(each.fetched_at for each in replies), sum(each.dropped for each in replies))

    async def quotes(self, symbols: Sequence[str]) -> Found[dict[str, MarketQuote]]:
        """symbol -> last price, bid and ask in USD; a symbol without a trade is left out."""
        reply = await self._api.snapshots(symbols)
        quotes = {row.ticker: quote for row in reply.rows if (quote := _quote(row)) is not None}
        return Found(quotes, reply.fetched_at, reply.dropped)

    async def fundamentals(self, symbol: str) -> Found[Fundamentals]:
        """Name, sector and market value in USD. Raises SymbolRefused when nobody knows the symbol."""
        reply = await self._api.details(symbol)
        if not reply.rows:
            raise SymbolRefused(polygon.VENDOR, polygon.DETAILS.name, f"{symbol} is not known")
        about = reply.rows[0]
        value = Fundamentals(
            symbol=symbol, name=about.name, sector=about.sic_description or "", market_cap_usd=about.market_cap
        )
        return Found(value, reply.fetched_at, reply.dropped)

    async def news(self, symbols: Sequence[str], today: date) -> Found[tuple[NewsItem, ...]]:
        """News since the eve that name one of the symbols."""
        eve = datetime.combine(today - timedelta(days=1), time(16), NEW_YORK)
        reply = await self._api.news(eve.astimezone(UTC), NEWS_PAGES)
        wanted = frozenset(symbols)
        items = [
            NewsItem(
                symbols=tuple(row.tickers),
                title=row.title,
                text=row.description or "",
                publisher=(row.publisher.name if row.publisher else None) or "",
                published_at=row.published_utc,
                sentiment=tuple((insight.ticker, insight.sentiment) for insight in row.insights),
            )
            for row in reply.rows
            if not wanted.isdisjoint(row.tickers)
        ]
        return Found(tuple(items), reply.fetched_at, reply.dropped)

    async def history(self, symbol: str, session_date: date, calendar_days: int) -> Found[list[Bar]]:
        """Daily bars of the `calendar_days` before `session_date`, oldest first; the day itself is left out."""
        first, last = session_date - timedelta(days=calendar_days), session_date - timedelta(days=1)
        reply = await self._api.daily(symbol, first, last)
        bars = {
            day: daily_bar(day, (row.o, row.h, row.l, row.c), row.v)
            for row in reply.rows
            if first <= (day := _date_of(row.t)) <= last
        }
        return sound_bars(polygon.VENDOR, polygon.BARS.name, session_date, bars, reply)

    async def market_status(self) -> Found[str]:
        """open, closed or extended-hours, in the vendor's words; empty when it says nothing."""
        reply = await self._api.market_status()
        return Found(reply.rows[0].market if reply.rows else "", reply.fetched_at, reply.dropped)


def _date_of(t_ms: int) -> date:
    """A daily bar starts at midnight in New York."""
    return datetime.fromtimestamp(t_ms / 1000, NEW_YORK).date()


def _quote(row: Snapshot) -> MarketQuote | None:
    price = row.price()
    if not price:
        return None
    last = row.last_quote
    at = row.updated
    return MarketQuote(
        symbol=row.ticker,
        price_usd=price,
        previous_close_usd=(row.prev_day.c or None) if row.prev_day else None,
        volume=(row.min.av if row.min and row.min.av else row.day.v if row.day else None),
        bid_usd=(last.p or None) if last else None,
        ask_usd=(last.P or None) if last else None,
        at=datetime.fromtimestamp(at / NS_PER_S, UTC) if at else None,
    )
