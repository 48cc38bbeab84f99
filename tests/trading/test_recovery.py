"""Fills that nobody told: believed only where they explain a position to the share, at prices the broker told."""

from __future__ import annotations

import pytest

from trading.orders import Action, Reason
from trading.recovery import Explanation, UnbookedFill, explain_difference, is_split

SOLD = UnbookedFill("target", Reason.PROFIT_TARGET, Action.SELL, 249, 1_016_200, 100)
BOUGHT = UnbookedFill("entry", Reason.ENTRY, Action.BUY, 249, 1_002_100, 50)


def test_a_sale_that_explains_the_difference_is_believed() -> None:
    assert explain_difference(249, 0.0, [SOLD]) == Explanation((SOLD,))


def test_several_fills_explain_it_together_in_the_order_of_time() -> None:
    first, second = SOLD._replace(quantity=100, at_s=70), SOLD._replace(intent_id="stop", quantity=149, at_s=60)
    assert explain_difference(249, 0.0, [first, second]) == Explanation((second, first))


def test_a_whole_round_trip_that_nobody_told_is_believed_purchase_first() -> None:
    assert explain_difference(0, 0.0, [SOLD, BOUGHT]) == Explanation((BOUGHT, SOLD))


def test_of_one_second_a_purchase_comes_before_its_sale() -> None:
    sold_at_once = SOLD._replace(intent_id="a", at_s=50)
    assert explain_difference(0, 0.0, [sold_at_once, BOUGHT]) == Explanation((BOUGHT, sold_at_once))


def test_a_second_purchase_is_told_apart_from_what_is_owned() -> None:
    # 100 owned, 249 bought: 349 at the broker
    assert explain_difference(100, 349.0, [BOUGHT]) == Explanation((BOUGHT,))
    assert explain_difference(100, 100.0, [BOUGHT]) == Explanation()


@pytest.mark.parametrize("held", [1.0, 50.0, 0.5])
def test_a_difference_that_orders_do_not_explain_to_the_share_is_a_doubt(held: float) -> None:
    found = explain_difference(249, held, [SOLD])
    assert found.fills == ()
    assert found.doubt == f"orders account for -249 of {held - 249:+g}"


def test_without_a_price_nothing_is_invented() -> None:
    found = explain_difference(249, 0.0, [SOLD._replace(price=0)])
    assert found == Explanation(doubt="the gateway no longer tells the price of 249 of them")


def test_a_purchase_from_flat_takes_the_brokers_average_cost() -> None:
    found = explain_difference(0, 249.0, [BOUGHT._replace(price=0)], average_cost=1_002_150)
    assert [fill.price for fill in found.fills] == [1_002_150]


def test_a_purchase_from_flat_whose_cost_the_broker_does_not_tell_is_a_doubt() -> None:
    found = explain_difference(0, 249.0, [BOUGHT._replace(price=0)])
    assert found.doubt == "the gateway no longer tells the price of 249 of them"


def test_a_purchase_on_top_of_shares_has_no_cost_of_its_own() -> None:
    found = explain_difference(100, 349.0, [BOUGHT._replace(price=0)], average_cost=1_002_150)
    assert found.doubt == "the gateway no longer tells the price of 249 of them"


@pytest.mark.parametrize(("owned", "held"), [(200, 100.0), (100, 400.0), (300, 200.0), (50, 5.0)])
def test_the_ratio_of_a_split_is_never_taken_for_a_trade(owned: int, held: float) -> None:
    difference = int(held) - owned
    action = Action.BUY if difference > 0 else Action.SELL
    fill = SOLD._replace(action=action, quantity=abs(difference))
    assert explain_difference(owned, held, [fill]) == Explanation(doubt="that is the ratio of a split")


def test_no_fill_and_no_difference_is_nothing_to_explain() -> None:
    assert explain_difference(249, 249.0, []) == Explanation()
    assert explain_difference(249, 0.0, []) == Explanation()  # missing shares are named by the comparison
    assert explain_difference(249, 299.0, []) == Explanation()  # external shares


def test_fills_that_cancel_a_wrong_record_out_are_no_explanation_of_agreement() -> None:
    """The ledger agrees with the broker: a fill that would spoil that is not booked."""
    assert explain_difference(249, 249.0, [SOLD]) == Explanation()


def test_ratios_of_splits() -> None:
    assert is_split(100, 200.0)
    assert not is_split(100, 100.0)
    assert is_split(1, 2.0)
    assert is_split(2, 1.0)
    assert not is_split(100, 0.5)
    assert not is_split(-100, -200.0)
    assert not is_split(249, 149.0)
    assert not is_split(0, 100.0)
    assert not is_split(100, 0.0)
