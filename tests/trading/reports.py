"""A day report to start from."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any


def facts(**changes: Any) -> dict[str, Any]:
    """What neither the book nor the funnel knows about Monday 2026-09-28."""
    return {
        "session_date": date(2026, 9, 28),
        "mode": "paper",
        "account_id": "DU1000001",
        "prices_from": "the gateway",
        "started_at": datetime(2026, 9, 28, 12, 45, tzinfo=UTC),
        "ended_at": datetime(2026, 9, 28, 19, 55, 20, tzinfo=UTC),
        "ended_because": "the session is over",
        "allocation": 0.25,
        "symbol_budget_usd": 12_500.0,
        "watchlist": ("AAA", "BBB"),
        "parameters": {},
        "versions": {},
        "ticks": 4_624,
        "decisions": 0,
        "orders": 0,
        "executions": 0,
        "foreign_executions": 0,
        "reconnects": 0,
        "resting_orders": (),
        "warnings": (),
        **changes,
    }
