"""Position sync: what is adopted, what is only warned of, and what nobody touches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from trading.sync import Adoption, SyncPlan, SyncPolicy, bound_shares, plan_sync


class Held(NamedTuple):
    symbol: str
    quantity: float
    average_cost: int = 1_000_000
    is_stock: bool = True
    is_short_option: bool = False


ADOPT = SyncPolicy("adopt", ("AAA", "BBB"))


def policy(external: str, consents: Mapping[str, int] | None = None) -> SyncPolicy:
    return ADOPT._replace(external=external, consents=consents or {})


def test_agreement_asks_for_nothing() -> None:
    assert plan_sync({"AAA": 100}, {}, [Held("AAA", 100)], ADOPT) == SyncPlan((), ())
    assert plan_sync({}, {}, [], ADOPT) == SyncPlan((), ())


def test_a_flat_position_that_the_broker_still_lists_is_nothing() -> None:
    assert plan_sync({}, {}, [Held("AAA", 0.0)], ADOPT) == SyncPlan((), ())


def test_shares_of_a_watchlist_symbol_are_adopted_at_the_brokers_average_cost() -> None:
    plan = plan_sync({}, {}, [Held("BBB", 30.0, 123_456)], ADOPT)
    assert plan == SyncPlan((Adoption("BBB", 30, 123_456),), ())
    assert isinstance(plan.adoptions[0].quantity, int)


def test_only_the_shares_beyond_the_ledger_are_adopted() -> None:
    plan = plan_sync({"AAA": 100}, {}, [Held("AAA", 140, 1_010_000)], ADOPT)
    assert plan == SyncPlan((Adoption("AAA", 40, 1_010_000),), ())


@pytest.mark.parametrize(
    ("position", "policy", "why"),
    [
        (Held("ZZZ", 30), ADOPT, "30 ZZZ at the broker, 0 in the ledger: not on the watchlist, left alone"),
        (Held("AAA", -30), ADOPT, "-30 AAA at the broker, 0 in the ledger: not whole long shares, left alone"),
        (Held("AAA", 0.5), ADOPT, "0.5 AAA at the broker, 0 in the ledger: not whole long shares, left alone"),
        (
            Held("AAA", 30),
            policy("ask"),
            "30 AAA at the broker, 0 in the ledger: left alone; to hand them over start with --adopt AAA:30",
        ),
        (
            Held("AAA", 30),
            policy("ignore"),
            "30 AAA at the broker, 0 in the ledger: left alone, as EXTERNAL_POSITIONS=ignore says",
        ),
        (
            Held("AAA", 30),
            ADOPT._replace(never_trade=("AAA",)),
            "30 AAA at the broker, 0 in the ledger: NEVER_TRADE names it, left alone",
        ),
        (Held("AAA", 2, is_stock=False), ADOPT, "2 AAA at the broker are no stock, left alone"),
    ],
)
def test_what_must_not_be_adopted_is_warned_of(position: Held, policy: SyncPolicy, why: str) -> None:
    plan = plan_sync({}, {}, [position], policy)
    assert plan == SyncPlan((), (why,))


def test_shares_that_the_user_handed_over_are_adopted_when_asked_for() -> None:
    plan = plan_sync({}, {}, [Held("AAA", 30), Held("BBB", 5)], policy("ask", {"AAA": 30}))
    assert plan.adoptions == (Adoption("AAA", 30, 1_000_000),)
    assert plan.warnings == (
        "5 BBB at the broker, 0 in the ledger: left alone; to hand them over start with --adopt BBB:5",
    )


@pytest.mark.parametrize("agreed", [29, 31])
def test_consent_counts_for_the_very_number_of_shares_only(agreed: int) -> None:
    assert plan_sync({}, {}, [Held("AAA", 30)], policy("ask", {"AAA": agreed})).adoptions == ()


def test_consent_does_not_reach_what_is_never_traded() -> None:
    never = policy("ask", {"AAA": 30})._replace(never_trade=("AAA",))
    assert plan_sync({}, {}, [Held("AAA", 30)], never).adoptions == ()


def test_external_shares_end_the_run_where_the_policy_says_halt() -> None:
    plan = plan_sync({}, {}, [Held("ZZZ", 30)], policy("halt"))
    assert plan.halts == "30 ZZZ at the broker, 0 in the ledger: EXTERNAL_POSITIONS=halt ends the run"
    assert plan_sync({"AAA": 100}, {"BBB": 5}, [Held("AAA", 100), Held("BBB", 5)], policy("halt")).halts == ""


def test_shares_of_another_bot_are_not_external() -> None:
    plan = plan_sync({"AAA": 100}, {"AAA": 40, "BBB": 7}, [Held("AAA", 150), Held("BBB", 7)], ADOPT)
    assert plan == SyncPlan((Adoption("AAA", 10, 1_000_000),), ())


def test_shares_that_both_bots_miss_are_counted_together() -> None:
    plan = plan_sync({"AAA": 100}, {"AAA": 40}, [Held("AAA", 130)], ADOPT)
    assert plan == SyncPlan(
        (), ("130 AAA at the broker, 140 in the ledger: shares are missing, nothing is traded to repair it",)
    )


def test_missing_shares_are_warned_of_and_never_bought_back() -> None:
    plan = plan_sync({"AAA": 100, "BBB": 5}, {}, [Held("AAA", 60)], ADOPT)
    assert plan == SyncPlan(
        (),
        (
            "60 AAA at the broker, 100 in the ledger: shares are missing, nothing is traded to repair it",
            "0 BBB at the broker, 5 in the ledger: shares are missing, nothing is traded to repair it",
        ),
    )


def test_an_option_counts_neither_as_shares_nor_against_them() -> None:
    plan = plan_sync({"AAA": 100}, {}, [Held("AAA", 300, is_stock=False), Held("AAA", 100)], ADOPT)
    assert plan == SyncPlan((), ("300 AAA at the broker are no stock, left alone",))


def test_a_short_in_a_symbol_that_the_ledger_owns_is_missing_shares() -> None:
    plan = plan_sync({"AAA": 100}, {}, [Held("AAA", -20)], ADOPT)
    assert plan.adoptions == ()
    assert plan.warnings == (
        "-20 AAA at the broker, 100 in the ledger: shares are missing, nothing is traded to repair it",
    )


def test_symbols_are_planned_in_the_brokers_order() -> None:
    plan = plan_sync({}, {}, [Held("BBB", 1), Held("AAA", 2)], ADOPT)
    assert [adoption.symbol for adoption in plan.adoptions] == ["BBB", "AAA"]


def test_a_single_share_needs_consent_too() -> None:
    assert plan_sync({}, {}, [Held("AAA", 1)], policy("ask")).adoptions == ()
    assert plan_sync({}, {}, [Held("AAA", 1)], policy("ask", {"AAA": 1})).adoptions == (Adoption("AAA", 1, 1_000_000),)


def test_a_single_share_that_is_missing_is_warned_of() -> None:
    plan = plan_sync({"AAA": 1}, {}, [], ADOPT)
    assert plan.warnings == (
        "0 AAA at the broker, 1 in the ledger: shares are missing, nothing is traded to repair it",
    )


def test_a_fraction_of_a_share_beyond_the_ledger_is_warned_of() -> None:
    plan = plan_sync({"AAA": 100}, {}, [Held("AAA", 100.5)], ADOPT)
    assert plan == SyncPlan((), ("100.5 AAA at the broker, 100 in the ledger: not whole long shares, left alone",))


def test_what_is_no_stock_does_not_hide_the_positions_behind_it() -> None:
    plan = plan_sync({}, {}, [Held("AAA", 2, is_stock=False), Held("BBB", 0), Held("AAA", 30)], ADOPT)
    assert plan.adoptions == (Adoption("AAA", 30, 1_000_000),)


def test_a_run_that_must_end_names_the_first_of_the_external_positions() -> None:
    plan = plan_sync({}, {}, [Held("ZZZ", 30), Held("YYY", 5)], policy("halt"))
    assert plan.halts.startswith("30 ZZZ at the broker")


def test_shares_that_serve_somebodys_orders_or_options_are_left_alone() -> None:
    option = Held("AAA", -2.0, is_stock=False, is_short_option=True)
    bound = bound_shares([Held("AAA", 200.0), option, Held("BBB", 100.0)], {"BBB": 40.0, "CCC": 5.0})
    plan = plan_sync({}, {}, [Held("AAA", 200.0), Held("BBB", 100.0)], ADOPT._replace(bound=bound))
    assert plan.adoptions == ()
    assert plan.warnings == (
        "200 AAA at the broker, 0 in the ledger: 2 short options are written on it, left alone",
        "100 BBB at the broker, 0 in the ledger: 40 of them are in sell orders of somebody else, left alone",
    )


def test_not_even_a_consent_frees_them() -> None:
    plan = plan_sync({}, {}, [Held("AAA", 100)], policy("ask", {"AAA": 100})._replace(bound={"AAA": "bound"}))
    assert (plan.adoptions, len(plan.warnings)) == ((), 1)
