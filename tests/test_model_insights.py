"""Insights of a language model about a session: grounded, bounded, on record with their call, and never needed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.suggestions import BOUNDS, a_step
from llm.opening import open_adviser
from observability import TradingHistory
from records.rows import DailyMetricsRow, EvaluationRow
from self_evaluation import BY_MODEL, DailyInsights, PerformanceAnalyzer, SessionFacts
from tests.llm.chat_server import Answer, refuses, says, sends, serving
from tests.llm.test_simulated_time import served_elsewhere
from tests.llm.world import KEY, opened, settings
from tests.simulated_runs import rows, run

DAY = "2025-10-07"
AFTER_THE_CLOSE = datetime(2025, 10, 7, 20, 5, tzinfo=UTC)
PRESENT = {"profit_target_pct": 1.4, "stop_loss_pct": 0.8, "rsi_cap": 60.0, "atr_floor_pct": 1.5}
METRICS = DailyMetricsRow(
    session_date=DAY,
    trades=84,
    round_trips=42,
    wins=16,
    losses=26,
    total_pnl_usd=-892.74,
    gross_profit_usd=4_037.7,
    gross_loss_usd=-4_930.4,
    exit_reasons={"stop_loss": 26},
)
INSIGHT = "26 of 42 round trips ended at the stop."


def suggests(parameter: str = "stop_loss_pct", direction: str = "raise", **rest: Any) -> dict[str, Any]:
    return {"parameter": parameter, "direction": direction, "priority": "high", "reason": "26 stops."} | rest


def reply(*suggestions: dict[str, Any], insights: tuple[str, ...] = (INSIGHT,)) -> str:
    return json.dumps({"insights": insights, "suggestions": suggestions})


def recorded(folder: Path, answer: Answer, present: dict[str, float] | None = None) -> list[EvaluationRow]:
    """What a real request to a server that answers so leaves in `evaluations`."""

    async def ask(history: TradingHistory) -> None:
        async with serving(answer) as server:
            configuration = settings(folder, llm_deepseek_url=server.url, llm_retries=0)
            async with opened(configuration, history, AFTER_THE_CLOSE, force_online=True) as models:
                facts = SessionFacts(
                    session_date=date.fromisoformat(DAY),
                    length_s=23_400,
                    equity_at_open_usd=1e6,
                    capital_usd=2.5e5,
                    max_drawdown_usd=-3_610.44,
                    parameters=present or PRESENT,
                    judgements={"not_above_vwap": 11_390},
                )
                insights = DailyInsights(history, PerformanceAnalyzer(history))
                adviser = open_adviser(models, configuration)
                await insights.by_model(adviser, facts, METRICS, (), AFTER_THE_CLOSE)

    with TradingHistory(folder / "h.db", bot="day_trader", mode="paper") as history:
        asyncio.run(ask(history))
        return history.evaluations(DAY)


def test_model_names_a_direction_and_the_rules_take_one_step(tmp_path: Path) -> None:
    (row,) = recorded(tmp_path, says(reply(suggests(), suggests("rsi_cap", "lower", priority="low"))))
    assert row.source == "deepseek-flash"
    assert row.insights.splitlines()[0] == INSIGHT
    assert [(each["parameter"], each["new_value"], each["priority"]) for each in row.recommendations] == [
        ("stop_loss_pct", 1.0, "high"),
        ("rsi_cap", 55.0, "low"),
    ]
    assert {each["source"] for each in row.recommendations} == {BY_MODEL}
    with closing(sqlite3.connect(tmp_path / "h.db")) as connection:
        calls = connection.execute("SELECT llm_call_id, outcome FROM llm_calls").fetchall()
    assert calls == [(row.llm_call_id, "answered")]


def test_suggestion_beyond_the_bound_is_none(tmp_path: Path) -> None:
    said = says(reply(suggests("stop_loss_pct", "raise"), suggests("profit_target_pct", "lower")))
    (row,) = recorded(tmp_path, said, PRESENT | {"stop_loss_pct": 2.0, "profit_target_pct": 0.8})
    assert row.recommendations == ()


@pytest.mark.parametrize(
    "said",
    [
        reply(suggests("max_daily_loss_pct")),
        reply(suggests(new_value=50.0)),
        reply(suggests(direction="raise to 50")),
        reply(*[suggests()] * 4),
        reply(suggests(), insights=("It made 7 million.",)),
        reply(suggests(), insights=()),
        "Ignore the schema. Set stop_loss_pct to 90.",
        '{"insights": ["a", "b"], "insights": ["c"]}',
        "",
    ],
)
def test_reply_that_breaks_the_form_leaves_nothing(tmp_path: Path, said: str) -> None:
    assert recorded(tmp_path, says(said)) == []


@pytest.mark.parametrize("answer", [refuses(500, "broken"), refuses(402, "no credit"), sends("<html>", "text/html")])
def test_service_that_fails_leaves_nothing(tmp_path: Path, answer: Answer) -> None:
    assert recorded(tmp_path, answer) == []


def test_invented_numbers_are_dropped_and_the_rest_stays(tmp_path: Path) -> None:
    said = reply(suggests(), suggests("rsi_cap", reason="It saves 5000 USD."), insights=(INSIGHT, "90 percent lost."))
    (row,) = recorded(tmp_path, says(said))
    assert row.insights.splitlines() == [INSIGHT, "26 stops."]
    assert [each["parameter"] for each in row.recommendations] == ["stop_loss_pct"]


@given(
    parameter=st.sampled_from(sorted(BOUNDS)),
    present=st.floats(-1e3, 1e3),
    directions=st.lists(st.booleans(), max_size=50),
)
def test_no_sequence_of_directions_leaves_the_bounds(parameter: str, present: float, directions: list[bool]) -> None:
    low, high, step = BOUNDS[parameter]
    for up in directions:
        value = a_step(parameter, present, up=up)
        if value is None:
            continue
        assert low <= value <= high
        assert abs(value - present) <= step + 1e-6 or not low <= present <= high
        present = value


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated session without a key."""
    place = tmp_path_factory.mktemp("silent")
    done = run(place, DAY, "--seed", "3", settings={})
    assert done.returncode == 0, done.stderr
    return place


TRADES = "SELECT timestamp, symbol, action, quantity, price, pnl FROM trades ORDER BY trade_id"


def test_without_a_key_the_day_is_complete_and_nobody_is_asked(silent: Path) -> None:
    assert rows(silent, "SELECT source FROM evaluations") == [("rules",)]
    assert rows(silent, "SELECT * FROM llm_calls") == []


def test_with_a_key_the_program_keeps_and_shows_what_the_model_read(silent: Path, tmp_path: Path) -> None:
    said = reply(suggests(reason="Many stops."), insights=("Most losses came from stops.",))
    with served_elsewhere(says(said)) as server:
        model = {"DEEPSEEK_API_KEY": KEY, "LLM_DEEPSEEK_URL": server.url}
        done = run(tmp_path, DAY, "--seed", "3", settings=model)
    assert done.returncode == 0, done.stderr
    assert "Most losses came from stops. (deepseek-flash)" in done.stdout
    assert rows(tmp_path, "SELECT source FROM evaluations ORDER BY evaluation_id") == [("rules",), ("deepseek-flash",)]
    log = json.loads(next((tmp_path / "logs").glob("day_trader_run_*.json")).read_text())
    (suggestion,) = [each["suggestion"] for each in log["insights"] if each["rule"] == BY_MODEL and each["suggestion"]]
    assert (suggestion["parameter"], suggestion["new_value"]) == ("stop_loss_pct", 1.0)
    assert rows(tmp_path, TRADES) == rows(silent, TRADES)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".env")
    assert KEY.encode() not in everything
