"""Research at the command line: `python -m research backtest --market-data DIR`, `import`, `check` …"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from research import arguments
from research.arguments import PARAMETERS, changed
from utils import Misconfigured, TradingError, load_settings, read_environment

if TYPE_CHECKING:
    from datetime import date

    from market_hours import Clock, Session, TradingCalendar
    from research.source import BarSource
    from research.store import BarStore, Columns, Resolution
    from trading.settings import RiskSettings, StrategySettings

DONE, FAULT, WRONG_USAGE = 0, 1, 2
STORE = "bars"
RECORD = "research.db"
CLIENT_ID = 3


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one clear line and exit 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"research: {message} (--help shows all options)\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = _Parser(prog="python -m research", description="Replays history under the live rules.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, words: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=words, description=words, allow_abbrev=False)

    backtest = command("backtest", "what the day trader would have done")
    _add_run(backtest)
    backtest.add_argument("--why", action="store_true", help="count every judgement, refusals too; slower")
    searching = command("sweep", "many sets of parameters, and what the best is worth")
    _add_search(searching, ("grid", "random", "tpe"))
    walking = command("walk-forward", "parameters chosen on past sessions, played on those that follow")
    _add_search(walking, ("grid", "random"))
    add = walking.add_argument
    add("--train", type=arguments.positive, default=60, metavar="N", help="sessions to choose on (default 60)")
    add("--test", type=arguments.positive, default=20, metavar="N", help="sessions to play then (default 20)")
    add("--purge", type=arguments.positive, default=1, metavar="N", help="sessions left out between (default 1)")
    add("--anchored", action="store_true", help="choose on all sessions before, not the last N")
    bias = command("check-bias", "decisions with the future removed and scrambled, and the result under stress")
    _add_run(bias, page=False)
    cuts = "random minutes to cut at (default 20)"
    bias.add_argument("--cuts", type=arguments.positive, default=20, metavar="N", help=cuts)
    bring = command("import", "bars from files into the store")
    bring.add_argument("origin", type=Path, metavar="DIR|FILE", help="a directory of --market-data, or one file of it")
    bring.add_argument("--daily", action="store_true", help="the file holds daily bars, not minutes")
    bring.add_argument("--symbol", metavar="SYMBOL", help="of the file; default its name")
    _add_store(bring)
    _add_store(command("check", "gaps, duplicates, bad rows and early closes of the store; exit 1 on faults"))
    fetch = command("download", "minute bars from IBKR into the store; what is there is not asked for again")
    add = fetch.add_argument
    add("--symbols", type=arguments.symbols, required=True, metavar="A,B,C", help="what to download")
    add("--from", dest="first", type=arguments.day, required=True, metavar="DATE", help="first session")
    add("--to", dest="last", type=arguments.day, metavar="DATE", help="last session, default the latest that is over")
    add("--again", action="store_true", help="ask again for sessions that lack minutes")
    add("--client-id", type=arguments.positive, default=CLIENT_ID, metavar="N", help="API client id (default 3)")
    _add_store(fetch)
    return parser


def _add_run(parser: argparse.ArgumentParser, *, page: bool = True) -> None:
    """Options of everything that plays sessions."""
    add = parser.add_argument
    where = "bars to replay: DIR/minute/SYMBOL.parquet …, or a bar store"
    add("--market-data", required=True, metavar="DIR|URL", help=where)
    add("--from", dest="first", type=arguments.day, metavar="DATE", help="first session, default the first with bars")
    add("--to", dest="last", type=arguments.day, metavar="DATE", help="last session, default the last with bars")
    chosen = "watchlist in rank order; default the day trader's choice"
    add("--symbols", type=arguments.symbols, metavar="A,B,C", help=chosen)
    names = ", ".join(PARAMETERS)
    add("--set", type=arguments.setting, action="append", default=[], metavar="NAME=VALUE", help=names)
    share = "share of the account to use (default 0.25)"
    add("--allocation", type=arguments.share, default=0.25, metavar="SHARE", help=share)
    if page:
        add("--html", type=Path, metavar="FILE", help="write the run with pictures to this file")
    add("--equity", type=arguments.usd, default=1_000_000.0, metavar="USD", help="of the account (default 1000000)")


def _add_search(parser: argparse.ArgumentParser, methods: Sequence[str]) -> None:
    """Options of a search."""
    _add_run(parser)
    add = parser.add_argument
    values = "NAME=A,B,C or NAME=FIRST:LAST:STEP; once for each parameter"
    add("--vary", type=arguments.values, action="append", default=[], metavar="NAME=VALUES", help=values)
    add("--method", choices=methods, default="grid", help="every combination (default), or some of them")
    add("--trials", type=arguments.positive, default=100, metavar="N", help="sets of random and tpe (default 100)")
    add("--seed", type=arguments.positive, default=1, metavar="N", help="of random and tpe (default 1)")
    add("--processes", type=arguments.positive, default=1, metavar="N", help="processes of this machine (default 1)")
    add("--cluster", default="", metavar="tcp://HOST:PORT", help="a Dask scheduler whose workers reach the store too")
    add("--record", default=RECORD, metavar="FILE", help=f"database of all trials (default {RECORD})")


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", default=STORE, metavar="DIR", help=f"the bar store (default {STORE})")


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
    except Misconfigured as error:
        print("research:", *str(error).split(), file=sys.stderr)
        return WRONG_USAGE
    except TradingError as error:
        print("research:", *str(error).split(), file=sys.stderr)
        return FAULT


def _backtest(args: argparse.Namespace) -> int:
    from reporting.page import write_page
    from research.engine import plan, simulate, simulate_every_instant
    from research.report import backtest_page
    from research.source import load, watchlist_of
    from research.tables import tell

    strategy, risk = _settings(args.set)
    source, sessions = _market(args)
    on = plan(args.equity, args.allocation, risk, minute_atr=strategy.atr_timeframe == "minute")
    bars = load(source, sessions, watchlist_of(args.symbols, strategy))
    run = simulate_every_instant if args.why else simulate
    outcome = run(bars, strategy.parameters(), on)
    tell(outcome, on, source.name)
    if args.html:
        write_page(args.html, backtest_page(outcome, on, source.name))
    return DONE


def _search(args: argparse.Namespace) -> int:
    from functools import partial

    from market_hours import LiveClock
    from research.engine import plan
    from research.searching import sweep_command, walk_forward_command
    from research.source import load, watchlist_of

    strategy, risk = _settings(args.set)
    source, sessions = _market(args)
    on = plan(args.equity, args.allocation, risk, minute_atr=strategy.atr_timeframe == "minute")
    bars = load(source, sessions, watchlist_of(args.symbols, strategy))
    run = sweep_command if args.command == "sweep" else walk_forward_command
    if args.processes == 1 and not args.cluster:
        run(args, bars, on, strategy, LiveClock().now())
        return DONE
    from research.cluster import Market, sweep_on, workers_of
    from research.store import is_store

    if not is_store(args.market_data):
        raise Misconfigured("--processes and --cluster read a bar store: python -m research import makes one")
    dates = tuple(session.date for session in sessions)
    market = Market(store=args.market_data, dates=dates, symbols=tuple(args.symbols or ()), strategy=strategy)
    with workers_of(args.processes, args.cluster) as (executor, workers):
        play = partial(sweep_on, executor, workers, market, on)
        run(args, bars, on, strategy, LiveClock().now(), play)
    return DONE


def _check_bias(args: argparse.Namespace) -> int:
    from research.bias import find_leaks
    from research.engine import plan, simulate
    from research.source import load, watchlist_of
    from research.stress import stress
    from research.tables import tell_stress

    strategy, risk = _settings(args.set)
    source, sessions = _market(args)
    on = plan(args.equity, args.allocation, risk, minute_atr=strategy.atr_timeframe == "minute")
    bars, parameters = load(source, sessions, watchlist_of(args.symbols, strategy)), strategy.parameters()
    leaks = find_leaks(bars, lambda cut: simulate(cut, parameters, on), args.cuts, seed=1)
    for leak in leaks:
        print(f"research: {leak.session_date}: the future from second {leak.cut_s} on, {leak.change}, changes the past")
    tell_stress(stress(bars, parameters, on), args.cuts, len(leaks))
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
        return runner.run(_download_from_gateway(store, missing, today, args.client_id, clock))


async def _download_from_gateway(
    store: BarStore, missing: Sequence[tuple[str, Session]], today: date, client_id: int, clock: Clock
) -> int:
    """Ask IBKR for what is missing, showing how far it is. 0 when all of it came."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from broker.history import gateway_history
    from broker.settings import BrokerSettings
    from research.download import download

    settings = load_settings(BrokerSettings, read_environment())
    error_console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with gateway_history(settings, clock, client_id) as source:
        with Progress(
            *columns, console=error_console, transient=True, disable=not error_console.is_terminal
        ) as progress:
            task = progress.add_task("downloading", total=len(missing))

            def on_progress(symbol: str, session: Session) -> None:
                progress.update(task, advance=1, description=f"{symbol} {session.date}")

            done, failed = await download(store, source, missing, today, on_progress)
    print(f"{done.new:,} new bars of {len(missing)} symbol-sessions in {store.where}")
    for words in failed:
        print("research:", words, file=sys.stderr)
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


def _read_file(resolution: Resolution, file: Path, calendar: TradingCalendar) -> Columns:
    """The bars of a file that belong to regular sessions of the calendar."""
    import numpy as np

    from ib_simulator.feeds.bar_files import read_bars, read_daily
    from research.store import Columns, regular_only
    from trading.matching import BAR_SECONDS

    if resolution == "minute":
        return regular_only(Columns(*read_bars(file, BAR_SECONDS)), calendar)
    days, bars = read_daily(file)
    sessions = [calendar.session_on(day) for day in days]
    kept = [row for row, session in enumerate(sessions) if session is not None]
    open_s = [session.open_s for session in sessions if session is not None]
    return Columns(*(column[kept] for column in bars))._replace(start_s=np.array(open_s, dtype=np.int64))


def _market(args: argparse.Namespace) -> tuple[BarSource, list[Session]]:
    """Where the bars come from, and the sessions to play. Raises Misconfigured for what is not there."""
    from research.store import BarStore, is_store
    from research.stored import StoreSource

    calendar = _calendar()
    if is_store(args.market_data):
        source: BarSource = (stored := StoreSource(BarStore(args.market_data), calendar))
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
    for symbol in symbols:
        if not any(symbol in source.symbols(session.date) for session in sessions):
            raise Misconfigured(f"{symbol} has no bar in any of these sessions")


if __name__ == "__main__":
    sys.exit(main())
