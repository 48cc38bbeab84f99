"""`--preflight`: what a session needs is checked against a real gateway, and nothing is ordered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from day_trading.preflight import Check, Preflight, Verdict, tell_preflight
from ib_simulator.market_data_permissions import Permission
from market_hours import Session, new_york_calendar
from observability import TradingHistory
from records.single_user import only_user
from tests.gateway_world import MONDAY, HandMadeFeed, World, in_world, warm_up
from trading.settings import StrategySettings

SYMBOLS = ("AAA", "BBB")
OF_WORLD = ("account_id", "cash_usd")
Prepare = Callable[[World], Any]
CALENDAR = new_york_calendar(MONDAY.date)


def checked(
    folder: Path,
    prepare: Prepare = lambda world: None,
    *,
    begins: str = "09:40",
    session: Session = MONDAY,
    database: str = "",
    **options: Any,
) -> list[Check]:
    """The checks of a world that `prepare` made worse, before `session`, with `database` (or the world's own)."""
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

    feed = HandMadeFeed({symbol: warm_up() for symbol in SYMBOLS})
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
