"""A view of the session as metrics, for programs that do not keep their own."""

from __future__ import annotations

from trading.live_view import SessionView


def exposition(view: SessionView | None) -> bytes:
    """The text format of Prometheus. The names are those of the program's own metrics."""
    if view is None:
        return b""
    account = view.account
    gauges = {
        "trading_equity_USD": account.equity_usd,
        "trading_pnl_realized_USD": account.realised_usd,
        "trading_pnl_unrealized_USD": account.unrealised_usd,
        "trading_drawdown_USD": account.drawdown_usd,
        "trading_positions": len(view.positions),
        "trading_reconnects_total": view.reconnects,
        "trading_orders_total": view.n_orders,
        "trading_fills_total": view.n_fills,
        "trading_decisions_total": view.n_decisions,
    }
    lines = []
    for name, value in gauges.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# TYPE {name} {kind}", f"{name} {value}"]
    return ("\n".join(lines) + "\n").encode()
