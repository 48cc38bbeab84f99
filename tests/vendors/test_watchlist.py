"""The watchlist from vendors that answer and vendors that fail: always made, always saying what was missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from day_trading_agents import WatchlistAnalyst
from health.workers import WorkerPool
from tests.vendors.doubles import (
    CALENDAR,
    KEY,
    SESSION_DAY,
    Fault,
    FmpDouble,
    PolygonDouble,
    StillClock,
    VendorDouble,
    daily_prices,
    serving,
    sessions,
)
from tests.vendors.harness import settings
from tools import open_sources
from trading.advice import RANK_BAND, Stance, View
from trading.bars import Bar
from trading.errors import BrokerUnavailable, HistoryUnavailable
from trading.premarket import Evidence
from trading.settings import StrategySettings
from vendors.daily_bars import daily_bar
from vendors.settings import VendorSettings

OWN = ("S000", "S001", "S005")
SESSION = CALENDAR.session_on(SESSION_DAY)
FAULT_CLASSES = {
    Fault.BAD_KEY: "AUTH",
    Fault.PLAN: "PLAN",
    Fault.SYMBOL: "SYMBOL",
    Fault.QUOTA: "QUOTA",
    Fault.SERVER_ERROR: "TRANSIENT",
    Fault.TRUNCATED: "TRANSIENT",
    Fault.DRIBBLE: "TRANSIENT",
    Fault.HANGS_UP: "TRANSIENT",
    Fault.HTML: "MALFORMED",
    Fault.HALF_JSON: "MALFORMED",
    Fault.WRONG_SHAPE: "MALFORMED",
    Fault.REPEATS_KEY: "MALFORMED",
    Fault.WRONG_TYPES: "rows dropped",
}


async def broker_bars(symbol: str, session_date: date, calendar_days: int) -> list[Bar]:
    """The gateway's history, the same as the vendors'."""
    days = sessions("2026-10-06", "2026-11-19")
    return [daily_bar(day, prices[:4], prices[4]) for day in days if (prices := daily_prices(symbol, day))]


async def silent_broker(symbol: str, session_date: date, calendar_days: int) -> list[Bar]:
    raise HistoryUnavailable(symbol, 0, "no answer")


def analyse(
    folder: Path,
    *doubles: VendorDouble,
    vendors: VendorSettings | None = None,
    bars: Any = broker_bars,
    own: Sequence[str] = OWN,
    strategy: StrategySettings | None = None,
    plan: str = "ultimate",
    **options: Any,
) -> dict[str, Any]:
    """The file that an analysis writes."""
    assert SESSION is not None
    clock = StillClock()
    clock.watch(*doubles)
    file = folder / "watchlist.json"

    async def run() -> None:
        async with AsyncExitStack() as stack:
            chosen = vendors or (settings(folder, *doubles, vendor_timeout_s=0.2, fmp_plan=plan) if doubles else None)
            sources = await stack.enter_async_context(open_sources(chosen, clock, daily_bars=bars))
            pool = stack.enter_context(WorkerPool(6, "watchlist", clock))
            analyst = WatchlistAnalyst(sources, strategy or StrategySettings(watchlist_size=4), pool, **options)
            await analyst.analyse(own, SESSION, file)

    with serving(*doubles):
        asyncio.run(run())
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def symbols(content: dict[str, Any]) -> list[str]:
    return [entry["symbol"] for entry in content["symbols"]]


def test_fmp_gives_universe_filters_and_history(tmp_path: Path) -> None:
    double = FmpDouble(symbols=12)
    content = analyse(tmp_path, double)
    assert content["universe"] == {"symbols": 12, "from": "the settings and FMP"}
    assert content["evidence"] == {"quotes": "FMP", "earnings": "FMP", "news": "FMP"}
    assert content["missing"] == []
    assert content["refused"] == {"S001": "reports earnings today", "S002": "gap is +30.0 %, beyond 15"}
    assert len(symbols(content)) == 4
    best = content["symbols"][0]
    assert best["score"] == pytest.approx(
        best["parts"]["atr_pct"] * best["parts"]["log10_turnover"] * best["parts"]["gap"] * best["parts"]["news"],
        rel=1e-5,
    )
    assert best["parts"]["gap"] == pytest.approx(1.02, abs=1e-3)
    assert "gap +1.00 %" in ";".join(best["reasons"])
    asked = double.paths()
    assert asked.count("/stable/historical-price-eod/full") == 10  # the two refused before cost no call
    assert asked.count("/stable/batch-quote") == 1


def test_polygon_alone_gives_spread_and_sentiment_and_says_what_it_lacks(tmp_path: Path) -> None:
    content = analyse(tmp_path, PolygonDouble(symbols=12))
    assert content["refused"] == {
        "S003": "3 negative reports since yesterday, 0 positive",
        "S004": "spread is 400 bps, above 100",
    }
    assert content["missing"] == ["earnings: no source is set up"]
    assert len(symbols(content)) == 4


def test_without_keys_the_list_comes_from_the_broker_and_the_settings(tmp_path: Path) -> None:
    content = analyse(tmp_path)
    assert content["universe"] == {"symbols": 3, "from": "the settings"}
    assert sorted(symbols(content)) == sorted(OWN)
    assert content["evidence"] == {}
    assert "quotes: no source is set up" in content["missing"]


def test_vendors_and_broker_agree_on_the_same_history(tmp_path: Path) -> None:
    of_broker = analyse(tmp_path, own=[f"S{number:03}" for number in range(12)])
    lax = StrategySettings(watchlist_size=4, watchlist_max_gap_pct=99, watchlist_earnings_today="allow")
    of_vendor = analyse(tmp_path / "v", FmpDouble(symbols=12), strategy=lax)
    atr = {entry["symbol"]: entry["parts"]["atr_pct"] for entry in of_vendor["symbols"]}
    for entry in of_broker["symbols"]:
        assert atr.get(entry["symbol"], entry["parts"]["atr_pct"]) == entry["parts"]["atr_pct"]


@pytest.mark.parametrize("failing", ["FMP", "Polygon", "both"])
@pytest.mark.parametrize("fault", FAULT_CLASSES)
def test_whatever_fails_the_list_is_made_and_says_what_was_missing(fault: Fault, failing: str, tmp_path: Path) -> None:
    first, second = FmpDouble(symbols=12), PolygonDouble(symbols=12)
    for double, name in ((first, "FMP"), (second, "Polygon")):
        if failing in (name, "both"):
            double.faults[""] = fault
    vendors = [first, second] if failing != "Polygon" else [second]  # a good FMP leaves Polygon unasked
    content = analyse(tmp_path, *vendors)
    assert len(symbols(content)) >= min(4, len(OWN))
    told = [words for words in content["missing"] if FAULT_CLASSES[fault] in words]
    assert {name for name in ("FMP", "Polygon") if any(name in words for words in told)} == (
        {"FMP", "Polygon"} if failing == "both" else {failing}
    )
    assert KEY not in json.dumps(content)
    if failing == "FMP":
        assert content["evidence"]["quotes"] == "Polygon"


def test_history_that_ends_too_early_is_passed_over(tmp_path: Path) -> None:
    double = FmpDouble(symbols=12)
    rows = double.rows(
        "/stable/historical-price-eod/full", {"symbol": "S000", "from": "2026-10-06", "to": "2026-11-18"}
    )
    double.answers["/stable/historical-price-eod/full"] = (200, "application/json", json.dumps(rows))
    content = analyse(tmp_path, double, own=("S000",), strategy=StrategySettings(watchlist_universe_size=1))
    assert symbols(content) == ["S000"]  # from the broker
    assert "MALFORMED: FMP historical-price-eod/full: the history ends before the last session" in content["missing"]


def test_silent_broker_costs_nothing_while_a_vendor_answers(tmp_path: Path) -> None:
    assert len(symbols(analyse(tmp_path, FmpDouble(symbols=12), bars=silent_broker))) == 4


def test_nobody_answering_is_a_fault_of_the_outside_and_not_of_the_settings(tmp_path: Path) -> None:
    double = FmpDouble()
    double.faults[""] = Fault.SERVER_ERROR
    with pytest.raises(BrokerUnavailable, match="S000"):
        analyse(tmp_path, double, bars=silent_broker)


def test_same_answers_give_the_same_file_however_long_they_take(tmp_path: Path) -> None:
    texts = []
    for number, latency_s in enumerate((0.0, 0.01, 0.0)):
        folder = tmp_path / str(number)
        analyse(folder, FmpDouble(symbols=30, latency_s=latency_s), bars=silent_broker)
        texts.append((folder / "watchlist.json").read_bytes())
    assert texts[0] == texts[1] == texts[2]


def test_plan_without_calls_left_passes_on_to_the_broker_instead_of_waiting(tmp_path: Path) -> None:
    double = FmpDouble(symbols=40)
    content = analyse(tmp_path, double, plan="basic")  # ten calls a minute
    assert len(double.asked) == 10
    assert len(symbols(content)) == 4
    assert any("the plan has no call left before the deadline (" in words for words in content["missing"])


def test_symbol_that_the_gateway_does_not_know_is_left_out(tmp_path: Path) -> None:
    best = symbols(analyse(tmp_path, FmpDouble(symbols=12)))[0]

    async def is_unknown(symbol: str) -> bool:
        return symbol == best

    content = analyse(tmp_path / "again", FmpDouble(symbols=12), own=(), is_unknown=is_unknown)
    assert content["refused"][best] == "the gateway knows no such stock"
    assert best not in symbols(content)


def test_adviser_moves_symbols_by_at_most_a_band_and_is_on_record(tmp_path: Path) -> None:
    asked: dict[str, Evidence] = {}

    async def adviser(evidence: Sequence[Evidence]) -> dict[str, View]:
        asked.update({each.symbol: each for each in evidence})
        return {plain[0]: View(Stance.VETO, "bad feeling")}

    plain = symbols(analyse(tmp_path, FmpDouble(symbols=12)))
    content = analyse(tmp_path / "again", FmpDouble(symbols=12), adviser=adviser)
    assert symbols(content) == [*plain[1:], plain[0]]
    assert content["advice"][plain[0]] == {"stance": "veto", "reason": "bad feeling"}
    assert content["advice"][plain[1]] == {"stance": "abstain", "reason": "nothing was said about it"}
    assert len(asked) == 4 + RANK_BAND
    assert asked[plain[0]].gap_pct == pytest.approx(1.0, abs=0.05)


def test_unwritable_folder_costs_the_vendors_and_not_the_list(tmp_path: Path) -> None:
    double = FmpDouble()
    (tmp_path / "file").write_text("")
    with serving(double):
        vendors = settings(tmp_path, double, vendor_cache_dir=str(tmp_path / "file" / "x"))
    content = analyse(tmp_path, vendors=vendors)
    assert sorted(symbols(content)) == sorted(OWN)
