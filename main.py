"""The weekly portfolio bot: `python main.py`; with `--interval` it stays, with `--simulate` it runs over past years."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from commands import DONE, FAULT, fail, known_error, loudness
from utils import (
    Environment,
    HaltTrading,
    Misconfigured,
    Redaction,
    Retryable,
    load_settings,
    read_environment,
    setup_logging,
)
from weekly.command_line import parse_arguments

if TYPE_CHECKING:
    from agents import WeeklyCycle
    from market_hours import Clock
    from observability import TradingHistory
    from weekly.opinions import Opinions
    from weekly.options import CycleOptions
    from weekly.settings import WeeklyConfiguration
    from weekly.snapshot import Snapshot

log = logging.getLogger("main")

DATABASE = Path("trading_history.db")
LOG_DIR = Path("logs")
REPORTS = Path("reports/weekly")
SNAPSHOT_FOLDER = REPORTS / "snapshots"
BOT = "weekly"
LIBRARIES, PACKAGES = ("arch", "skfolio"), "requirements.txt"  # beyond those of the day trader
AFTER_A_LOSS = timedelta(minutes=15)  # a gateway that was away is looked for again, however long the interval
REPORTED_CYCLES = 260  # in the pictures of a report: years of weekly cycles


def main(arguments: Sequence[str] | None = None, clock: Clock | None = None) -> int:
    """Run and return the exit code: 0 done, 1 fault, 2 wrong usage or configuration, 3 stopped by a safety rule.

    `clock` is the machine's own when not given.
    """
    args = parse_arguments(arguments)
    blank: Callable[[str], str] = str
    try:
        environment = read_environment()
        from day_trading.settings import secrets_of  # one `.env` serves both bots
        from notifications.settings import NotificationSettings

        secrets = secrets_of(environment)
        blank = Redaction(secrets)
        level, unseen = loudness(args.verbose)
        setup_logging(LOG_DIR / "weekly.log", level, secrets=secrets, file_only=unseen)
        from endings import ending_together
        from market_hours import NEW_YORK, LiveClock
        from notifications.run import Notifications
        from observability import Telemetry

        telling = load_settings(NotificationSettings, environment)
        mode = "simulated" if args.simulate is not None else "live" if args.live else "paper"
        with (
            ending_together(),
            Telemetry.of(environment, bot=BOT, mode=mode, secrets=secrets),
            Notifications.of(telling, bot="Weekly bot", mode=mode, zone=NEW_YORK, blank=blank),
        ):
            run = _trade if args.simulate is None else _simulate
            return run(args, environment, clock or LiveClock())
    except KeyboardInterrupt:  # the cycles take the signals over when they begin
        print("Stopped by Ctrl-C before a cycle began.")
        return DONE
    except Exception as error:
        if (known := known_error(error)) is not None:
            return fail("main.py", known, blank)
        log.critical("a fault of the program ended it", exc_info=error)  # blanked there; Python's own trace is not
        return FAULT


def _trade(args: argparse.Namespace, environment: Environment, clock: Clock) -> int:
    """Cycles in front of the gateway of the settings."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()  # the client library binds to the loop that is set when it is imported
        configuration = _configuration(environment)
        from health.kill_switch import KillSwitch
        from weekly.snapshot import read_snapshot

        evidence = read_snapshot(args.snapshot) if args.snapshot is not None else None
        if args.interval is None and (words := not_today(args, clock)):
            print(words)
            return DONE
        switch = KillSwitch(Path(configuration.safety.kill_switch_file))
        switch.refuse_nonsense()
        if switch.order() and not args.dry_run:
            raise HaltTrading(f"{switch.file} exists: the kill switch stopped trading, delete it to go on")
        from day_trading.signals import obey_signals
        from observability import TradingHistory
        from records.single_user import only_user

        database, mode = args.db or DATABASE, "live" if args.live else "paper"
        with (
            only_user(database, BOT),
            TradingHistory(database, bot=BOT, mode=mode, settings=configuration.records) as history,
        ):
            cycles = Cycles(args, configuration, clock, history, evidence)
            obey_signals(loop, cycles)
            runner.run(cycles.run())
    return DONE


def _simulate(args: argparse.Namespace, environment: Environment, clock: Clock) -> int:
    """Cycles over past years against the simulated gateway."""
    from weekly.__main__ import simulate

    return simulate(args, environment, _configuration(environment), clock)


def not_today(args: argparse.Namespace, clock: Clock) -> str:
    """Why there is no cycle on this day, in words; empty when there is one. Days are those of New York."""
    from market_hours import new_york_date

    today = f"{new_york_date(clock.now()):%A}"
    if args.run_days is None or today in args.run_days:
        return ""
    return f"It is {today} in New York and cycles run on {', '.join(args.run_days)}: nothing was done."


def _configuration(environment: Environment) -> WeeklyConfiguration:
    """All settings, checked before anything is read or connected."""
    from importlib.util import find_spec

    from configuration import read_configuration
    from day_trading.settings import DayTraderConfiguration
    from weekly.settings import WeeklyConfiguration

    configuration = read_configuration(environment, WeeklyConfiguration, DayTraderConfiguration)
    configuration.refuse_contradictions()
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        raise Misconfigured(f"not installed: {', '.join(missing)}; the weekly bot needs the packages of {PACKAGES}")
    return configuration


class Cycles:
    """One cycle, or one every so many minutes. A gateway that is away ends a single one; one of many is tried again."""

    def __init__(
        self,
        args: argparse.Namespace,
        configuration: WeeklyConfiguration,
        clock: Clock,
        history: TradingHistory,
        evidence: Snapshot | None,
    ) -> None:
        self._args = args
        self._configuration = configuration
        self._clock = clock
        self._history = history
        self._evidence = evidence
        self._interval = None if args.interval is None else timedelta(minutes=args.interval)
        self._cycle: WeeklyCycle | None = None
        self._stop = asyncio.Event()
        self._stopped_because = ""
        self._is_killed = False

    def stop(self, reason: str, *, flatten: bool = False) -> None:
        """Ctrl-C or SIGTERM: working orders are withdrawn. Nothing is sold for it, holdings are held for weeks."""
        self._stopped_because = self._stopped_because or reason
        self._stop.set()
        if self._cycle is not None:
            self._cycle.stop(reason)

    def kill(self, reason: str, *, flatten: bool = False) -> None:
        """The kill switch, thrown by a signal: as `stop`, and the exit code says so."""
        self._is_killed = True
        self.stop(f"kill switch: {reason}")

    async def run(self) -> None:
        """Until the cycle is done or, with an interval, until stopped. Raises HaltTrading after a kill switch."""
        first = self._clock.now()
        while not self._stop.is_set():
            lost = False
            if words := not_today(self._args, self._clock):
                log.info(words)
            else:
                lost = await self._lost_one_of_many()
            if self._interval is None:
                break
            now = self._clock.now()
            following = first + ((now - first) // self._interval + 1) * self._interval
            await self._wait_until(min(following, now + AFTER_A_LOSS) if lost else following)
        if self._is_killed:
            raise HaltTrading(self._stopped_because)

    async def _lost_one_of_many(self) -> bool:
        """A cycle. With an interval, what may succeed later is told; True when that happened."""
        try:
            await self._run_one()
        except asyncio.CancelledError:
            if not self._stopped_because:
                raise
            print(f"Cycle {self._stopped_because}, before any of its orders was sent.")
        except Exception as error:
            if self._interval is None or not isinstance(known_error(error), Retryable):
                raise
            pause = min(self._interval, AFTER_A_LOSS)
            log.warning("this cycle is lost: %s; the next one is %s later", known_error(error), pause)
            return True
        return False

    async def _run_one(self) -> None:
        """Connect, run a cycle, disconnect, tell it."""
        from uuid import uuid4

        from agents import WeeklyCycle
        from broker.held_account import AccountOptions
        from broker.portfolio_desk import PortfolioDesk
        from market_hours import new_york_calendar, new_york_date
        from notifications.notices import Kind, Notice, notify
        from tools import open_sources
        from weekly.context import CycleContext
        from weekly.cycles import latest_cycles
        from weekly.report import write_report
        from weekly.telling import notice, tell

        settings, clock = self._configuration, self._clock
        today = new_york_date(clock.now())
        calendar = new_york_calendar(today)
        session = calendar.session_on(today)
        if session is None or clock.now() >= session.close:
            session = calendar.next_session(today)
        wanted = AccountOptions(client_id=self._args.client_id, live=self._args.live, broker=settings.broker)
        desk = PortfolioDesk(wanted, session, clock, self._history, lambda: str(uuid4()))
        place = CycleContext(
            options=self._options(),
            session=session,
            calendar=calendar,
            clock=clock,
            desk=desk,
            history=self._history,
        )
        async with (
            desk.running(),
            open_sources(settings.vendors, clock, daily_bars=desk.daily_bars) as sources,
            self._opinions() as opinions,
        ):
            self._cycle = WeeklyCycle(place, sources, opinions, self._evidence)
            try:
                result = await self._cycle.run()
            finally:
                self._cycle = None
        tell(result, LOG_DIR, _versions(settings))
        self._history.end_session(session.date.isoformat(), clock.now())
        page = write_report((result,), REPORTS, latest_cycles(self._history, REPORTED_CYCLES))
        print(f"report        {page}\n{notice(result)}")
        notify(Notice(kind=Kind.WEEKLY_REPORT, words=notice(result), at=clock.now()))

    def _options(self) -> CycleOptions:
        from weekly.options import CycleOptions

        return CycleOptions(
            settings=self._configuration.weekly,
            allocation=self._configuration.allocation,
            safety=self._configuration.safety,
            dry_run=self._args.dry_run,
            queue=self._args.queue,
            snapshot_folder=SNAPSHOT_FOLDER,
        )

    @asynccontextmanager
    async def _opinions(self) -> AsyncIterator[Opinions | None]:
        """Language models of this hour; None where there is none to ask."""
        from llm.opening import open_adviser, open_models
        from weekly.opinions import Opinions

        settings = self._configuration.llm
        models = open_models(settings, clock=self._clock, call_log=self._history, force_online=self._args.force_online)
        try:
            yield Opinions(open_adviser(models, settings)) if models.order else None
        finally:
            await models.close()

    async def _wait_until(self, when: datetime) -> None:
        """Until then, or until somebody says stop."""
        left_s = (when - self._clock.now()).total_seconds()
        if left_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._stop.wait()


def _versions(settings: WeeklyConfiguration) -> dict[str, str]:
    from importlib.metadata import version
    from platform import python_version

    names = (settings.broker.ib_client_library, "numpy", "exchange_calendars", *LIBRARIES)
    return {"python": python_version(), **{name: version(name) for name in names}}


if __name__ == "__main__":
    sys.exit(main())
