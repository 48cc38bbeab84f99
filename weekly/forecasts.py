"""Forecasts: written before anything is ordered, settled by closes alone, and the skill that follows from them.

Each name asked about gets a forecast of the deterministic score ("factor") and, where a model had a view, one of the
model. The event is the same for both: the name's return from the last close before the decision to the close
`horizon` sessions later is above the mean of all names asked about in that cycle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from market_hours import Session, TradingCalendar
from portfolio.history import PriceHistory
from portfolio.skill import MeasuredSkill, SettledForecast, measured_skill
from portfolio.views import FACTOR_SKILL, NORMAL, SCORE_SPREAD
from records.rows import ForecastRow, Settled
from weekly.analysis import Said

FACTOR = "factor"
MODEL = "llm "  # and the model's name: each model earns its own influence
VOID_AFTER = timedelta(days=30)  # past its due date without a price a forecast is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A forecast that is settled now. Both are None where nobody can say what came."""

    forecast_id: str
    outcome: float | None
    score: float | None


def factor_probability(score: float) -> float:
    """The score as a probability of beating the others: skill × z-score as the shift of a normal return."""
    return NORMAL.cdf(FACTOR_SKILL * score / SCORE_SPREAD)


def source_of(said: Said) -> str:
    """Under which name a model's forecasts are kept."""
    return MODEL + said.model


def forecasts_of(
    asked: Sequence[str],
    scores: Mapping[str, float],
    said: Said,
    *,
    cycle_id: str,
    session: Session,
    calendar: TradingCalendar,
    horizon: int,
    now: datetime,
) -> list[ForecastRow]:
    """Rows to commit before the plan: of the score for every name, of the model where it had a view."""
    base = calendar.previous_session(session.date)
    due = base
    for _ in range(horizon):
        due = calendar.next_session(due.date)
    detail = {"cycle": cycle_id, "from": base.date.isoformat(), "to": due.date.isoformat()}

    def row(source: str, symbol: str, probability: float, baseline: float) -> ForecastRow:
        return ForecastRow(
            forecast_id=f"{cycle_id}/{source}/{symbol}",
            timestamp=now,
            session_date=session.date.isoformat(),
            source=source,
            subject=symbol,
            question=f"its return over {horizon} sessions is above the mean of the names asked about",
            due_at=due.close,
            probability=probability,
            baseline=baseline,
            llm_call_id=said.llm_call_ids[0] if source != FACTOR and said.llm_call_ids else None,
            detail=detail,
        )

    made = []
    for symbol in asked:
        by_score = factor_probability(scores.get(symbol, 0.0))
        made.append(row(FACTOR, symbol, by_score, 0.5))
        by_model = said.probabilities.get(symbol, math.nan)
        if 0.0 <= by_model <= 1.0:  # what is no probability is named by `make_views`, and no forecast
            made.append(row(source_of(said), symbol, by_model, by_score))
    return made


def outcomes(open_rows: Iterable[ForecastRow], history: PriceHistory, now: datetime) -> list[Outcome]:
    """What closes say about forecasts that are due, and which of them are given up."""
    groups: dict[tuple[str, str, str], list[ForecastRow]] = {}  # (cycle, from, to) -> its forecasts
    for row in open_rows:
        detail = row.detail or {}
        groups.setdefault((detail["cycle"], detail["from"], detail["to"]), []).append(row)
    settled: list[Outcome] = []
    for (_, first, last), rows in groups.items():
        returns = returns_between(history, date.fromisoformat(first), date.fromisoformat(last))
        peers = [returns[row.subject] for row in rows if row.source == FACTOR and row.subject in returns]
        for row in rows:
            if row.subject in returns and len(peers) > 1 and row.probability is not None:
                came = float(returns[row.subject] > float(np.mean(peers)))
                settled.append(Outcome(forecast_id=row.forecast_id, outcome=came, score=(row.probability - came) ** 2))
            elif now - row.due_at > VOID_AFTER:
                settled.append(Outcome(forecast_id=row.forecast_id, outcome=None, score=None))
    return settled


def returns_between(history: PriceHistory, first: date, last: date) -> dict[str, float]:
    """symbol -> return from the close of `first` to that of `last`; empty while `last` is not over.

    A name that stopped trading in between is judged by its last price.
    """
    if first not in history.sessions or last not in history.sessions:
        return {}
    begin, end = history.sessions.index(first), history.sessions.index(last)
    closes = history.closes_usd[begin : end + 1]
    found: dict[str, float] = {}
    for column, symbol in enumerate(history.symbols):
        prices = closes[:, column]
        known = prices[np.isfinite(prices) & (prices > 0)]
        if math.isfinite(prices[0]) and prices[0] > 0:
            found[symbol] = float(known[-1] / prices[0] - 1.0)
    return found


def skill_of(settled: Sequence[Settled], source: str) -> MeasuredSkill:
    """The measured skill of one source, over cycles whose horizons do not overlap: what overlaps is not new evidence.

    `settled` is in the order of making.
    """
    mine = [row for row in settled if row.source == source]
    chosen: dict[str, int] = {}  # session date -> number of its cycle
    free_from = ""
    for row in mine:
        if row.session_date not in chosen and row.session_date > free_from:
            chosen[row.session_date] = len(chosen)
            free_from = row.due_at[:10]
    return measured_skill(
        [
            SettledForecast(cycle=chosen[row.session_date], probability=row.probability, came_true=row.outcome > 0.5)
            for row in mine
            if row.session_date in chosen
        ]
    )
