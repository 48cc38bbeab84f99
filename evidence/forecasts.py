"""How good probability forecasts were, against what was known without them. For every score, less is better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evidence.bootstrap import Floats, Interval, bootstrap_interval, means
from evidence.too_few import TooFew

LEAST_FORECASTS = 30
SURE = 1e-6  # no forecast is surer: one sure mistake would cost an infinite log score


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """Scores of a source and of climatology on the same events, and how much better the source was.

    A skill of 1 is perfect, 0 is climatology, below 0 is worse. `brier_gain` is the mean difference of the Brier
    scores (climatology − source) with its 95 % interval; `log_gain` the same of log scores, in nats.
    """

    forecasts: int
    base_rate: float
    brier: float
    brier_of_climatology: float
    brier_skill: float
    brier_skill_interval: Interval
    brier_gain: Interval
    log_score: float
    log_gain: Interval
    calibration: float
    resolution: float


def brier_scores(probabilities: Floats, outcomes: Floats) -> Floats:
    """Squared error of each forecast (n,), 0 to 1. Source: Brier (1950)."""
    return np.asarray((probabilities - outcomes) ** 2, dtype=np.float64)


def log_scores(probabilities: Floats, outcomes: Floats) -> Floats:
    """Surprise at each outcome (n,), in nats; of at most `SURE`. Source: Good (1952)."""
    sure = np.clip(probabilities, SURE, 1.0 - SURE)
    return np.asarray(-np.where(outcomes > 0.5, np.log(sure), np.log1p(-sure)), dtype=np.float64)


def calibration_and_resolution(probabilities: Floats, outcomes: Floats, bins: int = 10) -> tuple[float, float]:
    """Murphy's parts of the Brier score over equal `bins`: distance of what was said from what came (less is better),
    and of what came from the base rate (more is better). Source: Murphy (1973).
    """
    places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins).astype(np.float64)
    filled = counts > 0
    said = np.bincount(places, probabilities, bins)[filled] / counts[filled]
    came = np.bincount(places, outcomes, bins)[filled] / counts[filled]
    weights = counts[filled] / len(outcomes)
    return float(weights @ (said - came) ** 2), float(weights @ (came - outcomes.mean()) ** 2)


def skill(probabilities: Floats, outcomes: Floats, baseline: Floats | None = None, *, seed: int = 0) -> Skill | TooFew:
    """Judge forecasts (n,) of events (n,) that came true (1) or not (0), in the order of their making.

    `baseline` are the probabilities to beat; when not given, climatology: the share of these events that came true,
    which nobody knew beforehand and is therefore harder to beat than what anybody could have said. Intervals are of
    the stationary bootstrap. Raises ValueError for what is no probability or no outcome.
    """
    reference = np.full(len(outcomes), outcomes.mean()) if baseline is None else baseline
    if not len(probabilities) == len(outcomes) == len(reference):
        raise ValueError(f"{len(probabilities)} forecasts, {len(reference)} baselines and {len(outcomes)} outcomes")
    for name, values in (("forecast", probabilities), ("baseline", reference)):
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"a {name} is not a probability")
    if not np.isin(outcomes, (0.0, 1.0)).all():
        raise ValueError("an outcome is neither 0 nor 1")
    if len(outcomes) < LEAST_FORECASTS:
        return TooFew(what="forecasts", found=len(outcomes), needed=LEAST_FORECASTS)
    ours, theirs = brier_scores(probabilities, outcomes), brier_scores(reference, outcomes)
    our_logs, their_logs = log_scores(probabilities, outcomes), log_scores(reference, outcomes)
    calibration, resolution = calibration_and_resolution(probabilities, outcomes)
    places = np.arange(len(outcomes), dtype=np.float64)

    def skills(samples: Floats) -> Floats:
        chosen = samples.astype(np.int64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1.0 - ours[chosen].mean(axis=1) / theirs[chosen].mean(axis=1), dtype=np.float64)

    return Skill(
        forecasts=len(outcomes),
        base_rate=float(outcomes.mean()),
        brier=float(ours.mean()),
        brier_of_climatology=float(theirs.mean()),
        brier_skill=float(1.0 - ours.mean() / theirs.mean()) if theirs.any() else 0.0,
        brier_skill_interval=bootstrap_interval(places, skills, seed=seed),
        brier_gain=bootstrap_interval(theirs - ours, means, seed=seed),
        log_score=float(our_logs.mean()),
        log_gain=bootstrap_interval(their_logs - our_logs, means, seed=seed),
        calibration=calibration,
        resolution=resolution,
    )
