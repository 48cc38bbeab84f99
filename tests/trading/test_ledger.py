"""What is owned, what it cost, what a sale realised: nothing is lost in rounding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.examples import PROPERTY
from trading.ledger import Position, bought, sold, with_fee
from trading.money import notional


def test_a_fee_on_owned_shares_is_part_of_their_cost() -> None:
    # 10 at 100.00 and 1.00 of fees: 1,001.00, or 100.10 a share
    position = with_fee(bought(Position(), 10, 1_000_000), 1_000_000)
    assert position == Position(10, 1_001_000_000)
    assert position.average_price == 1_001_000


def test_average_price_is_rounded_half_up_and_zero_when_flat() -> None:
    assert Position(2, 200_000_100).average_price == 1_000_001  # 100.00005 a share
    assert Position(3, 300_000_100).average_price == 1_000_000  # 100.0000333…
    assert Position(200, 20_000_009_900).average_price == 1_000_000  # 100.0000495
    assert Position().average_price == 0


def test_a_sale_takes_its_share_of_the_cost() -> None:
    # 4 of 10 that cost 1,001.00: cost 400.40, proceeds 404.00
    sale = sold(Position(10, 1_001_000_000), 4, 1_010_000)
    assert sale.cost == 400_400_000
    assert sale.realised == 3_600_000
    assert sale.position == Position(6, 600_600_000)


def test_last_sale_takes_the_exact_rest_of_the_cost() -> None:
    # 3 shares that cost 31.00: 10.333333, 10.333333, and 10.333334 for the last
    position, costs = Position(3, 31_000_000), []
    for _ in range(3):
        sale = sold(position, 1, 100_000)
        costs.append(sale.cost)
        position = sale.position
    assert costs == [10_333_333, 10_333_333, 10_333_334]
    assert position == Position(0, 0)


def test_selling_more_than_is_owned_raises() -> None:
    with pytest.raises(ValueError, match="sold 11 shares of 10 owned"):
        sold(Position(10, 1_000_000_000), 11, 1_000_000)


@PROPERTY
@given(
    st.lists(
        st.tuples(st.sampled_from(["buy", "sell", "fee"]), st.integers(1, 500), st.integers(1, 10_000_000)),
        max_size=40,
    )
)
def test_cash_plus_cost_less_realised_stays_where_it_was(steps: list[tuple[str, int, int]]) -> None:
    position, cash, realised = Position(), 0, 0
    for kind, quantity, price in steps:
        if kind == "buy":
            position = bought(position, quantity, price)
            cash -= notional(price, quantity)
        elif kind == "fee" and position.quantity:
            position = with_fee(position, price)
            cash -= price
        elif kind == "sell" and position.quantity:
            quantity = min(quantity, position.quantity)
            sale = sold(position, quantity, price)
            position = sale.position
            cash += notional(price, quantity)
            realised += sale.realised
        assert cash + position.cost == realised
        assert position.quantity >= 0
        assert position.cost >= 0
        assert position.quantity > 0 or position.cost == 0
