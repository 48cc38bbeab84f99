"""Views on symbols: evidence in several orders under anonymous names, numbers checked, disagreement shrunk.

What comes out can do no harm by its form: only symbols that were asked about, only values in -1..1, only checked
texts. What is done with it is for rules to say, within their own bounds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from llm.evidence import Evidence, Subject, anonymised, distinct, fenced
from llm.grounding import ungrounded
from llm.language_models import LanguageModels
from llm.outcomes import Abstained, Answered, Reason
from llm.prompts import load_prompt
from llm.questions import (
    DAILY_INSIGHTS,
    MAX_SUBJECTS,
    Insights,
    Question,
    Suggestion,
    View,
    Views,
    schema_of,
    views_class,
)
from llm.stability import orders, shrunk


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolView:
    """`value` in -1..1 after shrinking, `agreement` 0 to 1, `thesis` of the first fold that had one."""

    symbol: str
    value: float
    agreement: float
    folds: int
    thesis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A view that was not believed, and why."""

    symbol: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Views by symbol, in the order asked. A symbol without one has no entry: no opinion is not a neutral one."""

    views: tuple[SymbolView, ...]
    dropped: tuple[Dropped, ...]
    abstentions: tuple[Abstained, ...]
    llm_call_ids: tuple[str, ...]
    models: tuple[str, ...]
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresRead:
    """What `model` read in a day's figures: checked texts, and directions for parameters that name no value."""

    insights: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]
    model: str
    llm_call_id: str


class Adviser:
    """Asks `models` about symbols, `folds` times each question, with at most `evidence_chars` of evidence."""

    def __init__(self, models: LanguageModels, *, folds: int, evidence_chars: int) -> None:
        self._models = models
        self._folds = folds
        self._evidence_chars = evidence_chars

    async def views(
        self, question: Question, subjects: Sequence[Subject], evidence: Sequence[Evidence]
    ) -> Advice | Abstained:
        """Advice, or why there is none: no fold was answered. The same inputs make the same prompts.

        Subjects beyond MAX_SUBJECTS and evidence of symbols that are not asked about are left out.
        """
        asked = tuple(subjects)[:MAX_SUBJECTS]
        symbols = {subject.symbol for subject in asked}
        about = distinct([each for each in evidence if each.symbol in symbols | {""}], self._evidence_chars)
        if not asked or not about:
            return Abstained(reason=Reason.NOTHING_ASKED, detail="no symbol, or no evidence about any")
        seed = crc32("".join(each.text for each in about).encode())
        folds = zip(orders(asked, self._folds, seed), orders(about, self._folds, seed + 1), strict=True)
        fold_results = []
        for ordered_subjects, ordered_evidence in folds:
            fold = _Fold(question, ordered_subjects, ordered_evidence)
            answer = await self._models.ask(fold.purpose, fold.messages, fold.reply_class)
            fold_results.append((fold, answer))
            if isinstance(answer, Abstained) and answer.reason in _HOPELESS:
                break
        return self._joined(asked, fold_results)

    async def insights(self, facts: Mapping[str, object]) -> FiguresRead | Abstained:
        """What a model reads in a day's figures. Insights with invented numbers are left out.

        Suggestions whose reason has one are left out, too; with nothing left it abstains.
        """
        prompt = load_prompt(DAILY_INSIGHTS)
        figures = json.dumps(facts, sort_keys=True, default=str)[: self._evidence_chars]
        schema = json.dumps(schema_of(Insights))
        answer = await self._models.ask(prompt.purpose, prompt.messages(figures=figures, schema=schema), Insights)
        if isinstance(answer, Abstained):
            return answer
        kept = [each for each in answer.reply.insights if not ungrounded(each, [figures])]
        suggestions = [each for each in answer.reply.suggestions if not ungrounded(each.reason, [figures])]
        if not kept:
            detail = "every insight has numbers that the day does not"
            return Abstained(reason=Reason.UNGROUNDED, detail=detail, provider=answer.provider)
        return FiguresRead(
            insights=tuple(kept), suggestions=tuple(suggestions), model=answer.model, llm_call_id=answer.llm_call_id
        )

    def _joined(
        self, asked: Sequence[Subject], fold_results: Sequence[tuple[_Fold, Answered[Views] | Abstained]]
    ) -> Advice | Abstained:
        abstentions = tuple(answer for _, answer in fold_results if isinstance(answer, Abstained))
        answered = [(fold, answer) for fold, answer in fold_results if isinstance(answer, Answered)]
        if not answered:
            return abstentions[0]
        grounded: dict[str, list[tuple[float, str]]] = {}  # symbol -> (value, thesis) of each fold that had one
        dropped: list[Dropped] = []
        for fold, answer in answered:
            for view in answer.reply.views:
                symbol = fold.symbol_of[view.symbol]
                if invented := fold.invented(view):
                    words = f"numbers not in the evidence: {', '.join(invented[:5])}"
                    dropped.append(Dropped(symbol=symbol, reason=Reason.UNGROUNDED, detail=words))
                    continue
                grounded.setdefault(symbol, []).append((view.value, fold.named(view.thesis)))
        return Advice(
            views=tuple(
                self._view(subject.symbol, grounded[subject.symbol]) for subject in asked if subject.symbol in grounded
            ),
            dropped=tuple(dropped),
            abstentions=abstentions,
            llm_call_ids=tuple(answer.llm_call_id for _, answer in answered),
            models=tuple(dict.fromkeys(answer.model for _, answer in answered)),
            cost_usd=sum(answer.cost_usd for _, answer in answered),
        )

    def _view(self, symbol: str, told: Sequence[tuple[float, str]]) -> SymbolView:
        stable = shrunk([value for value, _ in told], self._folds)
        return SymbolView(
            symbol=symbol, value=stable.value, agreement=stable.agreement, folds=len(told), thesis=told[0][1]
        )


_ALIAS = re.compile(r"\bS\d+\b")
_HOPELESS = frozenset({Reason.NO_MODEL, Reason.PAUSED, Reason.OVER_BUDGET, Reason.BUDGET_UNKNOWN, Reason.UNRECORDABLE})


class _Fold:
    """One asking: its aliases, its messages, and the way back from an alias to the symbol."""

    def __init__(self, question: Question, subjects: Sequence[Subject], evidence: Sequence[Evidence]) -> None:
        self.symbol_of = {f"S{number}": subject.symbol for number, subject in enumerate(subjects, 1)}
        alias_of = {symbol: alias for alias, symbol in self.symbol_of.items()}
        self.reply_class = views_class(question, tuple(self.symbol_of))
        self._evidence = anonymised(evidence, subjects, alias_of)
        prompt = load_prompt(question.name)
        self.purpose = prompt.purpose
        self.messages = prompt.messages(
            symbols=", ".join(self.symbol_of),
            evidence=fenced(self._evidence),
            schema=json.dumps(schema_of(self.reply_class)),
        )

    def invented(self, view: View) -> list[str]:
        """Numbers in the thesis that stand in no evidence about its subject."""
        return ungrounded(view.thesis, [each.text for each in self._evidence if each.symbol in (view.symbol, "")])

    def named(self, thesis: str) -> str:
        """The thesis with symbols in the place of aliases."""
        return _ALIAS.sub(lambda match: self.symbol_of.get(match[0], match[0]), thesis)
