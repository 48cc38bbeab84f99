"""What the API answers is what the database has, and what its description says."""

from __future__ import annotations

import csv
import io
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from dashboard.app import HEADERS
from dashboard.encoding import to_json
from dashboard.experiments import standings
from dashboard.questions import QUESTIONS
from day_trading.board import Board
from records.browsing import ExperimentDay
from tests.dashboard.served import DAY, Client, fill, served
from trading.bars import Bar

SECRET = "sk-very-secret-0001"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("dashboard") / "history.db")


@pytest.fixture(scope="module")
def client(database: Path) -> Iterator[Client]:
    log_file = database.with_name("day_trader.log")
    log_file.write_text("".join(f"line {n}\n" for n in range(300)) + f"key {SECRET} leaked\n", encoding="utf-8")
    bars = [Bar(1_759_843_800 + 60 * n, 100_000, 100_200, 99_900, 100_100, 1_000) for n in range(25)]

    def bars_of(session_date: str, symbol: str) -> list[Bar]:
        if (session_date, symbol) != (DAY, "AAA"):
            raise LookupError(f"nobody kept {symbol}")
        return bars

    ports = {"log_file": log_file, "blank": lambda text: text.replace(SECRET, "***"), "bars_of": bars_of}
    with served(database, **ports) as client:
        yield client


def in_database(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def path_of(template: str) -> str:
    return template.replace("{session}", DAY).replace("{symbol}", "AAA").replace("{command_id}", "none")


# The description


def test_the_description_is_a_valid_openapi_document_of_every_route(client: Client) -> None:
    document = client.ask("/openapi.json").json
    validate(document)
    assert {question.path for question in QUESTIONS} < document["paths"].keys()
    for path in (
        "/api/state",
        "/api/stream",
        "/api/confirmations",
        "/api/commands/{command_id}",
        "/healthz",
        "/metrics",
    ):
        assert path in document["paths"]


@pytest.mark.parametrize("path", [question.path for question in QUESTIONS] + ["/api/state", "/healthz"])
def test_every_answer_is_as_the_description_says(client: Client, path: str) -> None:
    document = client.ask("/openapi.json").json
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    answer = client.ask(path_of(path))
    assert answer.status == 200, answer.content
    jsonschema.validate(answer.json, {**schema, "components": document["components"]})


@pytest.mark.parametrize("path", ["/", "/api/state", "/api/nothing", "/openapi.json", "/static/index.html", "/healthz"])
def test_every_answer_tells_browsers_what_they_may_not_do(client: Client, path: str) -> None:
    headers = client.ask(path).headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in headers["Content-Security-Policy"]


# Against the database


def test_trades_and_decisions_are_those_of_the_database(client: Client, database: Path) -> None:
    trades = client.ask("/api/trades").json["rows"]
    told = [(row["exec_id"], row["price_usd"], row["commission_usd"], row["pnl_usd"]) for row in trades]
    assert told == in_database(
        database, "SELECT exec_id, price, commission, pnl FROM trades ORDER BY timestamp DESC, trade_id DESC"
    )
    denied = client.ask("/api/decisions?kind=deny&rule=cool_down").json["rows"]
    assert [row["decision_id"] for row in denied] == [f"d-SELL-{n}" for n in (4, 3, 2, 1, 0)]
    assert client.ask("/api/denials").json["rows"] == [{"symbol": "AAA", "rule": "cool_down", "episodes": 5}]


@pytest.mark.parametrize(
    "path", ["/api/trades?", "/api/decisions?", "/api/round-trips?", "/api/round-trips?sort=pnl_usd&"]
)
def test_pages_follow_each_other_until_there_are_no_more(client: Client, path: str) -> None:
    everything = client.ask(f"{path}limit=500").json["rows"]
    found, after = [], ""
    while True:
        page = client.ask(f"{path}limit=2{after}").json
        found += page["rows"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == everything
    assert len(found) >= 5


def test_round_trips_as_a_file_are_those_of_the_api(client: Client) -> None:
    answer = client.ask("/api/round-trips.csv?symbol=AAA")
    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))
    rows = client.ask("/api/round-trips?symbol=AAA").json["rows"]
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert [(line["closed_at"], float(line["pnl_usd"])) for line in lines] == [
        (row["closed_at"], row["pnl_usd"]) for row in rows
    ]


def test_a_session_s_account_metrics_health_and_orders(client: Client) -> None:
    (day,) = client.ask("/api/sessions").json["rows"]
    assert (day["session_date"], day["pnl_usd"], day["equity_usd"]) == (DAY, -12.5, 999_987.5)
    assert client.ask(f"/api/sessions/{DAY}").json["metrics"]["total_pnl_usd"] == -12.5
    curve = client.ask("/api/equity").json["rows"]
    assert [(row[0][11:16], row[1], row[5]) for row in curve] == [
        ("13:30", 1_000_000.0, 1),
        ("13:31", 1_000_001.0, 1),
        ("13:32", 1_000_002.0, 1),
    ]
    assert len(client.ask("/api/health").json["rows"]) == 3
    assert [row["intent_id"] for row in client.ask("/api/orders").json["rows"]] == ["done-1"]
    assert [row["intent_id"] for row in client.ask("/api/orders?open=1").json["rows"]] == ["open-1"]


def test_prompts_and_replies_of_models_are_not_shown_but_their_cost_is(client: Client) -> None:
    answer = client.ask("/api/llm")
    assert b"the whole" not in answer.content
    assert answer.json["by_day"][0]["cost_usd"] == 0.001


def test_a_chart_has_bars_vwap_and_executions(client: Client) -> None:
    chart = client.ask("/api/bars/AAA").json
    assert len(chart["bars"]) == 25
    assert chart["bars"][0] == [1_759_843_800, 10.0, 10.02, 9.99, 10.01, 1_000, None]
    assert chart["bars"][19][6] == pytest.approx((10.02 + 9.99 + 10.01) / 3, abs=1e-4)  # all bars are alike
    assert [mark["action"] for mark in chart["marks"]][:2] == ["BUY", "SELL"]
    assert client.ask("/api/bars/ZZZ").json["why_none"] == "nobody kept ZZZ"


def test_the_end_of_the_log_without_secrets(client: Client) -> None:
    lines = client.ask("/api/log?lines=3").json["lines"]
    assert lines == ["line 298", "line 299", "key *** leaked"]


def test_a_running_session_s_bars_come_from_the_board(database: Path) -> None:
    board = Board()
    board.begin({"AAA": [Bar(1_759_843_800, 100_000, 100_200, 99_900, 100_100, 1_000)]})
    with served(database, live=board) as client:
        assert client.ask("/api/state").json["view"] is None
        assert client.ask("/api/bars/AAA").json["why_none"] == "no bars of finished sessions are at hand"


def test_experiments_stand_where_the_improvement_cycle_found_them() -> None:
    def day(session: int, variant: str, return_pct: float) -> ExperimentDay:
        return ExperimentDay("stop", f"2025-10-{session:02}", variant, 3, 10 * return_pct, return_pct)

    days = [day(n, variant, 0.2 + n) for n in range(1, 4) for variant in ("atr=2", "baseline")]
    found = {"days": 3, "effect_bps": 10.0, "interval_bps": [4.0, 16.0, 0.975], "verdict": "better"}
    (known,) = standings(days, {"stop": found | {"days_still_needed": 7}})
    assert [(each.variant, each.days) for each in known.variants] == [("baseline", 3), ("atr=2", 3)]
    assert known.variants[0].mean_return_pct == pytest.approx(2.2)
    told = known.n_days, known.effect_pct, known.low_pct, known.high_pct, known.days_still_needed, known.verdict
    assert told == (3, 0.1, 0.04, 0.16, 7, "better")
    (unknown,) = standings(days, {})
    assert (unknown.n_days, unknown.effect_pct, unknown.low_pct, unknown.verdict) == (0, None, None, "inconclusive")


def test_a_fault_of_the_program_is_told_logged_and_counted_and_the_next_question_is_answered(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("dashboard.experiments.standings", lambda *_: 1 / 0)
        answers = [client.ask("/api/experiments") for _ in range(2)]
    assert [(each.status, each.error) for each in answers] == [(500, "a fault of the program; its log says more")] * 2
    told = [record.getMessage() for record in caplog.records if record.name == "dashboard.app"]
    assert told == [f"a request of the dashboard failed, {n} by now; trading is not affected" for n in (1, 2)]
    assert client.ask("/api/experiments").status == 200


# Wrong questions


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/trades?limit=0", "limit must be a number from 1 to 500"),
        ("/api/trades?limit=501", "limit must be a number from 1 to 500"),
        ("/api/trades?limit=ten", "limit must be a number from 1 to 500"),
        ("/api/trades?session=today", "session must be a date like 2025-10-07"),
        ("/api/trades?session=2025-1-1", "session must be a date like 2025-10-07"),
        ("/api/sessions/2025-02-30", "session must be a date like 2025-10-07"),
        ("/api/bars/a%20b", "symbol must be a symbol"),
        ("/api/decisions?kind=buy", "kind must be enter or exit or deny or sync"),
        ("/api/decisions?rule=x';DROP%20TABLE%20trades;--", "rule must be a name"),
        ("/api/trades?after=zzz", "after must be"),
        ("/api/trades?after=2025~x", "after must be"),
        ("/api/round-trips?after=1", "'1' is not a cursor of such a page"),
        ("/api/trades?limit=5&limit=6", "'limit' is no parameter here, or was given twice"),
        ("/api/trades?colour=red", "'colour' is no parameter here"),
        ("/api/round-trips?order=asc", "order=asc belongs to sort=pnl_usd"),
    ],
)
def test_a_wrong_question_is_refused_in_one_line(client: Client, path: str, words: str) -> None:
    answer = client.ask(path)
    assert answer.status == 400
    assert answer.error.startswith(words)


def test_numbers_that_json_lacks_become_null() -> None:
    assert to_json([math.nan, math.inf, 1.5]) == b"[null,null,1.5]"
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json(object())


def test_a_database_that_goes_away_is_an_answer_and_no_end(tmp_path: Path) -> None:
    database = fill(tmp_path / "history.db")
    with served(database) as client:
        assert client.ask("/api/trades").status == 200
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("DROP TABLE daily_metrics")
        answer = client.ask("/api/sessions")
        assert (answer.status, answer.error) == (503, "history.db: cannot be read: no such table: daily_metrics")
        assert client.ask("/api/trades").status == 200


def test_health_and_metrics_of_the_program(database: Path) -> None:
    troubles = ["", "the trading loop has stood still for 40 s"]
    with served(database, unwell=lambda: troubles[0], metrics=lambda: b"trading_positions 3\n") as client:
        assert (client.ask("/healthz").status, client.ask("/healthz").json["status"]) == (200, "ok")
        troubles.reverse()
        answer = client.ask("/healthz")
        assert (answer.status, answer.json["why"]) == (503, "the trading loop has stood still for 40 s")
        assert client.ask("/metrics").content == b"trading_positions 3\n"


def test_instants_are_in_utc(client: Client) -> None:
    for row in client.ask("/api/trades").json["rows"]:
        assert datetime.fromisoformat(row["timestamp"]).utcoffset() is not None
