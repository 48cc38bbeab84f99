"""The questions that the API answers, in one table: path, what may be asked, who answers. OpenAPI is made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from dashboard import charts, experiments, logs
from dashboard.answers import (
    Chart,
    CommandState,
    EquityCurve,
    Experiment,
    Insights,
    LlmCall,
    LlmUse,
    LogTail,
    Metrics,
    Parameters,
    Rows,
)
from dashboard.program import Program
from market_hours import NEW_YORK
from records.browsing import Browsing, Day, Denials, Page, TripFilter
from records.rows import DecisionRow, HealthRow, IntentRow, PositionRow, RoundTripRow, TradeRow
from records.tables import utc_text
from trading.live_view import shown_parameters
from trading.watchlist import SYMBOL

FROZEN_KEY = "improvement.frozen"  # of `meta`: why parameters may not change
MOST_ROWS = 500
MOST_CHANGES = 500

Kind = Literal["session", "date", "symbol", "word", "count", "cursor", "one_of"]
WORD = re.compile(r"[a-z0-9_]{1,40}")
CURSOR = re.compile(r"[0-9T:.~-]{1,60}")


class BadQuestion(ValueError):
    """A question that cannot be answered as it stands; the text says why."""


class Parameter(NamedTuple):
    """Something that a question may name."""

    name: str
    kind: Kind
    meaning: str
    choices: tuple[str, ...] = ()
    default: str = ""
    in_path: bool = False

    def read(self, text: str) -> str | int:
        """The value of `text`. Raises BadQuestion."""
        if not text:
            return int(self.default) if self.kind == "count" else self.default
        if self.kind == "count":
            if not text.isdecimal() or not 1 <= len(text) <= 4 or not 1 <= int(text) <= MOST_ROWS:
                raise BadQuestion(f"{self.name} must be a number from 1 to {MOST_ROWS}")
            return int(text)
        if self._fits(text):
            return text
        allowed = " or ".join(self.choices) if self.choices else {"symbol": "a symbol", "word": "a name"}.get(self.kind)
        raise BadQuestion(f"{self.name} must be {allowed or 'a date like 2025-10-07'}")

    def _fits(self, text: str) -> bool:
        if self.kind == "one_of":
            return text in self.choices
        if self.kind in ("session", "date"):
            return _is_date(text)
        return {"symbol": SYMBOL, "word": WORD, "cursor": CURSOR}[self.kind].fullmatch(text) is not None


class Asked(NamedTuple):
    """A question that was understood."""

    browsing: Browsing
    program: Program
    values: Mapping[str, Any]

    @property
    def session(self) -> str | None:
        """The session that is meant: named, or the running one, or the latest on record."""
        if named := self.values.get("session"):
            return str(named)
        view = self.program.live.view
        return view.session_date if view is not None else self.browsing.latest_session()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A path of the API that only reads. `answer` runs in a thread that may wait for the database."""

    path: str
    meaning: str
    gives: Any
    parameters: tuple[Parameter, ...] = ()
    answer: Callable[[Asked], Any]


SESSION = Parameter("session", "session", "session date; the latest when absent")
SYMBOL_WANTED = Parameter("symbol", "symbol", "only this symbol")
LIMIT = Parameter("limit", "count", "rows of the page", default="100")
AFTER = Parameter("after", "cursor", "the cursor `next` of the page before")
FIRST = Parameter("first", "date", "first session")
LAST = Parameter("last", "date", "last session")
TRIPS = (
    FIRST,
    LAST,
    SYMBOL_WANTED,
    Parameter("exit_reason", "word", "only those that ended for this reason"),
    Parameter("result", "one_of", "only wins, or only losses", choices=("win", "loss")),
)


def trip_filter(values: Mapping[str, Any]) -> TripFilter:
    """The filter that a question names."""
    return TripFilter(**{name: values[name] for name in TripFilter._fields})


def _days(asked: Asked) -> Rows[Day]:
    return Rows(asked.browsing.days(asked.values["first"], asked.values["last"]))


def _metrics(asked: Asked) -> Metrics:
    session = asked.values["session"]
    return Metrics(session, asked.browsing.metrics(session))


def _equity(asked: Asked) -> EquityCurve:
    session = asked.session
    rows = asked.browsing.equity(session) if session else []
    return EquityCurve(
        session,
        [(utc_text(r.timestamp), r.equity_usd, r.pnl_usd, r.drawdown_usd, r.committed_usd, r.positions) for r in rows],
    )


def _chart(asked: Asked) -> Chart:
    return charts.chart(asked.browsing, asked.program, asked.session, asked.values["symbol"])


def _decisions(asked: Asked) -> Page[DecisionRow]:
    wanted = {name: asked.values[name] for name in ("symbol", "kind", "rule", "limit", "after")}
    session = asked.session
    return asked.browsing.decisions(session, **wanted) if session else Page([], None)


def _denials(asked: Asked) -> Rows[Denials]:
    session = asked.session
    return Rows(asked.browsing.denials(session) if session else [])


def _trades(asked: Asked) -> Page[TradeRow]:
    wanted = {name: asked.values[name] for name in ("symbol", "limit", "after")}
    session = asked.session
    return asked.browsing.trades(session, **wanted) if session else Page([], None)


def _round_trips(asked: Asked) -> Page[RoundTripRow]:
    values, wanted = asked.values, trip_filter(asked.values)
    ascending = values["order"] == "asc"
    if values["sort"] == "pnl_usd":
        return asked.browsing.round_trips_by_result(
            wanted, ascending=ascending, limit=values["limit"], after=values["after"]
        )
    if ascending:
        raise BadQuestion("order=asc belongs to sort=pnl_usd; by time the newest comes first")
    return asked.browsing.round_trips(wanted, limit=values["limit"], after=values["after"])


def _orders(asked: Asked) -> Rows[IntentRow]:
    if asked.values["open"]:
        return Rows(asked.browsing.open_orders())
    session = asked.session
    return Rows(asked.browsing.entries(session) if session else [])


def _positions(asked: Asked) -> Rows[PositionRow]:
    return Rows(asked.browsing.positions())


def _health(asked: Asked) -> Rows[HealthRow]:
    session = asked.session
    if not session:
        return Rows([])
    midnight = datetime.fromisoformat(session).replace(tzinfo=NEW_YORK)
    return Rows(asked.browsing.health(utc_text(midnight), utc_text(midnight + timedelta(days=1))))


def _parameters(asked: Asked) -> Parameters:
    view, browsing = asked.program.live.view, asked.browsing
    current = view.parameters if view is not None else shown_parameters(browsing.last_parameters())
    return Parameters(current, browsing.meta(FROZEN_KEY), browsing.parameter_changes(MOST_CHANGES))


def _experiments(asked: Asked) -> Rows[Experiment]:
    return Rows(experiments.standings(asked.browsing.experiment_days(), asked.browsing.experiment_standings()))


def _insights(asked: Asked) -> Insights:
    session = asked.session
    return Insights(session, asked.browsing.evaluations(session) if session else [])


def _llm(asked: Asked) -> LlmUse:
    calls = asked.browsing.llm_calls(asked.values["limit"])
    return LlmUse(asked.browsing.llm_days(), [LlmCall.of(row) for row in calls])


def _log(asked: Asked) -> LogTail:
    program = asked.program
    return LogTail(logs.tail(program.log_file, asked.values["lines"], program.blank) if program.log_file else [])


def _commands(asked: Asked) -> Rows[CommandState]:
    return Rows([CommandState.of(row) for row in asked.browsing.control_actions(asked.values["limit"])])


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


QUESTIONS: tuple[Question, ...] = (
    Question(
        path="/api/sessions",
        meaning="Evaluated sessions, oldest first: the calendar and the equity by day.",
        gives=Rows[Day],
        parameters=(FIRST, LAST),
        answer=_days,
    ),
    Question(
        path="/api/sessions/{session}",
        meaning="All metrics of a session.",
        gives=Metrics,
        parameters=(SESSION._replace(in_path=True),),
        answer=_metrics,
    ),
    Question(
        path="/api/equity",
        meaning="The account minute by minute.",
        gives=EquityCurve,
        parameters=(SESSION,),
        answer=_equity,
    ),
    Question(
        path="/api/bars/{symbol}",
        meaning="Minute bars of a session with VWAP(20), and its executions.",
        gives=Chart,
        parameters=(SYMBOL_WANTED._replace(in_path=True), SESSION),
        answer=_chart,
    ),
    Question(
        path="/api/decisions",
        meaning="Decisions of a session, newest first: entries, exits, and why it did not enter.",
        gives=Page[DecisionRow],
        parameters=(
            SESSION,
            SYMBOL_WANTED,
            Parameter("kind", "one_of", "only decisions of this kind", choices=("enter", "exit", "deny", "sync")),
            Parameter("rule", "word", "only decisions by this rule"),
            LIMIT,
            AFTER,
        ),
        answer=_decisions,
    ),
    Question(
        path="/api/denials",
        meaning="Why a session did not buy: episodes by symbol and rule.",
        gives=Rows[Denials],
        parameters=(SESSION,),
        answer=_denials,
    ),
    Question(
        path="/api/trades",
        meaning="Executions of a session, newest first.",
        gives=Page[TradeRow],
        parameters=(SESSION, SYMBOL_WANTED, LIMIT, AFTER),
        answer=_trades,
    ),
    Question(
        path="/api/round-trips",
        meaning="Round trips, newest first, or by result.",
        gives=Page[RoundTripRow],
        parameters=(
            *TRIPS,
            Parameter("sort", "one_of", "what they are sorted by", ("closed_at", "pnl_usd"), "closed_at"),
            Parameter("order", "one_of", "direction", ("desc", "asc"), "desc"),
            LIMIT,
            AFTER,
        ),
        answer=_round_trips,
    ),
    Question(
        path="/api/orders",
        meaning="Entries of a session and what became of them, or all orders that may still act.",
        gives=Rows[IntentRow],
        parameters=(SESSION, Parameter("open", "one_of", "1: orders that may still act", choices=("1",))),
        answer=_orders,
    ),
    Question(
        path="/api/positions", meaning="What the record says is owned.", gives=Rows[PositionRow], answer=_positions
    ),
    Question(
        path="/api/health",
        meaning="Health samples of a session, oldest first.",
        gives=Rows[HealthRow],
        parameters=(SESSION,),
        answer=_health,
    ),
    Question(
        path="/api/parameters",
        meaning="The strategy's parameters and every proposal to change them, newest first.",
        gives=Parameters,
        answer=_parameters,
    ),
    Question(
        path="/api/experiments",
        meaning="Experiments with the interval of their effect.",
        gives=Rows[Experiment],
        answer=_experiments,
    ),
    Question(
        path="/api/insights",
        meaning="What was learned from a session.",
        gives=Insights,
        parameters=(SESSION,),
        answer=_insights,
    ),
    Question(
        path="/api/llm",
        meaning="Calls of language models and what they cost.",
        gives=LlmUse,
        parameters=(LIMIT._replace(default="50"),),
        answer=_llm,
    ),
    Question(
        path="/api/log",
        meaning="The end of the program's log.",
        gives=LogTail,
        parameters=(Parameter("lines", "count", "how many lines", default="200"),),
        answer=_log,
    ),
    Question(
        path="/api/commands",
        meaning="What operators commanded, newest first.",
        gives=Rows[CommandState],
        parameters=(LIMIT,),
        answer=_commands,
    ),
)
