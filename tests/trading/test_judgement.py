"""One candidate at one instant: what is asked first, and what an approval carries."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trading.examples import BOOK, FLAT, LIMITS, RATES, USD, WANTED
from trading.judgement import Judgement, judge_entry
from trading.rules import Rule
from trading.strategy import Parameters


def judge(
    market: dict[str, Any] | None = None,
    symbol: dict[str, Any] | None = None,
    book: dict[str, Any] | None = None,
    budget: int = 2_500 * USD,
    free_capital: int = 25_000 * USD,
) -> Judgement:
    return judge_entry(
        WANTED._replace(**market or {}),
        FLAT._replace(**symbol or {}),
        BOOK._replace(**book or {}),
        budget,
        free_capital,
        Parameters(),
        LIMITS,
        RATES,
    )


def test_an_approval_says_how_many_shares_at_what_most() -> None:
    # collar 340.54 * 1.001 = 340.88; 2,500 / 340.88 = 7.33; 7 * 340.88 + 1.000021 of fees = 2,387.160021
    assert judge() == Judgement(Rule.APPROVED, 0.0, 0.0, quantity=7, collar=3_408_800, capital=2_387_160_021)


def test_free_capital_limits_an_entry() -> None:
    assert judge(free_capital=1_100 * USD).quantity == 3
    assert judge(free_capital=340 * USD).rule == Rule.CAPITAL
    assert judge(budget=340 * USD).rule == Rule.ZERO_SHARES


def test_a_refusal_carries_no_quantity() -> None:
    assert judge(book={"loss_latched": True}) == Judgement(Rule.DAILY_LOSS, 500.0 * USD, 0.0, quantity=0, collar=0)


@pytest.mark.parametrize(
    ("refusals", "rule", "limit", "actual"),
    [
        # every case fails all rules behind the one that is named
        ({"symbol": {"quantity": 7, "pending": True}, "market": {"last": 0}}, Rule.POSITION_OPEN, 0.0, 7.0),
        ({"symbol": {"quantity": 1}, "market": {"last": 0}}, Rule.POSITION_OPEN, 0.0, 1.0),
        ({"symbol": {"pending": True}, "market": {"last": 0}}, Rule.ENTRY_PENDING, 0.0, 1.0),
        ({"market": {"last": 0, "bars": 0}}, Rule.NO_PRICE, 0.0, 0.0),
        ({"market": {"bars": 0, "atr_pct": 0.0}}, Rule.WARMING_UP, 20.0, 0.0),
        (
            {"market": {"rsi": 90.0, "halted": True}, "book": {"loss_latched": True}},
            Rule.RSI_NOT_BELOW_CAP,
            60.0,
            90.0,
        ),
        (
            {"book": {"loss_latched": True}, "symbol": {"entries": 5}, "market": {"halted": True}},
            Rule.DAILY_LOSS,
            500.0 * USD,
            0.0,
        ),
        ({"symbol": {"last_exit_s": BOOK.now_s - 100, "entries": 5}}, Rule.COOL_DOWN, 300.0, 100.0),
        ({"symbol": {"entries": 5}, "market": {"halted": True}}, Rule.ENTRIES_PER_SYMBOL, 5.0, 5.0),
        ({"market": {"halted": True}, "budget": 0}, Rule.HALTED, 0.0, 1.0),
        # one share costs 2.047216 to buy and sell, of 4.77 that the target brings
        ({"budget": 400 * USD}, Rule.ROUND_TRIP_COST, 20.0, 100 * 2.047216 / 4.77),
        # 2,387.160021 in whole thousandths
        ({"book": {"available_funds": 2_387 * USD}}, Rule.BUYING_POWER, 2_387.0 * USD, 2_387.16 * USD),
    ],
)
def test_the_first_rule_that_fails_names_the_refusal_with_its_limit_and_no_order(
    refusals: dict[str, Any], rule: Rule, limit: float, actual: float
) -> None:
    refusal = judge(**refusals)
    assert (refusal.rule, refusal.limit) == (rule, limit)
    assert refusal.actual == pytest.approx(actual, rel=1e-12)
    assert (refusal.quantity, refusal.collar, refusal.capital) == (0, 0, 0)
