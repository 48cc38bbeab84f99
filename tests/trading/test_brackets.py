"""A bracket after reports and fills: what is live, and what must change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.examples import CLOSE_S, OPEN_S, PROPERTY, counted_ids
from trading.brackets import LegChange, LiveBracket
from trading.orders import IntentState, OrderReport, OrderTerms, Role, entry_bracket
from trading.strategy import Parameters

EXITS = (Role.STOP, Role.TARGET, Role.TIME_EXIT)
WORKING, FILLED, CANCELLED = IntentState.WORKING, IntentState.FILLED, IntentState.CANCELLED
STOP_ID, TARGET_ID, TIME_EXIT_ID = "id3", "id4", "id5"  # id1 is the bracket, id2 the entry


def report(state: IntentState, filled: int, remaining: int) -> OrderReport:
    return OrderReport("", state, filled, remaining, 0, 0, 0)


@pytest.fixture
def bracket() -> LiveBracket:
    """100 shares expected at 100.00: stop 99.20, target 101.40."""
    return new_bracket()


def new_bracket() -> LiveBracket:
    intents = entry_bracket(
        new_id=counted_ids(),
        symbol="AAA",
        quantity=100,
        collar=1_001_000,
        expected_fill=1_000_000,
        parameters=Parameters(),
        good_till_s=OPEN_S + 10,
        eod_s=CLOSE_S - 300,
        decision_id="decision",
    )
    return LiveBracket.of(intents, Parameters())


def filled_as_expected() -> LiveBracket:
    bracket = new_bracket()
    bracket.on_bought(100, 1_000_000)
    bracket.on_report(Role.ENTRY, report(FILLED, 100, 0))
    for role in EXITS:
        bracket.on_report(role, report(WORKING, 0, 100))
    return bracket


def test_a_fill_as_expected_needs_no_change() -> None:
    assert filled_as_expected().changes(100) == []


def test_nothing_changes_while_the_entry_may_still_buy(bracket: LiveBracket) -> None:
    bracket.on_bought(40, 1_000_000)
    bracket.on_report(Role.ENTRY, report(WORKING, 40, 60))
    assert not bracket.entry_is_over
    assert bracket.changes(40) == []


def test_exits_shrink_to_what_an_expired_entry_bought(bracket: LiveBracket) -> None:
    bracket.on_bought(40, 1_000_000)
    bracket.on_report(Role.ENTRY, report(CANCELLED, 40, 60))
    assert bracket.changes(40) == [
        LegChange(STOP_ID, 40, 0, 992_000),
        LegChange(TARGET_ID, 40, 1_014_000, 0),
        LegChange(TIME_EXIT_ID, 40, 0, 0),
    ]


def test_stop_and_target_move_to_the_average_fill(bracket: LiveBracket) -> None:
    # 60 at 100.00 and 40 at 100.05: average 100.02; * 0.992 = 99.21984 down, * 1.014 = 101.42028 up
    bracket.on_bought(60, 1_000_000)
    bracket.on_bought(40, 1_000_500)
    bracket.on_report(Role.ENTRY, report(FILLED, 100, 0))
    assert bracket.changes(100) == [LegChange(STOP_ID, 100, 0, 992_100), LegChange(TARGET_ID, 100, 1_014_300, 0)]


def test_a_change_that_was_sent_is_not_asked_for_again(bracket: LiveBracket) -> None:
    bracket.on_bought(40, 1_000_500)
    bracket.on_report(Role.ENTRY, report(CANCELLED, 40, 60))
    for change in bracket.changes(40):
        bracket.apply(change)
    assert bracket.changes(40) == []


def test_exits_keep_their_prices_once_something_was_sold() -> None:
    bracket = filled_as_expected()
    bracket.on_report(Role.TARGET, report(WORKING, 30, 70))
    # the group has not told its reduction yet: stop and time exit shrink, nothing is priced anew
    assert bracket.changes(70) == [LegChange(STOP_ID, 70, 0, 992_000), LegChange(TIME_EXIT_ID, 70, 0, 0)]


def test_an_exit_that_filled_in_part_keeps_selling_the_rest() -> None:
    # 30 of the target's 100 are sold: an order size of 100 leaves 70, one of 70 would leave 40
    bracket = filled_as_expected()
    bracket.on_report(Role.TARGET, report(WORKING, 30, 70))
    bracket.on_report(Role.STOP, report(WORKING, 0, 70))
    bracket.on_report(Role.TIME_EXIT, report(WORKING, 0, 70))
    assert bracket.changes(70) == []
    # 20 more leave the ledger by another way
    assert bracket.changes(50) == [
        LegChange(STOP_ID, 50, 0, 992_000),
        LegChange(TARGET_ID, 80, 1_014_000, 0),
        LegChange(TIME_EXIT_ID, 50, 0, 0),
    ]


def test_no_leg_grows_on_a_fill_whose_execution_is_still_to_come() -> None:
    bracket = filled_as_expected()
    bracket.on_report(Role.TARGET, report(WORKING, 30, 70))
    bracket.on_report(Role.STOP, report(WORKING, 0, 70))
    assert bracket.changes(100) == []


def test_legs_that_are_over_are_left_alone() -> None:
    bracket = filled_as_expected()
    bracket.on_report(Role.STOP, report(CANCELLED, 0, 100))
    assert (bracket.has_live(Role.STOP), bracket.has_live(Role.TARGET)) == (False, True)
    assert [leg.intent.role for leg in bracket.live_exits()] == [Role.TARGET, Role.TIME_EXIT]
    assert [change.intent_id for change in bracket.changes(60)] == [TARGET_ID, TIME_EXIT_ID]


def test_nothing_owned_needs_no_exit() -> None:
    bracket = filled_as_expected()
    assert bracket.changes(0) == []


def test_a_late_working_report_does_not_revive_a_leg() -> None:
    bracket = filled_as_expected()
    bracket.on_report(Role.STOP, report(CANCELLED, 0, 100))
    bracket.on_report(Role.STOP, report(WORKING, 0, 100))
    assert not bracket.has_live(Role.STOP)


def test_exits_without_an_entry_are_fitted_at_once() -> None:
    # shares taken over from an earlier run: no fill of ours to price from
    whole = filled_as_expected()
    legs = LiveBracket.of([whole.legs[role].intent for role in EXITS], Parameters())
    assert legs.entry_is_over
    assert not legs.has_live(Role.ENTRY)
    assert [change.quantity for change in legs.changes(25)] == [25, 25, 25]
    assert [change.stop_price for change in legs.changes(25)] == [992_000, 0, 0]


def test_what_the_broker_shows_of_a_leg_is_what_it_asks_for_now() -> None:
    # a modification that the broker refused: the leg still asks for what it did, so the change is wanted again
    bracket = filled_as_expected()
    bracket.on_terms(Role.STOP, OrderTerms(STOP_ID, 90, 0, 990_000))
    stop = bracket.legs[Role.STOP]
    assert (stop.quantity, stop.limit_price, stop.stop_price) == (90, 0, 990_000)
    assert bracket.changes(100) == [LegChange(STOP_ID, 100, 0, 992_000)]


def test_exits_follow_a_position_that_was_restated() -> None:
    # 1:2 split: 200 at 50.00; stop 49.60, target 50.70
    bracket = filled_as_expected()
    bracket.restate(200, 500_000)
    assert bracket.changes(200) == [
        LegChange(STOP_ID, 200, 0, 496_000),
        LegChange(TARGET_ID, 200, 507_000, 0),
        LegChange(TIME_EXIT_ID, 200, 0, 0),
    ]


def test_an_order_that_was_not_followed_joins_and_one_that_is_followed_stays() -> None:
    whole = filled_as_expected()
    bracket = LiveBracket.of([whole.legs[Role.STOP].intent], Parameters())
    bracket.join(whole.legs[Role.TARGET].intent)
    joined = bracket.legs[Role.TARGET]
    assert (joined.quantity, joined.limit_price, joined.stop_price, joined.held) == (100, 1_014_000, 0, True)
    stop = bracket.legs[Role.STOP]
    bracket.join(whole.legs[Role.STOP].intent)
    assert bracket.legs[Role.STOP] is stop


def test_a_bracket_knows_its_symbol_and_the_decision_it_stems_from(bracket: LiveBracket) -> None:
    assert (bracket.symbol, bracket.decision_id) == ("AAA", "decision")


def test_a_leg_is_held_until_the_broker_says_that_it_is_at_the_exchange(bracket: LiveBracket) -> None:
    assert bracket.legs[Role.STOP].held is True
    bracket.on_report(Role.STOP, report(WORKING, 0, 100))
    assert bracket.legs[Role.STOP].held is False
    bracket.on_report(Role.STOP, report(WORKING, 0, 100)._replace(held=True))
    assert bracket.legs[Role.STOP].held is True


def test_an_average_fill_is_rounded_up_before_exits_are_priced_from_it(bracket: LiveBracket) -> None:
    # (100.0100 + 100.0101) / 2 = 100.01005, up to 100.0101; * 0.992 = 99.2100192 down, * 1.014 = 101.4102414 up
    bracket.on_bought(1, 1_000_100)
    bracket.on_bought(1, 1_000_101)
    bracket.on_report(Role.ENTRY, report(CANCELLED, 2, 98))
    assert bracket.changes(2)[:2] == [LegChange(STOP_ID, 2, 0, 992_100), LegChange(TARGET_ID, 2, 1_014_200, 0)]


def test_exits_are_not_priced_anew_from_a_fill_once_something_was_sold(bracket: LiveBracket) -> None:
    bracket.on_bought(100, 1_000_500)  # 0.05 more than expected
    bracket.on_report(Role.ENTRY, report(FILLED, 100, 0))
    bracket.on_report(Role.TARGET, report(WORKING, 30, 70))
    assert bracket.changes(70) == [LegChange(STOP_ID, 70, 0, 992_000), LegChange(TIME_EXIT_ID, 70, 0, 0)]


def test_the_exits_of_a_single_share_are_fitted(bracket: LiveBracket) -> None:
    bracket.on_bought(1, 1_000_000)
    bracket.on_report(Role.ENTRY, report(CANCELLED, 1, 99))
    assert [change.quantity for change in bracket.changes(1)] == [1, 1, 1]


def test_no_leg_grows_on_the_fill_of_a_single_share_whose_execution_is_still_to_come() -> None:
    bracket = filled_as_expected()
    bracket.on_report(Role.TARGET, report(WORKING, 1, 99))
    bracket.on_report(Role.STOP, report(WORKING, 0, 99))
    assert bracket.changes(100) == []


def test_a_report_that_names_no_shares_leaves_the_size_of_a_leg(bracket: LiveBracket) -> None:
    stop = bracket.legs[Role.STOP]
    bracket.on_report(Role.STOP, report(WORKING, 0, 0))
    assert (stop.quantity, stop.state) == (100, WORKING)
    bracket.on_report(Role.STOP, report(WORKING, 0, 1))
    assert stop.quantity == 1


def test_a_leg_that_is_over_keeps_its_size_and_the_most_that_it_was_told_to_have_filled(bracket: LiveBracket) -> None:
    target = bracket.legs[Role.TARGET]
    bracket.on_report(Role.TARGET, report(WORKING, 30, 70))
    bracket.on_report(Role.TARGET, report(CANCELLED, 20, 50))
    assert (target.quantity, target.filled, target.is_over) == (100, 30, True)


# Property: no leg is asked to sell more than is owned, and none is left selling less


@PROPERTY
@given(
    bought=st.integers(1, 100),
    price=st.integers(9_990, 10_010).map(lambda cents: cents * 100),
    fills=st.lists(st.tuples(st.sampled_from(EXITS), st.integers(1, 60), st.booleans()), max_size=6),
)
def test_brackets_never_ask_to_sell_more_than_is_owned(
    bought: int, price: int, fills: list[tuple[Role, int, bool]]
) -> None:
    """Partial fills of exits, whose status comes before their execution or after it, the group's reduction last."""
    bracket = new_bracket()
    sizes, filled = dict.fromkeys(EXITS, 100), dict.fromkeys(EXITS, 0)  # as they are at the broker
    owned = truly_owned = bought

    def tell(role: Role) -> None:
        bracket.on_report(role, report(WORKING, filled[role], sizes[role] - filled[role]))

    def fit() -> None:
        for change in bracket.changes(owned):
            role = next(role for role in EXITS if bracket.legs[role].intent.intent_id == change.intent_id)
            assert 0 < change.quantity - filled[role] <= truly_owned
            bracket.apply(change)
            sizes[role] = change.quantity

    bracket.on_bought(bought, price)
    bracket.on_report(Role.ENTRY, report(CANCELLED, bought, 100 - bought))
    fit()
    for role, wanted, status_first in fills:
        quantity = min(wanted, truly_owned - 1)  # the last share would end the bracket
        truly_owned -= quantity
        filled[role] += quantity
        for sibling in EXITS:
            sizes[sibling] -= 0 if sibling is role else quantity
        if status_first:
            tell(role)
            fit()
        owned = truly_owned
        tell(role)
        fit()
        for each in EXITS:
            tell(each)
        fit()
        assert {sizes[each] - filled[each] for each in EXITS} == {truly_owned}
