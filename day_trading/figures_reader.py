"""The language models that read a session's figures, where the user has any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evidence.insights import Insight
from llm.opening import advising
from llm.settings import LlmSettings
from market_hours import Clock
from observability import TradingHistory
from records.rows import DailyMetricsRow
from self_evaluation import DailyInsights, SessionFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresReader:
    """Asks once a session, after the close, in the order of an open market. `replay` is a recording to ask instead."""

    settings: LlmSettings
    replay: Path | None
    history: TradingHistory
    clock: Clock

    async def read(
        self, insights: DailyInsights, facts: SessionFacts, metrics: DailyMetricsRow, found: Sequence[Insight]
    ) -> tuple[Insight, ...]:
        """What a model has to add to what the rules `found`; nothing where there is none, or it abstains."""
        opened = advising(self.settings, clock=self.clock, call_log=self.history, force_online=True, replay=self.replay)
        async with opened as adviser:
            if adviser is None:
                return ()
            return await insights.by_model(adviser, facts, metrics, found, self.clock.now())
