"""A seeded market of daily bars: drift, fat tails, clustered volatility, dividends, splits, and stocks that end.

Unlike the synthetic minutes (`synthetic.py`), whose level reverts so that any session can be made alone, prices here
walk: a market that always came back would pay whoever buys what fell. All series begin with the calendar, so that the
same seed gives the same prices whatever the last session is. The numbers are round ones of large US stocks, and no
claim about any.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple
from zlib import crc32

import numpy as np

from ib_simulator.feeds.corporate_actions import Action
from ib_simulator.feeds.daily import DailySeries
from ib_simulator.feeds.tape import Floats, bars_from_columns, prices_to_tick_from_usd
from market_hours import Session, TradingCalendar
from trading.money import MONEY_PER_PRICE_UNIT, money_from_usd
from utils import Misconfigured

MARKET = "*daily market*"
YEAR, QUARTER = 252, 63  # sessions
MARKET_DRIFT, MARKET_VOLATILITY = 0.075, 0.16  # a year, of logarithms
MOOD_KEEPS, MOOD_DEVIATION = 0.97, 0.35  # of the logarithm of the market's volatility
TAILS = 5.0  # degrees of freedom of the shocks
OVERNIGHT_SHARE = 0.27  # of a day's variance
OWN_VOLATILITY = (0.14, 0.34)  # a year; lowest and highest
BETA = (0.6, 1.5)
FIRST_PRICE_USD = (20.0, 120.0)
SHARES_A_DAY = (2e6, 3e7)
VOLUME_DEVIATION = 0.4
DIVIDEND_YIELD = (0.0, 0.03)  # a year
SPLIT_ABOVE_USD, SPLIT = 400.0, 4
ENDS_A_YEAR = 0.012  # about so many large companies fail or are taken over
FAILS = 0.5  # of them; the others are taken over
LAST_SESSIONS = 30  # in which a failing stock falls, or a bid keeps the price where it is
FALL, PREMIUM = 0.85, 0.25
QUIET = 0.1  # of its moves that are left to a stock with a bid
FIRST_LEVEL = 1_000.0  # of the index
LEAST_USD = 0.0001
DRAWN = 12_000  # sessions, more than any calendar has: a longer market begins like a shorter one


class SyntheticDays(NamedTuple):
    """Series by symbol, and the level of the market that they share."""

    series: dict[str, DailySeries]
    index_usd: dict[date, float]


class _Stock(NamedTuple):
    """What a stock is like, and how many sessions it lasts."""

    volatility: float  # of its own moves in a session
    beta: float
    first_usd: float
    shares_a_day: float
    quarterly_yield: float
    lasts: int
    fails: bool


def synthetic_series(seed: int, symbols: Sequence[str], calendar: TradingCalendar, latest: date) -> SyntheticDays:
    """Series of the symbols from the start of the calendar to `latest`. Raises Misconfigured on a negative seed."""
    if seed < 0:
        raise Misconfigured(f"the seed of the synthetic market is {seed}; it must be zero or more")
    sessions = calendar.sessions_between(date.min, latest)
    market = _market(_stream(seed, MARKET))
    series = {symbol: _series(_stream(seed, symbol), market, sessions) for symbol in dict.fromkeys(symbols)}
    levels = FIRST_LEVEL * np.exp(np.cumsum(market[: len(sessions)].sum(axis=1)))
    return SyntheticDays(series, dict(zip((each.date for each in sessions), levels.tolist(), strict=True)))


def _stream(seed: int, symbol: str) -> np.random.Generator:
    return np.random.default_rng([seed, crc32(symbol.encode())])


def _shocks(rng: np.random.Generator) -> Floats:
    """Fat-tailed shocks overnight and in the session, (DRAWN, 2); the variances of a day sum to one."""
    parts = np.sqrt([OVERNIGHT_SHARE, 1 - OVERNIGHT_SHARE])
    return np.asarray(rng.standard_t(TAILS, (DRAWN, 2)) * np.sqrt((TAILS - 2) / TAILS) * parts, dtype=np.float64)


def _market(rng: np.random.Generator) -> Floats:
    """The market's log returns overnight and in the session, (DRAWN, 2)."""
    mood, moods = 0.0, np.empty(DRAWN)
    for row, shock in enumerate(rng.standard_normal(DRAWN).tolist()):
        mood = MOOD_KEEPS * mood + MOOD_DEVIATION * np.sqrt(1 - MOOD_KEEPS**2) * shock
        moods[row] = mood
    volatility = MARKET_VOLATILITY / np.sqrt(YEAR) * np.exp(moods)
    return np.asarray(volatility[:, None] * _shocks(rng) + MARKET_DRIFT / YEAR / 2, dtype=np.float64)


def _stock(rng: np.random.Generator) -> _Stock:
    volatility, beta, price, shares, pays, ends, fails = rng.random(7).tolist()
    return _Stock(
        volatility=_between(OWN_VOLATILITY, volatility) / float(np.sqrt(YEAR)),
        beta=_between(BETA, beta),
        first_usd=_between(FIRST_PRICE_USD, price),
        shares_a_day=_between(SHARES_A_DAY, shares),
        quarterly_yield=_between(DIVIDEND_YIELD, pays) / 4,
        lasts=LAST_SESSIONS + int(-np.log1p(-ends) / ENDS_A_YEAR * YEAR),
        fails=fails < FAILS,
    )


def _series(rng: np.random.Generator, market: Floats, sessions: Sequence[Session]) -> DailySeries:
    """One stock as it traded, until it ends."""
    stock = _stock(rng)
    steps = stock.beta * market + stock.volatility * _shocks(rng)
    reach = stock.volatility / 2 * rng.standard_exponential((2, DRAWN))
    volume = stock.shares_a_day * np.exp(VOLUME_DEVIATION * rng.standard_normal(DRAWN))
    if stock.lasts < DRAWN:
        _let_end(steps, stock)
    closes = np.log(stock.first_usd) + np.cumsum(steps.sum(axis=1))
    opens = closes - steps[:, 1]
    upper, lower = np.maximum(opens, closes) + reach[0], np.minimum(opens, closes) - reach[1]
    days = sessions[: stock.lasts]
    scale, actions = _as_traded(np.exp(closes), stock.quarterly_yield, days)
    usd = np.exp(np.stack([opens, upper, lower, closes])[:, : len(days)]) * scale
    prices = prices_to_tick_from_usd(np.maximum(usd, LEAST_USD).ravel()).reshape(usd.shape)
    starts = np.array([session.open_s for session in days], dtype=np.int64)
    bars = bars_from_columns(starts, *prices, np.rint(volume[: len(days)]).astype(np.int64))
    if len(days) < len(sessions) and not stock.fails:
        actions.append(Action(sessions[len(days)].date, payout=bars[-1].close * MONEY_PER_PRICE_UNIT))
    return DailySeries(days=tuple(session.date for session in days), bars=bars, actions=tuple(actions))


def _let_end(steps: Floats, stock: _Stock) -> None:
    """Let the last sessions of a stock be a fall, or a bid over its price and then nothing."""
    last = slice(stock.lasts - LAST_SESSIONS, stock.lasts)
    if stock.fails:
        steps[last, 1] += np.log(1 - FALL) / LAST_SESSIONS
        return
    steps[last] *= QUIET
    steps[last.start, 0] += np.log(1 + PREMIUM)


def _as_traded(closes_usd: Floats, quarterly_yield: float, days: Sequence[Session]) -> tuple[Floats, list[Action]]:
    """What prices with all dividends in them are multiplied with to be those that traded; dividends and splits."""
    scale, factor = np.ones(len(days)), 1.0
    actions: list[Action] = []
    for row in range(QUARTER, len(days), QUARTER):
        day, before = days[row].date, float(closes_usd[row - 1]) * factor
        paid = round(before * quarterly_yield, 2)
        if paid > 0:
            keeps = 1 - paid / before
            factor *= keeps
            actions.append(Action(day, keeps=keeps, dividend=money_from_usd(paid)))
        if before > SPLIT_ABOVE_USD:
            factor /= SPLIT
            actions.append(Action(day, Fraction(SPLIT)))
        scale[row:] = factor
    return scale, actions


def _between(bounds: tuple[float, float], draw: float) -> float:
    low, high = bounds
    return low + draw * (high - low)
