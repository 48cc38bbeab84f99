"""The tear sheet of a month: what the sessions brought, at which risk and cost, and what of it is evidence."""

from __future__ import annotations

import calendar
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from day_trading.group_sections import HEADINGS, group_sections
from evidence.days import SharpeEvidence, sharpe_evidence
from evidence.metrics import measured
from evidence.too_few import TooFew
from evidence.trips import TradingDay, Trip, grouped
from reporting.bars import Bar, columns
from reporting.figure import spaced
from reporting.heat_map import heat_map
from reporting.lines import Series, lines
from reporting.page import Section, page, paragraph, table

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri")
RETURN_BINS = 20  # of the distribution of round trips
SINGLE_DAY = 2  # sessions that a curve needs


def month_page(
    bot: str, mode: str, month: date, days: Sequence[TradingDay], before: Sequence[TradingDay], trips: Sequence[Trip]
) -> str:
    """HTML of the sessions `days` of a month and their round trips; `before` are the evaluated sessions up to it."""
    values = measured(trips)
    evidence = sharpe_evidence(np.array([day.return_ for day in (*before, *days)]))
    result_usd = sum(day.pnl_usd for day in days)
    sections = [
        ("Result of each session", columns([Bar(f"{day.session_date:%d}", day.pnl_usd) for day in days], "USD")),
        *_curves(days),
        ("Calendar, percent of the account", _calendar(month, days)),
        *group_sections({name: _by(trips, name) for name in HEADINGS}),
        *_distribution(trips),
        ("Costs", _costs(values, result_usd)),
        ("Sessions", _sessions(days, trips)),
    ]
    title = f"{month:%B %Y}: {result_usd:+,.2f} USD"
    return page(title, _facts(bot, mode, days, values, evidence), sections)


def _facts(
    bot: str, mode: str, days: Sequence[TradingDay], values: Mapping[str, Any], evidence: SharpeEvidence | TooFew
) -> list[tuple[str, str]]:
    result_usd, opened_usd = sum(day.pnl_usd for day in days), days[0].equity_at_open_usd
    won = sum(day.pnl_usd > 0 for day in days)
    best, worst = (choose(days, key=lambda day: day.pnl_usd) for choose in (max, min))
    facts = [
        ("bot", f"{bot.replace('_', ' ')}, {mode}"),
        (
            "result",
            f"{result_usd:+,.2f} USD, {100 * result_usd / opened_usd:+.2f} % of {opened_usd:,.2f} at its first open",
        ),
        ("sessions", f"{len(days)}, {won} of them with a gain"),
        (
            "best and worst",
            f"{best.pnl_usd:+,.2f} on {best.session_date}, {worst.pnl_usd:+,.2f} on {worst.session_date}",
        ),
        ("deepest drawdown", f"{min(_drawdowns(days)):,.2f} % of the account, at closes"),
        ("round trips", _trips_told(values)),
        ("Sharpe", _sharpe_told(evidence)),
    ]
    return [(name, value) for name, value in facts if value]


def _trips_told(values: Mapping[str, Any]) -> str:
    if not values["round_trips"]:
        return "none"
    factor = values["profit_factor"]
    told = f"{values['round_trips']:,}, {values['win_rate_pct']:.0f} % won, {values['expectancy_usd']:+,.2f} USD each"
    return told + (f", profit factor {factor:.2f}" if factor is not None else "")


def _sharpe_told(evidence: SharpeEvidence | TooFew) -> str:
    """Of all sessions on record up to the month's end: a month alone says nothing."""
    if isinstance(evidence, TooFew):
        return str(evidence)
    low, high = evidence.interval.low, evidence.interval.high
    told = f"{evidence.sharpe:.2f} a year of {evidence.days} sessions up to then, 95 % between {low:.2f} and {high:.2f}"
    return f"{told}; {100 * evidence.probabilistic_sharpe:.0f} % sure to be above 0"


def _curves(days: Sequence[TradingDay]) -> list[Section]:
    if len(days) < SINGLE_DAY:
        return []
    equity = [days[0].equity_at_open_usd, *(day.equity_at_open_usd + day.pnl_usd for day in days)]
    xs = list(range(len(equity)))
    labels = spaced(["before", *(f"{day.session_date:%d %b}" for day in days)])
    return [
        ("Account at the close", lines(xs, [Series("account", equity)], labels, "USD")),
        ("Drawdown", lines(xs, [Series("drawdown", [0.0, *_drawdowns(days)])], labels, "%", fill=True)),
    ]


def _drawdowns(days: Sequence[TradingDay]) -> list[float]:
    """Percent below the best close so far, session by session; money that was moved in or out is no result."""
    grown, best, found = 1.0, 1.0, []
    for day in days:
        grown *= 1.0 + day.return_
        best = max(best, grown)
        found.append(100.0 * (grown / best - 1.0))
    return found


def _calendar(month: date, days: Sequence[TradingDay]) -> str:
    """Weeks down, weekdays across."""
    of_day = {day.session_date: 100.0 * day.return_ for day in days}
    weeks = calendar.Calendar().monthdatescalendar(month.year, month.month)
    values = [[of_day.get(each, math.nan) for each in week[: len(WEEKDAYS)]] for week in weeks]
    return heat_map([f"{week[0]:%d %b}" for week in weeks], WEEKDAYS, values, ("week", "day"))


def _by(trips: Sequence[Trip], grouping: str) -> dict[str, dict[str, Any]]:
    return {group: dict(measured(each)) for group, each in grouped(trips, grouping).items()}


def _distribution(trips: Sequence[Trip]) -> list[Section]:
    """How many round trips brought how much."""
    if len(trips) < RETURN_BINS:
        return []
    counts, edges = np.histogram([trip.return_pct for trip in trips], bins=RETURN_BINS)
    bars = [
        Bar(f"{low:+.2f} %", float(count) * (1 if low + high >= 0 else -1), f"{count} round trips up to {high:+.2f} %")
        for count, low, high in zip(counts.tolist(), edges.tolist(), edges.tolist()[1:], strict=False)
    ]
    note = paragraph("Round trips by their result in percent of their cost; losing ones hang down.", quiet=True)
    return [("What a round trip brings", columns(bars, "round trips") + note)]


def _costs(values: Mapping[str, Any], result_usd: float) -> str:
    turnover_usd, fees_usd, slippage_bps = values["turnover_usd"], values["commissions_usd"], values["slippage_bps"]
    rows = [("turnover", f"{turnover_usd:,.2f} USD"), ("fees", f"{fees_usd:,.2f} USD")]
    if turnover_usd:
        rows.append(("fees", f"{1e4 * fees_usd / turnover_usd:.2f} bps of turnover"))
    if slippage_bps is not None:
        slipped_usd = slippage_bps * turnover_usd / 1e4
        rows.append(("slippage", f"{slippage_bps:+.2f} bps of turnover, about {slipped_usd:,.2f} USD"))
        rows.append(("result without both", f"{result_usd + fees_usd + slipped_usd:+,.2f} USD"))
    return table(("cost", "of the month"), rows)


def _sessions(days: Sequence[TradingDay], trips: Sequence[Trip]) -> str:
    by_day = grouped(trips, "day")
    rows = []
    for day in days:
        values = measured(by_day.get(day.session_date.isoformat(), ()))
        won = values["win_rate_pct"]
        rows.append(
            (
                f"{day.session_date:%a %Y-%m-%d}",
                f"{day.pnl_usd:+,.2f}",
                f"{100 * day.return_:+.3f}",
                f"{values['round_trips']}",
                "" if won is None else f"{won:.0f}",
                f"{values['commissions_usd']:,.2f}",
            )
        )
    return table(("session", "result USD", "% of account", "round trips", "won %", "fees"), rows)
