"""A run told in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

from research.engine import Outcome, Plan
from research.sessions import LEFT_SHARES
from trading.book import RoundTrip
from trading.money import usd_text

if TYPE_CHECKING:
    from rich.table import Table

    from research.checking import SymbolCheck

MOST_SYMBOLS = 20
MOST_DATES = 5


def tell(outcome: Outcome, on: Plan, prices_from: str) -> None:
    """Print what a run did: the account, the exits, the symbols, and the judgements where they were counted."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    trips = outcome.round_trips()
    dates, bars = outcome.bars.dates, outcome.bars
    when = f"{dates[0]}" if len(dates) == 1 else f"{dates[0]} to {dates[-1]}, {len(dates)} sessions"
    console.print(f"[bold]{prices_from}[/bold]: {when}, {bars.n_tapes} symbol-days, {bars.n_bars:,} bars")
    summary = Table("", "", show_header=False, box=None)
    for name, value in _summary(outcome, on, trips):
        summary.add_row(name, value)
    console.print(summary)
    if trips:
        console.print(_exits(trips))
        console.print(_symbols(trips))
    denials = outcome.denials()
    if denials:
        table = Table("judgement", "count", title="Judgements, one per symbol and 5 seconds")
        table.columns[1].justify = "right"
        for rule, count in denials.items():
            table.add_row(rule, f"{count:,}")
        console.print(table)


def _summary(outcome: Outcome, on: Plan, trips: list[RoundTrip]) -> list[tuple[str, str]]:
    wins = sum(trip.pnl > 0 for trip in trips)
    gross_won = sum(trip.pnl for trip in trips if trip.pnl > 0)
    gross_lost = -sum(trip.pnl for trip in trips if trip.pnl < 0)
    rows = [
        ("result", f"{usd_text(outcome.pnl)} USD on {usd_text(on.equity)} USD"),
        ("round trips", f"{len(trips)}, {wins} won, {len(trips) - wins} not"),
        ("fees", f"{usd_text(sum(trip.fees for trip in trips))} USD"),
    ]
    if gross_lost:
        rows.append(("profit factor", f"{gross_won / gross_lost:.2f}"))
    if trips:
        held_s = median(trip.closed_s - trip.opened_s for trip in trips)
        rows.append(("median time held", str(timedelta(seconds=int(held_s)))))
    left = int(outcome.days[:, LEFT_SHARES].sum())
    if left:
        rows.append(("not sold by the close", f"{left} shares, left out of the result"))
    return rows


def _exits(trips: list[RoundTrip]) -> Table:
    from rich.table import Table

    table = Table("exit", "round trips", "result USD", title="Exits")
    counts = Counter(trip.exit_reason for trip in trips)
    for column in table.columns[1:]:
        column.justify = "right"
    for reason, count in counts.most_common():
        table.add_row(reason, str(count), usd_text(sum(trip.pnl for trip in trips if trip.exit_reason == reason)))
    return table


def _symbols(trips: list[RoundTrip]) -> Table:
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
