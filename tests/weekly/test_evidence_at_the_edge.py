"""What the weekly bot makes of evidence that is missing, old or of another version."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from portfolio.history import PriceHistory
from records.rows import ForecastRow
from trading.money import price_from_usd
from utils import Misconfigured
from vendors.facts import Fundamentals, NewsItem, Opinion
from weekly.forecasts import FACTOR, VOID_AFTER, outcomes
from weekly.opinions import _texts
from weekly.snapshot import NameEvidence, Snapshot, _digest, read_snapshot

DAYS = (date(2026, 9, 24), date(2026, 9, 25), date(2026, 9, 28))
DUE = datetime(2026, 9, 28, 20, tzinfo=UTC)
HISTORY = PriceHistory(
    symbols=("A", "B", "HALTED"),
    sessions=DAYS,
    closes_usd=np.array([[10.0, 20.0, math.nan], [11.0, 20.0, math.nan], [12.0, math.nan, 0.0]]),
)


def snapshot() -> Snapshot:
    return Snapshot(session_date=date(2026, 9, 29), taken_at=DUE, candidates=(), history=HISTORY)


def forecast(symbol: str, probability: float | None = 0.6, source: str = FACTOR) -> ForecastRow:
    return ForecastRow(
        forecast_id=f"{source}/{symbol}",
        timestamp=DUE,
        session_date="2026-09-25",
        source=source,
        subject=symbol,
        question="above the mean",
        due_at=DUE,
        probability=probability,
        detail={"cycle": "c", "from": "2026-09-24", "to": "2026-09-25"},
    )


def test_the_last_close_is_the_last_that_there_was_and_zero_where_there_was_none() -> None:
    known = snapshot()
    closes = {symbol: known.last_close(symbol) for symbol in ("A", "B", "HALTED", "NEVER")}
    assert closes == {"A": price_from_usd(12), "B": price_from_usd(20), "HALTED": 0, "NEVER": 0}


def test_a_snapshot_of_another_version_is_refused(tmp_path: Path) -> None:
    file = snapshot().write(tmp_path)
    assert read_snapshot(file).last_close("A") == price_from_usd(12)
    content = json.loads(file.read_text(encoding="utf-8"))["content"] | {"version": 99}
    file.write_text(json.dumps({"sha256": _digest(content), "content": content}), encoding="utf-8")
    with pytest.raises(Misconfigured, match="version 99"):
        read_snapshot(file)


def test_a_forecast_without_a_price_waits_a_month_and_is_then_given_up() -> None:
    rows = [forecast("A"), forecast("B"), forecast("HALTED")]
    soon = {each.forecast_id: each.outcome for each in outcomes(rows, HISTORY, DUE + VOID_AFTER)}
    assert soon == {"factor/A": 1.0, "factor/B": 0.0}  # 10 % against a mean of 5 %
    late = {each.forecast_id: each for each in outcomes(rows, HISTORY, DUE + VOID_AFTER + timedelta(seconds=1))}
    assert (late["factor/HALTED"].outcome, late["factor/HALTED"].score) == (None, None)
    assert late["factor/A"].score == pytest.approx(0.4**2)


def test_a_name_alone_beats_nobody() -> None:
    assert outcomes([forecast("A")], HISTORY, DUE) == []


def test_a_model_is_told_figures_analysts_and_news_and_nothing_that_is_not_known() -> None:
    day = date(2026, 9, 28)
    about = NameEvidence(
        symbol="A",
        fundamentals=Fundamentals(symbol="A", price_to_earnings=21.2345, revenue_growth=0.1),
        opinion=Opinion(symbol="A", buys=3, sells=1),
        news=(NewsItem(symbols=("A",), title="A grows", text="much", published_at=DUE - timedelta(days=1)),),
    )
    assert [(each.source, each.text, each.day) for each in _texts(about, day)] == [
        ("figures of twelve months", "price to earnings 21.2, revenue growth 0.1", day),
        ("analysts", "analysts: 3 buy, 0 hold, 1 sell", day),
        ("news", "A grows. much", date(2026, 9, 27)),
    ]
    silent = NameEvidence(symbol="A", fundamentals=Fundamentals(symbol="A"), opinion=Opinion(symbol="A"))
    assert _texts(silent, day) == []
