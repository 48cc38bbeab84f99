"""What the program leaves behind and tells: `TradingHistory` over the database, `Telemetry` over OpenTelemetry."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from records import queries
from records.backups import back_up
from records.connections import CACHE_MB, limits_of, open_for_reading, open_for_writing, opening_fault
from records.faults import RecordsFailed
from records.history_reader import ACCOUNT_KEY, DAY_MARKS_KEY, HistoryReader
from records.inspection import CONFIGURATION_KEY
from records.integrity import refuse_damaged
from records.journal import FallbackJournal, claim_journal, move_journals
from records.llm_calls import INSERT_LLM_CALL, LLM_CALLS
from records.merging import merge_leftovers
from records.queries import (
    AGENT_HEALTH,
    CONTROL_ACTIONS,
    DAILY_METRICS,
    DECISIONS,
    EQUITY_MINUTES,
    EVALUATIONS,
    EXPERIMENT_DAYS,
    FORECASTS,
    IMPROVEMENT_SESSIONS,
    IMPROVEMENT_STEPS,
    ORDER_INTENTS,
    PARAMETER_CHANGES,
    TRADES,
    WEEKLY_CYCLES,
)
from records.retention import prune
from records.rows import (
    ControlActionRow,
    DailyMetricsRow,
    DecisionRow,
    EquityRow,
    EvaluationRow,
    ExperimentDayRow,
    ForecastRow,
    HealthRow,
    ImprovementStepRow,
    IntentChange,
    IntentRow,
    IntentState,
    LlmCallRow,
    ParameterChangeRow,
    SessionPlanRow,
    TradeRow,
    WeeklyCycleRow,
)
from records.settings import RecordsSettings
from records.statements import Statement
from records.tables import Table, json_text, utc_text
from records.writer import Writer
from telemetry.run import Telemetry as Telemetry
from utils import HaltTrading, Misconfigured, Retryable

log = logging.getLogger(__name__)

CATCH_UP_LIMIT_S = 30.0  # a healthy writer needs milliseconds; longer than its wait for another program's lock

SIMULATED = "simulated"

RowT = TypeVar("RowT")


class TradingHistory(HistoryReader):
    """Everything one bot did, in the database at `path`; the file is created or brought up to date.

    `record_...` and `update_intent` return at once; one thread writes, in the order of the calls. While the database
    takes nothing (locked, full, damaged, gone), a journal beside it does, and `trouble` says so. A row that is wrong
    shows in `trouble`, too, and raises RecordsFailed at `flush` and `close`. The readers see all that the database
    took before the call, of this history's `mode` only: simulated shares are never real ones.
    Raises Misconfigured when `path` cannot be the program's database, HaltTrading when it is damaged, Retryable when
    another program keeps it locked. Methods may be called from any thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        bot: str,
        mode: str,
        cache_mb: int = CACHE_MB,
        mmap_mb: int = 0,
        log_mb: int = 0,
        settings: RecordsSettings | None = None,
    ) -> None:
        self._settings = settings or RecordsSettings()
        with ExitStack() as opened:
            writing = opened.enter_context(closing(open_for_writing(path, cache_mb=cache_mb)))
            journal = self._take_up_journals(writing, path, bot)
            opened.callback(journal.close)
            reading = opened.enter_context(closing(open_for_reading(path, cache_mb=cache_mb, mmap_mb=mmap_mb)))
            super().__init__(reading, path, bot=bot, mode=mode)
            self._limits_active = limits_of(writing)._replace(mmap_mb=limits_of(reading).mmap_mb)
            self._writer = Writer(writing, path, journal, log_mb=log_mb)
            opened.pop_all()

    @property
    def trouble(self) -> str:
        """Why nothing new should be bought, in words that stay the same while it lasts; empty when all is well."""
        return self._writer.trouble

    @property
    def healthy(self) -> bool:
        """Whether all is on record in the database, or will be at once."""
        return self._writer.healthy

    @property
    def waiting(self) -> int:
        """Rows and transactions that are not written yet."""
        return self._writer.waiting

    # Recording

    def record_trade(self, trade: TradeRow) -> None:
        """One row per `exec_id`. The same execution again adds what was missing and never takes anything away."""
        self._writer.submit(queries.UPSERT_TRADE, self._values(TRADES, trade))

    def commit_trades(self, trades: Sequence[TradeRow]) -> Future[None]:
        """All of `trades` or none, on disk when the future completes. Raises RecordsFailed from the future."""
        return self._writer.submit_durable(
            [Statement(queries.UPSERT_TRADE, self._values(TRADES, trade)) for trade in trades]
        )

    def record_commission(
        self, exec_id: str, commission_usd: float, pnl_usd: float | None, pnl_pct: float | None
    ) -> None:
        """What is known after the execution; the last report stands. The execution must be recorded before."""
        self._writer.submit(queries.REPORT_COMMISSION, (commission_usd, pnl_usd, pnl_pct, exec_id))

    def replace_trade(self, stand_in: TradeRow, trade: TradeRow) -> None:
        """`trade` takes the place of as many shares of the row `stand_in`, which goes when nothing of it is left."""
        removal = Statement(queries.REMOVE_TRADE, (stand_in.exec_id,))
        if trade.quantity < stand_in.quantity:
            removal = Statement(queries.SHRINK_TRADE, (trade.quantity, stand_in.exec_id))
        self._writer.submit_durable([removal, Statement(queries.UPSERT_TRADE, self._values(TRADES, trade))])

    def commit_intents(self, intents: Sequence[IntentRow]) -> Future[None]:
        """All of `intents` or none, on disk when the future completes: send no order before. RecordsFailed."""
        return self._writer.submit_durable(
            [Statement(ORDER_INTENTS.insert, self._values(ORDER_INTENTS, intent)) for intent in intents]
        )

    def update_intent(
        self, intent_id: str, state: IntentState, *, updated_at: datetime, **changes: Unpack[IntentChange]
    ) -> None:
        """The new state of a committed intent, and what changed with it. An unknown field raises TypeError."""
        client_id, order_id = changes.get("client_id"), changes.get("order_id")
        if client_id in self._highest_order_ids and order_id is not None:
            self._highest_order_ids[client_id] = max(self._highest_order_ids[client_id], order_id)
        values = [ORDER_INTENTS.value(field, value) for field, value in changes.items()]
        self._writer.submit(queries.update_intent(tuple(changes)), [state, utc_text(updated_at), *values, intent_id])

    def record_decision(self, decision: DecisionRow) -> None:
        self._writer.submit(DECISIONS.insert, self._values(DECISIONS, decision))

    def record_health(self, health: HealthRow) -> None:
        self._writer.submit(AGENT_HEALTH.insert, self._values(AGENT_HEALTH, health))

    def record_parameter_change(self, change: ParameterChangeRow) -> None:
        self._writer.submit(PARAMETER_CHANGES.insert, self._values(PARAMETER_CHANGES, change))

    def record_evaluation(self, evaluation: EvaluationRow) -> None:
        self._writer.submit(EVALUATIONS.insert, self._values(EVALUATIONS, evaluation))

    def record_llm_call(self, call: LlmCallRow) -> None:
        """The database adds the hash that chains it to the call before."""
        self._writer.submit(INSERT_LLM_CALL, self._values(LLM_CALLS, call))

    def replace_evaluation(self, evaluation: EvaluationRow) -> None:
        """The same, in place of what its source said about the session before."""
        key = (evaluation.session_date, evaluation.bot or self.bot, evaluation.mode or self.mode, evaluation.source)
        row = self._values(EVALUATIONS, evaluation)
        self._writer.submit_durable([Statement(queries.REMOVE_EVALUATIONS, key), Statement(EVALUATIONS.insert, row)])

    def commit_cycle(self, cycle: WeeklyCycleRow, forecasts: Sequence[ForecastRow] = ()) -> Future[None]:
        """A cycle as it stands now, with forecasts made in it: all on disk when the future completes, or nothing.

        The last word on a cycle stands.
        """
        rows = [Statement(FORECASTS.insert, self._values(FORECASTS, each)) for each in forecasts]
        row = Statement(queries.UPSERT_CYCLE, self._values(WEEKLY_CYCLES, cycle))
        return self._writer.submit_durable([row, *rows])

    def settle_forecast(self, forecast_id: str, outcome: float | None, score: float | None, now: datetime) -> None:
        """What came of a forecast; None: nobody can say any more."""
        self._writer.submit(queries.SETTLE_FORECAST, (outcome, score, utc_text(now), forecast_id))

    def record_daily_metrics(self, metrics: DailyMetricsRow) -> None:
        """One row per session, bot and mode; the last one stands."""
        self._writer.submit(queries.UPSERT_DAILY_METRICS, self._values(DAILY_METRICS, metrics))

    def record_session_plan(self, plan: SessionPlanRow) -> None:
        """One row per session, bot and mode; the last one stands."""
        self._writer.submit(queries.PUT_SESSION_PLAN, self._values(IMPROVEMENT_SESSIONS, plan))

    def commit_improvement(
        self,
        step: ImprovementStepRow | None = None,
        *,
        changes: Sequence[ParameterChangeRow] = (),
        experiment_days: Sequence[ExperimentDayRow] = (),
        meta: Mapping[str, str] | None = None,
    ) -> None:
        """A step and all that it changed, in one transaction; waits for the disk. Raises RecordsFailed.

        A step that is on record already changes nothing: its key refuses the whole transaction.
        """
        statements = [
            *([Statement(IMPROVEMENT_STEPS.insert, self._values(IMPROVEMENT_STEPS, step))] if step else ()),
            *(Statement(PARAMETER_CHANGES.insert, self._values(PARAMETER_CHANGES, each)) for each in changes),
            *(Statement(queries.PUT_EXPERIMENT_DAY, self._values(EXPERIMENT_DAYS, each)) for each in experiment_days),
            *(Statement(queries.SET_META, (self._own_key(key), value)) for key, value in (meta or {}).items()),
        ]
        self._writer.submit_durable(statements).result()

    def record_equity(self, equity: EquityRow) -> None:
        """The account at a minute; a second run of that minute replaces the first."""
        self._writer.submit(queries.REPLACE_EQUITY, self._values(EQUITY_MINUTES, equity))

    def record_control_action(self, action: ControlActionRow) -> None:
        """What an operator asked for; recorded again with the outcome."""
        self._writer.submit(queries.UPSERT_CONTROL_ACTION, self._values(CONTROL_ACTIONS, action))

    def record_configuration(self, values: Mapping[str, Any]) -> None:
        """What this run works with, for who inspects it; as to the database, what its connections really have."""
        limits = self._limits_active
        database = {"sqlite_cache_mb": limits.cache_mb, "sqlite_mmap_mb": limits.mmap_mb}
        self._writer.submit(queries.SET_META, (CONFIGURATION_KEY + self.bot, json_text({**values, **database})))

    def record_day_marks(self, session_date: str, marks: Mapping[str, Any]) -> None:
        """What of a session no execution tells, for a later run of it. The last one stands."""
        self._writer.submit(
            queries.SET_META,
            (f"{DAY_MARKS_KEY}{self.bot}.{self.mode}", json_text({"session_date": session_date, **marks})),
        )

    def bind_account(self, account_id: str) -> None:
        """Tie the database to an account, once and for all. Raises HaltTrading when it belongs to another.

        Waits for the disk.
        """
        self._writer.submit_durable([Statement(queries.SET_META_ONCE, (ACCOUNT_KEY, account_id))]).result()
        bound_to = self.account_id()  # None while the binding is only in the journal
        if bound_to not in (None, account_id):
            raise HaltTrading(
                f"{self.path} is the history of account {bound_to}; the broker is connected to {account_id}"
            )

    def flush(self) -> Future[None]:
        """Completes when all before it is committed; fails with RecordsFailed if a row was lost."""
        return self._writer.flush()

    # Upkeep

    def end_session(self, session_date: str, now: datetime) -> str:
        """Old decisions and health samples leave, and a backup is made; returns what went wrong, empty if nothing.

        Waits for the disk. Simulated sessions are not backed up: the same command makes them again.
        """
        try:
            self._writer.run(lambda connection: prune(connection, now - self._settings.keep)).result()
            if self.mode != SIMULATED and self._settings.records_backups:
                back_up(self.path, session_date, keep=self._settings.records_backups)
        except RecordsFailed as error:
            log.error("%s; the session's records are not touched by that", error)
            return str(error)
        return ""

    # Life

    def close(self) -> None:
        """Write what waits and close the file. Raises RecordsFailed, after that, when a row was lost."""
        with self._reading:
            self._connection.close()  # first: the last connection folds the write-ahead log away
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(RecordsFailed):  # it was logged when it happened; the error under way says more
            self.close()

    def _values(self, table: Table[RowT], row: RowT) -> list[Any]:
        """Parameters of the table's statements. A row that names no bot or mode is of this history's."""
        return table.values(row, self.bot, self.mode)

    def _catch_up(self) -> None:
        """Wait until what was recorded before is committed (whether it could be or not). Raises Retryable."""
        writer = self._writer
        if not writer.is_idle and not writer.is_stuck and not wait([writer.flush()], CATCH_UP_LIMIT_S).done:
            raise Retryable(f"{self.path}: the writer is {CATCH_UP_LIMIT_S:.0f} s behind")

    def _take_up_journals(self, connection: sqlite3.Connection, path: Path, bot: str) -> FallbackJournal:
        """Check the file, merge what earlier programs could not write, and begin a journal of this program."""
        directory, reserve_mb = self._settings.fallback_dir, self._settings.records_reserve_mb
        try:
            refuse_damaged(connection, path)
            merge_leftovers(connection, path, directory)
            return claim_journal(path, bot, directory, reserve_mb=reserve_mb)
        except sqlite3.Error as error:
            raise opening_fault(path, error) from error
        except OSError as error:
            raise Misconfigured(f"{error.filename or directory}: no fallback journal here: {error.strerror}") from error


def start_afresh(path: Path) -> None:
    """Make room for a simulated run: an earlier simulated database is kept as `NAME.previous.db`.

    A simulated account begins anew with every run, so its history must too. Raises Misconfigured when the file
    holds live or paper days: those are never moved, and never mixed with simulated ones.
    """
    if not path.exists():
        return
    with closing(open_for_writing(path)) as connection:
        tables = ("trades", "order_intents", "decisions", "agent_health")
        found = connection.execute(" UNION ".join(f"SELECT mode FROM {table}" for table in tables))
        real = sorted(mode for (mode,) in found if mode != SIMULATED)
    if real:
        raise Misconfigured(
            f"{path} is the history of {' and '.join(real)} trading: a simulated run needs its own --db"
        )
    previous = path.with_name(f"{path.stem}.previous{path.suffix}")
    move_journals(path, previous)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
        previous.with_name(previous.name + suffix).unlink(missing_ok=True)
    path.replace(previous)
