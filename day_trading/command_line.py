"""The day trader's command line. It loads little: `--help` and typing mistakes answer at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from commands import LATEST, CommandParser, number, positive, session_date, whole

CLIENT_ID = 2
MOST_DAYS = 100_000
LARGEST_ID = 2**31 - 1
LARGEST_SEED = 2**63 - 1
FOR_SIMULATIONS = ("market_data", "days", "seed", "speed")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a run, `sys.argv` when not given. Ends the program with exit 2 and one line for wrong usage."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.kill is None and args.allocation is None:
        parser.error("the following arguments are required: --allocation")
    if args.simulate is None:
        for option in FOR_SIMULATIONS:
            if getattr(args, option) is not None:
                parser.error(f"--{option.replace('_', '-')} needs --simulate")
    elif args.preflight:
        parser.error("--preflight and --simulate exclude each other: it asks the gateway that you would trade with")
    elif args.live:
        parser.error("--live and --simulate exclude each other")
    return args


def _allocation(text: str) -> float:
    value = number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in (0, 1]: it is the share of the account that may be used")
    return value


def _consent(text: str) -> tuple[str, int]:
    symbol, _, shares = text.partition(":")
    if not symbol.isalnum() or not shares.isdecimal() or int(shares) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a symbol and a number of shares like AAPL:100")
    return symbol.upper(), int(shares)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(prog="day_trader.py", description="Trades one session by itself.", allow_abbrev=False)
    add = parser.add_argument
    add("--allocation", type=_allocation, metavar="SHARE", help="share of the account to use, 0 to 1; required")
    add("--live", action="store_true", help="allow a live account (ids that do not start with D): real money")
    add("--dry-run", action="store_true", help="decide and record, but send no order")
    add("--client-id", type=whole(0, LARGEST_ID), default=CLIENT_ID, metavar="N", help="API client id (default 2)")
    add("--watchlist", type=Path, metavar="FILE", help="symbols to trade; default day_trading_watchlist.json")
    add("--llm-replay", type=Path, metavar="DB", help="let the models' replies recorded there advise the watchlist")
    add("--no-analyse", action="store_true", help="refuse to trade a watchlist that is missing or outdated")
    add("--db", type=Path, metavar="FILE", help="database; default trading_history.db or simulated_history.db")
    add("--adopt", type=_consent, action="append", metavar="SYMBOL:SHARES", help="hand external shares to the bot")
    add("--flatten-on-exit", action="store_true", help="on Ctrl-C close positions at market")
    add("--preflight", action="store_true", help="check all that a session needs, and end; nothing is ordered")
    add("--kill", nargs="?", const="stop", choices=("stop", "flatten"), help="throw the kill switch of a running bot")
    add("--no-dashboard", action="store_true", help="do not start the web page")
    add("--json", action="store_true", help="print each session's report as one line of JSON, all else to stderr")
    add("--plain", action="store_true", help="no live view and no progress bar in the terminal")
    add("--verbose", action="store_true", help="log to the terminal what otherwise only the log file gets")
    simulation = parser.add_argument_group("simulation", "the same program against the simulated gateway")
    add = simulation.add_argument
    add("--simulate", nargs="?", const=LATEST, type=session_date, metavar="DATE", help="a session, default the latest")
    add("--market-data", type=Path, metavar="DIR", help="replay bars from DIR instead of the synthetic market")
    add("--days", type=whole(1, MOST_DAYS), metavar="N", help="N sessions in a row (default 1)")
    add("--seed", type=whole(0, LARGEST_SEED), metavar="N", help="seed of the synthetic market (default 0)")
    add("--speed", type=positive, metavar="X", help="X times real time instead of as fast as possible")
    return parser
