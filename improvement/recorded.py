"""The sessions that the day trader recorded, ready to be replayed under any set of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import islice

import numpy as np

from evidence.bootstrap import Floats
from evidence.regime import watchlist_index
from improvement.gate import LEAST_SESSIONS, WINDOW
from improvement.parameters import PERCENT_BPS, ParameterSet
from market_hours import Session
from research.engine import Plan, plan, simulate_plainly, sweep
from research.source import Bars, BarSource, Tape, load_known
from research.stress import with_doubled_costs
from trading.bar_columns import BarColumns, joined
from trading.indicators import AtrState
from trading.matching import BAR_SECONDS
from trading.money import money_to_usd
from trading.settings import RiskSettings

QUIET_END_S = 600  # the last minutes may have no trade
ONE_BPS = 1.0 / (PERCENT_BPS * PERCENT_BPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """What a session began with. `watchlist` is symbol -> daily ATR, in rank order."""

    session: Session
    equity_usd: float
    allocation: float
    watchlist: Mapping[str, AtrState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What one session brought in replay. `result_bps` is of equity at the open."""

    pnl_usd: float
    result_bps: float
    round_trips: int


class NoBars:
    """The source of those who keep no bars: `tape` raises LookupError."""

    name = "no bars"

    def symbols(self, session_date: date) -> tuple[str, ...]:
        return ()

    def tape(self, symbol: str, session: Session) -> Tape:
        raise LookupError(f"no bars of {symbol} are kept")

    def daily(self, symbol: str, before: date, first: date) -> BarColumns:
        return joined([])


class RecordedSessions:
    """`improvement.gate.Replays` over recorded bars. Each session is played on its own, from its own equity.

    The same question is answered once: results are kept by set. Below `LEAST_SESSIONS` nothing is compiled.
    """

    def __init__(
        self, plans: Sequence[SessionPlan], source: BarSource, risk: RiskSettings, *, minute_atr: bool
    ) -> None:
        self._source = source
        self._risk = risk
        self._minute_atr = minute_atr
        whole = (each for each in reversed(plans) if self._is_whole(each))
        self._plans = list(islice(whole, WINDOW))[::-1]
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

    def last(self, parameters: ParameterSet) -> Replayed:
        """The newest session under one set. Raises IndexError without a recorded session."""
        bars, on = self._loaded(self._plans[-1])
        outcome = simulate_plainly(bars, parameters.rules(), on)
        return Replayed(
            pnl_usd=money_to_usd(outcome.pnl),
            result_bps=outcome.pnl / on.equity / ONE_BPS,
            round_trips=len(outcome.trips),
        )

    def indexes(self, most: int) -> list[Floats]:
        """Minute closes of the watchlist, as one series for each of the last `most` sessions."""
        return [self._index(each) for each in self._plans[-most:]]

    def _played(self, sets: Sequence[ParameterSet], stressed: bool) -> Floats:
        rules = [each.rules() for each in sets]
        results = np.zeros((len(sets), len(self._plans)))
        for column, (bars, on) in enumerate(self._stressed if stressed else self._usual):
            if len(self._plans) < LEAST_SESSIONS:
                brought: Sequence[int] = [simulate_plainly(bars, each, on).pnl for each in rules]
            else:
                brought = sweep(bars, rules, on).results[:, 0].tolist()
            results[:, column] = np.array(brought) / on.equity
        return results / ONE_BPS

    @cached_property
    def _usual(self) -> list[tuple[Bars, Plan]]:
        return [self._loaded(each) for each in self._plans]

    @cached_property
    def _stressed(self) -> list[tuple[Bars, Plan]]:
        return [(with_doubled_costs(bars), on) for bars, on in self._usual]

    def _loaded(self, recorded: SessionPlan) -> tuple[Bars, Plan]:
        bars = load_known(self._source, recorded.session, recorded.watchlist)
        on = plan(recorded.equity_usd, recorded.allocation, self._risk, minute_atr=self._minute_atr)
        return bars, on

    def _is_whole(self, recorded: SessionPlan) -> bool:
        """Whether bars reach until about the time exit: a session that was stopped early says nothing about it."""
        end_s = int(recorded.session.eod.timestamp()) - QUIET_END_S
        return any(int(tape.start_s[-1]) >= end_s for tape in self._tapes(recorded))

    def _tapes(self, recorded: SessionPlan) -> list[Tape]:
        there = self._source.symbols(recorded.session.date)
        return [self._source.tape(symbol, recorded.session) for symbol in recorded.watchlist if symbol in there]

    def _index(self, recorded: SessionPlan) -> Floats:
        session, tapes = recorded.session, self._tapes(recorded)
        last_s = max(int(tape.start_s[-1]) for tape in tapes)
        minutes = np.arange(session.open_s, last_s + 1, BAR_SECONDS)
        closes = [tape.close[np.maximum(np.searchsorted(tape.start_s, minutes, "right") - 1, 0)] for tape in tapes]
        return watchlist_index(np.stack(closes, axis=1).astype(np.float64))
