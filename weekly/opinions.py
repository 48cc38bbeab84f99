"""What language models say of names, as probabilities of beating the other names over the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from llm.adviser import Advice, Adviser
from llm.evidence import Evidence, Subject
from llm.questions import MAX_SUBJECTS, WEEKLY_VIEWS
from weekly.analysis import Said
from weekly.snapshot import NameEvidence, Snapshot

MOST_SHIFT = 0.25  # the surest view says 75 %: nobody knows more about a week


def probability_of(value: float) -> float:
    """A view in -1 … 1 as a probability: 0 is an even chance."""
    return 0.5 + MOST_SHIFT * min(max(value, -1.0), 1.0)


class Opinions:
    """Asks an adviser about names, at most twenty in one question, by the evidence of a snapshot and nothing else."""

    def __init__(self, adviser: Adviser) -> None:
        self._adviser = adviser

    async def ask(self, symbols: Sequence[str], snapshot: Snapshot) -> Said:
        """Probabilities of the names that a model had a view of. Never raises for a model's sake: it abstains."""
        probabilities: dict[str, float] = {}
        theses: dict[str, str] = {}
        models: dict[str, None] = {}
        calls: list[str] = []
        abstained: dict[str, None] = {}
        cost_usd = 0.0
        for first in range(0, len(symbols), MAX_SUBJECTS):
            part = symbols[first : first + MAX_SUBJECTS]
            about = [snapshot.names.get(symbol, NameEvidence(symbol=symbol)) for symbol in part]
            texts = [text for each in about for text in _texts(each, snapshot.session_date)]
            subjects = [Subject(symbol=each.symbol, names=(each.name,) if each.name else ()) for each in about]
            answer = await self._adviser.views(WEEKLY_VIEWS, subjects, texts)
            if not isinstance(answer, Advice):
                abstained[f"{answer.reason}: {answer.detail}"] = None
                continue
            probabilities |= {view.symbol: probability_of(view.value) for view in answer.views}
            theses |= {view.symbol: view.thesis for view in answer.views}
            models |= dict.fromkeys(answer.models)
            calls += answer.llm_call_ids
            cost_usd += answer.cost_usd
            abstained |= {f"{each.reason}: {each.detail}": None for each in answer.abstentions}
        return Said(
            probabilities=probabilities,
            theses=theses,
            model=" and ".join(models),
            llm_call_ids=tuple(calls),
            cost_usd=cost_usd,
            abstained="; ".join(abstained),
        )


def _texts(about: NameEvidence, day: date) -> list[Evidence]:
    """What is known of a name, as texts. Figures are told with three digits: they are no secret and no order."""
    found: list[Evidence] = []
    if (facts := about.fundamentals) is not None:
        figures = {
            "price to earnings": facts.price_to_earnings,
            "price to book": facts.price_to_book,
            "debt to equity": facts.debt_to_equity,
            "return on equity": facts.return_on_equity,
            "net profit margin": facts.net_profit_margin,
            "revenue growth": facts.revenue_growth,
            "earnings growth": facts.eps_growth,
        }
        told = ", ".join(f"{name} {value:.3g}" for name, value in figures.items() if value is not None)
        if told:
            found.append(Evidence(source="figures of twelve months", text=told, day=day, symbol=about.symbol))
    if (opinion := about.opinion) is not None and opinion.buys + opinion.holds + opinion.sells:
        text = f"analysts: {opinion.buys} buy, {opinion.holds} hold, {opinion.sells} sell"
        found.append(Evidence(source="analysts", text=text, day=day, symbol=about.symbol))
    for item in about.news:
        published = item.published_at.date() if item.published_at is not None else day
        text = f"{item.title}. {item.text}" if item.text else item.title
        found.append(Evidence(source=item.publisher or "news", text=text, day=published, symbol=about.symbol))
    return found
