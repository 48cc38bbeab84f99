"""What a what-if answer and the account's flags mean in numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.connection import day_trades_from_ib
from broker.values import AccountState
from broker.what_if import WhatIf, margin_share
from ib_simulator.client import ClientConnection
from ib_simulator.request_types import PlaceOrder
from tests.gateway_world import HandMadeFeed, World, in_world, warm_up
from tests.trading.examples import USD
from trading.errors import BrokerUnavailable


@pytest.mark.parametrize(
    ("change_usd", "share"),
    [
        ("2500.0", 250_000),
        ("2500.01", 250_001),  # rounded up: never less than is bound
        ("10000", 1_000_000),
        ("12000", 1_200_000),
        ("0.0", 1_000_000),  # no amount is no discount
        ("-300", 1_000_000),  # nor is an order that frees margin
        ("", 1_000_000),
        ("1.7976931348623157E308", 1_000_000),
    ],
)
def test_margin_is_a_share_of_the_orders_value(change_usd: str, share: int) -> None:
    assert margin_share(change_usd, 10_000 * USD) == share


@pytest.mark.parametrize(("text", "left"), [("-1", -1), ("3", 3), ("0", 0), ("2.0", 2), ("", -1), ("unlimited", -1)])
def test_the_day_trade_flag_is_a_number_or_there_is_none(text: str, left: int) -> None:
    assert day_trades_from_ib(text) == left


def test_a_cash_account_spends_the_smaller_of_settled_and_available() -> None:
    cash = AccountState("DU1", 100 * USD, 90 * USD, is_cash=True)
    assert cash.spendable == 90 * USD  # the gateway does not tell settled cash
    assert cash._replace(settled_cash=40 * USD).spendable == 40 * USD
    assert cash._replace(settled_cash=95 * USD).spendable == 90 * USD
    assert cash._replace(is_cash=False, settled_cash=0).spendable == 90 * USD


def test_an_entry_in_a_stock_that_nobody_knows_is_refused_without_asking(tmp_path: Path) -> None:
    asked: list[PlaceOrder] = []

    async def main(world: World) -> tuple[WhatIf, WhatIf]:
        def keep(client: ClientConnection, request: PlaceOrder) -> None:
            asked.append(request)
            world.as_usual(client, request)

        world.answer(PlaceOrder, keep)
        broker = world.broker()
        await broker.open()
        return await broker.what_if("NOPE", 100, 1_000_000), await broker.what_if("AAA", 100, 1_000_000)

    unknown, known = in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)
    assert (unknown.refusal, known.refusal) == ("the gateway knows no stock NOPE", "")
    assert [request.contract.symbol for request in asked] == ["AAA"]


def test_a_gateway_that_cannot_answer_now_is_unavailable_and_refuses_nothing(tmp_path: Path) -> None:
    """Only a refusal of the order itself keeps a symbol from being bought for the day."""

    async def main(world: World) -> tuple[str, WhatIf]:
        def answer(number: int) -> None:
            world.answer(PlaceOrder, lambda client, order: client.error(order.order_id, number, "words"))

        broker = world.broker()
        await broker.open()
        answer(320)
        with pytest.raises(BrokerUnavailable) as unavailable:
            await broker.what_if("AAA", 1, 1_000_000)
        answer(201)
        return str(unavailable.value), await broker.what_if("AAA", 1, 1_000_000)

    words, refused = in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)
    assert words == "what-if of AAA: 320 words"
    assert refused == WhatIf(refusal="201 words")
