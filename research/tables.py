"""A run told in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from evidence.overfitting import sharpe
from research.backtest import Backtest
from research.bootstrap import mean_and_sharpe
from research.engine import Plan
from research.sessions import LEFT_SHARES
from trading.book import RoundTrip
from trading.money import usd_text

if TYPE_CHECKING:
    from rich.table import Table

    from research.checking import SymbolCheck
    from research.search import Found, Judgement
    from research.source import Bars
    from research.stress import Stressed
    from research.walk_forward import Step

MOST_SYMBOLS = 20
MOST_DATES = 5
MOST_SETS = 10
PARAMETER_TITLES = ("target\nbps", "stop\nbps", "RSI\ncap", "ATR\nfloor")  # in the order of `Parameters`


def tell(run: Backtest, on: Plan, prices_from: str) -> None:
    """Print what a backtest did: the account, the exits, the symbols, and the judgements where they were counted."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    trips, dates = run.trips, run.dates
    when = f"{dates[0]}" if len(dates) == 1 else f"{dates[0]} to {dates[-1]}, {len(dates)} sessions"
    console.print(f"[bold]{prices_from}[/bold]: {when}, {run.symbol_days:,} symbol-days, {run.n_bars:,} bars")
    summary = Table("", "", show_header=False, box=None)
    for name, value in summary_rows(run, on):
        summary.add_row(name, value)
    console.print(summary)
    if trips:
        console.print(_exits(trips))
        console.print(_symbols(trips))
    if run.denials:
        table = Table("judgement", "count", title="Judgements, one per symbol and 5 seconds")
        table.columns[1].justify = "right"
        for rule, count in run.denials.items():
            table.add_row(rule, f"{count:,}")
        console.print(table)


def summary_rows(run: Backtest, on: Plan) -> list[tuple[str, str]]:
    """What a backtest brought, in words."""
    trips = run.trips
    wins = sum(trip.pnl > 0 for trip in trips)
    gross_won = sum(trip.pnl for trip in trips if trip.pnl > 0)
    gross_lost = -sum(trip.pnl for trip in trips if trip.pnl < 0)
    rows = [
        ("result", f"{usd_text(run.pnl)} USD on {usd_text(on.equity)} USD"),
        ("round trips", f"{len(trips)}, {wins} won, {len(trips) - wins} not"),
        ("fees", f"{usd_text(sum(trip.fees for trip in trips))} USD"),
    ]
    if gross_lost:
        rows.append(("profit factor", f"{gross_won / gross_lost:.2f}"))
    if trips:
        held_s = median(trip.closed_s - trip.opened_s for trip in trips)
        rows.append(("median time held", str(timedelta(seconds=int(held_s)))))
    left = int(run.days[:, LEFT_SHARES].sum())
    if left:
        rows.append(("not sold by the close", f"{left} shares, left out of the result"))
    return rows


def _exits(trips: Sequence[RoundTrip]) -> Table:
    from rich.table import Table

    table = Table("exit", "round trips", "result USD", title="Exits")
    counts = Counter(trip.exit_reason for trip in trips)
    for column in table.columns[1:]:
        column.justify = "right"
    for reason, count in counts.most_common():
        table.add_row(reason, str(count), usd_text(sum(trip.pnl for trip in trips if trip.exit_reason == reason)))
    return table


def _symbols(trips: Sequence[RoundTrip]) -> Table:
    from rich.table import Table

    table = Table("symbol", "round trips", "won", "result USD", title="Symbols")
    for column in table.columns[1:]:
        column.justify = "right"
    results = Counter[str]()
    for trip in trips:
        results[trip.symbol] += trip.pnl
    for symbol, result in results.most_common(MOST_SYMBOLS):
        own = [trip for trip in trips if trip.symbol == symbol]
        table.add_row(symbol, str(len(own)), str(sum(trip.pnl > 0 for trip in own)), usd_text(result))
    if len(results) > MOST_SYMBOLS:
        table.add_row(f"{len(results) - MOST_SYMBOLS} more", "", "", "")
    return table


def tell_checks(checks: Sequence[SymbolCheck]) -> None:
    """Print what is wrong with a store: a row for each symbol, then the files and sessions by name."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    names = ("symbol", "sessions", "bars", "missing", "early closes", "gaps", "minutes", "longest", "twice", "bad")
    table = Table(*names, "out of hours", title="Minute bars of the store")
    for column in table.columns[1:]:
        column.justify = "right"
    for each in checks:
        counts = (each.sessions, each.bars, len(each.missing_sessions), each.early_closes, each.gaps)
        faults = (each.missing_minutes, each.longest_gap_minutes, each.duplicates, each.bad_rows, each.out_of_hours)
        table.add_row(each.symbol, *(f"{count:,}" for count in counts + faults))
    console.print(table)
    for each in checks:
        if each.missing_sessions:
            shown = ", ".join(day.isoformat() for day in each.missing_sessions[:MOST_DATES])
            rest = len(each.missing_sessions) - MOST_DATES
            console.print(f"{each.symbol} has no bar on {shown}{f' and {rest} more sessions' if rest > 0 else ''}")
        for words in each.unreadable:
            console.print(f"[red]{words}[/red]")


def tell_search(found: Found, judgement: Judgement, bars: Bars, on: Plan) -> None:
    """Print the best sets of a search, the set in use beside them, and what the best is worth."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(*PARAMETER_TITLES, "trips", "result USD", "Sharpe", title=f"Best of {len(found.parameters)} sets")
    for column in table.columns:
        column.justify = "right"
    order = sorted(range(len(found.parameters)), key=lambda number: -found.sharpes[number])
    shown = order[:MOST_SETS] if 0 in order[:MOST_SETS] else [*order[:MOST_SETS], 0]
    for number in shown:
        result = round(float(found.returns[number].sum()) * on.equity)
        row = (*(f"{value:g}" for value in found.parameters[number]), str(found.trips[number]), usd_text(result))
        style = "bold" if number == found.best else "cyan" if number == 0 else None
        table.add_row(*row, f"{found.sharpes[number]:.3f}", style=style)
    console.print(table)
    console.print("The best is bold, the set in use cyan. Sharpe ratios are of sessions, not annualised.")
    summary = Table("", "", show_header=False, box=None, title=f"Worth of the best, {len(bars.dates)} sessions")
    for name, value in judgement_rows(judgement):
        summary.add_row(name, value)
    console.print(summary)


def judgement_rows(judgement: Judgement) -> list[tuple[str, str]]:
    """What the best of a search is worth, in words."""
    few = "too few sessions"
    low, high = judgement.mean
    mean = few if low != low else f"{low:+.3%} to {high:+.3%} of the account a session"
    low, high = judgement.sharpe
    ratio = few if low != low else f"{low:.3f} to {high:.3f}"
    return [
        ("distinct sets tried on these sessions, ever", f"{judgement.trials:,}"),
        ("deflated Sharpe: probability that it is real", _share(judgement.deflated)),
        ("probability of backtest overfitting", _share(judgement.overfitting)),
        ("SPA p-value against the set in use", _share(judgement.spa)),
        ("mean, 95 % of stationary bootstraps", mean),
        ("Sharpe, 95 % of stationary bootstraps", ratio),
    ]


def tell_walk(steps: Sequence[Step], bars: Bars, on: Plan) -> None:
    """Print each window of a walk-forward, and how all of them together went on sessions that nobody chose on."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("from", *PARAMETER_TITLES, "Sharpe\nbefore", "Sharpe", "trips", "return")
    for column in table.columns[1:]:
        column.justify = "right"
    for step in steps:
        when = f"{bars.dates[step.window.test_first]:%y-%m-%d}"
        own = f"{float(sharpe(step.returns)):.3f}" if len(step.returns) > 1 else "-"
        values = (f"{value:g}" for value in step.parameters)
        table.add_row(when, *values, f"{step.train_sharpe:.3f}", own, str(step.trips), f"{step.returns.sum():+.3%}")
    console.print(table)
    returns = np.concatenate([step.returns for step in steps])
    mean, ratio = mean_and_sharpe(returns)
    few = "too few sessions for an interval"
    told = (
        few
        if mean.low != mean.low
        else f"mean {mean.low:+.3%} to {mean.high:+.3%}, Sharpe {ratio.low:.3f} to {ratio.high:.3f} (95 %)"
    )
    console.print(f"{len(returns)} sessions out of sample: {returns.sum():+.3%} of {usd_text(on.equity)} USD; {told}")


def _share(value: float) -> str:
    return "too few sessions or sets" if value != value else f"{value:.1%}"


def tell_stress(stressed: Sequence[Stressed], cuts: int, leaks: int) -> None:
    """Print whether the future mattered, and what is left of the result under each stress."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"{cuts} cuts, the future removed and scrambled at each: {leaks or 'nothing'} before them changed")
    table = Table("stress", "round trips", "result USD", title="The result under stress")
    for column in table.columns[1:]:
        column.justify = "right"
    for each in stressed:
        table.add_row(each.name, str(each.trips), usd_text(each.result))
    console.print(table)
