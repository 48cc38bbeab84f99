"""What clients hear about their orders, sequence by sequence, and whose order is whose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from ib_simulator.account import AccountKind
from ib_simulator.orders import Refusal
from ib_simulator.wire_order import WireOrder
from tests.ib_simulator.ib_insync_peer import imported_ib_insync
from tests.ib_simulator.order_desk import CLOSE_S, DAY, Desk
from tests.ib_simulator.test_market import OPEN_S, Minute


@pytest.fixture(autouse=True, scope="module")
def ib_insync() -> Iterator[ModuleType]:
    yield from imported_ib_insync()


def flat(minute: int, price: int = 100_000, volume: int = 10_000) -> Minute:
    return Minute(minute, price, price, price, price, volume)


FLAT = tuple(flat(minute) for minute in range(4))
FALL = Minute(1, 100_000, 100_000, 97_000, 98_000)  # 10.00 at 60 and 80 s, 9.70 at 100 s, 9.80 at 119 s
RISE = Minute(1, 100_000, 103_000, 100_000, 102_000)  # 10.00 at 60 and 80 s, 10.30 at 100 s, 10.20 at 119 s


def desk_at(second: int = 0, *minutes: Minute, **options: Any) -> Desk:
    desk = Desk(*(minutes or FLAT), **options)
    desk.to(second)
    return desk


# --- sequences --------------------------------------------------------------------------------------------------


def test_a_marketable_order_is_told_as_recorded() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 100)
    assert desk.client.story() == [
        "openOrder 1 PreSubmitted",
        "orderStatus 1 PreSubmitted 0/100",
        "execDetails -1 100 at 10.01",
        "openOrder 1 Filled",
        "orderStatus 1 Filled 100/0",
        "openOrder 1 Filled fee 1.00",
        "orderStatus 1 Filled 100/0",
        "commissionReport 1.00",
    ]


def test_a_partial_fill_leaves_the_order_submitted() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 250)
    assert desk.client.story() == [
        "openOrder 1 PreSubmitted",
        "orderStatus 1 PreSubmitted 0/250",
        "execDetails -1 100 at 10.01",
        "openOrder 1 Submitted",
        "orderStatus 1 Submitted 100/150",
        "commissionReport 1.00",
    ]


def test_a_resting_limit_is_submitted_and_modified_twice_told() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 100, "LMT", limit_price=9.5)
    assert desk.client.story() == ["openOrder 1 Submitted", "orderStatus 1 Submitted 0/100"]
    desk.place(1, "BUY", 80, "LMT", limit_price=9.6)
    calls = desk.client.calls()
    assert [name for name, _ in calls] == ["openOrder", "orderStatus"] * 2
    orders = [arguments[2] for name, arguments in calls if name == "openOrder"]
    assert [(order.permId, order.totalQuantity, order.lmtPrice) for order in orders] == [(1_000_000_001, 80, 9.6)] * 2


def test_a_cancel_is_told_with_what_is_left_and_code_202() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 250, "LMT", limit_price=10.01)
    desk.client.calls()
    desk.cancel(1)
    assert desk.client.story() == ["orderStatus 1 Cancelled 100/150", "error 1 202"]


def test_a_report_between_a_cancel_and_its_effect_says_pending_cancel() -> None:
    desk = desk_at()
    desk.exchange.cancel_delay_s = 70
    desk.place(1, "BUY", 1_300, "LMT", limit_price=10.01)
    desk.client.calls()
    desk.cancel(1)
    assert desk.client.story() == []
    desk.cancel(1)
    assert desk.client.story() == ["error 1 10148"]
    desk.place(1, "BUY", 1_200, "LMT", limit_price=10.01)
    assert desk.client.story() == ["error 1 2102"]
    desk.to(69)
    assert desk.client.story() == [
        "execDetails -1 100 at 10.01",
        "openOrder 1 PendingCancel",
        "orderStatus 1 PendingCancel 200/1100",
        "commissionReport 0.00",
    ]
    desk.to(70)
    assert desk.client.story() == ["orderStatus 1 Cancelled 200/1100", "error 1 202"]


def test_an_order_that_fills_before_its_cancel_arrives_is_filled() -> None:
    desk = desk_at(0, flat(0), FALL)
    desk.exchange.cancel_delay_s = 120
    desk.place(1, "BUY", 100, "LMT", limit_price=9.8)
    desk.cancel(1)
    desk.client.calls()
    desk.to(120)
    assert desk.client.story()[-2] == "orderStatus 1 Filled 100/0"


def test_a_stop_waits_with_its_trigger_and_cancels_straight() -> None:
    desk = desk_at()
    desk.place(1, "SELL", 100, "STP", aux_price=9.5)
    desk.cancel(1)
    assert desk.client.story() == [
        "openOrder 1 PreSubmitted",
        "orderStatus 1 PreSubmitted 0/100 trigger",
        "orderStatus 1 Cancelled 0/100",
        "error 1 202",
    ]


def bracket(desk: Desk, limit: float) -> None:
    desk.place(1, "BUY", 100, "LMT", limit_price=limit, transmit=False)
    desk.place(2, "SELL", 100, "LMT", limit_price=11.0, transmit=False, parent_id=1)
    desk.place(3, "SELL", 100, "STP", aux_price=9.0, parent_id=1)


def test_a_bracket_is_silent_until_its_last_child_transmits() -> None:
    desk = desk_at()
    bracket(desk, 9.5)
    calls = desk.client.calls()
    orders = [arguments[2] for name, arguments in calls if name == "openOrder"]
    statuses = [arguments for name, arguments in calls if name == "orderStatus"]
    assert [(order.orderId, order.ocaGroup, order.ocaType) for order in orders] == [
        (1, "", 3),
        (2, "1000000001", 3),
        (3, "1000000001", 3),
    ]
    assert [(s[0], s[1], s[6], s[9]) for s in statuses] == [
        (1, "Submitted", 0, ""),
        (2, "PreSubmitted", 1, "child"),
        (3, "PreSubmitted", 1, "child,trigger"),
    ]


def test_cancelling_the_parent_cancels_the_bracket() -> None:
    desk = desk_at()
    bracket(desk, 9.5)
    desk.client.calls()
    desk.cancel(1)
    assert desk.client.story() == [
        line for n in (1, 2, 3) for line in (f"orderStatus {n} Cancelled 0/100", f"error {n} 202")
    ]


def test_children_come_to_life_when_the_parent_fills() -> None:
    desk = desk_at()
    bracket(desk, 10.01)
    assert desk.client.story()[-4:] == [
        "openOrder 2 Submitted",
        "orderStatus 2 Submitted 0/100",
        "openOrder 3 PreSubmitted",
        "orderStatus 3 PreSubmitted 0/100 trigger",
    ]


def test_a_rejected_order_is_inactive_before_and_after_its_reason() -> None:
    desk = desk_at()
    desk.orders.refusal_of = lambda _: Refusal(201, "Order rejected - reason:no")
    desk.place(1, "BUY", 100)
    assert desk.client.story() == [
        "openOrder 1 Inactive",
        "orderStatus 1 Inactive 0/100",
        "error 1 201",
        "orderStatus 1 Inactive 0/100",
    ]


def test_before_the_open_the_warning_comes_first() -> None:
    desk = desk_at(-600, is_open=False)
    desk.place(1, "BUY", 1)
    assert desk.client.story() == ["error 1 399", "openOrder 1 PreSubmitted", "orderStatus 1 PreSubmitted 0/1"]


def test_an_ignored_outside_hours_flag_is_warned_of_and_cleared() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 1, outside_rth=True)
    calls = desk.client.calls()
    assert calls[0][1][:2] == (1, 2109)
    assert calls[1][1][2].outsideRth is False


def test_a_limit_order_outside_hours_needs_no_warning() -> None:
    desk = desk_at(-600, is_open=False)
    desk.place(1, "BUY", 1, "LMT", limit_price=9.5, outside_rth=True)
    assert desk.client.story() == ["openOrder 1 Submitted", "orderStatus 1 Submitted 0/1"]


def test_a_what_if_places_nothing_and_tells_margin_and_fee() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 100, "LMT", limit_price=10.0, what_if=True)
    [(name, (order_id, _, order, state))] = desk.client.calls()
    assert (name, order_id, order.whatIf, state.status) == ("openOrder", 1, True, "PreSubmitted")
    assert (state.initMarginBefore, state.initMarginChange, state.initMarginAfter) == ("0.0", "250.0", "250.0")
    assert state.commission == pytest.approx(1.0003)
    assert (desk.exchange.orders, desk.orders.next_valid_id(1)) == ({}, 1)


def test_a_what_if_that_closes_gives_margin_back() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 100)
    desk.client.calls()
    desk.place(2, "SELL", 100, what_if=True)
    [(_, (_, _, _, state))] = desk.client.calls()
    assert (state.initMarginBefore, state.initMarginAfter) == ("250.0", "0.0")


def test_a_what_if_beyond_the_account_says_so() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 1_000_000, what_if=True)
    [(_, (_, _, _, state))] = desk.client.calls()
    assert "Available Funds" in state.warningText


# --- ids --------------------------------------------------------------------------------------------------------


def answer_of(desk: Desk, order_id: int, **terms: Any) -> list[str]:
    desk.client.calls()
    desk.place(order_id, "BUY", 100, **terms)
    return [line for line in desk.client.story() if line.startswith("error")]


def test_which_order_ids_are_refused() -> None:
    desk = desk_at()
    resting = {"order_type": "LMT", "limit_price": 9.5}
    assert answer_of(desk, 5, **resting) == []
    assert answer_of(desk, 4, **resting) == ["error 4 103"]
    assert answer_of(desk, 0) == ["error 0 10149"]
    assert answer_of(desk, 7, order_type="LMT", limit_price=9.505) == ["error 7 110"]
    assert answer_of(desk, 7, **resting) == ["error 7 103"]  # a discarded order uses its id up
    assert answer_of(desk, 8) == []
    assert answer_of(desk, 8) == ["error 8 104"]
    desk.cancel(5)
    assert answer_of(desk, 5, **resting) == ["error 5 104"]
    assert answer_of(desk, 9, parent_id=77) == ["error 9 135"]
    assert desk.orders.next_valid_id(1) == 10
    assert desk.orders.next_valid_id(2) == 1


def test_which_changes_are_refused() -> None:
    desk = desk_at()
    bracket(desk, 9.5)
    desk.place(4, "BUY", 10, "LMT", limit_price=9.0, oca_group="mine")
    changes: list[tuple[int, dict[str, Any], int]] = [
        (1, {"action": "SELL", "limit_price": 9.6}, 105),
        (1, {"symbol": "BBB", "limit_price": 9.6}, 105),
        (1, {"limit_price": 9.605}, 110),
        (2, {"action": "SELL", "limit_price": 11.0, "parent_id": 3}, 10341),
        (4, {"limit_price": 9.0, "oca_group": "yours"}, 10326),
    ]
    for order_id, terms, code in changes:
        desk.client.calls()
        desk.place(order_id, terms.pop("action", "BUY"), 100, "LMT", **terms)
        assert desk.client.story() == [f"error {order_id} {code}"]


def test_a_limit_order_can_become_a_market_order() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 100, "LMT", limit_price=9.5)
    desk.client.calls()
    desk.place(1, "BUY", 100)
    assert "execDetails -1 100 at 10.01" in desk.client.story()


def test_a_good_after_order_can_be_released_early() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 100, good_after_time="20991231-15:00:00")
    assert desk.client.story()[-1] == "orderStatus 1 PreSubmitted 0/100"
    desk.place(1, "BUY", 100)
    assert desk.client.story()[-2:] == ["orderStatus 1 Filled 100/0", "commissionReport 1.00"]


def test_an_unknown_contract_is_dropped_and_its_cancel_is_api_cancelled() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 100, symbol="ZZZ")
    desk.cancel(1)
    assert desk.client.story() == ["error 1 200", "orderStatus 1 ApiCancelled 0/0"]


def test_an_order_that_was_not_transmitted_is_api_cancelled() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 100, transmit=False)
    desk.cancel(1)
    assert desk.client.story() == ["orderStatus 1 ApiCancelled 0/100", "error 1 202"]
    desk.orders.queries.tell_completed(desk.client, api_only=False)
    assert desk.client.story() == ["completedOrdersEnd"]


def test_nobody_cancels_the_order_of_another_client() -> None:
    desk = desk_at()
    other = desk.connect(2)
    desk.place(1, "BUY", 100, "LMT", limit_price=9.5)
    desk.orders.queries.tell_open(other, all_clients=True)
    assert other.story() == ["openOrder 1 Submitted", "orderStatus 1 Submitted 0/100", "openOrderEnd"]
    desk.cancel(1, other)
    assert other.story() == ["error 1 10147"]


def test_ids_seen_in_all_open_orders_are_used_up() -> None:
    desk = desk_at()
    other = desk.connect(2)
    desk.place(7, "BUY", 100, "LMT", limit_price=9.5)
    assert desk.orders.next_valid_id(2) == 1
    desk.orders.queries.tell_open(other, all_clients=True)
    assert desk.orders.next_valid_id(2) == 8


def test_open_orders_are_those_of_the_client() -> None:
    desk = desk_at()
    other = desk.connect(2)
    desk.place(1, "BUY", 100, "LMT", limit_price=9.5)
    desk.place(1, "BUY", 50, "LMT", limit_price=9.5, client=other)
    other.calls()
    desk.orders.queries.tell_open(other, all_clients=False)
    assert other.story() == ["openOrder 1 Submitted", "orderStatus 1 Submitted 0/50", "openOrderEnd"]


def test_the_master_client_hears_of_everybody() -> None:
    desk = desk_at(master=9)
    master = desk.connect(9)
    desk.place(1, "BUY", 100)
    heard, own = master.story(), desk.client.story()
    assert heard == own
    assert desk.executions(master) == ["execDetails 9 100 at 10.01"]


def test_a_manual_order_is_bound_to_client_0() -> None:
    desk = desk_at()
    zero = desk.connect(0)
    order = desk.orders.place_manual(
        "DU1", "AAA", WireOrder(action="BUY", quantity=10, order_type="LMT", limit_price=9.5, transmit=True)
    )
    desk.orders.queries.tell_open(desk.client, all_clients=True)
    assert desk.client.story() == ["openOrder 0 Submitted", "orderStatus 0 Submitted 0/10", "openOrderEnd"]
    assert zero.calls() == []
    desk.orders.queries.auto_bind(desk.client, True)
    assert desk.client.story() == ["error -1 327"]
    desk.orders.queries.auto_bind(zero, True)
    assert zero.story() == [
        f"orderBound {order.perm_id} 0 1",
        "openOrder 1 Submitted",
        "orderStatus 1 Submitted 0/10",
    ]
    desk.cancel(1, zero)
    assert zero.story() == ["orderStatus 1 Cancelled 0/10", "error 1 202"]


def test_a_global_cancel_ends_the_orders_of_all_clients() -> None:
    desk = desk_at()
    other = desk.connect(2)
    desk.place(1, "BUY", 100, "LMT", limit_price=9.5)
    desk.place(1, "BUY", 50, "LMT", limit_price=9.5, client=other)
    desk.orders.cancel_all()
    assert desk.exchange.orders == {}
    assert other.story()[-1] == desk.client.story()[-1] == "error 1 202"


def test_executions_pass_the_filter() -> None:
    desk = desk_at(accounts=("DU1", "DU2"))
    other = desk.connect(2)
    desk.place(1, "BUY", 10, account="DU1")
    desk.to(30)
    desk.place(1, "SELL", 20, account="DU2", client=other)
    first, second = "execDetails 9 10 at 10.01", "execDetails 9 20 at 9.99"
    at = f"{DAY:%Y%m%d}-"
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [first, second]),
        ({"client_id": 2}, [second]),
        ({"account": "DU1"}, [first]),
        ({"side": "SELL"}, [second]),
        ({"side": "buy"}, [first]),
        ({"symbol": "BBB"}, []),
        ({"sec_type": "OPT"}, []),
        ({"exchange": "NYSE"}, []),
        ({"time": at + desk.now().strftime("%H:%M:%S")}, [second]),
    ]
    for terms, expected in cases:
        assert desk.executions(**terms) == expected, terms


def test_executions_and_completed_orders_are_those_of_the_day() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 10)
    desk.orders.queries.tell_completed(desk.client, api_only=True)
    assert "completedOrder" in [name for name, _ in desk.client.calls()]
    desk.begin(DAY + timedelta(days=1))
    assert desk.executions() == []
    desk.orders.queries.tell_completed(desk.client, api_only=True)
    assert desk.client.story() == ["completedOrdersEnd"]
    assert answer_of(desk, 1) == ["error 1 103"]


# --- accounts ---------------------------------------------------------------------------------------------------


def test_with_several_accounts_an_order_names_one() -> None:
    desk = desk_at(accounts=("DU1", "DU2"))
    assert answer_of(desk, 1) == ["error 1 321"]
    assert answer_of(desk, 2, account="DU9") == ["error 2 321"]
    assert answer_of(desk, 3, account="DU2") == []
    assert (list(desk.accounts["DU1"].holdings), desk.accounts["DU2"].holdings["AAA"].quantity) == ([], 100)


def test_a_cash_account_goes_neither_short_nor_into_debt() -> None:
    desk = desk_at(kind=AccountKind.CASH, cash=2_000_000_000)
    assert answer_of(desk, 1, order_type="LMT", limit_price=9.5) == []  # 950 USD of 2,000
    assert answer_of(desk, 2, order_type="LMT", limit_price=11.0) == ["error 2 201"]  # 1,100 more
    desk.cancel(1)
    assert answer_of(desk, 3) == []
    desk.client.calls()
    desk.place(4, "SELL", 101, "LMT", limit_price=11.0)
    assert "error 4 201" in desk.client.story()
    desk.place(5, "SELL", 100, "LMT", limit_price=11.0, oca_group="exit")
    desk.place(6, "SELL", 100, "STP", aux_price=9.0, oca_group="exit")
    assert not [line for line in desk.client.story() if "201" in line]
    desk.place(7, "SELL", 1)  # all shares are promised
    assert "error 7 201" in desk.client.story()


def test_a_margin_account_carries_four_times_its_funds() -> None:
    desk = desk_at(cash=1_000_000_000)  # 1,000 USD: 4,000 of buying power
    desk.place(1, "BUY", 401, "LMT", limit_price=10.0)
    assert "error 1 201" in desk.client.story()
    desk.place(2, "BUY", 400, "LMT", limit_price=10.0)
    desk.place(3, "SELL", 390, "LMT", limit_price=10.2)  # short
    assert not [line for line in desk.client.story() if "201" in line]


def test_only_what_reverses_needs_funds() -> None:
    desk = desk_at(cash=1_000_000_000)
    desk.place(1, "BUY", 100)
    desk.client.calls()
    desk.place(2, "SELL", 470, "LMT", limit_price=10.2)  # 370 short: 3,774 of 2,996 USD
    assert "error 2 201" in desk.client.story()
    desk.place(3, "SELL", 390, "LMT", limit_price=10.2)
    assert not [line for line in desk.client.story() if "201" in line]


# --- auctions ---------------------------------------------------------------------------------------------------


def test_a_market_on_close_order_trades_at_the_last_price() -> None:
    desk = desk_at(0, flat(0), FALL)
    desk.place(1, "BUY", 5_000, "MOC")
    assert desk.client.story() == ["openOrder 1 PreSubmitted", "orderStatus 1 PreSubmitted 0/5000"]
    desk.to(200)
    desk.exchange.now_s = CLOSE_S
    desk.exchange.close_session(CLOSE_S)
    assert desk.client.story()[0] == "execDetails -1 5000 at 9.80"


def test_closing_orders_come_and_go_until_ten_minutes_before_the_close() -> None:
    desk = desk_at()
    desk.place(1, "BUY", 100, "LOC", limit_price=9.0)
    desk.to(23_400 - 601)
    desk.place(2, "BUY", 100, "MOC")
    desk.to(23_400 - 600)
    desk.client.calls()
    desk.place(3, "BUY", 100, "MOC")
    desk.cancel(1)
    desk.place(2, "BUY", 50, "MOC")
    errors = [line for line in desk.client.story() if line.startswith("error")]
    assert errors == ["error 3 201", "error 1 161", "error 2 161"]
    desk.exchange.close_session(CLOSE_S)
    assert "orderStatus 1 Cancelled 0/100" in desk.client.story()  # the cross did not reach its limit


def test_opening_orders_are_locked_two_minutes_before_the_open() -> None:
    desk = desk_at(-121, is_open=False)
    desk.place(1, "BUY", 100, tif="OPG")
    desk.to(-120)
    desk.client.calls()
    desk.place(2, "BUY", 100, tif="OPG")
    desk.cancel(1)
    assert [line for line in desk.client.story() if line.startswith("error")] == ["error 2 201", "error 1 161"]
    desk.exchange.now_s = OPEN_S
    desk.exchange.open_session(OPEN_S)
    desk.to(0)
    assert desk.client.story()[0] == "execDetails -1 100 at 10.00"
