"""Each day's P&L is the broker's own figure, or the report says why not: over the socket, at the simulated gateway."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ib_simulator.client import ClientConnection
from ib_simulator.request_types import ReqPnL
from observability import TradingHistory
from tests.gateway_world import MONDAY, HandMadeFeed, World, at, daily_history, in_world, market_order, minute, warm_up
from tests.simulated_runs import run
from trading.day_report import DayReport
from trading.errors import BrokerUnavailable
from trading.orders import Action
from trading.settings import SafetySettings

FEED = HandMadeFeed(
    {
        symbol: [
            *warm_up(),
            minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000),
            minute("10:30", 100.18, 101.70, 100.18, 101.65, 6_000),
            minute("12:00", 101.65, 102.00, 101.60, 101.80, 6_000),
        ]
        for symbol in ("AAA", "BBB")
    },
    {symbol: daily_history() for symbol in ("AAA", "BBB")},
)


def day_beside(folder: Path, *, sells: str, shares: int) -> DayReport:
    """AAA is traded by the bot while somebody at the terminal sells external shares of a symbol at noon."""

    async def main(world: World) -> DayReport:
        world.hold(sells, shares, 90.0)
        file = folder / "list.json"
        file.write_text(json.dumps({"symbols": [{"symbol": "AAA"}]}))

        async def sell() -> None:
            await world.clock.sleep_until(at("12:00:30"))
            somebody = world.broker(client_id=7)
            await somebody.open()
            await somebody.orders.place([market_order(sells, shares, Action.SELL)])
            await asyncio.sleep(120)

        async with asyncio.TaskGroup() as group:
            group.create_task(sell())
            with world.history() as history:
                safety = SafetySettings(kill_switch_file=str(world.kill_switch), external_positions="ignore")
                trader = world.trader(history, watchlist=file, safety=safety)
                running = group.create_task(trader.run(["AAA", "BBB"]))
                await asyncio.wait([running])
        return running.result()

    return in_world(main, FEED, folder)


def test_sale_at_the_terminal_explains_the_difference(tmp_path: Path) -> None:
    """100 BBB that cost 90.00 sold at noon for about 101: the account earned that, the bot did not."""
    report = day_beside(tmp_path, sells="BBB", shares=100)
    result = report.broker_result
    assert result is not None
    assert result["ledger_usd"] == report.metrics["total_pnl_usd"] > 0
    assert result["difference_usd"] == pytest.approx(100 * 11.7, abs=20)
    (cause,) = result["explained"]
    assert cause == {"words": "sales of somebody else: BBB", "usd": result["difference_usd"]}
    assert result["unexplained_usd"] == 0.0
    assert not [warning for warning in report.warnings if "P&L" in warning]


def test_shares_of_others_in_the_same_symbol_mix_the_average_cost_and_are_named(tmp_path: Path) -> None:
    report = day_beside(tmp_path, sells="AAA", shares=50)
    result = report.broker_result
    assert result is not None
    others, ours = result["explained"]
    assert others["words"] == "sales of somebody else: AAA"
    assert ours["words"] == "our sales, counted differently: shares of others in AAA"
    average_usd = (50 * 90.0 + 249 * 100.21 + 1.245747) / 299  # ours at 9:50:40 with its fee, into one position
    assert ours["usd"] == pytest.approx(249 * (100.21 - average_usd) + 1.245747, abs=0.001)
    assert others["usd"] + ours["usd"] == pytest.approx(result["difference_usd"])
    assert result["unexplained_usd"] == 0.0


def test_broker_that_does_not_tell_leaves_the_ledger_alone(tmp_path: Path) -> None:
    async def main(world: World) -> DayReport:
        def silent(client: ClientConnection, request: ReqPnL) -> None: ...

        world.answer(ReqPnL, silent)
        with world.history() as history:
            return await world.trader(history).run(["AAA"])

    report = in_world(main, FEED, tmp_path)
    assert report.broker_result is None
    assert report.metrics["round_trips"] > 0


def test_connection_lost_over_the_question_is_no_result(tmp_path: Path) -> None:
    async def main(world: World) -> str:
        broker = world.broker()
        await broker.open()
        world.answer(ReqPnL, lambda client, _request: client.close())
        with pytest.raises(BrokerUnavailable) as caught:
            await broker.result_of(MONDAY.date, lambda _execution: "")
        assert not broker.is_connected
        return str(caught.value)

    assert in_world(main, FEED, tmp_path) == "the account's P&L could not be read: no answer"


@pytest.mark.parametrize("seed", ["1", "2"])
def test_whole_days_equal_the_brokers_figure_and_keep_it(tmp_path: Path, seed: str) -> None:
    done = run(tmp_path, "--days", "2", "--seed", seed, settings={"IMPROVEMENT_MODE": "off"}, limit_s=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("USD, as in the ledger") == 2
    with TradingHistory(tmp_path / "history.db", bot="day_trader", mode="simulated") as history:
        for row in history.daily_metrics_between("2000-01-01", "2100-01-01"):
            assert row.detail is not None
            assert row.detail["broker_result"]["difference_usd"] == 0.0
            assert row.detail["broker_result"]["broker_usd"] == pytest.approx(row.total_pnl_usd, abs=0.005)
