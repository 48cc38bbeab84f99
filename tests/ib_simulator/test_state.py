"""What a gateway knows again after its process ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ib_simulator.orders import Status
from ib_simulator.state import StateFile
from tests.ib_simulator.ib_insync_peer import imported_ib_insync
from tests.ib_simulator.order_desk import CASH, CLOSE_S, DAY, Desk
from tests.ib_simulator.test_market import OPEN_S, Minute
from utils import Misconfigured

FLAT = tuple(Minute(minute, 100_000, 100_000, 100_000, 100_000) for minute in range(3))
FALL = Minute(1, 100_000, 100_000, 97_000, 98_000)


@pytest.fixture(autouse=True, scope="module")
def ib_insync() -> Iterator[ModuleType]:
    yield from imported_ib_insync()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def state_of(desk: Desk, path: Path) -> StateFile:
    return StateFile(path, desk.accounts, desk.orders.register, desk.exchange)


def saved(desk: Desk, path: Path, open_until_s: int = CLOSE_S) -> None:
    state = state_of(desk, path)
    state.save(open_until_s)
    state.close()


def restarted(path: Path, now_s: int = OPEN_S + 10, *minutes: Minute, **options: Any) -> Desk:
    """A new process with the same file, at `now_s`; its session is open when it was."""
    desk = Desk(*(minutes or FLAT), is_open=False, **options)
    desk.accounts["DU1"].day = None
    desk.exchange.now_s = now_s
    with closing(state_of(desk, path)) as state:
        state.load(now_s)
    return desk


def busy_desk() -> Desk:
    """100 shares held, a bracket with two live children, a resting order of another client."""
    desk = Desk(*FLAT)
    desk.to(0)
    desk.place(3, "BUY", 100, "LMT", limit_price=10.01, transmit=False, order_ref="entry")
    desk.place(4, "SELL", 100, "LMT", limit_price=11.0, transmit=False, parent_id=3, tif="GTC")
    desk.place(5, "SELL", 100, "STP", aux_price=9.8, parent_id=3, tif="GTC")
    desk.place(1, "BUY", 10, "LMT", limit_price=9.5, client=desk.connect(2), order_ref="other")
    return desk


def test_orders_positions_cash_and_ids_survive(path: Path) -> None:
    desk = busy_desk()
    saved(desk, path)
    again = restarted(path)
    first, second = desk.accounts["DU1"], again.accounts["DU1"]
    assert (second.cash, second.fees_paid, second.holdings) == (first.cash, first.fees_paid, first.holdings)
    assert [again.orders.next_valid_id(client_id) for client_id in (1, 2, 3)] == [6, 2, 1]
    again.exchange.now_s = OPEN_S + 10
    again.exchange.open_session(OPEN_S + 10)
    again.client.calls()
    again.orders.queries.tell_open(again.client, all_clients=False)
    statuses = [(a[0], a[1], a[5], a[9]) for name, a in again.client.calls() if name == "orderStatus"]
    assert statuses == [(4, "Submitted", 1_000_000_002, ""), (5, "PreSubmitted", 1_000_000_003, "trigger")]
    again.place(6, "BUY", 1)
    known = again.orders.find(1, 6)
    assert known is not None
    assert known.perm_id == 1_000_000_005


def test_executions_and_completed_orders_of_the_day_survive(path: Path) -> None:
    desk = busy_desk()
    before = desk.executions()
    saved(desk, path)
    again = restarted(path)
    again.begin(DAY)
    assert again.executions() == before == ["execDetails 9 100 at 10.01"]
    again.orders.queries.tell_completed(again.client, api_only=True)
    [(_, (_, order, state)), _] = again.client.calls()
    assert (order.orderRef, order.permId, state.status) == ("entry", 1_000_000_001, "Filled")
    again.begin(DAY + timedelta(days=1))
    assert again.executions() == []


def test_a_protective_stop_still_fills_and_cancels_its_sibling(path: Path) -> None:
    desk = busy_desk()
    saved(desk, path)
    again = restarted(path, OPEN_S, FLAT[0], FALL)
    again.exchange.open_session(OPEN_S)
    target = again.orders.find(1, 4)
    again.to(119)
    assert again.accounts["DU1"].holdings["AAA"].quantity == 0
    assert target is not None
    assert target.status is Status.CANCELLED
    assert again.executions()[-1] == "execDetails 9 100 at 9.79"


def test_orders_of_other_clients_from_before_are_nobodys(path: Path) -> None:
    desk = busy_desk()
    saved(desk, path)
    again = restarted(path)
    again.orders.queries.tell_open(again.client, all_clients=True)
    told = [(a[0], a[8]) for name, a in again.client.calls() if name == "orderStatus"]
    assert told == [(4, 1), (5, 1), (0, 0)]
    owner = again.connect(2)
    again.cancel(1, owner)
    assert owner.story() == ["orderStatus 1 Cancelled 0/10", "error 1 202"]


def test_day_orders_end_when_their_session_closed_meanwhile(path: Path) -> None:
    desk = busy_desk()
    saved(desk, path)
    again = restarted(path, CLOSE_S)
    live = [(order.client_id, order.order_id) for order in again.orders.register.live()]
    assert live == [(1, 4), (1, 5)]  # the two that are GTC


def test_an_untransmitted_order_is_lost(path: Path) -> None:
    desk = Desk(*FLAT)
    desk.place(1, "BUY", 1, transmit=False)
    saved(desk, path)
    again = restarted(path)
    assert (again.orders.register.orders, again.orders.next_valid_id(1)) == ({}, 2)


def test_a_filled_oca_group_stays_closed(path: Path) -> None:
    desk = Desk(*FLAT)
    desk.to(0)
    desk.place(1, "BUY", 1, oca_group="one")
    saved(desk, path)
    again = restarted(path)
    again.place(2, "BUY", 1, oca_group="one")
    assert "error 2 201" in again.client.story()


def test_only_changes_are_written_and_a_new_day_forgets(path: Path) -> None:
    desk = busy_desk()
    state = state_of(desk, path)
    state.save(CLOSE_S)
    desk.cancel(4)
    desk.begin(DAY + timedelta(days=1))
    state.save(0)
    state.close()
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM executions").fetchone() == (0,)
    assert database.execute("SELECT count(*) FROM orders").fetchone() == (1,)  # the other client's
    database.close()


def test_a_new_file_holds_nothing(path: Path) -> None:
    again = restarted(path)
    assert (again.accounts["DU1"].cash, again.orders.register.orders) == (CASH, {})


def test_a_file_that_cannot_be_used_is_named_in_one_line(path: Path, tmp_path: Path) -> None:
    desk = Desk(*FLAT)
    path.write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(Misconfigured, match=r"state file .*state\.db cannot be used: file is not a database"):
        state_of(desk, path)
    with pytest.raises(Misconfigured, match="unable to open"):
        state_of(desk, tmp_path / "nowhere" / "state.db")


def test_a_file_of_another_program_is_left_alone(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE trades (price REAL)")
    database.close()
    with pytest.raises(Misconfigured, match="not a state file of version 2"):
        state_of(Desk(*FLAT), path)


def test_a_damaged_row_is_not_guessed_at(path: Path) -> None:
    desk = busy_desk()
    saved(desk, path)
    database = sqlite3.connect(path)
    database.execute("UPDATE orders SET body = '[1, 2'")
    database.commit()
    database.close()
    with pytest.raises(Misconfigured, match="cannot be used"):
        restarted(path)


def test_the_file_of_another_account_is_refused(path: Path) -> None:
    saved(Desk(*FLAT, accounts=("DU7",)), path)
    with pytest.raises(Misconfigured, match="belongs to DU7, not to DU1"):
        restarted(path)


def test_two_gateways_do_not_share_a_file(path: Path) -> None:
    desk = Desk(*FLAT)
    state = state_of(desk, path)
    state.load(OPEN_S)
    other = sqlite3.connect(path, timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("SELECT * FROM counters").fetchall()
    other.close()
    state.close()


def loaded(desk: Desk, path: Path, now_s: int) -> StateFile:
    """The state file as a starting gateway has it."""
    state = state_of(desk, path)
    state.load(now_s)
    return state


def test_a_file_in_which_nothing_was_filled_yet_can_be_read_again(path: Path) -> None:
    desk = Desk(*FLAT)
    state = loaded(desk, path, OPEN_S)
    desk.place(1, "BUY", 100, "LMT", limit_price=9.0, tif="GTC")
    state.save(CLOSE_S)
    state.close()
    assert [order.order_id for order in restarted(path).exchange.orders.values()] == [1]


def test_a_day_order_placed_before_the_next_open_survives_another_restart(path: Path) -> None:
    first = Desk(*FLAT)
    state = loaded(first, path, OPEN_S)
    first.place(1, "BUY", 100, "LMT", limit_price=9.0, tif="GTC")
    state.save(CLOSE_S)
    state.close()
    second = Desk(*FLAT, is_open=False)
    state = loaded(second, path, CLOSE_S + 60)
    second.place(2, "BUY", 100, "LMT", limit_price=9.0)
    state.save(0)
    state.close()
    third = restarted(path, CLOSE_S + 120)
    assert sorted(order.order_id for order in third.exchange.orders.values()) == [1, 2]
