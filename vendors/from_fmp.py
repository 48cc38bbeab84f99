"""FMP as a source: its rows as facts. Each answer raises VendorError."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from trading.bars import Bar
from vendors import fmp
from vendors.client import Endpoint, Reply
from vendors.daily_bars import daily_bar, sound_bars
from vendors.facts import (
    BROKEN_PRINT_PCT,
    EarningsDate,
    Fundamentals,
    Listing,
    MarketQuote,
    Need,
    NewsItem,
    Opinion,
    Screen,
)
from vendors.failures import MalformedReply, SymbolRefused, VendorError
from vendors.rows import R
from vendors.sources import Found

T = TypeVar("T")
EXCHANGES = ("NASDAQ", "NYSE", "AMEX")


class FmpSource:
    """First in the order: it has everything but bid, ask and sentiment."""

    name = fmp.VENDOR

    def __init__(self, api: fmp.Fmp) -> None:
        self._api = api
        self.needs: Mapping[Need, Callable[..., Awaitable[Found[Any]]]] = {
            Need.SCREEN: self.screen,
            Need.MOVERS: self.movers,
            Need.QUOTES: self.quotes,
            Need.FUNDAMENTALS: self.fundamentals,
            Need.OPINION: self.opinion,
            Need.NEWS: self.news,
            Need.EARNINGS: self.earnings,
            Need.HISTORY: self.history,
        }

    async def close(self) -> None:
        await self._api.client.close()

    async def screen(self, screen: Screen) -> Found[tuple[Listing, ...]]:
        """Active US shares within the screen's bounds, no funds."""
        reply = await self._api.screener(
            {
                "priceMoreThan": f"{screen.min_price_usd:g}",
                "volumeMoreThan": f"{screen.min_volume:.0f}",
                "marketCapMoreThan": f"{screen.min_market_cap_usd:.0f}",
                "exchange": ",".join(EXCHANGES),
                "country": "US",
                "isEtf": False,
                "isFund": False,
                "isActivelyTrading": True,
                "limit": screen.most,
            }
        )
        listings = [
            Listing(
                symbol=row.symbol,
                name=row.company_name or "",
                price_usd=row.price,
                volume=row.volume,
                market_cap_usd=row.market_cap,
                sector=row.sector or "",
                exchange=row.exchange_short_name,
                is_active=row.is_actively_trading,
                is_fund=row.is_etf or row.is_fund,
            )
            for row in reply.rows
            if row.exchange_short_name in EXCHANGES and not row.is_etf and not row.is_fund and row.is_actively_trading
        ]
        return _found(tuple(listings), reply)

    async def movers(self) -> Found[tuple[Listing, ...]]:
        """Most active, gainers and losers of the exchanges, each symbol once, without prints that cannot be true."""
        replies = [await self._api.movers(which) for which in (fmp.ACTIVES, fmp.GAINERS, fmp.LOSERS)]
        listings = {
            row.symbol: Listing(
                symbol=row.symbol, name=row.name or "", price_usd=row.price, change_pct=row.changes_percentage
            )
            for reply in replies
            for row in reply.rows
            if row.exchange in EXCHANGES and abs(row.changes_percentage) <= BROKEN_PRINT_PCT
        }
        return Found(
            tuple(listings.values()), min(each.fetched_at for each in replies), sum(each.dropped for each in replies)
        )

    async def quotes(self, symbols: Sequence[str]) -> Found[dict[str, MarketQuote]]:
        """symbol -> price in USD and its time; no bid and ask."""
        reply = await self._api.quotes(symbols)
        quotes = {
            row.symbol: MarketQuote(
                symbol=row.symbol,
                price_usd=row.price,
                previous_close_usd=row.previous_close or None,
                volume=row.volume,
                at=datetime.fromtimestamp(row.timestamp, UTC),
            )
            for row in reply.rows
        }
        return _found(quotes, reply)

    async def fundamentals(self, symbol: str) -> Found[Fundamentals]:
        """The profile is needed; ratios, metrics and growth add to it where the plan has them."""
        profile = await self._api.of_symbol(fmp.PROFILE, symbol)
        about = _first(profile, fmp.PROFILE.name, symbol)
        dropped = profile.dropped
        ratios = await self._where_allowed(fmp.RATIOS_TTM, symbol)
        metrics = await self._where_allowed(fmp.METRICS_TTM, symbol)
        growth = await self._where_allowed(fmp.GROWTH, symbol)
        value = Fundamentals(
            symbol=symbol,
            name=about.company_name or "",
            sector=about.sector or "",
            market_cap_usd=about.market_cap,
            beta=about.beta,
            price_to_earnings=ratios.price_to_earnings if ratios else None,
            price_to_book=ratios.price_to_book if ratios else None,
            debt_to_equity=ratios.debt_to_equity if ratios else None,
            net_profit_margin=ratios.net_profit_margin if ratios else None,
            return_on_equity=metrics.return_on_equity if metrics else None,
            revenue_growth=growth.revenue_growth if growth else None,
            eps_growth=growth.eps_growth if growth else None,
        )
        return Found(value, profile.fetched_at, dropped)

    async def opinion(self, symbol: str) -> Found[Opinion]:
        """The consensus target in USD is needed; grades and estimates add to it where the plan has them."""
        targets = await self._api.of_symbol(fmp.TARGETS, symbol)
        target = _first(targets, fmp.TARGETS.name, symbol)
        grades = await self._where_allowed(fmp.GRADES, symbol)
        estimates = await self._where_allowed(fmp.ESTIMATES, symbol, {"period": "annual", "limit": 5})
        value = Opinion(
            symbol=symbol,
            target_usd=target.target_consensus,
            buys=grades.strong_buy + grades.buy if grades else 0,
            holds=grades.hold if grades else 0,
            sells=grades.sell + grades.strong_sell if grades else 0,
            eps_estimate_usd=(estimates.eps_avg or None) if estimates else None,  # 0 is "nobody says"
        )
        return Found(value, targets.fetched_at, targets.dropped)

    async def news(self, symbols: Sequence[str], today: date) -> Found[tuple[NewsItem, ...]]:
        """News since yesterday."""
        reply = await self._api.news(symbols, today - timedelta(days=1), today)
        items = [
            NewsItem(
                symbols=(row.symbol,) if row.symbol else (),
                title=row.title,
                text=row.text or "",
                publisher=row.publisher or row.site or "",
            )
            for row in reply.rows
        ]
        return _found(tuple(items), reply)

    async def earnings(self, day: date) -> Found[tuple[EarningsDate, ...]]:
        """Who reports on that day, of all companies."""
        reply = await self._api.earnings_calendar(day, day)
        dates = [
            EarningsDate(symbol=row.symbol, date=row.date, eps_estimate_usd=row.eps_estimated) for row in reply.rows
        ]
        return _found(tuple(dates), reply)

    async def history(self, symbol: str, session_date: date, calendar_days: int) -> Found[list[Bar]]:
        """Daily bars of the `calendar_days` before `session_date`, oldest first; the day itself is left out."""
        first, last = session_date - timedelta(days=calendar_days), session_date - timedelta(days=1)
        reply = await self._api.daily(symbol, first, last)
        bars = {
            row.date: daily_bar(row.date, (row.open, row.high, row.low, row.close), row.volume)
            for row in reply.rows
            if first <= row.date <= last and row.symbol == symbol
        }
        return sound_bars(fmp.VENDOR, fmp.DAILY.name, session_date, bars, reply)

    async def _where_allowed(self, endpoint: Endpoint[R], symbol: str, params: fmp.Params | None = None) -> R | None:
        """The first row; None where this vendor does not give it."""
        try:
            reply = await self._api.of_symbol(endpoint, symbol, params)
        except VendorError:
            return None  # counted and remembered by the client; the field stays unknown
        return reply.rows[0] if reply.rows else None


def _found(value: T, reply: Reply[R]) -> Found[T]:
    return Found(value, reply.fetched_at, reply.dropped)


def _first(reply: Reply[R], endpoint: str, symbol: str) -> R:
    if reply.rows:
        return reply.rows[0]
    if reply.dropped:
        raise MalformedReply(fmp.VENDOR, endpoint, f"the row of {symbol} is not what it must be")
    raise SymbolRefused(fmp.VENDOR, endpoint, f"{symbol} is not known")
