"""Language models and the watchlist: a view moves a symbol by a band; no model, no answer, no harm."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from day_trading.model_advice import open_model_adviser, texts_of, view_of
from day_trading_agents import WatchlistAnalyst
from health.workers import WorkerPool
from llm.adviser import SymbolView
from llm.settings import LlmSettings
from observability import TradingHistory
from tests.llm import chat_server
from tests.llm.chat_server import Answer, completion, dribbles, refuses, says, sends
from tests.llm.world import KEY, reply, view
from tests.vendors.doubles import FmpDouble, StillClock, serving
from tests.vendors.harness import settings as vendor_settings
from tests.vendors.test_watchlist import OWN, SESSION, broker_bars, symbols
from tools import open_sources
from trading.advice import RANK_BAND, Stance
from trading.premarket import Evidence
from trading.settings import StrategySettings

DAY = date(2026, 11, 20)
SIZE = 4
NEVER_ASKED = refuses(500, "a recording is replayed")


def judges(verdict: Callable[[str], dict[str, Any] | None]) -> Answer:
    """A model that decides by the texts about each alias; it sees nothing but the prompt."""

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        about: dict[str, str] = {}
        for alias, text in re.findall(r"^\[E\d+\] (S\d+), [^:]*: (.*)$", body["messages"][1]["content"], re.MULTILINE):
            about[alias] = f"{about.get(alias, '')} {text}"
        said = [{**found, "symbol": alias} for alias, text in about.items() if (found := verdict(text))]
        return web.json_response(completion(json.dumps({"views": said})))

    return answer


def analysed(folder: Path, *answers: Answer, replay: Path | None = None, **changes: Any) -> dict[str, Any]:
    """The file of an analysis with FMP and, where `answers` are given, a model."""
    assert SESSION is not None
    folder.mkdir(exist_ok=True)
    clock, double, file = StillClock(), FmpDouble(symbols=12), folder / "watchlist.json"

    async def run() -> None:
        async with AsyncExitStack() as stack:
            chosen = None
            if answers or replay:
                server = await stack.enter_async_context(chat_server.serving(*answers or (NEVER_ASKED,)))
                values = {"llm_deepseek_url": server.url, "llm_budget_file": folder / "purse.db", "llm_retries": 0}
                order = {"llm_order_closed": ("deepseek",), "llm_order_open": ("deepseek",)}
                key = {} if replay else {"deepseek_api_key": KEY}
                chosen = LlmSettings.model_validate(values | order | key | changes)
            calls = stack.enter_context(TradingHistory(folder / "calls.db", bot="day_trader", mode="paper"))
            adviser = await stack.enter_async_context(open_model_adviser(chosen, DAY, clock, calls, replay=replay))
            sources = await stack.enter_async_context(
                open_sources(vendor_settings(folder, double, vendor_timeout_s=2.0), clock, daily_bars=broker_bars)
            )
            pool = stack.enter_context(WorkerPool(6, "watchlist", clock))
            analyst = WatchlistAnalyst(sources, StrategySettings(watchlist_size=SIZE), pool, adviser=adviser)
            await analyst.analyse(OWN, SESSION, file)

    with serving(double):
        asyncio.run(run())
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def against(text: str) -> dict[str, Any] | None:
    return view(stance="veto", thesis="It is in trouble.") if "moves" in text else None


def test_a_veto_moves_a_symbol_by_a_band_and_is_on_record_and_replays_without_a_key(tmp_path: Path) -> None:
    plain = analysed(tmp_path / "plain")
    advised = analysed(tmp_path / "advised", judges(against))
    vetoed = [symbol for symbol, said in advised["advice"].items() if said["stance"] == "veto"]
    ranked = symbols(plain)
    assert vetoed
    assert {said["stance"] for symbol, said in advised["advice"].items() if symbol not in vetoed} <= {"abstain"}
    assert advised["advice"][vetoed[0]]["reason"] == "It is in trouble."
    for symbol in set(ranked) & set(symbols(advised)):
        assert abs(symbols(advised).index(symbol) - ranked.index(symbol)) <= RANK_BAND
    assert symbols(advised) != ranked
    again = analysed(tmp_path / "again", replay=tmp_path / "advised" / "calls.db")
    assert again == advised


def test_company_names_are_hidden_from_the_model(tmp_path: Path) -> None:
    seen: list[str] = []

    def verdict(text: str) -> dict[str, Any] | None:
        seen.append(text)
        return None

    analysed(tmp_path, judges(verdict))
    assert seen
    assert not re.search(r"S0\d\d|Company", " ".join(seen))


@pytest.mark.parametrize(
    ("answer", "words", "changes"),
    [
        (refuses(402, "Insufficient Balance"), "no_credit", {}),
        (refuses(429, "slow down"), "rate_limited", {}),
        (sends("<html>busy</html>", "text/html"), "", {}),
        (says('{"views": ['), "", {}),
        (says(None), "", {}),
        (says(reply(view("S1", "certain"))), "", {}),
        (dribbles, "timeout", {"llm_timeout_s": 1.0}),
        (judges(against), "budget", {"llm_budget_run_usd": 0.0}),
    ],
)
def test_a_model_that_fails_costs_its_views_and_nothing_else(
    tmp_path: Path, answer: Answer, words: str, changes: dict[str, Any]
) -> None:
    plain = analysed(tmp_path / "plain")
    content = analysed(tmp_path / "advised", answer, **changes)
    assert content["symbols"] == plain["symbols"]
    assert len(content["advice"]) == SIZE + RANK_BAND
    for said in content["advice"].values():
        assert said["stance"] == "abstain"
        assert words in said["reason"]
        assert len(said["reason"]) > len("reason: ")


def test_an_adviser_with_a_bug_costs_its_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("day_trading.model_advice.texts_of", lambda *_: 1 / 0)
    plain = analysed(tmp_path / "plain")
    content = analysed(tmp_path / "advised", judges(against))
    assert content["symbols"] == plain["symbols"]
    assert {said["reason"] for said in content["advice"].values()} == {"the adviser failed: ZeroDivisionError"}


@pytest.mark.parametrize(
    ("value", "stance"),
    [(1.0, Stance.BOOST), (0.5, Stance.BOOST), (0.49, Stance.NEUTRAL), (-0.49, Stance.NEUTRAL), (-0.5, Stance.VETO)],
)
def test_a_shrunken_value_becomes_a_stance(value: float, stance: Stance) -> None:
    said = SymbolView(symbol="A", value=value, agreement=1.0, folds=3, thesis="Why.")
    assert view_of(said) == (stance, "Why.")


def test_figures_alone_are_not_told() -> None:
    assert texts_of(Evidence(symbol="A", gap_pct=3.0), DAY) == []
    told = texts_of(Evidence(symbol="A", gap_pct=3.0, reports_today=True, headlines=("One", "Two")), DAY)
    assert [each.text for each in told] == ["One", "Two", "gap of +3.00 % to the last close, reports earnings today"]
