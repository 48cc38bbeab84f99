"""Sweeps on several processes of this machine or on a Dask cluster. Workers read the bars from the store themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from multiprocessing import get_context

import numpy as np

from market_hours import new_york_calendar
from research.engine import Plan, SweepOutcome, sweep
from research.source import Bars, load, watchlist_of
from research.store import BarStore
from research.stored import StoreSource
from trading.settings import StrategySettings
from trading.strategy import Parameters
from utils import Misconfigured, TradingError

CONNECT_S = 10
RETRIES = 3  # of a task whose worker died
PARTS_A_WORKER = 2  # so that a slow worker holds up little


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What a worker needs to load the bars: a store that it can reach too, the sessions, how symbols are chosen."""

    store: str
    dates: tuple[date, ...]
    symbols: tuple[str, ...]
    all_symbols: bool
    strategy: StrategySettings


def play_part(market: Market, on: Plan, sets: Sequence[Parameters]) -> SweepOutcome:
    """On a worker: load the bars, once for all its parts, and play the sets."""
    return sweep(_bars(market), sets, on)


def sweep_on(executor: Executor, workers: int, market: Market, on: Plan, sets: Sequence[Parameters]) -> SweepOutcome:
    """The same as `engine.sweep`, in parts on the executor. Raises TradingError when workers keep dying."""
    size = -(-len(sets) // (workers * PARTS_A_WORKER))
    parts = [tuple(sets[first : first + size]) for first in range(0, len(sets), size)]
    waiting = [executor.submit(play_part, market, on, part) for part in parts]
    try:
        outcomes = [each.result() for each in waiting]
    except (RuntimeError, OSError) as error:  # BrokenProcessPool is a RuntimeError
        raise TradingError(f"a worker was lost for good: {error}") from error
    return SweepOutcome(
        results=np.concatenate([each.results for each in outcomes]),
        trips=np.concatenate([each.trips for each in outcomes]),
    )


@contextmanager
def workers_of(processes: int, cluster: str) -> Iterator[tuple[Executor, int]]:
    """An executor and how many workers it has: those of a Dask scheduler, else processes of this machine.

    Raises Misconfigured for a cluster that does not answer.
    """
    if not cluster:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
            yield executor, processes
        return
    from distributed import Client

    try:
        client = Client(cluster, timeout=CONNECT_S)  # type: ignore[no-untyped-call]  # it has no types
    except (OSError, ValueError) as error:
        raise Misconfigured(f"the cluster at {cluster} does not answer: {error}") from error
    with client:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise Misconfigured(f"the cluster at {cluster} has no workers")
        yield client.get_executor(retries=RETRIES), workers  # type: ignore[no-untyped-call]  # as above


@lru_cache(maxsize=1)
def _bars(market: Market) -> Bars:
    calendar = new_york_calendar(market.dates[-1])
    sessions = [session for day in market.dates if (session := calendar.session_on(day)) is not None]
    source = StoreSource(BarStore(market.store), calendar, market.symbols)
    return load(source, sessions, watchlist_of(market.symbols, market.strategy, all_symbols=market.all_symbols))
