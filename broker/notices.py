"""What the user is told of a session as it happens, in words."""

from __future__ import annotations

from market_hours import utc_from_epoch
from notifications.notices import Kind, Notice, notify
from trading.book import Closing, DayMarks, SessionBook
from trading.money import money_to_usd, price_to_usd
from trading.orders import Action, ExecutionReport, Reason


def tell(kind: Kind, words: str, now_s: int) -> None:
    """Tell `words` of the instant `now_s`."""
    notify(Notice(kind=kind, words=words, at=utc_from_epoch(now_s)))


def tell_fill(execution: ExecutionReport, reason: Reason, closing: Closing | None) -> None:
    """`sold 100 AAPL at 219.58, profit target: +298.12 USD`; the result is net of the fees known by then."""
    verb = "bought" if execution.action is Action.BUY else "sold"
    words = f"{verb} {execution.quantity:,} {execution.symbol} at {price_to_usd(execution.price):,.2f}"
    words += f", {reason.value.replace('_', ' ')}"
    if closing is not None:
        words += f": {money_to_usd(closing.pnl):+,.2f} USD"
    tell(Kind.STOP_HIT if reason is Reason.STOP_LOSS else Kind.FILL, words, execution.at_s)


def tell_latches(before: DayMarks | None, book: SessionBook, now_s: int) -> None:
    """Tell a limit of the day that was reached since the marks `before`."""
    had = before or DayMarks()
    for name, was, latched in (
        ("daily loss", had.loss_latched, book.loss_latched),
        ("drawdown", had.drawdown_latched, book.drawdown_latched),
    ):
        if latched and not was:
            words = f"the {name} limit is reached at {money_to_usd(book.pnl):+,.2f} USD: no more entries today"
            tell(Kind.LIMIT, words, now_s)
