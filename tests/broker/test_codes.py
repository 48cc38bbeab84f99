"""The table of IB's message codes, whole."""

from __future__ import annotations

import pytest

from broker.codes import CODES, UNKNOWN_CODE, Code, Policy, code

# what the client library takes for warnings (wrapper.error): with these it leaves an order's status alone
WARNINGS_OF_THE_LIBRARY = frozenset({110, 165, 202, 399, 404, 434, 492, 10167, *range(2100, 2200)})

BY_POLICY = {
    Policy.IGNORE: {2106, 2107, 2108, 2119, 2158, 2159},
    Policy.RESTORE: {1101, 1102, 2104},
    Policy.DEGRADE_DATA: {101, 354, 420, 2103, 10089, 10167, 10168, 10197},
    Policy.DEGRADE_CONNECTION: {1100, 2110},
    Policy.RECONNECT: {1300},
    Policy.CANCEL_ANSWER: {136, 161, 202, 10147, 10148},
    Policy.HALT: {326, 10119, 10141},
    Policy.REJECT_ORDER: {103, 106, 107, 109, 110, 111, 113, 135, 154, 163, 200, 201, 203, 321, 383, 434, 460}
    | {10149, 10268, 10269, 10328},
}


@pytest.mark.parametrize("number", CODES)
def test_every_code_has_a_policy_and_a_meaning_in_words(number: int) -> None:
    known = CODES[number]
    assert isinstance(known, Code)
    assert isinstance(known.policy, Policy)
    assert len(known.meaning.split()) >= 2
    assert known.meaning == known.meaning.strip().rstrip(".")
    assert code(number) is known


def test_each_policy_has_the_codes_that_it_must_have_and_no_other() -> None:
    listed = {policy: {n for n, known in CODES.items() if known.policy is policy} for policy in Policy}
    assert listed.pop(Policy.LOG) == CODES.keys() - set().union(*BY_POLICY.values())
    assert listed == BY_POLICY


def test_codes_stand_in_order() -> None:
    assert list(CODES) == sorted(CODES)


def test_every_policy_is_used_and_explained_by_a_code() -> None:
    assert {known.policy for known in CODES.values()} == set(Policy)


def test_an_unknown_code_is_logged_and_changes_nothing() -> None:
    assert code(123_456) is UNKNOWN_CODE
    assert UNKNOWN_CODE.policy is Policy.LOG


def test_the_answers_to_a_cancel_never_reject_an_order() -> None:
    """202, 10147 and 10148 say something about the cancel; what became of the order its status tells."""
    for number in (136, 161, 202, 10147, 10148):
        assert code(number).policy is Policy.CANCEL_ANSWER


def test_messages_about_a_modification_leave_the_order_alive() -> None:
    for number in (104, 105, 10326, 10341, 10349, 399, 404, 2102, 2109):
        assert code(number).policy is Policy.LOG


def test_the_library_knows_only_these_rejections_as_warnings() -> None:
    """They get no order status from it: `OrderDesk.on_message` tells them."""
    rejections = {number for number, known in CODES.items() if known.policy is Policy.REJECT_ORDER}
    assert rejections & WARNINGS_OF_THE_LIBRARY == {110, 434}


def test_the_librarys_warnings_are_those_of_its_source() -> None:
    import inspect

    from ib_insync.wrapper import Wrapper

    source = inspect.getsource(Wrapper.error)
    assert "warningCodes = {110, 165, 202, 399, 404, 434, 492, 10167}" in source
    assert "2100 <= errorCode < 2200" in source
