"""`--preflight`: what a session needs is checked against a real gateway, and nothing is ordered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from day_trading.preflight import Check, Preflight, Verdict, tell_preflight
from ib_simulator.account import AccountKind
from ib_simulator.client import ClientConnection
from ib_simulator.market_data_permissions import Permission
from ib_simulator.replies import market_data_type
from ib_simulator.request_types import PlaceOrder, ReqMktData
from market_hours import Session, new_york_calendar
from observability import TradingHistory
from records.single_user import only_user
from tests.gateway_world import MONDAY, HandMadeFeed, World, daily_history, in_world, warm_up
from tests.records.test_faults import filled
from trading.settings import StrategySettings

SYMBOLS = ("AAA", "BBB")
OF_WORLD = ("account_id", "account_kind", "cash_usd")
Prepare = Callable[[World], Any]
CALENDAR = new_york_calendar(MONDAY.date)


def checked(
    folder: Path,
    prepare: Prepare = lambda world: None,
    *,
    begins: str = "09:40",
    session: Session = MONDAY,
    database: str = "",
    days: int = 30,
    **options: Any,
) -> list[Check]:
    """The checks of a world that `prepare` made worse, before `session`, with `database` (or the world's own).

    The gateway has `days` daily bars of each symbol.
    """
    of_world = {name: options.pop(name) for name in OF_WORLD if name in options}

    async def main(world: World) -> list[Check]:
        done = prepare(world)
        if isinstance(done, Awaitable):
            await done
        strategy = options.pop("strategy", None) or StrategySettings(watchlist_universe=SYMBOLS)
        chosen = world.options(strategy=strategy, **options)
        preflight = Preflight(chosen, session, CALENDAR, world.clock, folder / database if database else world.database)
        checks = [check async for check in preflight.checks()]
        assert world.resting() == []
        return checks

    history = daily_history()[-days:]
    feed = HandMadeFeed({symbol: warm_up() for symbol in SYMBOLS}, dict.fromkeys(SYMBOLS, history))
    return in_world(main, feed, folder, begins=begins, **of_world)


def named(checks: list[Check], name: str) -> Check:
    (found,) = [check for check in checks if check.name == name]
    return found


def test_a_world_in_order_passes_every_check(tmp_path: Path) -> None:
    checks = checked(tmp_path, broker={"ib_restart_time": "23:45"})
    assert [check.name for check in checks if check.verdict is not Verdict.OK] == []
    assert [check.name for check in checks] == [
        *("calendar", "kill switch", "disk", "database", "restart window", "watchlist", "gateway", "account"),
        *("one program", "clock", "positions", "orders", *SYMBOLS),
    ]


@pytest.mark.parametrize(
    ("name", "verdict", "words", "prepare"),
    [
        ("kill switch", Verdict.FAILED, "delete it to trade", lambda world: world.kill_switch.write_text("stop")),
        ("database", Verdict.FAILED, "history.db", lambda world: world.database.write_text("no database" * 99)),
        ("restart window", Verdict.WARNING, "IB_RESTART_TIME is not set", lambda world: None),
        ("positions", Verdict.WARNING, "AAA:7", lambda world: world.hold("AAA", 7, 100.0)),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, name: str, verdict: Verdict, words: str, prepare: Prepare) -> None:
    found = named(checked(tmp_path, prepare), name)
    assert found.verdict is verdict
    assert words in found.words


@pytest.mark.parametrize(
    ("session", "verdict", "words"),
    [
        (CALENDAR.next_session(MONDAY.date + timedelta(days=1)), Verdict.OK, "the exchange is closed until Wednesday"),
        (replace(MONDAY, close=MONDAY.open + timedelta(hours=3.5)), Verdict.WARNING, "an early close: Monday"),
    ],
)
def test_a_day_that_is_not_like_others_is_told(tmp_path: Path, session: Session, verdict: Verdict, words: str) -> None:
    found = named(checked(tmp_path, session=session), "calendar")
    assert found.verdict is verdict
    assert found.words.startswith(words)


def test_a_database_in_a_folder_that_is_not_there_fails(tmp_path: Path) -> None:
    checks = checked(tmp_path, database="nowhere/history.db")
    assert named(checks, "disk") == ("disk", Verdict.FAILED, f"there is no folder {tmp_path / 'nowhere'}")


def test_an_account_without_money_fails(tmp_path: Path) -> None:
    found = named(checked(tmp_path, cash_usd=0), "account")
    assert (found.verdict, "0.00 USD to spend" in found.words) == (Verdict.FAILED, True)


def test_a_cash_account_is_told_that_only_settled_cash_is_spent(tmp_path: Path) -> None:
    found = named(checked(tmp_path, account_kind=AccountKind.CASH), "account")
    assert found.verdict is Verdict.WARNING
    assert found.words.endswith("a cash account: only settled cash is spent")


@pytest.mark.parametrize(("days", "verdict"), [(4, Verdict.FAILED), (5, Verdict.OK)])
def test_a_symbol_with_too_few_days_for_an_atr_fails(tmp_path: Path, days: int, verdict: Verdict) -> None:
    found = named(checked(tmp_path, days=days), "AAA")
    assert found.verdict is verdict
    told = "only 4 daily bars: no ATR, so it is never entered"
    assert (found.words == told) == (verdict is Verdict.FAILED)


def test_a_refused_what_if_order_is_a_warning_with_the_gateways_reason(tmp_path: Path) -> None:
    def refuse(client: ClientConnection, request: PlaceOrder) -> None:
        assert request.order.what_if
        client.error(request.order_id, 201, "Order rejected - reason:no opening trades")

    found = named(checked(tmp_path, lambda world: world.answer(PlaceOrder, refuse)), "orders")
    assert found.verdict is Verdict.WARNING
    assert found.words == "a what-if order was refused: 201 Order rejected - reason:no opening trades"


def test_a_list_on_file_that_was_made_for_this_session_is_the_one_that_is_checked(tmp_path: Path) -> None:
    checks = checked(tmp_path, watchlist=watchlist(tmp_path, MONDAY.date))
    assert named(checks, "watchlist") == ("watchlist", Verdict.OK, f"1 symbols of {tmp_path / 'list.json'}")
    assert [check.name for check in checks][-2:] == ["orders", "BBB"]


def test_a_list_on_file_that_is_old_is_made_anew_unless_that_is_forbidden(tmp_path: Path) -> None:
    old = watchlist(tmp_path, MONDAY.date - timedelta(days=7))
    checks = checked(tmp_path, watchlist=old)
    made = f"{old} is missing or old: a new one is made before the open"
    assert named(checks, "watchlist") == ("watchlist", Verdict.OK, made)
    assert [check.name for check in checks][-2:] == list(SYMBOLS)
    forbidden = named(checked(tmp_path, watchlist=old, analyse=False), "watchlist")
    assert forbidden.verdict is Verdict.FAILED
    assert "leave --no-analyse out" in forbidden.words


def watchlist(folder: Path, made_for: date) -> Path:
    """A list of BBB alone."""
    file = folder / "list.json"
    file.write_text(json.dumps({"session_date": made_for.isoformat(), "symbols": ["BBB"]}), encoding="utf-8")
    return file


def test_a_watchlist_of_which_the_gateway_knows_no_symbol_asks_for_nothing_more(tmp_path: Path) -> None:
    checks = checked(tmp_path, strategy=StrategySettings(watchlist_universe=("NONE", "NOTHING")))
    assert [check.name for check in checks][-3:] == ["positions", "NONE", "NOTHING"]


def test_a_database_in_use_is_found(tmp_path: Path) -> None:
    with only_user(tmp_path / "history.db", "day_trader"):
        found = named(checked(tmp_path), "database")
    assert found.verdict is Verdict.FAILED
    assert "in use" in found.words


def test_an_unknown_symbol_and_a_share_that_is_too_dear_are_told(tmp_path: Path) -> None:
    strategy = StrategySettings(watchlist_universe=("AAA", "NONE"))
    checks = checked(tmp_path, strategy=strategy, cash_usd=500)
    assert named(checks, "NONE") == ("NONE", Verdict.FAILED, "the gateway knows no such stock")
    assert named(checks, "AAA").verdict is Verdict.WARNING
    assert named(checks, "AAA").words.endswith("buys 0")


@pytest.mark.parametrize(
    ("permission", "words"),
    [(Permission.DELAYED, "354 Requested market data is not sub"), (Permission.NONE, "No market data permissions")],
)
def test_a_login_without_live_data_fails_by_symbol(tmp_path: Path, permission: Permission, words: str) -> None:
    found = named(checked(tmp_path, lambda world: world.gateway.data.permissions.set(permission)), "AAA")
    assert found.verdict is Verdict.FAILED
    assert words in found.words


def test_quotes_that_come_late_fail_although_there_are_some(tmp_path: Path) -> None:
    """A login whose subscription is for delayed data: prices come, and no rule may enter on them."""

    def delay(world: World) -> None:
        def follow(client: ClientConnection, request: ReqMktData) -> None:
            world.as_usual(client, request)
            client.send(market_data_type(request.req_id, 3))

        world.answer(ReqMktData, follow)

    found = named(checked(tmp_path, delay), "AAA")
    assert found.verdict is Verdict.FAILED
    assert found.words == "30 daily bars, delayed quotes: no subscription for live ones, so it is never entered"


def test_before_the_open_missing_quotes_are_a_warning(tmp_path: Path) -> None:
    found = named(checked(tmp_path, begins="08:00"), "AAA")
    assert found.verdict is Verdict.WARNING
    assert "ask again" in found.words


def test_a_live_account_needs_live(tmp_path: Path) -> None:
    refused = named(checked(tmp_path, account_id="U1000001"), "gateway")
    assert refused.verdict is Verdict.FAILED
    assert "--live" in refused.words
    allowed = named(checked(tmp_path, account_id="U1000001", live=True), "account")
    assert "LIVE account, real money" in allowed.words


def test_a_clock_that_is_wrong_fails(tmp_path: Path) -> None:
    def set_back(world: World) -> None:
        told = world.clock.now
        world.clock.now = lambda: told() - timedelta(seconds=9)  # type: ignore[method-assign]

    found = named(checked(tmp_path, set_back), "clock")
    assert found.verdict is not Verdict.FAILED or "differs" in found.words


def test_without_a_gateway_the_rest_is_checked_all_the_same(tmp_path: Path) -> None:
    checks = checked(tmp_path, broker={"ib_port": 9, "ib_connect_timeout_s": 1})
    assert checks[-1].name == "gateway"
    assert checks[-1].verdict is Verdict.FAILED
    assert "connection refused" in checks[-1].words


def test_the_end_says_how_many_failed() -> None:
    told: list[str] = []

    async def some() -> Any:
        yield Check("one", Verdict.OK, "well")
        yield Check("two", Verdict.FAILED, "not well")

    assert asyncio.run(tell_preflight(some(), told.append)) == 1
    assert told == [
        "ok       one             well",
        "FAILED   two             not well",
        "2 checks: 1 failed, 0 warnings",
    ]


def test_the_history_of_a_run_is_accepted(tmp_path: Path) -> None:
    TradingHistory(tmp_path / "history.db", bot="day_trader", mode="simulated").close()
    assert "no damage found" in named(checked(tmp_path), "database").words


@pytest.mark.parametrize("good_part", [4_096, -4_096])  # bytes: the first page, all but the last one
def test_a_damaged_history_fails_with_what_to_do(tmp_path: Path, good_part: int) -> None:
    file = tmp_path / "history.db"
    filled(file)
    good = file.read_bytes()[:good_part]
    file.write_bytes(good.ljust(file.stat().st_size, b"\xa5"))
    found = named(checked(tmp_path), "database")
    assert found.verdict is Verdict.FAILED
    assert found.words.startswith(f"{file}: the database is damaged (")
    assert f"`python -m records restore --db {file}`" in found.words
