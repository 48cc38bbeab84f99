"""Each symbol's history fetched and scored by one worker; what was asked for in vain is counted."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from day_trading.evidence import filters_of
from day_trading.progress import Progress, no_progress
from health.workers import Ask, WorkerLost, WorkerPool
from market_hours import Session
from tools import history
from trading.bars import Bar
from trading.errors import BrokerUnavailable
from trading.premarket import Evidence, premarket_refusal
from trading.settings import StrategySettings
from trading.watchlist import ATR_CALENDAR_DAYS, Candidate, assess, refused
from utils import Misconfigured, TradingError
from vendors.sources import Sources

log = logging.getLogger(__name__)


class SymbolScores:
    """Candidates from symbols. A symbol without bars is refused; the others go on."""

    def __init__(
        self, sources: Sources, settings: StrategySettings, workers: WorkerPool, progress: Progress = no_progress
    ) -> None:
        self.unanswered: list[str] = []  # symbols whose history somebody may know who did not answer
        self._sources = sources
        self._settings = settings
        self._filters = filters_of(settings)
        self._workers = workers
        self._progress = progress
        self._missing: Counter[str] = Counter()  # why a source had no history -> for how many symbols

    def missing(self) -> list[str]:
        """What could not be had, in an order that does not depend on who answered first."""
        return [f"{words} ({n} symbols)" if n > 1 else words for words, n in sorted(self._missing.items())]

    async def assess_all(
        self, universe: Sequence[str], session: Session, evidence: Mapping[str, Evidence] | None = None
    ) -> list[Candidate]:
        """Every symbol's score or refusal, in the order of `universe`."""
        self.unanswered.clear()
        self._missing.clear()
        known = evidence or {}
        with self._progress(len(universe)) as step:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._assess(symbol, session, known.get(symbol), step)) for symbol in universe
                ]
        return [task.result() for task in tasks]

    async def _assess(
        self, symbol: str, session: Session, evidence: Evidence | None, step: Callable[[], None]
    ) -> Candidate:
        """One symbol on one worker, unless what is known of today refuses it before."""
        try:
            if evidence and (words := premarket_refusal(evidence, self._filters)):
                return refused(symbol, words)
            return await self._workers.run(self._fetch_and_score, symbol, session, evidence)
        except WorkerLost as error:
            log.info("%s is left out: %s", symbol, error)
            return self._score(symbol, [], evidence)
        finally:
            step()

    def _fetch_and_score(self, ask: Ask, symbol: str, session: Session, evidence: Evidence | None) -> Candidate:
        """On a worker's thread, which waits for the bars that come through the event loop."""
        return self._score(symbol, ask(lambda: self._history(symbol, session)), evidence)

    async def _history(self, symbol: str, session: Session) -> list[Bar]:
        """Daily bars from the first source that has them."""
        found = await history(self._sources, symbol, session.date, ATR_CALENDAR_DAYS)
        self._missing.update(found.missing)
        if not found.is_known:
            log.info("%s is left out: %s", symbol, "; ".join(found.missing))
        if found.unanswered:
            self.unanswered.append(symbol)
        return found.value

    def _score(self, symbol: str, bars: Sequence[Bar], evidence: Evidence | None) -> Candidate:
        settings = self._settings
        floor_pct = settings.strategy_atr_floor_pct if settings.atr_timeframe == "day" else 0.0
        return assess(
            symbol,
            bars,
            floor_pct,
            settings.watchlist_min_price_usd,
            settings.watchlist_min_dollar_volume_usd,
            evidence=evidence,
            min_relative_volume=settings.watchlist_min_relative_volume,
        )


def nothing_fit(candidates: Sequence[Candidate], unanswered: Sequence[str]) -> TradingError:
    """The error of an empty list: BrokerUnavailable for want of answers, else Misconfigured."""
    if unanswered:
        return BrokerUnavailable(f"the broker told no daily history of {', '.join(unanswered[:3])}")
    reasons = "; ".join(f"{c.symbol}: {c.refusal}" for c in candidates[:3])
    return Misconfigured(f"none of {len(candidates)} symbols is fit for the watchlist ({reasons})")
