"""Who answers a need, in order: the first that can. What was asked before and failed is said with the answer."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from market_hours import Clock
from trading.bars import Bar
from trading.errors import HistoryUnavailable
from vendors.facts import Answer, Need
from vendors.failures import VendorError, VendorUnavailable

log = logging.getLogger(__name__)
T = TypeVar("T")
NO_ANSWER = 0  # code of a HistoryUnavailable: the broker said nothing

DailyBars = Callable[[str, date, int], Awaitable[list[Bar]]]  # (symbol, session date, calendar days before it)


class Found(NamedTuple, Generic[T]):
    """What a source knows, as of when, and how many of the rows behind it were dropped."""

    value: T
    as_of: datetime
    dropped_rows: int = 0


class Source(Protocol):
    """Answers some needs. Each function raises VendorError or HistoryUnavailable; a lost broker is not caught here."""

    name: str
    needs: Mapping[Need, Callable[..., Awaitable[Found[Any]]]]

    async def close(self) -> None: ...


class BrokerSource:
    """History from the gateway, real or simulated. Its connection belongs to somebody else."""

    def __init__(self, name: str, daily_bars: DailyBars, clock: Clock) -> None:
        self.name = name
        self.needs: Mapping[Need, Callable[..., Awaitable[Found[Any]]]] = {Need.HISTORY: self.history}
        self._daily_bars = daily_bars
        self._clock = clock

    async def history(self, symbol: str, session_date: date, calendar_days: int) -> Found[list[Bar]]:
        return Found(await self._daily_bars(symbol, session_date, calendar_days), self._clock.now())

    async def close(self) -> None: ...


class Sources:
    """All sources in order. A failing one costs its answer, never the caller's day."""

    def __init__(self, sources: Sequence[Source], clock: Clock) -> None:
        self.sources = tuple(sources)
        self.failures: Counter[str] = Counter()  # "FMP AUTH" -> how often
        self._clock = clock

    async def ask(self, need: Need, empty: T, *arguments: Any) -> Answer[T]:
        """The first source's answer that is not empty. `empty` is the value when there is none."""
        missing: list[str] = []
        dropped = 0
        unanswered = False
        for source in self.sources:
            question = source.needs.get(need)
            if question is None:
                continue
            try:
                found = await question(*arguments)
            except (VendorError, HistoryUnavailable) as error:
                unanswered |= isinstance(error, VendorUnavailable) or getattr(error, "code", None) == NO_ANSWER
                kind = error.failure if isinstance(error, VendorError) else type(error).__name__
                self.failures[f"{source.name} {kind}"] += 1
                missing.append(f"{kind}: {error}" if isinstance(error, VendorError) else f"{source.name}: {error}")
                continue
            dropped += found.dropped_rows
            if found.value or not _can_be_empty(found.value):
                age_s = max(0.0, (self._clock.now() - found.as_of).total_seconds())
                return Answer(
                    value=found.value,
                    source=source.name,
                    age_s=age_s,
                    missing=tuple(missing),
                    dropped_rows=dropped,
                )
            missing.append(f"{source.name} {need}: nothing" + f", {found.dropped_rows} rows dropped" * bool(dropped))
        if not missing:
            missing.append(f"{need}: no source is set up")
        return Answer(value=empty, source="", missing=tuple(missing), dropped_rows=dropped, unanswered=unanswered)

    async def close(self) -> None:
        for source in self.sources:
            await source.close()


def _can_be_empty(value: Any) -> bool:
    return isinstance(value, tuple | list | dict)
