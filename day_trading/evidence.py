"""What is known of each symbol before the open, gathered in a few calls for all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

from day_trading.universe import Universe
from tools import earnings, news, quotes
from trading.premarket import Evidence, PremarketFilters, evidence_of
from trading.settings import StrategySettings
from vendors.facts import Answer
from vendors.sources import Sources

MOST_HEADLINES = 5
LONGEST_HEADLINE = 200


class Gathered(NamedTuple):
    """Evidence of every symbol that was asked for, and what could not be had."""

    of: dict[str, Evidence]  # symbol -> what is known; unknown fields are None
    sources: dict[str, str]  # need -> who answered
    missing: tuple[str, ...]


async def gather_evidence(sources: Sources, universe: Universe, today: date) -> Gathered:
    """Quotes, earnings of the day and news. Raises nothing of a vendor."""
    symbols = universe.symbols
    prices = await quotes(sources, symbols)
    reporting = await earnings(sources, today)
    reports = await news(sources, symbols, today)
    on_day = {each.symbol for each in reporting.value if each.date == today}
    tone: Counter[tuple[str, str]] = Counter()
    headlines: dict[str, list[str]] = {}  # symbol -> newest first
    for item in reports.value:
        tone.update(dict.fromkeys(item.sentiment, 1))
        for symbol in item.symbols:
            headlines.setdefault(symbol, []).append(item.title[:LONGEST_HEADLINE])
    rated = any(item.sentiment for item in reports.value)
    of: dict[str, Evidence] = {}
    for symbol in symbols:
        quote = prices.value.get(symbol)
        known = Evidence(symbol=symbol)
        if quote is not None:
            known = evidence_of(symbol, quote.price_usd, quote.previous_close_usd, quote.bid_usd, quote.ask_usd)
        of[symbol] = replace(
            known,
            name=universe.names.get(symbol, ""),
            reports_today=symbol in on_day if reporting.is_known else None,
            positive_news=tone[symbol, "positive"] if rated else None,
            negative_news=tone[symbol, "negative"] if rated else None,
            headlines=tuple(headlines.get(symbol, ())[:MOST_HEADLINES]),
        )
    answers: dict[str, Answer[Any]] = {"quotes": prices, "earnings": reporting, "news": reports}
    return Gathered(
        of,
        {need: answer.source for need, answer in answers.items() if answer.is_known},
        tuple(words for answer in answers.values() for words in answer.missing),
    )


def filters_of(settings: StrategySettings) -> PremarketFilters:
    """The settings as the rules take them."""
    return PremarketFilters(
        max_spread_bps=settings.watchlist_max_spread_bps,
        max_gap_pct=settings.watchlist_max_gap_pct,
        min_relative_volume=settings.watchlist_min_relative_volume,
        excludes_earnings=settings.watchlist_earnings_today == "exclude",
        excludes_negative_news=settings.watchlist_negative_news == "exclude",
    )
