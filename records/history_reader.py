"""Questions to the database of a history, each answered by rows of one mode."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from records import queries
from records.faults import RecordsFailed
from records.llm_calls import LLM_CALLS, SELECT_LLM_CALLS
from records.queries import (
    AGENT_HEALTH,
    DAILY_METRICS,
    DENIALS,
    EVALUATIONS,
    EXPERIMENT_DAYS,
    FILLS,
    FORECASTS,
    IMPROVEMENT_SESSIONS,
    IMPROVEMENT_STEPS,
    LLM_DAYS,
    OPEN_POSITIONS,
    ORDER_INTENTS,
    PARAMETER_CHANGES,
    ROUND_TRIPS,
    TRADES,
    WEEKLY_CYCLES,
)
from records.rows import (
    DailyMetricsRow,
    DenialRow,
    EvaluationRow,
    ExperimentDayRow,
    FillRow,
    ForecastRow,
    HealthRow,
    ImprovementStep,
    ImprovementStepRow,
    IntentRow,
    LlmCallRow,
    LlmDayRow,
    ParameterChangeRow,
    PositionRow,
    RoundTripRow,
    SessionPlanRow,
    Settled,
    TradeRow,
    WeeklyCycleRow,
)
from records.tables import Table, utc_text

DAY_MARKS_KEY = "day_marks."  # of `meta`; behind it bot and mode, the value is that of the latest session
ACCOUNT_KEY = "account_id"

FoundT = TypeVar("FoundT")


class HistoryReader:
    """Reads what `mode` has on record; `bot` is whose is meant where none is named. Any thread may ask.

    Each question raises RecordsFailed when the file cannot be read.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, bot: str, mode: str) -> None:
        self.path = path
        self.bot = bot
        self.mode = mode
        self._connection = connection
        self._reading = threading.Lock()
        self._highest_order_ids: dict[int, int] = {}  # client id -> its highest order id on record

    def _catch_up(self) -> None:
        """Called before each question: a history that is written, too, waits here for its own rows."""

    def account_id(self) -> str | None:
        """The account this database belongs to; None before `bind_account`."""
        found = self._read(queries.SELECT_META, [ACCOUNT_KEY])
        return found[0]["value"] if found else None

    def trades(self, session_date: str | None = None, bot: str | None = None) -> list[TradeRow]:
        """Executions in the order of time; None: of all sessions, of all bots."""
        return self._select(TRADES, {"session_date": session_date, "bot": bot}, order=queries.IN_ORDER_OF_TIME)

    def ledger(self, session_date: str, bot: str | None = None) -> list[TradeRow]:
        """What the positions and results of a session follow from, in the order of time.

        The executions of `bot` (its own when None) since it was last flat before the session, of every symbol that it
        owns or traded in the session. Executions of later sessions must not be there.
        """
        who = [self.mode, bot or self.bot]
        owned = self._read(queries.SELECT_HELD, who)
        traded = self._read(queries.SELECT_SYMBOLS, [self.mode, session_date, bot or self.bot])
        symbols = {row["symbol"]: None for row in (*owned, *traded)}  # in a fixed order
        found = [row for symbol in symbols for row in self._since_flat(symbol, session_date, who)]
        return TRADES.rows(sorted(found, key=lambda row: (row["timestamp"], row["trade_id"])))

    def trade(self, exec_id: str) -> TradeRow | None:
        """One execution; None when it is not on record."""
        found = self._read(queries.SELECT_EXECUTION, [exec_id, self.mode])
        return TRADES.rows(found)[0] if found else None

    def trades_of(self, intent_id: str) -> list[TradeRow]:
        """The executions of one intent, in the order of time."""
        found = self._read(queries.SELECT_EXECUTIONS_OF_INTENT, [intent_id, self.mode])
        return TRADES.rows(found)

    def trades_between(self, start: datetime, end: datetime) -> list[TradeRow]:
        """Executions of all bots from `start` up to, not including, `end`, in the order of time."""
        found = self._read(queries.SELECT_BETWEEN, [utc_text(start), utc_text(end), self.mode])
        return TRADES.rows(found)

    def latest_trades(self, symbol: str, limit: int = 20) -> list[TradeRow]:
        """The last executions in `symbol` of all bots, the newest first."""
        return TRADES.rows(self._read(queries.SELECT_LATEST, [symbol, self.mode, limit]))

    def health_between(self, start: datetime, end: datetime) -> list[HealthRow]:
        """Samples of all agents from `start` up to, not including, `end`, in the order of time."""
        found = self._read(queries.SELECT_HEALTH, [utc_text(start), utc_text(end), self.mode])
        return AGENT_HEALTH.rows(found)

    def llm_calls(self, session_date: str | None = None) -> list[LlmCallRow]:
        """Requests to language models, in the order of their recording; None: of all sessions."""
        return LLM_CALLS.rows(self._read(SELECT_LLM_CALLS, [self.mode, session_date]))

    def held_by(self, session_date: str) -> str:
        """Which operator paused this bot's entries in a session and did not resume them; empty when nobody did."""
        found = self._read(queries.SELECT_HELD_BY, [session_date, self.bot, self.mode])
        return found[0]["who"] if found and found[0]["kind"] != "resume" else ""

    def llm_days(self, bot: str | None = None) -> list[LlmDayRow]:
        """Calls and cost of language models by session and model, the latest session first."""
        return LLM_DAYS.rows(self._read(queries.SELECT_LLM_DAYS, [bot or self.bot, self.mode]))

    def entries_tried(self, session_date: str) -> dict[str, int]:
        """symbol -> entries of this bot in a session, filled or not."""
        found = self._read(queries.SELECT_ENTRIES_TRIED, [session_date, self.bot, self.mode])
        return {row["symbol"]: row["tried"] for row in found}

    def refused_symbols(self, session_date: str) -> dict[str, str]:
        """symbol -> why the broker refused this bot an entry in a session, the first time."""
        found = self._read(queries.SELECT_REFUSED, [session_date, self.bot, self.mode])
        return {row["symbol"]: str(json.loads(row["detail"]).get("why", "")) for row in found}

    def day_marks(self, session_date: str) -> dict[str, Any] | None:
        """What an earlier run of the session recorded last; None when there was none."""
        found = self._read(queries.SELECT_META, [f"{DAY_MARKS_KEY}{self.bot}.{self.mode}"])
        marks = json.loads(found[0]["value"]) if found else {}
        return marks if marks.pop("session_date", None) == session_date else None

    def open_intents(self, bot: str | None = None) -> list[IntentRow]:
        """Intents of `bot` (its own when None) of which an order may exist, in the order of their making."""
        found = self._read(queries.SELECT_OPEN_INTENTS, [self.mode, bot or self.bot])
        return ORDER_INTENTS.rows(found)

    def intent(self, intent_id: str) -> IntentRow | None:
        """One intent of any state; None when there is none of this id."""
        found = self._read(queries.SELECT_INTENT, [intent_id, self.mode])
        return next(iter(ORDER_INTENTS.rows(found)), None)

    def intents_filled_unbooked(self, before: str) -> list[IntentRow]:
        """Intents of this bot from sessions before the date `before` that filled more than is in `trades`."""
        found = self._read(queries.SELECT_UNBOOKED_INTENTS, [self.mode, self.bot, before])
        return ORDER_INTENTS.rows(found)

    def queued_intents(self, first: str, before: str) -> list[IntentRow]:
        """Orders of this bot for the opens of a range of sessions without an execution on record, nor an end."""
        found = self._read(queries.SELECT_QUEUED_INTENTS, [self.mode, self.bot, first, before])
        return ORDER_INTENTS.rows(found)

    def highest_order_id(self, client_id: int) -> int:
        """The highest order id that this client id ever used here; 0 when it used none."""
        highest = self._highest_order_ids
        if client_id not in highest:  # asked once: reconnecting must not depend on a database that works
            found = self._read(queries.SELECT_HIGHEST_ORDER_ID, [client_id])
            highest[client_id] = max(found[0][0] or 0, highest.get(client_id, 0))
        return highest[client_id]

    def open_positions(self, bot: str | None = None) -> list[PositionRow]:
        """Shares still owned by `bot`, or by every bot when None, by symbol."""
        return self._select(OPEN_POSITIONS, {"bot": bot}, order="symbol, bot")

    def round_trips(self, session_date: str | None = None, bot: str | None = None) -> list[RoundTripRow]:
        """Closed round trips, in the order of their closing; a trip belongs to the session that closed it."""
        return self._select(
            ROUND_TRIPS, {"session_date": session_date, "bot": bot}, order="closed_at, opened_at, symbol"
        )

    # What a session is judged by: of one bot (this one when None), from session `first` to `last`, YYYY-MM-DD

    def round_trips_between(self, first: str, last: str, bot: str | None = None) -> list[RoundTripRow]:
        """Round trips that closed in a range of sessions, in the order of their closing."""
        return ROUND_TRIPS.rows(self._read(queries.SELECT_ROUND_TRIPS_OF_RANGE, self._range(first, last, bot)))

    def fills_between(self, first: str, last: str, bot: str | None = None) -> list[FillRow]:
        """Executions of a range of sessions with the prices they were decided on, in the order of time."""
        return FILLS.rows(self._read(queries.SELECT_FILLS, self._range(first, last, bot)))

    def daily_metrics_between(self, first: str, last: str, bot: str | None = None) -> list[DailyMetricsRow]:
        """Metrics of a range of sessions, in their order."""
        return DAILY_METRICS.rows(self._read(queries.SELECT_DAILY_METRICS, self._range(first, last, bot)))

    def denials(self, session_date: str, bot: str | None = None) -> list[DenialRow]:
        """Refused entries of a session, each when its reason became news, in the order of time."""
        return DENIALS.rows(self._read(queries.SELECT_DENIALS, [session_date, bot or self.bot, self.mode]))

    def evaluations(self, session_date: str, bot: str | None = None) -> list[EvaluationRow]:
        """What was learned from a session, in the order of time."""
        return EVALUATIONS.rows(self._read(queries.SELECT_EVALUATIONS, [session_date, bot or self.bot, self.mode]))

    def open_forecasts(self) -> list[ForecastRow]:
        """Forecasts of this bot that are not settled, in the order of their making."""
        return FORECASTS.rows(self._read(queries.SELECT_OPEN_FORECASTS, [self.bot, self.mode]))

    def settled_forecasts(self) -> list[Settled]:
        """Probabilities that this bot was told and what came, in the order of their making."""
        return [Settled(*row) for row in self._read(queries.SELECT_SETTLED_FORECASTS, [self.bot, self.mode])]

    def weekly_cycles(self, most: int) -> list[WeeklyCycleRow]:
        """The last `most` cycles of this bot, the newest first."""
        return WEEKLY_CYCLES.rows(self._read(queries.SELECT_CYCLES, [self.bot, self.mode, most]))

    def count_weekly_cycles(self, session_date: str | None = None) -> int:
        """How many cycles of this bot are on record, of a session or of all."""
        first, last = (session_date, session_date) if session_date is not None else ("", "9999")
        return int(self._read(queries.COUNT_CYCLES, [self.bot, self.mode, first, last])[0][0])

    # What continuous improvement remembers, of this bot

    def parameter_changes(self, last: str) -> list[ParameterChangeRow]:
        """Changes of parameters up to a session, applied or not, in the order of their recording."""
        return PARAMETER_CHANGES.rows(self._read(queries.SELECT_PARAMETER_CHANGES, [last, self.bot, self.mode]))

    def experiment_days(self, experiment: str) -> list[ExperimentDayRow]:
        """The sessions of an experiment, each variant of each, in their order."""
        return EXPERIMENT_DAYS.rows(self._read(queries.SELECT_EXPERIMENT_DAYS, [experiment, self.bot, self.mode]))

    def session_plans(self, first: str, last: str) -> list[SessionPlanRow]:
        """What a range of sessions began with, in their order."""
        return IMPROVEMENT_SESSIONS.rows(self._read(queries.SELECT_SESSION_PLANS, self._range(first, last, None)))

    def improvement_steps(self, session_date: str) -> dict[str, ImprovementStepRow]:
        """step -> what came of it, of the steps after a session that are done."""
        found = self._read(queries.SELECT_IMPROVEMENT_STEPS, [session_date, self.bot, self.mode])
        return {row.step: row for row in IMPROVEMENT_STEPS.rows(found)}

    def latest_step(self, step: ImprovementStep, before: str) -> ImprovementStepRow | None:
        """The last time that a step was done after a session before the date `before`."""
        found = self._read(queries.SELECT_LATEST_STEP, [step, before, self.bot, self.mode])
        return next(iter(IMPROVEMENT_STEPS.rows(found)), None)

    def meta(self, key: str) -> str | None:
        """A value that belongs to this bot and mode; None before it is set."""
        found = self._read(queries.SELECT_META, [self._own_key(key)])
        return found[0]["value"] if found else None

    def _own_key(self, key: str) -> str:
        return f"{key}.{self.bot}.{self.mode}"

    def _range(self, first: str, last: str, bot: str | None) -> list[str]:
        return [first, last, bot or self.bot, self.mode]

    def _select(self, table: Table[FoundT], conditions: dict[str, str | None], *, order: str) -> list[FoundT]:
        wanted = {"mode": self.mode, **{name: value for name, value in conditions.items() if value is not None}}
        found = self._read(queries.selection(table, tuple(wanted), order), list(wanted.values()))
        return table.rows(found)

    def _since_flat(self, symbol: str, session_date: str, who: Sequence[str]) -> Iterator[sqlite3.Row]:
        """From the newest execution back to the first after which, before the session, something was owned."""
        with self._reading:
            for row in self._connection.execute(queries.SELECT_BACKWARDS, [symbol, *who]):
                if row["owned"] == 0 and row["session_date"] != session_date:
                    return
                yield row

    def _read(self, query: str, parameters: Sequence[Any]) -> list[sqlite3.Row]:
        """All rows of `query`. Raises RecordsFailed when the file cannot be read, Retryable from `_catch_up`."""
        self._catch_up()
        try:
            with self._reading:
                return self._connection.execute(query, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.ProgrammingError):
                raise
            raise RecordsFailed(f"{self.path}: cannot be read: {error}") from error
