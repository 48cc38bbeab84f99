"""Searching parameters: every combination, some at random, or Optuna's TPE; and what the best of them is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from random import Random

import numpy as np

from evidence.overfitting import deflated_sharpe, overfitting_probability, sharpe
from research.bootstrap import Interval, mean_and_sharpe, superior_predictive_ability
from research.engine import SweepOutcome
from research.tapes import Floats
from trading.strategy import Parameters
from utils import Misconfigured

MOST_SETS = 200_000
BATCH = 16  # sets that TPE asks for at a time: they share the work on indicators

Values = Mapping[str, Sequence[float]]  # parameter name -> values to try
Point = Mapping[str, float]  # parameter name -> value
ToParameters = Callable[[Point], Parameters]
Play = Callable[[Sequence[Parameters]], SweepOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All trials of a search. `returns` (n_sets, n_sessions) are shares of the account; `trips` (n_sets,).

    The first set is the one in use, which every search tries.
    """

    points: tuple[Point, ...]
    parameters: tuple[Parameters, ...]
    returns: Floats
    trips: np.ndarray

    @property
    def sharpes(self) -> Floats:
        """Sharpe ratio of each set over sessions, not annualised."""
        return sharpe(self.returns)

    @property
    def best(self) -> int:
        """The set with the highest Sharpe ratio."""
        return int(np.argmax(self.sharpes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the best set of a search is worth. Probabilities are NaN for too few sessions.

    `trials` counts every distinct set that was ever tried on these sessions, which the deflated ratio accounts for.
    """

    trials: int
    deflated: float
    overfitting: float
    spa: float
    mean: Interval
    sharpe: Interval


def grid(values: Values) -> Sequence[Point]:
    """Every combination. Raises Misconfigured when there are too many."""
    count = prod(len(each) for each in values.values())
    if count > MOST_SETS:
        raise Misconfigured(f"{count:,} combinations are more than {MOST_SETS:,}: use --method random or tpe")
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


def at_random(values: Values, trials: int, seed: int) -> Sequence[Point]:
    """`trials` different combinations, all of them when there are not more."""
    count = prod(len(each) for each in values.values())
    chosen = Random(seed).sample(range(count), min(trials, count))
    points = []
    for number in chosen:
        point = {}
        for name, each in values.items():
            number, place = divmod(number, len(each))
            point[name] = each[place]
        points.append(point)
    return points


def search_listed(points: Sequence[Point], to_parameters: ToParameters, play: Play, equity: int) -> Found:
    """Play the set in use and all listed ones, in one sweep."""
    listed: list[Point] = [{}, *points]
    parameters = [to_parameters(point) for point in listed]
    return _found(listed, parameters, play(parameters), equity)


def search_tpe(values: Values, trials: int, seed: int, to_parameters: ToParameters, play: Play, equity: int) -> Found:
    """Let Optuna's tree of Parzen estimators choose `trials` sets, a batch at a time, for the best Sharpe ratio."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=BATCH)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    parts = [search_listed([], to_parameters, play, equity)]
    left = trials
    while left > 0:
        asked = [study.ask() for _ in range(min(BATCH, left))]
        left -= len(asked)
        points = [
            {name: each[trial.suggest_int(name, 0, len(each) - 1)] for name, each in values.items()} for trial in asked
        ]
        parameters = [to_parameters(point) for point in points]
        part = _found(points, parameters, play(parameters), equity)
        ratios = dict(zip(part.parameters, part.sharpes.tolist(), strict=True))
        for trial, each in zip(asked, parameters, strict=True):
            study.tell(trial, ratios[each])
        parts.append(part)
    return _distinct(parts)


def judge(found: Found, earlier_sharpes: Floats) -> Judgement:
    """What the best set is worth; `earlier_sharpes` (n,) are of other sets that were tried on the same sessions."""
    best = found.returns[found.best]
    all_sharpes = np.concatenate([found.sharpes, earlier_sharpes])
    mean, ratio = mean_and_sharpe(best)
    return Judgement(
        trials=len(all_sharpes),
        deflated=deflated_sharpe(best, all_sharpes),
        overfitting=overfitting_probability(found.returns),
        spa=superior_predictive_ability(found.returns[0], found.returns[1:]),
        mean=mean,
        sharpe=ratio,
    )


def _found(points: Sequence[Point], parameters: Sequence[Parameters], outcome: SweepOutcome, equity: int) -> Found:
    found = Found(
        points=tuple(points),
        parameters=tuple(parameters),
        returns=outcome.results / equity,
        trips=outcome.trips,
    )
    return _distinct([found])


def _distinct(parts: Sequence[Found]) -> Found:
    """All trials together, each set of parameters once, in order."""
    rows: dict[Parameters, tuple[int, int]] = {}  # parameters -> part and row of their first trial
    for number, part in enumerate(parts):
        for row, parameters in enumerate(part.parameters):
            rows.setdefault(parameters, (number, row))
    return Found(
        points=tuple(parts[number].points[row] for number, row in rows.values()),
        parameters=tuple(rows),
        returns=np.stack([parts[number].returns[row] for number, row in rows.values()]),
        trips=np.array([parts[number].trips[row] for number, row in rows.values()], dtype=np.int64),
    )
