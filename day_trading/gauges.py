"""Where a session stands, for whoever collects metrics."""

from __future__ import annotations

from broker.trading_desk import TradingDesk
from observability import TradingHistory
from telemetry.instruments import (
    DATABASE_QUEUE,
    DRAWDOWN,
    EQUITY,
    OPEN_POSITIONS,
    REALIZED,
    TICK_AGE,
    UNREALIZED,
)
from telemetry.metering import measure
from trading.book import SessionBook
from trading.money import money_to_usd


def measure_session(book: SessionBook, desk: TradingDesk, history: TradingHistory, now_s: int) -> None:
    """Set every gauge to what is known at `now_s`."""
    quote = desk.broker.data.quote
    heard_s = [at_s for symbol in desk.view.symbols if (at_s := quote(symbol).at_s)]
    measure(TICK_AGE, now_s - min(heard_s, default=now_s))
    measure(REALIZED, money_to_usd(book.realised))
    measure(UNREALIZED, money_to_usd(book.unrealised))
    measure(EQUITY, money_to_usd(book.equity_at_open + book.pnl))
    measure(DRAWDOWN, money_to_usd(book.pnl - book.peak))
    measure(OPEN_POSITIONS, len(book.positions))
    measure(DATABASE_QUEUE, history.waiting)
