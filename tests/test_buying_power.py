"""Buying power: what the account says it can carry is asked and obeyed before an order goes out.

The morning is that of `test_simulated_day`: 249 shares are bought at 9:50:40 for 100.21, the collar is 100.31.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ib_simulator.account import AccountKind
from ib_simulator.client import ClientConnection
from ib_simulator.fault_kinds import Reject
from ib_simulator.request_types import PlaceOrder
from tests.gateway_world import (
    HandMadeFeed,
    Played,
    World,
    in_world,
    minute,
    play_day,
    rows,
    run_until,
    session_on,
    warm_up,
    what_is_left,
)
from trading.bars import Bar

BUYS = minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)
STOPPED_OUT = minute("09:55", 99.80, 99.90, 99.00, 99.10, 6_000)
WANTED_AGAIN = minute("11:30", 100.15, 100.15, 100.15, 100.15, 6_000)
TUESDAY = session_on(date(2026, 9, 29))


def entered(*bars: Bar) -> list[Bar]:
    return [*warm_up(), BUYS, *bars]


def denied(day: Played) -> set[str]:
    return {row["rule"] for row in day.decisions if row["kind"] == "deny"}


class WhatIfs:
    """Answers what-ifs as the gateway does, or as a test wants, and counts them."""

    def __init__(self, world: World, answer: Callable[[ClientConnection, PlaceOrder], bool] | None = None) -> None:
        self.asked: list[tuple[str, float, float]] = []  # (symbol, shares, limit in USD)
        self.placed = 0
        self._world = world
        self._answer = answer
        world.answer(PlaceOrder, self._handle)

    def _handle(self, client: ClientConnection, request: PlaceOrder) -> None:
        if not request.order.what_if:
            self.placed += 1
        else:
            order = request.order
            self.asked.append((request.contract.symbol, order.quantity, order.limit_price or 0.0))
            if self._answer is not None and self._answer(client, request):
                return
        self._world.as_usual(client, request)


def test_what_an_entry_binds_is_asked_once_for_each_symbol_before_the_open(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[WhatIfs, dict[str, int], Played]:
        what_ifs = WhatIfs(world)
        with world.history() as history:
            trader = world.trader(history)
            report = await run_until(world, trader, ["AAA", "BBB"], "09:45")
            return what_ifs, trader._book.buying_power.margin_ppm, what_is_left(world, report)

    what_ifs, margin_ppm, day = in_world(main, HandMadeFeed({"AAA": entered(), "BBB": entered()}), tmp_path)
    # 12,500 a symbol; the last daily close is 100.00
    assert sorted(what_ifs.asked) == [("AAA", 125.0, 100.0), ("BBB", 125.0, 100.0)]
    assert margin_ppm == {"AAA": 250_000, "BBB": 250_000}  # a quarter of the value
    assert (what_ifs.placed, day.intents, day.resting) == (0, [], [])


def test_a_dry_run_asks_nothing(tmp_path: Path) -> None:
    asked: list[WhatIfs] = []
    play_day(
        HandMadeFeed({"AAA": entered()}),
        tmp_path,
        prepare=lambda world: asked.append(WhatIfs(world)),
        stop_at="09:52",
        dry_run=True,
    )
    assert (asked[0].asked, asked[0].placed) == ([], 0)


def test_an_entry_that_the_account_cannot_carry_is_denied_and_never_sent(tmp_path: Path) -> None:
    # 390,000 of other stock bind 97,500 of 100,000; the entry would bind a quarter of 24,977.19 and its fee
    day = play_day(
        HandMadeFeed({"AAA": entered()}),
        tmp_path,
        prepare=lambda world: world.hold("ZZZ", 3_900, 100.0),
        stop_at="09:52",
        world={"also_listed": ["ZZZ"]},
    )
    (row,) = [row for row in day.decisions if row["rule"] == "buying_power"]
    assert (row["limit_value"], row["actual_value"]) == (2_500.0, pytest.approx(6_244.6, abs=0.1))
    assert day.intents == []
    assert day.report.funnel["AAA"]["buying_power"] > 0


def test_without_an_answer_an_entry_counts_with_its_whole_value_and_trading_goes_on(tmp_path: Path) -> None:
    day = play_day(
        HandMadeFeed({"AAA": entered()}),
        tmp_path,
        prepare=lambda world: WhatIfs(world, lambda client, request: True) and None,
        stop_at="09:52",
    )
    assert [text for text in day.report.warnings if "it counts with its whole value" in text]
    assert [row[1:4] for row in day.told()] == [("AAA", "BUY", 249)]


def refused(client: ClientConnection, request: PlaceOrder) -> bool:
    client.error(request.order_id, 201, "Order rejected - reason:no opening trades")
    return True


def test_a_symbol_whose_what_if_is_refused_is_not_bought_and_the_reason_is_on_record(tmp_path: Path) -> None:
    day = play_day(
        HandMadeFeed({"AAA": entered()}),
        tmp_path,
        prepare=lambda world: WhatIfs(world, refused) and None,
        stop_at="09:52",
    )
    assert day.intents == []
    reasons = [row for row in day.decisions if row["rule"] == "rejected_by_broker" and row["detail"]]
    assert [json.loads(row["detail"]) for row in reasons] == [{"why": "201 Order rejected - reason:no opening trades"}]
    assert day.report.funnel["AAA"]["rejected_by_broker"] > 0


def test_a_rejected_entry_is_not_tried_again_not_even_after_a_restart(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        world.faults().fire(Reject(code=201, count=1, text="Order rejected - reason:no", client=2, symbol="AAA"))
        with world.history() as history:
            await run_until(world, world.trader(history), ["AAA"], "11:00")
            report = await run_until(world, world.trader(history), ["AAA"], "11:40")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered(WANTED_AGAIN)}), tmp_path)
    assert [intent["role"] for intent in day.intents] == ["entry", "stop", "target", "time_exit"]
    assert day.trades == []
    assert day.report.funnel["AAA"]["rejected_by_broker"] > 0  # of the second run
    assert len([row for row in day.decisions if row["detail"] and row["rule"] == "rejected_by_broker"]) == 1


@pytest.mark.parametrize(("kind", "purchases"), [(AccountKind.CASH, ["AAA"]), (AccountKind.MARGIN, ["AAA", "AAA"])])
def test_a_cash_account_does_not_spend_the_proceeds_of_the_day(
    tmp_path: Path, kind: AccountKind, purchases: list[str]
) -> None:
    # 25,000 buy 249 shares. Stopped out at 9:55:40, the money is back but not settled: 11:30 has to pass.
    day = play_day(
        HandMadeFeed({"AAA": entered(STOPPED_OUT, WANTED_AGAIN)}),
        tmp_path,
        allocation=1.0,
        world={"cash_usd": 25_000, "account_kind": kind},
    )
    assert [row.symbol for row in day.trades if row.action == "BUY"] == purchases
    assert ("buying_power" in denied(day)) == (kind is AccountKind.CASH)
    assert not [text for text in day.report.warnings if "rejected" in text]  # nobody had to say no


def test_the_proceeds_of_a_cash_account_are_spent_on_the_next_day(tmp_path: Path) -> None:
    bars = [*entered(STOPPED_OUT, WANTED_AGAIN), *[bar._replace(start_s=bar.start_s + 86_400) for bar in entered()]]

    async def main(world: World) -> list[dict[str, Any]]:
        with world.history() as history:
            for session in (world.session, TUESDAY):
                await run_until(world, world.trader(history, session=session, allocation=1.0), ["AAA"])
        return rows(world.database, "SELECT session_date, quantity FROM trades WHERE action = 'BUY' ORDER BY rowid")

    feed = HandMadeFeed({"AAA": bars})
    bought = in_world(main, feed, tmp_path, cash_usd=25_000, account_kind=AccountKind.CASH, following=[TUESDAY])
    assert [(row["session_date"], row["quantity"] > 200) for row in bought] == [
        ("2026-09-28", True),
        ("2026-09-29", True),
    ]


@pytest.mark.parametrize(("left", "bought"), [(-1, 2), (0, 0), (1, 1), (2, 2)])
def test_the_day_trade_flag_of_the_account_is_obeyed(tmp_path: Path, left: int, bought: int) -> None:
    def flag(world: World) -> None:
        world.gateway.accounts.first.day_trades_left = left

    day = play_day(HandMadeFeed({"AAA": entered(), "BBB": entered()}), tmp_path, prepare=flag, stop_at="09:52")
    assert len(day.trades) == bought
    assert ("day_trades" in denied(day)) == (bought < 2)
