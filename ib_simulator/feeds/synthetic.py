"""A seeded market: any session of any symbol from the seed alone, in any order, without data on disk.

The log price of a symbol is a moving average over its last `MEMORY` weekdays of random shocks, whose weights fall
linearly to zero: each day adds its own shock and takes back a little of the earlier ones, so the level reverts and
stays near the symbol's base price for decades. Nothing is summed up from an origin, hence any session can be
generated alone. Inside a session the price walks from the open to that level with clustered volatility and now and
then a jump, partly along the path of a common market; time of day, tails, volume and correlations have the shape of
recorded bars. The bars depend on the installed numpy, whose random streams may change between versions.
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
from ib_simulator.feeds.quiet_spreads import day_spreads
from ib_simulator.feeds.synthetic_quiet import (
    POST_MARKET,
    POST_VARIANCE,
    PRE_MARKET,
    PRE_VARIANCE,
    quiet_minutes,
)
from ib_simulator.feeds.synthetic_shape import FITTED, MarketShape
from ib_simulator.feeds.synthetic_walk import Walk, bars_of_path, volume, walk
from ib_simulator.feeds.tape import (
    MINUTE_S,
    Floats,
    Path,
    SessionTape,
    daily_bar,
    minute_path,
    minute_tape,
    prices_to_tick_from_usd,
    with_extended_hours,
)
from ib_simulator.trading_hours import trading_hours
from market_hours import Session, TradingCalendar
from trading.bar_columns import BarColumns, joined
from trading.bars import Bar
from trading.money import PRICE_UNITS_PER_USD
from utils import Misconfigured

MARKET = "*market*"  # its own stream of shocks, common to all symbols
QUIET = "*quiet*"  # behind a symbol: the stream of its hours around the session
CHARACTER_ORDINAL = 0  # no session has this date ordinal
MEMORY = 252  # weekdays a shock stays in the price: the level has about 9 times the deviation of one day
LEVEL_BOUND = 1.4  # the log price never leaves base ± this: 25..300 USD becomes 6..1217 USD
BASE_PRICE_USD = (25.0, 300.0)
LARGEST_SHOCK = 4.0  # standard deviations

MOOD_MEMORY = 64  # weekdays; the volatility of whole days clusters as well
MOOD_KEEPS = 0.95
OWN_MOOD_KEEPS = 0.6

BLOCK = 64  # weekdays of shocks drawn together
TAPES_KEPT = 256
WEEKDAYS = 5


class _Character(NamedTuple):
    """What a symbol is like in all sessions."""

    log_base: float
    own_daily_vol: float
    beta: float
    shares_per_minute: float


class SyntheticFeed:
    """An endless seeded market of the given symbols, up to the session `latest`.

    Equal arguments give equal bars, whatever was asked before and in whichever process; `extended_hours` adds bars
    around the regular session and changes none in it. Raises Misconfigured on a negative seed, an empty list of
    symbols or a `latest` that is not a session.
    """

    def __init__(
        self,
        seed: int,
        symbols: Iterable[str],
        calendar: TradingCalendar,
        latest: date,
        shape: MarketShape = FITTED,
        *,
        extended_hours: bool = False,
    ) -> None:
        self.extended_hours = extended_hours
        self._seed = seed
        self._shape = shape
        overnight = shape.overnight_share
        self._day_mix = np.array([math.sqrt(overnight), math.sqrt(1 - overnight)])  # of its two price shocks
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
        self._whole_day = lru_cache(TAPES_KEPT)(self._with_extended_hours)
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
        """The session of `day`. Raises Misconfigured when the exchange is closed or the market has no such date."""
        session = self._session_or_none(day)
        if session is not None:
            return session
        if day > self._latest:
            why = f"the market ends on {self._latest}"
        elif day < (first := self.session_dates()[0]):
            why = f"the market begins on {first}"
        else:
            before, after = self._calendar.previous_session(day).date, self._calendar.next_session(day).date
            why = f"the exchange is closed that day; the nearest sessions are {before} and {after}"
        raise Misconfigured(f"no synthetic session on {day}: {why}")

    def tape(self, symbol: str, session: Session) -> SessionTape:
        """The tape of `symbol` in `session`. Raises LookupError when the market has no such symbol or session."""
        if symbol not in self._symbols or self._session_or_none(session.date) is None:
            raise LookupError(f"the synthetic market has no bars of {symbol} on {session.date}")
        return self._shown(symbol, session)

    def daily(self, symbol: str, before: date, first: date) -> tuple[Bar, ...]:
        """Daily bars with `first` <= date < `before`: each session's minute bars together."""
        return tuple(self._daily_bar(symbol, session) for session in self._sessions_before(symbol, before, first))

    def minute_history(self, symbol: str, before: date, sessions: int) -> tuple[Bar, ...]:
        """Minute bars of the last `sessions` sessions strictly before `before`, in time order."""
        if sessions <= 0:
            return ()
        earlier = self._sessions_before(symbol, before, date.min)[-sessions:]
        return tuple(bar for session in earlier for bar in self._shown(symbol, session).bars())

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

    def _shown(self, symbol: str, session: Session) -> SessionTape:
        return self._whole_day(symbol, session) if self.extended_hours else self._tape(symbol, session)

    def _generate(self, symbol: str, session: Session) -> SessionTape:
        shape, character = self._shape, self._character(symbol)
        ordinal = session.date.toordinal()
        n_minutes = (session.close_s - session.open_s) // MINUTE_S
        rng = self._stream(symbol, ordinal)
        own = self._draw_walk(rng, n_minutes)
        market = self._market_walk(ordinal, n_minutes)
        mood = self._mood(symbol, ordinal)
        own_sd, market_sd = self._intraday_deviations(character, mood)
        moved = own_sd * own.moved + market_sd * market.moved
        deviation = np.sqrt(own_sd**2 * own.variance + market_sd**2 * market.variance)
        columns = np.stack(bars_of_path(rng, shape, moved, deviation))
        prices = prices_to_tick_from_usd(np.exp(columns + (self._log_level(symbol, ordinal) - moved[-1])).ravel())
        open_, high, low, close = prices.reshape(columns.shape)
        start_s = session.open_s + MINUTE_S * np.arange(n_minutes, dtype=np.int64)
        day_volume = mood**shape.day_volume_of_mood * math.exp(shape.day_volume_sd * rng.standard_normal())
        shares = volume(rng, shape, character.shares_per_minute * day_volume, own)
        return minute_tape(symbol, session.date, start_s, open_, high, low, close, shares)

    def _with_extended_hours(self, symbol: str, session: Session) -> SessionTape:
        """The session's tape between a pre-market that leads to its open and a post-market that leaves its close."""
        regular, hours = self._tape(symbol, session), trading_hours(session, extended=True)
        rng = self._stream(symbol + QUIET, session.date.toordinal())
        after_close = rng.standard_normal()  # the first draw: the next session's pre-market begins where this leads
        close = math.log(int(regular.close[-1]) / PRICE_UNITS_PER_USD)
        opens = math.log(int(regular.open[0]) / PRICE_UNITS_PER_USD)
        character = self._character(symbol)
        shares = character.shares_per_minute
        deviation = math.hypot(*self._intraday_deviations(character, self._mood(symbol, session.date.toordinal())))
        before = quiet_minutes(
            rng,
            self._shape,
            PRE_MARKET,
            hours.first_s,
            (self._end_of_day_before(symbol, session, opens), opens),
            deviation * math.sqrt(PRE_VARIANCE),
            shares,
        )
        after_deviation = deviation * math.sqrt(POST_VARIANCE)
        after = quiet_minutes(
            rng,
            self._shape,
            POST_MARKET,
            hours.close_s,
            (close, close + after_deviation * after_close),
            after_deviation,
            shares,
        )
        bars = joined([before, BarColumns(*(getattr(regular, name) for name in BarColumns._fields)), after])
        path = with_extended_hours(
            Path(regular.point_s, regular.point_price, regular.point_jump),
            minute_path(*before[:5]),
            minute_path(*after[:5]),
            hours.close_s,
        )
        spreads = day_spreads(bars, hours, None)
        return SessionTape(
            symbol=symbol,
            session_date=session.date,
            **bars._asdict(),
            **path._asdict(),
            spread_s=spreads.known_s,
            spread_half=spreads.half,
        )

    def _end_of_day_before(self, symbol: str, session: Session, otherwise: float) -> float:
        """The log price at which the post-market before `session` ended; `otherwise` at the calendar's start."""
        try:
            ordinal = self._calendar.previous_session(session.date).date.toordinal()
        except LookupError:
            return otherwise
        after_close = self._stream(symbol + QUIET, ordinal).standard_normal()
        deviation = math.hypot(*self._intraday_deviations(self._character(symbol), self._mood(symbol, ordinal)))
        return self._log_level(symbol, ordinal) + deviation * math.sqrt(POST_VARIANCE) * after_close

    def _mood(self, symbol: str, ordinal: int) -> float:
        """The factor on the symbol's volatility on one day."""
        return float(self._moods(symbol, _weekday(ordinal), 1)[0])

    def _intraday_deviations(self, character: _Character, mood: float) -> tuple[float, float]:
        """Of the log price from open to close: the symbol's own moves, and the market's in them."""
        own_sd = mood * character.own_daily_vol * self._day_mix[1]
        return own_sd, mood * character.beta * self._shape.market_daily_vol * self._day_mix[1]

    def _log_level(self, symbol: str, ordinal: int) -> float:
        """Log of the close of a session; sessions before it are not generated for it."""
        character = self._character(symbol)
        first = _weekday(ordinal) - MEMORY + 1
        own, market = (self._shocks(name, first, MEMORY)[:, :2] @ self._day_mix for name in (symbol, MARKET))
        steps = self._moods(symbol, first, MEMORY) * (
            character.own_daily_vol * own + character.beta * self._shape.market_daily_vol * market
        )
        level = float(np.sum(steps * np.arange(1, MEMORY + 1))) / MEMORY
        return character.log_base + LEVEL_BOUND * math.tanh(level / LEVEL_BOUND)

    def _moods(self, symbol: str, first: int, count: int) -> Floats:
        """Factors on the symbol's volatility of `count` weekdays from the weekday `first`, partly the market's."""
        since, needed = first - MOOD_MEMORY + 1, count + MOOD_MEMORY - 1
        common = np.convolve(self._shocks(MARKET, since, needed)[:, 2], MARKET_MOOD, "valid")
        own = np.convolve(self._shocks(symbol, since, needed)[:, 2], OWN_MOOD, "valid")
        return np.exp(self._shape.mood_sd * common + self._shape.own_mood_sd * own)

    def _shocks(self, symbol: str, first: int, count: int) -> Floats:
        """Overnight, intraday and mood shocks of `count` weekdays from the weekday `first`; shape (count, 3)."""
        blocks = range(first // BLOCK, (first + count - 1) // BLOCK + 1)
        drawn = np.concatenate([self._shock_block(symbol, block) for block in blocks])
        offset = first - blocks[0] * BLOCK
        return drawn[offset : offset + count]

    def _draw_shock_block(self, symbol: str, block: int) -> Floats:
        weekdays = range(block * BLOCK, (block + 1) * BLOCK)
        return np.array([_day_shocks(self._stream(symbol, _ordinal(weekday))) for weekday in weekdays])

    def _draw_market_walk(self, ordinal: int, n_minutes: int) -> Walk:
        """The market's path as symbols follow it: some of each minute comes one minute late."""
        drawn = self._draw_walk(self._stream(MARKET, ordinal), n_minutes)
        late = self._shape.market_delay * np.diff(drawn.moved, prepend=0.0)
        late[-1] = 0.0
        return drawn._replace(moved=drawn.moved - late)

    def _draw_walk(self, rng: np.random.Generator, n_minutes: int) -> Walk:
        _, intraday_shock, _ = _day_shocks(rng)
        return walk(rng, self._shape, n_minutes, float(intraday_shock))

    def _draw_character(self, symbol: str) -> _Character:
        base, own_vol, beta, shares = self._stream(symbol, CHARACTER_ORDINAL).random(4).tolist()
        return _Character(
            log_base=math.log(_log_uniform(BASE_PRICE_USD, base)),
            own_daily_vol=_uniform(self._shape.own_daily_vol, own_vol),
            beta=_uniform(self._shape.beta, beta),
            shares_per_minute=_log_uniform(self._shape.shares_per_minute, shares),
        )

    def _stream(self, symbol: str, ordinal: int) -> np.random.Generator:
        """The random stream of one symbol on one date, independent of all others."""
        entropy = np.random.SeedSequence([self._seed, ordinal, crc32(symbol.encode())])
        return np.random.Generator(np.random.PCG64(entropy))


def _day_shocks(rng: np.random.Generator) -> Floats:
    """The first draws of a stream: overnight, intraday and mood shock, in standard deviations."""
    return np.clip(rng.standard_normal(3), -LARGEST_SHOCK, LARGEST_SHOCK)


def _fading(keeps: float, memory: int) -> Floats:
    """Weights of a first-order autoregression cut off after `memory` steps, scaled to unit variance."""
    weights = keeps ** np.arange(memory)
    return np.asarray(weights / np.sqrt(np.sum(weights**2)), dtype=np.float64)


def _uniform(bounds: tuple[float, float], draw: float) -> float:
    low, high = bounds
    return low + draw * (high - low)


def _log_uniform(bounds: tuple[float, float], draw: float) -> float:
    low, high = bounds
    return math.exp(_uniform((math.log(low), math.log(high)), draw))


def _weekday(ordinal: int) -> int:
    """Number of a weekday, counted from Monday 0001-01-01 without weekends."""
    week, day = divmod(ordinal - 1, 7)
    return week * WEEKDAYS + min(day, WEEKDAYS - 1)


def _ordinal(weekday: int) -> int:
    """The inverse of `_weekday`: the proleptic date ordinal."""
    week, day = divmod(weekday, WEEKDAYS)
    return week * 7 + day + 1


MARKET_MOOD = _fading(MOOD_KEEPS, MOOD_MEMORY)
OWN_MOOD = _fading(OWN_MOOD_KEEPS, MOOD_MEMORY)
