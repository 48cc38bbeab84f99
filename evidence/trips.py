"""A round trip as statistics see it: floats in USD, aware times, and what the trip can be grouped by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """From flat to flat in one symbol, long. `pnl_usd` is net of `commissions_usd`.

    `hour` is the exchange's hour of the entry (9 to 15). `slipped_usd` is what fills cost against the prices decided
    on, over the part `judged_usd` of the turnover that has such a price; positive is cost.
    """

    symbol: str
    session_date: date
    opened_at: datetime
    closed_at: datetime
    hour: int
    quantity: int
    entry_price_usd: float
    exit_price_usd: float
    pnl_usd: float
    commissions_usd: float
    exit_reason: str
    executions: int = 2
    slipped_usd: float = 0.0
    judged_usd: float = 0.0
    regime: str = "unknown"
    variant: str = "none"

    @property
    def cost_usd(self) -> float:
        """What the position cost."""
        return self.quantity * self.entry_price_usd

    @property
    def turnover_usd(self) -> float:
        """Bought and sold."""
        return self.quantity * (self.entry_price_usd + self.exit_price_usd)

    @property
    def duration_s(self) -> float:
        """From the first execution to the last."""
        return (self.closed_at - self.opened_at).total_seconds()

    @property
    def capital_hours(self) -> float:
        """Cost × hours held, in USD·h."""
        return self.cost_usd * self.duration_s / SECONDS_PER_HOUR

    @property
    def return_pct(self) -> float:
        """Net result over cost."""
        return 100.0 * self.pnl_usd / self.cost_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingDay:
    """The result of a session. `return_` is net P&L over the equity at the open, as a fraction."""

    session_date: date
    pnl_usd: float
    equity_at_open_usd: float

    @property
    def return_(self) -> float:
        return self.pnl_usd / self.equity_at_open_usd


GROUPINGS: dict[str, Callable[[Trip], str]] = {  # what results can be told by -> the group of a trip
    "day": lambda trip: trip.session_date.isoformat(),
    "symbol": lambda trip: trip.symbol,
    "hour": lambda trip: f"{trip.hour:02}",
    "regime": lambda trip: trip.regime,
    "variant": lambda trip: trip.variant,
    "exit_reason": lambda trip: trip.exit_reason,
}


def grouped(trips: Sequence[Trip], by: str) -> dict[str, tuple[Trip, ...]]:
    """group -> its trips in their order; groups in alphabetical order. Raises ValueError for an unknown grouping."""
    if by not in GROUPINGS:
        raise ValueError(f"results are told by {', '.join(GROUPINGS)}, not by {by!r}")
    found: dict[str, list[Trip]] = {}
    for trip in trips:
        found.setdefault(GROUPINGS[by](trip), []).append(trip)
    return {name: tuple(found[name]) for name in sorted(found)}
