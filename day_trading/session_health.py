"""The health of one session: what its monitor reads, and how the session is healed."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from broker.connection_state import Link
from broker.desk_health import DeskHealth
from broker.trading_desk import TradingDesk
from day_trading.alarms import Alarms
from health.findings import THRESHOLDS, Action, Measure, Reading, Severity, Vitals, worst
from health.machine import LoopLag, Machine
from health.treatment import Step
from health.workers import WorkerPool
from market_hours import Clock, Session
from observability import TradingHistory
from performance_config import PerformanceConfig
from self_evaluation import HealthMonitor

log = logging.getLogger(__name__)

AT_THE_BROKER = frozenset({Action.RECONNECT, Action.RESUBSCRIBE, Action.RECONCILE})
AGENT = "day_trader"
LATE_CHECKS = 4  # intervals without a health check are no delay any more


class SessionHealth:
    """A `Patient` for `HealthMonitor`: the desk, the workers, the record and the trading loop of one session.

    `shed` are told to do without optional work (True) and to take it up again (False).
    """

    def __init__(
        self,
        desk: TradingDesk,
        session: Session,
        clock: Clock,
        history: TradingHistory,
        workers: WorkerPool,
        shed: Callable[[bool], None],
        performance: PerformanceConfig,
        *,
        dry_run: bool,
        tell_outage_after_s: int,
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._history = history
        self._workers = workers
        self._shed = shed
        self._sheds = False
        self._performance = performance
        self._is_running = False
        self._ticked_s: float | None = None  # when the trading loop last finished an instant; None: it is not running
        self._exposure = Severity.NORMAL  # of shares without a stop, as last seen
        self._trouble = ""  # of the record, as last seen
        self._broker = DeskHealth(desk, session, clock, dry_run=dry_run)
        self._alarms = Alarms(desk, tell_outage_after_s)
        self._lag = LoopLag(THRESHOLDS[Measure.LOOP_LAG].critical, lambda: self.monitor.notice("the event loop hung"))
        self.monitor = HealthMonitor(
            AGENT,
            self,
            Machine(history.path.parent),
            history,
            clock,
            interval_s=performance.health_interval_s,
            grid=session.open,
            judges_machine=clock.is_real,
        )
        desk.supervisor.on_change = self._on_link

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Checked while the block runs. The loop's lag is probed in real time only: simulated time has none."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.monitor.run(), name="health monitor")]
            if self._clock.is_real:
                tasks.append(group.create_task(self._lag.probe(), name="loop lag probe"))
            self._is_running = True
            try:
                yield
            finally:
                self._is_running, self._ticked_s = False, None
                for task in tasks:
                    task.cancel()

    def started_ticking(self) -> None:
        """The trading loop begins: its instants are waited for."""
        self._ticked_s = self._clock.now().timestamp()

    def ticked(self, now_s: int, late_s: float) -> None:
        """The trading loop finished an instant, which had begun `late_s` behind its time."""
        self._ticked_s = self._clock.now().timestamp()
        self._lag.saw(late_s * 1_000)
        self._alarms.look(self.monitor.findings, now_s)
        exposure = self._broker.watch_exits(now_s)
        if exposure > self._exposure:
            self.monitor.notice("shares without a stop")
        self._exposure = exposure
        if (trouble := self._history.trouble) != self._trouble:
            self._trouble = trouble
            self.monitor.notice(trouble or "the database is written again")

    def stopped_ticking(self) -> None:
        """The trading loop is over: no instant is to be waited for."""
        self._ticked_s = None

    def stalled(self) -> str:
        """Why the program makes no progress, in words; empty while it does."""
        waited_s = self._waited_s()
        if waited_s >= THRESHOLDS[Measure.TRADING_LOOP].critical:
            return f"the trading loop has stood still for {waited_s:.0f} s"
        unchecked_s = (self._clock.now() - self.monitor.checked_at).total_seconds()
        if self._is_running and unchecked_s >= LATE_CHECKS * self._performance.health_interval_s:
            return f"the last health check was {unchecked_s:.0f} s ago"
        return ""

    def status(self) -> str:
        """One line on how it is going."""
        book, state = self._desk.keeper.book, self._desk.supervisor.state
        health = worst(self.monitor.findings).name.lower()
        return f"connection {state}, {len(book.positions)} positions, health {health}"

    def _waited_s(self) -> float:
        """Seconds for which an instant of the trading loop is overdue."""
        if self._ticked_s is None:
            return 0.0
        return max(self._clock.now().timestamp() - self._ticked_s - self._performance.monitor_interval_s, 0.0)

    def _on_link(self, before: Link, now: Link) -> None:
        """Leaving READY for more than a synchronisation, and coming back, are looked at when they happen."""
        if now is Link.READY or (before is Link.READY and now is not Link.SYNCING):
            self.monitor.notice(f"connection {now}")

    # The patient

    def vitals(self, now_s: float) -> Vitals:
        self._alarms.look(self.monitor.findings, int(now_s))  # before the open there are no ticks
        pool, name = self._workers.state(), self._workers.name
        broker = self._broker.vitals(now_s)
        found = [
            *broker.readings,
            Reading(Measure.TRADING_LOOP, self._waited_s()),
            Reading(Measure.LOOP_LAG, self._lag.take_worst_ms()),
            Reading(Measure.DATABASE_QUEUE, self._history.waiting),
            Reading(Measure.WORKER_QUEUE, pool.waiting, name),
            Reading(Measure.WORKER_STUCK, pool.oldest_s, name),
        ]
        if trouble := self._history.trouble:
            found.append(Reading(Measure.DATABASE, 1, trouble))
        return Vitals(tuple(found), broker.unknown)

    async def clock_drift_s(self) -> float | None:
        return await self._broker.clock_drift_s()

    async def heal(self, step: Step) -> None:
        if step.action in AT_THE_BROKER:
            await self._broker.heal(step)
        elif step.action is Action.RESTART_WORKER:
            self._workers.restart(THRESHOLDS[Measure.WORKER_STUCK].warning)
        elif step.finding.measure is Measure.MEMORY:
            gc.collect()
        elif step.action is Action.REPORT:
            self._desk.keeper.warn(step.finding.words)

    def pause_entries(self, why: str) -> None:
        book = self._desk.keeper.book
        if bool(why) == bool(book.entries_paused):
            book.entries_paused = why
            return
        book.entries_paused = why
        words = f"entries pause: {why}" if why else "entries may go on"
        if why and self._desk.supervisor.is_ready:  # the loss of a connection is in the report anyway
            self._desk.keeper.warn(words)
        else:
            log.info("%s", words)

    def shed_optional_work(self, sheds: bool) -> None:
        if sheds != self._sheds:
            self._sheds = sheds
            log.info("optional work is %s", "shed" if sheds else "taken up again")
            self._shed(sheds)
