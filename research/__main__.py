"""Research at the command line: `python -m research backtest --market-data DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from utils import Misconfigured, TradingError, load_settings, read_environment

if TYPE_CHECKING:
    from datetime import date

    from market_hours import Session, TradingCalendar
    from research.source import BarSource
    from trading.settings import RiskSettings, StrategySettings

DONE, FAULT, WRONG_USAGE = 0, 1, 2
PARAMETERS = {  # name at the command line -> setting
    "profit_target_pct": "strategy_profit_target_pct",
    "stop_loss_pct": "strategy_stop_loss_pct",
    "rsi_cap": "strategy_rsi_cap",
    "atr_floor_pct": "strategy_atr_floor_pct",
}


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one clear line and exit 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"research: {message} (--help shows all options)\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = _Parser(prog="python -m research", description="Replays history under the live rules.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    backtest = commands.add_parser("backtest", help="what the day trader would have done", allow_abbrev=False)
    add = backtest.add_argument
    add("--market-data", type=Path, required=True, metavar="DIR", help="bars to replay: DIR/minute/SYMBOL.parquet …")
    add("--from", dest="first", type=_date, metavar="DATE", help="first session, default the first with bars")
    add("--to", dest="last", type=_date, metavar="DATE", help="last session, default the last with bars")
    add("--symbols", type=_symbols, metavar="A,B,C", help="watchlist in rank order; default the day trader's choice")
    add("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help=f"{', '.join(PARAMETERS)}")
    add("--allocation", type=_share, default=0.25, metavar="SHARE", help="share of the account to use (default 0.25)")
    add("--equity", type=_usd, default=1_000_000.0, metavar="USD", help="of the account (default 1000000)")
    add("--why", action="store_true", help="count every judgement, refusals too; slower")
    return parser


def _date(text: str) -> date:
    from datetime import date

    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2025-10-07")
    return day


def _symbols(text: str) -> tuple[str, ...]:
    symbols = tuple(symbol.strip().upper() for symbol in text.split(","))
    for symbol in symbols:
        if not symbol or symbols.count(symbol) > 1:
            raise argparse.ArgumentTypeError(f"{text!r} has {f'{symbol} twice' if symbol else 'an empty symbol'}")
    return symbols


def _setting(text: str) -> tuple[str, str]:
    from difflib import get_close_matches

    name, given, value = text.partition("=")
    if not given or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    if name not in PARAMETERS:
        close = get_close_matches(name, PARAMETERS, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(PARAMETERS)}"
        raise argparse.ArgumentTypeError(f"{name!r} is not a parameter; {hint}")
    return name, value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in (0, 1]: it is the share of the account that may be used")
    return value


def _usd(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not an amount of money")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 1 fault, 2 wrong usage or configuration."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.first is not None and args.last is not None and args.first > args.last:
        parser.error(f"--from {args.first} is after --to {args.last}")
    try:
        return _backtest(args)
    except Misconfigured as error:
        print("research:", *str(error).split(), file=sys.stderr)
        return WRONG_USAGE
    except TradingError as error:
        print("research:", *str(error).split(), file=sys.stderr)
        return FAULT


def _backtest(args: argparse.Namespace) -> int:
    from ib_simulator.feeds.replay import ReplayFeed
    from ib_simulator.feeds.research_source import FeedSource
    from market_hours import LiveClock, new_york_calendar, new_york_date
    from research.engine import plan, simulate, simulate_every_instant
    from research.source import analysed_watchlist, fixed_watchlist, load
    from research.tables import tell

    strategy, risk = _settings(args.set)
    calendar = new_york_calendar(new_york_date(LiveClock().now()))
    feed = ReplayFeed(args.market_data, calendar)
    sessions = _sessions(feed.session_dates(), calendar, args.first, args.last, args.market_data)
    source: BarSource = FeedSource(feed)
    _refuse_unknown(args.symbols or (), source, sessions)
    choose = analysed_watchlist(
        strategy.watchlist_size,
        strategy.strategy_atr_floor_pct if strategy.atr_timeframe == "day" else 0.0,
        strategy.watchlist_min_price_usd,
        strategy.watchlist_min_dollar_volume_usd,
    )
    on = plan(args.equity, args.allocation, risk, minute_atr=strategy.atr_timeframe == "minute")
    bars = load(source, sessions, fixed_watchlist(args.symbols) if args.symbols else choose)
    run = simulate_every_instant if args.why else simulate
    tell(run(bars, strategy.parameters(), on), on, source.name)
    return DONE


def _settings(changes: Sequence[tuple[str, str]]) -> tuple[StrategySettings, RiskSettings]:
    """The user's settings, the strategy's parameters as the command line changes them."""
    from pydantic import ValidationError

    from trading.settings import RiskSettings, StrategySettings

    environment = read_environment()
    strategy = load_settings(StrategySettings, environment)
    changed = {PARAMETERS[name]: value for name, value in changes}
    try:
        strategy = StrategySettings(**(strategy.model_dump() | changed))
    except ValidationError as error:
        fault = error.errors()[0]
        name = next(name for name, setting in PARAMETERS.items() if setting == fault["loc"][0])
        raise Misconfigured(f"--set {name}={fault['input']}: {fault['msg']}") from error
    return strategy, load_settings(RiskSettings, environment)


def _sessions(
    dates: Sequence[date], calendar: TradingCalendar, first: date | None, last: date | None, folder: Path
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
