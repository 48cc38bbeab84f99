"""What somebody who browses the database asks: pages of rows, newest first, each answered through an index.

A page ends with a cursor, the key of its last row; the next page begins behind it. So page 5,000 costs what page 1
does, and rows that are added meanwhile shift nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from records.llm_calls import LLM_CALLS
from records.queries import (
    AGENT_HEALTH,
    CONTROL_ACTIONS,
    DAILY_METRICS,
    DECISIONS,
    EQUITY_MINUTES,
    EVALUATIONS,
    LLM_DAYS,
    OPEN_POSITIONS,
    ORDER_INTENTS,
    PARAMETER_CHANGES,
    ROUND_TRIPS,
    SELECT_LLM_DAYS,
    TRADES,
)
from records.rows import (
    OPEN_STATES,
    ControlActionRow,
    DailyMetricsRow,
    DecisionRow,
    EquityRow,
    EvaluationRow,
    HealthRow,
    IntentRow,
    LlmCallRow,
    LlmDayRow,
    ParameterChangeRow,
    PositionRow,
    RoundTripRow,
    TradeRow,
)
from records.tables import Table

MOST_SORTED = 20_000  # round trips that are looked at to sort them by result
BATCH = 200  # round trips that are looked at at once while wins or losses are picked
MOST_BATCHES = 25
UTC_SUFFIX = "+00:00"

RowT = TypeVar("RowT")
Key = tuple[str, int]  # an instant and a row's number: the order of a page


class Page(NamedTuple, Generic[RowT]):
    """Some rows, and the cursor behind the last one; None when there are no more."""

    rows: list[RowT]
    next: str | None


class Day(NamedTuple):
    """A session in a calendar. Equity is at its end, where the metrics know it."""

    session_date: str
    pnl_usd: float
    equity_usd: float | None
    drawdown_usd: float | None
    round_trips: int
    wins: int
    losses: int
    trades: int
    commissions_usd: float | None


class Denials(NamedTuple):
    """How often a reason became the reason for which a symbol was not bought."""

    symbol: str
    rule: str
    episodes: int


class ExperimentDay(NamedTuple):
    """One variant of an experiment in one session."""

    experiment: str
    session_date: str
    variant: str
    round_trips: int
    pnl_usd: float
    return_pct: float | None


class TripFilter(NamedTuple):
    """Which round trips; empty fields do not restrict. Sessions YYYY-MM-DD, both included."""

    first: str = ""
    last: str = ""
    symbol: str = ""
    exit_reason: str = ""
    result: Literal["", "win", "loss"] = ""


class Unanswerable(ValueError):
    """A question with a cursor that is none, or that would have to look at more rows than it may; in words."""


class Browsing:
    """Pages of what `bot` did in `mode`. For one thread; raises sqlite3.Error as it comes."""

    def __init__(self, connection: sqlite3.Connection, *, bot: str, mode: str) -> None:
        self._connection = connection
        self._who = (bot, mode)

    # Sessions

    def latest_session(self) -> str | None:
        """The last session with an execution, a decision or a minute of the account on record."""
        found = [
            self._ask(f"SELECT session_date FROM {table} WHERE bot = ? AND mode = ? ORDER BY {order} LIMIT 1")
            for table, order in (
                ("trades", "session_date DESC"),
                ("equity_minutes", "session_date DESC"),
                ("decisions", "session_date DESC"),
            )
        ]
        return max((rows[0][0] for rows in found if rows), default=None)

    def days(self, first: str, last: str) -> list[Day]:
        """Evaluated sessions from `first` to `last`, oldest first."""
        found = self._ask(
            "SELECT session_date, total_pnl, json_extract(detail, '$.equity_at_open_usd') + total_pnl, max_drawdown, "
            "round_trips, wins, losses, trades, commissions FROM daily_metrics "
            "WHERE bot = ? AND mode = ? AND session_date BETWEEN ? AND ? ORDER BY session_date",
            first or "0000-00-00",
            last or "9999-99-99",
        )
        return [Day(*row) for row in found]

    def metrics(self, session_date: str) -> DailyMetricsRow | None:
        """All metrics of a session; None before it is evaluated."""
        found = self._ask("SELECT * FROM daily_metrics WHERE bot = ? AND mode = ? AND session_date = ?", session_date)
        return next(iter(DAILY_METRICS.rows(found)), None)

    def equity(self, session_date: str) -> list[EquityRow]:
        """The account minute by minute."""
        found = self._ask(
            "SELECT * FROM equity_minutes WHERE bot = ? AND mode = ? AND session_date = ? ORDER BY timestamp",
            session_date,
        )
        return EQUITY_MINUTES.rows(found)

    # What was done

    def trades(self, session_date: str, symbol: str = "", *, limit: int, after: str = "") -> Page[TradeRow]:
        """Executions of a session, newest first."""
        where, values = _where({"session_date": session_date, "symbol": symbol})
        return self._page(TRADES, "trade_id", f"SELECT * FROM trades WHERE {where}", values, limit, after)

    def decisions(
        self, session_date: str, symbol: str = "", kind: str = "", rule: str = "", *, limit: int, after: str = ""
    ) -> Page[DecisionRow]:
        """Decisions of a session, newest first."""
        where, values = _where({"session_date": session_date, "symbol": symbol, "kind": kind, "rule": rule})
        select = f"SELECT rowid AS number, * FROM decisions WHERE {where}"
        return self._page(DECISIONS, "number", select, values, limit, after, number="rowid")

    def denials(self, session_date: str) -> list[Denials]:
        """Why a session did not buy: episodes by symbol and rule, the most frequent first."""
        found = self._ask(
            "SELECT symbol, rule, COUNT(*) AS episodes FROM decisions WHERE bot = ? AND mode = ? AND session_date = ? "
            "AND kind = 'deny' GROUP BY symbol, rule ORDER BY episodes DESC, symbol, rule",
            session_date,
        )
        return [Denials(*row) for row in found]

    def open_orders(self) -> list[IntentRow]:
        """Orders that may still act, the newest first."""
        states = ", ".join(f"'{state}'" for state in OPEN_STATES)  # literally as in the partial index
        found = self._ask(
            f"SELECT * FROM order_intents WHERE bot = ? AND mode = ? AND state IN ({states}) ORDER BY created_at DESC"
        )
        return ORDER_INTENTS.rows(found)

    def entries(self, session_date: str) -> list[IntentRow]:
        """Entries of a session with what became of them, the newest first."""
        found = self._ask(
            "SELECT * FROM order_intents WHERE bot = ? AND mode = ? AND session_date = ? AND role = 'entry' "
            "ORDER BY created_at DESC",
            session_date,
        )
        return ORDER_INTENTS.rows(found)

    def positions(self) -> list[PositionRow]:
        """What is owned."""
        return OPEN_POSITIONS.rows(self._ask("SELECT * FROM open_positions WHERE bot = ? AND mode = ? ORDER BY symbol"))

    # Round trips

    def round_trips(self, wanted: TripFilter, *, limit: int, after: str = "") -> Page[RoundTripRow]:
        """Newest first. Wins and losses are picked from what is found, so a page may have fewer rows."""
        rows: list[RoundTripRow] = []
        for _ in range(MOST_BATCHES if wanted.result else 1):
            size = BATCH if wanted.result else limit
            closings = self._closings(wanted, size + 1, after)
            for row, key in self._trips(closings[:size]):
                if not _has_result(row, wanted.result):
                    continue
                rows.append(row)
                if len(rows) == limit:
                    more = key != closings[-1]
                    return Page(rows, _cursor(key) if more else None)
            if len(closings) <= size:
                return Page(rows, None)
            after = _cursor(closings[size - 1])
        return Page(rows, after)

    def round_trips_by_result(
        self, wanted: TripFilter, *, ascending: bool, limit: int, after: str = ""
    ) -> Page[RoundTripRow]:
        """The best first, or the worst. Raises Unanswerable beyond MOST_SORTED round trips."""
        closings = self._closings(wanted, MOST_SORTED + 1)
        if len(closings) > MOST_SORTED:
            raise Unanswerable(f"more than {MOST_SORTED:,} round trips: ask for fewer sessions to sort them by result")
        found = [row for row, _ in self._trips(closings) if _has_result(row, wanted.result)]
        known = [row for row in found if row.pnl_usd is not None]
        known.sort(key=lambda row: row.pnl_usd or 0.0, reverse=not ascending)
        start = _offset(after)
        page = known[start : start + limit]
        return Page(page, str(start + limit) if start + limit < len(known) else None)

    def _closings(self, wanted: TripFilter, limit: int, after: str = "") -> list[Key]:
        """Executions that ended a round trip, newest first. Sessions become instants: those have an index."""
        conditions, values = ["bot = ?", "mode = ?", "owned = 0"], [*self._who]
        for condition, value in (
            ("symbol = ?", wanted.symbol),
            ("reason = ?", wanted.exit_reason),
            ("session_date >= ?", wanted.first),
            ("timestamp >= ?", wanted.first),
            ("session_date <= ?", wanted.last),
            ("timestamp < ?", _two_days_later(wanted.last)),
        ):
            if value:
                conditions.append(condition)
                values.append(value)
        keyed, key = _behind(after, "trade_id")
        found = self._connection.execute(
            f"SELECT timestamp, trade_id FROM trades WHERE {' AND '.join(conditions)}{keyed} "
            "ORDER BY timestamp DESC, trade_id DESC LIMIT ?",
            [*values, *key, limit],
        )
        return [(row[0], row[1]) for row in found]

    def _trips(self, closings: Sequence[Key]) -> Iterator[tuple[RoundTripRow, Key]]:
        """The round trips that these executions ended, in their order."""
        for start in range(0, len(closings), BATCH):
            keys = closings[start : start + BATCH]
            marks = ", ".join("?" * len(keys))
            found = self._connection.execute(
                f"SELECT * FROM round_trips WHERE trip IN ({marks})", [number for _, number in keys]
            ).fetchall()
            rows = dict(zip((row["trip"] for row in found), ROUND_TRIPS.rows(found), strict=True))
            for key in keys:
                if key[1] in rows:
                    yield rows[key[1]], key

    # What it was like, and what was learned

    def health(self, start: str, end: str) -> list[HealthRow]:
        """Samples between two instants, oldest first."""
        found = self._connection.execute(
            "SELECT * FROM agent_health WHERE timestamp >= ? AND timestamp < ? AND bot = ? AND mode = ? "
            "ORDER BY timestamp, health_id",
            [start, end, *self._who],
        ).fetchall()
        return AGENT_HEALTH.rows(found)

    def parameter_changes(self, limit: int) -> list[ParameterChangeRow]:
        """The latest proposals, applied or not, newest first."""
        return PARAMETER_CHANGES.rows(self._latest("parameter_changes", "change_id", limit))

    def last_parameters(self) -> Mapping[str, Any]:
        """What the strategy worked with at the latest execution; empty where none says it."""
        found = self._ask(
            "SELECT parameters FROM trades WHERE bot = ? AND mode = ? AND parameters IS NOT NULL "
            "ORDER BY timestamp DESC LIMIT 1"
        )
        return dict(json.loads(found[0][0])) if found else {}

    def meta(self, key: str) -> str:
        """A fact of the file about this bot and mode; empty where there is none."""
        bot, mode = self._who
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", [f"{key}.{bot}.{mode}"]).fetchone()
        return str(row[0]) if row else ""

    def evaluations(self, session_date: str) -> list[EvaluationRow]:
        """What was learned from a session."""
        found = self._ask(
            "SELECT * FROM evaluations WHERE bot = ? AND mode = ? AND session_date = ? ORDER BY timestamp",
            session_date,
        )
        return EVALUATIONS.rows(found)

    def experiment_days(self) -> list[ExperimentDay]:
        """Every variant of every experiment, session by session."""
        found = self._ask(
            "SELECT experiment, session_date, variant, round_trips, pnl, return_pct FROM experiment_days "
            "WHERE bot = ? AND mode = ? ORDER BY experiment, session_date, variant"
        )
        return [ExperimentDay(*row) for row in found]

    def experiment_standings(self) -> dict[str, dict[str, Any]]:
        """experiment -> where the last improvement cycle found it to stand; see `evidence.experiments.Standing`."""
        found = self._ask(
            "SELECT detail FROM improvement_steps WHERE bot = ? AND mode = ? AND step = 'experiment' "
            "AND json_extract(detail, '$.running') IS NOT NULL ORDER BY session_date"
        )
        details = [json.loads(detail) for (detail,) in found]
        return {detail["running"]: detail["standing"] for detail in details if detail["standing"] is not None}

    def llm_days(self) -> list[LlmDayRow]:
        """Calls and cost by session and model, the latest session first."""
        return LLM_DAYS.rows(self._ask(SELECT_LLM_DAYS))

    def llm_calls(self, limit: int) -> list[LlmCallRow]:
        """The latest calls, newest first."""
        return LLM_CALLS.rows(self._latest("llm_calls", "rowid", limit))

    def control_actions(self, limit: int) -> list[ControlActionRow]:
        """What operators asked for, newest first."""
        return CONTROL_ACTIONS.rows(self._latest("control_actions", "rowid", limit))

    def _latest(self, table: str, number: str, limit: int) -> list[sqlite3.Row]:
        return self._ask(f"SELECT * FROM {table} WHERE bot = ? AND mode = ? ORDER BY {number} DESC LIMIT ?", limit)

    def _ask(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """`query` begins its conditions with bot and mode."""
        return self._connection.execute(query, [*self._who, *values]).fetchall()

    def _page(
        self, table: Table[RowT], key: str, select: str, values: Sequence[Any], limit: int, after: str, number: str = ""
    ) -> Page[RowT]:
        keyed, position = _behind(after, number or key)
        found = self._connection.execute(
            f"{select} AND bot = ? AND mode = ?{keyed} ORDER BY timestamp DESC, {number or key} DESC LIMIT ?",
            [*values, *self._who, *position, limit + 1],
        ).fetchall()
        more = found[limit - 1] if len(found) > limit else None
        return Page(table.rows(found[:limit]), _cursor((more["timestamp"], more[key])) if more is not None else None)


def bots_on_record(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """(bot, mode) pairs that own or owned something, or have a measured session; the one used last comes first."""
    found = connection.execute(
        "SELECT bot, mode, MAX(session_date) FROM (SELECT bot, mode, session_date FROM daily_metrics "
        "UNION ALL SELECT bot, mode, '' FROM holdings "
        "UNION ALL SELECT bot, mode, session_date FROM (SELECT bot, mode, session_date FROM trades "
        "ORDER BY trade_id DESC LIMIT 1)) GROUP BY bot, mode ORDER BY 3 DESC, bot = 'day_trader' DESC"
    )
    return [(bot, mode) for bot, mode, _ in found]


def _where(wanted: Mapping[str, str]) -> tuple[str, list[str]]:
    given = {name: value for name, value in wanted.items() if value}
    return " AND ".join(f"{name} = ?" for name in given), list(given.values())


def _has_result(row: RoundTripRow, result: str) -> bool:
    if not result:
        return True
    return row.pnl_usd is not None and (row.pnl_usd > 0) == (result == "win")


def _cursor(key: Key) -> str:
    return f"{key[0].removesuffix(UTC_SUFFIX)}~{key[1]}"  # a plus would have to be written %2B in an address


def _behind(after: str, number: str) -> tuple[str, list[Any]]:
    """The condition that a row comes behind a cursor. Raises Unanswerable for what is none."""
    if not after:
        return "", []
    timestamp, _, digits = after.partition("~")
    if not digits.isdecimal() or len(digits) > 18 or len(timestamp) > 32:
        raise Unanswerable(f"{after[:40]!r} is not a cursor of such a page")
    return f" AND (timestamp, {number}) < (?, ?)", [timestamp + UTC_SUFFIX, int(digits)]


def _offset(after: str) -> int:
    if after and not (after.isdecimal() and len(after) < 9):
        raise Unanswerable(f"{after[:40]!r} is not a cursor of such a page")
    return int(after or 0)


def _two_days_later(session_date: str) -> str:
    """An instant after every execution of a session, wherever the exchange is."""
    return (date.fromisoformat(session_date) + timedelta(days=2)).isoformat() if session_date else ""
