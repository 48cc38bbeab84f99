"""The command line of research: its commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from commands import CommandParser
from research import arguments
from research.arguments import PARAMETERS

STORE = "bars"
RECORD = "research.db"
CLIENT_ID = 3
SOURCES = ("ibkr", "polygon", "fmp")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    about = "Replays history under the live rules."
    parser = CommandParser(prog="python -m research", description=about, allow_abbrev=False)
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
    words = "minute bars from IBKR or a data vendor into the store; what is there is not asked for again"
    fetch = command("download", words)
    add = fetch.add_argument
    add("--symbols", type=arguments.symbols, required=True, metavar="A,B,C", help="what to download")
    add("--from", dest="first", type=arguments.day, required=True, metavar="DATE", help="first session")
    add("--to", dest="last", type=arguments.day, metavar="DATE", help="last session, default the latest that is over")
    add("--source", choices=SOURCES, default="ibkr", help="where to ask (default ibkr); polygon and fmp need their key")
    add("--again", action="store_true", help="ask again for sessions that lack minutes")
    client_id = "API client id at the gateway (default 3)"
    add("--client-id", type=arguments.positive, default=CLIENT_ID, metavar="N", help=client_id)
    _add_store(fetch)
    return parser


def _add_run(parser: argparse.ArgumentParser, *, page: bool = True) -> None:
    """Options of everything that plays sessions."""
    add = parser.add_argument
    where = "bars to replay: DIR/minute/SYMBOL.parquet …, or a bar store"
    add("--market-data", required=True, metavar="DIR|URL", help=where)
    add("--from", dest="first", type=arguments.day, metavar="DATE", help="first session, default the first with bars")
    add("--to", dest="last", type=arguments.day, metavar="DATE", help="last session, default the last with bars")
    watchlist = parser.add_mutually_exclusive_group()
    chosen = "watchlist in rank order; default the day trader's choice"
    watchlist.add_argument("--symbols", type=arguments.symbols, metavar="A,B,C", help=chosen)
    everything = "watchlist of each symbol with bars that day, by name"
    watchlist.add_argument("--all-symbols", action="store_true", help=everything)
    names = ", ".join(PARAMETERS)
    add("--set", type=arguments.setting, action="append", default=[], metavar="NAME=VALUE", help=names)
    share = "share of the account to use (default 0.25)"
    add("--allocation", type=arguments.share, default=0.25, metavar="SHARE", help=share)
    if page:
        add("--html", type=Path, metavar="FILE", help="write the run with pictures to this file")
        add("--record", default=RECORD, metavar="FILE", help=f"database of all trials (default {RECORD})")
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
    processes = "processes of this machine (default PERF_RESEARCH_PROCESSES, or what fits the machine)"
    add("--processes", type=arguments.positive, metavar="N", help=processes)
    add("--cluster", default="", metavar="tcp://HOST:PORT", help="a Dask scheduler whose workers reach the store too")


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", default=STORE, metavar="DIR", help=f"the bar store (default {STORE})")
