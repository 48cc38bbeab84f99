"""The metrics of a group of round trips, one function each. Their docstrings are `Documentation/METRICS.md`.

A function's name is the metric's name everywhere: in the database, the day log and the reports. None means that the
number cannot be said (no trip, nothing lost), never zero.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import NamedTuple

import numpy as np

from evidence.trips import Trip

Value = float | int | None | Mapping[str, int]
BPS = 10_000.0


def trades(trips: Sequence[Trip]) -> int:
    """Executions of the closed round trips.

    Unit: count
    Formula: Σ executions
    """
    return sum(trip.executions for trip in trips)


def round_trips(trips: Sequence[Trip]) -> int:
    """Positions that were opened and closed again.

    Unit: count
    Formula: n
    """
    return len(trips)


def wins(trips: Sequence[Trip]) -> int:
    """Round trips that made money after commissions.

    Unit: count
    Formula: n(P&L > 0)
    """
    return len(_won(trips))


def losses(trips: Sequence[Trip]) -> int:
    """Round trips that lost money after commissions.

    Unit: count
    Formula: n(P&L < 0)
    """
    return len(_lost(trips))


def win_rate_pct(trips: Sequence[Trip]) -> float | None:
    """Share of round trips that made money.

    Unit: percent
    Formula: 100 · wins ÷ round trips
    """
    return 100.0 * wins(trips) / len(trips) if trips else None


def total_pnl_usd(trips: Sequence[Trip]) -> float:
    """Net result.

    Unit: USD
    Formula: Σ P&L
    """
    return sum((trip.pnl_usd for trip in trips), 0.0)


def gross_profit_usd(trips: Sequence[Trip]) -> float:
    """Result of the winners, net of their commissions.

    Unit: USD
    Formula: Σ P&L over wins
    """
    return sum(_won(trips), 0.0)


def gross_loss_usd(trips: Sequence[Trip]) -> float:
    """Result of the losers, net of their commissions, at most 0.

    Unit: USD
    Formula: Σ P&L over losses
    """
    return sum(_lost(trips), 0.0)


def profit_factor(trips: Sequence[Trip]) -> float | None:
    """What is won for each dollar lost; unsaid when nothing was lost.

    Unit: ratio
    Formula: gross profit ÷ −gross loss
    """
    return gross_profit_usd(trips) / -gross_loss_usd(trips) if _lost(trips) else None


def average_win_usd(trips: Sequence[Trip]) -> float | None:
    """Result of a winner on average.

    Unit: USD
    Formula: gross profit ÷ wins
    """
    return fmean(_won(trips)) if _won(trips) else None


def average_loss_usd(trips: Sequence[Trip]) -> float | None:
    """Result of a loser on average, below 0.

    Unit: USD
    Formula: gross loss ÷ losses
    """
    return fmean(_lost(trips)) if _lost(trips) else None


def risk_reward(trips: Sequence[Trip]) -> float | None:
    """How much larger a winner is than a loser.

    Unit: ratio
    Formula: average win ÷ −average loss
    """
    return fmean(_won(trips)) / -fmean(_lost(trips)) if _won(trips) and _lost(trips) else None


def expectancy_usd(trips: Sequence[Trip]) -> float | None:
    """Result of a round trip on average.

    Unit: USD
    Formula: total P&L ÷ round trips
    """
    return total_pnl_usd(trips) / len(trips) if trips else None


def max_drawdown_usd(trips: Sequence[Trip]) -> float | None:
    """Deepest fall from a peak, at most 0. Of a session: of its P&L marked at the bid every five seconds.

    Unit: USD
    Formula: min over time of (P&L so far − its highest so far, at least 0), trips in the order of closing
    """
    if not trips:
        return None
    in_order = sorted(trips, key=lambda trip: (trip.closed_at, trip.opened_at, trip.symbol))
    curve = np.cumsum([trip.pnl_usd for trip in in_order])
    return float(min(0.0, (curve - np.maximum.accumulate(np.maximum(curve, 0.0))).min()))


def average_duration_s(trips: Sequence[Trip]) -> float | None:
    """Time in a position on average.

    Unit: seconds
    Formula: mean(closed − opened)
    """
    return fmean(trip.duration_s for trip in trips) if trips else None


def median_duration_s(trips: Sequence[Trip]) -> float | None:
    """Time in a position of the middle round trip.

    Unit: seconds
    Formula: median(closed − opened)
    """
    return median(trip.duration_s for trip in trips) if trips else None


def average_position_usd(trips: Sequence[Trip]) -> float | None:
    """Size of a position on average, at cost.

    Unit: USD
    Formula: mean(shares · entry price)
    """
    return fmean(trip.cost_usd for trip in trips) if trips else None


def capital_used_usd(trips: Sequence[Trip]) -> float:
    """Most capital at work at once. What closes at an instant makes room for what opens at it.

    Unit: USD
    Formula: max over time of Σ cost of the open positions
    """
    moves = sorted([(t.closed_at, 0, -t.cost_usd) for t in trips] + [(t.opened_at, 1, t.cost_usd) for t in trips])
    at_work = np.cumsum([cost for _, _, cost in moves])
    return float(at_work.max()) if moves else 0.0


def capital_efficiency_pct(trips: Sequence[Trip]) -> float | None:
    """Result for an hour of a dollar at work.

    Unit: percent per hour
    Formula: 100 · total P&L ÷ Σ(cost · hours held)
    """
    capital_hours = sum(trip.capital_hours for trip in trips)
    return 100.0 * total_pnl_usd(trips) / capital_hours if capital_hours else None


def turnover_usd(trips: Sequence[Trip]) -> float:
    """Bought and sold.

    Unit: USD
    Formula: Σ shares · (entry price + exit price)
    """
    return sum((trip.turnover_usd for trip in trips), 0.0)


def commissions_usd(trips: Sequence[Trip]) -> float:
    """Commissions and fees of both sides.

    Unit: USD
    Formula: Σ commissions
    """
    return sum((trip.commissions_usd for trip in trips), 0.0)


def slippage_bps(trips: Sequence[Trip]) -> float | None:
    """Fills against the prices decided on, positive is cost. Entries and time exits: the last price at the decision;
    stops and targets: the price of the resting order.

    Unit: basis points
    Formula: 10⁴ · Σ ±shares · (fill − decided) ÷ Σ shares · decided
    """
    judged_usd = sum(trip.judged_usd for trip in trips)
    return BPS * sum(trip.slipped_usd for trip in trips) / judged_usd if judged_usd else None


def exposure_s(trips: Sequence[Trip]) -> float:
    """Time with at least one position.

    Unit: seconds
    Formula: length of the union of all [opened, closed]
    """
    total, until = 0.0, None
    for trip in sorted(trips, key=lambda trip: trip.opened_at):
        start = trip.opened_at if until is None else max(trip.opened_at, until)
        total += max(0.0, (trip.closed_at - start).total_seconds())
        until = trip.closed_at if until is None else max(trip.closed_at, until)
    return total


def best_trade_usd(trips: Sequence[Trip]) -> float | None:
    """Highest result of a round trip.

    Unit: USD
    Formula: max P&L
    """
    return max((trip.pnl_usd for trip in trips), default=None)


def worst_trade_usd(trips: Sequence[Trip]) -> float | None:
    """Lowest result of a round trip.

    Unit: USD
    Formula: min P&L
    """
    return min((trip.pnl_usd for trip in trips), default=None)


def exit_reasons(trips: Sequence[Trip]) -> Mapping[str, int]:
    """How the positions ended.

    Unit: count by reason
    Formula: n by reason of the closing execution
    """
    return dict(sorted(Counter(trip.exit_reason for trip in trips).items()))


OF_TRIPS: tuple[Callable[[Sequence[Trip]], Value], ...] = (
    *(trades, round_trips, wins, losses, win_rate_pct, total_pnl_usd, gross_profit_usd, gross_loss_usd),
    *(profit_factor, average_win_usd, average_loss_usd, risk_reward, expectancy_usd, max_drawdown_usd),
    *(average_duration_s, median_duration_s, average_position_usd, capital_used_usd, capital_efficiency_pct),
    *(turnover_usd, commissions_usd, slippage_bps, exposure_s, best_trade_usd, worst_trade_usd, exit_reasons),
)


def measured(trips: Sequence[Trip]) -> dict[str, Value]:
    """metric -> value, of all metrics of round trips."""
    return {metric.__name__: metric(trips) for metric in OF_TRIPS}


class Description(NamedTuple):
    """What a metric's docstring promises."""

    name: str
    meaning: str
    unit: str
    formula: str


def description(metric: Callable[..., object]) -> Description:
    """A metric as its docstring tells it. Raises ValueError when unit or formula is not there."""
    text = metric.__doc__ or ""
    unit, formula = (re.search(rf"^\s*{part}: (.+)$", text, re.MULTILINE) for part in ("Unit", "Formula"))
    if unit is None or formula is None:
        raise ValueError(f"{metric.__name__}: its docstring does not say unit and formula")
    return Description(metric.__name__, " ".join(text.split("\n\n")[0].split()), unit[1].strip(), formula[1].strip())


def _won(trips: Sequence[Trip]) -> list[float]:
    return [trip.pnl_usd for trip in trips if trip.pnl_usd > 0]


def _lost(trips: Sequence[Trip]) -> list[float]:
    return [trip.pnl_usd for trip in trips if trip.pnl_usd < 0]
