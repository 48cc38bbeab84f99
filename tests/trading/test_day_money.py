"""Marks, latches, free capital and the pause after losses, with numbers worked by hand."""

from __future__ import annotations

import pytest

from trading.day_money import Marked, free_capital, marked, pause_end, unrealised
from trading.ledger import Position
from trading.risk import money_share

USD = 1_000_000
FLAT = Marked(0, 0, 0, False, False)


def test_a_position_is_worth_its_bid_less_what_it_cost() -> None:
    # 100 shares at a bid of 99.50 are 9,950 USD; they cost 10,001
    assert unrealised(Position(100, 10_001 * USD), 995_000) == -51 * USD
    assert unrealised(Position(100, 10_001 * USD), 0) == 0  # no bid: worth its cost
    assert unrealised(Position(100, 10_001 * USD), 1) == 10_000 - 10_001 * USD  # the lowest bid there is


def test_peak_and_trough_follow_the_marks() -> None:
    up = marked(FLAT, 300 * USD, 10_000 * USD, 10_000 * USD)
    down = marked(up, -50 * USD, 10_000 * USD, 10_000 * USD)
    assert (up.peak, up.trough) == (300 * USD, 0)
    assert down == Marked(-50 * USD, 300 * USD, -350 * USD, False, False)


@pytest.mark.parametrize(("pnl_usd", "latches"), [(-99, (False, False)), (-100, (True, False)), (-150, (True, True))])
def test_limits_latch_when_they_are_reached(pnl_usd: int, latches: tuple[bool, bool]) -> None:
    after = marked(FLAT, pnl_usd * USD, 100 * USD, 150 * USD)
    assert (after.loss_latched, after.drawdown_latched) == latches
    recovered = marked(after, 1_000 * USD, 100 * USD, 150 * USD)
    assert (recovered.loss_latched, recovered.drawdown_latched) == latches  # shut for the session


def test_free_capital_is_the_share_of_equity_and_result_less_what_is_committed() -> None:
    # a quarter of 100,000 − 400 is 24,900; 20,000 of it are taken
    assert free_capital(100_000 * USD, -400 * USD, 250_000, 20_000 * USD) == 4_900 * USD
    assert free_capital(100_000 * USD, 0, 250_000, 26_000 * USD) == 0


def test_a_streak_of_losses_pauses_from_the_last_one() -> None:
    assert pause_end(3, 1_000, 4, 1_800) == 0
    assert pause_end(4, 1_000, 4, 1_800) == 2_800


def test_a_share_of_capital_is_rounded_half_to_even() -> None:
    assert [money_share(capital, 50.0) for capital in (1, 3, 4)] == [0, 2, 2]
