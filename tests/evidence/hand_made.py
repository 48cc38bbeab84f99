"""Round trips made by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from evidence.trips import Trip

DAY = date(2025, 10, 7)
OPEN = datetime(2025, 10, 7, 13, 30, tzinfo=UTC)


def trip(pnl_usd: float, opened_min: float = 0, lasted_min: float = 30, **changes: Any) -> Trip:
    """100 shares of AAA at 100.00, opened so many minutes after the open; `pnl_usd` is net of 2.00 commissions."""
    opened = OPEN + timedelta(minutes=opened_min)
    values: dict[str, Any] = {
        "symbol": "AAA",
        "session_date": DAY,
        "opened_at": opened,
        "closed_at": opened + timedelta(minutes=lasted_min),
        "hour": 9,
        "quantity": 100,
        "entry_price_usd": 100.0,
        "exit_price_usd": 100.0 + (pnl_usd + 2.0) / 100,
        "pnl_usd": pnl_usd,
        "commissions_usd": 2.0,
        "exit_reason": "profit_target" if pnl_usd > 0 else "stop_loss",
    }
    return Trip(**(values | changes))
