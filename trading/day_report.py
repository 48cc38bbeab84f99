"""A session told afterwards: results, the funnel of refusals, what was left, as values and as plain lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from trading.book import RoundTrip, SessionBook
from trading.funnel import DecisionFunnel, entries_in
from trading.money import money_to_usd

STRATEGY_RULES = ("no_price", "warming_up", "atr_not_above_floor", "not_above_vwap", "rsi_not_below_cap")
HOLDING_RULES = ("position_open", "entry_pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """One session of the day trader, in USD. `funnel` is symbol -> rule -> judgements."""

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
    funnel: Mapping[str, Mapping[str, int]]
    funnel_totals: Mapping[str, int]
    positions_left: Mapping[str, int]
    resting_orders: tuple[Mapping[str, Any], ...]
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


def summary_lines(report: DayReport, log_path: str) -> list[str]:
    """The terminal summary: plain lines, no colours, fit to be read through a pipe."""
    metrics = report.metrics
    title = f"Day trader, {report.mode} session {report.session_date:%A %Y-%m-%d}, account {report.account_id}"
    lines = [title, "=" * len(title)]
    lines.append(f"prices        {report.prices_from}")
    lines.append(f"watchlist     {' '.join(report.watchlist) or 'empty'}")
    lines.append(
        f"capital       {report.allocation:.0%} of {report.equity_at_open_usd:,.2f} USD, "
        f"{report.symbol_budget_usd:,.2f} a symbol"
    )
    lines.append("")
    lines += _trip_lines(report.round_trips)
    lines.append("")
    lines.append(
        f"day's P&L     {metrics['total_pnl_usd']:+,.2f} USD after {metrics['commissions_usd']:,.2f} of fees; "
        f"{metrics['round_trips']} round trips, {metrics['wins']} won, {metrics['losses']} lost; "
        f"max drawdown {metrics['max_drawdown_usd']:,.2f}"
    )
    lines.append("")
    lines += _funnel_lines(report)
    lines.append("")
    lines.append(f"left at broker  {_left_text(report)}")
    lines += [f"warning       {warning}" for warning in report.warnings]
    lines.append(f"ended         {report.ended_because}")
    lines.append(f"day log       {log_path}")
    return lines


def _trip_lines(trips: Iterable[Mapping[str, Any]]) -> list[str]:
    trips = list(trips)
    if not trips:
        return ["no round trips"]
    lines = [f"{'symbol':<8}{'shares':>8}{'entry':>11}{'exit':>11}{'minutes':>9}{'P&L':>12}  reason"]
    for trip in trips:
        minutes = (trip["closed_s"] - trip["opened_s"]) / 60
        lines.append(
            f"{trip['symbol']:<8}{trip['quantity']:>8,}{trip['entry_price_usd']:>11,.4f}{trip['exit_price_usd']:>11,.4f}"
            f"{minutes:>9.1f}{trip['pnl_usd']:>+12,.2f}  {trip['exit_reason']}"
        )
    return lines


def _funnel_lines(report: DayReport) -> list[str]:
    """Why it did not trade, from the widest refusal to the narrowest."""
    totals = report.funnel_totals
    wanted = sum(n for rule, n in totals.items() if rule not in STRATEGY_RULES + HOLDING_RULES)
    lines = [
        f"judged {report.judgements:,} times at {report.ticks:,} instants: "
        f"{wanted:,} times the strategy wanted to buy, {entries_in(totals):,} entries approved"
    ]
    for rule, count in sorted(totals.items(), key=lambda item: -item[1]):
        if rule == "approved":
            continue
        symbols = sorted(report.funnel, key=lambda s: -report.funnel[s].get(rule, 0))
        most = ", ".join(f"{s} {report.funnel[s][rule]:,}" for s in symbols[:3] if report.funnel[s].get(rule))
        lines.append(f"  {rule.replace('_', ' '):<24}{count:>9,}   most: {most}")
    return lines


def _left_text(report: DayReport) -> str:
    if not report.positions_left and not report.resting_orders:
        return "nothing: flat, no resting orders"
    parts = [f"{quantity} {symbol}" for symbol, quantity in report.positions_left.items()]
    parts += [
        f"{order['action']} {order['quantity']:g} {order['symbol']} {order['order_type']}"
        f"{' at ' + format(order['price_usd'], '.2f') if order['price_usd'] else ''} {order['tif']}"
        for order in report.resting_orders
    ]
    return "; ".join(parts)
