"""The commands `sweep` and `walk-forward`: a search over a market that is loaded, judged, recorded and told."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from math import prod
from pathlib import Path

from reporting.page import write_page
from research import tables
from research.arguments import changed
from research.engine import Plan, sweep
from research.report import search_page, walk_page
from research.search import Found, Play, Point, at_random, grid, judge, search_listed, search_tpe
from research.source import Bars
from research.trials import MarketName, TrialRecord
from research.walk_forward import Step, walk, windows
from trading.settings import StrategySettings
from trading.strategy import Parameters
from utils import Misconfigured


def sweep_command(
    args: argparse.Namespace, bars: Bars, on: Plan, strategy: StrategySettings, now: datetime, play: Play | None = None
) -> tuple[Found, TrialRecord]:
    """Search, judge the best by every trial on these sessions, record, tell."""
    record = TrialRecord(Path(args.record))
    market = _market_name(args, bars, on)
    found = search(args, bars, on, strategy, play)
    judgement = judge(found, record.earlier_sharpes(market, found))
    record.add(now, args.command, market, found)
    tables.tell_search(found, judgement, bars, on)
    if args.html:
        write_page(args.html, search_page(found, bars, on, tables.judgement_rows(judgement), str(args.market_data)))
    return found, record


def walk_forward_command(
    args: argparse.Namespace, bars: Bars, on: Plan, strategy: StrategySettings, now: datetime, play: Play | None = None
) -> tuple[Found, list[Step]]:
    """Choose on past sessions, play the next, again and again; record, tell.

    Raises Misconfigured for the method tpe.
    """
    chosen = windows(len(bars.dates), args.train, args.test, args.purge, anchored=args.anchored)
    record = TrialRecord(Path(args.record))
    market = _market_name(args, bars, on)
    if args.method == "tpe":
        raise Misconfigured("walk-forward knows --method grid and random: TPE would see the sessions to come")
    found = search(args, bars, on, strategy, play)
    steps = list(walk(bars, found, on, chosen))
    record.add(now, args.command, market, found)
    tables.tell_walk(steps, bars, on)
    if args.html:
        write_page(args.html, walk_page(steps, bars, on, str(args.market_data)))
    return found, steps


def search(
    args: argparse.Namespace, bars: Bars, on: Plan, strategy: StrategySettings, play: Play | None = None
) -> Found:
    """All trials that the command line asks for. Raises Misconfigured for a value out of bounds."""
    values = dict(args.vary)
    if not values:
        raise Misconfigured("nothing to search: give --vary NAME=A,B,C or NAME=FIRST:LAST:STEP")

    def to_parameters(point: Point) -> Parameters:
        return changed(strategy, point, "--vary").parameters()

    for name, each in values.items():
        for value in each:
            to_parameters({name: value})  # a bad one is refused before anything is played
    play = play or (lambda sets: sweep(bars, sets, on))
    if args.method == "tpe":
        return search_tpe(values, args.trials, args.seed, to_parameters, play, on.equity)
    points: Sequence[Point] = grid(values) if args.method == "grid" else at_random(values, args.trials, args.seed)
    return search_listed(points, to_parameters, play, on.equity)


def most_sets(args: argparse.Namespace) -> int:
    """How many sets a command line asks for, at most."""
    combinations = prod(len(values) for values in dict(args.vary).values())
    return combinations if args.method == "grid" else min(args.trials, combinations)


def _market_name(args: argparse.Namespace, bars: Bars, on: Plan) -> str:
    name = MarketName(args.market_data, on)
    name.add(bars)
    return name.text()
