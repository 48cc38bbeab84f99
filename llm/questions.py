"""The questions and the shapes of their replies: closed lists of words, short texts, aliases instead of symbols.

A model can name nothing that was not offered: no symbol (it only knows aliases), no number (levels are words that
`VALUE_OF` turns into bounded numbers), no weight, no tool. Weights and orders are made by rules from these values.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

MAX_SUBJECTS = 20  # symbols of one question
THESIS_CHARS = 300

Stance = Literal["veto", "neutral", "boost"]
Outlook = Literal["very_negative", "negative", "neutral", "positive", "very_positive"]
Confidence = Literal["low", "medium", "high"]
Parameter = Literal["profit_target_pct", "stop_loss_pct", "rsi_cap", "atr_floor_pct"]
Direction = Literal["raise", "lower"]
Priority = Literal["low", "medium", "high"]

VALUE_OF: Mapping[str, float] = {  # word -> value in -1..1
    "veto": -1.0,
    "boost": 1.0,
    "very_negative": -1.0,
    "negative": -0.5,
    "neutral": 0.0,
    "positive": 0.5,
    "very_positive": 1.0,
}
SHARE_OF: Mapping[str, float] = {"low": 0.25, "medium": 0.6, "high": 1.0}  # confidence -> share that counts


def one_line(text: str) -> str:
    """`text` without control and invisible characters, on one line: it is shown in terminals and pages.

    Raises ValueError when nothing is left.
    """
    shown = "".join(" " if unicodedata.category(char)[0] in "ZC" else char for char in text)
    if not (line := " ".join(shown.split())):
        raise ValueError("says nothing")
    return line


Text = Annotated[str, Field(min_length=1, max_length=THESIS_CHARS), AfterValidator(one_line)]


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class View(_Reply):
    """What a model thinks of one subject. In a question's own class `symbol` is a closed list of aliases."""

    symbol: str
    confidence: Confidence
    thesis: Text

    @property
    def value(self) -> float:
        """-1 to 1: the word, weighed by the confidence."""
        return VALUE_OF[self.word] * SHARE_OF[self.confidence]

    @property
    def word(self) -> str:
        """The level, in the words of the question."""
        raise NotImplementedError


class StanceView(View):
    """For the day trader's watchlist."""

    stance: Stance

    @property
    def word(self) -> str:
        return self.stance


class OutlookView(View):
    """For the weekly portfolio: the excess return over the next five sessions."""

    outlook: Outlook

    @property
    def word(self) -> str:
        return self.outlook


class Views(_Reply):
    """One view at most of each subject."""

    views: list[View]

    @model_validator(mode="after")
    def _check_unique(self) -> Views:
        symbols = [view.symbol for view in self.views]
        if len(set(symbols)) != len(symbols):
            raise ValueError("a symbol stands twice")
        return self


class Suggestion(_Reply):
    """A direction for one strategy parameter; rules decide on the step, bounds and a replay on whether."""

    parameter: Parameter
    direction: Direction
    priority: Priority
    reason: Text


class Insights(_Reply):
    """What a model read in the day's figures."""

    insights: Annotated[list[Text], Field(min_length=1, max_length=5)]
    suggestions: Annotated[list[Suggestion], Field(max_length=3)] = []


class Question(NamedTuple):
    """A question about subjects: its prompt `Documentation/PROMPT_NAME.md` and the class of a view."""

    name: str
    view_class: type[View]


WATCHLIST = Question("WATCHLIST", StanceView)
WEEKLY_VIEWS = Question("WEEKLY_VIEWS", OutlookView)
DAILY_INSIGHTS = "DAILY_INSIGHTS"  # its reply is `Insights`


def views_class(question: Question, aliases: Sequence[str]) -> type[Views]:
    """The reply's class for these aliases and no others. Raises ValueError when there are none or too many."""
    if not 1 <= len(aliases) <= MAX_SUBJECTS:
        raise ValueError(f"{len(aliases)} subjects: 1 to {MAX_SUBJECTS} can be asked about at once")
    closed: Any = Literal[tuple(aliases)]  # only known now
    view: Any = create_model(question.view_class.__name__, __base__=question.view_class, symbol=(closed, ...))
    views: Any = list[view]
    return create_model("Views", __base__=Views, views=(views, Field(max_length=len(aliases))))


def schema_of(reply_class: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema for the prompt and for servers that enforce one, without our own explanations."""
    schema: dict[str, Any] = _plain(reply_class.model_json_schema())
    return schema


def _plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        words = {"title", "description"}
        return {key: _plain(value) for key, value in schema.items() if not (key in words and isinstance(value, str))}
    return [_plain(value) for value in schema] if isinstance(schema, list) else schema
