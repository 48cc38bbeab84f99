"""The statements of the program: what it writes into each table, and what it asks with the index that answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from records.rows import (
    OPEN_STATES,
    ControlActionRow,
    DailyMetricsRow,
    DecisionRow,
    DenialRow,
    EquityRow,
    EvaluationRow,
    ExperimentDayRow,
    FillRow,
    ForecastRow,
    HealthRow,
    ImprovementStepRow,
    IntentChange,
    IntentRow,
    LlmDayRow,
    ParameterChangeRow,
    PositionRow,
    RoundTripRow,
    SessionPlanRow,
    TradeRow,
    WeeklyCycleRow,
)
from records.tables import Table, column_of

TRADES = Table("trades", TradeRow)
ORDER_INTENTS = Table("order_intents", IntentRow)
DECISIONS = Table("decisions", DecisionRow)
AGENT_HEALTH = Table("agent_health", HealthRow)
PARAMETER_CHANGES = Table("parameter_changes", ParameterChangeRow)
EVALUATIONS = Table("evaluations", EvaluationRow)
FORECASTS = Table("forecasts", ForecastRow)
WEEKLY_CYCLES = Table("weekly_cycles", WeeklyCycleRow)
DAILY_METRICS = Table("daily_metrics", DailyMetricsRow)
EXPERIMENT_DAYS = Table("experiment_days", ExperimentDayRow)
IMPROVEMENT_SESSIONS = Table("improvement_sessions", SessionPlanRow)
IMPROVEMENT_STEPS = Table("improvement_steps", ImprovementStepRow)
CONTROL_ACTIONS = Table("control_actions", ControlActionRow)
EQUITY_MINUTES = Table("equity_minutes", EquityRow)
OPEN_POSITIONS = Table("open_positions", PositionRow)
ROUND_TRIPS = Table("round_trips", RoundTripRow)
LLM_DAYS = Table("llm_calls", LlmDayRow)
FILLS = Table("trades", FillRow)
DENIALS = Table("decisions", DenialRow)

# Writing

# Reported after the execution, so the newer value wins; in the rest an answer asked for again only fills gaps.
_REPORTED_LATER = ("commission", "pnl", "pnl_pct")
_FILLED_WHEN_MISSING = (
    *("order_ref", "rsi", "vwap", "atr", "atr_pct", "regime", "variant", "parameters", "trace_id"),
    *("intent_id", "order_id", "perm_id"),
)
UPSERT_TRADE = f"{TRADES.insert} ON CONFLICT (exec_id) DO UPDATE SET " + ", ".join(
    [f"{column} = COALESCE(excluded.{column}, trades.{column})" for column in _REPORTED_LATER]
    + [f"{column} = COALESCE(trades.{column}, excluded.{column})" for column in _FILLED_WHEN_MISSING]
)
UPSERT_DAILY_METRICS = f"{DAILY_METRICS.insert} ON CONFLICT (session_date, bot, mode) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in DAILY_METRICS.columns
)
PUT_EXPERIMENT_DAY = EXPERIMENT_DAYS.insert.replace("INSERT", "INSERT OR REPLACE", 1)
PUT_SESSION_PLAN = IMPROVEMENT_SESSIONS.insert.replace("INSERT", "INSERT OR REPLACE", 1)
UPSERT_CONTROL_ACTION = (
    f"{CONTROL_ACTIONS.insert} ON CONFLICT (command_id) DO UPDATE SET "
    "state = excluded.state, words = excluded.words, answered_at = excluded.answered_at"
)
REPLACE_EQUITY = EQUITY_MINUTES.insert.replace("INSERT", "INSERT OR REPLACE", 1)  # a second run in the same minute
REPORT_COMMISSION = "UPDATE trades SET commission = ?, pnl = ?, pnl_pct = ? WHERE exec_id = ?"
REMOVE_TRADE = "DELETE FROM trades WHERE exec_id = ?"
SHRINK_TRADE = (  # the part of it that another row tells from now on goes with its share of the result
    "UPDATE trades SET pnl = pnl * (quantity - ?) / quantity, quantity = quantity - ? WHERE exec_id = ?"
)
SET_META = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
SET_META_ONCE = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING"


@lru_cache(maxsize=64)
def update_intent(changed: tuple[str, ...]) -> str:
    """The statement that changes an intent's state and the fields `changed`. TypeError names an unknown field."""
    known = IntentChange.__annotations__
    for field in changed:
        if field not in known:
            closest = get_close_matches(field, known, n=1)
            hint = f"; did you mean {closest[0]!r}?" if closest else ""
            raise TypeError(f"an intent's {field!r} cannot be changed{hint}")
    columns = ("state", "updated_at", *(column_of(field) for field in changed))
    return f"UPDATE order_intents SET {', '.join(f'{column} = ?' for column in columns)} WHERE intent_id = ?"


# Reading


def selection(table: Table[Any], columns: Sequence[str], order: str) -> str:
    """All of `table` where each of `columns` has a given value."""
    where = " AND ".join(f"{column} = ?" for column in columns)
    return f"SELECT * FROM {table.name} WHERE {where} ORDER BY {order}"


IN_ORDER_OF_TIME = "timestamp, trade_id"
SELECT_EXECUTION = selection(TRADES, ("exec_id", "mode"), IN_ORDER_OF_TIME)
SELECT_EXECUTIONS_OF_INTENT = selection(TRADES, ("intent_id", "mode"), IN_ORDER_OF_TIME)
SELECT_UNBOOKED_INTENTS = (  # sums first: asked intent by intent, years of trades cost their square
    "SELECT intent.* FROM order_intents AS intent LEFT JOIN "
    "(SELECT intent_id, SUM(quantity) AS quantity FROM trades GROUP BY intent_id) AS booked USING (intent_id) "
    "WHERE mode = ? AND bot = ? AND session_date < ? AND filled_quantity > COALESCE(booked.quantity, 0) "
    "ORDER BY created_at"
)
SELECT_QUEUED_INTENTS = (
    "SELECT * FROM order_intents AS intent WHERE mode = ? AND bot = ? AND session_date >= ? AND session_date < ? "
    "AND tif = 'OPG' AND state NOT IN ('filled', 'cancelled', 'rejected') "
    "AND NOT EXISTS (SELECT 1 FROM trades WHERE trades.intent_id = intent.intent_id) ORDER BY created_at"
)
SELECT_META = "SELECT value FROM meta WHERE key = ?"
SELECT_SESSION = selection(TRADES, ("mode", "session_date", "bot"), IN_ORDER_OF_TIME)
SELECT_BETWEEN = f"SELECT * FROM trades WHERE timestamp >= ? AND timestamp < ? AND mode = ? ORDER BY {IN_ORDER_OF_TIME}"
SELECT_LATEST = "SELECT * FROM trades WHERE symbol = ? AND mode = ? ORDER BY timestamp DESC, trade_id DESC LIMIT ?"
SELECT_BACKWARDS = (
    "SELECT * FROM trades WHERE symbol = ? AND mode = ? AND bot = ? ORDER BY timestamp DESC, trade_id DESC"
)
SELECT_SYMBOLS = "SELECT DISTINCT symbol FROM trades WHERE mode = ? AND session_date = ? AND bot = ?"
SELECT_HELD = "SELECT symbol FROM holdings WHERE mode = ? AND bot = ? AND quantity <> 0"
SELECT_HEALTH = (
    "SELECT * FROM agent_health WHERE timestamp >= ? AND timestamp < ? AND mode = ? ORDER BY timestamp, health_id"
)
_OPEN = ", ".join(f"'{state}'" for state in OPEN_STATES)  # literally as in the partial index, or it is not used
SELECT_OPEN_INTENTS = (
    f"SELECT * FROM order_intents WHERE mode = ? AND bot = ? AND state IN ({_OPEN}) ORDER BY created_at, rowid"
)
SELECT_INTENT = "SELECT * FROM order_intents WHERE intent_id = ? AND mode = ?"
SELECT_HIGHEST_ORDER_ID = "SELECT MAX(order_id) FROM order_intents WHERE client_id = ? AND order_id IS NOT NULL"

SELECT_ENTRIES_TRIED = (
    "SELECT symbol, COUNT(*) AS tried FROM order_intents "
    "WHERE role = 'entry' AND session_date = ? AND bot = ? AND mode = ? GROUP BY symbol ORDER BY symbol"
)
SELECT_REFUSED = (
    "SELECT symbol, detail FROM decisions WHERE rule = 'rejected_by_broker' AND detail IS NOT NULL "
    "AND session_date = ? AND bot = ? AND mode = ? ORDER BY timestamp DESC"
)

SELECT_ROUND_TRIPS_OF_RANGE = (
    "SELECT * FROM round_trips WHERE session_date >= ? AND session_date <= ? AND bot = ? AND mode = ? "
    "ORDER BY closed_at, opened_at, symbol"
)
SELECT_FILLS = (  # the decision of a market exit has the id of its execution
    "SELECT fill.*, CASE intent.role WHEN 'stop' THEN intent.stop_price WHEN 'target' THEN intent.limit_price "
    "WHEN 'entry' THEN entry.price ELSE exit.price END AS decided_price FROM trades AS fill "
    "LEFT JOIN order_intents AS intent ON intent.intent_id = fill.intent_id "
    "LEFT JOIN decisions AS entry ON entry.decision_id = intent.decision_id "
    "LEFT JOIN decisions AS exit ON exit.decision_id = fill.exec_id "
    "WHERE fill.session_date >= ? AND fill.session_date <= ? AND fill.bot = ? AND fill.mode = ? "
    "ORDER BY fill.timestamp, fill.trade_id"
)
SELECT_DENIALS = (
    "SELECT timestamp, symbol, rule, ask FROM decisions WHERE kind = 'deny' AND ask > 0 AND rule IS NOT NULL "
    "AND session_date = ? AND bot = ? AND mode = ? ORDER BY timestamp, symbol"
)
SELECT_DAILY_METRICS = (
    "SELECT * FROM daily_metrics WHERE session_date >= ? AND session_date <= ? AND bot = ? AND mode = ? "
    "ORDER BY session_date"
)
SELECT_EVALUATIONS = (
    "SELECT * FROM evaluations WHERE session_date = ? AND bot = ? AND mode = ? ORDER BY timestamp, evaluation_id"
)
UPSERT_CYCLE = f"{WEEKLY_CYCLES.insert} ON CONFLICT (cycle_id, bot, mode) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in WEEKLY_CYCLES.columns
)
SELECT_CYCLES = (
    "SELECT * FROM weekly_cycles WHERE bot = ? AND mode = ? ORDER BY session_date DESC, started_at DESC LIMIT ?"
)
COUNT_CYCLES = "SELECT COUNT(*) FROM weekly_cycles WHERE bot = ? AND mode = ? AND session_date BETWEEN ? AND ?"
SETTLE_FORECAST = "UPDATE forecasts SET outcome = ?, score = ?, resolved_at = ? WHERE forecast_id = ?"
SELECT_OPEN_FORECASTS = (
    "SELECT * FROM forecasts WHERE bot = ? AND mode = ? AND resolved_at IS NULL ORDER BY timestamp, forecast_id"
)
SELECT_SETTLED_FORECASTS = (
    "SELECT source, session_date, due_at, probability, outcome FROM forecasts "
    "WHERE bot = ? AND mode = ? AND outcome IS NOT NULL ORDER BY timestamp"
)
SELECT_PARAMETER_CHANGES = (
    "SELECT * FROM parameter_changes WHERE session_date <= ? AND bot = ? AND mode = ? ORDER BY change_id"
)
SELECT_EXPERIMENT_DAYS = (
    "SELECT * FROM experiment_days WHERE experiment = ? AND bot = ? AND mode = ? ORDER BY session_date, variant"
)
SELECT_SESSION_PLANS = (
    "SELECT * FROM improvement_sessions WHERE session_date >= ? AND session_date <= ? AND bot = ? AND mode = ? "
    "ORDER BY session_date"
)
SELECT_IMPROVEMENT_STEPS = (
    "SELECT * FROM improvement_steps WHERE session_date = ? AND bot = ? AND mode = ? ORDER BY timestamp, rowid"
)
SELECT_LATEST_STEP = (
    "SELECT * FROM improvement_steps WHERE step = ? AND session_date < ? AND bot = ? AND mode = ? "
    "ORDER BY session_date DESC LIMIT 1"
)
SELECT_HELD_BY = (  # a handful of rows
    "SELECT kind, who FROM control_actions WHERE session_date = ? AND bot = ? AND mode = ? AND state = 'done' "
    "AND kind IN ('pause', 'flatten', 'resume') ORDER BY rowid DESC LIMIT 1"
)
SELECT_LLM_DAYS = (
    "SELECT session_date, model, COUNT(*) AS calls, SUM(outcome = 'answered') AS answered, "
    "SUM(COALESCE(input_tokens, 0)) AS input_tokens, SUM(COALESCE(output_tokens, 0)) AS output_tokens, "
    "TOTAL(cost) AS cost FROM llm_calls WHERE bot = ? AND mode = ? GROUP BY session_date, model "
    "ORDER BY session_date DESC, model"
)
REMOVE_EVALUATIONS = "DELETE FROM evaluations WHERE session_date = ? AND bot = ? AND mode = ? AND source = ?"

QUERY_OF_INDEX: Mapping[str, str] = {  # index -> the statement of a reader that needs it
    "trades_timestamp": SELECT_BETWEEN,
    "trades_symbol_timestamp": SELECT_LATEST,
    "trades_session_date_bot": SELECT_SESSION,
    "agent_health_timestamp": SELECT_HEALTH,
    "order_intents_open": SELECT_OPEN_INTENTS,
    "order_intents_client_order": SELECT_HIGHEST_ORDER_ID,
    "order_intents_entries": SELECT_ENTRIES_TRIED,
    "weekly_cycles_session": SELECT_CYCLES,
    "forecasts_open": SELECT_OPEN_FORECASTS,
    "forecasts_settled": SELECT_SETTLED_FORECASTS,
    "decisions_session": SELECT_DENIALS,
    "llm_calls_cost": SELECT_LLM_DAYS,
}
