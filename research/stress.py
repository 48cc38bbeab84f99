"""How much of a result survives worse luck: twice the spread, entries a bar late, parameters a little off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.compiled import compiled
from research.engine import Outcome, Plan, simulate, sweep
from research.sessions import OPENED_S, TRIP_QUANTITY, TRIP_TAPE, session_rates
from research.source import Bars
from research.tapes import (
    CLOSE_S,
    END_POINT,
    EOD_S,
    FIRST_BAR,
    FIRST_POINT,
    FIRST_RATE,
    POINT_HALF,
    POINT_JUMP,
    POINT_PRICE,
    POINT_S,
    POINTS_A_BAR,
    Int64s,
    Tapes,
    bar_at,
    first_point_at,
    n_points,
    point,
)
from research.trips import FEE, FILL_COLUMNS, PRICE, QUANTITY, SIDE, Entry, follow_trip
from trading.costs import BUY
from trading.matching import BAR_SECONDS, ask_at, half_spread_at
from trading.money import notional
from trading.strategy import Parameters

DELAY_S = BAR_SECONDS
NEIGHBOURS = (0.9, 1.1)  # of each parameter
MOST_FILLS = 4_096  # of one round trip


class Stressed(NamedTuple):
    """One stress: its result in 1e-6 USD and its round trips."""

    name: str
    result: int
    trips: int


def stress(bars: Bars, parameters: Parameters, on: Plan) -> list[Stressed]:
    """The result as it is, then under each stress."""
    usual = simulate(bars, parameters, on)
    wide = simulate(with_wider_spread(bars, 2), parameters, on)
    late = delayed_results(usual, parameters)
    near = neighbours(parameters)
    around = sweep(bars, near, on)
    return [
        Stressed("as it is", usual.pnl, len(usual.trips)),
        Stressed("twice the spread", wide.pnl, len(wide.trips)),
        Stressed("each entry one bar later", int(late.sum()), len(late)),
        *(
            Stressed(_difference(parameters, each), int(results.sum()), int(trips))
            for each, results, trips in zip(near, around.results, around.trips, strict=True)
        ),
    ]


def neighbours(parameters: Parameters) -> list[Parameters]:
    """Each parameter a tenth lower and higher, the others as they are."""
    near = []
    for name, value in parameters._asdict().items():
        for factor in NEIGHBOURS:
            moved = type(value)(round(value * factor, 6))
            if moved != value:
                near.append(parameters._replace(**{name: moved}))
    return near


def with_wider_spread(bars: Bars, factor: int) -> Bars:
    """The same prices, every half-spread `factor` times as wide; path points are written out for it."""
    write = compiled(write_points)
    ends = np.cumsum([n_points(bars.tapes, tape) for tape in range(bars.n_tapes)])
    tapes = bars.tapes.tapes.copy()
    tapes[:, FIRST_POINT], tapes[:, END_POINT] = np.concatenate([[0], ends[:-1]]), ends
    points = np.empty((POINTS_A_BAR, int(ends[-1])), dtype=np.int64)
    for tape in range(bars.n_tapes):
        write(bars.tapes, tape, factor, points[:, tapes[tape, FIRST_POINT] : tapes[tape, END_POINT]])
    return Bars(tapes=bars.tapes._replace(points=points, tapes=tapes), symbols=bars.symbols, dates=bars.dates)


def write_points(tapes: Tapes, tape: int, factor: int, points: Int64s) -> None:
    """The path of a tape into `points` (4, n_points), its half-spreads `factor` times as wide."""
    for number in range(points.shape[1]):
        shown = point(tapes, tape, number)
        points[POINT_S, number], points[POINT_PRICE, number] = shown.second, shown.price
        points[POINT_JUMP, number] = shown.jump
        points[POINT_HALF, number] = factor * half_spread_at(shown.price, shown.half)


def with_doubled_costs(bars: Bars) -> Bars:
    """The same prices with every half-spread and every fee twice as large."""
    wide = with_wider_spread(bars, 2)
    sessions = wide.tapes.sessions.copy()
    sessions[:, FIRST_RATE:] *= 2
    return Bars(tapes=wide.tapes._replace(sessions=sessions), symbols=wide.symbols, dates=wide.dates)


def delayed_results(outcome: Outcome, parameters: Parameters) -> Int64s:
    """Result in 1e-6 USD of each round trip, entered a bar later at the ask of then and left by the same rules.

    Entries that would come after EOD time are not made. The account's limits are not judged anew.
    """
    follow = compiled(follow_trip)
    bars = outcome.bars
    results = []
    for trip in outcome.trips:
        tape, second = int(trip[TRIP_TAPE]), int(trip[OPENED_S]) + DELAY_S
        session = bars.session_of(tape)
        eod_s, close_s = (int(bars.tapes.sessions[session, column]) for column in (EOD_S, CLOSE_S))
        if second >= eod_s:
            continue
        following = first_point_at(bars.tapes, tape, second + 1)
        here = point(bars.tapes, tape, following - 1)
        first, end = bars.tapes.tapes[tape, FIRST_BAR : FIRST_BAR + 2]
        published = bar_at(bars.tapes.bars[0, first:end], second - BAR_SECONDS) + 1
        price = ask_at(here.price, here.half)
        entry = Entry(tape, second, int(trip[TRIP_QUANTITY]), price, here.price, here.half, following, published)
        fills = np.empty((MOST_FILLS, FILL_COLUMNS), np.int64)
        rates = session_rates(bars.tapes, session)
        count = follow(bars.tapes, entry, parameters, eod_s, close_s, rates, fills, 0)
        results.append(_result(fills[:count]))
    return np.array(results, dtype=np.int64)


def _result(fills: Int64s) -> int:
    """Sold less bought less fees."""
    money = (
        notional(int(fill[PRICE]), int(fill[QUANTITY])) * (-1 if fill[SIDE] == BUY else 1) - int(fill[FEE])
        for fill in fills
    )
    return sum(money)


def _difference(usual: Parameters, moved: Parameters) -> str:
    name = next(name for name in Parameters._fields if getattr(usual, name) != getattr(moved, name))
    return f"{name} {getattr(moved, name):g}"
