"""The rows of the database as frozen values. A field is the column of the same name, without its `_usd`.

`bot` and `mode` may stay empty when a row is recorded: the history writes its own. Read rows always have them.
A `session_date` is YYYY-MM-DD; a `datetime` is aware and comes back in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypedDict

Action = Literal["BUY", "SELL"]
Reason = Literal["entry", "profit_target", "stop_loss", "time_exit", "eod", "sync", "rebalance", "manual"]
Role = Literal["entry", "stop", "target", "time_exit", "close"]
IntentState = Literal["created", "sent", "working", "filled", "cancelled", "rejected", "expired", "unknown"]
DecisionKind = Literal["enter", "exit", "deny", "sync"]
CycleStage = Literal["analysed", "planned", "queued", "trading", "done"]
HealthStatus = Literal["normal", "warning", "critical"]
ControlState = Literal["waiting", "done", "refused"]
ChangeSource = Literal["rule", "llm", "regime", "experiment", "rollback", "manual"]

ImprovementStep = Literal["analyse", "insights", "regime", "suggestions", "experiment", "plan"]

OPEN_STATES: tuple[IntentState, ...] = ("created", "sent", "working", "unknown")  # an order may exist


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRow:
    """One execution. Shares adopted by position sync have an `exec_id` made by the program.

    `pnl_usd` stands on the closing side, net of commissions; it and `commission_usd` are None until reported.
    """

    exec_id: str
    session_date: str
    timestamp: datetime
    symbol: str
    action: Action
    quantity: int
    price_usd: float
    reason: Reason
    order_ref: str | None = None
    bot: str = ""
    mode: str = ""
    commission_usd: float | None = None
    pnl_usd: float | None = None
    pnl_pct: float | None = None
    rsi: float | None = None
    vwap_usd: float | None = None
    atr_usd: float | None = None
    atr_pct: float | None = None
    regime: str | None = None
    variant: str | None = None
    parameters: Mapping[str, Any] | None = None
    trace_id: str | None = None
    intent_id: str | None = None
    order_id: int | None = None
    perm_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow:
    """One order that the program means to have, written before it is sent; `intent_id` travels as orderRef."""

    intent_id: str
    role: Role
    session_date: str
    created_at: datetime
    symbol: str
    action: Action
    quantity: int
    order_type: str
    tif: str
    updated_at: datetime
    state: IntentState = "created"
    bot: str = ""
    mode: str = ""
    bracket_id: str | None = None
    limit_price_usd: float | None = None
    stop_price_usd: float | None = None
    good_till: datetime | None = None
    good_after: datetime | None = None
    oca_group: str | None = None
    parent_intent_id: str | None = None
    reason: str | None = None
    decision_id: str | None = None
    order_id: int | None = None
    client_id: int | None = None
    perm_id: int | None = None
    filled_quantity: int = 0
    avg_fill_price_usd: float | None = None
    detail: str | None = None


class IntentChange(TypedDict, total=False):
    """What may change in an intent besides its state."""

    quantity: int
    limit_price_usd: float | None
    stop_price_usd: float | None
    oca_group: str | None
    order_id: int | None
    client_id: int | None
    perm_id: int | None
    filled_quantity: int
    avg_fill_price_usd: float | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One entry, exit, refusal or adoption with what was known. `limit_value` and `actual_value` share a unit."""

    decision_id: str
    timestamp: datetime
    session_date: str
    symbol: str
    kind: DecisionKind
    bot: str = ""
    mode: str = ""
    rule: str | None = None
    limit_value: float | None = None
    actual_value: float | None = None
    price_usd: float | None = None
    bid_usd: float | None = None
    ask_usd: float | None = None
    rsi: float | None = None
    vwap_usd: float | None = None
    atr_usd: float | None = None
    atr_pct: float | None = None
    volume: int | None = None
    bars: int | None = None
    quantity: int | None = None
    detail: Mapping[str, Any] | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRow:
    """How one agent did at one moment, and what it did about it."""

    timestamp: datetime
    agent: str
    status: HealthStatus
    bot: str = ""
    mode: str = ""
    cpu_pct: float | None = None
    memory_mb: float | None = None
    memory_pct: float | None = None
    ib_connected: bool | None = None
    data_age_s: float | None = None
    loop_lag_ms: float | None = None
    healing_action: str | None = None
    detail: str | None = None
    disk_free_mb: float | None = None
    worker_queue: int | None = None
    database_queue: int | None = None
    clock_drift_s: float | None = None
    unprotected_s: float | None = None
    findings: tuple[Mapping[str, Any], ...] = ()
    healing_result: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterChangeRow:
    """A proposed change of one strategy parameter; `applied` says whether it took effect."""

    timestamp: datetime
    session_date: str
    parameter: str
    old_value: float | str | None
    new_value: float | str | None
    source: ChangeSource
    reason: str
    applied: bool
    bot: str = ""
    mode: str = ""
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDayRow:
    """What one variant of an experiment brought in a session, replayed under the same costs as the other one."""

    experiment: str
    session_date: str
    variant: str
    round_trips: int
    pnl_usd: float
    bot: str = ""
    mode: str = ""
    return_pct: float | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlanRow:
    """What a session began with: enough to replay it later.

    `watchlist` is [symbol, ranges in its daily ATR, their average in 1e-4 USD] in rank order; `parameters` are by the
    names of `.env` without their prefix.
    """

    session_date: str
    equity_usd: float
    allocation: float
    watchlist: tuple[Any, ...]
    parameters: Mapping[str, Any]
    variant: str
    bot: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImprovementStepRow:
    """A step of the improvement cycle that is done, and what came of it."""

    session_date: str
    step: ImprovementStep
    timestamp: datetime
    detail: Mapping[str, Any]
    bot: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow:
    """What was learned from a session; `source` is "rules" or the model's name."""

    timestamp: datetime
    session_date: str
    source: str
    insights: str
    bot: str = ""
    mode: str = ""
    recommendations: tuple[Mapping[str, Any], ...] = ()
    metrics: Mapping[str, Any] | None = None
    llm_call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRow:
    """A probability (or value) said of `subject` before `due_at`, and what came; `baseline` is who it must beat.

    `outcome` and `score` (of a probability: Brier) are None until the forecast is settled at `resolved_at`, and stay so
    where nobody could say what came.
    """

    forecast_id: str
    timestamp: datetime
    session_date: str
    source: str
    subject: str
    question: str
    due_at: datetime
    bot: str = ""
    mode: str = ""
    probability: float | None = None
    value: float | None = None
    baseline: float | None = None
    outcome: float | None = None
    resolved_at: datetime | None = None
    score: float | None = None
    llm_call_id: str | None = None
    detail: Mapping[str, Any] | None = None


class Settled(NamedTuple):
    """A settled forecast, as skill is measured: `due_at` is the text of the database."""

    source: str
    session_date: str
    due_at: str
    probability: float
    outcome: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyCycleRow:
    """One cycle of the weekly bot. `plan` is what was stored before the first order; `summary` the numbers after it."""

    cycle_id: str
    session_date: str
    started_at: datetime
    updated_at: datetime
    stage: CycleStage
    bot: str = ""
    mode: str = ""
    why: str | None = None
    snapshot_sha256: str | None = None
    snapshot_file: str | None = None
    net_liquidation_usd: float | None = None
    capital_usd: float | None = None
    plan: Mapping[str, Any] | None = None
    target: Mapping[str, Any] | None = None
    positions: Mapping[str, Any] | None = None
    summary: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmCallRow:
    """One request to a language model and what became of it. `outcome` is "answered" or why it gave no answer."""

    llm_call_id: str
    timestamp: datetime
    session_date: str
    purpose: str
    provider: str
    model: str
    prompt: str
    outcome: str
    bot: str = ""
    mode: str = ""
    reply: str | None = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    duration_s: float | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmDayRow:
    """What a model's calls of one session came to."""

    session_date: str
    model: str
    calls: int
    answered: int
    input_tokens: int
    output_tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyMetricsRow:
    """The metrics of one bot's session. None means "cannot be said" (no trade, too few days), never zero."""

    session_date: str
    trades: int
    round_trips: int
    wins: int
    losses: int
    total_pnl_usd: float
    gross_profit_usd: float
    gross_loss_usd: float
    bot: str = ""
    mode: str = ""
    win_rate_pct: float | None = None
    profit_factor: float | None = None
    average_win_usd: float | None = None
    average_loss_usd: float | None = None
    risk_reward: float | None = None
    expectancy_usd: float | None = None
    max_drawdown_usd: float | None = None
    sharpe: float | None = None
    sortino: float | None = None
    average_duration_s: float | None = None
    median_duration_s: float | None = None
    average_position_usd: float | None = None
    capital_used_usd: float | None = None
    capital_efficiency_pct: float | None = None
    turnover_usd: float | None = None
    commissions_usd: float | None = None
    slippage_bps: float | None = None
    exposure_s: float | None = None
    best_trade_usd: float | None = None
    worst_trade_usd: float | None = None
    exit_reasons: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlActionRow:
    """What an operator told the program to do, and what became of it. Instants are wall time."""

    command_id: str
    asked_at: datetime
    session_date: str
    who: str
    kind: str
    state: ControlState
    bot: str = ""
    mode: str = ""
    symbol: str | None = None
    detail: str | None = None
    words: str | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityRow:
    """The account at one minute of a session. `drawdown_usd` is at most 0, `committed_usd` what entries cost."""

    session_date: str
    timestamp: datetime
    equity_usd: float
    pnl_usd: float
    unrealised_usd: float
    drawdown_usd: float
    committed_usd: float
    positions: int
    bot: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRow:
    """Shares a bot still owns. `avg_price_usd` is over all bought since it was last flat, without commissions."""

    bot: str
    mode: str
    symbol: str
    quantity: int
    cost_basis_usd: float
    avg_price_usd: float
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTripRow:
    """From flat to flat in one symbol. `pnl_usd`, `commission_usd` are None while a part is still unreported."""

    bot: str
    mode: str
    symbol: str
    session_date: str
    opened_at: datetime
    closed_at: datetime
    quantity: int
    avg_entry_price_usd: float
    avg_exit_price_usd: float
    pnl_usd: float | None
    commission_usd: float | None
    exit_reason: str
    duration_s: float
    executions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRow:
    """An execution with the price it was decided on: the last price at an entry's or a market exit's decision, the
    resting price of a stop or a target. None when nobody knows it.
    """

    exec_id: str
    timestamp: datetime
    symbol: str
    action: Action
    quantity: int
    price_usd: float
    regime: str | None
    variant: str | None
    decided_price_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DenialRow:
    """A refusal of an entry, when its reason became news."""

    timestamp: datetime
    symbol: str
    rule: str
    ask_usd: float
