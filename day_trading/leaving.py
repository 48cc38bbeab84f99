"""The end of a session that somebody stopped: no entry stays working, and what they asked to be closed is closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from broker.trading_desk import TradingDesk
from market_hours import Clock, Session
from trading.book import SessionBook
from trading.orders import Reason

LEAVE_LIMIT = timedelta(minutes=5)  # shares that the broker does not have can never be sold


async def leave(
    desk: TradingDesk, book: SessionBook, session: Session, clock: Clock, flattens: bool, is_hurried: Callable[[], bool]
) -> None:
    """Withdraw entries that still work and, with `flattens`, close what this bot owns while the market is open."""
    for entry in list(book.pending.values()):  # a cancel can be answered at once
        desk.broker.orders.cancel(entry.intent_id)
    give_up = min(session.close, clock.now() + LEAVE_LIMIT)
    while not is_hurried() and session.open <= clock.now() < give_up:
        if not book.pending and not (flattens and book.positions):
            return
        if desk.supervisor.is_ready:
            for symbol in list(book.positions) if flattens else ():
                await desk.positions.close(symbol, Reason.MANUAL)
        await clock.sleep_until(clock.now() + timedelta(seconds=1))
