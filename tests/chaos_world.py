"""Simulated days under a seeded schedule of faults and crashes, judged from the gateway's own journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

from broker.settings import BrokerSettings
from broker.trading_desk import DeskOptions
from day_trading_agents import IntradayTrader, TraderOptions
from ib_simulator.embedded import build_world, choose_sessions, running_gateway, synthetic_feed
from ib_simulator.fault_kinds import Fault
from ib_simulator.fault_plan import PlannedFault
from ib_simulator.faults import FaultInjector
from ib_simulator.gateway import Gateway
from ib_simulator.gateway_options import GatewayOptions
from ib_simulator.journal import Journal, JournalEntry
from ib_simulator.simulated_time import SimulatedClock, simulated_loop
from market_hours import Session, TradingCalendar, utc_from_epoch
from observability import TradingHistory
from performance_config import PerformanceConfig
from tests.exchange_judge import ExchangeJudge, Window
from tests.random_faults import CLIENT, blind_s, random_fault, random_trigger
from trading.errors import BrokerUnavailable
from trading.settings import RiskSettings, SafetySettings, StrategySettings

CASH = 1_000_000_000_000
ALLOCATION = 0.25
BOT = "day_trader"
QUIET_S = 120.0  # nothing happened and nothing was in the way for so long: ledger and broker must agree
LOOK_EVERY = timedelta(seconds=30)
LAST_STRIKE_S = 900.0  # no scheduled fault and no crash in the last minutes before the close
NEW_START = timedelta(seconds=5)  # somebody starts a daemon again that found nobody at the port


@dataclass(slots=True)
class Verdict:
    """What a chaotic run showed. `broken` names every invariant that did not hold."""

    sessions: int = 0
    faults: Counter[str] = field(default_factory=Counter)  # kind -> lines in the gateway's log of faults
    crashes: int = 0
    round_trips: int = 0
    quiet_moments: int = 0
    sales_impossible: int = 0  # positions left at a close before which nothing could be sold
    longest_naked_s: float = 0.0
    highest_exposure_pct: float = 0.0
    broken: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One line for who runs it."""
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        return (
            f"{self.sessions} days, {self.crashes} crashes, {self.faults.total()} faults of {len(self.faults)} kinds "
            f"({kinds}), {self.round_trips} round trips, {self.quiet_moments} quiet moments, longest without a stop "
            f"{self.longest_naked_s:.2f} s, highest exposure {self.highest_exposure_pct:.3f} %, "
            f"{self.sales_impossible} positions that could not be sold, {len(self.broken)} broken"
        )


def chaotic_days(
    directory: Path, *, seed: int, days: int, faults_a_day: int, crashes_a_day: int, symbols: int
) -> Verdict:
    """Run and judge. Deterministic in all its arguments."""
    loop = simulated_loop()
    calendar = TradingCalendar(date(2024, 6, 3), date(2026, 12, 31))
    names = [f"S{number:02}" for number in range(symbols)]
    feed = synthetic_feed(seed, names, calendar, date(2026, 9, 25))
    world = build_world(loop, feed, calendar, choose_sessions(feed, calendar, None, days))

    async def run() -> Verdict:
        with TradingHistory(directory / "chaos.db", bot=BOT, mode="simulated") as history:
            async with running_gateway(world, GatewayOptions(cash=CASH)) as (gateway, port):
                chaos = Chaos(
                    gateway=gateway,
                    clock=world.clock,
                    calendar=calendar,
                    history=history,
                    options=_options(port, directory, symbols),
                    symbols=tuple(names),
                    seed=seed,
                )
                for session in world.sessions:
                    await chaos.day(session, faults_a_day, crashes_a_day)
                return chaos.conclude()

    try:
        return loop.run_until_complete(run())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        asyncio.set_event_loop(None)


class _WatchedInjector(FaultInjector):
    """Tells the judge of the windows in which the client is blind."""

    def __init__(self, gateway: Gateway, judge: ExchangeJudge) -> None:
        super().__init__(gateway)
        self._judge = judge

    def fire(self, fault: Fault) -> None:
        if length_s := blind_s(fault):
            self._judge.unreachable.append(Window(self.now_s, self.now_s + length_s))
        super().fire(fault)


class Chaos:
    """A gateway that is hurt, the daemon in front of it that is killed and started again, and the judge of both."""

    def __init__(
        self,
        *,
        gateway: Gateway,
        clock: SimulatedClock,
        calendar: TradingCalendar,
        history: TradingHistory,
        options: TraderOptions,
        symbols: tuple[str, ...],
        seed: int,
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._calendar = calendar
        self._history = history
        self._options = options
        self._symbols = symbols
        self._rng = Random(f"chaos {seed}")
        self._ids = Random(f"ids {seed}")
        self._judge = ExchangeJudge(client_id=CLIENT, allocation_ppm=round(ALLOCATION * 1_000_000))
        self._injector = _WatchedInjector(gateway, self._judge)
        gateway.inject(self._injector)
        self._journal: Journal = gateway.keep_journal()
        self._entries: list[JournalEntry] = []
        self._last_event_s = 0.0
        self._could_sell_s: Counter[str] = Counter()  # symbol -> seconds after EOD time in which a sale was possible
        self._verdict = Verdict()

    async def day(self, session: Session, faults: int, crashes: int) -> None:
        """One session: the daemon runs, and what can go wrong does."""
        self._verdict.sessions += 1
        self._could_sell_s.clear()
        self._judge.sessions.append(Window(session.open.timestamp(), session.eod.timestamp()))
        rng = self._rng
        moments = sorted(self._moment(session) for _ in range(faults - faults // 2))
        schedule = [(moment, random_fault(rng, self._symbols)) for moment in moments]
        for _ in range(faults // 2):
            self._injector.add(PlannedFault(fault=random_fault(rng, self._symbols), when=random_trigger(rng)))
        deaths = sorted(self._moment(session) for _ in range(crashes))
        async with asyncio.TaskGroup() as group:
            beside = (
                group.create_task(self._fire(schedule)),
                group.create_task(self._look(session)),
                group.create_task(self._watch_the_end(session)),
            )
            await self._trade(session, deaths)
            await self._clock.sleep_until(session.close)
            for task in beside:
                task.cancel()
        self._judge_day(session)

    def conclude(self) -> Verdict:
        """What the days showed."""
        verdict, judge = self._verdict, self._judge
        verdict.broken += judge.broken
        verdict.longest_naked_s = round(judge.longest_naked_s, 3)
        verdict.highest_exposure_pct = judge.highest_exposure_ppm / 10_000
        verdict.faults = Counter(event.kind for event in self._injector.log)
        return verdict

    # What happens

    def _moment(self, session: Session) -> datetime:
        length_s = (session.close - session.open).total_seconds() - LAST_STRIKE_S
        return session.open + timedelta(seconds=self._rng.uniform(60, length_s))

    async def _fire(self, schedule: list[tuple[datetime, Fault]]) -> None:
        for moment, fault in schedule:
            await self._clock.sleep_until(moment)
            self._injector.fire(fault)

    async def _trade(self, session: Session, deaths: list[datetime]) -> None:
        """The daemon's day; it dies at random instants and is started anew, the gateway lives on."""
        while self._clock.now() < session.close:
            trader = IntradayTrader(self._options, session, self._calendar, self._clock, self._history, self._new_id)
            try:
                if await self._run_until_death(trader, session, deaths):
                    return
            except BrokerUnavailable:
                await self._clock.sleep_until(self._clock.now() + NEW_START)
            except Exception as error:  # noqa: BLE001 (a run that dies by itself is a finding, the day goes on)
                self._verdict.broken.append(f"{session.date}: the daemon died: {error!r}")
                await self._clock.sleep_until(self._clock.now() + NEW_START)

    async def _run_until_death(self, trader: IntradayTrader, session: Session, deaths: list[datetime]) -> bool:
        """Whether the daemon came to the end of its day."""
        loop = asyncio.get_running_loop()
        running = loop.create_task(trader.run(self._symbols))
        ends = [running]
        if deaths:
            ends.append(loop.create_task(self._clock.sleep_until(deaths[0])))  # type: ignore[arg-type]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            for other in ends[1:]:
                other.cancel()
            report = running.result()
            self._verdict.round_trips += len(report.round_trips)
            if isinstance(trader.fault, BrokerUnavailable):
                raise trader.fault
            if trader.fault is not None:
                self._verdict.broken.append(f"{session.date}: ended early: {trader.fault!r}")
            return True
        deaths.pop(0)
        self._verdict.crashes += 1
        for client in list(self._gateway.clients):
            client.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return False

    def _new_id(self) -> str:
        return str(UUID(int=self._ids.getrandbits(128), version=4))

    # What is seen of it

    async def _look(self, session: Session) -> None:
        """Compare the ledger with the exchange at every quiet moment."""
        moment = session.open
        while moment < session.close:
            await self._clock.sleep_until(moment)
            self._hear()
            judge, now_s = self._judge, moment.timestamp()
            if now_s - max(judge.able_since_s, self._last_event_s) > QUIET_S and judge.is_able:
                self._verdict.quiet_moments += 1
                self._compare(f"{moment:%m-%d %H:%M:%S}")
            moment += LOOK_EVERY

    async def _watch_the_end(self, session: Session) -> None:
        """Count the seconds from EOD time to the close in which shares that are left could have been sold."""
        now_s = int(session.eod.timestamp())
        while now_s < session.close_s:
            await self._clock.sleep_until(utc_from_epoch(now_s) + timedelta(milliseconds=750))
            held = self._gateway.accounts.first.holdings
            for symbol in [symbol for symbol, holding in held.items() if holding.quantity]:
                market = self._gateway.player.market(symbol)
                if market is not None and market.last and not market.halt and market.volume_left(now_s):
                    self._could_sell_s[symbol] += 1
            now_s += 1

    def _hear(self) -> None:
        news = self._journal.entries(after=self._entries[-1].number if self._entries else 0)
        self._judge.hear(news)
        self._judge.advance(self._clock.now().timestamp())
        self._entries += news
        events = [entry for entry in news if entry.perm_id]
        if events:
            self._last_event_s = datetime.fromisoformat(events[-1].at).timestamp()

    def _compare(self, when: str) -> None:
        owned = {row.symbol: row.quantity for row in self._history.open_positions(BOT)}
        truth = self._judge.shares()
        if owned != truth:
            self._verdict.broken.append(f"{when}: ledger {owned}, broker {truth}")

    def _judge_day(self, session: Session) -> None:
        self._hear()
        broken, day = self._verdict.broken, str(session.date)
        self._compare(day)
        for symbol, shares in self._judge.shares().items():
            if seconds := self._could_sell_s[symbol]:
                broken.append(f"{day}: {shares} {symbol} left, a sale was possible in {seconds} s after EOD time")
            else:
                self._verdict.sales_impossible += 1
        executions = [entry for entry in self._entries if entry.event == "execution"]
        trades = self._history.trades()
        recorded = Counter(row.exec_id for row in trades)
        broken += [
            f"{entry.at}: execution {entry.exec_id} of {entry.symbol} recorded {recorded[entry.exec_id]} times"
            for entry in executions
            if recorded[entry.exec_id] != 1
        ]
        broken += [f"{day}: {n} more executions recorded than made" for n in [len(trades) - len(executions)] if n > 0]
        spent = sum(row.quantity * row.price_usd * (1 if row.action == "BUY" else -1) for row in trades)
        fees = sum(row.commission_usd or 0.0 for row in trades)
        cash = (self._gateway.accounts.first.cash - CASH) / 1_000_000
        if abs(cash + spent + fees) >= 0.01:
            broken.append(f"{day}: cash changed by {cash:.4f} USD, on record {-spent:.4f} less {fees:.4f} of fees")


def _options(port: int, directory: Path, symbols: int) -> TraderOptions:
    return TraderOptions(
        allocation=ALLOCATION,
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
