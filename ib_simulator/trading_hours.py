"""When stocks trade on a day: the regular session and, where a market shows them, the hours before and after it.

The pre-market is 04:00 to the open in New York, the post-market lasts four hours from the close: 16:00 to 20:00,
13:00 to 17:00 on early closes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import IntEnum

from market_hours import NEW_YORK, Session

PRE_MARKET_OPENS = time(4, 0)
POST_MARKET_LASTS = timedelta(hours=4)


class Phase(IntEnum):
    """The parts of a trading day."""

    PRE_MARKET = 0
    REGULAR = 1
    POST_MARKET = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHours:
    """Epoch seconds. Without extended hours the first is the open and the last is the close."""

    first_s: int
    open_s: int
    close_s: int
    last_s: int

    def phase_of(self, second: int) -> Phase:
        """The part of the day in which `second` lies."""
        if second < self.open_s:
            return Phase.PRE_MARKET
        return Phase.REGULAR if second < self.close_s else Phase.POST_MARKET

    def is_regular(self, second: int) -> bool:
        """Whether `second` lies in the regular session."""
        return self.open_s <= second < self.close_s

    def is_on(self, second: int) -> bool:
        """Whether anything trades at `second`."""
        return self.first_s <= second < self.last_s


def trading_hours(session: Session, *, extended: bool) -> TradingHours:
    """The hours of a session, with or without what lies around it."""
    first, last = extended_bounds(session) if extended else (session.open, session.close)
    return TradingHours(
        first_s=int(first.timestamp()), open_s=session.open_s, close_s=session.close_s, last_s=int(last.timestamp())
    )


def extended_bounds(session: Session) -> tuple[datetime, datetime]:
    """The start of the pre-market and the end of the post-market."""
    first = datetime.combine(session.date, PRE_MARKET_OPENS, NEW_YORK)
    return first, session.close.astimezone(NEW_YORK) + POST_MARKET_LASTS
