"""Round trips of the database as the statistics read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from evidence.trips import Trip
from market_hours import NEW_YORK
from records.rows import FillRow, RoundTripRow


def trip_of(row: RoundTripRow, pnl_usd: float, fills: Sequence[FillRow]) -> Trip:
    """A round trip whose result is known, with the prices that its executions `fills` were decided on."""
    judged = [(fill, fill.decided_price_usd) for fill in fills if fill.decided_price_usd is not None]
    opening = fills[0] if fills else None
    return Trip(
        symbol=row.symbol,
        session_date=date.fromisoformat(row.session_date),
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        hour=row.opened_at.astimezone(NEW_YORK).hour,
        quantity=row.quantity,
        entry_price_usd=row.avg_entry_price_usd,
        exit_price_usd=row.avg_exit_price_usd,
        pnl_usd=pnl_usd,
        commissions_usd=row.commission_usd or 0.0,
        exit_reason=row.exit_reason,
        executions=row.executions,
        slipped_usd=sum(
            fill.quantity * (fill.price_usd - price) * (1 if fill.action == "BUY" else -1) for fill, price in judged
        ),
        judged_usd=sum(fill.quantity * price for fill, price in judged),
        regime=(opening and opening.regime) or "unknown",
        variant=(opening and opening.variant) or "none",
    )
