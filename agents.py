"""The agents of the weekly portfolio bot: gather data, analyse, manage the portfolio, monitor it; and their cycle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from broker.portfolio_desk import PortfolioDesk
from health.kill_switch import KillSwitch
from market_hours import Clock, Session, TradingCalendar
from observability import TradingHistory
from portfolio.attribution import Attribution
from portfolio.construction import Target, construct
from portfolio.exposures import exposures, risk_numbers
from portfolio.rebalance import Plan, make_plan
from portfolio.skill import NO_SKILL
from records.rows import ForecastRow, WeeklyCycleRow
from trading.costs import fee_schedule_on
from trading.money import money_from_usd
from utils import HaltTrading
from vendors.sources import Sources
from weekly.analysis import NOTHING_SAID, Analysis
from weekly.context import CycleContext, Thinking, thinking
from weekly.course import Course
from weekly.cycles import PastCycle, finished_row, next_id, opened_row, past_cycles, planned_row, unfinished
from weekly.forecasts import FACTOR, forecasts_of, outcomes, skill_of, source_of
from weekly.gathering import Gathering
from weekly.holdings import capital_of, look, untradable, weights_of
from weekly.judging import analysis_of, fit_names
from weekly.monitoring import attribution_since, calibration_of, done_of
from weekly.opinions import Opinions
from weekly.options import CycleOptions
from weekly.performing import Performing, PerformingRules, Timing, intents_of
from weekly.permission import Permission, permission
from weekly.results import CycleResult, Holdings, Stage
from weekly.snapshot import Snapshot

log = logging.getLogger(__name__)

LEAST_ASKED = 20  # names that the score forecasts when no model is asked


class Gathered(NamedTuple):
    """A snapshot, and the file that keeps it (empty: none)."""

    snapshot: Snapshot
    file: str


class DataAggregatorAgent:
    """Gathers a cycle's evidence into one dated, hashed snapshot that everything after it uses."""

    def __init__(self, place: CycleContext, sources: Sources) -> None:
        self._place = place
        self._sources = sources

    async def gather(self, held: Sequence[str], watched: Iterable[str]) -> Gathered:
        """The snapshot, also in a file where the options name a folder."""
        place = self._place
        gathering = Gathering(self._sources, place.options, place.session, place.clock)
        snapshot = await gathering.snapshot(held, watched)
        folder = place.options.snapshot_folder
        return Gathered(snapshot, str(snapshot.write(folder)) if folder is not None else "")


class AnalystAgent:
    """Settles old forecasts, judges the snapshot, hears the model, and makes forecasts before anything is bought."""

    def __init__(self, place: CycleContext, opinions: Opinions | None, thought: Thinking) -> None:
        self._place = place
        self._opinions = opinions
        self._thought = thought

    def watched(self) -> list[str]:
        """Names of which forecasts are open."""
        return sorted({row.subject for row in self._place.history.open_forecasts()})

    def settle(self, snapshot: Snapshot) -> int:
        """Settle what is due by the closes of the snapshot; how many forecasts."""
        history, now = self._place.history, self._place.clock.now()
        settled = outcomes(history.open_forecasts(), snapshot.history, now)
        for each in settled:
            history.settle_forecast(each.forecast_id, each.outcome, each.score, now)
        return len(settled)

    async def analyse(self, snapshot: Snapshot, held: Sequence[str]) -> Analysis:
        """Names fit to be weighed and what is expected of them, the model heard by as much as it has earned."""
        options, history = self._place.options, self._place.history
        fit = await self._thought.about(fit_names, snapshot, options, held, snapshot.session_date.toordinal())
        said = NOTHING_SAID
        if self._opinions is not None and options.settings.weekly_llm_names and fit.symbols:
            said = await self._opinions.ask(self._asked(fit.symbols), snapshot)
        settled = history.settled_forecasts()
        skill = skill_of(settled, source_of(said)) if said.model else NO_SKILL
        return analysis_of(snapshot, fit, said, skill, skill_of(settled, FACTOR), options)

    def forecasts(self, cycle_id: str, analysis: Analysis) -> list[ForecastRow]:
        """What is to be on record before the plan."""
        place = self._place
        return forecasts_of(
            self._asked(analysis.returns.symbols),
            {score.symbol: score.score for score in analysis.scores},
            analysis.said,
            cycle_id=cycle_id,
            session=place.session,
            calendar=place.calendar,
            horizon=place.options.monte_carlo_rules().horizon_days,
            now=place.clock.now(),
        )

    def _asked(self, ranked: Sequence[str]) -> Sequence[str]:
        """Names that forecasts are made of, the best first: a model's and the score's are of the same."""
        return ranked[: self._place.options.settings.weekly_llm_names or LEAST_ASKED]


class PortfolioManagerAgent:
    """Weighs the names, plans whole shares within what the bot may spend, and performs the plan through the broker."""

    def __init__(self, place: CycleContext, thought: Thinking) -> None:
        self._place = place
        self._thought = thought
        self._rates = fee_schedule_on(place.session.date)
        self._kill_switch = KillSwitch(Path(place.options.safety.kill_switch_file))

    async def holdings(self, symbols: Iterable[str], close_of: Callable[[str], int]) -> Holdings:
        """The book, the account, and the market of what is owned and of `symbols`."""
        place = self._place
        return await look(place.desk, place.clock, place.session, place.options, symbols, close_of)

    async def weigh(self, analysis: Analysis, snapshot: Snapshot) -> Target:
        """Target weights under the limits. What cannot be traded now keeps its weight."""
        options = self._place.options
        now = await self.holdings((), snapshot.last_close)
        return await self._thought.about(
            construct,
            analysis.returns,
            analysis.views,
            weights_of(now, capital_of(now, options)),
            analysis.sectors,
            options.construction_rules(),
            untradable=untradable(now, self._place.desk, options),
        )

    async def plan(self, cycle_id: str, target: Target, snapshot: Snapshot) -> tuple[Plan, Holdings]:
        """The way to the target at the market of now, and what it starts from."""
        place = self._place
        wanted = {symbol: min(weight, 1.0) for symbol, weight in target.weights.items() if symbol not in target.locked}
        before = await self.holdings([symbol for symbol, weight in wanted.items() if weight > 0], snapshot.last_close)
        at_open = place.clock.now() < place.session.open
        funds = replace(before.funds, proceeds_usable=before.funds.proceeds_usable and not at_open)
        stuck = untradable(before, place.desk, place.options)
        positions = [replace(each, is_tradable=each.symbol not in stuck) for each in before.positions]
        rules = place.options.plan_rules(self._rates, at_open=at_open)
        plan = await self._thought.about(make_plan, cycle_id, wanted, positions, funds, rules)
        return plan, replace(before, funds=funds)

    def permission(self, past: Sequence[PastCycle], now: Holdings) -> Permission:
        """Whether orders may be sent, and when they trade. Raises HaltTrading while the kill switch is thrown."""
        place = self._place
        if not place.options.dry_run and self._kill_switch.order():
            raise HaltTrading(f"{self._kill_switch.file} exists: the kill switch stopped trading")
        last, capital = next((each for each in past if each.traded), None), capital_of(now, place.options)
        drift = None
        if last is not None and capital > 0:
            drift = exposures(now.positions, capital, last.weights, {}).largest_drift
        return permission(place.options, place.session, place.clock.now(), past, drift)

    def performing(self, plan: Plan, before: Holdings, timing: Timing) -> Performing:
        """The plan, ready to be sent."""
        place = self._place
        rules = PerformingRules(
            rates=self._rates,
            patience=timedelta(seconds=place.options.settings.weekly_order_patience_s),
            timing=timing,
            kill_order=self._kill_switch.order,
        )
        return Performing(plan, before.funds, place.desk, place.session, place.clock, place.history, rules)


class MonitoringAgent:
    """Says what was intended and what was done, how things stand, and where the result came from."""

    def __init__(self, place: CycleContext) -> None:
        self._place = place

    def review(self, course: Course, past: Sequence[PastCycle], after: Holdings) -> CycleResult:
        """The cycle as one value; what it has not come to is None."""
        place, row, analysis = self._place, course.row, course.analysis
        history, capital = place.history, capital_of(after, place.options)
        trades = history.trades(place.session_date, bot=history.bot)
        returns = analysis.returns if analysis is not None else None
        weights = weights_of(after, capital)
        return CycleResult(
            cycle_id=row.cycle_id,
            number=history.count_weekly_cycles() - 1,
            session_date=place.session.date,
            mode=history.mode,
            started_at=row.started_at,
            ended_at=place.clock.now(),
            stage=Stage(row.stage),
            why=row.why or "",
            snapshot_digest=row.snapshot_sha256 or "",
            snapshot_file=row.snapshot_file or "",
            analysis=analysis,
            before=course.before,
            after=after,
            target=course.target,
            plan=course.plan,
            fulfilment=done_of(course.plan, trades),
            exposures=exposures(after.positions, capital, course.weights, course.sectors) if capital > 0 else None,
            risk=risk_numbers(weights, returns, returns.daily.mean(axis=1)) if returns is not None else None,
            attribution=self._attribution(past, course),
            calibration=calibration_of(history.settled_forecasts()),
            forecasts_made=course.forecasts_made,
            forecasts_settled=course.forecasts_settled,
            warnings=tuple(place.desk.keeper.warnings),
        )

    def _attribution(self, past: Sequence[PastCycle], course: Course) -> Attribution | None:
        """Of the time from the end of the last cycle to the beginning of this one's orders; None where that is unknown.

        A cycle that was interrupted began its orders in another program.
        """
        last = next((each for each in past if each.positions), None)
        if last is None or course.target is None:
            return None
        history, own = self._place.history, intents_of(course.plan)
        between = history.trades_between(last.row.updated_at, course.before.at)
        trades = [row for row in between if row.bot == history.bot and row.intent_id not in own]
        return attribution_since(last, trades, course.before, money_from_usd(last.row.capital_usd or 0.0))


class WeeklyCycle:
    """The four agents in a row: evidence, judgement, portfolio, review.

    `evidence` takes the place of what would be gathered: a replay. A session whose cycle was interrupted while its
    orders were sent is finished by that cycle's plan.
    """

    def __init__(
        self, place: CycleContext, sources: Sources, opinions: Opinions | None = None, evidence: Snapshot | None = None
    ) -> None:
        self._place = place
        self._sources = sources
        self._opinions = opinions
        self._evidence = evidence
        self._performing: Performing | None = None
        self._task: asyncio.Task[object] | None = None

    def stop(self, reason: str) -> None:
        """End soon: orders that work are withdrawn; before any was sent the cycle is cancelled."""
        if self._performing is not None:
            self._performing.stop(reason)
        elif self._task is not None:
            self._task.cancel(reason)

    async def run(self) -> CycleResult:
        """One cycle to its result. Raises HaltTrading when a safety rule ended it; what happened is on record then."""
        self._task = asyncio.current_task()
        place = self._place
        past = await self._close_old(past_cycles(place.history, place.session_date))
        begun = unfinished(past, place.session_date)
        with thinking(place.clock) as thought:
            manager = PortfolioManagerAgent(place, thought)
            if begun is not None and not place.options.dry_run:
                course = await self._go_on(manager, begun)
            else:
                course = await self._begin(manager, AnalystAgent(place, self._opinions, thought), past)
            return await self._finish(manager, course, past)

    async def _begin(self, manager: PortfolioManagerAgent, analyst: AnalystAgent, past: Sequence[PastCycle]) -> Course:
        """Evidence, forecasts, target and plan, each on record before what follows from it; then the orders."""
        place = self._place
        held = sorted(place.desk.owned)
        gathered = Gathered(self._evidence, "") if self._evidence is not None else None
        if gathered is None:
            gathered = await DataAggregatorAgent(place, self._sources).gather(held, analyst.watched())
        snapshot = gathered.snapshot
        settled = analyst.settle(snapshot) if self._evidence is None else 0
        analysis = await analyst.analyse(snapshot, held)
        cycle_id = next_id(place.session_date, past)
        is_first = not any(each.row.session_date == place.session_date for each in past)
        made = analyst.forecasts(cycle_id, analysis) if is_first and self._evidence is None else []
        opened = opened_row(cycle_id, place.session_date, place.clock.now(), snapshot.digest, gathered.file)
        await self._commit(opened, made)
        target = await manager.weigh(analysis, snapshot)
        plan, before = await manager.plan(cycle_id, target, snapshot)
        timing, why = manager.permission(past, before)
        if snapshot.session_date != place.session.date:
            timing, why = None, f"its evidence is that of {snapshot.session_date}: the plan is not sent"
        stage = Stage.PLANNED if timing is None else Stage.TRADING if timing is Timing.NOW else Stage.QUEUED
        row = planned_row(opened, stage, why, target, plan, before, place.clock.now())
        await self._commit(row)
        course = Course(
            row=row,
            before=before,
            plan=plan,
            weights=target.weights,
            target=target,
            analysis=analysis,
            sectors=analysis.sectors,
            forecasts_made=len(made),
            forecasts_settled=settled,
        )
        return course if timing is None else await self._perform(manager, course, timing)

    async def _go_on(self, manager: PortfolioManagerAgent, begun: PastCycle) -> Course:
        """Send what is left of a plan whose program died."""
        assert begun.plan is not None
        prices = {order.symbol: order.price for order in begun.plan.orders}
        before = await manager.holdings(prices, lambda symbol: prices.get(symbol, 0))
        log.warning("cycle %s was interrupted: what is left of its plan is sent", begun.row.cycle_id)
        course = Course(row=begun.row, before=before, plan=begun.plan, weights=begun.weights)
        return await self._perform(manager, course, Timing.NOW)

    async def _perform(self, manager: PortfolioManagerAgent, course: Course, timing: Timing) -> Course:
        self._performing = manager.performing(course.plan, course.before, timing)
        await self._performing.run()
        stage = Stage.QUEUED if timing is Timing.AT_OPEN else Stage.DONE
        why = self._performing.stopped_because
        return replace(course, row=replace(course.row, stage=stage.value, why=why or None))

    async def _finish(self, manager: PortfolioManagerAgent, course: Course, past: Sequence[PastCycle]) -> CycleResult:
        place = self._place
        await place.desk.settle()
        known = {each.symbol: each.price for each in course.before.positions}
        after = await manager.holdings(known, lambda symbol: known.get(symbol, 0))
        result = MonitoringAgent(place).review(course, past, after)
        await self._commit(finished_row(course.row, result))
        if self._performing is not None and self._performing.is_killed:
            raise HaltTrading(f"{self._performing.stopped_because}; what was done until then is on record")
        return result

    async def _close_old(self, past: list[PastCycle]) -> list[PastCycle]:
        """Cycles of earlier sessions are over, whatever became of them."""
        open_stages = (Stage.TRADING, Stage.QUEUED)
        for each in past:
            if each.stage in open_stages and each.row.session_date < self._place.session_date:
                why = each.row.why or ("it was interrupted" if each.stage is Stage.TRADING else None)
                await self._commit(replace(each.row, stage=Stage.DONE.value, why=why))
        return past

    async def _commit(self, row: WeeklyCycleRow, forecasts: Sequence[ForecastRow] = ()) -> None:
        await self._place.clock.off_loop(self._place.history.commit_cycle(row, forecasts))


async def run_cycle(
    options: CycleOptions,
    session: Session,
    calendar: TradingCalendar,
    clock: Clock,
    desk: PortfolioDesk,
    sources: Sources,
    history: TradingHistory,
    adviser: Opinions | None = None,
    evidence: Snapshot | None = None,
) -> CycleResult:
    """One cycle of the weekly bot in front of a running desk; see `WeeklyCycle`."""
    place = CycleContext(options=options, session=session, calendar=calendar, clock=clock, desk=desk, history=history)
    return await WeeklyCycle(place, sources, adviser, evidence).run()
