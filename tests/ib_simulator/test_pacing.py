"""The limits on messages, lines and historical requests, and what permissions answer."""

from __future__ import annotations

from typing import cast

import pytest

from ib_simulator.client import ClientConnection
from ib_simulator.market_data_permissions import DataType, Permission, Permissions, grant
from ib_simulator.pacing import PACING_TEXT, Pacing, PacingLimits, Violation


class Clock:
    """Seconds that stand until moved."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


CLIENT, OTHER = (cast(ClientConnection, object()) for _ in range(2))


def pacing(clock: Clock, *, enforced: bool = True) -> Pacing:
    return Pacing(PacingLimits(enforced=enforced), clock)


def burst(limits: Pacing, count: int) -> list[Violation]:
    said = [limits.message(CLIENT) for _ in range(count)]
    return [violation for violation in said if violation is not None]


def test_fifty_messages_a_second_pass_after_one_warning() -> None:
    (warning,) = burst(pacing(Clock()), 50)
    assert warning == Violation(0, "Approaching max rate of 50 messages per second (46)", is_served=True)


def test_one_more_is_not_served() -> None:
    violation = burst(pacing(Clock()), 51)[-1]
    assert violation.text == "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"
    assert (violation.code, violation.is_served, violation.closes) == (100, False, False)


def test_the_third_violation_closes_the_socket() -> None:
    said = [violation for violation in burst(pacing(Clock()), 3 * 51) if violation.code == 100]
    assert [violation.closes for violation in said] == [False, False, True]


def test_messages_older_than_a_second_do_not_count() -> None:
    clock = Clock()
    limits = pacing(clock)
    burst(limits, 45)
    clock.now_s += 1.0
    assert burst(limits, 45) == []


def test_clients_are_counted_apart() -> None:
    limits = pacing(Clock())
    burst(limits, 45)
    assert limits.message(OTHER) is None


def test_nothing_is_refused_when_pacing_is_off() -> None:
    limits = pacing(Clock(), enforced=False)
    assert burst(limits, 500) == []
    assert limits.has_free_line(10_000)
    assert limits.has_free_tick_line(10_000)
    assert [limits.history("a", "b", 5, 1, 1_000) for _ in range(100)] == [""] * 100


def test_the_hundredth_line_is_the_last() -> None:
    limits = pacing(Clock())
    assert (limits.has_free_line(99), limits.has_free_line(100)) == (True, False)
    assert (limits.has_free_tick_line(4), limits.has_free_tick_line(5)) == (True, False)


def test_an_identical_request_within_fifteen_seconds_is_refused() -> None:
    clock = Clock()
    limits = pacing(clock)
    said = []
    for _ in range(3):
        said.append(limits.history("same", "AAA", 30, 1, 0))
        clock.now_s += 7.5
    assert said == ["", PACING_TEXT, ""]


def test_the_sixth_request_of_a_contract_within_two_seconds_is_refused() -> None:
    limits = pacing(Clock())
    assert [limits.history(str(n), "AAA", 30, 1, 0) for n in range(6)] == [""] * 5 + [PACING_TEXT]
    assert limits.history("7", "BBB", 30, 1, 0) == ""


def test_sixty_requests_in_ten_minutes_are_the_limit_and_bid_ask_counts_double() -> None:
    clock = Clock()
    limits = pacing(clock)
    said = []
    for n in range(32):
        said.append(limits.history(str(n), str(n), 30, 2, 0))
        clock.now_s += 1
    assert said == [""] * 30 + [PACING_TEXT] * 2
    clock.now_s += 600
    assert limits.history("later", "later", 30, 2, 0) == ""


def test_bars_of_a_minute_are_not_paced_over_time() -> None:
    limits = pacing(Clock())
    assert [limits.history("same", "AAA", 60, 1, 0) for _ in range(100)] == [""] * 100


def test_fifty_open_requests_are_the_limit_for_all_sizes() -> None:
    limits = pacing(Clock())
    assert limits.history("a", "A", 60, 1, 49) == ""
    assert limits.history("a", "A", 60, 1, 50).startswith(PACING_TEXT)


@pytest.mark.parametrize(
    ("permission", "wanted", "code", "data_type"),
    [
        (Permission.LIVE, 1, 0, DataType.LIVE),
        (Permission.LIVE, 3, 0, DataType.LIVE),
        (Permission.DELAYED, 1, 354, None),
        (Permission.DELAYED, 3, 10167, DataType.DELAYED),
        (Permission.DELAYED, 4, 10167, DataType.DELAYED),
        (Permission.NONE, 1, 354, None),
        (Permission.NONE, 3, 10168, None),
        (Permission.NO_API, 1, 10089, None),
        (Permission.PARTIAL, 1, 10090, DataType.LIVE),
        (Permission.PARTIAL_API, 1, 10091, DataType.LIVE),
        (Permission.COMPETING_SESSION, 1, 10197, None),
    ],
)
def test_what_a_subscription_gets(permission: Permission, wanted: int, code: int, data_type: DataType | None) -> None:
    answer = grant(permission, wanted, is_open=True)
    assert (answer.code, answer.data_type) == (code, data_type)


def test_frozen_data_is_live_while_the_exchange_is_open() -> None:
    types = [grant(Permission.LIVE, DataType.FROZEN, is_open=is_open).data_type for is_open in (True, False)]
    assert types == [DataType.LIVE, DataType.FROZEN]


def test_a_permission_for_all_symbols_replaces_those_of_single_ones() -> None:
    permissions = Permissions()
    permissions.set(Permission.DELAYED, "AAA")
    assert [permissions.of(symbol) for symbol in ("AAA", "BBB")] == [Permission.DELAYED, Permission.LIVE]
    permissions.set(Permission.NONE)
    assert [permissions.of(symbol) for symbol in ("AAA", "BBB")] == [Permission.NONE] * 2
