"""Round trips of the database as the statistics read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from evidence.trips import TradingDay, Trip
from market_hours import NEW_YORK
from records.history_reader import HistoryReader
from records.rows import FillRow, RoundTripRow


def trips_on_record(history: HistoryReader, first: str, last: str) -> tuple[Trip, ...]:
    """Round trips of `history`'s bot that closed in the sessions from `first` to `last`, in the order of their closing.

    Those whose commission was not reported have no result yet and are left out. Raises RecordsFailed.
    """
    fills: dict[str, list[FillRow]] = {}  # symbol -> its executions
    for fill in history.fills_between(first, last):
        fills.setdefault(fill.symbol, []).append(fill)
    return tuple(
        trip_of(row, row.pnl_usd, [fill for fill in fills.get(row.symbol, ()) if _is_part(fill, row)])
        for row in history.round_trips_between(first, last)
        if row.pnl_usd is not None
    )


def days_on_record(history: HistoryReader, first: str, last: str) -> list[TradingDay]:
    """Results of the sessions from `first` to `last` that were evaluated, in their order. Raises RecordsFailed."""
    return [
        TradingDay(
            session_date=date.fromisoformat(row.session_date),
            pnl_usd=row.total_pnl_usd,
            equity_at_open_usd=row.detail["equity_at_open_usd"],
        )
        for row in history.daily_metrics_between(first, last)
        if row.detail and row.detail.get("equity_at_open_usd")
    ]


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


def _is_part(fill: FillRow, trip: RoundTripRow) -> bool:
    return trip.opened_at <= fill.timestamp <= trip.closed_at
