"""What the program leaves behind and tells: `TradingHistory` over the database, `Telemetry` over OpenTelemetry."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from records.connections import CACHE_MB, limits_of, open_for_reading, open_for_writing
from records.inspection import CONFIGURATION_KEY
from records.rows import (
    OPEN_STATES,
    DailyMetricsRow,
    DecisionRow,
    EvaluationRow,
    HealthRow,
    IntentChange,
    IntentRow,
    IntentState,
    ParameterChangeRow,
    PositionRow,
    RoundTripRow,
    TradeRow,
)
from records.tables import Table, column_of, json_text, utc_text
from records.writer import RecordsFailed, Statement, Writer
from telemetry import tracing
from telemetry.log_lines import correlate
from telemetry.settings import TelemetrySettings, header_secrets, is_disabled, push_of
from utils import STANDARDS, Environment, HaltTrading, Misconfigured, Redaction, Retryable, load_settings

CATCH_UP_LIMIT_S = 30.0  # a healthy writer needs milliseconds; longer than its wait for another program's lock

TRADES = Table("trades", TradeRow)
ORDER_INTENTS = Table("order_intents", IntentRow)
DECISIONS = Table("decisions", DecisionRow)
AGENT_HEALTH = Table("agent_health", HealthRow)
PARAMETER_CHANGES = Table("parameter_changes", ParameterChangeRow)
EVALUATIONS = Table("evaluations", EvaluationRow)
DAILY_METRICS = Table("daily_metrics", DailyMetricsRow)
OPEN_POSITIONS = Table("open_positions", PositionRow)
ROUND_TRIPS = Table("round_trips", RoundTripRow)

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
REPORT_COMMISSION = "UPDATE trades SET commission = ?, pnl = ?, pnl_pct = ? WHERE exec_id = ?"
SELECT_OPEN_INTENTS = (
    f"SELECT * FROM order_intents WHERE mode = ? AND bot = ? AND state IN ({', '.join('?' * len(OPEN_STATES))}) "
    "ORDER BY created_at, rowid"
)


def _selection(table: Table[Any], columns: Sequence[str], order: str) -> str:
    where = " AND ".join(f"{column} = ?" for column in columns)
    return f"SELECT * FROM {table.name} WHERE {where} ORDER BY {order}"


IN_ORDER_OF_TIME = "timestamp, trade_id"
SELECT_SESSION = _selection(TRADES, ("mode", "session_date", "bot"), IN_ORDER_OF_TIME)
SELECT_BETWEEN = f"SELECT * FROM trades WHERE timestamp >= ? AND timestamp < ? AND mode = ? ORDER BY {IN_ORDER_OF_TIME}"
SELECT_LATEST = "SELECT * FROM trades WHERE symbol = ? AND mode = ? ORDER BY timestamp DESC, trade_id DESC LIMIT ?"
SELECT_HEALTH = (
    "SELECT * FROM agent_health WHERE timestamp >= ? AND timestamp < ? AND mode = ? ORDER BY timestamp, health_id"
)
QUERY_OF_INDEX: Mapping[str, str] = {  # performance index -> the statement of a reader that needs it
    "trades_timestamp": SELECT_BETWEEN,
    "trades_symbol_timestamp": SELECT_LATEST,
    "trades_session_date_bot": SELECT_SESSION,
    "agent_health_timestamp": SELECT_HEALTH,
}
ACCOUNT_KEY = "account_id"
SIMULATED = "simulated"
TELEMETRY_END_S = 1.8  # what the last spans may cost a program that ends

AnyRow = TradeRow | IntentRow | DecisionRow | HealthRow | ParameterChangeRow | EvaluationRow | DailyMetricsRow
RowT = TypeVar("RowT", bound=AnyRow)
FoundT = TypeVar("FoundT")


class TradingHistory:
    """Everything one bot did, in the database at `path`; the file is created or brought up to date.

    `record_...` and `update_intent` return at once; one thread writes, in the order of the calls. A row that
    cannot be written makes `healthy` false and raises RecordsFailed at `flush` and `close`. The readers see all
    that was recorded before the call, of this history's `mode` only: simulated shares are never real ones.
    Raises Misconfigured when `path` cannot be the program's database. Methods may be called from any thread.
    """

    def __init__(self, path: Path, *, bot: str, mode: str, cache_mb: int = CACHE_MB, mmap_mb: int = 0) -> None:
        self.path = path
        self.bot = bot
        self.mode = mode
        writing = open_for_writing(path, cache_mb=cache_mb)
        self._reader = open_for_reading(path, cache_mb=cache_mb, mmap_mb=mmap_mb)
        self._limits_active = limits_of(writing)._replace(mmap_mb=limits_of(self._reader).mmap_mb)
        self._reading = threading.Lock()
        self._writer = Writer(writing, name=str(path))

    @property
    def waiting(self) -> int:
        """Rows that wait to be written, about."""
        return self._writer.waiting

    @property
    def healthy(self) -> bool:
        """False once anything could not be written."""
        return self._writer.healthy

    # Recording

    def record_trade(self, trade: TradeRow) -> None:
        """One row per `exec_id`. The same execution again adds what was missing and never takes anything away."""
        self._writer.submit(UPSERT_TRADE, TRADES.values(self._mine(trade)))

    def record_commission(
        self, exec_id: str, commission_usd: float, pnl_usd: float | None, pnl_pct: float | None
    ) -> None:
        """What is known after the execution; the last report stands. The execution must be recorded before."""
        self._writer.submit(REPORT_COMMISSION, (commission_usd, pnl_usd, pnl_pct, exec_id))

    def commit_intents(self, intents: Sequence[IntentRow]) -> Future[None]:
        """All of `intents` or none, on disk when the future completes: send no order before. RecordsFailed."""
        return self._writer.submit_durable(
            [Statement(ORDER_INTENTS.insert, ORDER_INTENTS.values(self._mine(intent))) for intent in intents]
        )

    def update_intent(
        self, intent_id: str, state: IntentState, *, updated_at: datetime, **changes: Unpack[IntentChange]
    ) -> None:
        """The new state of a committed intent, and what changed with it. An unknown field raises TypeError."""
        values = [ORDER_INTENTS.value(field, value) for field, value in changes.items()]
        self._writer.submit(_update_intent(tuple(changes)), [state, utc_text(updated_at), *values, intent_id])

    def record_decision(self, decision: DecisionRow) -> None:
        self._writer.submit(DECISIONS.insert, DECISIONS.values(self._mine(decision)))

    def record_health(self, health: HealthRow) -> None:
        self._writer.submit(AGENT_HEALTH.insert, AGENT_HEALTH.values(self._mine(health)))

    def record_parameter_change(self, change: ParameterChangeRow) -> None:
        self._writer.submit(PARAMETER_CHANGES.insert, PARAMETER_CHANGES.values(self._mine(change)))

    def record_evaluation(self, evaluation: EvaluationRow) -> None:
        self._writer.submit(EVALUATIONS.insert, EVALUATIONS.values(self._mine(evaluation)))

    def record_daily_metrics(self, metrics: DailyMetricsRow) -> None:
        """One row per session, bot and mode; the last one stands."""
        self._writer.submit(UPSERT_DAILY_METRICS, DAILY_METRICS.values(self._mine(metrics)))

    def record_configuration(self, values: Mapping[str, Any]) -> None:
        """What this run works with, for who inspects it; as to the database, what its connections really have."""
        limits = self._limits_active
        database = {"sqlite_cache_mb": limits.cache_mb, "sqlite_mmap_mb": limits.mmap_mb}
        last_wins = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        self._writer.submit(last_wins, (CONFIGURATION_KEY + self.bot, json_text({**values, **database})))

    def bind_account(self, account_id: str) -> None:
        """Tie the database to an account, once and for all. Raises HaltTrading when it belongs to another.

        Waits for the disk.
        """
        first_wins = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING"
        self._writer.submit_durable([Statement(first_wins, (ACCOUNT_KEY, account_id))]).result()
        bound_to = self.account_id()
        if bound_to != account_id:
            raise HaltTrading(
                f"{self.path} is the history of account {bound_to}; the broker is connected to {account_id}"
            )

    def flush(self) -> Future[None]:
        """Completes when all before it is committed; fails with RecordsFailed if a row was lost."""
        return self._writer.flush()

    # Reading

    def account_id(self) -> str | None:
        """The account this database belongs to; None before `bind_account`."""
        found = self._read("SELECT value FROM meta WHERE key = ?", [ACCOUNT_KEY])
        return found[0]["value"] if found else None

    def trades(self, session_date: str | None = None, bot: str | None = None) -> list[TradeRow]:
        """Executions in the order of time; None: of all sessions, of all bots."""
        return self._select(TRADES, {"session_date": session_date, "bot": bot}, order=IN_ORDER_OF_TIME)

    def trades_between(self, start: datetime, end: datetime) -> list[TradeRow]:
        """Executions of all bots from `start` up to, not including, `end`, in the order of time."""
        return [TRADES.row(row) for row in self._read(SELECT_BETWEEN, [utc_text(start), utc_text(end), self.mode])]

    def latest_trades(self, symbol: str, limit: int = 20) -> list[TradeRow]:
        """The last executions in `symbol` of all bots, the newest first."""
        return [TRADES.row(row) for row in self._read(SELECT_LATEST, [symbol, self.mode, limit])]

    def health_between(self, start: datetime, end: datetime) -> list[HealthRow]:
        """Samples of all agents from `start` up to, not including, `end`, in the order of time."""
        found = self._read(SELECT_HEALTH, [utc_text(start), utc_text(end), self.mode])
        return [AGENT_HEALTH.row(row) for row in found]

    def open_intents(self, bot: str | None = None) -> list[IntentRow]:
        """Intents of `bot` (its own when None) of which an order may exist, in the order of their making."""
        found = self._read(SELECT_OPEN_INTENTS, [self.mode, bot or self.bot, *OPEN_STATES])
        return [ORDER_INTENTS.row(row) for row in found]

    def intent(self, intent_id: str) -> IntentRow | None:
        """One intent of any state; None when there is none of this id."""
        found = self._read("SELECT * FROM order_intents WHERE intent_id = ? AND mode = ?", [intent_id, self.mode])
        return ORDER_INTENTS.row(found[0]) if found else None

    def highest_order_id(self, client_id: int) -> int:
        """The highest order id that this client id ever used here; 0 when it used none."""
        found = self._read("SELECT MAX(order_id) FROM order_intents WHERE client_id = ?", [client_id])
        return int(found[0][0] or 0)

    def open_positions(self, bot: str | None = None) -> list[PositionRow]:
        """Shares still owned by `bot`, or by every bot when None, by symbol."""
        return self._select(OPEN_POSITIONS, {"bot": bot}, order="symbol, bot")

    def round_trips(self, session_date: str | None = None, bot: str | None = None) -> list[RoundTripRow]:
        """Closed round trips, in the order of their closing; a trip belongs to the session that closed it."""
        return self._select(
            ROUND_TRIPS, {"session_date": session_date, "bot": bot}, order="closed_at, opened_at, symbol"
        )

    # Life

    def close(self) -> None:
        """Write what waits and close the file. Raises RecordsFailed, after that, when a row was lost."""
        with self._reading:
            self._reader.close()  # first: the last connection folds the write-ahead log away
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

    def _mine(self, row: RowT) -> RowT:
        if row.bot and row.mode:
            return row
        return replace(row, bot=row.bot or self.bot, mode=row.mode or self.mode)

    def _select(self, table: Table[FoundT], conditions: dict[str, str | None], *, order: str) -> list[FoundT]:
        wanted = {"mode": self.mode, **{name: value for name, value in conditions.items() if value is not None}}
        found = self._read(_selection(table, tuple(wanted), order), list(wanted.values()))
        return [table.row(row) for row in found]

    def _read(self, query: str, parameters: Sequence[Any]) -> list[sqlite3.Row]:
        """All rows of `query`, once what was recorded before is committed (whether it could be or not)."""
        if not wait([self._writer.flush()], CATCH_UP_LIMIT_S).done:
            raise Retryable(f"{self.path}: the writer is {CATCH_UP_LIMIT_S:.0f} s behind")
        with self._reading:
            return self._reader.execute(query, parameters).fetchall()


@lru_cache(maxsize=64)
def _update_intent(changed: tuple[str, ...]) -> str:
    known = IntentChange.__annotations__
    for field in changed:
        if field not in known:
            closest = get_close_matches(field, known, n=1)
            hint = f"; did you mean {closest[0]!r}?" if closest else ""
            raise TypeError(f"an intent's {field!r} cannot be changed{hint}")
    columns = ("state", "updated_at", *(column_of(field) for field in changed))
    return f"UPDATE order_intents SET {', '.join(f'{column} = ?' for column in columns)} WHERE intent_id = ?"


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
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
        previous.with_name(previous.name + suffix).unlink(missing_ok=True)
    path.replace(previous)


class Telemetry:
    """Traces and metrics of a run, told to whoever collects them while the block runs.

    Without an endpoint nothing of OpenTelemetry is even imported. With one, a thread of its own hands on what the
    program tells; a collector that is away costs spans, never time, and ends the program at most 2 s later.
    Raises Misconfigured for `OTEL_...` variables or an address that cannot be used.
    """

    def __init__(
        self, settings: TelemetrySettings, environment: Environment, *, bot: str, mode: str, secrets: Iterable[str] = ()
    ) -> None:
        standard = {name: value for name, value in environment.items() if name.startswith(STANDARDS)}
        self._traces, self._metrics = push_of("TRACES", standard), push_of("METRICS", standard)
        port = None if is_disabled(standard) else settings.telemetry_prometheus_port
        self._prometheus = (settings.telemetry_prometheus_host, port) if port else None
        self._standard = standard
        self._bot = bot
        self._mode = mode
        self._blank = Redaction((*secrets, *header_secrets(standard)))
        self._stop: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, environment: Environment, *, bot: str, mode: str, secrets: Iterable[str]) -> Telemetry:
        """As the settings of a run say."""
        settings = load_settings(TelemetrySettings, environment)
        return cls(settings, environment, bot=bot, mode=mode, secrets=secrets)

    @property
    def is_on(self) -> bool:
        """Whether anybody is told anything."""
        return self._traces is not None or self._metrics is not None or self._prometheus is not None

    def __enter__(self) -> Self:
        if self.is_on:
            self._start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _start(self) -> None:
        from telemetry.otlp import OpenTelemetry, visible  # the SDK: half a second
        from telemetry.pump import Pump

        with visible(self._standard):
            backend = OpenTelemetry(
                service=self._bot,
                mode=self._mode,
                traces=self._traces,
                metrics=self._metrics,
                prometheus=self._prometheus,
                blank=self._blank,
            )
        pushed = self._traces or self._metrics
        pump = Pump(backend, where=f"the collector at {pushed.where}" if pushed else "Prometheus")
        tracing.tell(pump)
        uncorrelate = correlate()

        def stop() -> None:
            tracing.tell(None)
            uncorrelate()
            pump.close(TELEMETRY_END_S)

        self._stop = stop
