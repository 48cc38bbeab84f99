"""The sessions that the day trader recorded, ready to be replayed under any set of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evidence.bootstrap import Floats
from improvement.gate import WINDOW
from improvement.parameters import PERCENT_BPS, ParameterSet
from market_hours import Session
from research.engine import Plan, plan, sweep
from research.source import Bars, BarSource, load_known
from research.stress import with_doubled_costs
from trading.indicators import AtrState
from trading.settings import RiskSettings

MICRO_USD = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """What a session began with. `watchlist` is symbol -> daily ATR, in rank order."""

    session: Session
    equity_usd: float
    allocation: float
    watchlist: Mapping[str, AtrState]


class RecordedSessions:
    """`improvement.gate.Replays` over recorded bars. Each session is played on its own, from its own equity.

    The same question is answered once: results are kept by set.
    """

    def __init__(
        self, plans: Sequence[SessionPlan], source: BarSource, risk: RiskSettings, *, minute_atr: bool
    ) -> None:
        self._source = source
        self._risk = risk
        self._minute_atr = minute_atr
        self._plans = [each for each in plans if self._has_bars(each)][-WINDOW:]
        self._known: dict[tuple[ParameterSet, bool], Floats] = {}

    @property
    def sessions(self) -> tuple[str, ...]:
        return tuple(each.session.date.isoformat() for each in self._plans)

    def bps(self, sets: Sequence[ParameterSet], *, stressed: bool = False) -> Floats:
        new = [each for each in dict.fromkeys(sets) if (each, stressed) not in self._known]
        if new:
            played = self._played(new, stressed)
            self._known |= {(each, stressed): row for each, row in zip(new, played, strict=True)}
        return np.stack([self._known[each, stressed] for each in sets])

    def _played(self, sets: Sequence[ParameterSet], stressed: bool) -> Floats:
        rules = [each.rules() for each in sets]
        results = np.zeros((len(sets), len(self._plans)))
        for column, (bars, on) in enumerate(self._stressed if stressed else self._usual):
            results[:, column] = sweep(bars, rules, on).results[:, 0] / on.equity
        return results * (PERCENT_BPS * PERCENT_BPS)

    @cached_property
    def _usual(self) -> list[tuple[Bars, Plan]]:
        return [
            (
                load_known(self._source, each.session, each.watchlist),
                plan(each.equity_usd, each.allocation, self._risk, minute_atr=self._minute_atr),
            )
            for each in self._plans
        ]

    @cached_property
    def _stressed(self) -> list[tuple[Bars, Plan]]:
        return [(with_doubled_costs(bars), on) for bars, on in self._usual]

    def _has_bars(self, recorded: SessionPlan) -> bool:
        """Whether any symbol of the session's watchlist is in the store."""
        there = self._source.symbols(recorded.session.date)
        return any(symbol in there for symbol in recorded.watchlist)
