"""Risk rules: each refuses at its limit and not before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trading.examples import BOOK, CLOSE_S, FLAT, LIMITS, RATES, USD, WANTED
from trading.costs import FeeSchedule
from trading.indicators import VwapState
from trading.risk import check_book, check_funds, check_market, check_price_band, check_size, check_symbol
from trading.rules import Rule, Verdict, approved

NOW_S = BOOK.now_s


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"entries_stopped": True}, Verdict(Rule.ENTRIES_STOPPED, 0.0, 1.0)),
        ({"loss_latched": True}, Verdict(Rule.DAILY_LOSS, 500.0 * USD, 0.0)),
        ({"drawdown_latched": True}, Verdict(Rule.DRAWDOWN, 750.0 * USD, 0.0)),
        ({"now_s": CLOSE_S - 900}, Verdict(Rule.LAST_MINUTES, 900.0, 900.0)),
        ({"pause_until_s": NOW_S + 1}, Verdict(Rule.LOSS_STREAK_PAUSE, 0.0, 1.0)),
        ({"entries": 50}, Verdict(Rule.ENTRIES_PER_SESSION, 50.0, 50.0)),
        ({"open_positions": 10}, Verdict(Rule.OPEN_POSITIONS, 10.0, 10.0)),
        ({"entries_this_tick": 5}, Verdict(Rule.ENTRIES_PER_TICK, 5.0, 5.0)),
        ({"day_trades_left": 0}, Verdict(Rule.DAY_TRADES, 0.0, 1.0)),
        ({"day_trades_left": 2, "day_trades_begun": 2}, Verdict(Rule.DAY_TRADES, 2.0, 3.0)),
    ],
)
def test_the_book_refuses_at_each_limit(change: dict[str, Any], verdict: Verdict) -> None:
    assert check_book(BOOK._replace(**change), LIMITS) == verdict


@pytest.mark.parametrize(
    "change",
    [
        {"now_s": CLOSE_S - 901},
        {"pause_until_s": NOW_S},
        {"entries": 49},
        {"open_positions": 9},
        {"entries_this_tick": 4},
        {"day_trades_left": 2, "day_trades_begun": 1},
        {"day_trades_left": -1, "day_trades_begun": 40},
    ],
)
def test_the_book_approves_just_inside_each_limit(change: dict[str, Any]) -> None:
    assert check_book(BOOK._replace(**change), LIMITS) == approved()


def test_at_most_five_entries_start_at_one_instant() -> None:
    approvals = [check_book(BOOK._replace(entries_this_tick=done), LIMITS).rule == Rule.APPROVED for done in range(8)]
    assert approvals == [True] * 5 + [False] * 3


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"quantity": 7}, Verdict(Rule.POSITION_OPEN, 0.0, 7.0)),
        ({"quantity": 1}, Verdict(Rule.POSITION_OPEN, 0.0, 1.0)),
        ({"pending": True}, Verdict(Rule.ENTRY_PENDING, 0.0, 1.0)),
        ({"last_exit_s": NOW_S - 299}, Verdict(Rule.COOL_DOWN, 300.0, 299.0)),
        ({"entries": 5}, Verdict(Rule.ENTRIES_PER_SYMBOL, 5.0, 5.0)),
        ({"rejected": True}, Verdict(Rule.REJECTED_BY_BROKER, 0.0, 1.0)),
        ({"last_exit_s": NOW_S - 300, "entries": 4}, approved()),
        ({}, approved()),
    ],
)
def test_a_symbol_is_judged_by_its_own_day(change: dict[str, Any], verdict: Verdict) -> None:
    assert check_symbol(FLAT._replace(**change), NOW_S, LIMITS) == verdict


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"quote_age_s": 60}, approved()),
        ({"quote_age_s": 61}, Verdict(Rule.STALE_QUOTE, 60.0, 61.0)),
        ({"delayed": True}, Verdict(Rule.DELAYED_DATA, 0.0, 1.0)),
        ({"halted": True}, Verdict(Rule.HALTED, 0.0, 1.0)),
        # 30 bps of 100.00 are 0.30
        ({"bid": 1_000_000, "ask": 1_003_000}, approved()),
        ({"bid": 1_000_000, "ask": 1_003_001}, Verdict(Rule.SPREAD, 30.0, 30.01)),
        ({"bid": 1_000_000, "ask": 1_000_000}, Verdict(Rule.SPREAD, 30.0, 0.0)),  # locked
        ({"bid": 1_000_000, "ask": 999_900}, Verdict(Rule.SPREAD, 30.0, -1.0)),  # crossed
    ],
)
def test_data_must_be_fresh_live_and_payable(change: dict[str, Any], verdict: Verdict) -> None:
    assert check_market(WANTED._replace(**change), LIMITS) == verdict


@pytest.mark.parametrize(
    ("average", "last", "rule"),
    [
        (1_000_000, 1_049_900, Rule.APPROVED),
        (1_000_000, 1_050_000, Rule.LIMIT_STATE),  # 5 % above
        (1_000_000, 950_000, Rule.LIMIT_STATE),  # 5 % below
        (25_000, 29_900, Rule.APPROVED),  # under 3 USD the band is 20 %
        (25_000, 30_000, Rule.LIMIT_STATE),
        (4_000, 6_900, Rule.APPROVED),  # under 0.75 USD it is 75 %
        (4_000, 7_000, Rule.LIMIT_STATE),
        (27_273, 30_000, Rule.APPROVED),  # 10 % above, at 3 USD
        (5_769, 7_500, Rule.LIMIT_STATE),  # 30 % above, at 0.75 USD
    ],
)
def test_no_entry_where_a_price_band_may_be_near(average: int, last: int, rule: Rule) -> None:
    market = WANTED._replace(vwap=VwapState(3 * average * 20_000, 20_000), last=last)
    assert check_price_band(market).rule == rule
    assert check_market(market._replace(bid=last - 1, ask=last), LIMITS).rule == rule


def test_a_single_share_that_traded_is_an_average_and_its_band_is_rounded_down() -> None:
    # three times 3.3333 is 99,999: 5 % of whole ten-thousandths of it are 4,500, where 4,999.95 would be exact
    market = WANTED._replace(vwap=VwapState(99_999, 1))
    assert check_price_band(market._replace(last=34_832)) == approved()  # 104,496 - 99,999 is less than that
    assert check_price_band(market._replace(last=34_833)).rule == Rule.LIMIT_STATE


def test_the_distance_to_the_average_is_told_in_basis_points() -> None:
    market = WANTED._replace(vwap=VwapState(3 * 1_000_000 * 20_000, 20_000), last=1_060_000)
    assert check_price_band(market) == Verdict(Rule.LIMIT_STATE, 500.0, 600.0)


def test_an_entry_binds_what_the_what_if_said_and_no_more_than_is_there() -> None:
    assert check_funds(10_000 * USD, 250_000, 2_500 * USD) == approved()
    assert check_funds(10_000 * USD, 250_000, 2_499 * USD) == Verdict(Rule.BUYING_POWER, 2_499.0 * USD, 2_500.0 * USD)
    assert check_funds(10_000_000 * USD, 1_000_000, 10_000_000 * USD) == approved()  # the largest order there is
    assert check_funds(1_000, 333_999, 333) == approved()  # 333.999 bound, down to a millionth
    assert check_funds(1, 1_000_000, -1) == Verdict(Rule.BUYING_POWER, -1.0, 0.0)  # nothing is there at all


def test_a_refused_spread_is_told_in_basis_points() -> None:
    wide = WANTED._replace(bid=1_000_000, ask=1_005_000)
    assert check_market(wide, LIMITS) == Verdict(Rule.SPREAD, 30.0, 50.0)


def test_costs_must_leave_most_of_the_target() -> None:
    # one share bought at 340.54: fees 1.000003 and 1 + 0.000003 + 0.000195 + 340.54 * 20.60e-6 = 1.007213,
    # spread 0.04, together 2.047216; the target of 345.31 (340.54 * 1.014 = 345.30756) brings 4.77
    verdict = check_size(1, WANTED, 25_000 * USD, 140, RATES, LIMITS)
    assert (verdict.rule, verdict.limit) == (Rule.ROUND_TRIP_COST, 20.0)
    assert verdict.actual == pytest.approx(100 * 2.047216 / 4.77, rel=1e-12)


def test_more_shares_carry_the_minimum_commission() -> None:
    # seven: fees 1.000021 and 1.050492, spread 0.28: 2.33 of a gain of 33.39, 7 %
    assert check_size(7, WANTED, 25_000 * USD, 140, RATES, LIMITS) == approved()
    # three: fees 1.000009 and 1.021640, spread 0.12: 2.141649 of 14.31, 15 %; two: 2.094433 of 9.54, 22 %
    assert check_size(3, WANTED, 25_000 * USD, 140, RATES, LIMITS) == approved()
    assert check_size(2, WANTED, 25_000 * USD, 140, RATES, LIMITS).rule == Rule.ROUND_TRIP_COST


def test_no_share_is_for_want_of_capital_or_of_budget() -> None:
    assert check_size(0, WANTED, 340_539_999, 140, RATES, LIMITS) == Verdict(Rule.CAPITAL, 340.54 * USD, 340_539_999.0)
    assert check_size(0, WANTED, 340_540_000, 140, RATES, LIMITS) == Verdict(Rule.ZERO_SHARES, 1.0, 0.0)


def test_costs_may_be_their_whole_share_of_the_target_and_no_more() -> None:
    # 10 shares at 100.00: the target of 101.40 brings 14.00, a spread of 0.28 takes 2.80 of it
    free = FeeSchedule(0, 0, 0, 0, 0, 0, 0)
    market = WANTED._replace(bid=997_200, ask=1_000_000)
    assert check_size(10, market, 25_000 * USD, 140, free, LIMITS) == approved()
    dearer = check_size(10, market._replace(bid=997_199), 25_000 * USD, 140, free, LIMITS)
    assert (dearer.rule, dearer.actual) == (Rule.ROUND_TRIP_COST, pytest.approx(100 * 2.801 / 14, rel=1e-12))


def test_costs_without_a_target_are_told_against_the_smallest_gain() -> None:
    free = FeeSchedule(0, 0, 0, 0, 0, 0, 0)
    market = WANTED._replace(bid=999_900, ask=1_000_000)
    assert check_size(1, market, 25_000 * USD, 0, free, LIMITS).actual == 100.0 * 10_000
