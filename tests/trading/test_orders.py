"""Order life: what may follow what, and the orders that an entry travels with."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.trading.examples import CLOSE_S, OPEN_S, counted_ids
from trading.orders import (
    TERMINAL,
    TRANSITIONS,
    Action,
    IntentState,
    OrderIntent,
    OrderTerms,
    Reason,
    Role,
    entry_bracket,
    exit_legs,
    follow,
    terms_of,
)
from trading.strategy import Parameters

CREATED, SENT, WORKING = IntentState.CREATED, IntentState.SENT, IntentState.WORKING
FILLED, CANCELLED, REJECTED = IntentState.FILLED, IntentState.CANCELLED, IntentState.REJECTED
EXPIRED, UNKNOWN = IntentState.EXPIRED, IntentState.UNKNOWN
EOD_S = CLOSE_S - 300


def after(*reports: IntentState) -> IntentState:
    state = CREATED
    for report in reports:
        state = follow(state, report)
    return state


def test_every_state_has_its_successors() -> None:
    assert set(TRANSITIONS) == set(IntentState)


@pytest.mark.parametrize(
    "reports",
    [(SENT, WORKING, FILLED), (WORKING, FILLED), (FILLED,), (SENT, FILLED), (SENT, UNKNOWN, WORKING, FILLED)],
)
def test_reports_may_be_skipped_on_the_way_to_a_fill(reports: Sequence[IntentState]) -> None:
    assert after(*reports) is FILLED


@pytest.mark.parametrize("state", IntentState)
def test_a_fill_is_believed_after_anything(state: IntentState) -> None:
    assert follow(state, FILLED) is FILLED


def test_a_fill_after_a_cancel_is_believed() -> None:
    assert after(SENT, WORKING, CANCELLED, FILLED) is FILLED


@pytest.mark.parametrize("late", IntentState)
def test_nothing_follows_a_fill(late: IntentState) -> None:
    assert after(SENT, WORKING, FILLED, late) is FILLED


@pytest.mark.parametrize("late", [CREATED, SENT, WORKING, REJECTED, UNKNOWN])
def test_a_cancelled_order_does_not_come_back(late: IntentState) -> None:
    assert follow(CANCELLED, late) is CANCELLED


@pytest.mark.parametrize("late", [CREATED, SENT, REJECTED, UNKNOWN])
def test_an_order_that_was_believed_gone_does_not_come_back_by_hearsay(late: IntentState) -> None:
    assert follow(EXPIRED, late) is EXPIRED


def test_an_order_that_was_believed_gone_and_works_after_all_is_believed() -> None:
    # nobody cancelled it: the broker's list only did not name it, and it may fill at any moment
    assert follow(EXPIRED, WORKING) is WORKING


def test_a_rejected_order_that_works_after_all_is_believed() -> None:
    # Inactive is also said of an order that waits for shares to borrow or for the open
    assert after(SENT, REJECTED, WORKING) is WORKING
    assert after(SENT, REJECTED, SENT) is REJECTED


def test_late_reports_do_not_lead_backwards() -> None:
    assert after(SENT, WORKING, SENT) is WORKING
    assert after(SENT, CREATED) is SENT
    assert after(SENT, UNKNOWN, SENT) is UNKNOWN


@pytest.mark.parametrize("state", IntentState)
def test_a_repeated_report_changes_nothing(state: IntentState) -> None:
    assert follow(state, state) is state


def test_an_unanswered_order_is_unknown_and_not_over() -> None:
    assert after(SENT, UNKNOWN) is UNKNOWN
    assert UNKNOWN not in TERMINAL
    assert TERMINAL == (FILLED, CANCELLED, REJECTED, EXPIRED)


@pytest.fixture
def bracket() -> tuple[OrderIntent, ...]:
    return entry_bracket(
        new_id=counted_ids(),
        symbol="AAA",
        quantity=7,
        collar=3_408_800,
        expected_fill=3_405_400,
        parameters=Parameters(),
        good_till_s=OPEN_S + 1_210,
        eod_s=EOD_S,
        decision_id="decision",
    )


def test_an_entry_is_a_limit_at_the_collar_that_expires_by_itself(bracket: tuple[OrderIntent, ...]) -> None:
    entry = bracket[0]
    assert (entry.role, entry.reason, entry.action) == (Role.ENTRY, Reason.ENTRY, Action.BUY)
    assert (entry.order_type, entry.limit_price) == ("LMT", 3_408_800)
    assert (entry.tif, entry.good_till_s) == ("GTD", OPEN_S + 1_210)
    assert entry.oca_group == ""


def test_three_exits_rest_with_an_entry(bracket: tuple[OrderIntent, ...]) -> None:
    stop, target, time_exit = bracket[1:]
    # 340.54 * 0.992 = 337.81568 down, 340.54 * 1.014 = 345.30756 up
    assert (stop.order_type, stop.tif, stop.stop_price, stop.limit_price) == ("STP", "GTC", 3_378_100, 0)
    assert (target.order_type, target.tif, target.limit_price, target.stop_price) == ("LMT", "DAY", 3_453_100, 0)
    assert (time_exit.order_type, time_exit.tif, time_exit.limit_price, time_exit.stop_price) == ("MKT", "GTC", 0, 0)
    assert [leg.reason for leg in bracket[1:]] == [Reason.STOP_LOSS, Reason.PROFIT_TARGET, Reason.TIME_EXIT]
    assert {(leg.action, leg.quantity, leg.symbol) for leg in bracket[1:]} == {(Action.SELL, 7, "AAA")}


def test_only_the_time_exit_waits_and_it_waits_for_eod(bracket: tuple[OrderIntent, ...]) -> None:
    assert [leg.good_after_s for leg in bracket] == [0, 0, 0, EOD_S]


def test_exits_are_one_group_that_no_other_bracket_shares(bracket: tuple[OrderIntent, ...]) -> None:
    entry, *exits = bracket
    assert {leg.oca_group for leg in exits} == {f"exit-{entry.bracket_id}"}
    assert {leg.parent_intent_id for leg in exits} == {entry.intent_id}
    assert {leg.bracket_id for leg in bracket} == {entry.bracket_id}
    assert {leg.decision_id for leg in bracket} == {"decision"}
    assert len({leg.intent_id for leg in bracket} | {entry.bracket_id}) == 5
    assert entry.symbol == "AAA"
    assert (entry.parent_intent_id, entry.stop_price, entry.quantity) == ("", 0, 7)


def test_the_terms_of_an_intent_are_those_of_its_order_before_any_change(bracket: tuple[OrderIntent, ...]) -> None:
    assert [terms_of(leg) for leg in bracket] == [
        OrderTerms("id2", 7, 3_408_800, 0),
        OrderTerms("id3", 7, 0, 3_378_100),
        OrderTerms("id4", 7, 3_453_100, 0),
        OrderTerms("id5", 7, 0, 0),
    ]


def test_exits_of_shares_that_no_order_of_ours_bought_have_no_parent_and_no_decision() -> None:
    legs = exit_legs(
        new_id=counted_ids(),
        bracket_id="adopted",
        symbol="AAA",
        quantity=7,
        fill_price=3_405_400,
        parameters=Parameters(),
        eod_s=EOD_S,
    )
    assert {(leg.parent_intent_id, leg.decision_id, leg.oca_group) for leg in legs} == {("", "", "exit-adopted")}
    assert [leg.role for leg in legs] == [Role.STOP, Role.TARGET, Role.TIME_EXIT]
