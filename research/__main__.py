"""Research at the command line: `python -m research backtest --market-data DIR`, `import`, `check` …"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from commands import DONE, FAULT, fail
from research.arguments import changed
from research.command_line import build_parser
from utils import Misconfigured, TradingError, load_settings, read_environment

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from datetime import date

    from market_hours import Clock, Session, TradingCalendar
    from research.download import HistorySource
    from research.engine import Plan
    from research.source import BarSource, Choice
    from research.store import BarStore, Resolution
    from trading.bar_columns import BarColumns
    from trading.settings import RiskSettings, StrategySettings

WORTH_A_PROCESS = 1_000_000_000  # sets times bars: what one process plays while another one starts


class _Asked(NamedTuple):
    """What a command that plays sessions is asked for."""

    strategy: StrategySettings
    on: Plan
    source: BarSource
    sessions: list[Session]
    choose: Choice


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 1 fault, 2 wrong usage or configuration."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    first, last = getattr(args, "first", None), getattr(args, "last", None)
    if first is not None and last is not None and first > last:
        parser.error(f"--from {first} is after --to {last}")
    run = {
        "backtest": _backtest,
        "sweep": _search,
        "walk-forward": _search,
        "check-bias": _check_bias,
        "import": _import,
        "download": _download,
        "check": _check,
    }[args.command]
    try:
        return run(args)
    except TradingError as error:
        return fail("python -m research", error)


def _backtest(args: argparse.Namespace) -> int:
    from market_hours import LiveClock
    from reporting.page import write_page
    from research.backtest import backtest
    from research.report import backtest_page
    from research.source import stretches
    from research.tables import summary_rows, tell
    from research.trials import TrialRecord

    asked, record = _asked(args), TrialRecord(Path(args.record))
    bars = stretches(asked.source, asked.sessions, asked.choose)
    run = backtest(bars, asked.strategy.parameters(), asked.on, args.market_data, why=args.why)
    record.add(LiveClock().now(), args.command, run.market, run.as_trial(asked.on.equity))
    tell(run, asked.on, asked.source.name)
    if args.html:
        session_on = {session.date: session for session in asked.sessions}
        page = backtest_page(
            run,
            asked.on,
            summary_rows(run, asked.on),
            asked.source.name,
            lambda symbol, day: asked.source.tape(symbol, session_on[day]),
        )
        write_page(args.html, page)
    return DONE


def _search(args: argparse.Namespace) -> int:
    from functools import partial

    from market_hours import LiveClock
    from research.searching import sweep_command, walk_forward_command
    from research.source import load
    from research.store import is_store

    asked, in_store = _asked(args), is_store(args.market_data)
    bars = load(asked.source, asked.sessions, asked.choose)
    run = partial(sweep_command if args.command == "sweep" else walk_forward_command, args, bars, asked.on)
    processes = args.processes or (usual_processes(args, bars.n_bars) if in_store else 1)
    if processes == 1 and not args.cluster:
        run(asked.strategy, LiveClock().now())
        return DONE
    from research.cluster import Market, sweep_on, workers_of

    if not in_store:
        raise Misconfigured("--processes and --cluster read a bar store: python -m research import makes one")
    market = Market(
        store=args.market_data,
        dates=tuple(session.date for session in asked.sessions),
        symbols=tuple(args.symbols or ()),
        all_symbols=args.all_symbols,
        strategy=asked.strategy,
    )
    with workers_of(processes, args.cluster) as (executor, workers):
        run(asked.strategy, LiveClock().now(), partial(sweep_on, executor, workers, market, asked.on))
    return DONE


def usual_processes(args: argparse.Namespace, n_bars: int) -> int:
    """As many as the machine is tuned for (PERF_RESEARCH_PROCESSES), while each has enough to do."""
    from performance_config import PerformanceSettings, read_hardware, tuned
    from research.searching import most_sets

    tuned_for = tuned(load_settings(PerformanceSettings, read_environment()), read_hardware()).research_processes
    return max(1, min(tuned_for, most_sets(args) * n_bars // WORTH_A_PROCESS))


def _check_bias(args: argparse.Namespace) -> int:
    from research.bias import find_leaks
    from research.engine import simulate
    from research.source import load
    from research.stress import stress
    from research.tables import tell_stress

    asked = _asked(args)
    bars, parameters = load(asked.source, asked.sessions, asked.choose), asked.strategy.parameters()
    leaks = find_leaks(bars, lambda cut: simulate(cut, parameters, asked.on), args.cuts, seed=1)
    for leak in leaks:
        print(f"research: {leak.session_date}: the future from second {leak.cut_s} on, {leak.change}, changes the past")
    tell_stress(stress(bars, parameters, asked.on), args.cuts, len(leaks))
    return FAULT if leaks else DONE


def _import(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import track

    from ib_simulator.feeds.corporate_actions import read_actions
    from research.store import Appended, BarStore, Split

    if not args.origin.exists():
        raise Misconfigured(f"{args.origin}: no such file or directory")
    console, error_console = Console(), Console(stderr=True)
    files = _files_to_import(args)
    store = BarStore.at(Path(args.store))
    done, calendar = Appended(0, 0, 0), _calendar()
    quiet = not error_console.is_terminal
    for resolution, symbol, file in track(files, "importing", console=error_console, transient=True, disable=quiet):
        done += store.append(resolution, symbol, _read_file(resolution, file, calendar))
    if args.origin.is_dir():
        ratios = {
            symbol: [Split(action.ex_date, action.split) for action in actions if action.split != 1]
            for symbol, actions in read_actions(args.origin / "splits_dividends.csv").items()
        }
        store.add_splits({symbol: splits for symbol, splits in ratios.items() if splits})
    told = f"{done.new:,} new bars of {len({symbol for _, symbol, _ in files})} symbols in {args.store}"
    console.print(f"{told}; {done.known:,} were there, {done.different:,} differ from what is there, which stays")
    return DONE


def _check(args: argparse.Namespace) -> int:
    from research.checking import check
    from research.store import BarStore
    from research.tables import tell_checks

    checks = list(check(BarStore(args.store), _calendar()))
    if not checks:
        raise Misconfigured(f"{args.store} holds no minute bars")
    tell_checks(checks)
    return FAULT if any(each.is_faulty for each in checks) else DONE


def _download(args: argparse.Namespace) -> int:
    import asyncio
    import logging

    from market_hours import LiveClock, new_york_date
    from research.download import wanted
    from research.store import BarStore

    clock = LiveClock()
    today = new_york_date(clock.now())
    sessions = [
        session
        for session in _calendar().sessions_between(args.first, args.last or today)
        if session.close < clock.now()
    ]
    if not sessions:
        raise Misconfigured(f"no session that is over from {args.first} to {args.last or today}")
    store = BarStore.at(Path(args.store))
    missing = wanted(store, args.symbols, sessions, again=args.again)
    if not missing:
        print(f"nothing to download: {args.store} has all of it")
        return DONE
    for library in ("ib_insync", "ib_async"):  # what they say of connections is told again, in one line
        logging.getLogger(library).addHandler(logging.NullHandler())
    with asyncio.Runner() as runner:
        runner.get_loop()  # the client library binds to the loop that is set when it is imported
        return runner.run(_download_missing(store, missing, today, _history(args, clock)))


def _history(args: argparse.Namespace, clock: Clock) -> AbstractAsyncContextManager[HistorySource]:
    """Where the bars are asked for. Raises Misconfigured for settings that are wrong."""
    environment = read_environment()
    if args.source == "ibkr":
        from broker.history import gateway_history
        from broker.settings import BrokerSettings

        return gateway_history(load_settings(BrokerSettings, environment), clock, args.client_id)
    from vendors.settings import VendorSettings
    from vendors.setup import minute_history

    return minute_history(args.source, load_settings(VendorSettings, environment), clock)


async def _download_missing(
    store: BarStore,
    missing: Sequence[tuple[str, Session]],
    today: date,
    history: AbstractAsyncContextManager[HistorySource],
) -> int:
    """Ask for what is missing, showing how far it is. 0 when all of it came."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from research.download import download

    error_console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with history as source:
        with Progress(
            *columns, console=error_console, transient=True, disable=not error_console.is_terminal
        ) as progress:
            task = progress.add_task("downloading", total=len(missing))

            def on_progress(symbol: str, session: Session) -> None:
                progress.update(task, advance=1, description=f"{symbol} {session.date}")

            done, failed = await download(store, source, missing, today, on_progress)
    print(f"{done.new:,} new bars of {len(missing)} symbol-sessions in {store.where}")
    for words in failed:
        print("python -m research:", words, file=sys.stderr)
    return FAULT if failed else DONE


def _files_to_import(args: argparse.Namespace) -> list[tuple[Resolution, str, Path]]:
    """Resolution, symbol and file of all bars to bring in. Raises Misconfigured when there are none."""
    from ib_simulator.feeds.bar_files import SUFFIXES, files_of
    from research.store import RESOLUTIONS

    if args.origin.is_dir():
        if args.symbol or args.daily:
            raise Misconfigured("--symbol and --daily are for a single file")
        found: list[tuple[Resolution, str, Path]] = [
            (resolution, symbol, file)
            for resolution in RESOLUTIONS
            for symbol, file in files_of(args.origin / resolution).items()
        ]
        if not found:
            raise Misconfigured(f"{args.origin} has no bar file in minute/ or daily/")
        return found
    if args.origin.suffix not in SUFFIXES:
        raise Misconfigured(f"{args.origin} is neither a directory nor a file {' or '.join(SUFFIXES)}")
    return [("daily" if args.daily else "minute", (args.symbol or args.origin.stem).upper(), args.origin)]


def _read_file(resolution: Resolution, file: Path, calendar: TradingCalendar) -> BarColumns:
    """The bars of a file that belong to regular sessions of the calendar."""
    import numpy as np

    from ib_simulator.feeds.bar_files import read_bars, read_daily
    from research.store import regular_only
    from trading.matching import BAR_SECONDS

    if resolution == "minute":
        return regular_only(read_bars(file, BAR_SECONDS), calendar)
    days, bars = read_daily(file)
    sessions = [calendar.session_on(day) for day in days]
    kept = [row for row, session in enumerate(sessions) if session is not None]
    open_s = [session.open_s for session in sessions if session is not None]
    return BarColumns(*(column[kept] for column in bars))._replace(start_s=np.array(open_s, dtype=np.int64))


def _asked(args: argparse.Namespace) -> _Asked:
    """Settings, account, bars and watchlist of a command line. Raises Misconfigured for what is not there."""
    from research.compiled import load_compiler
    from research.engine import plan
    from research.source import watchlist_of

    load_compiler()
    strategy, risk = _settings(args.set)
    source, sessions = _market(args)
    on = plan(args.equity, args.allocation, risk, minute_atr=strategy.atr_timeframe == "minute")
    choose = watchlist_of(args.symbols, strategy, all_symbols=args.all_symbols)
    return _Asked(strategy, on, source, sessions, choose)


def _market(args: argparse.Namespace) -> tuple[BarSource, list[Session]]:
    """Where the bars come from, and the sessions to play. Raises Misconfigured for what is not there."""
    from research.store import BarStore, is_store
    from research.stored import StoreSource

    calendar = _calendar()
    if is_store(args.market_data):
        source: BarSource = (stored := StoreSource(BarStore(args.market_data), calendar, args.symbols or ()))
        dates = stored.session_dates()
    else:
        from ib_simulator.feeds.replay import ReplayFeed
        from ib_simulator.feeds.research_source import FeedSource

        feed = ReplayFeed(Path(args.market_data), calendar)
        source, dates = FeedSource(feed), feed.session_dates()
    sessions = _sessions(dates, calendar, args.first, args.last, args.market_data)
    _refuse_unknown(args.symbols or (), source, sessions)
    return source, sessions


def _calendar() -> TradingCalendar:
    from market_hours import LiveClock, new_york_calendar, new_york_date

    return new_york_calendar(new_york_date(LiveClock().now()))


def _settings(changes: Sequence[tuple[str, str]]) -> tuple[StrategySettings, RiskSettings]:
    """The user's settings, the strategy's parameters as the command line changes them."""
    from trading.settings import RiskSettings, StrategySettings

    environment = read_environment()
    strategy = load_settings(StrategySettings, environment)
    return changed(strategy, dict(changes)), load_settings(RiskSettings, environment)


def _sessions(
    dates: Sequence[date], calendar: TradingCalendar, first: date | None, last: date | None, folder: str
) -> list[Session]:
    """The sessions with bars in a range of dates. Raises Misconfigured when there is none."""
    chosen = [day for day in dates if (first is None or day >= first) and (last is None or day <= last)]
    if not chosen:
        there = f"bars from {dates[0]} to {dates[-1]}" if dates else "no bar of a regular session"
        raise Misconfigured(f"no session from {first or 'the start'} to {last or 'the end'}: {folder} has {there}")
    found = [calendar.session_on(day) for day in chosen]
    return [session for session in found if session is not None]


def _refuse_unknown(symbols: Sequence[str], source: BarSource, sessions: Sequence[Session]) -> None:
    """Raises Misconfigured for a symbol without a bar in any of the sessions."""
    unknown = set(symbols)
    for session in sessions:
        unknown.difference_update(source.symbols(session.date))
        if not unknown:
            return
    raise Misconfigured(f"{min(unknown)} has no bar in any of these sessions")


if __name__ == "__main__":
    sys.exit(main())
