"""Walk-forward: parameters chosen on past sessions, played on the sessions that follow, again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evidence.overfitting import sharpe
from research.engine import Plan, simulate
from research.search import Found
from research.sessions import RESULT
from research.source import Bars
from research.tapes import END_BAR, END_POINT, END_TAPE, FIRST_BAR, FIRST_POINT, FIRST_TAPE, Floats
from trading.strategy import Parameters
from utils import Misconfigured


class Window(NamedTuple):
    """Numbers of sessions: chosen on [train_first, train_end), played on [test_first, test_end)."""

    train_first: int
    train_end: int
    test_first: int
    test_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One window: what was chosen, its Sharpe ratio where it was chosen, and its returns (n,) where it was played."""

    window: Window
    parameters: Parameters
    train_sharpe: float
    returns: Floats
    trips: int


def windows(n_sessions: int, train: int, test: int, purge: int, *, anchored: bool) -> list[Window]:
    """Windows that follow one another; `purge` sessions between choosing and playing belong to neither.

    Anchored ones all begin with the first session, rolling ones have `train` sessions. The last may play fewer than
    `test`. Raises Misconfigured when there is no room for one.
    """
    if n_sessions < train + purge + 1:
        raise Misconfigured(f"{n_sessions} sessions are too few to choose on {train} and play after {purge} more")
    found = []
    for test_first in range(train + purge, n_sessions, test):
        end = test_first - purge
        found.append(Window(0 if anchored else end - train, end, test_first, min(test_first + test, n_sessions)))
    return found


def walk(bars: Bars, found: Found, on: Plan, chosen: Sequence[Window]) -> Iterator[Step]:
    """Choose by the Sharpe ratio of the training sessions, which all windows share, and play what follows.

    Each window is played on an account of its own that begins with what the one before it left.
    """
    equity = on.equity
    for window in chosen:
        ratios = sharpe(found.returns[:, window.train_first : window.train_end])
        best = int(np.argmax(ratios))
        played = simulate(
            sessions_of(bars, window.test_first, window.test_end), found.parameters[best], on._replace(equity=equity)
        )
        results = played.days[:, RESULT]
        yield Step(
            window=window,
            parameters=found.parameters[best],
            train_sharpe=float(ratios[best]),
            returns=results / equity,
            trips=len(played.trips),
        )
        equity += int(results.sum())


def sessions_of(bars: Bars, first: int, end: int) -> Bars:
    """The sessions with numbers `first` to `end` - 1 alone, as copies."""
    sessions = bars.tapes.sessions[first:end].copy()
    first_tape, end_tape = int(sessions[0, FIRST_TAPE]), int(sessions[-1, END_TAPE])
    tapes = bars.tapes.tapes[first_tape:end_tape].copy()
    first_bar, end_bar = int(tapes[0, FIRST_BAR]), int(tapes[-1, END_BAR])
    first_point, end_point = int(tapes[0, FIRST_POINT]), int(tapes[-1, END_POINT])
    tapes[:, [FIRST_BAR, END_BAR]] -= first_bar
    tapes[:, [FIRST_POINT, END_POINT]] -= first_point
    sessions[:, [FIRST_TAPE, END_TAPE]] -= first_tape
    cut = bars.tapes._replace(
        bars=bars.tapes.bars[:, first_bar:end_bar].copy(),
        points=bars.tapes.points[:, first_point:end_point].copy(),
        tapes=tapes,
        atr=bars.tapes.atr[first_tape:end_tape].copy(),
        sessions=sessions,
    )
    return Bars(tapes=cut, symbols=bars.symbols, dates=bars.dates[first:end])
