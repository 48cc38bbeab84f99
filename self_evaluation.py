"""How the program is doing: `HealthMonitor` its health, `PerformanceAnalyzer` its results, `DailyInsights` why."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from evidence.days import SharpeEvidence, sharpe_evidence
from evidence.excursions import PriceBars
from evidence.insights import Denial, Insight, Material, insights
from evidence.metrics import Value, measured
from evidence.plain import plain
from evidence.position_size import duration_analysis, idle_capital, size_analysis
from evidence.suggestions import Priority, Suggestion, a_step
from evidence.too_few import TooFew
from evidence.trips import GROUPINGS, TradingDay, Trip, grouped
from health.monitor import HealthMonitor
from llm.adviser import Adviser, FiguresRead
from llm.outcomes import Abstained
from observability import TradingHistory
from records.evidence_trips import days_on_record, trips_on_record
from records.rows import DailyMetricsRow, EvaluationRow

__all__ = ["DailyInsights", "HealthMonitor", "PerformanceAnalyzer", "SessionFacts"]

FIRST_SESSION = "0001-01-01"
INSIGHT_SESSIONS = timedelta(days=28)  # how far back the rules look beyond the day: twenty sessions
SHORT = frozenset({"round_trips", "win_rate_pct", "total_pnl_usd", "expectancy_usd", "slippage_bps"})
BY_RULES = "rules"
BY_MODEL = "llm"  # the rule of a finding that a language model made
READ_BY_A_MODEL = (  # metrics that its prompt shows, beside their groups
    *("round_trips", "wins", "losses", "win_rate_pct", "total_pnl_usd", "profit_factor", "average_win_usd"),
    *("average_loss_usd", "max_drawdown_usd", "commissions_usd", "slippage_bps", "average_duration_s"),
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What of a session is not in the database. `capital_usd` is what the bot may use, `max_drawdown_usd` (<= 0) that
    of the P&L marked at the bid, `judgements` rule -> refusals, `parameters` by the names of `evidence.suggestions`.
    """

    session_date: date
    length_s: float
    equity_at_open_usd: float
    capital_usd: float
    max_drawdown_usd: float
    parameters: Mapping[str, float]
    judgements: Mapping[str, int]
    broker_result: Mapping[str, Any] | None = None  # the broker's own count beside the ledger's, as in the day report


class PerformanceAnalyzer:
    """Measures what one bot has on record, for a session, a range, and each group of `GROUPINGS`.

    Each question raises RecordsFailed when the database cannot be read. A round trip whose commission was not reported
    has no result yet and is left out; `unreported` counts those of a range.
    """

    def __init__(self, history: TradingHistory) -> None:
        self._history = history

    def trips(self, first: str, last: str) -> tuple[Trip, ...]:
        """Round trips that closed in the sessions from `first` to `last`, in the order of their closing."""
        return trips_on_record(self._history, first, last)

    def unreported(self, first: str, last: str) -> int:
        """Round trips of a range whose result is not known yet."""
        return sum(row.pnl_usd is None for row in self._history.round_trips_between(first, last))

    def metrics(self, first: str, last: str) -> dict[str, Value]:
        """All metrics of the round trips of a range."""
        return measured(self.trips(first, last))

    def metrics_by(self, by: str, first: str, last: str) -> dict[str, dict[str, Value]]:
        """group -> its metrics; `by` is one of `GROUPINGS`, else ValueError."""
        return {group: measured(trips) for group, trips in grouped(self.trips(first, last), by).items()}

    def days(self, last: str, first: str = FIRST_SESSION) -> list[TradingDay]:
        """Results of the sessions that were evaluated."""
        return days_on_record(self._history, first, last)

    def sharpe(self, last: str, *, trials: int = 1) -> SharpeEvidence | TooFew:
        """The Sharpe ratio of all sessions up to `last`, after `trials` variants were tried."""
        return sharpe_evidence(np.array([day.return_ for day in self.days(last)]), trials=trials)

    def evaluate(self, facts: SessionFacts) -> DailyMetricsRow:
        """Measure a session and keep it in `daily_metrics`; said again, the last one stands."""
        day = facts.session_date.isoformat()
        trips = self.trips(day, day)
        values: dict[str, Any] = {**measured(trips), "max_drawdown_usd": facts.max_drawdown_usd}
        today = TradingDay(
            session_date=facts.session_date,
            pnl_usd=values["total_pnl_usd"],
            equity_at_open_usd=facts.equity_at_open_usd,
        )
        earlier = [each for each in self.days(day) if each.session_date < facts.session_date]
        evidence = sharpe_evidence(np.array([each.return_ for each in (*earlier, today)]))
        known = evidence if isinstance(evidence, SharpeEvidence) else None
        row = DailyMetricsRow(
            session_date=day,
            sharpe=plain(known.sharpe) if known else None,
            sortino=plain(known.sortino) if known else None,
            detail=plain(
                {
                    "equity_at_open_usd": facts.equity_at_open_usd,
                    "return_pct": 100.0 * today.return_,
                    "broker_result": facts.broker_result,
                    "unreported_round_trips": self.unreported(day, day),
                    "sharpe": evidence,
                    "size": size_analysis(self.trips(_weeks_before(facts.session_date), day)),
                    "idle_capital": idle_capital(trips, facts.capital_usd, facts.length_s),
                    "duration": duration_analysis(trips),
                    "by": {by: _short(grouped(trips, by)) for by in GROUPINGS if by != "day"},
                }
            ),
            **plain(values),
        )
        self._history.record_daily_metrics(row)
        return row


class DailyInsights:
    """Why a session went as it did, in `evaluations`: by fixed rules always, by a language model where there is one."""

    def __init__(self, history: TradingHistory, analyzer: PerformanceAnalyzer) -> None:
        self._history = history
        self._analyzer = analyzer

    def by_rules(
        self, facts: SessionFacts, metrics: DailyMetricsRow, bars: Mapping[str, PriceBars], now: datetime
    ) -> tuple[Insight, ...]:
        """Find, record and return what the rules see. `bars` are the session's; rules that need them do without."""
        day = facts.session_date.isoformat()
        found = insights(
            Material(
                trips=self._analyzer.trips(day, day),
                recent_trips=self._analyzer.trips(_weeks_before(facts.session_date), day),
                bars=bars,
                denials=[
                    Denial(rule=row.rule, symbol=row.symbol, at_s=row.timestamp.timestamp(), ask_usd=row.ask_usd)
                    for row in self._history.denials(day)
                ],
                judgements=facts.judgements,
                present=facts.parameters,
            )
        )
        self.record(BY_RULES, day, found, now, metrics=metrics)
        return found

    async def by_model(
        self, adviser: Adviser, facts: SessionFacts, metrics: DailyMetricsRow, found: Sequence[Insight], now: datetime
    ) -> tuple[Insight, ...]:
        """Record and return what a model reads in the figures of a session and in what the rules `found`.

        It names directions; the step is a session's, within the bounds. Nothing when it abstains, which is logged.
        """
        if not metrics.round_trips:
            return ()
        read = await adviser.insights(_figures(facts, metrics, found))
        if isinstance(read, Abstained):
            log.info("no insights of a model: %s, %s", read.reason, read.detail)
            return ()
        insights_of_model = _as_insights(read, facts.parameters)
        day = facts.session_date.isoformat()
        self.record(read.model, day, insights_of_model, now, llm_call_id=read.llm_call_id)
        return insights_of_model

    def record(
        self,
        source: str,
        session_date: str,
        found: Sequence[Insight],
        now: datetime,
        *,
        metrics: DailyMetricsRow | None = None,
        llm_call_id: str | None = None,
    ) -> None:
        """Keep what `source` (rules, or a model's name) found in a session; it replaces what it said before."""
        self._history.replace_evaluation(
            EvaluationRow(
                timestamp=now,
                session_date=session_date,
                source=source,
                insights="\n".join(insight.words for insight in found) or "nothing stood out",
                recommendations=tuple(
                    {"rule": insight.rule, **plain(insight.suggestion)}
                    for insight in found
                    if insight.suggestion is not None
                ),
                metrics=plain({"day": metrics, "insights": found}),
                llm_call_id=llm_call_id,
            )
        )


def _figures(facts: SessionFacts, metrics: DailyMetricsRow, found: Sequence[Insight]) -> dict[str, Any]:
    """What a model is shown: numbers and our own words, nothing that somebody outside wrote."""
    return {
        "metrics": {name: _rounded(getattr(metrics, name)) for name in READ_BY_A_MODEL},
        "exit_reasons": metrics.exit_reasons,
        "by": _rounded((metrics.detail or {}).get("by", {})),
        "parameters": dict(facts.parameters),
        "refusals": dict(facts.judgements),
        "found_by_rules": [insight.words for insight in found],
    }


def _rounded(value: Any) -> Any:
    """Numbers with two decimals: they are quoted as they stand."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 2) if isinstance(value, float) else value


def _as_insights(read: FiguresRead, present: Mapping[str, float]) -> tuple[Insight, ...]:
    """A model's texts, and its suggestions where they change something."""
    said_by = {"model": read.model}
    texts = [Insight(rule=BY_MODEL, words=words, numbers=said_by) for words in read.insights]
    for each in read.suggestions:
        value = a_step(each.parameter, present[each.parameter], up=each.direction == "raise")
        if value is None:
            continue
        suggestion = Suggestion(
            parameter=each.parameter,
            new_value=value,
            source=BY_MODEL,
            reason=each.reason,
            priority=Priority(each.priority),
            evidence={"llm_call_id": read.llm_call_id, "direction": each.direction},
        )
        texts.append(Insight(rule=BY_MODEL, words=each.reason, numbers=said_by, suggestion=suggestion))
    return tuple(texts)


def _weeks_before(session_date: date) -> str:
    return (session_date - INSIGHT_SESSIONS).isoformat()


def _short(groups: Mapping[str, Sequence[Trip]]) -> dict[str, dict[str, Value]]:
    """The few metrics of each group that fit a day's row."""
    return {
        group: {name: value for name, value in measured(trips).items() if name in SHORT}
        for group, trips in groups.items()
    }
