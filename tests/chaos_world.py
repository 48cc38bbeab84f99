"""Simulated days under a seeded schedule of faults and crashes, judged from the gateway's own journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from uuid import UUID

from broker.settings import BrokerSettings
from broker.trading_desk import DeskOptions
from day_trading.options import TraderOptions
from day_trading_agents import IntradayTrader
from ib_simulator.embedded import build_world, choose_sessions, running_gateway, synthetic_feed
from ib_simulator.fault_kinds import (
    Connectivity,
    Crash,
    Delay,
    Drop,
    Duplicate,
    Farm,
    Fault,
    FillAfterCancel,
    LoseAcknowledgement,
    Reject,
    Reorder,
    Restart,
    Silent,
    Slow,
    StaleQuotes,
)
from ib_simulator.fault_plan import AfterMessage, PlannedFault
from ib_simulator.faults import FaultInjector
from ib_simulator.gateway import Gateway
from ib_simulator.gateway_options import GatewayOptions
from ib_simulator.journal import JournalEntry
from ib_simulator.message_names import Direction
from ib_simulator.simulated_time import SimulatedTimeLoop, simulated_loop
from market_hours import Session, TradingCalendar
from observability import TradingHistory
from performance_config import PerformanceConfig
from trading.errors import BrokerUnavailable
from trading.settings import RiskSettings, SafetySettings, StrategySettings

CLIENT = 2
CASH = 1_000_000_000_000


@dataclass(slots=True)
class Verdict:
    """What a chaotic run showed. `broken` names every invariant that did not hold."""

    sessions: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    crashes: int = 0
    round_trips: int = 0
    broken: list[str] = field(default_factory=list)


def random_fault(rng: Random) -> Fault:
    """Any fault of the gateway, with a length that a day survives."""
    makers: tuple[Callable[[], Fault], ...] = (
        lambda: Drop(),
        lambda: Drop(reset=True),
        lambda: Silent(seconds=rng.uniform(5, 120)),
        lambda: Silent(seconds=rng.uniform(300, 900)),
        lambda: Connectivity(seconds=rng.uniform(300, 900), restored=rng.choice((1101, 1102)), orders="refused"),
        lambda: Restart(refused_s=rng.uniform(300, 900)),
        lambda: Connectivity(seconds=rng.uniform(2, 90), restored=rng.choice((1101, 1102)), orders="refused"),
        lambda: Connectivity(seconds=rng.uniform(2, 90), restored=rng.choice((1101, 1102)), orders="queued"),
        lambda: Connectivity(seconds=rng.uniform(2, 90), code=2110, restored=1102, orders="lost"),
        lambda: Farm(farm=rng.choice(("market", "history")), seconds=rng.uniform(5, 60)),
        lambda: Restart(refused_s=rng.uniform(5, 90)),
        lambda: Crash(refused_s=rng.uniform(5, 60)),
        lambda: Delay(message="orderReports", delay_s=rng.uniform(0.1, 8), seconds=rng.uniform(5, 60)),
        lambda: Duplicate(message="orderReports", count=rng.randint(1, 6)),
        lambda: Reorder(message="orderStatus", count=rng.randint(1, 3)),
        lambda: Slow(delay_s=rng.uniform(0.1, 2), seconds=rng.uniform(5, 60)),
        lambda: StaleQuotes(seconds=rng.uniform(10, 120)),
        lambda: LoseAcknowledgement(count=rng.randint(1, 3), from_trigger=False),
        lambda: FillAfterCancel(count=1, report_after_s=rng.uniform(0.2, 5)),
        lambda: Reject(code=201, count=rng.randint(1, 2)),
    )
    return rng.choice(makers)()


def random_trigger(rng: Random) -> AfterMessage:
    """A moment that hurts: around an order on its way in, or a report about one on its way out."""
    if rng.random() < 0.4:
        return AfterMessage(direction=Direction.IN, ids=frozenset({3}), count=rng.randint(1, 60))
    return AfterMessage(direction=Direction.OUT, ids=frozenset({rng.choice((3, 5, 11, 59))}), count=rng.randint(1, 60))


def chaotic_days(
    directory: Path, *, seed: int, days: int, faults_a_day: int, crashes_a_day: int, symbols: int
) -> Verdict:
    """Run and judge. Deterministic in all its arguments."""
    loop = simulated_loop()
    try:
        return loop.run_until_complete(_run(loop, directory, seed, days, faults_a_day, crashes_a_day, symbols))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        asyncio.set_event_loop(None)


async def _run(
    loop: SimulatedTimeLoop, directory: Path, seed: int, days: int, faults_a_day: int, crashes_a_day: int, symbols: int
) -> Verdict:
    from datetime import date

    rng = Random(f"chaos {seed}")
    calendar = TradingCalendar(date(2024, 6, 3), date(2026, 12, 31))
    names = [f"S{number:02}" for number in range(symbols)]
    feed = synthetic_feed(seed, names, calendar, date(2026, 9, 25))
    sessions = choose_sessions(feed, calendar, None, days)
    world = build_world(loop, feed, calendar, sessions)
    verdict = Verdict()
    ids = Random(f"ids {seed}")

    def new_id() -> str:
        return str(UUID(int=ids.getrandbits(128), version=4))

    async with running_gateway(world, GatewayOptions(cash=CASH)) as (gateway, port):
        injector = FaultInjector(gateway)
        gateway.inject(injector)
        journal = gateway.keep_journal()
        options = _options(port, directory, symbols)
        with TradingHistory(directory / "chaos.db", bot="day_trader", mode="simulated") as history:
            for session in sessions:
                verdict.sessions += 1
                schedule = _schedule(rng, session, faults_a_day - faults_a_day // 2)
                for _ in range(faults_a_day // 2):
                    injector.add(PlannedFault(fault=random_fault(rng), when=random_trigger(rng)))
                async with asyncio.TaskGroup() as group:
                    faults = group.create_task(_fire(schedule, injector, world.clock))
                    await _day(
                        options,
                        session,
                        calendar,
                        world.clock,
                        history,
                        new_id,
                        feed,
                        gateway,
                        rng,
                        crashes_a_day,
                        verdict,
                    )
                    faults.cancel()
                _judge(verdict, session, gateway, history, journal.entries())
        verdict.faults = Counter(event.kind for event in injector.log)
    return verdict


def _options(port: int, directory: Path, symbols: int) -> TraderOptions:
    return TraderOptions(
        allocation=0.25,
        flatten_on_exit=False,
        analyse=True,
        load_watchlist=False,
        watchlist_file=directory / "watchlist.json",
        prices_from="chaos",
        versions={},
        strategy=StrategySettings(watchlist_size=symbols, watchlist_universe=("S00",)),
        risk=RiskSettings(risk_max_daily_loss_pct=20, risk_max_drawdown_pct=30, risk_loss_streak=50),
        performance=PerformanceConfig(),
        desk=DeskOptions(
            client_id=CLIENT,
            live=False,
            dry_run=False,
            broker=BrokerSettings(ib_port=port, ib_connect_timeout_s=5.0, ib_request_timeout_s=10.0),
            safety=SafetySettings(kill_switch_file=str(directory / "KILL")),
            consents={},
            daily_atr=True,
        ),
    )


def _schedule(rng: Random, session: Session, count: int) -> list[tuple[float, Fault]]:
    length = (session.close - session.open).total_seconds() - 900
    return sorted(
        ((session.open.timestamp() + rng.uniform(60, length), random_fault(rng)) for _ in range(count)),
        key=lambda entry: entry[0],
    )


async def _fire(schedule: list[tuple[float, Fault]], injector: FaultInjector, clock) -> None:  # type: ignore[no-untyped-def]
    from market_hours import utc_from_epoch

    for moment, fault in schedule:
        await clock.sleep_until(utc_from_epoch(moment))
        injector.fire(fault)


async def _day(options, session, calendar, clock, history, new_id, feed, gateway, rng, crashes, verdict) -> None:  # type: ignore[no-untyped-def]
    """The daemon's day; it dies at random instants and is started anew, the gateway lives on."""
    length = (session.close - session.open).total_seconds() - 900
    deaths = sorted(session.open + timedelta(seconds=rng.uniform(60, length)) for _ in range(crashes))
    while True:
        trader = IntradayTrader(options, session, calendar, clock, history, new_id)
        running = asyncio.get_running_loop().create_task(trader.run(feed.symbols(session.date)))
        death = deaths.pop(0) if deaths else None
        try:
            if death is None:
                report = await running
                verdict.round_trips += len(report.round_trips)
                if trader.fault is not None:
                    verdict.broken.append(f"{session.date}: ended early: {trader.fault!r}")
                return
            waiting = asyncio.get_running_loop().create_task(clock.sleep_until(death))
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if running.done():
                report = running.result()
                verdict.round_trips += len(report.round_trips)
                return
            verdict.crashes += 1
            for client in list(gateway.clients):
                client.close()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        except BrokerUnavailable:
            await clock.sleep_until(clock.now() + timedelta(seconds=5))  # nobody answers yet: somebody starts it again
            if clock.now() >= session.close:
                return
        except Exception as error:  # noqa: BLE001 (a run that dies by itself is a finding, the day goes on)
            verdict.broken.append(f"{session.date}: the daemon died: {error!r}")
            await clock.sleep_until(clock.now() + timedelta(seconds=5))
            if clock.now() >= session.close:
                return


def _judge(
    verdict: Verdict, session: Session, gateway: Gateway, history: TradingHistory, entries: list[JournalEntry]
) -> None:
    day = str(session.date)
    executions = [entry for entry in entries if entry.event == "execution"]
    net: Counter[str] = Counter()
    for entry in executions:
        net[entry.symbol] += entry.side * entry.shares
        if net[entry.symbol] < 0:
            verdict.broken.append(f"{entry.at}: short {net[entry.symbol]} {entry.symbol}")
    bought: Counter[str] = Counter()
    for entry in executions:
        bought[entry.order_ref] += entry.shares
    quantity = {
        entry.order_ref: max(e.quantity for e in entries if e.order_ref == entry.order_ref) for entry in executions
    }
    verdict.broken += [f"{ref}: {n} filled of {quantity[ref]}" for ref, n in bought.items() if n > quantity[ref]]
    refs = Counter(e.order_ref for e in {(e.perm_id, e.order_ref): e for e in entries if e.order_ref}.values())
    verdict.broken += [f"{ref}: sent {n} times" for ref, n in refs.items() if n > 1]
    recorded = Counter(row.exec_id for row in history.trades())
    for entry in executions:
        if recorded[entry.exec_id] != 1:
            verdict.broken.append(
                f"{entry.at}: execution {entry.exec_id} of {entry.symbol} recorded {recorded[entry.exec_id]} times"
            )
    owned = {row.symbol: row.quantity for row in history.open_positions("day_trader")}
    truth = {symbol: shares for symbol, shares in net.items() if shares}
    if owned != truth:
        verdict.broken.append(f"{day}: ledger {owned}, broker {truth}")
    if truth:
        verdict.broken.append(f"{day}: not flat after the session: {truth}")
    account = gateway.accounts.first
    money = sum(-entry.side * entry.price * entry.shares * 100 for entry in executions)
    fees = sum(row.commission_usd or 0.0 for row in history.trades())
    if abs(account.cash - CASH - money + round(fees * 1_000_000)) > 10_000:
        verdict.broken.append(f"{day}: cash differs: {account.cash - CASH} against {money} less {fees}")
