"""The health monitor: what it records and when, and what it really does about faults of a running session."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import wait
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from day_trading_agents import IntradayTrader
from health.findings import Action, Measure, Reading, Vitals
from health.machine import LoopLag, MachineState
from health.treatment import Step
from health.workers import WorkerLost
from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.fault_kinds import Drop, Fault, Lose, Reject, StaleQuotes
from ib_simulator.request_types import ReqCurrentTime
from ib_simulator.simulated_time import SimulatedClock, simulated_loop
from market_hours import NEW_YORK, LiveClock
from observability import TradingHistory
from records.rows import HealthRow
from records.writer import RecordsFailed
from self_evaluation import HealthMonitor
from tests.gateway_world import (
    MONDAY,
    HandMadeFeed,
    Played,
    World,
    at,
    in_world,
    minute,
    rows,
    run_until,
    warm_up,
    what_is_left,
)
from trading.bars import Bar
from trading.errors import BrokerUnavailable

SYMBOLS = ("AAA", "BBB", "CCC")
HEALTHY = MachineState(5.0, 200.0, 2.0, 30.0, 50_000.0)


def lively(until: str = "11:30") -> list[Bar]:
    """A market in which every minute has ticks, and nothing is bought: the price falls under its VWAP."""
    bars = [minute(f"{9 + m // 60:02}:{m % 60:02}", 99.9, 100.0, 99.8, 99.9, 6_000) for m in range(50, 180)]
    return [*warm_up(), *(bar for bar in bars if bar.start_s < at(until).timestamp())]


def bought_then_lively() -> list[Bar]:
    """AAA is bought at 9:50:40 and stays between its stop and its target."""
    first = minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)
    bars = [minute(f"{9 + m // 60:02}:{m % 60:02}", 100.2, 100.3, 100.1, 100.2, 6_000) for m in range(51, 180)]
    return [*warm_up(), first, *bars]


def play(
    folder: Path,
    during: Callable[[World, IntradayTrader, TradingHistory], Awaitable[None]],
    *,
    until: str,
    bars: Callable[[], list[Bar]] = lively,
    **options: Any,
) -> tuple[Played, list[dict[str, Any]]]:
    """A session that is stopped at `until`, `during` runs beside it. What is left, and the health on record."""

    async def main(world: World) -> Played:
        with world.history() as history:
            trader = world.trader(history, **options)
            async with asyncio.TaskGroup() as group:
                group.create_task(during(world, trader, history))
                report = await run_until(world, trader, SYMBOLS, until)
            assert trader.health.monitor.failures == 0
        return what_is_left(world, report)

    day = in_world(main, HandMadeFeed({symbol: bars() for symbol in SYMBOLS}), folder)
    return day, rows(folder / "history.db", "SELECT * FROM agent_health ORDER BY health_id")


def fault_at(clock_text: str, fault: Fault) -> Callable[[World, IntradayTrader, TradingHistory], Awaitable[None]]:
    async def fire(world: World, _trader: IntradayTrader, _history: TradingHistory) -> None:
        faults = world.faults()
        await world.until(clock_text)
        faults.fire(fault)

    return fire


def told(samples: list[dict[str, Any]], after: str) -> list[tuple[str, str, str | None, str | None]]:
    """(New York time, status, action, result) of the samples from a time on, without those that say nothing."""
    start = at(after).timestamp()
    hours = timedelta(hours=4)
    return [
        (f"{when - hours:%H:%M:%S}", row["status"], row["healing_action"], row["healing_result"])
        for row in samples
        if (when := datetime.fromisoformat(row["timestamp"])).timestamp() >= start
        and (row["status"] != "normal" or row["healing_result"])
    ]


async def nothing(_world: World, _trader: IntradayTrader, _history: TradingHistory) -> None:
    """Nothing happens."""


# Faults of a session, and what is done about them


def test_a_lost_connection_is_treated_at_once_and_judged_when_it_is_back(tmp_path: Path) -> None:
    day, samples = play(tmp_path, fault_at("11:00:20", Drop()), until="11:03")
    assert told(samples, "11:00") == [
        ("11:00:20", "warning", "reconnect", None),
        ("11:00:20", "normal", None, "connection: healed by reconnect (try 1)"),
    ]
    assert day.report.reconnects == 1


def test_a_dead_feed_is_asked_for_again_then_connected_anew_while_entries_pause(tmp_path: Path) -> None:
    """Ticks and bars are lost from 11:00 to 11:08 on a socket that is alive."""

    async def silence(world: World, _trader: IntradayTrader, _history: TradingHistory) -> None:
        faults = world.faults()
        await world.until("11:00")
        for message in ("ticks", "bars"):
            faults.fire(Lose(message=message, seconds=480))

    day, samples = play(tmp_path, silence, until="11:11")
    feed = [row for row in told(samples, "11:00") if "feed_age" in (row[3] or "") or row[0] == "11:02:00"]
    assert feed == [
        ("11:02:00", "warning", "resubscribe", None),
        ("11:03:00", "warning", "resubscribe", "feed_age: not healed by resubscribe (try 1)"),
        ("11:04:00", "warning", "resubscribe", "feed_age: not healed by resubscribe (try 2)"),
        ("11:05:00", "critical", "reconnect, pause_entries", "feed_age: not healed by resubscribe (try 3)"),
        ("11:06:00", "critical", "reconnect", "feed_age: not healed by reconnect (try 1)"),
        ("11:07:00", "critical", "reconnect", "feed_age: not healed by reconnect (try 2)"),
        ("11:08:00", "normal", None, "feed_age: healed by reconnect (try 3)"),
    ]
    assert day.report.reconnects == 3
    assert day.report.warnings[0] == "entries pause: no tick of any symbol for 301 s"


def test_one_silent_symbol_is_asked_for_again_and_costs_nobody_else_the_connection(tmp_path: Path) -> None:
    day, samples = play(tmp_path, fault_at("11:00", StaleQuotes(seconds=1_200, symbols=("BBB",))), until="11:22")
    acted = [row for row in told(samples, "11:00") if row[2]]
    assert {row[1:3] for row in acted} == {("warning", "resubscribe")}
    assert len(acted) >= 9
    assert (day.report.reconnects, day.report.warnings) == (0, ())


def test_bars_that_the_gateway_does_not_have_yet_are_asked_for_each_minute(tmp_path: Path) -> None:
    _, samples = play(tmp_path, nothing, until="09:40")
    of_first = [(*row[:3], (row[3] or "").partition(";")[0]) for row in told(samples, "09:00")]
    assert of_first == [
        ("09:30:00", "warning", "resubscribe", ""),
        ("09:31:00", "warning", "resubscribe", "bars_missing AAA: not healed by resubscribe (try 1)"),
        ("09:32:00", "normal", None, "bars_missing AAA: healed by resubscribe (try 2)"),
    ]


def test_shares_without_a_stop_are_reconciled_then_connected_anew(tmp_path: Path) -> None:
    """The gateway loses the exits at 11:00 and refuses new ones until 11:06:40."""

    async def strip(world: World, _trader: IntradayTrader, _history: TradingHistory) -> None:
        faults = world.faults()
        await world.until("11:00")
        faults.fire(Reject(code=201, seconds=400))
        for order in world.resting():
            world.gateway.exchange.cancel(order)
        world.gateway.flush()

    day, samples = play(tmp_path, strip, until="11:12", bars=bought_then_lively)
    assert set(day.held) == set(SYMBOLS)
    acted = [row[:3] for row in told(samples, "11:00") if row[2] and row[1] != "normal"]
    assert acted[:3] == [
        ("11:00:10", "warning", "reconcile"),
        ("11:00:30", "critical", "pause_entries"),
        ("11:01:00", "critical", "reconcile"),
    ]
    assert ("11:03:00", "critical", "reconnect") in acted
    assert max(row["unprotected_s"] or 0 for row in samples) == pytest.approx(360, abs=1)  # at 11:06
    (last,) = [row for row in told(samples, "11:06:30") if row[1] == "normal"]
    assert last[0] == "11:07:00"
    assert sorted(order.order_type for order in day.resting if order.side < 0) == sorted(["STP", "LMT", "MKT"] * 3)


def test_a_clock_that_differs_from_the_gateways_is_reported_then_pauses_entries(tmp_path: Path) -> None:
    ahead_s = {"11:01": 3, "11:02": 8, "11:03": -7}

    async def shift(world: World, _trader: IntradayTrader, _history: TradingHistory) -> None:
        def answer(client: ClientConnection, _request: ReqCurrentTime) -> None:
            now = world.clock.now()
            wrong_s = ahead_s.get(f"{now - timedelta(hours=4):%H:%M}", 0)
            client.send(replies.current_time(int(now.timestamp()) + wrong_s))

        world.answer(ReqCurrentTime, answer)

    day, samples = play(tmp_path, shift, until="11:06")
    assert told(samples, "11:00") == [
        ("11:01:00", "warning", "report", None),
        ("11:02:00", "critical", "pause_entries", None),
        ("11:03:00", "critical", None, None),
        ("11:04:00", "normal", None, "clock_drift: over"),
    ]
    # whole seconds are all that a gateway tells: a difference is known to within one
    drifts = {row["timestamp"][14:16]: row["clock_drift_s"] for row in samples if row["timestamp"][11:13] == "15"}
    assert (drifts["01"], drifts["02"], drifts["03"], drifts["04"]) == (2.75, 7.75, 6.25, 0.0)
    assert day.report.warnings == (
        "this machine's clock and the gateway's differ by 2.8 s",
        "entries pause: this machine's clock and the gateway's differ by 7.8 s",
    )


def test_a_record_that_fails_pauses_entries_at_the_next_instant_and_leaves_the_exits(tmp_path: Path) -> None:
    async def spoil(world: World, _trader: IntradayTrader, history: TradingHistory) -> None:
        await world.until("09:40:02")
        history.update_intent("nobody's", "sent", updated_at=world.clock.now())
        wait([history.flush()])  # the writer's thread has found out

    with pytest.raises(RecordsFailed):  # told at the end, too
        play(tmp_path, spoil, until="09:55", bars=bought_then_lively)
    samples = rows(tmp_path / "history.db", "SELECT * FROM agent_health ORDER BY health_id")
    first = next(row for row in samples if row["status"] == "critical")
    assert (first["timestamp"][11:19], first["healing_action"]) == ("13:40:05", "pause_entries")
    assert rows(tmp_path / "history.db", "SELECT * FROM order_intents") == []  # the market said buy at 9:50:40


def test_entries_that_paused_go_on_when_the_finding_is_over(tmp_path: Path) -> None:
    """The clocks differ while the market says buy at 9:50:40, and agree again from 9:52."""

    async def shift(world: World, _trader: IntradayTrader, _history: TradingHistory) -> None:
        def answer(client: ClientConnection, _request: ReqCurrentTime) -> None:
            now = world.clock.now()
            client.send(replies.current_time(int(now.timestamp()) + (20 if now < at("09:52") else 0)))

        world.answer(ReqCurrentTime, answer)

    day, _ = play(tmp_path, shift, until="10:10", bars=bought_then_lively)
    entries = [row[0] for row in day.told() if row[-1] == "entry"]
    assert len(entries) == 3
    assert min(entries) >= "09:52:00"


def test_a_trading_loop_that_stands_still_is_reported_and_gets_no_sign_of_life(tmp_path: Path) -> None:
    stalls: list[tuple[str, str]] = []

    async def hang(world: World, trader: IntradayTrader, _history: TradingHistory) -> None:
        await world.until("11:00:02")
        done = asyncio.Event()
        watch, trader._desk.watch = trader._desk.watch, lambda _: done.wait()  # type: ignore[method-assign,assignment,return-value]
        for moment in ("11:00:50", "11:01:10"):
            await world.until(moment)
            stalls.append((moment, trader.health.stalled()))
        trader._desk.watch = watch  # type: ignore[method-assign]
        done.set()

    day, samples = play(tmp_path, hang, until="11:05")
    assert stalls == [("11:00:50", ""), ("11:01:10", "the trading loop has stood still for 64 s")]
    assert told(samples, "11:00")[0] == ("11:01:00", "warning", "report", None)
    assert day.report.warnings == ("an instant of the trading loop is 55 s overdue",)


def test_a_health_check_that_never_ends_is_no_sign_of_life_although_trading_goes_on(tmp_path: Path) -> None:
    stalls: list[tuple[str, str]] = []

    async def hang(world: World, trader: IntradayTrader, _history: TradingHistory) -> None:
        await world.until("11:00:02")
        done = asyncio.Event()
        ask, trader.health.clock_drift_s = trader.health.clock_drift_s, done.wait  # type: ignore[method-assign,assignment]
        for moment in ("11:03:30", "11:04:30"):
            await world.until(moment)
            stalls.append((moment, trader.health.stalled()))
        trader.health.clock_drift_s = ask  # type: ignore[method-assign]
        done.set()
        await world.until("11:04:31")
        stalls.append(("11:04:31", trader.health.stalled()))

    play(tmp_path, hang, until="11:06")
    assert stalls == [("11:03:30", ""), ("11:04:30", "the last health check was 270 s ago"), ("11:04:31", "")]


def test_a_worker_that_hangs_is_replaced_and_its_job_given_up(tmp_path: Path) -> None:
    """Its thread is told apart from simulated time, which would otherwise wait for it."""
    lost: list[str] = []

    async def hang(world: World, trader: IntradayTrader, _history: TradingHistory) -> None:
        trader.health.monitor._machine = FakeMachine()  # type: ignore[assignment]
        trader.health.monitor._judges_machine = True
        trader._workers._clock = LiveClock()
        await world.until("11:00:20")
        released = threading.Event()
        try:
            await trader._workers.run(lambda _: released.wait(20))
        except WorkerLost as error:
            lost.append(f"{world.clock.now().astimezone(NEW_YORK):%H:%M:%S} {error}")
        finally:
            released.set()
        assert await trader._workers.run(lambda _: "the next job") == "the next job"

    _, samples = play(tmp_path, hang, until="11:04")
    assert lost == ["11:02:00 a watchlist worker did not answer and was replaced"]
    assert told(samples, "11:00")[0] == ("11:02:00", "warning", "restart_worker", None)


def test_scarce_memory_is_given_back_before_entries_pause(tmp_path: Path) -> None:
    class Cycle:
        """Garbage that only a collection finds."""

        def __init__(self) -> None:
            self.itself = self

    found: list[bool] = []

    async def fill(world: World, trader: IntradayTrader, _history: TradingHistory) -> None:
        machine = FakeMachine()
        trader.health.monitor._machine = machine  # type: ignore[assignment]
        trader.health.monitor._judges_machine = True
        await world.until("11:00:30")
        garbage = weakref.ref(Cycle())
        machine.state = HEALTHY._replace(memory_used_pct=90.0)
        found.append(garbage() is not None)
        await world.until("11:01:30")
        found.append(garbage() is not None)

    gc.disable()
    try:
        _, samples = play(tmp_path, fill, until="11:02")
    finally:
        gc.enable()
    assert found == [True, False]
    assert told(samples, "11:01")[0] == ("11:01:00", "warning", "shed_optional_work", None)


# The monitor by itself


class FakePatient:
    """Readings as a test sets them, and what was done to it."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.healed: list[Action] = []
        self.paused: list[str] = []
        self.shed: list[bool] = []
        self.fault: Exception | None = None

    def vitals(self, now_s: float) -> Vitals:
        if self.fault is not None:
            raise self.fault
        return Vitals(tuple(self.readings))

    async def clock_drift_s(self) -> float | None:
        raise BrokerUnavailable("nobody answers")

    async def heal(self, step: Step) -> None:
        self.healed.append(step.action)
        if step.action is Action.RECONNECT:
            raise BrokerUnavailable("no gateway")

    def pause_entries(self, why: str) -> None:
        self.paused.append(why)

    def shed_optional_work(self, sheds: bool) -> None:
        self.shed.append(sheds)


class FakeMachine:
    """A machine in a state that a test sets."""

    def __init__(self) -> None:
        self.state = HEALTHY

    def look(self) -> MachineState:
        return self.state


class Watched:
    """A monitor in simulated time over fakes and a real database."""

    def __init__(self, clock: SimulatedClock, history: TradingHistory, *, judges_machine: bool) -> None:
        self.clock = clock
        self.patient, self.machine = FakePatient(), FakeMachine()
        self.samples: list[HealthRow] = []  # on record in the end
        self.monitor = HealthMonitor(
            *("tester", self.patient, self.machine, history, clock),  # type: ignore[arg-type]
            interval_s=60,
            grid=MONDAY.open,
            judges_machine=judges_machine,
        )

    async def until(self, clock_text: str) -> None:
        await self.clock.sleep_until(at(clock_text))


def watch(folder: Path, during: Callable[[Watched], Awaitable[None]], *, judges_machine: bool = True) -> Watched:
    loop = simulated_loop()
    clock = SimulatedClock(loop, at("09:28:30"))

    async def main() -> Watched:
        watched = Watched(clock, history, judges_machine=judges_machine)
        running = asyncio.create_task(watched.monitor.run())
        await during(watched)
        running.cancel()
        watched.samples = history.health_between(MONDAY.open - timedelta(hours=1), MONDAY.close)
        return watched

    with TradingHistory(folder / "history.db", bot="tester", mode="paper") as history:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                return runner.run(main())
        finally:
            asyncio.set_event_loop(None)


def test_it_checks_each_minute_of_the_session_and_at_once_when_something_happens(tmp_path: Path) -> None:
    async def during(watched: Watched) -> None:
        await watched.until("09:29:40")
        watched.monitor.notice("connection lost")
        watched.monitor.notice("the event loop hung")
        await watched.until("09:31:30")

    samples = watch(tmp_path, during).samples
    assert [(f"{row.timestamp:%M:%S.%f}"[:8], row.detail) for row in samples] == [
        ("29:00.25", None),
        ("29:40.00", "connection lost, the event loop hung"),
        ("30:00.25", None),
        ("31:00.25", None),
    ]


def test_a_machine_that_is_short_of_memory_sheds_work_then_pauses_entries(tmp_path: Path) -> None:
    async def during(watched: Watched) -> None:
        watched.machine.state = HEALTHY._replace(memory_used_pct=90.0)
        await watched.until("09:32:30")
        watched.machine.state = HEALTHY
        await watched.until("09:33:30")

    watched = watch(tmp_path, during)
    assert watched.patient.healed == [Action.SHED_OPTIONAL_WORK] * 3 + [Action.PAUSE_ENTRIES]
    assert watched.patient.shed == [True] * 4 + [False]
    assert watched.patient.paused == ["", "", "", "90 % of the machine's memory is in use", ""]
    last = watched.samples[-1]
    assert (last.status, last.healing_result) == (
        "normal",
        "memory: over; the gateway did not tell its time: nobody answers",
    )


def test_in_simulated_time_the_machine_is_recorded_and_never_acted_upon(tmp_path: Path) -> None:
    async def during(watched: Watched) -> None:
        watched.machine.state = MachineState(100.0, 9e5, 99.0, 99.0, 1.0)
        await watched.until("09:35:30")

    watched = watch(tmp_path, during, judges_machine=False)
    assert (watched.patient.healed, set(watched.patient.paused), set(watched.patient.shed)) == ([], {""}, {False})
    samples = watched.samples
    assert {(row.status, row.cpu_pct, row.memory_pct, row.disk_free_mb) for row in samples} == {
        ("normal", 100.0, 99.0, 1.0)
    }


def test_an_action_that_cannot_be_carried_out_is_on_record(tmp_path: Path) -> None:
    async def during(watched: Watched) -> None:
        watched.patient.readings = [Reading(Measure.CONNECTION, 5.0)]
        await watched.until("09:29:30")

    (sample,) = watch(tmp_path, during).samples
    assert (sample.ib_connected, sample.healing_action) == (False, "reconnect")
    assert sample.healing_result.endswith("reconnect could not be carried out: no gateway")
    assert sample.findings == ({"measure": "connection", "subject": "", "severity": "warning", "value": 5.0},)


def test_a_check_that_fails_is_counted_and_the_next_one_comes_in_its_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def during(watched: Watched) -> None:
        watched.patient.fault = RuntimeError("a bug")
        await watched.until("09:30:30")
        watched.patient.fault = None
        await watched.until("09:31:30")

    watched = watch(tmp_path, during)
    assert watched.monitor.failures == 2
    assert len(watched.samples) == 1
    assert "a health check failed, 2 by now; trading goes on, the next check is due in 0:01:00" in caplog.text


def test_a_late_loop_is_measured_and_a_spike_is_told_at_once() -> None:
    spikes: list[float] = []

    async def main() -> None:
        lag = LoopLag(spike_ms=30.0, on_spike=lambda: spikes.append(1.0))
        probing = asyncio.create_task(lag.probe())
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251 (the loop is held up on purpose)
        await asyncio.sleep(0.15)
        worst_ms = lag.take_worst_ms()
        assert worst_ms >= 90.0  # a probe is due within 0.1 s
        assert len(spikes) >= 1
        assert lag.take_worst_ms() == 0.0  # said once
        probing.cancel()

    asyncio.run(main())
