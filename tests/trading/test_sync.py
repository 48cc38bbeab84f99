"""Position sync: what is adopted, what is only warned of, and what nobody touches."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from trading.sync import Adoption, SyncPlan, plan_sync


class Held(NamedTuple):
    symbol: str
    quantity: float
    average_cost: int = 1_000_000
    is_stock: bool = True


WATCHLIST = ("AAA", "BBB")


def test_agreement_asks_for_nothing() -> None:
    assert plan_sync({"AAA": 100}, [Held("AAA", 100)], WATCHLIST, adopts=True) == SyncPlan((), ())
    assert plan_sync({}, [], WATCHLIST, adopts=True) == SyncPlan((), ())


def test_a_flat_position_that_the_broker_still_lists_is_nothing() -> None:
    assert plan_sync({}, [Held("AAA", 0.0)], WATCHLIST, adopts=True) == SyncPlan((), ())


def test_shares_of_a_watchlist_symbol_are_adopted_at_the_brokers_average_cost() -> None:
    plan = plan_sync({}, [Held("BBB", 30.0, 123_456)], WATCHLIST, adopts=True)
    assert plan == SyncPlan((Adoption("BBB", 30, 123_456),), ())
    assert isinstance(plan.adoptions[0].quantity, int)


def test_only_the_shares_beyond_the_ledger_are_adopted() -> None:
    plan = plan_sync({"AAA": 100}, [Held("AAA", 140, 1_010_000)], WATCHLIST, adopts=True)
    assert plan == SyncPlan((Adoption("AAA", 40, 1_010_000),), ())


@pytest.mark.parametrize(
    ("position", "adopts", "why"),
    [
        (Held("ZZZ", 30), True, "30 ZZZ at the broker, 0 in the ledger: not on the watchlist, left alone"),
        (Held("AAA", -30), True, "-30 AAA at the broker, 0 in the ledger: not whole long shares, left alone"),
        (Held("AAA", 0.5), True, "0.5 AAA at the broker, 0 in the ledger: not whole long shares, left alone"),
        (Held("AAA", 30), False, "30 AAA at the broker, 0 in the ledger: a live account's shares are not adopted"),
        (Held("AAA", 2, is_stock=False), True, "2 AAA at the broker are no stock, left alone"),
    ],
)
def test_what_must_not_be_adopted_is_warned_of(position: Held, adopts: bool, why: str) -> None:
    plan = plan_sync({}, [position], WATCHLIST, adopts=adopts)
    assert plan.adoptions == ()
    assert len(plan.warnings) == 1
    assert plan.warnings[0].startswith(why)


def test_missing_shares_are_warned_of_and_never_bought_back() -> None:
    plan = plan_sync({"AAA": 100, "BBB": 5}, [Held("AAA", 60)], WATCHLIST, adopts=True)
    assert plan == SyncPlan(
        (),
        (
            "60 AAA at the broker, 100 in the ledger: shares are missing, nothing is traded to repair it",
            "0 BBB at the broker, 5 in the ledger: shares are missing, nothing is traded to repair it",
        ),
    )


def test_an_option_counts_neither_as_shares_nor_against_them() -> None:
    plan = plan_sync({"AAA": 100}, [Held("AAA", 300, is_stock=False), Held("AAA", 100)], WATCHLIST, adopts=True)
    assert plan == SyncPlan((), ("300 AAA at the broker are no stock, left alone",))


def test_a_short_in_a_symbol_that_the_ledger_owns_is_missing_shares() -> None:
    plan = plan_sync({"AAA": 100}, [Held("AAA", -20)], WATCHLIST, adopts=True)
    assert plan.adoptions == ()
    assert plan.warnings == (
        "-20 AAA at the broker, 100 in the ledger: shares are missing, nothing is traded to repair it",
    )


def test_symbols_are_planned_in_the_brokers_order() -> None:
    plan = plan_sync({}, [Held("BBB", 1), Held("AAA", 2)], WATCHLIST, adopts=True)
    assert [adoption.symbol for adoption in plan.adoptions] == ["BBB", "AAA"]
