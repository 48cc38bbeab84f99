"""A session told afterwards as values: results, the funnel of refusals, what was left at the broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from trading.book import RoundTrip, SessionBook
from trading.funnel import DecisionFunnel
from trading.money import money_to_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """One session of the day trader, in USD.

    `funnel` is symbol -> rule -> judgements, `positions_left` symbol -> shares. `unrealised_pnl_usd` is that of the
    positions left, at the bid of the last 5-second instant. `resting_orders` is None when the broker was not connected
    and could not be asked. `broker_result` is the broker's own count beside the ledger's (`trading.broker_result`),
    None when it did not tell. `insights` are the findings about the session, each with its numbers.
    """

    session_date: date
    mode: str
    account_id: str
    prices_from: str
    started_at: datetime
    ended_at: datetime
    ended_because: str
    allocation: float
    equity_at_open_usd: float
    symbol_budget_usd: float
    watchlist: tuple[str, ...]
    parameters: Mapping[str, Any]
    limits: Mapping[str, Any]
    versions: Mapping[str, str]
    ticks: int
    judgements: int
    decisions: int
    orders: int
    executions: int
    foreign_executions: int
    reconnects: int
    round_trips: tuple[Mapping[str, Any], ...]
    metrics: Mapping[str, Any]
    insights: tuple[Mapping[str, Any], ...] = ()
    unrealised_pnl_usd: float
    broker_result: Mapping[str, Any] | None = None
    funnel: Mapping[str, Mapping[str, int]]
    funnel_totals: Mapping[str, int]
    positions_left: Mapping[str, int]
    resting_orders: tuple[Mapping[str, Any], ...] | None
    warnings: tuple[str, ...]


def day_report(book: SessionBook, funnel: DecisionFunnel, **facts: Any) -> DayReport:
    """The report of a book and a funnel; `facts` are the fields that neither of them knows."""
    trips = book.closed_round_trips()
    return DayReport(
        equity_at_open_usd=money_to_usd(book.equity_at_open),
        limits=book.limits._asdict(),
        judgements=funnel.judgements(),
        round_trips=tuple(round_trip_for_report(trip) for trip in trips),
        metrics=day_metrics(trips, book.trough),
        unrealised_pnl_usd=money_to_usd(book.unrealised) if book.positions else 0.0,
        funnel=funnel.by_symbol(),
        funnel_totals=funnel.totals(),
        positions_left={symbol: position.quantity for symbol, position in book.positions.items()},
        **facts,
    )


def round_trip_for_report(trip: RoundTrip) -> dict[str, Any]:
    """A round trip in USD with its prices."""
    return {
        "symbol": trip.symbol,
        "opened_s": trip.opened_s,
        "closed_s": trip.closed_s,
        "quantity": trip.quantity,
        "entry_price_usd": round(trip.bought_for / trip.quantity / 1e6, 6),
        "exit_price_usd": round(trip.sold_for / trip.quantity / 1e6, 6),
        "fees_usd": money_to_usd(trip.fees),
        "pnl_usd": money_to_usd(trip.pnl),
        "exit_reason": trip.exit_reason,
    }


def day_metrics(trips: Sequence[RoundTrip], drawdown: int) -> dict[str, Any]:
    """The day's result. A ratio that cannot be said is None. Drawdown in 1e-6 USD, <= 0."""
    wins = [trip.pnl for trip in trips if trip.pnl > 0]
    losses = [trip.pnl for trip in trips if trip.pnl < 0]
    reasons: dict[str, int] = {}
    for trip in trips:
        reasons[trip.exit_reason] = reasons.get(trip.exit_reason, 0) + 1
    return {
        "round_trips": len(trips),
        "wins": len(wins),
        "losses": len(losses),
        "win_rate_pct": round(100 * len(wins) / len(trips), 2) if trips else None,
        "total_pnl_usd": money_to_usd(sum(trip.pnl for trip in trips)),
        "gross_profit_usd": money_to_usd(sum(wins)),
        "gross_loss_usd": money_to_usd(sum(losses)),
        "profit_factor": round(sum(wins) / -sum(losses), 4) if losses else None,
        "commissions_usd": money_to_usd(sum(trip.fees for trip in trips)),
        "turnover_usd": money_to_usd(sum(trip.bought_for + trip.sold_for for trip in trips)),
        "max_drawdown_usd": money_to_usd(drawdown),
        "exit_reasons": dict(sorted(reasons.items())),
    }
