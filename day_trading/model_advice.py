"""Views of language models on the watchlist: headlines and figures in, a boost or a veto out.

What a view can do is said in `trading.advice`: move a symbol by one band of ranks. Without a model, without news,
without an answer in time the list stands as the scores made it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from llm.adviser import Adviser, SymbolView
from llm.calling import CallLog
from llm.evidence import Evidence as Text
from llm.evidence import Subject
from llm.opening import configured, open_adviser, open_models
from llm.outcomes import Abstained
from llm.questions import MAX_SUBJECTS, WATCHLIST
from llm.settings import LlmSettings
from market_hours import Clock
from trading.advice import Stance, View
from trading.premarket import Evidence

DECIDED = 0.5  # of 1: a view weaker than half a certain one moves nothing


class ModelAdviser:
    """Asks about at most `MAX_SUBJECTS` symbols at a time, with the news and figures of the morning of `day`."""

    def __init__(self, adviser: Adviser, day: date) -> None:
        self._adviser = adviser
        self._day = day

    async def __call__(self, evidence: Sequence[Evidence]) -> dict[str, View]:
        """A view on each symbol; an abstention says why."""
        views: dict[str, View] = {}
        for first in range(0, len(evidence), MAX_SUBJECTS):
            views |= await self._ask(evidence[first : first + MAX_SUBJECTS])
        return views

    async def _ask(self, group: Sequence[Evidence]) -> dict[str, View]:
        subjects = [Subject(symbol=each.symbol, names=(each.name,) if each.name else ()) for each in group]
        texts = [text for each in group for text in texts_of(each, self._day)]
        advice = await self._adviser.views(WATCHLIST, subjects, texts)
        if isinstance(advice, Abstained):
            return dict.fromkeys(
                (each.symbol for each in group), View(Stance.ABSTAIN, f"{advice.reason}: {advice.detail}")
            )
        dropped = {each.symbol: View(Stance.ABSTAIN, f"{each.reason}: {each.detail}") for each in advice.dropped}
        return dropped | {each.symbol: view_of(each) for each in advice.views}


def view_of(said: SymbolView) -> View:
    """A value in -1..1, shrunk where the model disagreed with itself, as a stance."""
    stance = Stance.BOOST if said.value >= DECIDED else Stance.VETO if said.value <= -DECIDED else Stance.NEUTRAL
    return View(stance, said.thesis)


def texts_of(evidence: Evidence, day: date) -> list[Text]:
    """Headlines first: what is cut off at the end of a long prompt are figures. Nothing known, nothing told."""
    told = [Text(source="headline", text=line, day=day, symbol=evidence.symbol) for line in evidence.headlines]
    figures = [
        f"gap of {evidence.gap_pct:+.2f} % to the last close" if evidence.gap_pct is not None else "",
        f"spread of {evidence.spread_bps:.1f} bps" if evidence.spread_bps is not None else "",
        "reports earnings today" if evidence.reports_today else "",
    ]
    if told and any(figures):  # figures alone are the scores' business
        words = ", ".join(filter(None, figures))
        told.append(Text(source="market data", text=words, day=day, symbol=evidence.symbol))
    return told


@asynccontextmanager
async def open_model_adviser(
    settings: LlmSettings | None,
    day: date,
    clock: Clock,
    call_log: CallLog,
    *,
    replay: Path | None = None,
    force_online: bool = False,
) -> AsyncIterator[ModelAdviser | None]:
    """The adviser of this morning; None where no model has a key or a URL and there is no recording to replay."""
    if settings is None or not (replay or configured(settings)):
        yield None
        return
    models = open_models(settings, clock=clock, call_log=call_log, replay=replay, force_online=force_online)
    try:
        yield ModelAdviser(open_adviser(models, settings), day)
    finally:
        await models.close()
