"""What the tests of `llm/` share: settings for a local server, a call log in memory, one question."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from llm.evidence import Evidence, Subject
from llm.language_models import LanguageModels
from llm.opening import open_models
from llm.questions import WATCHLIST, Views, views_class
from llm.settings import LlmSettings
from market_hours import LiveClock
from records.rows import LlmCallRow

KEY = "sk-THE-KEY-THAT-NOBODY-SEES-0123456789"
MESSAGES = (("system", "Judge. Answer in json."), ("user", "Stocks: S1, S2"))
REPLY_CLASS: type[Views] = views_class(WATCHLIST, ("S1", "S2"))
OPEN = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # a Monday, 10:00 in New York
CLOSED = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)  # a Sunday
DAY = date(2026, 11, 23)
SUBJECTS = (Subject(symbol="AAPL", names=("Apple Inc.", "Apple")), Subject(symbol="MSFT", names=("Microsoft",)))
EVIDENCE = (
    Evidence(source="news", text="Apple raised its outlook by 4.5 percent", day=DAY, symbol="AAPL"),
    Evidence(source="news", text="MSFT trading halted, accounting under review", day=DAY, symbol="MSFT"),
)


def view(
    symbol: str = "S1", stance: str = "boost", confidence: str = "high", thesis: str = "Good news."
) -> dict[str, Any]:
    return {"symbol": symbol, "stance": stance, "confidence": confidence, "thesis": thesis}


def reply(*views: dict[str, Any]) -> str:
    return json.dumps({"views": list(views)})


GOOD = reply(view())


class FixedClock(LiveClock):
    """The machine's clock that always says `when`, and does not sleep."""

    def __init__(self, when: datetime) -> None:
        self.when = when
        self.slept_until: list[datetime] = []

    def now(self) -> datetime:
        return self.when

    async def sleep_until(self, when: datetime) -> None:
        self.slept_until.append(when)


class CallLog:
    """A list of rows."""

    def __init__(self) -> None:
        self.rows: list[LlmCallRow] = []
        self.trouble = ""

    def record_llm_call(self, call: LlmCallRow) -> None:
        self.rows.append(call)


def settings(tmp_path: Path, **changes: Any) -> LlmSettings:
    """DeepSeek with a key, a purse of its own, short limits."""
    values: dict[str, Any] = {
        "deepseek_api_key": KEY,
        "llm_budget_file": tmp_path / "purse.db",
        "llm_timeout_s": 30.0,
        "llm_retries": 1,
        "llm_retry_pause_s": 0.0,
    }
    return LlmSettings.model_validate(values | changes)


@asynccontextmanager
async def opened(
    configuration: LlmSettings, call_log: CallLog, when: datetime = OPEN, **options: Any
) -> AsyncIterator[LanguageModels]:
    models = open_models(configuration, clock=options.pop("clock", FixedClock(when)), call_log=call_log, **options)
    try:
        yield models
    finally:
        await models.close()
