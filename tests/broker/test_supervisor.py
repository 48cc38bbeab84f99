"""The connection supervisor over TCP: what is noticed when, what is tried, and when orders may be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from random import Random

import pytest

from broker.connection_state import Link, LinkEvent
from broker.supervisor import GIVE_UP_AFTER, Supervisor
from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.fault_kinds import ClientIdInUse, Connectivity, Crash, Drop, Fault, Notice, Restart, Silent
from tests.gateway_world import (
    MONDAY,
    PAPER,
    HandMadeFeed,
    Played,
    World,
    at,
    in_world,
    minute,
    run_until,
    second,
    warm_up,
    what_is_left,
)
from trading.errors import BrokerUnavailable, ClientIdTaken
from utils import HaltTrading, Misconfigured, TradingError

OTHER_ACCOUNT = "DU1000002"
RISING = [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)]  # bought at 9:50:40
FEED = HandMadeFeed({"AAA": RISING})


class Watched(Supervisor):
    """A supervisor that remembers its states."""

    def __init__(self, world: World, restart_time: time | None = None, timeout_s: float = 15.0) -> None:
        self.world = world
        self.states: list[tuple[datetime, Link]] = []
        self.warnings: list[str] = []
        self.syncs: list[datetime] = []
        self.sync_fault: Exception | None = None  # raised by the next synchronisation
        self.broker = world.broker(ib_connect_timeout_s=timeout_s)
        super().__init__(self.broker, world.clock, MONDAY, self._read, self.warnings.append, Random(1), restart_time)

    async def _read(self) -> None:
        fault, self.sync_fault = self.sync_fault, None
        if fault is not None:
            raise fault
        await self.broker.positions()
        await self.broker.data.resubscribe()
        self.syncs.append(self.world.clock.now())

    def on_event(self, event: LinkEvent) -> None:
        before = self.state
        super().on_event(event)
        if self.state is not before:
            self.states.append((self.world.clock.now(), self.state))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.open_first()
        task = asyncio.get_running_loop().create_task(self.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def first(self, state: Link, after: str) -> datetime:
        """When it first was in a state after a time of the day."""
        return next(moment for moment, now in self.states if now is state and moment >= at(after))


def watch(folder: Path, fault: Fault, until: str, *, prepare: Callable[[Watched], None] = lambda _: None) -> Watched:
    """A supervised connection that meets a fault at 11:00:00."""

    async def main(world: World) -> Watched:
        faults = world.faults()
        await world.until("10:59:13")  # no heartbeat falls on the fault by chance
        supervisor = Watched(world)
        async with supervisor.running():
            prepare(supervisor)
            await world.until("11:00")
            faults.fire(fault)
            await world.until(until)
        return supervisor

    return in_world(main, FEED, folder)


def seconds_after(clock_text: str, moment: datetime) -> float:
    return (moment - at(clock_text)).total_seconds()


# A connection that is gone


@pytest.mark.parametrize("reset", [False, True])
def test_a_closed_socket_is_noticed_at_once_and_replaced_within_five_seconds(tmp_path: Path, reset: bool) -> None:
    watched = watch(tmp_path, Drop(reset=reset), "11:00:30")
    assert seconds_after("11:00", watched.first(Link.DISCONNECTED, "11:00")) < 1
    assert seconds_after("11:00", watched.first(Link.READY, "11:00")) <= 5
    assert [state for _, state in watched.states[-4:]] == [
        Link.DISCONNECTED,
        Link.CONNECTING,
        Link.SYNCING,
        Link.READY,
    ]
    assert (watched.reconnects, len(watched.syncs)) == (1, 2)
    assert watched.warnings == ["connection disconnected at 15:00:00 UTC: socket lost"]


@pytest.mark.parametrize("fault", [Restart(refused_s=60), Crash(refused_s=60)])
def test_a_gateway_that_was_away_is_ready_again_within_five_seconds_of_its_return(tmp_path: Path, fault: Fault) -> None:
    watched = watch(tmp_path, fault, "11:02")
    assert seconds_after("11:00", watched.first(Link.DISCONNECTED, "11:00")) < 1
    assert 60 <= seconds_after("11:00", watched.first(Link.READY, "11:00")) <= 65
    assert watched.is_ready
    assert len(watched.warnings) == 1  # not one for each of the attempts


@pytest.mark.parametrize("silent_s", [20, 47, 90])
def test_a_silent_socket_is_noticed_within_fifteen_seconds_and_recovered(tmp_path: Path, silent_s: int) -> None:
    """The gateway hangs with the socket open, and keeps our client id for itself meanwhile."""
    watched = watch(tmp_path, Silent(seconds=silent_s), "11:02")
    assert seconds_after("11:00", watched.first(Link.DISCONNECTED, "11:00")) <= 15
    assert "silent" in watched.warnings[0]
    assert seconds_after("11:00", watched.first(Link.READY, "11:00")) <= silent_s + 5


def test_a_connection_that_has_nothing_to_say_is_asked_and_kept(tmp_path: Path) -> None:
    watched = watch(tmp_path, Drop(client=99), "11:30")  # nothing happens to us, and nothing is subscribed to
    assert (watched.reconnects, watched.warnings, watched.is_ready) == (0, [], True)


def test_a_client_id_that_is_still_taken_is_tried_again_under_the_same_number(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Watched, list[int | None]]:
        faults = world.faults()
        await world.until("10:59")
        supervisor = Watched(world)
        async with supervisor.running():
            await world.until("11:00")
            faults.fire(ClientIdInUse(client=2, seconds=30))
            faults.fire(Drop())
            await world.until("11:01")
            return supervisor, [client.client_id for client in world.gateway.clients]

    watched, clients = in_world(main, FEED, tmp_path)
    assert clients == [2]
    assert seconds_after("11:00:30", watched.first(Link.READY, "11:00")) <= 5


def test_a_client_id_that_stays_taken_is_watched_from_one_temporary_id_until_it_is_free(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[Watched, dict[str, list[int | None]], list[str]]:
        faults, seen = world.faults(), {}
        journal = world.gateway.keep_journal()
        await world.until("10:59")
        supervisor = Watched(world)
        async with supervisor.running():
            await world.until("11:00")
            faults.fire(ClientIdInUse(client=2, seconds=600))
            faults.fire(Drop())
            for clock_text in ("11:01", "11:05", "11:09:59", "11:10:20"):
                await world.until(clock_text)
                seen[clock_text] = [client.client_id for client in world.gateway.clients]
        return supervisor, seen, [entry.event for entry in journal.entries("order")]

    watched, clients, orders = in_world(main, FEED, tmp_path)
    assert clients == {"11:01": [1002], "11:05": [1002], "11:09:59": [1002], "11:10:20": [2]}
    watching_from = seconds_after("11:00", watched.first(Link.WATCHING, "11:00"))
    assert 20 <= watching_from <= 45
    reads = [moment for moment in watched.syncs if at("11:01") <= moment <= at("11:09")]
    assert len(reads) > 100  # every few seconds for eight minutes
    assert seconds_after("11:10", watched.first(Link.READY, "11:00")) <= 5
    assert "our client id is taken by another program: watching under 1002" in watched.warnings
    assert orders == []


def test_while_only_watching_fills_are_booked_and_nothing_is_sent(tmp_path: Path) -> None:
    rise = minute("11:30", 101.00, 102.00, 100.90, 101.90, 6_000)  # the target of 101.62 is passed at 11:30:40

    async def main(world: World) -> tuple[Played, list[str]]:
        journal = world.gateway.keep_journal()

        async def steal() -> None:
            await world.until("11:28")
            world.faults().fire(ClientIdInUse(client=2))
            world.faults().fire(Drop(client=2))

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(steal())
                report = await run_until(world, world.trader(history), ["AAA"], "11:33")
        return what_is_left(world, report), [
            entry.at for entry in journal.entries() if entry.client_id != 2 and entry.perm_id
        ]

    day, sent_by_others = in_world(main, HandMadeFeed({"AAA": [*RISING, rise]}), tmp_path)
    assert [row[1:] for row in day.told()] == [
        ("AAA", "BUY", 249, 100.21, "entry"),
        ("AAA", "SELL", 249, 101.62, "profit_target"),
    ]
    assert len(day.intents) == 4
    assert sent_by_others == []
    assert (day.report.positions_left, day.report.resting_orders) == ({}, ())
    assert "our client id is taken by another program: watching under 1002" in day.report.warnings
    assert {intent["role"]: intent["state"] for intent in day.intents}["target"] == "filled"


def test_own_orders_are_seen_from_the_temporary_id(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        async def steal() -> None:
            await world.until("10:30")
            world.faults().fire(ClientIdInUse(client=2))
            world.faults().fire(Drop(client=2))

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(steal())
                report = await run_until(world, world.trader(history), ["AAA"], "10:32")
        return what_is_left(world, report)

    day = in_world(main, FEED, tmp_path)
    assert day.report.resting_orders is not None
    assert [(order["order_type"], order["client_id"]) for order in day.report.resting_orders] == [
        ("STP", 2),
        ("LMT", 2),
        ("MKT", 2),
    ]


def test_the_first_connection_waits_for_a_client_id_that_a_dead_run_still_holds(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[float, list[int | None]]:
        world.faults().fire(ClientIdInUse(client=2, seconds=20))
        began = world.clock.now()
        supervisor = Watched(world)
        async with supervisor.running():
            return (world.clock.now() - began).total_seconds(), [client.client_id for client in world.gateway.clients]

    waited_s, clients = in_world(main, FEED, tmp_path)
    assert 20 <= waited_s <= 25
    assert clients == [2]


def test_a_client_id_that_stays_taken_at_the_start_is_one_line(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        world.faults().fire(ClientIdInUse(client=2))
        await Watched(world).open_first()

    with pytest.raises(ClientIdTaken, match="client id 2 is already in use"):
        in_world(main, FEED, tmp_path)


def test_a_synchronisation_that_fails_is_followed_by_a_new_connection(tmp_path: Path) -> None:
    def fail(watched: Watched) -> None:
        watched.sync_fault = BrokerUnavailable("orders could not be read")

    watched = watch(tmp_path, Drop(), "11:00:30", prepare=fail)
    assert watched.is_ready
    assert watched.reconnects == 2
    assert len(watched.syncs) == 2  # before the fault and after the second connection


def test_the_first_connection_is_not_tried_again(tmp_path: Path) -> None:
    """Somebody sits in front of it and reads the line."""

    async def main(world: World) -> None:
        world.gateway.listener.close()
        await Watched(world).open_first()

    with pytest.raises(BrokerUnavailable, match="connection refused"):
        in_world(main, FEED, tmp_path)


def test_a_gateway_that_does_not_tell_what_the_account_holds_is_no_first_connection(tmp_path: Path) -> None:
    async def main(world: World) -> Link:
        supervisor = Watched(world)
        supervisor.sync_fault = BrokerUnavailable("positions could not be read")
        with pytest.raises(BrokerUnavailable, match="did not answer what the account holds"):
            await supervisor.open_first()
        assert not supervisor.is_ready
        return supervisor.state

    assert in_world(main, FEED, tmp_path) is Link.DISCONNECTED


def test_a_temporary_connection_that_tells_nothing_is_made_anew_and_never_trusted(tmp_path: Path) -> None:
    async def main(world: World) -> Watched:
        faults = world.faults()
        await world.until("10:59")
        supervisor = Watched(world)
        async with supervisor.running():
            await world.until("11:00")
            faults.fire(ClientIdInUse(client=2, seconds=600))
            faults.fire(Drop())
            await world.until("11:02")
            supervisor.sync_fault = BrokerUnavailable("orders could not be read")
            await world.until("11:05")
            assert supervisor.state is Link.WATCHING
            await world.until("11:10:20")
        return supervisor

    watched = in_world(main, FEED, tmp_path)
    lost = watched.first(Link.DISCONNECTED, "11:02")
    assert seconds_after("11:02", lost) <= 10
    again = next(moment for moment, state in watched.states if state is Link.CONNECTING and moment > lost)
    assert (again - lost).total_seconds() <= 1
    assert any(moment > lost for moment in watched.syncs)
    ready = [moment for moment, state in watched.states if state is Link.READY and moment > at("11:00")]
    assert ready == [watched.first(Link.READY, "11:10")]  # not before our own client id is free


# IBKR behind the gateway


@pytest.mark.parametrize("restored", [1101, 1102])
def test_lost_connectivity_degrades_and_its_return_is_synchronised_before_orders(tmp_path: Path, restored: int) -> None:
    watched = watch(tmp_path, Connectivity(seconds=40, restored=restored), "11:02")
    told = [(seconds_after("11:00", moment) // 1, state) for moment, state in watched.states if moment >= at("11:00")]
    assert told[:2] == [(0, Link.DEGRADED), (40, Link.SYNCING)]
    assert told[2][1] is Link.READY
    assert seconds_after("11:00:40", watched.first(Link.READY, "11:00")) <= 5
    assert len(watched.syncs) == 2
    assert watched.reconnects == 0  # the socket was never the matter


def test_a_connection_that_the_gateway_gives_up_is_made_anew_although_its_socket_stays(tmp_path: Path) -> None:
    text = "TWS socket port has been reset and this connection is being dropped"
    watched = watch(tmp_path, Notice(code=1300, text=text), "11:02")
    assert watched.first(Link.DISCONNECTED, "11:00") - at("11:00") < timedelta(seconds=1)
    assert seconds_after("11:00", watched.first(Link.READY, "11:00")) <= 5
    assert watched.reconnects == 1
    assert watched.state is Link.READY


@pytest.mark.parametrize("restored", [1101, 1102])
def test_quotes_go_on_after_lost_connectivity(tmp_path: Path, restored: int) -> None:
    """After 1101 the gateway has forgotten all subscriptions."""

    async def main(world: World) -> int:
        await world.until("09:40")
        supervisor = Watched(world)
        async with supervisor.running():
            await supervisor.broker.data.follow_quotes("AAA")
            world.faults().fire(Connectivity(seconds=40, restored=restored))
            await world.until("09:50:41")
            return supervisor.broker.data.quote("AAA").at_s

    assert in_world(main, FEED, tmp_path) == second("09:50:40")


def test_nothing_is_sent_while_connectivity_is_lost(tmp_path: Path) -> None:
    # The entry is wanted from 9:50:40 on; from 9:50:20 until 9:51:20 nobody could confirm it.
    async def main(world: World) -> list[str]:
        journal = world.gateway.keep_journal()

        async def lose() -> None:
            await world.until("09:50:20")
            world.faults().fire(Connectivity(seconds=60, orders="queued"))

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(lose())
                await run_until(world, world.trader(history), ["AAA"], "09:53")
        return sorted({entry.at for entry in journal.entries("order")})

    sent = in_world(main, FEED, tmp_path)
    assert sent
    assert sent[0] >= f"{at('09:51:20').astimezone(MONDAY.open.tzinfo):%Y-%m-%dT%H:%M:%S}"


# When orders may not be sent


def test_around_the_planned_restart_nothing_may_be_sent(tmp_path: Path) -> None:
    async def main(world: World) -> list[bool]:
        supervisor = Watched(world, restart_time=time(8, 0))
        ready = []
        async with supervisor.running():
            for clock_text in ("07:58:59", "07:59:00", "08:00:00", "08:01:00", "08:01:01"):
                await world.until(clock_text)
                ready.append(supervisor.is_ready)
        return ready

    assert in_world(main, FEED, tmp_path, begins="07:58") == [True, False, False, False, True]


@pytest.mark.parametrize("restart", ["09:00", "12:00", "16:30"])
def test_a_restart_planned_around_market_hours_is_refused(tmp_path: Path, restart: str) -> None:
    from broker.settings import BrokerSettings
    from utils import load_settings, read_environment

    with pytest.raises(Misconfigured, match=f"IB_RESTART_TIME={restart}.*would meet open positions"):
        load_settings(BrokerSettings, read_environment(tmp_path / "absent.env", {"IB_RESTART_TIME": restart}))
    early = load_settings(BrokerSettings, read_environment(tmp_path / "absent.env", {"IB_RESTART_TIME": "08:59"}))
    assert early.ib_restart_time == time(8, 59)


def test_doubt_is_answered_by_a_synchronisation_without_a_new_connection(tmp_path: Path) -> None:
    async def main(world: World) -> Watched:
        supervisor = Watched(world)
        async with supervisor.running():
            supervisor.ask_for_sync()
            assert not supervisor.is_ready
            await asyncio.sleep(5)
        return supervisor

    watched = in_world(main, FEED, tmp_path)
    assert (len(watched.syncs), watched.reconnects, watched.is_ready) == (2, 0, True)


# Giving up


def test_ten_minutes_of_outage_end_entries_but_not_the_attempts(tmp_path: Path) -> None:
    watched = watch(tmp_path, Restart(refused_s=900), "11:16")
    halted = watched.first(Link.HALTED, "11:00")
    assert GIVE_UP_AFTER <= halted - at("11:00") <= GIVE_UP_AFTER + timedelta(seconds=5)
    assert seconds_after("11:15", watched.first(Link.READY, "11:00")) <= 5
    assert watched.entries_given_up
    assert watched.warnings[-1] == "the connection was down too long: no more entries in this session"
    assert len(watched.warnings) == 2


def test_an_outage_before_the_open_does_not_count(tmp_path: Path) -> None:
    async def main(world: World) -> Watched:
        supervisor = Watched(world)
        async with supervisor.running():
            world.faults().fire(Restart(refused_s=1_800 + 60))  # from 9:00 to 9:31
            await world.until("09:31:10")
        return supervisor

    watched = in_world(main, FEED, tmp_path)
    assert (watched.entries_given_up, watched.is_ready) == (False, True)


def test_an_outage_of_hours_is_outlived(tmp_path: Path) -> None:
    """Attempts every two seconds: their number is larger than what a float can be doubled by."""
    watched = watch(tmp_path, Restart(refused_s=3 * 3_600), "14:00:10")
    assert watched.is_ready
    assert seconds_after("14:00", watched.first(Link.READY, "11:00")) <= 5


def test_after_giving_up_no_entry_is_sent(tmp_path: Path) -> None:
    # away from 9:35 to 9:50: the entry that is wanted at 9:50:40 is not sent
    async def main(world: World) -> Played:
        async def leave() -> None:
            await world.until("09:35")
            world.faults().fire(Restart(refused_s=900))

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(leave())
                report = await run_until(world, world.trader(history), ["AAA"], "09:53")
        return what_is_left(world, report)

    day = in_world(main, FEED, tmp_path)
    assert (day.intents, day.report.reconnects) == ([], 1)
    assert day.report.funnel["AAA"]["entries_stopped"] > 10


# Another account


def test_a_gateway_that_comes_back_with_another_account_halts_the_run_and_the_day_is_told(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[TradingError | None, Played]:
        announce(world, [PAPER])
        with world.history() as history:
            trader = world.trader(history)

            async def switch() -> None:
                await world.until("11:00")
                announce(world, [OTHER_ACCOUNT])
                world.cut(2)

            async with asyncio.TaskGroup() as group:
                group.create_task(switch())
                report = await run_until(world, trader, ["AAA"])
        return trader.fault, what_is_left(world, report)

    fault, day = in_world(main, FEED, tmp_path, other_accounts=(OTHER_ACCOUNT,))
    assert isinstance(fault, HaltTrading)
    assert str(fault) == f"the gateway is logged in to {OTHER_ACCOUNT} now; this run trades {PAPER}"
    assert (day.report.ended_because, day.report.account_id) == (str(fault), PAPER)
    assert (day.report.executions, day.report.positions_left) == (1, {"AAA": 249})
    assert day.report.resting_orders is None  # it could not be asked
    assert {row["state"] for row in day.intents if row["role"] != "entry"} == {"working"}  # the exits rest on


def announce(world: World, accounts: list[str]) -> None:
    """Let the gateway announce these accounts from now on."""
    start = type(world.gateway).on_start

    def on_start(client: ClientConnection, client_id: int) -> None:
        start(world.gateway, client, client_id)
        client._out[0] = replies.managed_accounts(accounts)

    world.gateway.on_start = on_start  # type: ignore[method-assign]
