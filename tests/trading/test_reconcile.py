"""Reconciliation of intents: nothing is ever sent again, and money (executions) wins over states."""

from __future__ import annotations

from trading.orders import IntentState
from trading.reconcile import UNKNOWN_GRACE_S, IntentFact, Resolution, reconcile_intents

NOW_S = 1_000


def intent(state: IntentState = IntentState.SENT, *, quantity: int = 100, age_s: int = 60) -> IntentFact:
    return IntentFact("a", "AAPL", state, quantity, NOW_S - age_s)


def resolved(
    fact: IntentFact,
    working: dict[str, IntentState] | None = None,
    completed: dict[str, IntentState] | None = None,
    executed: dict[str, int] | None = None,
) -> list[Resolution]:
    return reconcile_intents([fact], working or {}, completed or {}, executed or {}, NOW_S)


def test_an_order_that_rests_at_the_broker_is_adopted() -> None:
    assert resolved(intent(), working={"a": IntentState.WORKING})[0].state is IntentState.WORKING


def test_executions_that_cover_the_quantity_mean_filled_whatever_the_order_says() -> None:
    assert (
        resolved(intent(), completed={"a": IntentState.CANCELLED}, executed={"a": 100})[0].state is IntentState.FILLED
    )


def test_a_resolution_says_why() -> None:
    resolutions = [
        *resolved(intent(), executed={"a": 101}),
        *resolved(intent(), working={"a": IntentState.WORKING}),
        *resolved(intent(), completed={"a": IntentState.REJECTED}),
        *resolved(intent(age_s=0)),
        *resolved(intent()),
    ]
    assert resolutions == [
        Resolution("a", IntentState.FILLED, "executions cover its quantity"),
        Resolution("a", IntentState.WORKING, "open at the broker"),
        Resolution("a", IntentState.REJECTED, "completed at the broker"),
        Resolution("a", IntentState.UNKNOWN, "not known to the broker yet"),
        Resolution("a", IntentState.EXPIRED, "not known to the broker after 10 s"),
    ]


def test_an_intent_that_is_over_does_not_keep_the_next_from_being_resolved() -> None:
    known = [intent(IntentState.CANCELLED), intent()._replace(intent_id="b")]
    assert [each.intent_id for each in reconcile_intents(known, {}, {}, {}, NOW_S)] == ["b"]


def test_a_partial_execution_leaves_the_word_to_the_order() -> None:
    assert resolved(intent(), completed={"a": IntentState.CANCELLED}, executed={"a": 40})[0].state is (
        IntentState.CANCELLED
    )


def test_an_intent_unknown_to_the_broker_stays_unknown_within_the_grace() -> None:
    young = intent(age_s=UNKNOWN_GRACE_S - 1)
    assert resolved(young)[0].state is IntentState.UNKNOWN


def test_an_intent_unknown_to_the_broker_after_the_grace_is_expired_and_never_sent_again() -> None:
    assert resolved(intent(IntentState.CREATED, age_s=UNKNOWN_GRACE_S))[0].state is IntentState.EXPIRED


def test_terminal_intents_are_left_alone() -> None:
    assert resolved(intent(IntentState.FILLED), working={"a": IntentState.WORKING}) == []
