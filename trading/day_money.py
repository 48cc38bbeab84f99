"""The session's money as rules see it: marks at bid, the two latches, free capital, the pause after losses."""

from __future__ import annotations

from typing import NamedTuple

from trading.ledger import Position
from trading.money import notional


class Marked(NamedTuple):
    """The session's result at the last mark, in 1e-6 USD, and what it latched.

    `peak` is the highest result so far (at least 0), `trough` the deepest fall below it (<= 0).
    """

    pnl: int
    peak: int
    trough: int
    loss_latched: bool
    drawdown_latched: bool


def unrealised(position: Position, bid: int) -> int:
    """What selling at `bid` (1e-4 USD) would bring above cost, before fees; 0 while there is no bid."""
    return notional(bid, position.quantity) - position.cost if bid > 0 else 0


def marked(before: Marked, pnl: int, max_daily_loss: int, max_drawdown: int) -> Marked:
    """After valuing the book at `pnl`; all in 1e-6 USD. Both latches stay shut for the session."""
    peak = max(before.peak, pnl)
    return Marked(
        pnl,
        peak,
        min(before.trough, pnl - peak),
        before.loss_latched or pnl <= -max_daily_loss,
        before.drawdown_latched or peak - pnl >= max_drawdown,
    )


def free_capital(equity_at_open: int, pnl: int, allocation_ppm: int, committed: int) -> int:
    """What entries may still take: allocation × (equity at open + day's P&L) − what positions and entries hold.

    All in 1e-6 USD; never negative.
    """
    return max((equity_at_open + pnl) * allocation_ppm // 1_000_000 - committed, 0)


def pause_end(losses_in_a_row: int, last_closed_s: int, loss_streak: int, pause_s: int) -> int:
    """When the pause after a streak of losing round trips ends (epoch seconds); 0 when there is none."""
    return last_closed_s + pause_s if losses_in_a_row >= loss_streak else 0
