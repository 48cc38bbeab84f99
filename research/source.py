"""Where bars come from, and how a stretch of sessions becomes arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import numpy as np

from market_hours import Session
from research.daily_atr import atr_before
from research.tapes import FIRST_TAPE, SYMBOL, Int64s, Tapes
from trading.bar_columns import BarColumns
from trading.bars import Bar
from trading.costs import fee_schedule_on
from trading.indicators import VWAP_BARS, AtrState
from trading.matching import BAR_SECONDS, PATH_SECONDS_MINUTE
from trading.settings import StrategySettings
from trading.watchlist import ATR_CALENDAR_DAYS, assess, rank
from utils import Misconfigured

INT64_ROOM = 2**62
STRETCH_BARS = 24_000_000  # 1.2 GB
NO_POINTS = np.empty((4, 0), dtype=np.int64)
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
    def point_s(self) -> Int64s | None: ...  # None: the path is that of the minute bars
    @property
    def point_price(self) -> Int64s | None: ...
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

    def daily(self, symbol: str, before: date, first: date) -> BarColumns:
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
Chosen = tuple[Session, tuple[str, ...]]  # a session and its watchlist


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
            assess(symbol, history.as_bars(), atr_floor_pct, min_price_usd, min_dollar_volume_usd)
            for symbol in source.symbols(session.date)
            for history in (daily_before(source, symbol, session),)
        ]
        return [entry.symbol for entry in rank(candidates, size)]

    return choose


def watchlist_of(symbols: Sequence[str] | None, strategy: StrategySettings, *, all_symbols: bool = False) -> Choice:
    """What the user names, else what the day trader would choose before each session, or each symbol with bars."""
    if symbols:
        return fixed_watchlist(symbols)
    if all_symbols:
        return lambda session, source: source.symbols(session.date)
    return analysed_watchlist(
        strategy.watchlist_size,
        strategy.strategy_atr_floor_pct if strategy.atr_timeframe == "day" else 0.0,
        strategy.watchlist_min_price_usd,
        strategy.watchlist_min_dollar_volume_usd,
    )


def daily_before(source: BarSource, symbol: str, session: Session) -> BarColumns:
    """The daily bars from which the day trader takes a symbol's ATR before `session`."""
    return source.daily(symbol, session.date, session.date - timedelta(days=ATR_CALENDAR_DAYS))


def is_followed(source: BarSource, symbol: str, session: Session) -> bool:
    """Whether the day trader gets the symbol's quotes: one without any history it leaves alone for the session."""
    return len(source.daily(symbol, session.date, session.date - timedelta(days=HISTORY_CALENDAR_DAYS)).start_s) > 0


def load(source: BarSource, sessions: Iterable[Session], choose: Choice) -> Bars:
    """All tapes of these sessions. A session without a symbol is left out; none at all raises Misconfigured.

    A symbol without any daily history is on the watchlist, but its tape is empty: see `is_followed`.
    """
    (bars,) = stretches(source, sessions, choose, INT64_ROOM)
    return bars


def stretches(
    source: BarSource, sessions: Iterable[Session], choose: Choice, most_bars: int = STRETCH_BARS
) -> Iterator[Bars]:
    """The same, as many sessions at a time as have up to `most_bars` minutes; a longer session comes alone.

    Raises Misconfigured when no session has a symbol.
    """
    chosen, minutes, found = list[Chosen](), 0, False
    for session in sessions:
        symbols = tuple(choose(session, source))
        if not symbols:
            continue
        more = len(symbols) * _minutes(session)
        if chosen and minutes + more > most_bars:
            yield _joined(source, chosen)
            chosen, minutes = [], 0
        chosen.append((session, symbols))
        minutes, found = minutes + more, True
    if not found:
        raise Misconfigured("no bars: none of the sessions has a symbol of the watchlist")
    yield _joined(source, chosen)


def _joined(source: BarSource, chosen: Sequence[Chosen]) -> Bars:
    """The tapes of sessions, each with its symbols in rank order. Each symbol's are read together."""
    first_tape = np.cumsum([0, *(len(symbols) for _, symbols in chosen)])
    places = defaultdict[str, list[tuple[int, Session]]](list)  # symbol -> its tapes and their sessions
    for first, (session, symbols) in zip(first_tape.tolist(), chosen, strict=False):
        for rank_, symbol in enumerate(symbols):
            places[symbol].append((first + rank_, session))
    builder = _Builder([_minutes(session) for session, symbols in chosen for _ in symbols])
    for number, (symbol, of_symbol) in enumerate(places.items()):
        for place, session in of_symbol:
            history = daily_before(source, symbol, session)
            followed = len(history.start_s) > 0 or is_followed(source, symbol, session)
            tape = source.tape(symbol, session) if followed else None
            builder.put(place, symbol, number, tape, atr_before(history))
    return _bars(builder, [(session, len(symbols)) for session, symbols in chosen], tuple(places))


def _bars(builder: _Builder, sizes: Sequence[tuple[Session, int]], symbols: tuple[str, ...]) -> Bars:
    """What was built, of sessions with so many tapes each."""
    ends = np.cumsum([size for _, size in sizes]).tolist()
    rows = [
        (
            end - n_tapes,
            end,
            session.open_s,
            int(session.eod.timestamp()),
            session.close_s,
            *fee_schedule_on(session.date),
        )
        for end, (session, n_tapes) in zip(ends, sizes, strict=True)
    ]
    tapes = builder.tapes(np.array(rows, dtype=np.int64))
    return Bars(tapes=tapes, symbols=symbols, dates=tuple(session.date for session, _ in sizes))


def _minutes(session: Session) -> int:
    return (session.close_s - session.open_s) // BAR_SECONDS


def load_known(source: BarSource, session: Session, watchlist: Mapping[str, AtrState]) -> Bars:
    """One session as the day trader knew it: `watchlist` is symbol -> the daily ATR it had, in rank order.

    A symbol without a bar on record is on the watchlist and its tape is empty. No symbol raises Misconfigured.
    """
    if not watchlist:
        raise Misconfigured("no bars: the session has no symbol of the watchlist")
    builder, traded = _Builder([_minutes(session)] * len(watchlist)), source.symbols(session.date)
    for place, (symbol, atr) in enumerate(watchlist.items()):
        builder.put(place, symbol, place, source.tape(symbol, session) if symbol in traded else None, atr)
    return _bars(builder, [(session, len(watchlist))], tuple(watchlist))


class _Builder:
    """Takes tapes at their places, each into room for all minutes of its session: the data is in memory once."""

    def __init__(self, minutes: Sequence[int]) -> None:
        self._first = np.cumsum([0, *minutes])  # of the room of each tape
        self._room = np.empty(len(Bar._fields) * int(self._first[-1]), dtype=np.int64)  # rows of `Tapes.bars`
        self._lengths = np.zeros(len(minutes), dtype=np.int64)
        self._points = [NO_POINTS] * len(minutes)  # of each tape: second, price, jump, half
        self._symbols = np.zeros((len(minutes), 2), dtype=np.int64)  # its number, and ranges in its ATR
        self._atr = np.zeros(len(minutes))

    def put(self, place: int, symbol: str, number: int, tape: Tape | None, atr: AtrState) -> None:
        """A tape, or an empty one; copied, so that its source may forget it."""
        self._symbols[place] = number, atr.ranges
        self._atr[place] = atr.average
        if tape is None:
            return
        volume, high = int(tape.volume.max()), int(tape.high.max())
        if 3 * VWAP_BARS * volume * high >= INT64_ROOM:
            raise Misconfigured(f"{symbol}: {volume} shares a minute at {high / 10_000:g} USD are beyond 64-bit sums")
        first, length = self._first[place], len(tape.start_s)
        rows = self._room.reshape(len(Bar._fields), -1)
        columns = (tape.start_s, tape.open, tape.high, tape.low, tape.close, tape.volume)
        for row, column in zip(rows, columns, strict=True):
            row[first : first + length] = column
        self._lengths[place] = length
        self._points[place] = _own_path(tape)

    def tapes(self, sessions: Int64s) -> Tapes:
        """All of them, one after the other. The builder is of no use then."""
        bar_ends = np.cumsum(self._lengths)
        point_ends = np.cumsum([part.shape[1] for part in self._points])
        places = [column for ends in (bar_ends, point_ends) for column in (np.concatenate([[0], ends[:-1]]), ends)]
        return Tapes(
            bars=self._without_gaps(int(bar_ends[-1])),
            points=np.concatenate(self._points, axis=1),
            tapes=np.stack([*places, *self._symbols.T], axis=1).astype(np.int64),
            atr=self._atr,
            sessions=sessions,
        )

    def _without_gaps(self, n_bars: int) -> Int64s:
        """The bars moved to the left over minutes that nobody traded, within their room."""
        rows = self._room.reshape(len(Bar._fields), -1)
        if n_bars == rows.shape[1]:
            return rows
        end = 0
        for row in rows:
            for first, length in zip(self._first[:-1].tolist(), self._lengths.tolist(), strict=True):
                self._room[end : end + length] = row[first : first + length]
                end += length
        return self._room[:end].reshape(len(Bar._fields), n_bars)


def _own_path(tape: Tape) -> Int64s:
    """Second, price, jump and recorded half-spread of each point; empty where the path is that of minute bars."""
    if tape.point_s is None or tape.point_price is None:
        return NO_POINTS
    seconds = np.asarray(PATH_SECONDS_MINUTE, dtype=np.int64)
    no_spread = tape.spread_s is None or tape.spread_half is None
    if no_spread and np.array_equal(tape.point_s, (tape.start_s[:, None] + seconds).ravel()):
        return NO_POINTS
    half = np.zeros(len(tape.point_s), dtype=np.int64)
    if tape.spread_s is not None and tape.spread_half is not None:
        known = np.searchsorted(tape.spread_s, tape.point_s, side="right")
        half[known > 0] = tape.spread_half[known[known > 0] - 1]
    return np.stack((tape.point_s, tape.point_price, np.asarray(tape.point_jump, dtype=np.int64), half))
