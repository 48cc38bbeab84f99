"""Years of cycles in simulated time, as a report tells them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from portfolio.curves import Curves
from portfolio.history import Floats
from portfolio.survivorship import SurvivorshipWarning
from trading.money import money_to_usd
from weekly.years import YearsOfCycles


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


def curves_of(years: YearsOfCycles, share: float, index_name: str, index_usd: Mapping[date, float]) -> Curves:
    """Both accounts and the index, which gets `share` of the money at the first close and keeps it.

    They begin with the money before the first cycle. An index without a level at the first close is left out.
    """
    start = money_to_usd(years.start)
    others = {"equal weight, held": _from(start, [money_to_usd(close.holder) for close in years.closes])}
    levels = _levels(index_usd, [close.session_date for close in years.closes])
    if levels is not None:
        grown = start * (1 - share) + start * share * levels / levels[0]
        others[f"{index_name}, held"] = _from(start, grown.tolist())
    return Curves(bot_usd=_from(start, [money_to_usd(close.bot) for close in years.closes]), others_usd=others)


def _from(start_usd: float, later_usd: Sequence[float]) -> Floats:
    return np.array([start_usd, *later_usd])


def _levels(index_usd: Mapping[date, float], days: Sequence[date]) -> Floats | None:
    """The index at each session, the level before where it has none; None where it does not begin in time."""
    levels: list[float] = []
    for day in days:
        levels.append(index_usd.get(day, levels[-1] if levels else math.nan))
    return np.array(levels) if levels and math.isfinite(levels[0]) else None
