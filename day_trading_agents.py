"""The day trader's agents: `WatchlistAnalyst` chooses the symbols, `IntradayTrader` trades them for one session."""

from __future__ import annotations

if __name__ == "__main__":  # the command loads what it needs once its event loop is there
    import sys

    from day_trading.__main__ import main

    sys.exit(main())

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from broker.trading_desk import TradingDesk
from day_trading.advising import ask_adviser
from day_trading.analysis_file import analysis_content
from day_trading.board import Board
from day_trading.desk_facts import desk_facts
from day_trading.entry_judge import EntryJudge
from day_trading.evidence import gather_evidence
from day_trading.gauges import measure_session, record_minute
from day_trading.leaving import leave
from day_trading.model_advice import open_model_adviser
from day_trading.options import TraderOptions, known_watchlist
from day_trading.progress import Progress, no_progress, terminal_progress
from day_trading.session_health import SessionHealth
from day_trading.session_plan import session_plan
from day_trading.session_regime import SessionRegime
from day_trading.session_view import SessionViews
from day_trading.session_window import SessionWindow
from day_trading.symbol_scores import SymbolScores, nothing_fit
from day_trading.universe import choose_universe, refuse_typing_mistakes, refuse_unknown
from health.kill_switch import KillSwitch
from health.workers import WorkerPool
from market_hours import Clock, Session, TradingCalendar
from notifications.notices import Kind
from observability import TradingHistory
from telemetry import tracing
from telemetry.conventions import NS_PER_S
from telemetry.instruments import LOOP_LAG, TICK_TO_ORDER
from telemetry.metering import measure
from telemetry.quiet import quiet
from tools import open_sources
from trading.advice import Adviser
from trading.bars import Bar
from trading.book import SessionBook
from trading.day_report import DayReport, day_report
from trading.errors import BrokerUnavailable
from trading.money import money_to_usd
from trading.settings import StrategySettings
from trading.sizing import symbol_budget
from trading.watchlist import Watchlist, by_score, entries_of, leave_out
from utils import HaltTrading, Misconfigured, TradingError, write_json_atomically
from vendors.sources import Sources

log = logging.getLogger(__name__)

PREPARE_BEFORE_OPEN = timedelta(minutes=30)
KILLED = "the kill switch stopped trading"
TICK_OFFSET = timedelta(milliseconds=500)  # agents act half a second after what was published


class WatchlistAnalyst:
    """Makes the watchlist before the open: universe, filters, scores on the workers, an adviser's nudge, the file.

    Vendors cost opinions, never the list: what could not be had is said in the file. The same answers give the same
    list.
    """

    def __init__(
        self,
        sources: Sources,
        settings: StrategySettings,
        workers: WorkerPool,
        *,
        adviser: Adviser | None = None,
        is_unknown: Callable[[str], Awaitable[bool]] | None = None,
        progress: Progress = no_progress,
    ) -> None:
        """`is_unknown` tells of a symbol that cannot be traded; symbols of a vendor are asked about."""
        self._sources = sources
        self._settings = settings
        self._adviser = adviser
        self._is_unknown = is_unknown
        self._scores = SymbolScores(sources, settings, workers, progress)
        self.assess_all = self._scores.assess_all

    async def analyse(self, universe: Sequence[str], session: Session, file: Path) -> Watchlist:
        """Assess the universe, rank it and write the list to `file`.

        Raises Misconfigured when nothing is fit, BrokerUnavailable when that is for want of answers.
        """
        size = self._settings.watchlist_size
        chosen = await choose_universe(self._sources, universe, self._settings)
        gathered = await gather_evidence(self._sources, chosen, session.date)
        candidates = await self.assess_all(chosen.symbols, session, gathered.of)
        if self._is_unknown is not None:
            candidates = await refuse_unknown(candidates, universe, size, self._is_unknown)
        advised = await ask_adviser(self._adviser, by_score(candidates), gathered.of, size)
        if not advised.order:
            raise nothing_fit(candidates, self._scores.unanswered)
        watchlist = Watchlist(session_date=session.date, source="analysed", entries=entries_of(advised.order[:size]))
        missing = [*chosen.missing, *gathered.missing, *self._scores.missing()]
        write_json_atomically(file, analysis_content(watchlist, chosen, gathered, candidates, advised.views, missing))
        return watchlist


class IntradayTrader:
    """One session, from the connection to the report.

    It acts at the open plus 5k + 0.5 seconds: mark the book, watch the exits, judge the watchlist in rank order.
    Exits rest at the broker; this program is the second net and the sweep after EOD time is the third.
    """

    def __init__(
        self,
        options: TraderOptions,
        session: Session,
        calendar: TradingCalendar,
        clock: Clock,
        history: TradingHistory,
        new_id: Callable[[], str],
        board: Board | None = None,
    ) -> None:
        """With a `board` the session can be watched and commanded from other threads."""
        self._options = options
        self._session = session
        self._calendar = calendar
        self._clock = clock
        self._history = history
        self._stop = asyncio.Event()
        self._stop_reason = ""
        self._flattens = options.flatten_on_exit
        self.killed = False
        self._hurried = False
        self._watchlist = Watchlist(session_date=None, source="none", entries=())
        self._budget = 0
        self.ticks = 0
        self._started_at = clock.now()
        self._parameters = options.strategy.parameters()
        self._allocation_ppm = round(options.allocation * 1_000_000)
        self._book = SessionBook(0, self._allocation_ppm, session.close_s, options.risk.limits(0))
        self._desk = TradingDesk(options.desk, session, clock, history, self._book, self._parameters, new_id)
        self._entries = EntryJudge(self._desk, session, self._parameters, new_id, dry_run=options.desk.dry_run)
        self._regime = SessionRegime(session, self._desk.view.seen)
        self._desk.keeper.record.regime_at = self._regime.name_at
        self._desk.keeper.record.variant = options.variant
        self._kill_switch = KillSwitch(Path(options.desk.safety.kill_switch_file))
        self._workers = WorkerPool(options.performance.watchlist_workers, "watchlist", clock)
        self.health = SessionHealth(
            self._desk,
            session,
            clock,
            history,
            self._workers,
            self._entries.shed_optional_work,
            options.performance,
            dry_run=options.desk.dry_run,
            tell_outage_after_s=options.tell_outage_after_s,
        )
        views = SessionViews(self._desk, self._entries.funnel, session, self._parameters, history.bot, history.mode)
        self._window = SessionWindow(board, self._desk, views, self, clock, dry_run=options.desk.dry_run)
        self.seen_bars: Mapping[str, Sequence[Bar]] = self._desk.view.seen  # symbol -> completed minute bars
        self.fault: TradingError | None = None
        self._broker_result: Mapping[str, Any] | None = None

    def stop(self, reason: str, *, flatten: bool = False) -> None:
        """End the run soon and cleanly; said twice, at once. Safe to call from a signal handler of the loop."""
        self._hurried = self._stop.is_set()
        self._stop_reason = self._stop_reason or reason
        self._flattens = self._flattens or flatten
        self._stop.set()

    def kill(self, what: str, *, flatten: bool = False, lasts: bool = False) -> None:
        """The kill switch, thrown by `what`: no more entries; `flatten` closes what this bot owns and ends the run.

        `lasts`: in a real session its file is written, too, so that a restart does not trade again.
        """
        self.killed = True
        self._desk.keeper.stop_entries(f"kill switch: {what}, no more entries", Kind.KILL_SWITCH)
        if flatten:
            self.stop(f"kill switch: {what}, flatten", flatten=True)
        if lasts and self._clock.is_real:
            self._kill_switch.throw("flatten" if flatten else "stop")

    @property
    def was_stopped(self) -> bool:
        """Whether somebody ended the run before the session was over."""
        return self._stop.is_set()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The watchlist, in rank order; empty while there is none."""
        return self._watchlist.symbols

    @property
    def bars(self) -> Mapping[str, Sequence[Bar]]:
        """The session's completed minute bars by symbol."""
        return self._desk.view.bars

    async def run(self, universe: Sequence[str]) -> DayReport:
        """Trade the session and tell it. What ended it early once it was connected is kept in `fault`."""
        self._watchlist = known_watchlist(self._options, self._session, self._calendar) or self._watchlist
        with self._window.open():
            return await self._run(universe)

    async def _run(self, universe: Sequence[str]) -> DayReport:
        await self._window.wait_until(self._session.open - PREPARE_BEFORE_OPEN, self._wait_until)
        if self._stop.is_set():
            self.fault = HaltTrading(KILLED) if self.killed else None
            return self._report()
        try:
            with self._workers:
                async with self._desk.running(), self.health.running():
                    await self._trade_or_tell_why_not(universe)
                    return self._report()
        except BaseExceptionGroup:
            if self._desk.fault is None:
                raise
            self.fault = self._desk.fault  # of the connection: the day until then is told all the same
            log.info("the session ends early: %s; resting exits stay at the broker", self.fault)
            return self._report()

    async def _trade_or_tell_why_not(self, universe: Sequence[str]) -> None:
        try:
            self._set_capital()
            await self._trade(universe)
        except Misconfigured:
            raise  # nothing was traded: one line is enough
        except TradingError as error:
            log.info("the session ends early: %s; resting exits stay at the broker", error)
            self.fault = error

    async def _trade(self, universe: Sequence[str]) -> None:
        """The session once its positions are known."""
        if self._clock.now() < self._session.eod:
            await self._choose_watchlist(universe)
            self._set_capital()
            await self._desk.ask_what_entries_bind(self._watchlist.symbols, self._budget)
            await self._window.wait_until(self._session.open, self._wait_until)
        self._set_capital()
        await self._desk.follow_positions()
        await self._desk.ask_what_entries_bind(self._watchlist.symbols, self._budget)
        if not self._options.desk.dry_run:
            self._history.record_session_plan(
                session_plan(self._options, self._session, self._watchlist, self._desk.view, self._book.equity_at_open)
            )
        self.health.started_ticking()
        await self._monitor()
        self.health.stopped_ticking()
        if self._stop.is_set():
            flattens = self._flattens and not self._options.desk.dry_run
            await leave(self._desk, self._book, self._session, self._clock, flattens, lambda: self._hurried)
        await self._desk.settle()
        self._broker_result = await self._desk.broker_result()
        if self.killed:
            raise HaltTrading(KILLED)

    # Before the open

    async def _choose_watchlist(self, universe: Sequence[str]) -> None:
        options, data = self._options, self._desk.broker.data
        if self._watchlist.entries and self._watchlist.session_date is None:
            await refuse_typing_mistakes(self._watchlist.symbols, options.watchlist_file, data.is_unknown)
        if not self._watchlist.entries:
            await self._analyse(universe)
        safety = options.desk.safety
        others = self._desk.owned_by_others() if safety.shared_symbols == "exclude" else {}
        self._watchlist, left_out = leave_out(self._watchlist, safety.never_trade, tuple(others))
        for words in left_out:
            self._desk.keeper.warn(words)
        await self._desk.take_positions(self._watchlist.symbols)
        await self._desk.follow(self._watchlist.symbols)
        before = self._calendar.previous_session(self._session.date)
        await self._regime.learn(self._watchlist.symbols, before, data.session_minutes)

    async def _analyse(self, universe: Sequence[str]) -> None:
        """Make the list. Vendors are asked where the options allow it: never in a simulated session."""
        options, data = self._options, self._desk.broker.data
        name = "IBKR" if self._clock.is_real else "simulated gateway"
        async with (
            open_sources(options.vendors, self._clock, daily_bars=data.daily_bars, broker_name=name) as sources,
            open_model_adviser(
                options.llm, self._session.date, self._clock, self._history, replay=options.llm_replay
            ) as adviser,
        ):
            analyst = WatchlistAnalyst(
                sources,
                options.strategy,
                self._workers,
                adviser=adviser,
                is_unknown=data.is_unknown if options.vendors is not None else None,
                progress=terminal_progress if self._clock.is_real else no_progress,
            )
            self._watchlist = await analyst.analyse(universe, self._session, options.watchlist_file)

    def _set_capital(self) -> None:
        """Fix equity, limits and the budget per symbol."""
        book = self._book
        book.equity_at_open = self._desk.equity_before()
        book.limits = self._options.risk.limits(
            book.equity_at_open * self._allocation_ppm // 1_000_000, book.equity_at_open
        )
        self._budget = symbol_budget(
            book.equity_at_open, self._allocation_ppm, len(self._watchlist.entries), self._parameters.position_bps
        )

    # The session

    async def _monitor(self) -> None:
        """The 5-second rhythm, until the book is flat after EOD time, the close, or a stop."""
        session, interval_s = self._session, self._options.performance.monitor_interval_s
        step = -1
        while not self._stop.is_set():
            passed_s = (self._clock.now() - session.open - TICK_OFFSET).total_seconds()
            step = max(step + 1, math.ceil(passed_s / interval_s))  # instants that were missed stay missed
            instant = session.open + TICK_OFFSET + timedelta(seconds=step * interval_s)
            await self._wait_until(instant)
            if self._stop.is_set():
                break
            now_s = session.open_s + step * interval_s
            if now_s >= session.close_s or (now_s >= self._desk.positions.sweep_from_s and self._desk.is_flat()):
                return
            late_s = (self._clock.now() - instant).total_seconds()
            measure(LOOP_LAG, late_s)
            await self._tick(now_s)
            self.health.ticked(now_s, late_s)
            if (now_s - session.open_s) % self._options.performance.health_interval_s == 0:
                measure_session(self._book, self._desk, self._history, now_s)
            record_minute(self._book, self._history, session, now_s)
            self._window.show(now_s)
            quiet()

    async def _tick(self, now_s: int) -> None:
        """One agent instant. While the connection is not ready nothing is sent; exits rest at the broker."""
        began_ns = tracing.now_ns()
        self.ticks += 1
        self._desk.mark()
        self._obey_kill_switch()
        self._window.obey()
        if not self._desk.supervisor.is_ready:
            return
        try:
            await self._window.close_on()
            await self._desk.watch(now_s)
            await self._desk.follow_positions()
            if now_s < int(self._session.eod.timestamp()) and self._desk.may_record():
                await self._enter(now_s, began_ns)
        except BrokerUnavailable as error:
            log.warning("%s; reconciliation finds out what became of it", error)
        finally:
            self._desk.keeper.record.write()

    async def _enter(self, now_s: int, began_ns: int) -> None:
        """Send the entries that are approved now. Raises BrokerUnavailable."""
        for intents in self._entries.judge(self._watchlist.symbols, self._budget, now_s):
            await self._desk.enter(intents)
            measure(TICK_TO_ORDER, (tracing.now_ns() - began_ns) / NS_PER_S)

    def _obey_kill_switch(self) -> None:
        if order := self._kill_switch.order():
            self.kill(f"{self._kill_switch.file} exists", flatten=order == "flatten")

    async def _wait_until(self, when: datetime) -> None:
        """Sleep until `when` or until somebody says stop."""
        left_s = (when - self._clock.now()).total_seconds()
        if left_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._stop.wait()

    def _report(self) -> DayReport:
        """The session as it ended."""
        fault = self.fault if isinstance(self.fault, HaltTrading) else f"fault: {self.fault}"
        ended = str(fault) if self.fault is not None else self._stop_reason or "the session is over"
        return day_report(
            self._book,
            self._entries.funnel,
            session_date=self._session.date,
            mode=self._history.mode,
            prices_from=self._options.prices_from,
            started_at=self._started_at,
            ended_at=self._clock.now(),
            ended_because=ended,
            allocation=self._options.allocation,
            symbol_budget_usd=money_to_usd(self._budget),
            watchlist=self._watchlist.symbols,
            parameters=self._parameters._asdict(),
            versions=self._options.versions,
            ticks=self.ticks,
            broker_result=self._broker_result,
            **desk_facts(self._desk),
        )
