"""What the desk knows of a session, for its report."""

from __future__ import annotations

from typing import Any

from broker.trading_desk import TradingDesk


def desk_facts(desk: TradingDesk) -> dict[str, Any]:
    """Fields of `DayReport` by their names. What rests at the broker is None while it cannot be asked."""
    keeper = desk.keeper
    resting = desk.broker.orders.resting() if desk.broker.is_connected else None
    return {
        "account_id": desk.account.account_id,
        "decisions": keeper.decisions,
        "orders": desk.intents.committed,
        "executions": keeper.executions,
        "foreign_executions": keeper.foreign,
        "reconnects": desk.supervisor.reconnects,
        "resting_orders": None if resting is None else tuple(order._asdict() for order in resting),
        "warnings": tuple(keeper.warnings),
    }
