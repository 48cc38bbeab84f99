"""A seeded market: any session of any symbol from the seed alone, in any order, without data on disk.

The log price of a symbol is a moving average over its last `MEMORY` weekdays of random shocks, whose weights fall
linearly to zero: each day adds its own shock and takes back a little of the earlier ones, so the level reverts and
stays near the symbol's base price for decades. Nothing is summed up from an origin, hence any session can be
generated alone. Inside a session the price walks from the open to that level with clustered volatility that is
U-shaped over the day, partly along the path of a common market. The bars depend on the installed numpy, whose
random streams may change between versions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np

from ib_simulator.feeds.corporate_actions import Action
from ib_simulator.feeds.tape import (
    MINUTE_S,
    Floats,
    Int64s,
    SessionTape,
    daily_bar,
    minute_path,
    prices_to_tick_from_usd,
)
from market_hours import Session, TradingCalendar
from trading.bars import Bar
from utils import Misconfigured

MARKET = "*market*"  # its own stream of shocks, common to all symbols
CHARACTER_ORDINAL = 0  # no session has this date ordinal
MEMORY = 252  # weekdays a shock stays in the price: the level has about 9 times the deviation of one day
LEVEL_BOUND = 1.4  # the log price never leaves base ± this: 25..300 USD becomes 6..1217 USD
BASE_PRICE_USD = (25.0, 300.0)
OWN_DAILY_VOL = (0.008, 0.020)
MARKET_DAILY_VOL = 0.007
BETA = (0.5, 1.4)
SHARES_PER_MINUTE = (4_000.0, 80_000.0)
OVERNIGHT_SHARE = 0.25  # of a day's variance
INTRADAY_SD = math.sqrt(1 - OVERNIGHT_SHARE)
DAY_MIX = np.array([math.sqrt(OVERNIGHT_SHARE), INTRADAY_SD, 0.0])  # weights of the three shocks of a day
LARGEST_SHOCK = 4.0  # standard deviations

MOOD_MEMORY = 64  # weekdays; the volatility of whole days clusters as well
MOOD_KEEPS = 0.95
MOOD_SD = 0.25  # of log volatility
STEPS_PER_MINUTE = 4
MINUTE_VOL_MEMORY = 128  # minutes
MINUTE_VOL_KEEPS = 0.95
MINUTE_VOL_SD = 0.45  # of log volatility
U_SHAPE = 3.0  # volume and variance at the open and the close are 1 + this times those of midday
VOLUME_SD = 0.35  # of log volume

BLOCK = 64  # weekdays of shocks drawn together
TAPES_KEPT = 256
WEEKDAYS = 5
ROUND_LOT = 100


class _Character(NamedTuple):
    """What a symbol is like in all sessions."""

    log_base: float
    own_daily_vol: float
    beta: float
    shares_per_minute: float


class _Walk(NamedTuple):
    """How a price moves inside a session, in standard deviations of a whole day."""

    moved: Floats  # since the open, shape (n_minutes * STEPS_PER_MINUTE,)
    log_minute_vol: Floats  # shape (n_minutes,)


class SyntheticFeed:
    """An endless seeded market of the given symbols, up to the session `latest`.

    Equal arguments give equal bars, whatever was asked before and in whichever process. Raises Misconfigured on a
    negative seed, an empty list of symbols or a `latest` that is not a session.
    """

    def __init__(self, seed: int, symbols: Iterable[str], calendar: TradingCalendar, latest: date) -> None:
        self._seed = seed
        self._symbols = tuple(sorted(dict.fromkeys(symbols)))
        self._calendar = calendar
        self._latest = latest
        if seed < 0:
            raise Misconfigured(f"the seed of the synthetic market is {seed}; it must be zero or more")
        if not self._symbols:
            raise Misconfigured("the synthetic market needs at least one symbol")
        if calendar.session_on(latest) is None:
            raise Misconfigured(f"the synthetic market cannot end on {latest}: the exchange is closed that day")
        self._daily: dict[tuple[str, date], Bar] = {}  # (symbol, session) -> its minute bars together
        self._tape = lru_cache(TAPES_KEPT)(self._generate)
        self._character = lru_cache(None)(self._draw_character)
        self._shock_block = lru_cache(None)(self._draw_shock_block)
        self._market_walk = lru_cache(TAPES_KEPT)(self._draw_market_walk)

    @property
    def name(self) -> str:
        """`synthetic market, seed N`, for logs and reports."""
        return f"synthetic market, seed {self._seed}"

    def symbols(self, session_date: date) -> tuple[str, ...]:
        """All symbols, sorted; empty when the date is no session or after the latest."""
        return self._symbols if self._session_or_none(session_date) else ()

    def session_dates(self) -> tuple[date, ...]:
        """The calendar's sessions up to the latest, in order."""
        return tuple(session.date for session in self._calendar.sessions_between(date.min, self._latest))

    def latest_session(self) -> Session:
        """The session given at construction."""
        return self.require_session(self._latest)

    def require_session(self, day: date) -> Session:
        """The session of `day`. Raises Misconfigured when the exchange is closed or the date after the latest."""
        session = self._session_or_none(day)
        if session is None:
            why = f"the market ends on {self._latest}" if day > self._latest else "the exchange is closed that day"
            raise Misconfigured(f"no synthetic session on {day}: {why}")
        return session

    def tape(self, symbol: str, session: Session) -> SessionTape:
        """The tape of `symbol` in `session`. Raises LookupError when the market has no such symbol or session."""
        if symbol not in self._symbols or self._session_or_none(session.date) is None:
            raise LookupError(f"the synthetic market has no bars of {symbol} on {session.date}")
        return self._tape(symbol, session)

    def daily(self, symbol: str, before: date, first: date) -> tuple[Bar, ...]:
        """Daily bars with `first` <= date < `before`: each session's minute bars together."""
        return tuple(self._daily_bar(symbol, session) for session in self._sessions_before(symbol, before, first))

    def minute_history(self, symbol: str, before: date, sessions: int) -> tuple[Bar, ...]:
        """Minute bars of the last `sessions` sessions strictly before `before`, in time order."""
        if sessions <= 0:
            return ()
        earlier = self._sessions_before(symbol, before, date.min)[-sessions:]
        return tuple(bar for session in earlier for bar in self._tape(symbol, session).bars())

    def actions(self, symbol: str) -> tuple[Action, ...]:
        """None: synthetic stocks neither split nor pay."""
        return ()

    def _session_or_none(self, day: date) -> Session | None:
        return self._calendar.session_on(day) if day <= self._latest else None

    def _sessions_before(self, symbol: str, before: date, first: date) -> list[Session]:
        if symbol not in self._symbols:
            return []
        sessions = self._calendar.sessions_between(first, min(before, self._latest))
        return [session for session in sessions if session.date < before]

    def _daily_bar(self, symbol: str, session: Session) -> Bar:
        key = symbol, session.date
        if key not in self._daily:
            tape = self._tape(symbol, session)
            self._daily[key] = daily_bar(session.open_s, tape.open, tape.high, tape.low, tape.close, tape.volume)
        return self._daily[key]

    def _generate(self, symbol: str, session: Session) -> SessionTape:
        character = self._character(symbol)
        ordinal = session.date.toordinal()
        n_minutes = (session.close_s - session.open_s) // MINUTE_S
        rng = self._stream(symbol, ordinal)
        own = _walk(rng, n_minutes)
        day_vol = float(self._moods(_weekday(ordinal), 1)[0])
        moved = day_vol * (
            character.own_daily_vol * own.moved
            + character.beta * MARKET_DAILY_VOL * self._market_walk(ordinal, n_minutes).moved
        )
        log_price = self._log_level(symbol, ordinal) + moved - moved[-1]
        prices = prices_to_tick_from_usd(np.exp(log_price)).reshape(n_minutes, STEPS_PER_MINUTE)
        start_s = session.open_s + MINUTE_S * np.arange(n_minutes, dtype=np.int64)
        open_, high, low, close = prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, -1]
        return SessionTape(
            symbol=symbol,
            session_date=session.date,
            start_s=start_s,
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=_volume(rng, character.shares_per_minute * day_vol, own.log_minute_vol),
            **minute_path(start_s, open_, high, low, close)._asdict(),
        )

    def _log_level(self, symbol: str, ordinal: int) -> float:
        """Log of the close of a session; sessions before it are not generated for it."""
        character = self._character(symbol)
        first = _weekday(ordinal) - MEMORY + 1
        own, market = ((self._shocks(name, first, MEMORY) * DAY_MIX).sum(axis=1) for name in (symbol, MARKET))
        steps = self._moods(first, MEMORY) * (
            character.own_daily_vol * own + character.beta * MARKET_DAILY_VOL * market
        )
        level = float(np.sum(steps * np.arange(1, MEMORY + 1))) / MEMORY
        return character.log_base + LEVEL_BOUND * math.tanh(level / LEVEL_BOUND)

    def _moods(self, first: int, count: int) -> Floats:
        """Factors on the volatility of `count` weekdays from the weekday `first`, common to all symbols."""
        shocks = self._shocks(MARKET, first - MOOD_MEMORY + 1, count + MOOD_MEMORY - 1)[:, 2]
        return np.exp(MOOD_SD * np.convolve(shocks, _fading(MOOD_KEEPS, MOOD_MEMORY), "valid"))

    def _shocks(self, symbol: str, first: int, count: int) -> Floats:
        """Overnight, intraday and mood shocks of `count` weekdays from the weekday `first`; shape (count, 3)."""
        blocks = range(first // BLOCK, (first + count - 1) // BLOCK + 1)
        drawn = np.concatenate([self._shock_block(symbol, block) for block in blocks])
        offset = first - blocks[0] * BLOCK
        return drawn[offset : offset + count]

    def _draw_shock_block(self, symbol: str, block: int) -> Floats:
        weekdays = range(block * BLOCK, (block + 1) * BLOCK)
        return np.array([_day_shocks(self._stream(symbol, _ordinal(weekday))) for weekday in weekdays])

    def _draw_market_walk(self, ordinal: int, n_minutes: int) -> _Walk:
        return _walk(self._stream(MARKET, ordinal), n_minutes)

    def _draw_character(self, symbol: str) -> _Character:
        base, own_vol, beta, shares = self._stream(symbol, CHARACTER_ORDINAL).random(4).tolist()
        return _Character(
            log_base=math.log(_log_uniform(BASE_PRICE_USD, base)),
            own_daily_vol=_log_uniform(OWN_DAILY_VOL, own_vol),
            beta=BETA[0] + beta * (BETA[1] - BETA[0]),
            shares_per_minute=_log_uniform(SHARES_PER_MINUTE, shares),
        )

    def _stream(self, symbol: str, ordinal: int) -> np.random.Generator:
        """The random stream of one symbol on one date, independent of all others."""
        entropy = np.random.SeedSequence([self._seed, ordinal, crc32(symbol.encode())])
        return np.random.Generator(np.random.PCG64(entropy))


def _day_shocks(rng: np.random.Generator) -> Floats:
    """The first draws of a stream: overnight, intraday and mood shock, in standard deviations."""
    return np.clip(rng.standard_normal(3), -LARGEST_SHOCK, LARGEST_SHOCK)


def _walk(rng: np.random.Generator, n_minutes: int) -> _Walk:
    """A Brownian bridge from 0 to the day's intraday shock, run on a clock of clustered, U-shaped volatility."""
    _, intraday_shock, _ = _day_shocks(rng)
    noise = rng.standard_normal(n_minutes + MINUTE_VOL_MEMORY - 1)
    log_minute_vol = MINUTE_VOL_SD * np.convolve(noise, _fading(MINUTE_VOL_KEEPS, MINUTE_VOL_MEMORY), "valid")
    variance = np.repeat(_u_shape(n_minutes) * np.exp(2 * log_minute_vol), STEPS_PER_MINUTE)
    variance[0] = 0.0  # the first step is the open itself
    variance /= variance.sum()
    free = np.cumsum(np.sqrt(variance) * rng.standard_normal(len(variance)))
    moved = free + np.cumsum(variance) * (intraday_shock - free[-1])
    return _Walk(INTRADAY_SD * moved, log_minute_vol)


def _volume(rng: np.random.Generator, shares_per_minute: float, log_minute_vol: Floats) -> Int64s:
    """Whole shares per minute; quiet minutes still trade a round lot."""
    noise = VOLUME_SD * rng.standard_normal(len(log_minute_vol))
    shares = shares_per_minute * _u_shape(len(log_minute_vol)) * np.exp(noise + log_minute_vol)
    return np.maximum(np.rint(shares), ROUND_LOT).astype(np.int64)


def _u_shape(n_minutes: int) -> Floats:
    """A factor per minute of the session with mean one, highest at the open and the close."""
    shape = 1 + U_SHAPE * np.linspace(-1, 1, n_minutes) ** 2
    return np.asarray(shape / shape.mean(), dtype=np.float64)


def _fading(keeps: float, memory: int) -> Floats:
    """Weights of a first-order autoregression cut off after `memory` steps, scaled to unit variance."""
    weights = keeps ** np.arange(memory)
    return np.asarray(weights / np.sqrt(np.sum(weights**2)), dtype=np.float64)


def _log_uniform(bounds: tuple[float, float], draw: float) -> float:
    low, high = map(math.log, bounds)
    return math.exp(low + draw * (high - low))


def _weekday(ordinal: int) -> int:
    """Number of a weekday, counted from Monday 0001-01-01 without weekends."""
    week, day = divmod(ordinal - 1, 7)
    return week * WEEKDAYS + min(day, WEEKDAYS - 1)


def _ordinal(weekday: int) -> int:
    """The inverse of `_weekday`: the proleptic date ordinal."""
    week, day = divmod(weekday, WEEKDAYS)
    return week * 7 + day + 1
