"""Language models from the command line: `python -m llm status|ask`. Nothing is traded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands import DONE, FAULT, CommandParser, fail

if TYPE_CHECKING:
    from llm.evidence import Evidence, Subject
    from llm.outcomes import Abstained
    from llm.settings import LlmSettings

QUESTIONS = ("watchlist", "weekly_views")
EVIDENCE_FORM = '{"subjects": [{"symbol", "names"}], "evidence": [{"source", "text", "day", "symbol"}]}'


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(prog="python -m llm", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="status|ask")
    words = "which models there are, in which order they are asked now, and what was spent"
    status = commands.add_parser("status", help=words, description=words, allow_abbrev=False)
    words = "ask for views on symbols and print them as JSON"
    ask = commands.add_parser("ask", help=words, description=words, allow_abbrev=False)
    ask.add_argument("--question", choices=QUESTIONS, default="watchlist", help="default: watchlist")
    ask.add_argument("--evidence", type=Path, required=True, metavar="FILE", help=f"JSON: {EVIDENCE_FORM}")
    ask.add_argument("--db", type=Path, default=Path("llm_history.db"), metavar="FILE", help="where calls are recorded")
    ask.add_argument("--llm-replay", type=Path, metavar="DB", help="recorded replies of that database, without a key")
    for command in (status, ask):
        command.add_argument("--force-online", action="store_true", help="the order of an open market, at any hour")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 1 no model answered or another fault, 2 wrong usage or configuration."""
    args = build_parser().parse_args(arguments)
    from llm.settings import LlmSettings
    from utils import TradingError, load_settings, read_environment, setup_logging

    try:
        environment = read_environment()
        setup_logging(None, secrets=environment.secrets((LlmSettings,)))
        settings = load_settings(LlmSettings, environment)
        return _status(settings, args) if args.command == "status" else _ask(settings, args)
    except (TradingError, OSError) as error:
        return fail("python -m llm", error)


def _status(settings: LlmSettings, args: argparse.Namespace) -> int:
    import sqlite3

    from llm.opening import configured, market_order, not_configured, open_budget
    from market_hours import LiveClock

    there = {backend.provider for backend in configured(settings)}
    order = [name for name in market_order(settings, LiveClock(), args.force_online)() if name in there]
    print(f"asked now      {', '.join(order) or 'none: every step goes on without a model'}")
    for name, words in not_configured(settings).items():
        print(f"{name:<14} {words}")
    try:
        spent = open_budget(settings).spent()
    except sqlite3.Error as error:
        print(f"python -m llm: {settings.llm_budget_file}: {error}; nothing will be spent", file=sys.stderr)
        return FAULT
    print(f"spent today    {spent.day_usd:.4f} of {settings.llm_budget_day_usd:g} USD")
    print(f"this month     {spent.month_usd:.4f} of {settings.llm_budget_month_usd:g} USD")
    return DONE


def _ask(settings: LlmSettings, args: argparse.Namespace) -> int:
    import asyncio
    import json
    from dataclasses import asdict

    from llm.outcomes import Abstained

    subjects, evidence = _read_evidence(args.evidence)
    outcome = asyncio.run(_views(settings, args, subjects, evidence))
    print(json.dumps(asdict(outcome), indent=2, ensure_ascii=False))
    return FAULT if isinstance(outcome, Abstained) else DONE


async def _views(
    settings: LlmSettings, args: argparse.Namespace, subjects: list[Subject], evidence: list[Evidence]
) -> Any | Abstained:
    from llm.opening import open_adviser, open_models
    from llm.questions import WATCHLIST, WEEKLY_VIEWS
    from market_hours import LiveClock
    from observability import TradingHistory

    with TradingHistory(args.db, bot="llm", mode="live") as history:
        models = open_models(
            settings, clock=LiveClock(), call_log=history, force_online=args.force_online, replay=args.llm_replay
        )
        try:
            question = WATCHLIST if args.question == "watchlist" else WEEKLY_VIEWS
            return await open_adviser(models, settings).views(question, subjects, evidence)
        finally:
            await models.close()


def _read_evidence(path: Path) -> tuple[list[Subject], list[Evidence]]:
    """Raises Misconfigured with one line when the file is not of the form that `--help` shows."""
    from pydantic import TypeAdapter, ValidationError

    from llm.evidence import Evidence, Subject
    from utils import Misconfigured, read_json

    read = read_json(path)
    if not isinstance(read, dict):
        raise Misconfigured(f"{path}: is not of the form {EVIDENCE_FORM}")
    try:
        subjects = TypeAdapter(list[Subject]).validate_python(read.get("subjects"))
        evidence = TypeAdapter(list[Evidence]).validate_python(read.get("evidence"))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise Misconfigured(f"{path}: {place or 'list'}: {fault['msg']}") from error
    return subjects, evidence


if __name__ == "__main__":
    sys.exit(main())
