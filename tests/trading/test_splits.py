"""Splits as a comparison of ledger and broker, and what they make of one bot's shares."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.examples import PROPERTY, USD, session_book
from trading.ledger import Position
from trading.money import notional
from trading.orders import Action, ExecutionReport, Reason
from trading.splits import RATIOS, split_lot, split_ratio


@pytest.mark.parametrize(
    ("owned", "cost", "held", "held_cost", "ratio"),
    [
        (100, 100.0, 200, 50.0, Fraction(2)),
        (100, 100.0, 300, 33.34, Fraction(3)),
        (100, 100.0, 150, 66.67, Fraction(3, 2)),
        (100, 2.0, 10, 20.0, Fraction(1, 10)),
        (105, 2.0, 10, 20.0, Fraction(1, 10)),  # half a share was paid out
        (7, 700.0, 140, 35.15, Fraction(20)),  # the broker's cost includes a fee
        (100, 100.0, 100, 100.0, None),
        (100, 100.0, 200, 100.0, None),  # somebody bought 100 more at the same price
        (100, 100.0, 200, 95.0, None),
        (100, 100.0, 50, 100.0, None),  # somebody sold half
        (100, 100.0, 0, 0.0, None),  # gone
        (100, 100.0, -200, 50.0, None),
        (100, 100.0, 137, 72.99, None),  # no ratio that a company would choose
        (1, 100.0, 2, 50.0, Fraction(2)),
        (2, 50.0, 1, 100.0, Fraction(1, 2)),
        (100, 0.8, 200, 0.4, Fraction(2)),  # cheap shares
        (3, 90.0, 4, 60.0, Fraction(3, 2)),  # four and a half: the half was paid out
        (3, 90.0, 4, 67.5, Fraction(4, 3)),
        (100, 100.0, 200, 51.99, Fraction(2)),  # 3.98 % off
        (100, 100.0, 200, 52.01, None),
        (0, 100.0, 100, 100.0, None),
        (5, 2.0, 0, 20.0, None),  # half a share would be none
        (100, 0.0, 200, 50.0, None),  # a cost that is not known
        (100, 100.0, 200, 0.0, None),
    ],
)
def test_a_split_changes_shares_and_cost_by_the_same_ratio(
    owned: int, cost: float, held: int, held_cost: float, ratio: Fraction | None
) -> None:
    assert split_ratio(owned, cost, held, held_cost) == ratio


def test_new_shares_cost_what_the_old_ones_did() -> None:
    # 249 at 100.21 and a fee of 1.245747: 24,953.535747
    lot = split_lot(Position(249, 24_953_535_747), 1_002_100, Fraction(2))
    assert (lot.ratio, lot.before, lot.after) == (Fraction(2), 249, 498)
    assert (lot.price_before, lot.price_after) == (1_002_100, 501_050)
    assert (lot.fee_before, lot.fee_after) == (-1_245_747, 1_245_747)


def test_a_fraction_of_a_share_takes_its_cost_along() -> None:
    # 105 at 2.00 become 10.5 at 20.00: ten cost 200.00
    lot = split_lot(Position(105, 210 * USD), 20_000, Fraction(1, 10))
    assert (lot.after, lot.price_after, lot.fee_after) == (10, 200_000, 0)


def test_the_price_of_a_new_share_is_at_least_a_ten_thousandth() -> None:
    # 0.0001 / 200 rounds to nothing
    lot = split_lot(Position(10, 1_000), 1, Fraction(200))
    assert (lot.after, lot.price_after, lot.fee_after) == (2_000, 1, -199_000)


def test_a_split_to_nothing_leaves_nothing() -> None:
    lot = split_lot(Position(5, 10 * USD), 20_000, Fraction(1, 10))
    assert (lot.before, lot.after) == (5, 0)


@PROPERTY
@given(
    st.integers(1, 5_000),
    st.integers(100, 5_000_000),
    st.integers(0, 20_000_000),
    st.sampled_from(RATIOS),
)
def test_the_book_realises_nothing_and_keeps_the_cost(quantity: int, price: int, fee: int, ratio: Fraction) -> None:
    book = session_book()

    def trade(exec_id: str, action: Action, shares: int, at: int, fees: int) -> None:
        book.on_execution(ExecutionReport(exec_id, "", "AAA", action, shares, at, 0, 0, 0), Reason.SYNC)
        book.on_fee(exec_id, fees)

    trade("b", Action.BUY, quantity, price, fee)
    before = book.positions["AAA"]
    lot = split_lot(before, book.price_paid("AAA"), ratio)
    trade("out", Action.SELL, lot.before, lot.price_before, lot.fee_before)
    if lot.after:
        trade("in", Action.BUY, lot.after, lot.price_after, lot.fee_after)
        after = book.positions["AAA"]
        assert after.quantity == int(quantity * ratio)
        assert after.cost == int(before.cost * Fraction(lot.after) / (quantity * ratio))
        assert book.price_paid("AAA") == lot.price_after
        assert abs(notional(lot.price_after, lot.after) + lot.fee_after - after.cost) == 0
    assert (book.realised, book.closed_round_trips(), book.last_exit_s) == (0, (), {})
