"""What the API answers, beside rows of the database and the view of the session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Generic, Literal, NamedTuple, TypeVar

from records.rows import ControlActionRow, DailyMetricsRow, EvaluationRow, LlmCallRow, LlmDayRow, ParameterChangeRow
from trading.commands import Command, CommandKind
from trading.live_view import SessionView

RowT = TypeVar("RowT")


class Rows(NamedTuple, Generic[RowT]):
    """All rows of an answer that has no pages."""

    rows: list[RowT]


class Server(NamedTuple):
    """Who answers. `kinds` are the commands that can be given here; without them it is a window only."""

    api: int
    bot: str
    mode: str
    db: str
    started_at: datetime
    now: datetime
    control: bool
    kinds: list[CommandKind]
    reading_needs_token: bool


class State(NamedTuple):
    """The running session as last seen; without one the view is null."""

    view: SessionView | None
    server: Server


class Metrics(NamedTuple):
    """All metrics of a session; null before it is evaluated."""

    session_date: str
    metrics: DailyMetricsRow | None


class EquityCurve(NamedTuple):
    """Minute by minute: instant, equity, day's result, drawdown, committed capital (USD), open positions."""

    session_date: str | None
    rows: list[tuple[str, float, float, float, float, int]]


class Mark(NamedTuple):
    """An execution on a chart."""

    at: datetime
    action: str
    price_usd: float
    quantity: int
    reason: str
    pnl_usd: float | None


class Chart(NamedTuple):
    """Minute bars: start (epoch second), open, high, low, close, volume, VWAP. `why_none` says why there are none."""

    symbol: str
    session_date: str | None
    bars: list[tuple[int, float, float, float, float, int, float | None]]
    marks: list[Mark]
    why_none: str


class Parameters(NamedTuple):
    """What the strategy works with, or last did; why it may not change, if so; every proposal to change it."""

    current: Mapping[str, float]
    frozen: str
    changes: list[ParameterChangeRow]


class Variant(NamedTuple):
    """One side of an experiment."""

    variant: str
    days: int
    pnl_usd: float
    mean_return_pct: float | None


class Experiment(NamedTuple):
    """Two variants replayed on the same sessions: mean daily difference and its always-valid interval, in percent.

    `days_still_needed` would show the least effect at the present spread; None when that is not known.
    """

    experiment: str
    variants: list[Variant]
    n_days: int
    effect_pct: float | None
    low_pct: float | None
    high_pct: float | None
    days_still_needed: int | None
    verdict: str


class Insights(NamedTuple):
    """What was learned from a session."""

    session_date: str | None
    rows: list[EvaluationRow]


class LlmCall(NamedTuple):
    """A request to a language model, without what was said."""

    llm_call_id: str
    timestamp: datetime
    session_date: str
    purpose: str
    provider: str
    model: str
    outcome: str
    error: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    duration_s: float | None

    @classmethod
    def of(cls, row: LlmCallRow) -> LlmCall:
        return cls(*(getattr(row, field) for field in cls._fields))


class LlmUse(NamedTuple):
    """What language models cost, by day and model, and the latest calls."""

    by_day: list[LlmDayRow]
    calls: list[LlmCall]


class LogTail(NamedTuple):
    """The last lines of the program's log, without secrets."""

    lines: list[str]


class Confirmation(NamedTuple):
    """The first step of a command: what it would do, and the id that the second step must name."""

    confirmation_id: str
    kind: CommandKind
    symbol: str
    detail: str
    says: str
    expires_in_s: int


class CommandState(NamedTuple):
    """A command, and what became of it."""

    command_id: str
    kind: str
    symbol: str
    detail: str
    who: str
    asked_at: datetime
    state: Literal["waiting", "done", "refused"]
    words: str
    answered_at: datetime | None

    @classmethod
    def of(cls, row: ControlActionRow) -> CommandState:
        """As it is on record."""
        return cls(
            command_id=row.command_id,
            kind=row.kind,
            symbol=row.symbol or "",
            detail=row.detail or "",
            who=row.who,
            asked_at=row.asked_at,
            state=row.state,
            words=row.words or "",
            answered_at=row.answered_at,
        )

    @classmethod
    def waiting(cls, command: Command) -> CommandState:
        return cls(
            command_id=command.command_id,
            kind=command.kind.value,
            symbol=command.symbol,
            detail=command.detail,
            who=command.who,
            asked_at=command.asked_at,
            state="waiting",
            words="",
            answered_at=None,
        )


class Fault(NamedTuple):
    """Why a request was not answered, in one line."""

    error: str


class Health(NamedTuple):
    """Whether the program is well; `why` says what is wrong."""

    status: Literal["ok", "unwell"]
    why: str
