"""A feed as research reads it: daily bars as they read on the day of the session."""

from __future__ import annotations

from datetime import date

from ib_simulator.bar_store import adjusted
from ib_simulator.feeds.tape import Feed, SessionTape
from market_hours import Session
from trading.bar_columns import BarColumns, as_columns


class FeedSource:
    """`research.source.BarSource` over any feed of the simulator: what the gateway would serve of it."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.name = feed.name

    def symbols(self, session_date: date) -> tuple[str, ...]:
        return self._feed.symbols(session_date)

    def tape(self, symbol: str, session: Session) -> SessionTape:
        return self._feed.tape(symbol, session)

    def daily(self, symbol: str, before: date, first: date) -> BarColumns:
        """Daily bars with `first` <= date < `before`, adjusted for splits until `before`."""
        bars = list(self._feed.daily(symbol, before, first))
        actions = self._feed.actions(symbol)
        return as_columns(adjusted(bars, actions, before, dividends=False) if actions else bars)
