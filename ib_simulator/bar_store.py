"""Bars of one symbol up to now, in any size: earlier sessions from the feed, the running one as it was shown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from fractions import Fraction

from ib_simulator.feeds.corporate_actions import Action, dividend_factor, split_ratio
from ib_simulator.feeds.tape import Feed, SessionTape
from ib_simulator.history import BAR_SIZES_S, DAY_S, Duration, aggregate, duration_start_s, whole_day
from ib_simulator.market import SymbolMarket
from ib_simulator.path_bars import TapeView
from ib_simulator.trading_hours import trading_hours
from market_hours import NEW_YORK, Session, TradingCalendar
from trading.bars import Bar
from trading.money import floor_to_tick

MINUTE_S, HALF_HOUR_S = 60, 1800
SESSIONS_LIMIT = {1: 2, MINUTE_S: 30, HALF_HOUR_S: 366}  # from this size of a bar on, sessions one request may span


class BarStore:
    """Answers for `session`, the one being played. Nothing behind its cursor is ever told."""

    def __init__(
        self, feed: Feed, calendar: TradingCalendar, market_of: Callable[[str], SymbolMarket | None], session: Session
    ) -> None:
        self._feed = feed
        self._calendar = calendar
        self._market_of = market_of
        self.session = session
        self._hours = trading_hours(session, extended=feed.extended_hours)

    @property
    def is_extended(self) -> bool:
        """Whether there is anything to tell of the hours around the regular session."""
        return self._feed.extended_hours

    def bars(
        self,
        symbol: str,
        size: str,
        duration: Duration,
        end_s: int,
        *,
        dividends: bool = False,
        unfinished: bool = True,
        use_rth: bool = True,
    ) -> list[Bar]:
        """Bars of the last `duration` before `end_s`, adjusted for splits until today.

        The running minute is in it unless `unfinished` is False, with its volume so far. `dividends`: see `adjusted`.
        Without `use_rth` bars shorter than a day include the hours around the regular session, where there are any.
        """
        use_rth = use_rth or not self.is_extended
        size_s = BAR_SIZES_S[size]
        today = self._today(symbol, end_s, unfinished=unfinished)
        if size_s >= DAY_S:
            found = self._days(symbol, size_s, duration, end_s, today)
        elif size_s >= MINUTE_S:
            found = self._minutes(symbol, size_s, duration, end_s, today, use_rth=use_rth)
        else:
            found = self._seconds(symbol, size_s, duration, end_s, use_rth=use_rth)
        actions = self._feed.actions(symbol)
        return adjusted(found, actions, self.session.date, dividends=dividends) if actions else found

    def prints(self, symbol: str, start_s: int, end_s: int, *, use_rth: bool = True) -> Iterable[tuple[int, int]]:
        """(second, price) of all path points with `start_s` <= second < `end_s` that were shown, in time order."""
        extended = self.is_extended and not use_rth
        first, last = (datetime.fromtimestamp(at_s, NEW_YORK).date() for at_s in (start_s, end_s))
        for session in self._calendar.sessions_between(first, min(last, self.session.date)):
            view = self._view(symbol, session)
            if view is not None:
                hours = trading_hours(session, extended=extended)
                yield from view.prints(max(start_s, hours.first_s), min(end_s, hours.last_s))

    def _days(self, symbol: str, size_s: int, duration: Duration, end_s: int, today: list[Bar]) -> list[Bar]:
        end_date = datetime.fromtimestamp(end_s, NEW_YORK).date()
        before = min(end_date + timedelta(days=1), self.session.date)
        first = end_date - timedelta(days=duration.calendar_days)
        bars = [bar for bar in self._feed.daily(symbol, before, first) if bar.start_s < end_s]
        running = whole_day(self._regular(today), self.session.open_s)
        bars += [running] if running else []
        bars = bars[-duration.amount :] if duration.unit == "D" else bars
        return aggregate(bars, size_s) if size_s > DAY_S else bars

    def _minutes(
        self, symbol: str, size_s: int, duration: Duration, end_s: int, today: list[Bar], *, use_rth: bool
    ) -> list[Bar]:
        end_date = datetime.fromtimestamp(end_s, NEW_YORK).date()
        before = min(end_date + timedelta(days=1), self.session.date)
        earlier = self._sessions(duration, size_s) - bool(today and duration.unit == "D")
        minutes = [bar for bar in self._feed.minute_history(symbol, before, earlier) if bar.start_s < end_s]
        minutes += today
        if use_rth:
            minutes = self._regular(minutes)
        if duration.unit != "D":
            start_s = duration_start_s(duration, end_s)
            minutes = [bar for bar in minutes if bar.start_s >= start_s]
        return aggregate(minutes, size_s, from_open=use_rth)

    def _seconds(self, symbol: str, size_s: int, duration: Duration, end_s: int, *, use_rth: bool) -> list[Bar]:
        last = datetime.fromtimestamp(end_s, NEW_YORK).date()
        first = last - timedelta(days=duration.calendar_days + 5)  # five more for a long weekend
        sessions = self._calendar.sessions_between(first, min(last, self.session.date))
        found: list[list[Bar]] = []
        for session in reversed(sessions):
            if len(found) == self._sessions(duration, size_s):
                break
            view = self._view(symbol, session)
            if view is not None:
                hours = trading_hours(session, extended=not use_rth)
                bars = list(view.bars(hours.first_s, min(end_s, hours.last_s), size_s))
                found += [bars] if bars else []
        start_s = duration_start_s(duration, end_s) if duration.unit != "D" else 0
        return [bar for bars in reversed(found) for bar in bars if bar.start_s >= start_s]

    def _sessions(self, duration: Duration, size_s: int) -> int:
        wanted = duration.amount if duration.unit == "D" else duration.calendar_days
        return min(wanted, max(limit for size, limit in SESSIONS_LIMIT.items() if size <= size_s))

    def _view(self, symbol: str, session: Session) -> TapeView | None:
        if session == self.session:
            market = self._market_of(symbol)
            return market.seen() if market is not None else None
        try:
            return tape_view(self._feed.tape(symbol, session))
        except LookupError:
            return None

    def _regular(self, bars: list[Bar]) -> list[Bar]:
        """Those of the regular sessions. `bars` are in time order."""
        if not bars or not self.is_extended:
            return bars
        first, last = (datetime.fromtimestamp(bar.start_s, NEW_YORK).date() for bar in (bars[0], bars[-1]))
        starts = [bar.start_s for bar in bars]
        return [
            bar
            for session in self._calendar.sessions_between(first, last)
            for bar in bars[bisect_left(starts, session.open_s) : bisect_left(starts, session.close_s)]
        ]

    def _today(self, symbol: str, end_s: int, *, unfinished: bool) -> list[Bar]:
        market = self._market_of(symbol) if end_s >= self._hours.first_s else None
        if market is None:
            return []
        bars = [bar for bar in market.published if bar.start_s < end_s]
        building = market.building_at(end_s) if unfinished else None
        if building is not None and building.start_s < end_s:
            bars.append(building)
        return bars


def tape_view(tape: SessionTape) -> TapeView:
    """A whole tape of an earlier session."""
    volumes = dict(zip(tape.start_s.tolist(), tape.volume.tolist(), strict=True))
    points: list[int] = tape.point_s.tolist()
    return TapeView(points, tape.point_price.tolist(), len(points), volumes, tape.window_volumes())


def adjusted(bars: list[Bar], actions: tuple[Action, ...], today: date, *, dividends: bool) -> list[Bar]:
    """Bars as they read on `today`: prices divided and volume multiplied by later splits, as IB's history is.

    With `dividends` prices also shrink by later dividends (ADJUSTED_LAST).
    """
    result = []
    for bar in bars:
        day = datetime.fromtimestamp(bar.start_s, NEW_YORK).date()
        ratio = split_ratio(actions, day, today)
        keeps = dividend_factor(actions, day, today) if dividends else 1.0
        if ratio == 1 and keeps == 1.0:
            result.append(bar)
            continue
        open_, high, low, close = (split_price(price, ratio, keeps) for price in bar[1:5])
        result.append(Bar(bar.start_s, open_, high, low, close, int(bar.volume * ratio)))
    return result


def split_price(price: int, ratio: Fraction, keeps: float = 1.0) -> int:
    """A price before a split as it reads afterwards, on the tick."""
    return max(floor_to_tick(round(price / ratio * Fraction(keeps))), 1)
