"""The improvement cycle: `MarketRegimeDetector` says what kind of market it is.

Adaptive parameters, experiments and the cycle itself are not part of this version: the day trader trades every session
with the parameters of `.env`, unchanged. What they will stand on is in `evidence/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evidence.regime import DAILY, INTRADAY, RegimeReading, RegimeRule, RegimeTracker


class MarketRegimeDetector:
    """The regime of one series, an index or `evidence.regime.watchlist_index`, by days and within the session.

    Both readings are None while too little is known. A reading follows from the closes before it alone.
    Usage: `learn` past daily closes once; each session `begin_session`, `minute` for each completed minute, `day` at
    the close.
    """

    def __init__(self, daily: RegimeRule = DAILY, intraday: RegimeRule = INTRADAY) -> None:
        self._daily = RegimeTracker(daily)
        self._intraday = RegimeTracker(intraday)

    @property
    def daily_reading(self) -> RegimeReading | None:
        """The regime after the last close that was told."""
        return self._daily.reading

    @property
    def intraday_reading(self) -> RegimeReading | None:
        """The regime after the last minute that was told."""
        return self._intraday.reading

    def learn(self, daily_closes: Iterable[float]) -> RegimeReading | None:
        """Take past daily closes in the order of time. Raises ValueError for what is no price."""
        for close in daily_closes:
            self._daily.observe(close)
        return self._daily.reading

    def begin_session(self) -> None:
        """The gap over night is no return of a minute."""
        self._intraday.begin_session()

    def minute(self, close: float) -> RegimeReading | None:
        """Take the close of a completed minute bar. Raises ValueError for what is no price."""
        return self._intraday.observe(close)

    def minutes(self, closes: Sequence[float]) -> RegimeReading | None:
        """Take the closes of a whole session."""
        self.begin_session()
        for close in closes:
            self._intraday.observe(close)
        return self._intraday.reading

    def day(self, close: float) -> RegimeReading | None:
        """Take a session's close, once it is known. Raises ValueError for what is no price."""
        return self._daily.observe(close)
