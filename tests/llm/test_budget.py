"""The purse: reserved before, settled after, shared, kept, and closed when in doubt."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llm.budget import Budget, OverBudget, Spending
from llm.opening import open_budget
from llm.outcomes import Abstained, Reason, Usage
from llm.pricing import Prices, is_peak
from tests.llm.chat_server import dribbles, refuses, says, serving
from tests.llm.world import GOOD, MESSAGES, REPLY_CLASS, CallLog, opened, settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CENT = 10_000  # millionths of a dollar
LIMITS = Spending(run_usd=0.05, day_usd=0.08, month_usd=0.10)


class Machine:
    """The date of the machine."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def budget(tmp_path: Path, run: str, machine: Machine) -> Budget:
    return Budget(tmp_path / "purse.db", LIMITS, run=run, now=machine)


def reserve(purse: Budget, cents: int) -> str:
    reserved = purse.reserve(cents * CENT, "deepseek")
    return reserved.period if isinstance(reserved, OverBudget) else "yes"


def test_run_day_and_month_refuse_each_for_itself(tmp_path: Path) -> None:
    machine = Machine()
    first, second = budget(tmp_path, "a", machine), budget(tmp_path, "b", machine)
    assert [reserve(first, 5), reserve(first, 1)] == ["yes", "run"]
    assert [reserve(second, 3), reserve(second, 1)] == ["yes", "day"]
    machine.now += timedelta(days=1)
    assert [reserve(second, 2), reserve(second, 1)] == ["yes", "run"]
    assert reserve(budget(tmp_path, "c", machine), 1) == "month"
    machine.now += timedelta(days=30)
    assert reserve(budget(tmp_path, "c", machine), 5) == "yes"


def test_refused_request_reserves_nothing(tmp_path: Path) -> None:
    purse = budget(tmp_path, "a", Machine())
    assert reserve(purse, 6) == "run"
    assert purse.spent() == Spending(run_usd=0.0, day_usd=0.0, month_usd=0.0)


def test_settled_request_counts_what_it_cost_and_an_unsettled_one_all_of_it(tmp_path: Path) -> None:
    purse = budget(tmp_path, "a", Machine())
    first, second = purse.reserve(3 * CENT, "deepseek"), purse.reserve(CENT, "deepseek")
    assert isinstance(first, int)
    assert isinstance(second, int)
    purse.settle(first, CENT // 2)
    assert purse.spent().run_usd == pytest.approx(0.015)


def test_programs_that_reserve_at_once_never_pass_the_limit(tmp_path: Path) -> None:
    machine = Machine()
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: reserve(budget(tmp_path, f"run {n}", machine), 1), range(20)))
    assert (told.count("yes"), told.count("day")) == (8, 12)


def test_price_is_that_of_the_hour_and_the_most_is_more_than_any_cost() -> None:
    prices = Prices(input_usd=0.3, cached_usd=0.006, output_usd=1.2, off_peak=0.5)
    usage = Usage(input_tokens=1000, cached_tokens=400, output_tokens=200)
    peak, off_peak = datetime(2026, 11, 23, 7, tzinfo=UTC), datetime(2026, 11, 22, 7, tzinfo=UTC)
    assert (is_peak(peak), is_peak(off_peak), is_peak(NOON)) == (True, False, False)
    # 600 x 0.3 + 400 x 0.006 + 200 x 1.2 = 422.4 millionths, half of it off peak; fractions round up
    assert (prices.micros(usage, peak), prices.micros(usage, off_peak)) == (423, 212)
    assert prices.most_micros("x" * 900, 200) == (1000 * 3 + 200 * 12) // 10


def ask(tmp_path: Path, answer: object, **changes: object) -> tuple[object, int]:
    async def run() -> tuple[object, int]:
        async with serving(answer) as server:  # type: ignore[arg-type]  # answers of several kinds
            configuration = settings(tmp_path, llm_deepseek_url=server.url, **changes)
            async with opened(configuration, CallLog()) as models:
                return await models.ask("test v1", MESSAGES, REPLY_CLASS), len(server.bodies)

    return asyncio.run(run())


@pytest.mark.parametrize("period", ["run", "day", "month"])
def test_request_over_the_budget_is_not_sent(tmp_path: Path, period: str) -> None:
    outcome, requests = ask(tmp_path, says(GOOD), **{f"llm_budget_{period}_usd": 0.001})
    assert isinstance(outcome, Abstained)
    assert (outcome.reason, requests) == (Reason.OVER_BUDGET, 0)
    assert period in outcome.detail


@pytest.mark.parametrize("damage", ["folder", "text", "locked"])
def test_purse_that_cannot_be_used_sends_nothing(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "purse.db"
    monkeypatch.setattr("llm.budget.BUSY_TIMEOUT_S", 0.05)
    holder = None
    if damage == "folder":
        file.mkdir()
    elif damage == "text":
        file.write_text("this is no database" * 100)
    else:
        open_budget(settings(tmp_path)).spent()
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
    outcome, requests = ask(tmp_path, says(GOOD))
    if holder is not None:
        holder.close()
    assert isinstance(outcome, Abstained)
    assert (outcome.reason, requests) == (Reason.BUDGET_UNKNOWN, 0)


@pytest.mark.parametrize(
    ("answer", "spent"),
    [
        (refuses(429, "slow down"), "nothing"),
        (says(GOOD), "little"),
        (says(GOOD, usage=None), "all"),
        (dribbles, "all"),
    ],
)
def test_what_a_request_leaves_in_the_purse(tmp_path: Path, answer: object, spent: str) -> None:
    ask(tmp_path, answer, llm_timeout_s=3.0, llm_retries=0)
    day_usd = open_budget(settings(tmp_path)).spent().day_usd
    low, high = {"nothing": (0.0, 0.0), "little": (0.0002, 0.0005), "all": (0.0024, 0.01)}[spent]
    assert low <= day_usd <= high


def test_local_model_costs_nothing_and_needs_no_purse(tmp_path: Path) -> None:
    (tmp_path / "purse.db").mkdir()

    async def run() -> object:
        async with serving(says(GOOD)) as server:
            configuration = settings(tmp_path, deepseek_api_key=None, local_llm_url=server.url)
            async with opened(configuration, CallLog()) as models:
                return await models.ask("test v1", MESSAGES, REPLY_CLASS)

    assert not isinstance(asyncio.run(run()), Abstained)
