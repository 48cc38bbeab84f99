"""What a language model may change: nothing before it has proven skill. Cycles by a real server over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from aiohttp import web

from ib_simulator.simulated_time import SimulatedClock
from llm.settings import LlmSettings
from market_hours import Clock, Session
from tests.gateway_world import MONDAY, rows
from tests.llm.chat_server import Answer, completion, refuses
from tests.llm.test_simulated_time import served_elsewhere
from tests.weekly.test_cycle import mondays
from tests.weekly.world import CALENDAR, NAMES, WeeklyWorld, closes_before, in_weekly_world, market
from vendors.facts import Need, NewsItem
from vendors.sources import Found
from weekly.results import CycleResult

CYCLES = 12
EVIDENCE_LINE = re.compile(r"\[E\d+\] (S\d+), .*?: code (\d+)")
SYMBOLS_LINE = re.compile(r"Stocks: (.*)")


@lru_cache(maxsize=4096)
def weekly_move(symbol: str, week: int) -> float:
    """What a name does from the close before a Monday to the close of that week's Friday."""
    return Random(f"{symbol} {week}").gauss(0.0, 0.03)


def weeks_since(day: date) -> int:
    return (day - MONDAY.date).days // 7


def surprising(symbol: str, session: Session, last: float) -> float:
    """Prices move on Tuesdays, by what nobody could know on Monday."""
    week = weeks_since(session.date)
    over = week + (session.date.weekday() >= 1)
    price = last
    for number in range(over):
        price *= 1.0 + weekly_move(symbol, number)
    return round(max(price, 1.0), 2)


def code_of(symbol: str, week: int) -> int:
    """What the news says of a name: nothing to who does not know the future, and no name."""
    return crc32(f"{symbol} {week}".encode())


class Wire:
    """A source of news, one text a name and week."""

    name = "wire"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.needs: Mapping[Need, Callable[..., Awaitable[Found[Any]]]] = {Need.NEWS: self.news}

    async def news(self, symbols: list[str], today: date) -> Found[tuple[NewsItem, ...]]:
        items = (
            NewsItem(symbols=(symbol,), title=f"code {code_of(symbol, weeks_since(today))}", publisher="wire")
            for symbol in symbols
        )
        return Found(tuple(items), self._clock.now())

    async def close(self) -> None: ...


def answering(opinion: Callable[[int], str]) -> Answer:
    """A model that has an outlook on each code that it reads."""

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        text = body["messages"][-1]["content"]
        views = [
            {"symbol": alias, "outlook": opinion(int(code)), "confidence": "high", "thesis": "It says so."}
            for alias, code in EVIDENCE_LINE.findall(text)
        ]
        return web.json_response(completion(json.dumps({"views": views})))

    return answer


def oracle(code: int) -> str:
    """Knows which code is whose, and what will come."""
    moves = {code_of(symbol, week): (symbol, week) for symbol in NAMES for week in range(CYCLES + 1)}
    symbol, week = moves[code]
    mean = sum(weekly_move(each, week) for each in NAMES) / len(NAMES)
    return "very_positive" if weekly_move(symbol, week) > mean else "very_negative"


def coin(code: int) -> str:
    return Random(code).choice(["very_positive", "very_negative"])


def advised(folder: Path, answer: Answer, cycles: int = CYCLES) -> list[CycleResult]:
    """Weekly dry runs with a model behind a URL: evidence, question, forecasts and their settlement are real."""
    sessions = mondays(cycles)

    async def main(world: WeeklyWorld) -> list[CycleResult]:
        found = []
        for session in sessions:
            clock: SimulatedClock = world.world.clock
            await clock.sleep_until(session.open + timedelta(minutes=10))
            found.append(await world.cycle(session, source=Wire(clock), llm=llm, dry_run=True, monte_carlo_paths=200))
        return found

    with served_elsewhere(answer) as server:
        llm = LlmSettings(
            local_llm_url=server.url,
            llm_order_open=("local",),
            llm_folds=1,
            llm_retry_pause_s=0.0,
            llm_budget_file=folder / "budget.db",
        )
        feed = market(sessions=sessions, prices=surprising)
        return in_weekly_world(main, folder, feed=feed, following=sessions[1:])


def test_a_model_that_knows_the_outcome_earns_influence_and_one_that_guesses_does_not(tmp_path: Path) -> None:
    (tmp_path / "oracle").mkdir()
    (tmp_path / "coin").mkdir()
    known = advised(tmp_path / "oracle", answering(oracle))
    guessed = advised(tmp_path / "coin", answering(coin))
    earned = [result.analysis.skill.influence for result in known if result.analysis is not None]
    assert earned[:8] == [0.0] * 8  # whatever it says: eight settled cycles come first
    assert earned[-1] > 0.12
    assert earned[8:] == sorted(earned[8:])
    lucky = [result.analysis.skill.influence for result in guessed if result.analysis is not None]
    assert max(lucky) < 0.01
    last = known[-1]
    assert last.target is not None
    assert any(abs(part) > 0.005 for part in last.target.sources["llm"].values())  # it moves weights now
    first = known[0]
    assert first.target is not None
    assert set(first.target.sources["llm"].values()) == {0.0}


def test_forecasts_of_the_model_and_of_the_score_are_settled_by_closes_alone(tmp_path: Path) -> None:
    advised(tmp_path, answering(oracle), cycles=3)
    database = tmp_path / "history.db"
    said = rows(database, "SELECT * FROM forecasts WHERE source <> 'factor' AND outcome IS NOT NULL")
    assert len(said) == 2 * len(NAMES)
    assert all((row["probability"] > 0.5) == (row["outcome"] == 1.0) for row in said)
    assert all(abs(row["score"] - (row["probability"] - row["outcome"]) ** 2) < 1e-12 for row in said)
    assert all(row["llm_call_id"] for row in said)
    by_score = rows(database, "SELECT * FROM forecasts WHERE source = 'factor' AND outcome IS NOT NULL")
    assert {(row["subject"], row["due_at"]): row["outcome"] for row in by_score} == {
        (row["subject"], row["due_at"]): row["outcome"] for row in said
    }
    assert len(rows(database, "SELECT * FROM forecasts WHERE outcome IS NULL")) == 2 * len(NAMES)  # not due yet


def test_a_model_that_fails_costs_its_views_and_nothing_else(tmp_path: Path) -> None:
    (result,) = advised(tmp_path, refuses(500, "no"), cycles=1)
    assert result.plan is not None
    assert result.plan.orders
    assert result.analysis is not None
    assert result.analysis.said.probabilities == {}
    assert "server_error" in result.analysis.said.abstained


def test_the_market_of_these_tests_says_nothing_before_tuesday() -> None:
    tuesday = CALENDAR.next_session(MONDAY.date)
    last = closes_before("W00")[-1]
    assert surprising("W00", MONDAY, last) == last
    assert surprising("W00", tuesday, last) != last
