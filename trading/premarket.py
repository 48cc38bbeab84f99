"""What is known of a symbol before the open, the filters on it, and what it adds to the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trading.bars import Bar
from trading.indicators import ATR_BARS
from trading.money import BPS

GAP_FULL_PCT = 5.0  # a gap of this size adds the whole of GAP_WEIGHT
GAP_WEIGHT = 0.10
NEWS_WEIGHT = 0.05
NEGATIVE_REPORTS = 2  # as many, and more than the positive ones, are bad news


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One symbol before the open. None is unknown: nothing is refused or weighed by it."""

    symbol: str
    name: str = ""  # of the company, where a vendor told it
    gap_pct: float | None = None  # price now over the previous close, signed
    spread_bps: float | None = None
    reports_today: bool | None = None
    positive_news: int | None = None
    negative_news: int | None = None
    headlines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PremarketFilters:
    """Bounds before the open: spread in bps, gap in percent of the close, volume as a multiple of what is usual."""

    max_spread_bps: float
    max_gap_pct: float
    min_relative_volume: float
    excludes_earnings: bool
    excludes_negative_news: bool


def evidence_of(
    symbol: str,
    price_usd: float | None,
    previous_close_usd: float | None,
    bid_usd: float | None,
    ask_usd: float | None,
) -> Evidence:
    """Gap and spread of a quote; a crossed or one-sided one has no spread."""
    gap = 100.0 * (price_usd / previous_close_usd - 1.0) if price_usd and previous_close_usd else None
    spread = None
    if bid_usd and ask_usd and ask_usd >= bid_usd:
        spread = BPS * (ask_usd - bid_usd) / ((ask_usd + bid_usd) / 2)
    return Evidence(symbol=symbol, gap_pct=gap, spread_bps=spread)


def premarket_refusal(evidence: Evidence, filters: PremarketFilters) -> str:
    """Why the symbol is left out before its history is even asked for; empty when it is not."""
    if evidence.spread_bps is not None and evidence.spread_bps > filters.max_spread_bps:
        return f"spread is {evidence.spread_bps:.0f} bps, above {filters.max_spread_bps:g}"
    if evidence.gap_pct is not None and abs(evidence.gap_pct) > filters.max_gap_pct:
        return f"gap is {evidence.gap_pct:+.1f} %, beyond {filters.max_gap_pct:g}"
    if evidence.reports_today and filters.excludes_earnings:
        return "reports earnings today"
    negative, positive = evidence.negative_news or 0, evidence.positive_news or 0
    if filters.excludes_negative_news and negative >= NEGATIVE_REPORTS and negative > positive:
        return f"{negative} negative reports since yesterday, {positive} positive"
    return ""


def relative_volume(bars: Sequence[Bar]) -> float:
    """The last session's volume over the mean of the 14 before it; NaN without one before it or without volume."""
    before = bars[-1 - ATR_BARS : -1]
    mean = sum(bar.volume for bar in before) / len(before) if before else 0.0
    return bars[-1].volume / mean if mean else math.nan


def score_parts(atr_pct: float, dollar_volume_usd: float, evidence: Evidence) -> dict[str, float]:
    """The factors of the score by name. Without evidence of today the last two are 1.

    A gap adds up to 10 %, news moves it by at most 5 %: small, for their worth is judged and not measured.
    """
    gap = 1.0 + GAP_WEIGHT * min(abs(evidence.gap_pct or 0.0) / GAP_FULL_PCT, 1.0)
    balance = (evidence.positive_news or 0) - (evidence.negative_news or 0)
    return {
        "atr_pct": atr_pct,
        "log10_turnover": math.log10(max(dollar_volume_usd, 10.0)),
        "gap": gap,
        "news": 1.0 + NEWS_WEIGHT * max(-1, min(balance, 1)),
    }


def today_words(evidence: Evidence, volume_ratio: float) -> list[str]:
    """What is known of today, for the list's reasons; nothing for what is not known."""
    words = []
    if evidence.gap_pct is not None:
        words.append(f"gap {evidence.gap_pct:+.2f} %")
    if evidence.spread_bps is not None:
        words.append(f"spread {evidence.spread_bps:.0f} bps")
    if (evidence.gap_pct is not None or evidence.spread_bps is not None) and math.isfinite(volume_ratio):
        words.append(f"volume of the last session {volume_ratio:.2f} of its average")
    if evidence.positive_news or evidence.negative_news:
        words.append(f"news: {evidence.positive_news} positive, {evidence.negative_news} negative")
    return words
