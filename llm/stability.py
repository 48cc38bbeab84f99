"""How much of a view survives asking again: mean over the folds, shrunk by their disagreement. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, pstdev
from typing import TypeVar

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stable:
    """`value` and `mean` in -1..1, |value| <= |mean|; `agreement` 0 to 1."""

    value: float
    mean: float
    agreement: float


def shrunk(values: Sequence[float], folds: int) -> Stable:
    """The view from `values`, one of each fold that had one; a fold without counts as neutral.

    agreement = 1 - standard deviation / |mean|, not below 0: folds that all say 0.6 keep it, folds of which the
    sign is uncertain (a deviation as large as the mean) leave nothing. Raises ValueError for more values than folds.
    """
    if len(values) > folds or folds < 1:
        raise ValueError(f"{len(values)} values of {folds} folds")
    told = [*values, *[0.0] * (folds - len(values))]
    mean = fmean(told)
    agreement = max(0.0, 1.0 - pstdev(told) / abs(mean)) if mean else 0.0
    return Stable(value=mean * agreement, mean=mean, agreement=agreement)


def orders(items: Sequence[ItemT], folds: int, seed: int) -> list[tuple[ItemT, ...]]:
    """`folds` orders of `items`, the first as given. The same seed gives the same orders."""
    random = Random(seed)
    found = [tuple(items)]
    while len(found) < folds:
        shuffled = list(items)
        random.shuffle(shuffled)
        found.append(tuple(shuffled))
    return found[:folds]
