"""Years of cycles in simulated time, as a report tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portfolio.curves import Curves
from portfolio.survivorship import SurvivorshipWarning


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRun:
    """Equity of the whole account in USD at each close, beside baselines that put as much of it to work.

    `distributions_usd` came without a trade: dividends, and what was paid for stocks that exist no more. `reconciled`
    is after how many cycles cash, positions and cost were the simulator's to the cent. `notes` say what a reader must
    know of the data.
    """

    sessions: tuple[date, ...]
    curves: Curves
    prices_from: str
    start_usd: float
    allocation: float
    distributions_usd: float
    reconciled: int
    warning: SurvivorshipWarning | None
    notes: tuple[str, ...]
