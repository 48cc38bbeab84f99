"""The watchlist's analysis on its workers: how many requests the gateway sees at once, and what that is worth."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from day_trading_agents import WatchlistAnalyst
from health.workers import WorkerPool
from ib_simulator.client import ClientConnection
from ib_simulator.request_types import ReqHistoricalData
from tests.gateway_world import MONDAY, HandMadeFeed, World, daily_history, in_world, rows, warm_up
from trading.settings import StrategySettings
from trading.watchlist import Candidate
from utils import Misconfigured
from vendors.sources import BrokerSource, Sources

ANSWER_AFTER = timedelta(milliseconds=250)


class Analysis(NamedTuple):
    candidates: list[Candidate]
    seconds: float  # of simulated time
    most_at_once: int  # requests that the gateway had not answered yet


def analyse(folder: Path, *, symbols: int, workers: int, deaf_to: str = "") -> Analysis:
    """An analysis through a gateway that answers each request for bars after 250 ms; never those of `deaf_to`."""
    universe = [f"S{number:02}" for number in range(symbols)]
    feed = HandMadeFeed(
        {symbol: warm_up() for symbol in universe},
        {symbol: daily_history(range_usd=2.0 + number / 100) for number, symbol in enumerate(universe)},
    )

    async def main(world: World) -> Analysis:
        open_requests: set[int] = set()
        most = 0

        async def answer_late(client: ClientConnection, request: ReqHistoricalData) -> None:
            nonlocal most
            open_requests.add(request.req_id)
            most = max(most, len(open_requests))
            if request.contract.symbol == deaf_to:
                return
            await world.clock.sleep_until(world.clock.now() + ANSWER_AFTER)
            open_requests.discard(request.req_id)
            world.as_usual(client, request)
            world.gateway.flush()

        broker = world.broker(ib_request_timeout_s=5)
        await broker.open()
        for symbol in universe:
            await broker.data.contract(symbol)  # asked for once a symbol, not part of the measurement
        await asyncio.sleep(2)  # the client library's own limit of messages a second is none either
        async with asyncio.TaskGroup() as group:
            world.answer(ReqHistoricalData, lambda client, req: group.create_task(answer_late(client, req)))
            begun = world.clock.now()
            with WorkerPool(workers, "watchlist", world.clock) as pool:
                source = BrokerSource("the gateway", broker.data.daily_bars, world.clock)
                analyst = WatchlistAnalyst(Sources([source], world.clock), StrategySettings(), pool)
                candidates = await analyst.assess_all(universe, MONDAY)
            return Analysis(candidates, (world.clock.now() - begun).total_seconds(), most)

    return in_world(main, feed, folder)


@pytest.mark.parametrize("workers", [1, 6, 9])
def test_the_gateway_has_as_many_requests_at_once_as_there_are_workers(tmp_path: Path, workers: int) -> None:
    found = analyse(tmp_path, symbols=20, workers=workers)
    assert found.most_at_once == workers
    assert [candidate.symbol for candidate in found.candidates] == [f"S{number:02}" for number in range(20)]
    assert [candidate.refusal for candidate in found.candidates] == [""] * 20


@pytest.mark.parametrize(("symbols", "ratio"), [(60, 5.5), (10, 4.5)])
def test_six_workers_are_that_much_faster_than_one(tmp_path: Path, symbols: int, ratio: float) -> None:
    one = analyse(tmp_path, symbols=symbols, workers=1)
    six = analyse(tmp_path, symbols=symbols, workers=6)
    assert one.candidates == six.candidates
    assert one.seconds == pytest.approx(symbols * 0.25, rel=0.05)
    assert one.seconds / six.seconds >= ratio


def test_a_request_that_nobody_answers_costs_one_worker_its_time_and_one_symbol_its_place(tmp_path: Path) -> None:
    found = analyse(tmp_path, symbols=12, workers=6, deaf_to="S03")
    refused = {candidate.symbol: candidate.refusal for candidate in found.candidates if candidate.refusal}
    assert refused == {"S03": "only 0 sessions of history, 5 are needed"}
    assert 5 <= found.seconds < 6


def test_a_day_for_which_no_symbol_is_fit_is_refused_with_the_reasons_and_nothing_is_ordered(tmp_path: Path) -> None:
    feed = HandMadeFeed(
        {symbol: warm_up() for symbol in ("AAA", "BBB")},
        {"AAA": daily_history()[-3:], "BBB": daily_history(range_usd=0.01)},
    )

    async def main(world: World) -> None:
        with world.history() as history:
            await world.trader(history).run(["AAA", "BBB"])

    with pytest.raises(Misconfigured) as refusal:
        in_world(main, feed, tmp_path)
    assert str(refusal.value) == (
        "none of 2 symbols is fit for the watchlist "
        "(AAA: only 3 sessions of history, 5 are needed; BBB: ATR is 0.01 % of price, not above 1.5)"
    )
    assert rows(tmp_path / "history.db", "SELECT * FROM order_intents") == []
    assert not (tmp_path / "watchlist.json").exists()
