"""Where daily bars come from: a directory, the closes that skfolio ships, or a seeded market."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from ib_simulator.feeds.bar_files import files_of, read_daily
from ib_simulator.feeds.corporate_actions import Action, read_actions
from ib_simulator.feeds.daily import DailyFeed, DailySeries
from ib_simulator.feeds.synthetic_daily import synthetic_series
from ib_simulator.feeds.tape import Floats, bars_from_columns, prices_to_tick_from_usd
from market_hours import TradingCalendar, new_york_date, utc_from_epoch
from trading.bars import Bar
from trading.money import PRICE_UNITS_PER_USD
from utils import Misconfigured

BENCHMARK = "SPY"
PACKAGED_VOLUME = 10_000_000  # shares a day; the packaged series have none


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyMarket:
    """Daily bars, the names to choose from, an index to compare with, and what a reader must know of them."""

    feed: DailyFeed
    universe: tuple[str, ...]
    index_name: str  # empty when there is none
    index_usd: Mapping[date, float]  # session -> level
    notes: tuple[str, ...] = ()


def market_of_directory(directory: Path, calendar: TradingCalendar) -> DailyMarket:
    """DIR/daily/SYMBOL.parquet (or .csv) with DIR/splits_dividends.csv. Raises Misconfigured.

    SPY, where it is there, is what the bot is compared with, and no candidate.
    """
    if not directory.is_dir():
        raise Misconfigured(f"market data directory {directory} does not exist")
    files = files_of(directory / "daily")
    if not files:
        raise Misconfigured(f"{directory / 'daily'} holds no bar file (SYMBOL.parquet or SYMBOL.csv)")
    actions = read_actions(directory / "splits_dividends.csv")
    series = {symbol: _series_of_file(path, calendar, actions.get(symbol, ())) for symbol, path in files.items()}
    feed = DailyFeed(f"daily bars of {directory}", series, calendar)
    levels = _total_return(feed, BENCHMARK)
    return DailyMarket(
        feed=feed,
        universe=tuple(symbol for symbol in feed.all_symbols if symbol != BENCHMARK),
        index_name=f"{BENCHMARK}, dividends reinvested" if levels else "",
        index_usd=levels,
    )


def packaged_market(calendar: TradingCalendar) -> DailyMarket:
    """Twenty names of the S&P 500 and the index as skfolio ships them: adjusted closes, to the end of 2022."""
    from skfolio.datasets import load_sp500_dataset, load_sp500_index

    prices, index = load_sp500_dataset(), load_sp500_index().iloc[:, 0]
    days = [stamp.date() for stamp in prices.index]
    series = {symbol: _series_of_closes(days, prices[symbol].to_numpy(dtype=np.float64), calendar) for symbol in prices}
    return DailyMarket(
        feed=DailyFeed("adjusted closes of 20 names of the S&P 500, packaged with skfolio", series, calendar),
        universe=tuple(sorted(prices)),
        index_name="S&P 500 (without dividends)",
        index_usd=dict(zip([stamp.date() for stamp in index.index], index.tolist(), strict=True)),
        notes=(
            "the twenty names are large companies of today: whoever chose them knew that they would be",
            "the series are closes only: each day has one price, and orders fill at the close of the day on which "
            "they are sent, a spread away; its volume is not known and does not limit anything",
            "prices are adjusted for dividends and splits; those of long ago are small, so that a cent of spread "
            "costs more than it did",
        ),
    )


def synthetic_market(seed: int, symbols: Sequence[str], calendar: TradingCalendar, latest: date) -> DailyMarket:
    """A seeded market up to the last session on or before `latest`, with splits, dividends and delistings."""
    session = calendar.session_on(latest) or calendar.previous_session(latest)
    drawn = synthetic_series(seed, symbols, calendar, session.date)
    return DailyMarket(
        feed=DailyFeed(f"synthetic daily market, seed {seed}", drawn.series, calendar),
        universe=tuple(sorted(drawn.series)),
        index_name="synthetic index",
        index_usd=drawn.index_usd,
    )


def _series_of_file(path: Path, calendar: TradingCalendar, actions: tuple[Action, ...]) -> DailySeries:
    days, columns = read_daily(path)
    return _on_sessions(zip(days, bars_from_columns(*columns), strict=True), calendar, actions)


def _series_of_closes(days: Sequence[date], closes_usd: Floats, calendar: TradingCalendar) -> DailySeries:
    known = np.isfinite(closes_usd) & (closes_usd > 0)
    prices = prices_to_tick_from_usd(np.where(known, closes_usd, 1.0)).tolist()
    rows = zip(days, prices, known.tolist(), strict=True)
    bars = ((day, Bar(0, *(4 * (price,)), PACKAGED_VOLUME)) for day, price, there in rows if there)
    return _on_sessions(bars, calendar, ())


def _on_sessions(
    rows: Iterable[tuple[date, Bar]], calendar: TradingCalendar, actions: tuple[Action, ...]
) -> DailySeries:
    """Rows that are sessions of the calendar, each bar starting at its open."""
    found = [
        (day, bar._replace(start_s=session.open_s))
        for day, bar in rows
        if (session := calendar.session_on(day)) is not None
    ]
    return DailySeries(days=tuple(day for day, _ in found), bars=tuple(bar for _, bar in found), actions=actions)


def _total_return(feed: DailyFeed, symbol: str) -> dict[date, float]:
    """Adjusted closes in USD by session: what a holder who reinvests dividends has. Empty without the symbol."""
    after = feed.session_dates()[-1] + timedelta(days=1)
    bars = feed.adjusted(symbol, after, date.min)
    return {new_york_date(utc_from_epoch(bar.start_s)): bar.close / PRICE_UNITS_PER_USD for bar in bars}
