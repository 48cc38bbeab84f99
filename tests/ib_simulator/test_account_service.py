"""Account updates, summaries, positions and profit-and-loss streams as the real library hears them."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from ib_simulator.request_types import (
    CancelPnL,
    ReqAccountSummary,
    ReqAccountUpdates,
    ReqAccountUpdatesMulti,
    ReqPnL,
    ReqPnLSingle,
)
from tests.ib_simulator.ib_insync_peer import imported_ib_insync
from tests.ib_simulator.order_desk import Desk
from tests.ib_simulator.test_market import Minute

FLAT = Minute(0, 100_000, 100_000, 100_000, 100_000)
RISE = Minute(1, 100_000, 103_000, 100_000, 102_000)  # 10.30 at 100 s


@pytest.fixture(autouse=True, scope="module")
def ib_insync() -> Iterator[ModuleType]:
    yield from imported_ib_insync()


@pytest.fixture
def desk() -> Desk:
    desk = Desk(FLAT, RISE)
    desk.to(0)
    return desk


def names(desk: Desk, client: Any = None) -> list[str]:
    return [name for name, _ in (client or desk.client).calls()]


def follow(desk: Desk, account: str = "", client: Any = None, subscribe: bool = True) -> None:
    desk.values.follow_updates(client or desk.client, ReqAccountUpdates(subscribe=subscribe, account=account))


# --- account updates --------------------------------------------------------------------------------------------


def test_the_download_is_sorted_and_ends(desk: Desk) -> None:
    desk.place(1, "BUY", 100)
    desk.client.calls()
    follow(desk)
    calls = desk.client.calls()
    keys = [arguments[0] for name, arguments in calls if name == "updateAccountValue"]
    assert (keys, len(set(keys))) == (sorted(keys), 88)
    assert [name for name, _ in calls[-4:]] == [
        "updatePortfolio",
        "updateAccountTime",
        "updateAccountTime",
        "accountDownloadEnd",
    ]


def test_later_only_changes_are_told(desk: Desk) -> None:
    follow(desk)
    desk.client.calls()
    desk.values.refresh()
    assert names(desk) == ["updateAccountTime"]
    desk.place(1, "BUY", 100)
    calls = [arguments for name, arguments in desk.client.calls() if name == "updateAccountValue"]
    told = {key: value for key, value, *_ in calls}
    assert told["TotalCashValue"] == "998998.00"  # 1,001 and a fee of 1.0003
    assert "AccountReady" not in told
    assert "TotalCashValue-S" not in told  # repeats a total: with the next refresh
    desk.values.refresh()
    assert "TotalCashValue-S" in [arguments[0] for name, arguments in desk.client.calls() if len(arguments) == 4]


def test_a_position_that_closed_is_told_once_with_zero(desk: Desk) -> None:
    follow(desk)
    desk.values.tell_positions(desk.client)
    desk.place(1, "BUY", 100)
    desk.to(60)
    desk.client.calls()
    desk.place(2, "SELL", 100)
    calls = desk.client.calls()
    assert [arguments[1] for name, arguments in calls if name == "updatePortfolio"] == [0]
    assert [arguments[2] for name, arguments in calls if name == "position"] == [0]
    desk.values.refresh()
    assert "updatePortfolio" not in names(desk)
    desk.values.tell_positions(desk.client)
    assert names(desk) == ["positionEnd"]


def test_another_account_ends_the_first_subscription() -> None:
    desk = Desk(FLAT, accounts=("DU1", "DU2"))
    other = desk.connect(2)
    follow(desk, "DU1")
    desk.client.calls()
    follow(desk, "DU2")
    assert desk.client.story()[0] == "error -1 2100"
    follow(desk, "DU1", other)
    assert other.story() == ["error -1 2101"]  # somebody else follows another account
    follow(desk, subscribe=False)
    follow(desk, "DU1", other)
    assert other.story()[-1] == "accountDownloadEnd DU1"


def test_an_unknown_account_is_refused(desk: Desk) -> None:
    follow(desk, "DU9")
    assert desk.client.story() == ["error -1 321"]
    desk.values.tell_multi(
        desk.client, ReqAccountUpdatesMulti(req_id=5, account="DU9", model_code="", ledger_and_nlv=False)
    )
    assert desk.client.story() == ["error 5 321"]


def test_positions_of_all_accounts_are_told() -> None:
    desk = Desk(FLAT, accounts=("DU1", "DU2"))
    desk.to(0)
    desk.place(1, "BUY", 10, account="DU1")
    desk.place(2, "SELL", 20, account="DU2")
    desk.client.calls()
    desk.values.tell_positions(desk.client)
    rows = [(a[0], a[2], round(a[3], 4)) for name, a in desk.client.calls() if name == "position"]
    # 10.01 and a dollar over ten shares; 9.99 less a dollar and third-party fees over twenty
    assert rows == [("DU1", 10, 10.11), ("DU2", -20, pytest.approx(9.94, abs=0.001))]


# --- summaries --------------------------------------------------------------------------------------------------


def summary(desk: Desk, req_id: int, *tags: str, group: str = "All") -> list[tuple[Any, ...]]:
    desk.client.calls()
    desk.values.follow_summary(desk.client, ReqAccountSummary(req_id=req_id, group=group, tags=tags))
    return [arguments for name, arguments in desk.client.calls() if name in ("accountSummary", "error")]


def test_a_summary_has_its_tags_for_every_account() -> None:
    desk = Desk(FLAT, accounts=("DU1", "DU2"))
    assert summary(desk, 1, "NetLiquidation") == [
        (1, "DU1", "NetLiquidation", "1000000.00", "USD"),
        (1, "DU2", "NetLiquidation", "1000000.00", "USD"),
    ]
    assert len(summary(desk, 2, "NetLiquidation", group="DU2")) == 1
    assert summary(desk, 3, "NetLiquidation")[0][:2] == (3, 322)  # at most two


def test_a_ledger_summary_has_the_values_in_the_base_currency(desk: Desk) -> None:
    rows = summary(desk, 1, "$LEDGER:ALL")
    assert {row[4] for row in rows} == {"BASE"}
    assert "CashBalance" in [row[2] for row in rows]


def test_an_unknown_group_is_refused(desk: Desk) -> None:
    assert summary(desk, 1, "NetLiquidation", group="Mine")[0][:2] == (1, 321)


# --- profit and loss --------------------------------------------------------------------------------------------


def con_id(desk: Desk) -> int:
    desk.values.tell_positions(desk.client)
    return next(int(arguments[1].conId) for name, arguments in desk.client.calls() if name == "position")


def test_profit_follows_the_price_and_says_nothing_twice(desk: Desk) -> None:
    desk.place(1, "BUY", 100)
    desk.client.calls()
    desk.pnl.follow(desk.client, ReqPnL(req_id=7, account="DU1", model_code=""))
    [(name, (req_id, daily, unrealised, realised))] = desk.client.calls()
    assert (name, req_id, realised) == ("pnl", 7, 0.0)
    assert daily == unrealised == pytest.approx(-2.0003)  # the spread and the fee
    desk.pnl.tell_changes()
    assert desk.client.calls() == []
    desk.to(100)
    desk.pnl.tell_changes()
    [(_, (_, daily, _, _))] = desk.client.calls()
    assert daily == pytest.approx(27.9997)
    desk.pnl.unfollow(desk.client, CancelPnL(req_id=7))
    assert desk.pnl.lines == []


def test_the_profit_of_a_position(desk: Desk) -> None:
    desk.place(1, "BUY", 100)
    identity = con_id(desk)
    desk.client.calls()
    desk.pnl.follow_single(desk.client, ReqPnLSingle(req_id=8, account="DU1", model_code="", con_id=identity))
    [(name, arguments)] = desk.client.calls()
    assert (name, arguments[:2], arguments[5]) == ("pnlSingle", (8, 100), 1_000.0)
    desk.to(60)
    desk.place(2, "SELL", 100)
    desk.client.calls()
    desk.pnl.tell_changes()
    [(_, (_, quantity, daily, unrealised, realised, value))] = desk.client.calls()
    assert (quantity, value) == (0, 0.0)
    assert unrealised > 1e300  # not available
    assert daily == realised


def test_nothing_is_available_about_a_symbol_that_is_not_held(desk: Desk) -> None:
    desk.place(1, "BUY", 1)
    identity = con_id(desk)
    desk.accounts["DU1"].holdings.clear()
    desk.client.calls()
    desk.pnl.follow_single(desk.client, ReqPnLSingle(req_id=8, account="DU1", model_code="", con_id=identity))
    [(_, (_, quantity, *amounts))] = desk.client.calls()
    assert quantity == 0
    assert min(amounts) > 1e300


def test_requests_for_profit_that_make_no_sense(desk: Desk) -> None:
    pnl = desk.pnl
    pnl.follow(desk.client, ReqPnL(req_id=1, account="DU9", model_code=""))
    pnl.follow(desk.client, ReqPnL(req_id=2, account="DU1", model_code=""))
    pnl.follow(desk.client, ReqPnL(req_id=2, account="DU1", model_code=""))
    pnl.follow_single(desk.client, ReqPnLSingle(req_id=3, account="DU1", model_code="", con_id=1))
    pnl.unfollow(desk.client, CancelPnL(req_id=4))
    errors = [line for line in desk.client.story() if line.startswith("error")]
    assert errors == ["error 1 321", "error 2 322", "error 3 321", "error 4 300"]


def test_a_client_that_is_gone_is_told_nothing(desk: Desk) -> None:
    desk.pnl.follow(desk.client, ReqPnL(req_id=2, account="DU1", model_code=""))
    desk.pnl.forget(desk.client)
    assert desk.pnl.lines == []
