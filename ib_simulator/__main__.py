"""`python -m ib_simulator --port 4001`: a simulated IB Gateway for any client of the TWS protocol."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING

from commands import DONE, CommandParser, fail
from utils import Misconfigured, setup_logging

if TYPE_CHECKING:
    from ib_simulator.standalone import StandaloneOptions

DATA_LEVELS = ("live", "delayed", "none", "no_api", "partial", "partial_api", "competing_session")  # as `Permission`
LONGEST_CANCEL_S = 3600
WITH_A_RECORDING = ("port", "host", "speed", "replay", "verbose")  # the only options that mean something for --replay


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535; 0 is any free one)")
    return int(text)


def _not_negative(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2025-10-07") from None


def _time(text: str) -> time:
    try:
        moment = time.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 09:45")
    return moment


def _accounts(text: str) -> tuple[str, ...]:
    ids = tuple(part.strip() for part in text.split(","))
    for account_id in ids:
        if not (account_id.isalnum() and account_id.isascii() and account_id[0] in "DU"):
            raise argparse.ArgumentTypeError(
                f"{account_id!r} is not an account id like DU1000001 (paper) or U1000001 (live)"
            )
    return ids


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) > LONGEST_CANCEL_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds from 0 to {LONGEST_CANCEL_S}")
    return int(text)


def _symbols(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(
        prog="python -m ib_simulator", description="A simulated IB Gateway for any client of the TWS protocol."
    )
    add = parser.add_argument
    add("--port", type=_port, required=True, metavar="N", help="port to serve, 0 for any free one")
    add("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)")
    levels = ", ".join(DATA_LEVELS)
    market = parser.add_argument_group("market")
    add = market.add_argument
    add("--market-data", type=Path, metavar="DIR", help="replay bars from DIR instead of the synthetic market")
    add("--date", type=_date, metavar="D", help="the first session, default the latest")
    add("--at", type=_time, metavar="HH:MM", help="the time in New York at which it starts, default the open")
    add("--speed", type=_positive, default=1.0, metavar="X", help="X times real time (default 1)")
    add("--seed", type=_not_negative, metavar="N", help="seed of the synthetic market (default 0)")
    add("--data", choices=DATA_LEVELS, default="live", metavar="WHAT", help=f"market data of the login: {levels}")
    add("--limit-bands", action="store_true", help="limit-up limit-down price bands with volatility pauses")
    add("--extended-hours", action="store_true", help="play the pre-market (from 04:00) and the post-market as well")
    add("--symbols", type=_symbols, default=(), metavar="A,B", help="the symbols it knows, default all")
    account = parser.add_argument_group("account")
    add = account.add_argument
    ids = "one id or several, all paper (DU...) or all live (U...), default DU1000001"
    add("--account", "--accounts", type=_accounts, nargs="+", default=[("DU1000001",)], metavar="ID", help=ids)
    add("--cash-account", action="store_true", help="accounts without margin: no short sales, no buying on credit")
    add("--cash", type=_positive, default=1_000_000.0, metavar="USD", help="of each account (default 1000000)")
    add("--splits-cancel-orders", action="store_true", help="a split cancels resting orders instead of adjusting them")
    add("--halts-refuse-orders", action="store_true", help="refuse orders for a halted symbol (154), else hold them")
    add("--cancel-delay", type=_seconds, default=0, metavar="S", help="seconds until a cancel reaches the exchange")
    add("--master-client", type=_not_negative, metavar="N", help="client id that sees the orders of all clients")
    add("--state", type=Path, metavar="FILE", help="keep orders, positions and ids in FILE from one run to the next")
    trouble = parser.add_argument_group("trouble")
    add = trouble.add_argument
    add("--faults", type=Path, metavar="FILE", help="a timeline of faults, TOML")
    add("--control-port", type=_port, metavar="N", help="fire faults by hand through this port of 127.0.0.1")
    add("--no-pacing", action="store_true", help="do not enforce the limits on message and request rates")
    add("--record", type=Path, metavar="FILE", help="record all messages")
    add("--replay", type=Path, metavar="FILE", help="serve a recording instead of a market")
    add("--verbose", action="store_true", help="log more")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve and return the exit code: 0 stopped by Ctrl-C or SIGTERM, 1 fault, 2 wrong usage or configuration."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.market_data is not None and args.seed is not None:
        parser.error("--seed belongs to the synthetic market and has no effect on --market-data")
    for name, value in vars(args).items():
        if args.replay is not None and name not in WITH_A_RECORDING and value != parser.get_default(name):
            parser.error(f"--replay and --{name.replace('_', '-')} exclude each other")
    args.account = tuple(dict.fromkeys(account_id for ids in args.account for account_id in ids))
    if len({account_id[0] for account_id in args.account}) > 1:
        parser.error("--account: paper and live accounts do not share a login")
    setup_logging(None, logging.INFO if args.verbose else logging.WARNING)
    try:
        return _run(_options(args))
    except Misconfigured as error:
        return fail("python -m ib_simulator", error)


def _options(args: argparse.Namespace) -> StandaloneOptions:
    from ib_simulator.standalone import StandaloneOptions

    return StandaloneOptions(
        port=args.port,
        host=args.host,
        market_data=args.market_data,
        day=args.date,
        at=args.at,
        seed=args.seed or 0,
        speed=args.speed,
        accounts=args.account,
        cash_account=args.cash_account,
        data=args.data,
        limit_bands=args.limit_bands,
        cancel_delay_s=args.cancel_delay,
        splits_cancel_orders=args.splits_cancel_orders,
        halts_refuse_orders=args.halts_refuse_orders,
        cash_usd=args.cash,
        symbols=args.symbols,
        faults=args.faults,
        control_port=args.control_port,
        state=args.state,
        record=args.record,
        replay=args.replay,
        master_client=args.master_client,
        pacing=not args.no_pacing,
        extended_hours=args.extended_hours,
    )


def _run(options: StandaloneOptions) -> int:
    import asyncio

    from ib_simulator.standalone import serve
    from operating_system import obey_signals

    async def until_stopped() -> None:
        stop = asyncio.Event()
        obey_signals(asyncio.get_running_loop(), dict.fromkeys(("SIGINT", "SIGTERM"), stop.set))
        await serve(options, stop, lambda line: print(line, flush=True))

    asyncio.run(until_stopped())
    return DONE


if __name__ == "__main__":
    sys.exit(main())
