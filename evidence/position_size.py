"""Whether larger positions did better, how large Kelly would make them, and how much capital did nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evidence.bootstrap import Floats, Interval
from evidence.metrics import capital_used_usd, median_duration_s
from evidence.too_few import TooFew
from evidence.trips import SECONDS_PER_HOUR, Trip

LEAST_TRIPS = 20
LEAST_SESSIONS = 5
RESAMPLES = 500  # of unequal sessions, one by one: they take their time
DURATION_BOUNDS_S = (300.0, 900.0, 3_600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeAnalysis:
    """`rank_correlation` of cost and return (Spearman, -1 to 1, None when either never differs) and `half_kelly`:
    half the fraction of capital in a position that makes wealth grow fastest, mean ÷ variance of returns ÷ 2, both
    with 95 % intervals over resampled sessions. `prudent_kelly` is the interval's low end, at least 0: what the
    evidence supports.
    """

    trips: int
    rank_correlation: float | None
    rank_correlation_interval: Interval | None
    half_kelly: float
    half_kelly_interval: Interval
    prudent_kelly: float


def size_analysis(trips: Sequence[Trip], *, seed: int = 0) -> SizeAnalysis | TooFew:
    """Size against outcome. Round trips of a session are resampled together: they are not independent.

    With fewer than five sessions single round trips are resampled, and the intervals are narrower than the truth.
    """
    if len(trips) < LEAST_TRIPS:
        return TooFew(what="round trips", found=len(trips), needed=LEAST_TRIPS)
    costs = np.array([trip.cost_usd for trip in trips])
    returns = np.array([trip.return_pct / 100.0 for trip in trips])
    samples = _resampled_sessions(trips, seed)
    kellys = np.array([_half_kelly(returns[chosen]) for chosen in samples])
    low, high = np.quantile(kellys[np.isfinite(kellys)], [0.025, 0.975])
    correlation = rank_correlation(costs, returns)
    between: Interval | None = None
    if correlation is not None:
        found = [rank_correlation(costs[chosen], returns[chosen]) for chosen in samples]
        between = Interval(*np.quantile([each for each in found if each is not None], [0.025, 0.975]).tolist())
    return SizeAnalysis(
        trips=len(trips),
        rank_correlation=correlation,
        rank_correlation_interval=between,
        half_kelly=_half_kelly(returns),
        half_kelly_interval=Interval(float(low), float(high)),
        prudent_kelly=max(0.0, float(low)),
    )


def rank_correlation(first: Floats, second: Floats) -> float | None:
    """Spearman's: the correlation of ranks, equal values sharing theirs. None when either never differs."""
    a, b = _ranks(first), _ranks(second)
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean()) / spread if spread > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleCapital:
    """Of the capital that a session allowed: the share that was never used, and the share of capital-hours."""

    never_used_pct: float
    idle_pct: float


def idle_capital(trips: Sequence[Trip], capital_usd: float, session_s: float) -> IdleCapital:
    """What of `capital_usd` did nothing during a session of `session_s` seconds; trips of that session."""
    used_hours = sum(trip.capital_hours for trip in trips)
    return IdleCapital(
        never_used_pct=100.0 * (1.0 - capital_used_usd(trips) / capital_usd),
        idle_pct=100.0 * (1.0 - used_hours / (capital_usd * session_s / SECONDS_PER_HOUR)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationGroup:
    """Round trips that lasted up to `up_to_s` (None: longer than all bounds) and more than the group before."""

    up_to_s: float | None
    trips: int
    pnl_usd: float
    average_return_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationAnalysis:
    """How long winners and losers were held, and results by length; groups without a trip are left out."""

    median_win_s: float | None
    median_loss_s: float | None
    groups: tuple[DurationGroup, ...]


def duration_analysis(trips: Sequence[Trip]) -> DurationAnalysis:
    """Results by time held."""
    groups = []
    lower = -1.0
    for upper in (*DURATION_BOUNDS_S, float("inf")):
        members = [trip for trip in trips if lower < trip.duration_s <= upper]
        lower = upper
        if members:
            groups.append(
                DurationGroup(
                    up_to_s=upper if np.isfinite(upper) else None,
                    trips=len(members),
                    pnl_usd=sum(trip.pnl_usd for trip in members),
                    average_return_pct=float(np.mean([trip.return_pct for trip in members])),
                )
            )
    return DurationAnalysis(
        median_win_s=median_duration_s([trip for trip in trips if trip.pnl_usd > 0]),
        median_loss_s=median_duration_s([trip for trip in trips if trip.pnl_usd < 0]),
        groups=tuple(groups),
    )


def _resampled_sessions(trips: Sequence[Trip], seed: int) -> list[np.ndarray]:
    """Indices of trips for each resample."""
    rng = np.random.default_rng(seed)
    dates = {trip.session_date: n for n, trip in enumerate(trips)}
    by_session: list[list[int]] = [[n for n, trip in enumerate(trips) if trip.session_date == date] for date in dates]
    if len(by_session) < LEAST_SESSIONS:
        return list(rng.integers(len(trips), size=(RESAMPLES, len(trips))))
    members = [np.array(session) for session in by_session]
    return [
        np.concatenate([members[n] for n in chosen])
        for chosen in rng.integers(len(members), size=(RESAMPLES, len(members)))
    ]


def _half_kelly(returns: Floats) -> float:
    variance = float(returns.var())
    return float(returns.mean()) / variance / 2.0 if variance > 0 else float("nan")


def _ranks(values: Floats) -> Floats:
    order = np.sort(values)
    first, last = np.searchsorted(order, values, "left"), np.searchsorted(order, values, "right")
    return np.asarray((first + last - 1) / 2.0, dtype=np.float64)
