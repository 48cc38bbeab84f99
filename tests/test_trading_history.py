"""The face of the database that the agents use."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from observability import TradingHistory
from records.connections import open_for_reading
from records.faults import RecordsFailed
from records.queries import QUERY_OF_INDEX
from records.rows import (
    DailyMetricsRow,
    DecisionRow,
    EvaluationRow,
    HealthRow,
    IntentRow,
    ParameterChangeRow,
    TradeRow,
)
from utils import HaltTrading, Misconfigured

OPEN = datetime(2025, 10, 7, 13, 30, tzinfo=UTC)
DAY = "2025-10-07"
LIMIT_S = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def history(path: Path) -> Iterator[TradingHistory]:
    with TradingHistory(path, bot="day_trader", mode="simulated") as history:
        yield history


def trade(exec_id: str, **changes: Any) -> TradeRow:
    row = TradeRow(
        exec_id=exec_id,
        session_date=DAY,
        timestamp=OPEN,
        symbol="AAPL",
        action="BUY",
        quantity=10,
        price_usd=250.25,
        reason="entry",
    )
    return replace(row, **changes)


def intent(intent_id: str, **changes: Any) -> IntentRow:
    row = IntentRow(
        intent_id=intent_id,
        role="entry",
        session_date=DAY,
        created_at=OPEN,
        symbol="AAPL",
        action="BUY",
        quantity=10,
        order_type="LMT",
        tif="GTD",
        updated_at=OPEN,
    )
    return replace(row, **changes)


def test_a_trade_comes_back_as_it_was_with_its_bot_and_mode(history: TradingHistory) -> None:
    row = trade("e1", rsi=55.5, vwap_usd=250.0, parameters={"stop_pct": 0.8}, order_ref="i1", perm_id=7)
    history.record_trade(row)
    assert history.trades() == [replace(row, bot="day_trader", mode="simulated")]


def test_commission_and_pnl_follow_the_execution(history: TradingHistory) -> None:
    history.record_trade(trade("e1"))
    history.record_commission("e1", 0.35, 12.5, 1.4)
    (found,) = history.trades()
    assert (found.commission_usd, found.pnl_usd, found.pnl_pct) == (0.35, 12.5, 1.4)


def test_the_same_execution_again_fills_gaps_and_takes_nothing_away(history: TradingHistory) -> None:
    history.record_trade(trade("e1", rsi=55.5, reason="profit_target"))
    history.record_commission("e1", 0.35, 12.5, 1.4)
    history.record_trade(trade("e1", rsi=None, reason="manual", variant="B"))  # as after a reconnect
    (found,) = history.trades()
    assert (found.rsi, found.reason, found.variant) == (55.5, "profit_target", "B")
    assert (found.commission_usd, found.pnl_usd) == (0.35, 12.5)
    history.record_trade(trade("e1", commission_usd=0.40))
    assert history.trades()[0].commission_usd == 0.40


def test_commission_of_an_unknown_execution_surfaces(path: Path) -> None:
    history = TradingHistory(path, bot="day_trader", mode="simulated")
    history.record_commission("never seen", 0.35, None, None)
    with pytest.raises(RecordsFailed, match="no such row"):
        history.flush().result(LIMIT_S)
    assert not history.healthy
    with pytest.raises(RecordsFailed):
        history.close()


def test_an_error_under_way_is_not_hidden_by_a_lost_row(path: Path) -> None:
    with pytest.raises(HaltTrading, match="kill switch"), TradingHistory(path, bot="b", mode="m") as history:
        history.record_trade(trade("e1", quantity=0))
        raise HaltTrading("kill switch")


def test_trades_can_be_asked_by_session_and_bot_in_order_of_time(history: TradingHistory) -> None:
    history.record_trade(trade("late", timestamp=OPEN + timedelta(seconds=5)))
    history.record_trade(trade("early"))
    history.record_trade(trade("theirs", bot="weekly", timestamp=OPEN + timedelta(seconds=1)))
    history.record_trade(trade("tomorrow", session_date="2025-10-08", timestamp=OPEN + timedelta(days=1)))
    assert [row.exec_id for row in history.trades()] == ["early", "theirs", "late", "tomorrow"]
    assert [row.exec_id for row in history.trades(DAY, "day_trader")] == ["early", "late"]
    assert [row.exec_id for row in history.trades(bot="weekly")] == ["theirs"]


def test_another_mode_is_never_read(history: TradingHistory) -> None:
    history.record_trade(trade("e1", mode="paper"))
    history.commit_intents([intent("i1", mode="paper")])
    assert (history.trades(), history.open_positions(), history.open_intents()) == ([], [], [])


def test_trades_of_a_span_of_time_are_those_of_all_bots_without_its_end(history: TradingHistory) -> None:
    for second in (0, 1, 2, 3):
        history.record_trade(trade(f"e{second}", timestamp=OPEN + timedelta(seconds=second)))
    history.record_trade(trade("theirs", bot="weekly", timestamp=OPEN + timedelta(seconds=1)))
    history.record_trade(trade("unreal", mode="paper", timestamp=OPEN + timedelta(seconds=1)))
    found = history.trades_between(OPEN + timedelta(seconds=1), OPEN + timedelta(seconds=3))
    assert [row.exec_id for row in found] == ["e1", "theirs", "e2"]


def test_latest_trades_of_a_symbol_come_newest_first(history: TradingHistory) -> None:
    for second in (0, 1, 2):
        history.record_trade(trade(f"e{second}", timestamp=OPEN + timedelta(seconds=second)))
    history.record_trade(trade("other", symbol="F", timestamp=OPEN + timedelta(seconds=9)))
    history.record_trade(trade("unreal", mode="paper", timestamp=OPEN + timedelta(seconds=9)))
    assert [row.exec_id for row in history.latest_trades("AAPL", 2)] == ["e2", "e1"]


def test_health_of_a_span_of_time_comes_back_as_it_was(history: TradingHistory) -> None:
    sample = HealthRow(timestamp=OPEN, agent="day_trader", status="normal", ib_connected=True, loop_lag_ms=0.5)
    later = replace(sample, timestamp=OPEN + timedelta(minutes=1), status="warning")
    for row in (later, sample, replace(sample, mode="paper")):
        history.record_health(row)
    assert history.health_between(OPEN, OPEN + timedelta(minutes=1)) == [
        replace(sample, bot="day_trader", mode="simulated")
    ]


def test_the_configuration_of_the_last_run_stands_with_what_is_active(path: Path) -> None:
    for workers, cache_mb in ((6, 10), (8, 12)):
        with TradingHistory(path, bot="day_trader", mode="simulated", cache_mb=cache_mb, mmap_mb=16) as history:
            history.record_configuration({"watchlist_workers": workers, "sqlite_cache_mb": 99})
    with closing(open_for_reading(path)) as reader:
        (found,) = reader.execute("SELECT value FROM meta WHERE key = 'configuration.day_trader'").fetchall()
    assert json.loads(found["value"]) == {"watchlist_workers": 8, "sqlite_cache_mb": 12, "sqlite_mmap_mb": 16}


READERS: dict[str, Callable[[TradingHistory], object]] = {  # performance index -> the reader that needs it
    "trades_timestamp": lambda history: history.trades_between(OPEN, OPEN),
    "trades_symbol_timestamp": lambda history: history.latest_trades("AAPL"),
    "trades_session_date_bot": lambda history: history.trades(DAY, "day_trader"),
    "agent_health_timestamp": lambda history: history.health_between(OPEN, OPEN),
    "order_intents_open": lambda history: history.open_intents(),
    "order_intents_client_order": lambda history: history.highest_order_id(2),
    "order_intents_entries": lambda history: history.entries_tried(DAY),
    "weekly_cycles_session": lambda history: history.weekly_cycles(5),
    "forecasts_open": lambda history: history.open_forecasts(),
    "forecasts_settled": lambda history: history.settled_forecasts(),
    "decisions_session": lambda history: history.denials(DAY),
    "llm_calls_cost": lambda history: history.llm_days(),
}


@pytest.mark.parametrize("index", QUERY_OF_INDEX)
def test_a_reader_runs_the_query_that_its_index_is_there_for(history: TradingHistory, path: Path, index: str) -> None:
    seen: list[str] = []
    history._connection.set_trace_callback(seen.append)  # statements with their parameters filled in
    READERS[index](history)
    assert re.fullmatch(r"('[^']*'|\d+)".join(map(re.escape, QUERY_OF_INDEX[index].split("?"))), seen[-1])
    with closing(open_for_reading(path)) as reader:
        plan = [row["detail"] for row in reader.execute(f"EXPLAIN QUERY PLAN {seen[-1]}")]
    assert f" INDEX {index} (" in plan[0]


def test_intents_are_committed_together_or_not_at_all(history: TradingHistory) -> None:
    entry = intent("i1", good_till=OPEN + timedelta(seconds=5), limit_price_usd=250.5)
    stop = intent("i2", role="stop", action="SELL", parent_intent_id="i1", stop_price_usd=248.0)
    history.commit_intents([entry, stop]).result(LIMIT_S)
    assert history.open_intents("day_trader") == [
        replace(row, bot="day_trader", mode="simulated") for row in (entry, stop)
    ]
    with pytest.raises(RecordsFailed, match="UNIQUE"):
        history.commit_intents([intent("i3"), intent("i1")]).result(LIMIT_S)
    assert [row.intent_id for row in history.open_intents()] == ["i1", "i2"]


def test_a_finished_intent_is_no_longer_open(history: TradingHistory) -> None:
    history.commit_intents([intent("i1"), intent("i2"), intent("i3", bot="weekly")])
    later = OPEN + timedelta(seconds=3)
    history.update_intent("i1", "filled", updated_at=later, filled_quantity=10, avg_fill_price_usd=250.4)
    history.update_intent("i2", "unknown", updated_at=later, order_id=5, client_id=2, detail="no answer")
    (left,) = history.open_intents()
    assert (left.intent_id, left.state, left.updated_at) == ("i2", "unknown", later)
    assert (left.order_id, left.client_id, left.detail) == (5, 2, "no answer")
    assert [row.intent_id for row in history.open_intents("weekly")] == ["i3"]


def test_a_misspelt_change_of_an_intent_is_named(history: TradingHistory) -> None:
    with pytest.raises(TypeError, match="did you mean 'filled_quantity'"):
        history.update_intent("i1", "filled", updated_at=OPEN, filed_quantity=1)  # type: ignore[call-arg]


def test_positions_and_round_trips_follow_the_executions(history: TradingHistory) -> None:
    history.record_trade(trade("e1", quantity=6, price_usd=10.0, commission_usd=0.5))
    history.record_trade(trade("e2", quantity=4, price_usd=11.0, commission_usd=0.5))
    (position,) = history.open_positions("day_trader")
    assert (position.symbol, position.quantity) == ("AAPL", 10)
    assert (position.avg_price_usd, position.cost_basis_usd) == (10.4, 104.0)
    sold_at = OPEN + timedelta(minutes=10)
    history.record_trade(
        trade("e3", action="SELL", price_usd=11.4, timestamp=sold_at, reason="profit_target", commission_usd=1.0)
    )
    (unreported,) = history.round_trips(DAY)
    assert (unreported.pnl_usd, unreported.commission_usd) == (None, 2.0)
    history.record_commission("e3", 1.25, 7.75, 7.45)
    (trip,) = history.round_trips(DAY, "day_trader")
    assert (trip.quantity, trip.avg_entry_price_usd, trip.avg_exit_price_usd) == (10, 10.4, 11.4)
    assert (trip.pnl_usd, trip.commission_usd, trip.duration_s) == (7.75, 2.25, 600.0)
    assert (trip.closed_at, trip.exit_reason) == (sold_at, "profit_target")
    assert history.open_positions() == []


ROWS: list[tuple[str, Callable[[TradingHistory], None], dict[str, Any]]] = [
    (
        "decisions",
        lambda h: h.record_decision(
            DecisionRow(
                decision_id="d1",
                timestamp=OPEN,
                session_date=DAY,
                symbol="F",
                kind="deny",
                rule="max_spread_bps",
                limit_value=10.0,
                actual_value=12.5,
                rsi=math.nan,
                detail={"rsi": math.nan},
            )
        ),
        {"bot": "day_trader", "kind": "deny", "actual_value": 12.5, "rsi": None, "detail": '{"rsi":null}'},
    ),
    (
        "agent_health",
        lambda h: h.record_health(
            HealthRow(timestamp=OPEN, agent="IntradayTrader", status="warning", ib_connected=False, loop_lag_ms=3.5)
        ),
        {"status": "warning", "ib_connected": 0, "loop_lag_ms": 3.5, "mode": "simulated"},
    ),
    (
        "parameter_changes",
        lambda h: h.commit_improvement(
            changes=[
                ParameterChangeRow(
                    timestamp=OPEN,
                    session_date=DAY,
                    parameter="stop_pct",
                    old_value=0.8,
                    new_value=0.9,
                    source="regime",
                    reason="volatile",
                    applied=True,
                    evidence={"sessions": 20},
                )
            ]
        ),
        {"old_value": 0.8, "new_value": 0.9, "applied": 1, "evidence": '{"sessions":20}'},
    ),
    (
        "evaluations",
        lambda h: h.replace_evaluation(
            EvaluationRow(
                timestamp=OPEN, session_date=DAY, source="rules", insights="calm", recommendations=({"a": 1},)
            )
        ),
        {"source": "rules", "recommendations": '[{"a":1}]', "metrics": None},
    ),
]


@pytest.mark.parametrize(("table", "record", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_each_record_reaches_its_table(
    path: Path,
    history: TradingHistory,
    table: str,
    record: Callable[[TradingHistory], None],
    expected: dict[str, Any],
) -> None:
    record(history)
    history.flush().result(LIMIT_S)
    reader = open_for_reading(path)
    (found,) = reader.execute(f"SELECT * FROM {table}").fetchall()
    assert {column: found[column] for column in expected} == expected
    reader.close()


def test_the_last_metrics_of_a_session_stand(path: Path, history: TradingHistory) -> None:
    metrics = DailyMetricsRow(
        session_date=DAY,
        trades=4,
        round_trips=2,
        wins=1,
        losses=1,
        total_pnl_usd=5.0,
        gross_profit_usd=15.0,
        gross_loss_usd=-10.0,
        exit_reasons={"stop_loss": 1, "profit_target": 1},
    )
    history.record_daily_metrics(metrics)
    history.record_daily_metrics(replace(metrics, wins=2, losses=0))
    history.flush().result(LIMIT_S)
    reader = open_for_reading(path)
    (found,) = reader.execute("SELECT * FROM daily_metrics").fetchall()
    assert (found["wins"], found["losses"], found["sharpe"]) == (2, 0, None)
    reader.close()


def test_a_database_belongs_to_one_account(path: Path) -> None:
    with TradingHistory(path, bot="day_trader", mode="paper") as history:
        assert history.account_id() is None
        history.bind_account("DU111")
        history.bind_account("DU111")
    with TradingHistory(path, bot="weekly", mode="paper") as history:
        assert history.account_id() == "DU111"
        with pytest.raises(HaltTrading, match=r"DU111.*U999"):
            history.bind_account("U999")
        assert history.account_id() == "DU111"


def test_both_bots_write_one_database(path: Path) -> None:
    first = TradingHistory(path, bot="day_trader", mode="paper")
    second = TradingHistory(path, bot="weekly", mode="paper")
    for number in range(50):
        first.record_trade(trade(f"d{number}"))
        second.record_trade(trade(f"w{number}"))
    second.flush().result(LIMIT_S)
    assert len(first.trades()) == 100
    assert [(p.bot, p.quantity) for p in first.open_positions()] == [("day_trader", 500), ("weekly", 500)]
    first.close()
    second.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is a directory"):
        TradingHistory(tmp_path, bot="day_trader", mode="paper")


KILLED = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[1])!r})
from pathlib import Path
from tests.test_trading_history import TradingHistory, intent
history = TradingHistory(Path(sys.argv[1]), bot="day_trader", mode="paper")
history.commit_intents([intent("i1"), intent("i2", role="stop")]).result()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_process_finds_its_intents_again(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with TradingHistory(path, bot="day_trader", mode="paper") as history:
        assert [row.intent_id for row in history.open_intents()] == ["i1", "i2"]
