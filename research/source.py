"""Where bars come from, and how a stretch of sessions becomes arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import numpy as np

from market_hours import Session
from research.tapes import FIRST_TAPE, SYMBOL, Int64s, Tapes
from trading.bars import Bar
from trading.costs import fee_schedule_on
from trading.indicators import VWAP_BARS, AtrState
from trading.matching import PATH_SECONDS_MINUTE
from trading.settings import StrategySettings
from trading.watchlist import ATR_CALENDAR_DAYS, assess, atr_of, rank
from utils import Misconfigured

INT64_ROOM = 2**62
HISTORY_CALENDAR_DAYS = 62  # what the day trader's request for two months of daily bars reaches back to


class Tape(Protocol):
    """One symbol in one session: minute bars, price path and, where recorded, half-spreads. See `Tapes` for units."""

    @property
    def start_s(self) -> Int64s: ...
    @property
    def open(self) -> Int64s: ...
    @property
    def high(self) -> Int64s: ...
    @property
    def low(self) -> Int64s: ...
    @property
    def close(self) -> Int64s: ...
    @property
    def volume(self) -> Int64s: ...
    @property
    def point_s(self) -> Int64s: ...
    @property
    def point_price(self) -> Int64s: ...
    @property
    def point_jump(self) -> object: ...
    @property
    def spread_s(self) -> Int64s | None: ...
    @property
    def spread_half(self) -> Int64s | None: ...


class BarSource(Protocol):
    """A market to replay. It never shows anything of a session to a question about earlier ones."""

    @property
    def name(self) -> str:
        """What a report says about the origin of the prices."""

    def symbols(self, session_date: date) -> tuple[str, ...]:
        """Symbols with at least one minute bar in that session, sorted."""

    def tape(self, symbol: str, session: Session) -> Tape:
        """The tape of `symbol` in `session`. Raises LookupError when it has no bar in that session."""

    def daily(self, symbol: str, before: date, first: date) -> Sequence[Bar]:
        """Daily bars with `first` <= date < `before`, as they read on `before`: adjusted for splits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Symbol-sessions as arrays, with the names of their symbols and the dates of their sessions."""

    tapes: Tapes
    symbols: tuple[str, ...]
    dates: tuple[date, ...]

    @property
    def n_bars(self) -> int:
        return self.tapes.bars.shape[1]

    @property
    def n_tapes(self) -> int:
        return len(self.tapes.tapes)

    def symbol_of(self, tape: int) -> str:
        """The symbol of a tape."""
        return self.symbols[self.tapes.tapes[tape, SYMBOL]]

    def session_of(self, tape: int) -> int:
        """The number of the session that a tape belongs to."""
        return int(np.searchsorted(self.tapes.sessions[:, FIRST_TAPE], tape, side="right")) - 1


Choice = Callable[[Session, BarSource], Sequence[str]]


def fixed_watchlist(symbols: Sequence[str]) -> Choice:
    """The same symbols in the same rank order in every session; those without bars that day are left out."""

    def choose(session: Session, source: BarSource) -> Sequence[str]:
        traded = source.symbols(session.date)
        return [symbol for symbol in symbols if symbol in traded]

    return choose


def analysed_watchlist(size: int, atr_floor_pct: float, min_price_usd: float, min_dollar_volume_usd: float) -> Choice:
    """The symbols that the day trader's own analysis would choose, ranked from the daily bars before each session."""

    def choose(session: Session, source: BarSource) -> Sequence[str]:
        candidates = [
            assess(symbol, daily_before(source, symbol, session), atr_floor_pct, min_price_usd, min_dollar_volume_usd)
            for symbol in source.symbols(session.date)
        ]
        return [entry.symbol for entry in rank(candidates, size)]

    return choose


def watchlist_of(symbols: Sequence[str] | None, strategy: StrategySettings) -> Choice:
    """What the user names, else what the day trader would choose before each session."""
    if symbols:
        return fixed_watchlist(symbols)
    return analysed_watchlist(
        strategy.watchlist_size,
        strategy.strategy_atr_floor_pct if strategy.atr_timeframe == "day" else 0.0,
        strategy.watchlist_min_price_usd,
        strategy.watchlist_min_dollar_volume_usd,
    )


def daily_before(source: BarSource, symbol: str, session: Session) -> Sequence[Bar]:
    """The daily bars from which the day trader takes a symbol's ATR before `session`."""
    return source.daily(symbol, session.date, session.date - timedelta(days=ATR_CALENDAR_DAYS))


def is_followed(source: BarSource, symbol: str, session: Session) -> bool:
    """Whether the day trader gets the symbol's quotes: one without any history it leaves alone for the session."""
    return bool(source.daily(symbol, session.date, session.date - timedelta(days=HISTORY_CALENDAR_DAYS)))


def load(source: BarSource, sessions: Iterable[Session], choose: Choice) -> Bars:
    """All tapes of these sessions. A session without a symbol is left out; none at all raises Misconfigured.

    A symbol without any daily history is on the watchlist, but its tape is empty: see `is_followed`.
    """
    builder = _Builder()
    for session in sessions:
        symbols = choose(session, source)
        if symbols:
            builder.begin(session)
        for symbol in symbols:
            atr = atr_of(daily_before(source, symbol, session))
            if is_followed(source, symbol, session):
                builder.add(symbol, source.tape(symbol, session), atr)
            else:
                builder.add_unseen(symbol, atr)
    return builder.bars()


def load_known(source: BarSource, session: Session, watchlist: Mapping[str, AtrState]) -> Bars:
    """One session as the day trader knew it: `watchlist` is symbol -> the daily ATR it had, in rank order.

    A symbol without a bar on record is on the watchlist and its tape is empty. No symbol raises Misconfigured.
    """
    builder, traded = _Builder(), source.symbols(session.date)
    builder.begin(session)
    for symbol, atr in watchlist.items():
        if symbol in traded:
            builder.add(symbol, source.tape(symbol, session), atr)
        else:
            builder.add_unseen(symbol, atr)
    return builder.bars()


class _Builder:
    """Collects tapes and joins them."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.first_tape: list[int] = []
        self.names: dict[str, int] = {}  # symbol -> its number
        self.symbol: list[int] = []
        self.atr_ranges: list[int] = []
        self.atr_average: list[float] = []
        self.bars_of: list[tuple[Int64s, ...]] = []  # of each tape: start, open, high, low, close, volume
        self.points_of: list[tuple[Int64s, ...]] = []  # of each tape: second, price, jump, half; empty arrays

    def begin(self, session: Session) -> None:
        self.sessions.append(session)
        self.first_tape.append(len(self.symbol))

    def add(self, symbol: str, tape: Tape, atr: AtrState) -> None:
        volume, high = int(tape.volume.max()), int(tape.high.max())
        if 3 * VWAP_BARS * volume * high >= INT64_ROOM:
            raise Misconfigured(f"{symbol}: {volume} shares a minute at {high / 10_000:g} USD are beyond 64-bit sums")
        self._add(symbol, atr, (tape.start_s, tape.open, tape.high, tape.low, tape.close, tape.volume), _own_path(tape))

    def add_unseen(self, symbol: str, atr: AtrState) -> None:
        nothing = np.empty(0, dtype=np.int64)
        self._add(symbol, atr, (nothing,) * 6, (nothing,) * 4)

    def _add(self, symbol: str, atr: AtrState, bars: tuple[Int64s, ...], points: tuple[Int64s, ...]) -> None:
        self.symbol.append(self.names.setdefault(symbol, len(self.names)))
        self.atr_ranges.append(atr.ranges)
        self.atr_average.append(atr.average)
        self.bars_of.append(bars)
        self.points_of.append(points)

    def bars(self) -> Bars:
        if not self.symbol:
            raise Misconfigured("no bars: none of the sessions has a symbol of the watchlist")
        ends = [np.cumsum([len(one[0]) for one in columns]) for columns in (self.bars_of, self.points_of)]
        places = [column for end in ends for column in (np.concatenate([[0], end[:-1]]), end)]
        last_tape = [*self.first_tape[1:], len(self.symbol)]
        sessions = [
            (first, last, session.open_s, int(session.eod.timestamp()), session.close_s, *fee_schedule_on(session.date))
            for first, last, session in zip(self.first_tape, last_tape, self.sessions, strict=True)
        ]
        tapes = Tapes(
            bars=np.concatenate([np.stack(columns) for columns in self.bars_of], axis=1),
            points=np.concatenate([np.stack(columns) for columns in self.points_of], axis=1),
            tapes=np.stack([*places, self.symbol, self.atr_ranges], axis=1).astype(np.int64),
            atr=np.array(self.atr_average, dtype=np.float64),
            sessions=np.array(sessions, dtype=np.int64),
        )
        dates = tuple(session.date for session in self.sessions)
        return Bars(tapes=tapes, symbols=tuple(self.names), dates=dates)


def _own_path(tape: Tape) -> tuple[Int64s, ...]:
    """Second, price, jump and recorded half-spread of each point; empty where the path is that of minute bars."""
    seconds = np.asarray(PATH_SECONDS_MINUTE, dtype=np.int64)
    no_spread = tape.spread_s is None or tape.spread_half is None
    if no_spread and np.array_equal(tape.point_s, (tape.start_s[:, None] + seconds).ravel()):
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, nothing, nothing
    half = np.zeros(len(tape.point_s), dtype=np.int64)
    if tape.spread_s is not None and tape.spread_half is not None:
        known = np.searchsorted(tape.spread_s, tape.point_s, side="right")
        half[known > 0] = tape.spread_half[known[known > 0] - 1]
    return tape.point_s, tape.point_price, np.asarray(tape.point_jump, dtype=np.int64), half
