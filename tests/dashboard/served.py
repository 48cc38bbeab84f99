"""A dashboard on a socket, and a client that sends exactly what a test says."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from dashboard.program import Program
from dashboard.server import DashboardThread
from dashboard.settings import DashboardSettings
from observability import TradingHistory
from records.rows import (
    ControlActionRow,
    DailyMetricsRow,
    DecisionRow,
    EquityRow,
    EvaluationRow,
    HealthRow,
    IntentRow,
    LlmCallRow,
    ParameterChangeRow,
    TradeRow,
)

TOKEN = "a-token-that-nobody-guesses-0123456789"
DAY = "2025-10-07"
OPEN = datetime(2025, 10, 7, 13, 30, tzinfo=UTC)
NOW = datetime(2026, 9, 28, 20, 0, tzinfo=UTC)
LIMIT_S = 20.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> str:
        return str(self.json["error"])


class Client:
    """One connection for each request, from a loopback address of choice."""

    def __init__(self, url: str, address: str = "127.0.0.1", **context: Any) -> None:
        scheme, _, where = url.partition("://")
        self.host, _, port = where.rpartition(":")
        self.port = int(port)
        self.address = address
        self._connection = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        self._context = context

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    def open(self) -> http.client.HTTPConnection:
        return self._connection(
            self.host, self.port, timeout=LIMIT_S, source_address=(self.address, 0), **self._context
        )

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """Names of headers are written with underscores."""
        connection = self.open()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def post(self, path: str, value: Any, token: str = TOKEN, **headers: str) -> Answer:
        given = {"Content_Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        return self.ask(path, "POST", json.dumps(value).encode(), **(given | headers))

    def command(self, **wish: str) -> Answer:
        """Both steps."""
        confirmed = self.post("/api/confirmations", wish).json
        return self.post("/api/commands", {**wish, "confirmation_id": confirmed["confirmation_id"]})


@contextmanager
def served(
    database: Path, token: str = TOKEN, settings: DashboardSettings | None = None, **ports: Any
) -> Iterator[Client]:
    """A dashboard over `database`; `ports` are those of `Program`."""
    program = Program(
        **{"database": database, "bot": "day_trader", "mode": "simulated", "now": lambda: NOW, "started_at": NOW}
        | ports
    )
    chosen = (settings or DashboardSettings()).model_copy(update={"dashboard_port": 0})
    with DashboardThread(program, chosen, token) as thread:
        yield Client(thread.url)


def fill(path: Path) -> Path:
    """A database with something in every table that the dashboard shows."""
    with TradingHistory(path, bot="day_trader", mode="simulated") as history:
        for number in range(5):
            _trade_once(history, number)
        history.commit_intents([_intent("open-1", "stop", "working"), _intent("done-1", "entry", "filled")]).result(20)
        for minute in range(3):
            when = OPEN + timedelta(minutes=minute)
            history.record_equity(
                EquityRow(
                    session_date=DAY,
                    timestamp=when,
                    equity_usd=1_000_000.0 + minute,
                    pnl_usd=float(minute),
                    unrealised_usd=0.0,
                    drawdown_usd=0.0,
                    committed_usd=100.0,
                    positions=1,
                )
            )
            history.record_health(HealthRow(timestamp=when, agent="day_trader", status="normal", loop_lag_ms=0.5))
        history.record_daily_metrics(
            DailyMetricsRow(
                session_date=DAY,
                trades=10,
                round_trips=5,
                wins=3,
                losses=2,
                total_pnl_usd=-12.5,
                gross_profit_usd=20.0,
                gross_loss_usd=-32.5,
                detail={"equity_at_open_usd": 1_000_000.0},
            )
        )
        history.commit_improvement(
            changes=[
                ParameterChangeRow(
                    timestamp=OPEN,
                    session_date=DAY,
                    parameter="rsi_cap",
                    old_value=60.0,
                    new_value=58.0,
                    source="rule",
                    reason="tried on 60 sessions",
                    applied=False,
                    evidence={"p": 0.4},
                )
            ]
        )
        history.replace_evaluation(EvaluationRow(timestamp=OPEN, session_date=DAY, source="rules", insights="quiet"))
        history.record_llm_call(
            LlmCallRow(
                llm_call_id="call-1",
                timestamp=OPEN,
                session_date=DAY,
                purpose="watchlist",
                provider="local",
                model="small",
                prompt="the whole prompt",
                reply="the whole reply",
                outcome="answered",
                input_tokens=10,
                output_tokens=20,
                cost_usd=0.001,
            )
        )
        history.record_control_action(
            ControlActionRow(
                command_id="c-1",
                asked_at=OPEN,
                session_date=DAY,
                who="Anna",
                kind="pause",
                state="done",
                words="paused",
            )
        )
    return path


def _trade_once(history: TradingHistory, number: int) -> None:
    """A round trip with the decisions of both sides."""
    opened = OPEN + timedelta(minutes=30 + number)
    for action, when, price, pnl in (
        ("BUY", opened, 100.0, None),
        ("SELL", opened + timedelta(seconds=40), 101.0, 9.0),
    ):
        exec_id = f"{action}-{number}"
        history.record_trade(
            TradeRow(
                exec_id=exec_id,
                session_date=DAY,
                timestamp=when,
                symbol="AAA",
                action=action,  # type: ignore[arg-type]  # of a literal tuple
                quantity=10,
                price_usd=price,
                reason="entry" if action == "BUY" else "profit_target",
                commission_usd=0.5,
                pnl_usd=pnl,
            )
        )
        history.record_decision(
            DecisionRow(
                decision_id=f"d-{exec_id}",
                timestamp=when,
                session_date=DAY,
                symbol="AAA",
                kind="enter" if action == "BUY" else "deny",
                rule="approved" if action == "BUY" else "cool_down",
                limit_value=300.0,
                actual_value=1.0,
            )
        )


def _intent(intent_id: str, role: Any, state: Any) -> IntentRow:
    return IntentRow(
        intent_id=intent_id,
        role=role,
        session_date=DAY,
        created_at=OPEN,
        symbol="AAA",
        action="BUY" if role == "entry" else "SELL",
        quantity=10,
        order_type="LMT",
        tif="DAY",
        updated_at=OPEN,
        state=state,
    )
