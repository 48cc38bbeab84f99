"""A backtest: stretch after stretch of sessions on one account, so that memory holds one stretch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from research.engine import Plan, simulate, simulate_every_instant
from research.search import Found
from research.sessions import RESULT
from research.source import Bars
from research.tapes import Int64s
from research.trials import MarketName
from trading.book import RoundTrip
from trading.strategy import Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What all sessions brought, without their bars. `days` are rows of `research.sessions`.

    `denials` counts judgements by rule, where they were asked for. `market` names what was played, for the record.
    """

    parameters: Parameters
    dates: tuple[date, ...]
    symbol_days: int
    n_bars: int
    trips: tuple[RoundTrip, ...]
    days: Int64s
    denials: Mapping[str, int]
    market: str

    @property
    def pnl(self) -> int:
        """Net result of all sessions in 1e-6 USD."""
        return int(self.days[:, RESULT].sum())

    def as_trial(self, equity: int) -> Found:
        """The one set of parameters as a search of its own, in shares of the account (1e-6 USD)."""
        trips = np.array([len(self.trips)], dtype=np.int64)
        returns = self.days[None, :, RESULT] / equity
        return Found(points=({},), parameters=(self.parameters,), returns=returns, trips=trips)


def backtest(
    stretches: Iterable[Bars], parameters: Parameters, on: Plan, origin: str, *, why: bool = False
) -> Backtest:
    """Play the stretches in their order; the result of one is money of the next. `origin` says where bars are from.

    `why` counts every judgement, which is slower.
    """
    play = simulate_every_instant if why else simulate
    dates, trips, days = list[date](), list[RoundTrip](), list[Int64s]()
    symbol_days, n_bars = 0, 0
    denials = Counter[str]()
    name = MarketName(origin, on)
    equity = on.equity
    for bars in stretches:
        name.add(bars)
        outcome = play(bars, parameters, on._replace(equity=equity))
        equity += outcome.pnl
        dates += bars.dates
        symbol_days, n_bars = symbol_days + bars.n_tapes, n_bars + bars.n_bars
        trips += outcome.round_trips()
        days.append(outcome.days)
        denials.update(outcome.denials() if why else {})
        del bars, outcome  # before the next stretch is loaded
    return Backtest(
        parameters=parameters,
        dates=tuple(dates),
        symbol_days=symbol_days,
        n_bars=n_bars,
        trips=tuple(trips),
        days=np.concatenate(days),
        denials=denials,
        market=name.text(),
    )
