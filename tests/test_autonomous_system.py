"""One simulated day of the whole program at a gateway that fails three times: every autonomous layer is wired.

At 11:00:20 the socket is cut; at 12:00:20 the gateway falls silent with the socket open for 90 s; from 13:00 to 13:08
the market's ticks and bars are lost on a connection that is alive. Nobody is there to help.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.simulated_runs import rows, run

DAY = "2025-10-07"
SYMBOLS = {"WATCHLIST_UNIVERSE": "AAPL,AMD,COIN,F,MSFT,TSLA", "WATCHLIST_SIZE": "5", "STRATEGY_ATR_FLOOR_PCT": "0"}
FAULTS = """
[[fault]]
at = "11:00:20"
kind = "drop"

[[fault]]
at = "12:00:20"
kind = "silent"
seconds = 90

[[fault]]
at = "13:00:00"
kind = "lose"
message = "ticks"
seconds = 480

[[fault]]
at = "13:00:00"
kind = "lose"
message = "bars"
seconds = 480
"""


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the program ran, by itself, from the connection to the report."""
    folder = tmp_path_factory.mktemp("autonomous") / "day"
    done = run(folder, DAY, settings=SYMBOLS, faults=FAULTS)
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    return folder


def journal(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What really happened at the exchange."""
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        return connection.execute(query).fetchall()


def asked(folder: Path, kind: str) -> list[str]:
    """When (UTC) the gateway was asked for something."""
    lines = (folder / "requests.txt").read_text().splitlines()
    return [line.split()[0] for line in lines if line.split()[1] == kind]


def day_log(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "logs").glob(f"day_trader_run_{DAY}_*.json")
    return dict(json.loads(path.read_text()))


def test_the_watchlist_was_analysed_from_the_gateways_history_before_the_open(day: Path) -> None:
    found = json.loads((day / "simulated_watchlist.json").read_text())
    symbols = [entry["symbol"] for entry in found["symbols"]]
    assert (found["session_date"], found["source"], len(symbols)) == (DAY, "analysed", 5)
    assert sorted(entry["score"] for entry in found["symbols"])[::-1] == [entry["score"] for entry in found["symbols"]]
    assert all(entry["reasons"] for entry in found["symbols"])
    assert len([moment for moment in asked(day, "ReqHistoricalData") if moment < "13:30"]) >= 6
    assert {symbol for (symbol,) in rows(day, "SELECT DISTINCT symbol FROM decisions")} == set(symbols)


def test_every_entry_was_judged_recorded_and_committed_before_it_reached_the_exchange(day: Path) -> None:
    entries = rows(
        day,
        "SELECT i.intent_id, i.created_at, d.kind, d.rule, d.rsi, d.vwap, d.atr_pct FROM order_intents i "
        "JOIN decisions d USING (decision_id) WHERE i.role = 'entry'",
    )
    assert len(entries) >= 10
    arrived = dict(journal(day, "SELECT order_ref, MIN(at) FROM journal WHERE event = 'order' GROUP BY order_ref"))
    for intent_id, created_at, kind, rule, *snapshot in entries:
        assert (kind, rule) == ("enter", "approved")
        assert None not in snapshot
        assert created_at[:23] <= arrived[intent_id][:23]


def test_a_stop_a_target_and_a_time_exit_rested_at_the_exchange_with_each_entry(day: Path) -> None:
    brackets: dict[str, set[str]] = {}
    for bracket_id, role, reference in rows(day, "SELECT bracket_id, role, intent_id FROM order_intents"):
        if journal(day, f"SELECT 1 FROM journal WHERE event = 'order' AND order_ref = '{reference}'"):
            brackets.setdefault(bracket_id, set()).add(role)
    bracketed = [roles for roles in brackets.values() if "entry" in roles]
    assert len(bracketed) >= 10
    assert all(roles == {"entry", "stop", "target", "time_exit"} for roles in bracketed)


def test_health_was_checked_each_minute_from_the_connection_to_the_end(day: Path) -> None:
    checked = {text[11:16] for (text,) in rows(day, "SELECT timestamp FROM agent_health")}
    minutes = [f"{13 + m // 60:02}:{m % 60:02}" for m in range(7 * 60 - 5)]  # 13:00 to 19:54 UTC
    assert [moment for moment in minutes if moment not in checked] == []
    known = rows(
        day,
        "SELECT COUNT(*), COUNT(cpu_pct), COUNT(memory_mb), COUNT(disk_free_mb), COUNT(loop_lag_ms), "
        "COUNT(worker_queue), COUNT(database_queue) FROM agent_health",
    )[0]
    assert len(set(known)) == 1
    drifts = rows(day, "SELECT clock_drift_s FROM agent_health WHERE clock_drift_s IS NOT NULL")
    assert (len(drifts) > 380, set(drifts)) == (True, {(0.0,)})  # asked of the gateway each minute


def healed(folder: Path, since: str, until: str) -> list[tuple[str, str | None, str | None]]:
    """(status, action, result) of the checks in a span (UTC) that found or ended something."""
    return rows(
        folder,
        "SELECT status, healing_action, healing_result FROM agent_health WHERE (status <> 'normal' OR "
        f"healing_result IS NOT NULL) AND substr(timestamp, 12, 8) BETWEEN '{since}' AND '{until}' ORDER BY health_id",
    )


def test_a_cut_connection_was_found_at_once_healed_and_judged(day: Path) -> None:
    found, over = healed(day, "15:00:20", "15:01:00")
    assert found == ("warning", "reconnect", None)
    assert over == ("normal", None, "connection: healed by reconnect (try 1)")


def test_a_silent_gateway_was_given_up_and_reached_again(day: Path) -> None:
    checks = healed(day, "16:00:20", "16:03:00")
    assert checks[0][1] == "reconnect"
    assert checks[-1] == ("normal", None, "connection: healed by reconnect (try 2)")


def test_a_dead_feed_was_treated_step_by_step_until_it_was_alive(day: Path) -> None:
    checks = healed(day, "17:01:00", "17:09:30")
    actions = [row[1] for row in checks if row[1]]
    assert actions[:3] == ["resubscribe"] * 3
    assert "reconnect, pause_entries" in actions
    assert any("feed_age: healed by reconnect" in str(row[2]) for row in checks)
    cancelled = [moment for moment in asked(day, "CancelMktData") if "17:01" <= moment < "17:05"]
    assert len(cancelled) == 3 * 5  # five symbols, three times: it was really done


def test_the_brokers_truth_was_read_after_each_connection_and_nothing_was_sent_twice(day: Path) -> None:
    connected = asked(day, "ReqOpenOrders")  # the client library's, once a connection
    assert len(connected) >= 4  # the first, and one for each fault at least
    for kind in ("ReqExecutions", "ReqAllOpenOrders", "ReqCompletedOrders", "ReqPositions"):
        moments = asked(day, kind)
        for begun, ended in pairwise([*connected, "24:00:00"]):
            assert any(begun <= moment < ended for moment in moments), (kind, begun)
    sent = journal(day, "SELECT order_ref, COUNT(DISTINCT perm_id) FROM journal GROUP BY order_ref")
    assert {count for _, count in sent} == {1}
    assert 3 <= day_log(day)["reconnects"] < len(connected)  # one that was given up at once is none


def test_no_entry_reached_the_exchange_while_entries_were_paused(day: Path) -> None:
    """From 13:05, when the feed had been dead for five minutes, to its first tick after 13:08."""
    entries = [text[11:19] for (text,) in rows(day, "SELECT created_at FROM order_intents WHERE role = 'entry'")]
    assert [moment for moment in entries if "17:05:00" <= moment < "17:08:00"] == []
    assert any(moment > "17:09:00" for moment in entries)  # and they went on


def test_the_record_equals_what_happened_at_the_exchange(day: Path) -> None:
    there = journal(day, "SELECT exec_id, symbol, side * shares FROM journal WHERE event = 'execution'")
    signed = "IIF(action = 'BUY', quantity, -quantity)"
    assert sorted(rows(day, f"SELECT exec_id, symbol, {signed} FROM trades")) == sorted(there)
    assert rows(day, "SELECT * FROM open_positions") == []
    assert rows(day, "SELECT COUNT(*) FROM trades WHERE action = 'SELL' AND pnl IS NULL") == [(0,)]
    reasons = {reason for (reason,) in rows(day, "SELECT DISTINCT reason FROM trades")}
    assert reasons >= {"entry", "stop_loss"}


def test_the_day_was_told_with_its_faults_and_ended_flat(day: Path) -> None:
    log = day_log(day)
    assert (log["ended_because"], log["positions_left"], log["resting_orders"]) == ("the session is over", {}, [])
    words = " | ".join(log["warnings"])
    assert "connection disconnected at 15:00:20 UTC" in words
    assert "entries pause: no tick of any symbol" in words
    assert len(log["round_trips"]) == rows(day, "SELECT COUNT(*) FROM round_trips")[0][0] >= 10
    assert log["session_date"] in (day / "stdout").read_text()
