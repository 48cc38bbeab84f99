"""What the user is told of a day, by whom nobody looks: each kind of notice, and a whole program that tells."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from day_trading.alarms import Alarms
from health.findings import Finding, Measure, Severity
from ib_simulator.fault_kinds import Reject, Restart
from notifications.notices import Kind, Notice, listen
from tests.gateway_world import HandMadeFeed, World, in_world, minute, play_day, run_until, warm_up
from tests.notifications.web import web
from tests.simulated_runs import DATABASE, rows, run
from tests.terminal import SHIFTED_PROGRAM, ended, start
from tests.test_day_trader_runs import gateway, shift_s
from trading.settings import RiskSettings

ENTERED = [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)]  # bought at 9:50:40
STOPPED = minute("09:55", 99.80, 99.90, 99.00, 99.10, 6_000)
BOUGHT = (Kind.FILL, "13:50:40", "bought 249 AAA at 100.21, entry")
SECRET = "a-path-that-is-a-token-0123456789"
SMALL = {"WATCHLIST_UNIVERSE": "AMZN,COIN,CRM,TSLA", "WATCHLIST_SIZE": "4"}


@pytest.fixture
def heard() -> Iterator[list[Notice]]:
    notices: list[Notice] = []
    listen(notices.append)
    yield notices
    listen(None)


def told(heard: list[Notice]) -> list[tuple[Kind, str, str]]:
    return [(each.kind, f"{each.at:%H:%M:%S}", each.words) for each in heard]


def test_an_entry_and_its_stop_are_told_and_so_is_the_limit_that_it_broke(tmp_path: Path, heard: list[Notice]) -> None:
    risk = RiskSettings(risk_max_daily_loss_pct=0.4)
    play_day(HandMadeFeed({"AAA": [*ENTERED, STOPPED]}), tmp_path, stop_at="10:00", risk=risk)
    assert told(heard) == [
        BOUGHT,
        (Kind.LIMIT, "13:55:00", "the daily loss limit is reached at -105.83 USD: no more entries today"),
        (Kind.STOP_HIT, "13:55:40", "sold 249 AAA at 99.39, stop loss: -205.43 USD"),
    ]


def test_a_refused_order_is_told_with_the_brokers_words(tmp_path: Path, heard: list[Notice]) -> None:
    def spend(world: World) -> None:
        world.faults().fire(Reject(code=201, text="Order rejected - reason:Your funds are in sufficient."))

    play_day(HandMadeFeed({"AAA": ENTERED}), tmp_path, stop_at="09:50:42", prepare=spend)
    assert {each.kind for each in heard} == {Kind.REJECT}
    assert all(
        each.words.startswith("AAA: entry order rejected") for each in heard
    )  # nothing of the exits it never had
    assert len(heard) == 2  # the state, and the reason
    assert "Your funds are in sufficient." in heard[-1].words


def test_the_kill_switch_is_told_once(tmp_path: Path, heard: list[Notice]) -> None:
    def throw(world: World) -> None:
        world.kill_switch.write_text("", encoding="utf-8")

    play_day(HandMadeFeed({"AAA": ENTERED}), tmp_path, prepare=throw)
    assert told(heard) == [
        (Kind.KILL_SWITCH, "13:30:00", f"kill switch: {tmp_path / 'KILL'} exists, no more entries"),
    ]


@pytest.mark.parametrize(("away_s", "is_told"), [(30, False), (200, True)])
def test_an_outage_is_told_when_it_lasts_and_when_it_is_over(
    tmp_path: Path, heard: list[Notice], away_s: int, is_told: bool
) -> None:
    async def main(world: World) -> None:
        async def cut() -> None:
            await world.until("11:00")
            world.faults().fire(Restart(refused_s=away_s))

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(cut())
                await run_until(world, world.trader(history), ["AAA"], "11:10")

    in_world(main, HandMadeFeed({"AAA": ENTERED}), tmp_path)
    outage = [each for each in told(heard) if each[0] is Kind.CONNECTION]
    assert told(heard)[0] == BOUGHT
    if not is_told:
        assert outage == []
        return
    (_, began, what), (_, over, back) = outage
    assert began == "15:01:00"
    assert what.startswith("no order can be sent for 60 s, the connection is ")
    assert what.endswith("; open positions: 1, their exits rest at the broker")
    assert "15:03:20" <= over <= "15:03:30"
    assert back.startswith("the connection is back after more than ")


def test_shares_that_are_missing_at_the_broker_are_told_as_what_must_never_be(
    tmp_path: Path, heard: list[Notice]
) -> None:
    async def main(world: World) -> None:
        with world.history() as history:
            await run_until(world, world.trader(history), ["AAA"], "10:00")
            for order in world.resting():
                world.gateway.exchange.cancel(order)
            del world.gateway.accounts.first.holdings["AAA"]
            await world.until("11:00")
            await run_until(world, world.trader(history), ["AAA"], "11:10")

    in_world(main, HandMadeFeed({"AAA": ENTERED}), tmp_path)
    (found,) = [each for each in heard if each.kind is Kind.INVARIANT]
    assert found.words.startswith("AAA: 249 in the ledger, the broker does not list them and told of no sale")


def test_a_finding_is_told_when_it_becomes_critical_and_when_it_is_over(heard: list[Notice]) -> None:
    desk = SimpleNamespace(supervisor=SimpleNamespace(down_s=0.0))
    alarms = Alarms(desk, outage_s=60)  # type: ignore[arg-type]  # all that it looks at
    stopless = Finding(Measure.UNPROTECTED, "AAPL", Severity.CRITICAL, 30.0)
    later = stopless._replace(value=60.0)
    alarms.look([stopless._replace(severity=Severity.WARNING)], 0)
    alarms.look([stopless, Finding(Measure.CONNECTION, "", Severity.CRITICAL, 99.0)], 60)
    alarms.look([later], 120)
    alarms.look([later._replace(severity=Severity.WARNING)], 180)
    assert [(each.kind, each.words) for each in heard] == [
        (Kind.HEALTH, "AAPL: shares without a live stop for 30 s"),
        (Kind.HEALTH, "over: AAPL: shares without a live stop for 30 s"),
    ]


# The whole program


def test_a_simulated_day_is_told_where_asked_for_and_is_the_same_day_as_a_silent_one(tmp_path: Path) -> None:
    with web() as server:
        settings = SMALL | {"NOTIFY_URLS": f"json://{server.address}/{SECRET}", "NOTIFY_PER_HOUR": "3600"}
        silent = run(tmp_path / "silent", "2025-10-07", settings=settings)
        assert server.asked == []
        telling = run(tmp_path / "told", "2025-10-07", settings=settings | {"NOTIFY_SIMULATED": "yes"})
        messages = [asked.json() for asked in server.asked]
    assert (silent.returncode, telling.returncode, telling.stderr) == (0, 0, "")
    assert messages
    assert {message["title"].partition(":")[0] for message in messages} == {"Day trader (simulated)"}
    lines = [line for message in messages for line in message["message"].splitlines()]
    query = "SELECT symbol, action, quantity, ROUND(price, 2), reason FROM trades ORDER BY rowid"
    trades = rows(tmp_path / "told", query)
    assert trades == rows(tmp_path / "silent", query)
    assert len(trades) > 4
    fills = [line for line in lines if " bought " in line or " sold " in line]
    assert len(fills) == len(trades)
    for line, (symbol, action, quantity, price, reason) in zip(fills, trades, strict=True):
        verb = "bought" if action == "BUY" else "sold"
        assert f"{verb} {quantity:,} {symbol} at {price:,.2f}, {reason.replace('_', ' ')}" in line
    assert any(line.endswith("Tuesday 2025-10-07") for line in lines)
    assert "at broker flat, no resting orders" in lines
    files = [path for path in (tmp_path / "told").rglob("*") if path.is_file()]
    assert tmp_path / "told" / DATABASE in files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_an_error_that_ends_the_program_is_told_without_its_secrets(tmp_path: Path) -> None:
    with web() as server:
        settings = {"NOTIFY_URLS": f"json://{server.address}/{SECRET}", "IB_PORT": "1"}
        arguments = (shift_s("2025-10-07 15:00:00"), "--allocation", "0.25")
        done = ended(start(tmp_path, *arguments, settings=settings, program=SHIFTED_PROGRAM))
        (message,) = [asked.json() for asked in server.asked]
    assert done.returncode == 1
    assert message["title"] == "Day trader (paper): fault"
    assert "the program ended: " in message["message"]
    assert "127.0.0.1:1" in message["message"]
    assert SECRET not in done.stderr + done.stdout + (tmp_path / "logs" / "day_trader.log").read_text()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no such signals here")
def test_a_session_pings_the_dead_man_switch_while_it_trades_and_not_while_it_is_frozen(tmp_path: Path) -> None:
    now = shift_s("2025-10-07 15:00:02")
    with web() as server, gateway(tmp_path, now, "DU1234567") as settings:
        heart = {"HEARTBEAT_URL": f"http://{server.address}/{SECRET}", "HEARTBEAT_EVERY_S": "1"}
        arguments = (now, "--allocation", "0.25")
        process = start(tmp_path, *arguments, settings=settings | heart, program=SHIFTED_PROGRAM)
        try:
            server.wait_for(4)
            process.send_signal(signal.SIGSTOP)
            assert server.asked[0].path == f"/{SECRET}/start"
            assert {asked.path for asked in server.asked[1:]} == {f"/{SECRET}"}
            frozen = len(server.asked)
            assert server.idle(2.5)
            process.send_signal(signal.SIGCONT)
            server.wait_for(frozen + 2)
        finally:
            process.send_signal(signal.SIGTERM)
            done = ended(process)
        pings = [asked.path.removeprefix(f"/{SECRET}") for asked in server.asked]
    assert (done.returncode, done.stderr) == (0, "")
    assert pings[-1] == ""
    assert SECRET not in (tmp_path / "logs" / "day_trader.log").read_text()
