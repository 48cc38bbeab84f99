"""The menu: who answers, how old the answer is, and what the sample says of itself."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

import tools
from day_trading.progress import terminal_progress
from tests.vendors.doubles import KEY, Fault, FmpDouble, PolygonDouble, StillClock, VendorDouble, serving
from tests.vendors.harness import settings
from utils import Environment, Misconfigured, load_settings
from vendors.facts import Screen
from vendors.settings import VendorSettings
from vendors.sources import Sources

T = TypeVar("T")
SCREEN = Screen(min_price_usd=3, min_volume=1, min_market_cap_usd=1, most=5)


def ask(folder: Path, question: Callable[[Sources, StillClock], Awaitable[T]], *doubles: VendorDouble) -> T:
    clock = StillClock()

    async def run() -> T:
        async with tools.open_sources(settings(folder, *doubles) if doubles else None, clock) as sources:
            return await question(sources, clock)

    with serving(*doubles):
        return asyncio.run(run())


def test_answer_names_its_source_and_its_age(tmp_path: Path) -> None:
    async def twice(sources: Sources, clock: StillClock) -> list[tuple[str, float, int]]:
        answers = [await tools.screen(sources, SCREEN)]
        clock.advance(timedelta(minutes=7))
        answers.append(await tools.screen(sources, SCREEN))
        return [(answer.source, answer.age_s, len(answer.value)) for answer in answers]

    assert ask(tmp_path, twice, FmpDouble()) == [("FMP", 0.0, 5), ("FMP", 420.0, 5)]


def test_second_source_answers_and_says_why_the_first_did_not(tmp_path: Path) -> None:
    first = FmpDouble()
    first.faults[""] = Fault.PLAN
    answer = ask(tmp_path, lambda sources, _: tools.quotes(sources, ["S000"]), first, PolygonDouble())
    assert (answer.source, answer.missing) == (
        "Polygon",
        ("PLAN: FMP batch-quote: the endpoint is not part of the plan",),
    )
    assert answer.value["S000"].bid_usd is not None


def test_sample_says_that_it_is_synthetic_and_knows_the_default_universe_only(tmp_path: Path) -> None:
    known = ask(tmp_path, lambda sources, _: tools.fundamentals(sources, "AAPL"))
    assert known.source == "offline sample (synthetic)"
    assert "synthetic" in known.value.name
    unknown = ask(tmp_path, lambda sources, _: tools.fundamentals(sources, "GME"))
    assert not unknown.is_known
    assert "GME is not part of it" in unknown.missing[0]


def test_sample_covers_the_default_universe() -> None:
    from trading.settings import StrategySettings
    from vendors.sample import SECTOR_OF

    assert set(StrategySettings().watchlist_universe) == set(SECTOR_OF)


def test_need_without_a_source_is_an_empty_answer_with_a_reason(tmp_path: Path) -> None:
    answer = ask(tmp_path, lambda sources, _: tools.market_status(sources))
    assert (answer.value, answer.is_known, answer.missing) == ("", False, ("market status: no source is set up",))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("FMP_BASE_URL", "http://financialmodelingprep.com/stable", "https://"),
        ("POLYGON_BASE_URL", f"https://api.polygon.io/?apiKey={KEY}", "plain address"),
        ("POLYGON_BASE_URL", "https://me@api.polygon.io", "plain address"),
        ("FMP_API_KEY", "a key with a\u00a0blank of another kind", "characters that no key has"),
        ("FMP_PLAN", "gold", "basic"),
    ],
)
def test_settings_that_would_give_the_key_away_are_refused(name: str, value: str, words: str) -> None:
    environment = Environment(process={name: value}, file={}, env_file=Path(".env"))
    with pytest.raises(Misconfigured, match=words):
        load_settings(VendorSettings, environment)


def test_fundamentals_keep_what_the_plan_gives_and_leave_the_rest_unknown(tmp_path: Path) -> None:
    double = FmpDouble()
    whole = ask(tmp_path / "whole", lambda sources, _: tools.fundamentals(sources, "S000"), double).value
    assert (whole.sector, whole.price_to_earnings, whole.return_on_equity, whole.revenue_growth, whole.eps_growth) == (
        ("Technology", 21.5, 0.3, 0.08, -0.1)
    )
    double.faults = {"ratios-ttm": Fault.PLAN, "key-metrics-ttm": Fault.HANGS_UP}
    part = ask(tmp_path / "part", lambda sources, _: tools.fundamentals(sources, "S000"), double)
    assert part.source == "FMP"
    assert (part.value.market_cap_usd, part.value.price_to_earnings, part.value.return_on_equity) == (1e10, None, None)


def test_opinion_counts_both_kinds_of_buy_and_takes_zero_estimates_for_none(tmp_path: Path) -> None:
    found = ask(tmp_path, lambda sources, _: tools.opinion(sources, "S000"), FmpDouble()).value
    assert (found.target_usd, found.buys, found.holds, found.sells) == (25.5, 30, 11, 6)
    assert found.eps_estimate_usd is None


def test_symbol_that_no_vendor_knows_is_unknown_and_no_guess(tmp_path: Path) -> None:
    answer = ask(tmp_path, lambda sources, _: tools.fundamentals(sources, "ZZZZ"), FmpDouble())
    assert not answer.is_known
    assert answer.missing[0] == "SYMBOL: FMP profile: ZZZZ is not known"


def test_progress_is_drawn_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal in (True, False):
        screen = io.StringIO()
        monkeypatch.setattr(screen, "isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr(sys, "stderr", screen)
        with terminal_progress(3) as step:
            step()
            step()
        assert ("2/3" in screen.getvalue()) is is_terminal
