"""Does a decision know what it cannot know? The future is removed, then scrambled; what came before must not change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from research.engine import Outcome
from research.source import Bars
from research.tapes import (
    CLOSE,
    CLOSE_S,
    END_BAR,
    END_POINT,
    FIRST_BAR,
    FIRST_POINT,
    OPEN_S,
    POINT_PRICE,
    POINT_S,
    START,
    VOLUME,
    Flags,
    Int64s,
)
from research.trips import SECOND
from research.walk_forward import sessions_of
from trading.matching import BAR_SECONDS

TICK = 100  # a cent, valid at every price
Play = Callable[[Bars], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A cut after which the future changed the past."""

    session_date: date
    cut_s: int
    change: str


def find_leaks(bars: Bars, play: Play, cuts: int, seed: int) -> list[Leak]:
    """Play `cuts` random sessions with the future of a random minute removed and scrambled; every difference before."""
    random = np.random.default_rng(seed)
    leaks = []
    for _ in range(cuts):
        session = int(random.integers(len(bars.dates)))
        alone = sessions_of(bars, session, session + 1)
        open_s, close_s = (int(alone.tapes.sessions[0, column]) for column in (OPEN_S, CLOSE_S))
        cut_s = open_s + BAR_SECONDS * int(random.integers(1, (close_s - open_s) // BAR_SECONDS))
        expected = fills_before(play(alone), cut_s)
        changes = {"removed": without_future(alone, cut_s), "scrambled": scrambled_future(alone, cut_s, random)}
        for change, changed in changes.items():
            if not np.array_equal(fills_before(play(changed), cut_s), expected):
                leaks.append(Leak(session_date=bars.dates[session], cut_s=cut_s, change=change))
    return leaks


def fills_before(outcome: Outcome, cut_s: int) -> Int64s:
    """All fills before an instant, in an order that does not depend on what follows."""
    fills = outcome.fills[outcome.fills[:, SECOND] < cut_s]
    return fills[np.lexsort(fills.T)]


def without_future(bars: Bars, cut_s: int) -> Bars:
    """The bars that started, and the path points that were shown, before an instant."""
    tapes = bars.tapes.tapes.copy()
    kept_bars, kept_points = bars.tapes.bars[START] < cut_s, bars.tapes.points[POINT_S] < cut_s
    _renumber(tapes, kept_bars, FIRST_BAR, END_BAR)
    _renumber(tapes, kept_points, FIRST_POINT, END_POINT)
    cut = bars.tapes._replace(
        bars=bars.tapes.bars[:, kept_bars].copy(), points=bars.tapes.points[:, kept_points].copy(), tapes=tapes
    )
    return Bars(tapes=cut, symbols=bars.symbols, dates=bars.dates)


def scrambled_future(bars: Bars, cut_s: int, random: np.random.Generator) -> Bars:
    """The same instants, with prices between half and half as much again and other volumes from an instant on."""
    columns, points = bars.tapes.bars.copy(), bars.tapes.points.copy()
    later = columns[START] >= cut_s
    factors = random.uniform(0.5, 1.5, int(later.sum()))
    for price in range(START + 1, CLOSE + 1):
        columns[price, later] = np.maximum(columns[price, later] * factors // TICK * TICK, TICK).astype(np.int64)
    columns[VOLUME, later] = random.permutation(columns[VOLUME, later])
    shown = points[POINT_S] >= cut_s
    moved = points[POINT_PRICE, shown] * random.uniform(0.5, 1.5, int(shown.sum()))
    points[POINT_PRICE, shown] = np.maximum(moved // TICK * TICK, TICK).astype(np.int64)
    return Bars(tapes=bars.tapes._replace(bars=columns, points=points), symbols=bars.symbols, dates=bars.dates)


def _renumber(tapes: Int64s, kept: Flags, first: int, end: int) -> None:
    """Where each tape's rows begin and end once only the kept ones are there."""
    before = np.concatenate([[0], np.cumsum(kept)])
    tapes[:, first], tapes[:, end] = before[tapes[:, first]], before[tapes[:, end]]
