"""What a session begins with, on record at the open: enough to replay it under other parameters."""

from __future__ import annotations

from broker.market_view import MarketView
from day_trading.options import TraderOptions
from improvement.parameters import ParameterSet
from market_hours import Session
from records.rows import SessionPlanRow
from trading.money import money_to_usd
from trading.watchlist import Watchlist


def session_plan(
    options: TraderOptions, session: Session, watchlist: Watchlist, view: MarketView, equity: int
) -> SessionPlanRow:
    """The row of a session. `equity` at the open in 1e-6 USD."""
    atr = {symbol: view.atr_of(symbol) for symbol in watchlist.symbols}
    return SessionPlanRow(
        session_date=session.date.isoformat(),
        equity_usd=money_to_usd(equity),
        allocation=options.allocation,
        watchlist=tuple([symbol, known.ranges, known.average] for symbol, known in atr.items()),
        parameters=ParameterSet.of_settings(options.strategy).values(),
        variant=options.variant,
    )
