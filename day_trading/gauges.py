"""Where a session stands: for whoever collects metrics, and once a minute for the record."""

from __future__ import annotations

from datetime import UTC, datetime

from broker.trading_desk import TradingDesk
from market_hours import Session
from observability import TradingHistory
from records.rows import EquityRow
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

MINUTE_S = 60


def record_minute(book: SessionBook, history: TradingHistory, session: Session, now_s: int) -> None:
    """Once a minute, put on record where the account stands: what executions do not tell."""
    if (now_s - session.open_s) % MINUTE_S:
        return
    history.record_equity(
        EquityRow(
            session_date=session.date.isoformat(),
            timestamp=datetime.fromtimestamp(now_s, UTC),
            equity_usd=money_to_usd(book.equity_at_open + book.pnl),
            pnl_usd=money_to_usd(book.pnl),
            unrealised_usd=money_to_usd(book.unrealised),
            drawdown_usd=money_to_usd(book.pnl - book.peak),
            committed_usd=money_to_usd(book.committed),
            positions=len(book.positions),
        )
    )


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
