"""Twenty ways in which automation on IBKR is known to break in production, each by name, against the simulator.

The days are those of `faulty_day`: 249 shares bought at 9:50:40, stop 99.40, target 101.62.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from broker.connection_state import Link
from broker.supervisor import GIVE_UP_AFTER
from ib_simulator.client import ClientConnection
from ib_simulator.fault_kinds import (
    ClientIdInUse,
    Connectivity,
    Delay,
    Drop,
    Farm,
    Fault,
    FillAfterCancel,
    Halt,
    Lose,
    LoseAcknowledgement,
    NextValidId,
    Reject,
    Restart,
    Silent,
    StaleQuotes,
)
from ib_simulator.market_data_permissions import Permission
from ib_simulator.request_types import ReqHistoricalData, ReqMktData, ReqPositions, Request
from tests.broker.test_supervisor import seconds_after, watch
from tests.faulty_day import BOUGHT, ONE_ENTRY, RISE, Faulty, entered, play, trade_beside
from tests.gateway_world import (
    EARLY_CLOSE,
    HandMadeFeed,
    Played,
    World,
    at,
    daily_history,
    in_world,
    market_order,
    minute,
    play_day,
    rows,
    run_until,
    run_until_killed,
    warm_up,
    what_is_left,
)
from trading.bars import Bar
from trading.day_report import DayReport
from trading.errors import BrokerUnavailable
from trading.orders import Action
from trading.settings import RiskSettings, SafetySettings, StrategySettings

SOLD = ("11:30:40", "AAA", "SELL", 249, 101.62, "profit_target")

REJECTS_ONE = Reject(code=154, count=1)  # as for a halted stock: it may be bought later


def later_rise(clock_text: str = "10:30") -> list[Bar]:
    """A second symbol that is bought 40 seconds after `clock_text`."""
    return [*warm_up(), minute(clock_text, 100.00, 100.20, 99.98, 100.18, 6_000)]


def fire_at(clock_text: str, *faults: Fault) -> Any:
    """What happens beside a day: faults at one instant."""

    async def happens(world: World) -> None:
        await world.until(clock_text)
        for fault in faults:
            world.faults().fire(fault)
        await asyncio.Event().wait()

    return happens


def never_short_nor_doubled(played: Faulty) -> None:
    """What the exchange saw: no order reference under two permanent ids, never a share short, exits within what is."""
    refs = {(entry.order_ref, entry.perm_id) for entry in played.journal if entry.order_ref}
    assert len(refs) == len({ref for ref, _ in refs})
    net = 0
    for entry in played.journal:
        if entry.event == "execution" and entry.symbol == "AAA":
            net += entry.side * entry.shares
            assert net >= 0


def test_01_restart_race_orders_that_vanish_are_not_sent_again(tmp_path: Path) -> None:
    """The gateway restarts in the second in which the bracket is sent: it never saw it."""

    async def race(world: World) -> None:
        await world.until("09:50:40")
        world.faults().fire(Lose(message="placeOrder", direction="in", seconds=1))
        await world.until("09:50:41")
        world.faults().fire(Restart(refused_s=60))
        await asyncio.Event().wait()

    played = play(tmp_path, race, stop_at="09:58", risk=ONE_ENTRY)
    assert played.orders() == []
    assert [intent["state"] for intent in played.day.intents] == ["expired"] * 4
    assert played.day.report.positions_left == {}


def test_01_restart_race_resting_orders_survive_and_are_not_doubled(tmp_path: Path) -> None:
    played = play(tmp_path, fire_at("09:50:45", Restart(refused_s=60)), RISE, look_at=("09:50:44", "09:55"))
    assert played.sizes("09:55") == played.sizes("09:50:44") == [("STP", 249), ("LMT", 249), ("MKT", 249)]
    assert played.day.told() == [BOUGHT, SOLD]
    never_short_nor_doubled(played)


def test_02_a_disconnect_that_outlives_its_window_ends_entries_and_exits_are_found_again(tmp_path: Path) -> None:
    """Code 1100 for forty minutes: nobody waits for ever, and the target that filled meanwhile is booked."""
    lost = fire_at("11:00", Connectivity(seconds=2_400))
    played = play(tmp_path, lost, RISE, beside={"BBB": later_rise("11:50")})
    report = played.day.report
    assert report.warnings[1] == "the connection was down too long: no more entries in this session"
    assert [(*row[1:3], row[5]) for row in played.day.told()] == [("AAA", "BUY", "entry"), ("AAA", "SELL", SOLD[5])]
    assert report.funnel["BBB"]["entries_stopped"] > 0
    assert report.positions_left == {}


def test_02_the_outage_is_given_up_after_its_limit(tmp_path: Path) -> None:
    watched = watch(tmp_path, Connectivity(seconds=2_400), "11:15")
    waited = watched.first(Link.HALTED, "11:00") - at("11:00")
    assert waited >= GIVE_UP_AFTER
    assert waited.total_seconds() <= GIVE_UP_AFTER.total_seconds() + 20


@pytest.mark.parametrize("restored", [1101, 1102])
def test_03_after_any_restore_everything_is_subscribed_and_read_again(tmp_path: Path, restored: int) -> None:
    asked: dict[type[Request], list[datetime]] = {ReqMktData: [], ReqHistoricalData: []}

    async def lose(world: World) -> None:
        def listen(request_type: type[Request]) -> None:
            def answer(client: ClientConnection, request: Request) -> None:
                asked[request_type].append(world.clock.now())
                world.as_usual(client, request)

            world.answer(request_type, answer)

        await world.until("11:30:00")
        for request_type in asked:
            listen(request_type)
        world.faults().fire(Connectivity(seconds=60, restored=restored))
        await asyncio.Event().wait()

    played = play(tmp_path, lose, RISE, beside={"BBB": later_rise("11:40")}, stop_at="11:45")
    assert [row[1:3] for row in played.day.told()] == [("AAA", "BUY"), ("AAA", "SELL"), ("BBB", "BUY")]
    for moments in asked.values():
        assert len([moment for moment in moments if at("11:31") <= moment <= at("11:31:05")]) >= 2  # of both symbols


def test_04_a_market_data_farm_that_breaks_stops_entries_and_keeps_the_order_connection(tmp_path: Path) -> None:
    """The farm breaks between the price of 9:50:40 and the instant at which it would have been bought."""
    played = play(tmp_path, fire_at("09:50:40.200", Farm(farm="market", seconds=25)), stop_at="09:54", risk=ONE_ENTRY)
    assert played.day.report.reconnects == 0
    assert played.day.report.funnel["AAA"]["stale_quote"] > 0
    bought = [row for row in played.day.told() if row[2] == "BUY"]
    assert all(row[0] >= "09:50:55" for row in bought)
    words = "gateway message 2103, market data farm disconnected: no entries on data that is lost"
    assert words in played.day.report.warnings


def test_04_a_farm_that_is_back_is_asked_again(tmp_path: Path) -> None:
    played = play(tmp_path, fire_at("09:40", Farm(farm="market", seconds=60)))
    assert played.day.told()[0] == BOUGHT


@pytest.mark.parametrize("silent_s", [20, 60])
def test_05_a_half_open_socket_is_noticed_by_its_heartbeat(tmp_path: Path, silent_s: int) -> None:
    watched = watch(tmp_path, Silent(seconds=silent_s), "11:02")
    assert seconds_after("11:00", watched.first(Link.DISCONNECTED, "11:00")) <= 15
    assert seconds_after("11:00", watched.first(Link.READY, "11:00")) <= silent_s + 5


def test_05_a_silent_feed_is_asked_again_and_nothing_is_entered_on_it(tmp_path: Path) -> None:
    asked: list[datetime] = []

    async def fall_silent(world: World) -> None:
        def answer(client: ClientConnection, request: Request) -> None:
            asked.append(world.clock.now())
            world.as_usual(client, request)

        await world.until("09:50:30")
        world.faults().fire(REJECTS_ONE)  # the entry of 9:50:40; a minute later it is wanted again
        await world.until("09:50:45")
        world.faults().fire(StaleQuotes(seconds=600))
        world.answer(ReqMktData, answer)
        await asyncio.Event().wait()

    risk = RiskSettings(risk_cool_down_s=60, risk_max_quote_age_s=30)
    played = play(tmp_path, fall_silent, stop_at="09:54", risk=risk)
    assert played.day.report.funnel["AAA"]["stale_quote"] > 0
    assert asked
    second = [i["created_at"] for i in played.day.intents[4:]]  # on the standing quote that the answer began with
    assert all(f"{asked[0].astimezone(UTC):%Y-%m-%dT%H:%M:%S}" <= created for created in second)
    assert played.day.report.reconnects == 0


def test_06_a_fill_during_1100_is_never_lost_and_counts_once(tmp_path: Path) -> None:
    async def lose(world: World) -> None:
        await world.until("11:30")
        world.faults().fire(Connectivity(seconds=120, restored=1102))
        await world.until("11:35")
        world.faults().fire(Drop())  # and everything is told once more
        await asyncio.Event().wait()

    played = play(tmp_path, lose, RISE)
    assert played.day.told() == [BOUGHT, SOLD]
    assert played.day.report.executions == 2
    assert (played.day.held, played.day.resting) == ({}, [])


def test_07_order_ids_that_roll_back_are_not_used_again(tmp_path: Path) -> None:
    """The gateway says 1 again when no order is left that would tell better: the highest id is on our own record."""

    async def roll_back(world: World) -> None:
        world.faults().fire(NextValidId(value=500))
        await world.until("12:00")
        world.faults().fire(NextValidId(value=1))
        world.faults().fire(Drop())
        await asyncio.Event().wait()

    played = play(tmp_path, roll_back, RISE, beside={"BBB": later_rise("12:30")}, stop_at="12:35")
    first, second = (
        sorted(intent["order_id"] for intent in played.day.intents if intent["symbol"] == symbol)
        for symbol in ("AAA", "BBB")
    )
    assert (len(first), len(second)) == (4, 4)
    assert first[0] > 500
    assert second[0] > first[-1]
    assert not [entry for entry in played.journal if entry.event == "refused"]
    assert not [warning for warning in played.day.report.warnings if "rejected" in warning]


def test_08_an_ambiguous_submit_is_asked_about_and_not_repeated(tmp_path: Path) -> None:
    async def lose(world: World) -> None:
        world.faults().fire(LoseAcknowledgement(count=4, client=2))
        await world.until("09:50:42")
        world.faults().fire(Drop(client=2))
        await asyncio.Event().wait()

    played = play(tmp_path, lose, RISE, risk=ONE_ENTRY)
    assert len(played.orders()) == 4
    assert played.day.told() == [BOUGHT, SOLD]
    never_short_nor_doubled(played)


def test_08_an_ambiguous_modification_leaves_one_live_order_each(tmp_path: Path) -> None:
    """The answers to the modifications after a partial fill are lost, then the connection."""

    async def lose(world: World) -> None:
        await trade_beside(world, "09:50:20", 500, Action.BUY)  # 100 of the minute's 600 shares are left
        await world.until("09:50:54")
        world.faults().fire(Lose(message="orderReports", client=2, seconds=3))
        await world.until("09:50:58")
        world.faults().fire(Drop(client=2))
        await asyncio.Event().wait()

    played = play(tmp_path, lose, stop_at="09:55", risk=ONE_ENTRY, look_at=("09:52",))
    owned = int(sum(played.day.held.values())) - 500
    assert played.sizes("09:52") == [("STP", owned), ("LMT", owned), ("MKT", owned)]
    never_short_nor_doubled(played)


def test_08_nothing_is_modified_while_ibkr_is_away(tmp_path: Path) -> None:
    lost = fire_at("09:50:42", Connectivity(seconds=60, orders="lost"))
    played = play(tmp_path, lost, stop_at="09:55", risk=ONE_ENTRY)
    during = [e for e in played.journal if e.event == "modified" and "13:50:42" <= e.at[11:19] <= "13:51:41"]
    assert during == []


def test_09_a_client_id_in_use_is_waited_for_and_then_watched_under_one_other_id(tmp_path: Path) -> None:
    ids: dict[int | None, None] = {}

    async def steal(world: World) -> None:
        await world.until("11:00")
        world.faults().fire(ClientIdInUse(client=2, seconds=300))
        world.faults().fire(Drop(client=2))
        while True:
            await asyncio.sleep(1)
            ids.update(dict.fromkeys(client.client_id for client in world.gateway.clients))

    played = play(tmp_path, steal, RISE)
    assert set(ids) == {2, 1002}
    assert played.day.told() == [BOUGHT, SOLD]
    assert {entry.client_id for entry in played.journal if entry.perm_id} == {2}


@pytest.mark.parametrize("lost_s", [46, 48, 52])  # the moments at which the fill once fell between the two answers
@pytest.mark.parametrize("late", ["positionEnd", "execDetailsEnd"])
def test_09_an_exit_that_fills_while_the_broker_is_being_asked_is_no_share_that_is_missing(
    tmp_path: Path, lost_s: int, late: str
) -> None:
    """Under the other id executions are not told, only answered; positions are answered seconds after them."""

    async def steal(world: World) -> None:
        await world.until(f"11:29:{lost_s}")
        world.faults().fire(ClientIdInUse(client=2, seconds=300))
        world.faults().fire(Delay(message=late, delay_s=3.0 if late == "positionEnd" else 2.0, seconds=300))
        world.faults().fire(Drop(client=2))
        await asyncio.Event().wait()

    played = play(tmp_path, steal, RISE)
    assert played.day.told() == [BOUGHT, SOLD]
    assert not [words for words in played.day.report.warnings if "shares are missing" in words]


def test_10_cancelled_and_then_filled_is_believed_protected_and_on_record(tmp_path: Path) -> None:
    # The minute's volume is taken: the entry of 9:50:40 works. Told to stop, the trader cancels it; that is confirmed,
    # and three seconds later it turns out that it had been filled.
    async def main(world: World) -> Played:
        world.faults().fire(FillAfterCancel(count=1, report_after_s=3, client=2))
        options: dict[str, Any] = {"risk": ONE_ENTRY, "safety": SafetySettings(external_positions="ignore")}
        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(trade_beside(world, "09:50:20", 600, Action.BUY))
                await run_until(world, world.trader(history, **options), ["AAA"], "09:50:45")
            await world.until("09:55")
            report = await run_until(world, world.trader(history, **options), ["AAA"], "09:56")
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert [row[1:4] for row in day.told()] == [("AAA", "BUY", 249)]
    assert day.report.positions_left == {"AAA": 249}
    assert [(order.order_type, order.quantity) for order in day.resting] == [("STP", 249), ("LMT", 249), ("MKT", 249)]
    (entry,) = rows(tmp_path / "history.db", "SELECT * FROM order_intents WHERE role = 'entry'")
    assert (entry["state"], entry["filled_quantity"]) == ("filled", 249)  # not `cancelled`
    assert entry["avg_fill_price"] == day.trades[0].price_usd


def test_11_an_order_without_an_answer_is_asked_about_and_never_assumed_rejected(tmp_path: Path) -> None:
    """It works until it expires, and nothing about it arrives: half a minute later the broker is asked."""

    async def lose(world: World) -> None:
        world.faults().fire(Lose(message="orderReports", client=2, seconds=3_600))
        await trade_beside(world, "09:50:20", 600, Action.SELL)
        await asyncio.Event().wait()

    played = play(tmp_path, lose, stop_at="09:52:10", risk=ONE_ENTRY)
    assert len(played.orders()) == 4
    assert {intent["state"] for intent in played.day.intents} <= {"cancelled", "expired"}
    assert not [warning for warning in played.day.report.warnings if "rejected" in warning]


def test_12_partial_fills_keep_exits_at_what_is_owned(tmp_path: Path) -> None:
    """Of 249 shares 100 are bought before the entry expires; nobody ever offers more than that."""

    async def take(world: World) -> None:
        await trade_beside(world, "09:50:20", 500, Action.BUY)
        await asyncio.Event().wait()

    ignore = SafetySettings(external_positions="ignore")
    played = play(tmp_path, take, RISE, look_at=("09:51:05", "11:20"), risk=ONE_ENTRY, safety=ignore)
    for clock_text in ("09:51:05", "11:20"):
        assert played.sizes(clock_text) == [("STP", 100), ("LMT", 100), ("MKT", 100)]
    assert [(row[2], row[3]) for row in played.day.told()] == [("BUY", 100), ("SELL", 100)]
    assert played.day.held == {"AAA": 500}
    quantities = {intent["role"]: intent["quantity"] for intent in played.day.intents}
    assert quantities == {"entry": 249, "stop": 100, "target": 100, "time_exit": 100}  # the record knows the change


def test_13_stops_rest_at_the_broker_and_end_the_day_without_the_bot(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[list[tuple[str, str]], dict[str, float], list[Any]]:
        with world.history() as history:
            await run_until_killed(world, world.trader(history), ["AAA"], "11:00")
        resting = [(order.order_type, order.tif) for order in world.resting()]
        await world.until("15:59")
        return resting, world.held(), world.resting()

    resting, held, left = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert resting == [("STP", "GTC"), ("LMT", "DAY"), ("MKT", "GTC")]
    assert (held, left) == ({}, [])


def test_14_a_failed_query_is_not_flat(tmp_path: Path) -> None:
    """Positions stay unanswered for two minutes after a reconnect: nothing is sold, bought or written off."""

    async def fail(world: World) -> None:
        await world.until("11:00")
        world.answer(ReqPositions, lambda _client, _request: None)
        world.faults().fire(Drop(client=2))
        await world.until("11:02")
        world.answer(ReqPositions, world.as_usual)
        await asyncio.Event().wait()

    options: dict[str, Any] = {"broker": {"ib_connect_timeout_s": 5, "ib_request_timeout_s": 5}}
    played = play(tmp_path, fail, RISE, **options)
    assert played.day.told() == [BOUGHT, SOLD]
    assert len(played.orders()) == 4
    assert not [warning for warning in played.day.report.warnings if "missing" in warning]


def test_14_one_empty_answer_is_not_believed(tmp_path: Path) -> None:
    """The first answer about positions after a reconnect is empty, as of a gateway that has not loaded them yet."""
    told_empty: list[datetime] = []

    async def fail(world: World) -> None:
        def answer(client: ClientConnection, request: Request) -> None:
            held = dict(world.gateway.accounts.first.holdings)
            is_first_of_sync = len(asked) == 1  # the library itself asks once while it connects
            asked.append(world.clock.now())
            if is_first_of_sync:
                told_empty.append(world.clock.now())
                world.gateway.accounts.first.holdings.clear()
            world.as_usual(client, request)
            world.gateway.accounts.first.holdings.update(held)

        asked: list[datetime] = []
        await world.until("11:00")
        world.answer(ReqPositions, answer)
        world.faults().fire(Drop(client=2))
        await asyncio.Event().wait()

    played = play(tmp_path, fail, RISE)
    assert len(told_empty) == 1
    assert played.day.told() == [BOUGHT, SOLD]
    assert not [warning for warning in played.day.report.warnings if "missing" in warning]


def test_15_foreign_shares_and_orders_outlive_the_day(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Played, list[str]]:
        world.hold("AAA", 50, 99.50)
        await world.until("09:20")
        other = world.broker(client_id=9)
        await other.open()
        sale = market_order("AAA", 50, Action.SELL)
        await other.orders.place([replace(sale, order_type="LMT", limit_price=1_500_000, tif="GTC")])
        with world.history() as history:
            safety = SafetySettings(external_positions="ignore")
            report = await run_until(world, world.trader(history, safety=safety), ["AAA"])
        return what_is_left(world, report), [order.order_ref for order in world.resting()]

    day, resting = in_world(main, HandMadeFeed({"AAA": entered()}), tmp_path)
    assert [row[2] for row in day.told()] == ["BUY", "SELL"]
    assert day.held == {"AAA": 50}
    assert resting == ["somebody-else"]


def test_16_a_port_that_answers_is_not_a_login(tmp_path: Path) -> None:
    """The weekly login is missing: the socket opens and says nothing. It is said, tried again, and ends by itself."""

    async def main(world: World) -> tuple[str, Played]:
        start = type(world.gateway).on_start
        logged_in = False

        def on_start(client: ClientConnection, client_id: int) -> None:
            if logged_in:
                start(world.gateway, client, client_id)

        world.gateway.on_start = on_start  # type: ignore[method-assign]
        with pytest.raises(BrokerUnavailable) as caught:
            await world.broker(ib_connect_timeout_s=5).open()
        logged_in = True

        async def log_out() -> None:
            nonlocal logged_in
            await world.until("11:00")
            logged_in = False
            world.cut(2)
            await world.until("11:05")
            logged_in = True

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(log_out())
                trader = world.trader(history, broker={"ib_connect_timeout_s": 5})
                report = await run_until(world, trader, ["AAA"], "11:40")
        return str(caught.value), what_is_left(world, report)

    words, day = in_world(main, HandMadeFeed({"AAA": entered(RISE)}), tmp_path)
    assert "not logged in" in words
    assert day.told() == [BOUGHT, SOLD]
    assert day.report.reconnects == 1


def test_17_pacing_no_second_sees_more_messages_than_the_gateway_takes(tmp_path: Path) -> None:
    """Forty symbols are assessed and followed at once: at most 50 messages a second, as the gateway takes them."""

    async def main(world: World) -> tuple[int, DayReport]:
        received: Counter[int] = Counter()

        def count(client: ClientConnection, request: Request) -> None:
            received[int(world.clock.now().timestamp())] += 1
            world.as_usual(client, request)

        for request_type in list(world.gateway._handlers):
            world.answer(request_type, count)
        with world.history() as history:
            strategy = StrategySettings(watchlist_size=40)
            report = await run_until(world, world.trader(history, strategy=strategy), symbols, "09:31")
        return max(received.values()), report

    symbols = [f"S{number:02}" for number in range(40)]
    busiest, report = in_world(main, HandMadeFeed({symbol: warm_up() for symbol in symbols}), tmp_path)
    assert len(report.watchlist) == 40
    assert 20 < busiest <= 50


@pytest.mark.parametrize(
    ("permission", "code"),
    [(Permission.NONE, 354), (Permission.DELAYED, 354), (Permission.COMPETING_SESSION, 10197)],
)
def test_18_without_live_data_nothing_is_entered_and_it_is_said(
    tmp_path: Path, permission: Permission, code: int
) -> None:
    async def take_away(world: World) -> None:
        await world.until("09:50:30")
        world.faults().fire(REJECTS_ONE)  # the entry of 9:50:40; a minute later it is wanted again
        await world.until("09:50:45")
        world.gateway.data.set_permission(permission, "AAA")
        await asyncio.Event().wait()

    risk = RiskSettings(risk_cool_down_s=60, risk_max_quote_age_s=600)
    played = play(tmp_path, take_away, stop_at="09:54", risk=risk)
    assert [intent["state"] for intent in played.day.intents] == ["rejected"] * 4
    assert played.day.report.funnel["AAA"]["stale_quote"] > 0
    assert [warning for warning in played.day.report.warnings if f"gateway message {code}" in warning]


@pytest.mark.parametrize("permission", [Permission.PARTIAL, Permission.PARTIAL_API])
def test_18_advice_about_permissions_is_no_loss_of_data(tmp_path: Path, permission: Permission) -> None:
    async def take_away(world: World) -> None:
        await world.until("09:40")
        world.gateway.data.set_permission(permission, "AAA")
        await asyncio.Event().wait()

    played = play(tmp_path, take_away, stop_at="09:41")
    assert "stale_quote" not in played.day.report.funnel["AAA"]
    assert not [warning for warning in played.day.report.warnings if "no entries" in warning]


def test_19_a_halted_symbol_is_not_entered_and_not_taken_for_a_silent_feed(tmp_path: Path) -> None:
    asked: list[datetime] = []

    async def halt(world: World) -> None:
        def answer(client: ClientConnection, request: Request) -> None:
            asked.append(world.clock.now())
            world.as_usual(client, request)

        await world.until("09:50:30")
        world.faults().fire(REJECTS_ONE)  # the entry of 9:50:40; a minute later it is wanted again
        await world.until("09:50:45")
        world.faults().fire(Halt(symbol="AAA", seconds=150))
        world.answer(ReqMktData, answer)
        await asyncio.Event().wait()

    risk = RiskSettings(risk_cool_down_s=60, risk_max_quote_age_s=600)
    played = play(tmp_path, halt, stop_at="09:53", risk=risk)
    assert [intent["state"] for intent in played.day.intents] == ["rejected"] * 4
    assert played.day.report.funnel["AAA"]["halted"] > 0
    assert asked == []  # quotes that stand still in a halt are not stale


def test_19_an_early_close_moves_everything_that_is_timed(tmp_path: Path) -> None:
    bars = [*warm_up(EARLY_CLOSE), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000, EARLY_CLOSE)]
    feed = HandMadeFeed({"AAA": bars}, {"AAA": daily_history(EARLY_CLOSE)})
    day = play_day(feed, tmp_path, session=EARLY_CLOSE)
    assert [(row[0], row[5]) for row in day.told()] == [("09:50:40", "entry"), ("12:55:00", "time_exit")]


def test_20_a_rejected_order_is_on_record_and_not_tried_again(tmp_path: Path) -> None:
    """201 once: the account may not buy it, and asking again would change nothing."""
    played = play(tmp_path, fire_at("09:40", Reject(code=201, count=1)), stop_at="11:00")
    entries = [intent for intent in played.day.intents if intent["role"] == "entry"]
    assert [(entry["state"], entry["filled_quantity"]) for entry in entries] == [("rejected", 0)]
    assert played.day.report.funnel["AAA"]["rejected_by_broker"] > 0
    assert [warning for warning in played.day.report.warnings if "entry order rejected" in warning]
    assert played.day.report.positions_left == {}


def test_20_an_order_that_is_rejected_for_what_may_pass_cools_down(tmp_path: Path) -> None:
    """154 for an hour: the next try comes after the cool-down, not five seconds later."""
    played = play(tmp_path, fire_at("09:50:30", Reject(code=154, seconds=3_600)), stop_at="09:55")
    entries = [intent for intent in played.day.intents if intent["role"] == "entry"]
    assert [(entry["state"], entry["filled_quantity"]) for entry in entries] == [("rejected", 0)]
    assert played.day.report.funnel["AAA"]["cool_down"] > 0
