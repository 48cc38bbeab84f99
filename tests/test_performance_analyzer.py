"""The evaluation of simulated sessions, recomputed from the executions by other means."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from day_trading import close_of_day
from day_trading.close_of_day import evaluated
from evidence.days import SharpeEvidence
from evidence.insights import Insight
from evidence.regime import Regime
from evidence.suggestions import Priority, Suggestion
from evidence.trips import GROUPINGS, Trip
from market_hours import Session, new_york_calendar
from observability import TradingHistory
from records.rows import DailyMetricsRow
from self_evaluation import BY_RULES, DailyInsights, PerformanceAnalyzer, SessionFacts
from tests.gateway_world import minute
from tests.llm.world import FixedClock
from tests.simulated_runs import DATABASE, run
from tests.test_simulated_day import played
from trading.bars import Bar
from trading.day_report import DayReport

FIRST, LAST = "2025-10-07", "2025-10-08"
PARAMETERS = {"profit_target_pct": 1.4, "stop_loss_pct": 0.8, "rsi_cap": 60.0, "atr_floor_pct": 1.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions of the synthetic market, traded by the whole program."""
    place = tmp_path_factory.mktemp("evaluated")
    done = run(place, FIRST, "--days", "2", "--seed", "3", settings={})
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def history(folder: Path) -> Any:
    with TradingHistory(folder / DATABASE, bot="day_trader", mode="simulated") as opened:
        yield opened


@pytest.fixture(scope="module")
def analyzer(history: TradingHistory) -> PerformanceAnalyzer:
    return PerformanceAnalyzer(history)


@pytest.fixture(scope="module")
def trips_by_pandas(folder: Path) -> pd.DataFrame:
    """The round trips of both sessions, found by pandas in the executions alone."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        table = pd.read_sql_query("SELECT * FROM trades ORDER BY timestamp, trade_id", connection)
    table["when"] = pd.to_datetime(table["timestamp"])
    table["signed"] = table["quantity"].where(table["action"] == "BUY", -table["quantity"])
    table["owned_now"] = table.groupby("symbol")["signed"].cumsum()
    flat = (table["owned_now"] == 0).astype(int)
    table["trip"] = flat.groupby(table["symbol"]).cumsum() - flat
    table["cash"] = -table["signed"] * table["price"]
    found = table.groupby(["symbol", "trip"]).agg(
        opened=("when", "min"),
        closed=("when", "max"),
        day=("session_date", "last"),
        reason=("reason", "last"),
        executions=("price", "size"),
        gross=("cash", "sum"),
        fees=("commission", "sum"),
        cost=("cash", lambda cash: -cash[cash < 0].sum()),
        turnover=("cash", lambda cash: cash.abs().sum()),
        left=("signed", "sum"),
    )
    found = found[found["left"] == 0].reset_index()
    found["pnl"] = found["gross"] - found["fees"]
    found["seconds"] = (found["closed"] - found["opened"]).dt.total_seconds()
    return found.sort_values(["closed", "opened", "symbol"]).reset_index(drop=True)


def by_pandas(table: pd.DataFrame) -> dict[str, Any]:
    """The metrics as pandas finds them; those that need more than a line of it are tested by hand elsewhere."""
    won, lost = table["pnl"][table["pnl"] > 0], table["pnl"][table["pnl"] < 0]
    curve = np.concatenate([[0.0], table["pnl"].cumsum()])
    return {
        "trades": int(table["executions"].sum()),
        "round_trips": len(table),
        "wins": len(won),
        "losses": len(lost),
        "win_rate_pct": 100 * (table["pnl"] > 0).mean(),
        "total_pnl_usd": table["pnl"].sum(),
        "gross_profit_usd": won.sum(),
        "gross_loss_usd": lost.sum(),
        "profit_factor": won.sum() / -lost.sum(),
        "average_win_usd": won.mean(),
        "average_loss_usd": lost.mean(),
        "risk_reward": won.mean() / -lost.mean(),
        "expectancy_usd": table["pnl"].mean(),
        "max_drawdown_usd": float((curve - np.maximum.accumulate(curve)).min()),
        "average_duration_s": table["seconds"].mean(),
        "median_duration_s": table["seconds"].median(),
        "average_position_usd": table["cost"].mean(),
        "capital_efficiency_pct": 100 * table["pnl"].sum() / (table["cost"] * table["seconds"] / 3600).sum(),
        "turnover_usd": table["turnover"].sum(),
        "commissions_usd": table["fees"].sum(),
        "best_trade_usd": table["pnl"].max(),
        "worst_trade_usd": table["pnl"].min(),
        "exit_reasons": table["reason"].value_counts().to_dict(),
    }


def test_metrics_of_the_range_are_those_that_pandas_finds(
    analyzer: PerformanceAnalyzer, trips_by_pandas: pd.DataFrame
) -> None:
    found = analyzer.metrics(FIRST, LAST)
    wanted = by_pandas(trips_by_pandas)
    assert len(trips_by_pandas) > 20
    assert found["exit_reasons"] == wanted.pop("exit_reasons")
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize(("by", "column"), [("day", "day"), ("symbol", "symbol"), ("exit_reason", "reason")])
def test_metrics_by_group_are_those_that_pandas_finds(
    analyzer: PerformanceAnalyzer, trips_by_pandas: pd.DataFrame, by: str, column: str
) -> None:
    found = analyzer.metrics_by(by, FIRST, LAST)
    assert set(found) == set(trips_by_pandas[column])
    for group, table in trips_by_pandas.groupby(column):
        total, reasons = found[str(group)]["total_pnl_usd"], found[str(group)]["exit_reasons"]
        assert total == pytest.approx(table["pnl"].sum(), abs=1e-4)
        assert reasons == table["reason"].value_counts().to_dict()


@pytest.mark.parametrize("by", GROUPINGS)
def test_groups_add_up_to_the_whole(analyzer: PerformanceAnalyzer, by: str) -> None:
    whole, groups = analyzer.metrics(FIRST, LAST), analyzer.metrics_by(by, FIRST, LAST)
    for name in ("round_trips", "trades", "total_pnl_usd", "turnover_usd", "commissions_usd"):
        values = [group[name] for group in groups.values()]
        assert sum(value for value in values if isinstance(value, int | float)) == pytest.approx(whole[name])


def test_hour_of_a_trip_is_that_of_new_york(analyzer: PerformanceAnalyzer) -> None:
    trips = analyzer.trips(FIRST, LAST)
    assert {trip.hour for trip in trips} <= set(range(9, 16))
    assert all(trip.hour == trip.opened_at.hour - 4 for trip in trips)  # daylight saving time


def test_every_trade_has_its_regime_and_variant_and_results_are_told_by_them(
    analyzer: PerformanceAnalyzer, folder: Path, history: TradingHistory
) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        labels = connection.execute("SELECT DISTINCT regime, variant FROM trades").fetchall()
    assert {variant for _, variant in labels} == {"baseline"}
    assert {regime for regime, _ in labels} <= {regime.value for regime in Regime}
    by_regime = analyzer.metrics_by("regime", FIRST, LAST)
    assert len(by_regime) > 1
    total = analyzer.metrics(FIRST, LAST)["total_pnl_usd"]
    assert sum(group["total_pnl_usd"] for group in by_regime.values()) == pytest.approx(total)
    detail = history.daily_metrics_between(FIRST, FIRST)[0].detail
    assert detail is not None
    log = next((folder / "logs").glob(f"day_trader_run_{FIRST}_*.json"))
    assert json.loads(log.read_text())["metrics"]["detail"]["by"]["regime"] == detail["by"]["regime"]


def test_slippage_is_that_of_the_resting_prices_and_of_the_decisions(
    analyzer: PerformanceAnalyzer, folder: Path
) -> None:
    """Stops and targets against their own prices, entries against the last price of their decision."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.row_factory = sqlite3.Row
        trades = connection.execute("SELECT * FROM trades").fetchall()
        intents = {row["intent_id"]: row for row in connection.execute("SELECT * FROM order_intents")}
        decisions = {row["decision_id"]: row for row in connection.execute("SELECT * FROM decisions")}
    slipped = judged = 0.0
    for trade in trades:
        intent = intents[trade["intent_id"]]
        decided = {"stop": intent["stop_price"], "target": intent["limit_price"]}.get(intent["role"])
        if intent["role"] == "entry":
            decided = decisions[intent["decision_id"]]["price"]
        elif decided is None:
            decided = decisions[trade["exec_id"]]["price"]
        side = 1 if trade["action"] == "BUY" else -1
        slipped += side * trade["quantity"] * (trade["price"] - decided)
        judged += trade["quantity"] * decided
    assert analyzer.metrics(FIRST, LAST)["slippage_bps"] == pytest.approx(1e4 * slipped / judged)
    assert slipped > 0


def test_day_log_and_database_tell_the_same_metrics(folder: Path, history: TradingHistory) -> None:
    logs = [json.loads(path.read_text()) for path in sorted((folder / "logs").glob("day_trader_run_*.json"))]
    rows = history.daily_metrics_between(FIRST, LAST)
    assert [row.session_date for row in rows] == [log["session_date"] for log in logs] == [FIRST, LAST]
    for row, log in zip(rows, logs, strict=True):
        assert log["warnings"] == []
        for name in ("total_pnl_usd", "round_trips", "expectancy_usd", "slippage_bps", "exit_reasons", "exposure_s"):
            assert log["metrics"][name] == pytest.approx(getattr(row, name), abs=1e-6)
        assert log["metrics"]["max_drawdown_usd"] == pytest.approx(row.max_drawdown_usd)
        assert log["metrics"]["detail"]["sharpe"].startswith("too few days")


def test_insights_of_the_rules_are_on_record_and_in_the_day_log(folder: Path, history: TradingHistory) -> None:
    log = json.loads(next((folder / "logs").glob(f"day_trader_run_{FIRST}_*.json")).read_text())
    (evaluation,) = history.evaluations(FIRST)
    assert evaluation.source == BY_RULES
    assert evaluation.insights.splitlines() == [insight["words"] for insight in log["insights"]]
    assert len(log["insights"]) > 1
    assert len(evaluation.recommendations) == sum(insight["suggestion"] is not None for insight in log["insights"])
    assert evaluation.metrics is not None
    assert evaluation.metrics["insights"] == log["insights"]


def test_size_analysis_of_real_trips_has_scipys_rank_correlation(
    history: TradingHistory, trips_by_pandas: pd.DataFrame
) -> None:
    row = history.daily_metrics_between(LAST, LAST)[0]
    assert row.detail is not None
    size = stats.spearmanr(trips_by_pandas["cost"], trips_by_pandas["pnl"] / trips_by_pandas["cost"]).statistic
    assert row.detail["size"]["trips"] == len(trips_by_pandas)
    assert row.detail["size"]["rank_correlation"] == pytest.approx(size, abs=1e-5)


def test_evaluating_a_session_again_changes_nothing(analyzer: PerformanceAnalyzer, history: TradingHistory) -> None:
    before, told = history.daily_metrics_between(FIRST, LAST), history.evaluations(LAST)
    detail = before[-1].detail
    assert detail is not None
    facts = SessionFacts(
        session_date=date(2025, 10, 8),
        length_s=23_400,
        equity_at_open_usd=detail["equity_at_open_usd"],
        capital_usd=detail["equity_at_open_usd"] * 0.25,
        max_drawdown_usd=before[-1].max_drawdown_usd or 0.0,
        parameters=PARAMETERS,
        judgements={},
        broker_result=detail["broker_result"],
    )
    analyzer.evaluate(facts)
    assert history.daily_metrics_between(FIRST, LAST) == before
    DailyInsights(history, analyzer).record(BY_RULES, LAST, (), datetime(2025, 10, 9, tzinfo=UTC))
    DailyInsights(history, analyzer).record("a model", LAST, (), datetime(2025, 10, 9, tzinfo=UTC))
    again = history.evaluations(LAST)
    assert [(each.source, each.insights) for each in again] == [
        (BY_RULES, "nothing stood out"),
        ("a model", "nothing stood out"),
    ]
    history.replace_evaluation(told[0])


def row_of(day: str, pnl_usd: float) -> DailyMetricsRow:
    return DailyMetricsRow(
        session_date=day,
        trades=0,
        round_trips=0,
        wins=0,
        losses=0,
        total_pnl_usd=pnl_usd,
        gross_profit_usd=0.0,
        gross_loss_usd=0.0,
        detail={"equity_at_open_usd": 100_000.0},
    )


def test_sharpe_ratio_counts_the_sessions_on_record(tmp_path: Path) -> None:
    pnl_usd = np.random.default_rng(2).normal(80, 500, 25)
    days = [f"2025-09-{n:02}" for n in range(1, 26)]
    with TradingHistory(tmp_path / "h.db", bot="day_trader", mode="paper") as history:
        for day, result in zip(days, pnl_usd, strict=True):
            history.record_daily_metrics(row_of(day, float(result)))
        analyzer = PerformanceAnalyzer(history)
        found = analyzer.sharpe(days[-1])
        assert isinstance(found, SharpeEvidence)
        assert found.sharpe == pytest.approx(np.sqrt(252) * pnl_usd.mean() / pnl_usd.std(ddof=1))
        assert str(analyzer.sharpe(days[18])) == "too few days: 19 of 20"


def test_a_suggestion_is_kept_with_its_evidence(tmp_path: Path) -> None:
    suggestion = Suggestion(
        parameter="rsi_cap", new_value=58.0, source="rule", reason="why", priority=Priority.LOW, evidence={"n": 3}
    )
    with TradingHistory(tmp_path / "h.db", bot="day_trader", mode="paper") as history:
        insights = DailyInsights(history, PerformanceAnalyzer(history))
        found = Insight(rule="worst_hour", words="ten is worst", numbers={}, suggestion=suggestion)
        insights.record(BY_RULES, FIRST, [found], datetime(2025, 10, 7, 21, tzinfo=UTC))
        (evaluation,) = history.evaluations(FIRST)
    assert evaluation.recommendations[0]["new_value"] == 58.0
    assert evaluation.recommendations[0]["evidence"] == {"n": 3}
    assert evaluation.recommendations[0]["priority"] == "low"


# The close of a day by itself


def close_of(report: DayReport, session: Session, history: TradingHistory) -> DayReport:
    return asyncio.run(evaluated(report, session, {}, history, FixedClock(report.ended_at)))


def report_of_a_day(folder: Path) -> DayReport:
    return played(folder, minute("09:51", 100.18, 101.70, 100.18, 101.65, 6_000)).report


def test_an_evaluation_that_fails_becomes_a_warning_and_the_report_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of_a_day(tmp_path)
    session = new_york_calendar(report.session_date).session_on(report.session_date)
    assert session is not None

    def fail(_trips: tuple[Trip, ...]) -> None:
        raise ZeroDivisionError("a day without hours")

    monkeypatch.setattr("self_evaluation.measured", fail)
    with TradingHistory(tmp_path / "other.db", bot="day_trader", mode="simulated") as history:
        told = close_of(report, session, history)
    assert told.warnings == (*report.warnings, "the session was not evaluated: a day without hours")
    assert told.metrics == report.metrics


def test_book_and_database_that_differ_are_told(tmp_path: Path) -> None:
    report = report_of_a_day(tmp_path)
    session = new_york_calendar(report.session_date).session_on(report.session_date)
    assert session is not None
    with TradingHistory(tmp_path / "empty.db", bot="day_trader", mode="simulated") as history:
        told = close_of(report, session, history)
    assert len(told.warnings) == 1
    assert "the database has a result of +0.00 USD" in told.warnings[0]


def test_a_day_without_a_gateway_is_not_evaluated(tmp_path: Path) -> None:
    report = replace(report_of_a_day(tmp_path), equity_at_open_usd=0.0)
    session = new_york_calendar(report.session_date).session_on(report.session_date)
    assert session is not None
    with TradingHistory(tmp_path / "empty.db", bot="day_trader", mode="simulated") as history:
        assert close_of(report, session, history) is report
        assert history.daily_metrics_between(FIRST, "2030-01-01") == []


def test_bars_keep_their_prices() -> None:
    bars = close_of_day.price_bars([Bar(60, 1_000_000, 1_010_000, 990_000, 1_005_000, 5)])
    assert [column.tolist() for column in bars] == [[60.0], [101.0], [99.0], [100.5]]
