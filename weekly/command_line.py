"""The weekly bot's command line. It loads little: `--help` and typing mistakes answer at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from commands import LATEST, CommandParser, positive, session_date, whole

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
CLIENT_ID = 1
LARGEST_ID = 2**31 - 1
LARGEST_SEED = 2**63 - 1
MOST_MINUTES = 60 * 24 * 7
MOST_YEARS, MOST_WEEKS = 50, 2_600
FOR_SIMULATIONS = ("market_data", "years", "weeks", "seed", "speed", "llm_replay")
NOT_FOR_SIMULATIONS = ("live", "queue", "snapshot")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a run, `sys.argv` when not given. Ends the program with exit 2 and one line for wrong usage."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    simulated = args.simulate is not None
    for option in NOT_FOR_SIMULATIONS if simulated else FOR_SIMULATIONS:
        if getattr(args, option) not in (None, False):
            words = "and --simulate exclude each other" if simulated else "needs --simulate"
            parser.error(f"--{option.replace('_', '-')} {words}")
    if args.market_data is not None and args.seed is not None:
        parser.error("--seed belongs to the synthetic market and has no effect on --market-data")
    if args.dry_run and args.queue:
        parser.error("--queue and --dry-run exclude each other: a dry run sends nothing")
    return args


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(
        prog="main.py",
        description="The weekly portfolio bot: screens the market, judges it, rebalances the portfolio and reports.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run-days", nargs="+", choices=WEEKDAYS, metavar="DAY", help="days on which a cycle may run: Monday …")
    add(
        "--interval",
        type=whole(1, MOST_MINUTES),
        metavar="MIN",
        help="stay, and run a cycle every MIN minutes; default: one cycle",
    )
    add("--force-online", action="store_true", help="ask the online language model even while the market is closed")
    add("--dry-run", action="store_true", help="decide, show and store the plan, but send no order")
    add("--queue", action="store_true", help="while the market is closed, send orders for the next open")
    add("--snapshot", type=Path, metavar="FILE", help="use the evidence of an earlier cycle instead of gathering it")
    add("--live", action="store_true", help="allow a live account (ids that do not start with D): real money")
    add("--client-id", type=whole(0, LARGEST_ID), default=CLIENT_ID, metavar="N", help="API client id (default 1)")
    add("--db", type=Path, metavar="FILE", help="database; default trading_history.db or simulated_history.db")
    add("--verbose", action="store_true", help="log to the terminal what otherwise only the log file gets")
    simulation = parser.add_argument_group("simulation", "weekly cycles over years against the simulated gateway")
    add = simulation.add_argument
    add(
        "--simulate",
        nargs="?",
        const=LATEST,
        type=session_date,
        metavar="DATE",
        help="from DATE on, default the latest",
    )
    add("--years", type=whole(1, MOST_YEARS), metavar="N", help="length of the simulation in years (default 1)")
    add("--weeks", type=whole(1, MOST_WEEKS), metavar="N", help="length of the simulation in weeks")
    add("--market-data", type=Path, metavar="DIR", help="daily bars from DIR instead of those of a package")
    add("--seed", type=whole(0, LARGEST_SEED), metavar="N", help="a synthetic market with this seed")
    add("--speed", type=positive, metavar="X", help="X times real time instead of as fast as possible")
    add("--llm-replay", type=Path, metavar="FILE", help="language model views recorded in the database FILE")
    return parser
