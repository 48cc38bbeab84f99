"""What happens to a market besides its prices: halts, volatility pauses, reopenings, and the state of its data feed.

Everything is driven by `MarketEvent`s at whole seconds, before the path points of the same second. A typed event
is what a test, a fault plan or the volatility rule below schedules: `gateway.schedule(MarketEvent(...))`.

Limit up, limit down (off unless asked for) is modelled so: the reference is the mean of the last five published
closes, before the first of them the first price; the band is 5 % above 3 USD, 20 % from 0.75 USD on and the
smaller of 75 % and 0.15 USD below, twice as wide in the first 15 and the last 25 minutes of the session. A price
outside the band is shown at the band (the limit state); 15 seconds of it at the next path point start a pause of
five minutes, and trading reopens where the tape is by then. As on the real feed, the bands are not published.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Protocol

from ib_simulator.market import Halt, SymbolMarket
from market_hours import Session
from trading.money import floor_to_tick

ALL_SYMBOLS = ""
REFERENCE_BARS = 5
LIMIT_STATE_S = 15
PAUSE_S = 300
WIDE_AFTER_OPEN_S = 15 * 60
WIDE_BEFORE_CLOSE_S = 25 * 60
THREE_USD, THREE_QUARTERS_USD, LOWEST_BAND_CAP = 30_000, 7_500, 1_500  # 1e-4 USD


class EventKind(StrEnum):
    """What an event does to its symbol."""

    HALT = "halt"  # regulatory, tick 49 = 1; ends after `duration_s` or by RESUME
    PAUSE = "pause"  # volatility pause, tick 49 = 2; ends after `duration_s` or by RESUME
    RESUME = "resume"  # reopen, `jump_bps` away from where the tape is by then
    STALE_QUOTES = "stale_quotes"  # ticks stop, the market goes on; ends after `duration_s` or by FRESH_QUOTES
    FRESH_QUOTES = "fresh_quotes"
    PERMISSION = "permission"  # market data is as `permission` says from now on


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketEvent:
    """Something that happens to `symbol` (empty: to all) at the epoch second `second`.

    `duration_s` of 0 lasts until the opposite event. `jump_bps` (signed) moves the reopening price and all later
    prices of the session. `permission` is a value of `market_data_permissions.Permission`.
    """

    second: int
    symbol: str
    kind: EventKind
    duration_s: int = 0
    jump_bps: int = 0
    permission: str = ""


class PhaseHost(Protocol):
    """The gateway as the phases see it."""

    def open_markets(self) -> list[SymbolMarket]:
        """Markets of the running session, in the order in which they were opened."""

    def market_for(self, symbol: str) -> SymbolMarket | None:
        """The market of a symbol, opened when need be; None when it does not trade today."""

    def on_phase(self, market: SymbolMarket) -> None:
        """The market was halted or has reopened: its path and its bars are others now."""

    def on_data_event(self, event: MarketEvent) -> None:
        """The data feed changes; the market does not."""


class MarketPhases:
    """The schedule of events and the halts in force."""

    def __init__(self, host: PhaseHost, *, limit_bands: bool) -> None:
        self._host = host
        self._bands: dict[str, LimitBands] | None = {} if limit_bands else None  # symbol -> its bands
        self._events: list[tuple[int, int, MarketEvent]] = []  # heap of (second, order of scheduling, event)
        self._order = count()
        self._halts: dict[str, Halt] = {}  # symbol -> halt in force; ALL_SYMBOLS for the whole market
        self._ends: dict[str, MarketEvent] = {}  # symbol -> the event that will end its halt
        self.has_bands = limit_bands

    def schedule(self, event: MarketEvent) -> None:
        """Let `event` happen at its second, or at the next one that is played when that has passed."""
        heapq.heappush(self._events, (event.second, next(self._order), event))

    def next_s(self) -> int | None:
        """The second of the next event, None when there is none."""
        return self._events[0][0] if self._events else None

    def halt_of(self, symbol: str) -> Halt:
        """Whether `symbol` is halted, and why."""
        return self._halts.get(symbol) or self._halts.get(ALL_SYMBOLS) or Halt.TRADING

    def new_session(self) -> None:
        """Forget reference prices. A halt without an end stays in force."""
        if self._bands is not None:
            self._bands.clear()

    def on_opened(self, market: SymbolMarket) -> None:
        """A market opens while a halt is in force."""
        halt = self.halt_of(market.symbol)
        if halt:
            market.stop(halt)

    def run(self, second: int) -> None:
        """All events that are due."""
        while self._events and self._events[0][0] <= second:
            event = heapq.heappop(self._events)[2]
            match event.kind:
                case EventKind.HALT:
                    self._stop(event, Halt.REGULATORY, second)
                case EventKind.PAUSE:
                    self._stop(event, Halt.VOLATILITY, second)
                case EventKind.RESUME:
                    self._resume(event, second)
                case _:
                    self._host.on_data_event(event)
                    if event.kind is EventKind.STALE_QUOTES and event.duration_s:
                        self._end(event, EventKind.FRESH_QUOTES, second)

    def stops_at_next_point(self, market: SymbolMarket, second: int, session: Session) -> bool:
        """Hold the next path point inside the price bands; True when that ends in a pause and nothing trades."""
        if self._bands is None or not session.open_s <= second < session.close_s:
            return False
        bands = self._bands.setdefault(market.symbol, LimitBands())
        low, high = bands.around(market, session, second)
        price = market.next_price()
        if low <= price <= high:
            bands.limit_since_s = 0
            return False
        if bands.limit_since_s and second - bands.limit_since_s >= LIMIT_STATE_S:
            del self._bands[market.symbol]
            kind, symbol = EventKind.PAUSE, market.symbol
            self._stop(
                MarketEvent(second=second, symbol=symbol, kind=kind, duration_s=PAUSE_S), Halt.VOLATILITY, second
            )
            return True
        bands.limit_since_s = bands.limit_since_s or second
        market.amend(low if price < low else high)
        return False

    def _stop(self, event: MarketEvent, halt: Halt, second: int) -> None:
        self._halts[event.symbol] = halt
        superseded = self._ends.pop(event.symbol, None)
        if superseded is not None:
            self._events = [entry for entry in self._events if entry[2] is not superseded]
            heapq.heapify(self._events)
        for market in self._markets(event.symbol):
            market.stop(halt)
            self._host.on_phase(market)
        if event.duration_s:
            self._ends[event.symbol] = self._end(event, EventKind.RESUME, second)

    def _resume(self, event: MarketEvent, second: int) -> None:
        if event.symbol == ALL_SYMBOLS:
            self._halts.clear()
        self._halts.pop(event.symbol, None)
        self._ends.pop(event.symbol, None)
        for market in self._markets(event.symbol):
            if market.halt and not self.halt_of(market.symbol):
                if self._bands is not None:
                    self._bands.pop(market.symbol, None)
                market.reopen(second, event.jump_bps)
                self._host.on_phase(market)

    def _markets(self, symbol: str) -> list[SymbolMarket]:
        if symbol == ALL_SYMBOLS:
            return self._host.open_markets()
        market = self._host.market_for(symbol)
        return [market] if market is not None else []

    def _end(self, event: MarketEvent, kind: EventKind, second: int) -> MarketEvent:
        end_s = second + event.duration_s
        end = MarketEvent(second=end_s, symbol=event.symbol, kind=kind, jump_bps=event.jump_bps)
        self.schedule(end)
        return end


class LimitBands:
    """The price bands of one symbol. `limit_since_s` is when the limit state began, 0 outside of it."""

    def __init__(self) -> None:
        self.limit_since_s = 0
        self._first = 0
        self._skip: int | None = None  # bars published before this rule began to look

    def around(self, market: SymbolMarket, session: Session, second: int) -> tuple[int, int]:
        """Lowest and highest price that may trade at `second`, in 1e-4 USD."""
        if self._skip is None:
            self._skip, self._first = len(market.published), market.next_price()
        closes = [bar.close for bar in market.published[max(self._skip, len(market.published) - REFERENCE_BARS) :]]
        reference = sum(closes) // len(closes) if closes else self._first
        is_wide = second < session.open_s + WIDE_AFTER_OPEN_S or second >= session.close_s - WIDE_BEFORE_CLOSE_S
        away = floor_to_tick(band_width(reference) * (2 if is_wide else 1))
        return max(reference - away, 1), reference + away


def band_width(reference: int) -> int:
    """Half the width of the band around a reference price outside the wide minutes, in 1e-4 USD."""
    if reference > THREE_USD:
        return reference * 5 // 100
    if reference >= THREE_QUARTERS_USD:
        return reference * 20 // 100
    return min(reference * 75 // 100, LOWEST_BAND_CAP)
