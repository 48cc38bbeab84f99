"""Whether a cycle's orders may be sent now, and when they would trade."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from market_hours import Session
from weekly.cycles import PastCycle
from weekly.options import CycleOptions
from weekly.performing import Timing

AUCTION_CUT_OFF = timedelta(minutes=5)  # before the open, well before the exchanges' own


class Permission(NamedTuple):
    """`timing` None: no orders, and `why` says so in words."""

    timing: Timing | None
    why: str


def permission(
    options: CycleOptions, session: Session, now: datetime, past: Sequence[PastCycle], drift: float | None
) -> Permission:
    """`session` is the one that runs now, or the next one. `drift` is the largest of a weight since the last cycle.

    A session has one trading cycle, and another one only where a weight drifted by more than REBALANCE_BAND_PCT.
    """
    if options.dry_run:
        return Permission(None, "dry run: the plan is not sent")
    traded = [each for each in past if each.row.session_date == session.date.isoformat() and each.traded]
    band = options.settings.rebalance_band_pct / 100
    if traded and (drift is None or drift <= band):
        moved = f"the largest drift of {100 * (drift or 0.0):.2f} % is within {100 * band:g} %"
        return Permission(None, f"{session.date} has had its trading cycle, and {moved}")
    if session.open <= now < session.eod:
        return Permission(Timing.NOW, "")
    if now >= session.eod:
        return Permission(None, f"the exchange closes at {session.close:%H:%M} UTC: the plan is left as it is")
    if not options.queue:
        return Permission(None, "the exchange is closed: the plan is left as it is (--queue orders for the next open)")
    if now >= session.open - AUCTION_CUT_OFF:
        return Permission(None, "it is too late for orders at the open: the plan is left as it is")
    return Permission(Timing.AT_OPEN, "")
