"""What the Telegram bot answers, in words."""

from __future__ import annotations

from market_hours import NEW_YORK
from trading.live_view import PositionView, SessionView

HELP = """/status how the session is
/positions what is owned, with its exits
/pause no more entries until /resume
/close SYMBOL sell one position
/flatten pause and sell everything
/kill the kill switch
Each command is confirmed by /yes and a code."""


def status_told(view: SessionView) -> str:
    """The session in a few lines."""
    account, now = view.account, view.at.astimezone(NEW_YORK)
    lines = [
        f"{now:%H:%M:%S} New York, {view.mode} {account.account_id}, {view.phase.replace('_', ' ')}",
        f"connection {view.connection}, health {view.health}",
        f"day {account.pnl_usd:+,.2f} USD ({account.realised_usd:+,.2f} realised, {account.unrealised_usd:+,.2f} open)",
        f"drawdown {account.drawdown_usd:,.2f} USD, equity {account.equity_usd:,.2f} USD",
        f"{len(view.positions)} positions, {view.n_fills} fills",
    ]
    if view.no_entries:
        lines.append(f"no entries: {'; '.join(view.no_entries)}")
    return "\n".join(lines)


def positions_told(view: SessionView) -> str:
    """Each position with its result, its distances, and whether something rests for it."""
    return "\n".join(map(_position, view.positions)) or "the bot owns no shares"


def _position(position: PositionView) -> str:
    rests = ", ".join(leg.role.replace("_", " ") for leg in position.resting) or "NOTHING RESTS"
    distances = [
        f"{value:.2f} % to the {name}"
        for name, value in (("stop", position.to_stop_pct), ("target", position.to_target_pct))
        if value is not None
    ]
    words = f"{position.quantity:,} {position.symbol} {position.unrealised_usd:+,.2f} USD"
    return ", ".join([words, *distances, f"at the broker: {rests}"])
