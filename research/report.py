"""A run as one self-contained HTML file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np

from market_hours import NEW_YORK, new_york_date, utc_from_epoch
from reporting.bars import Bar, columns
from reporting.figure import spaced
from reporting.heat_map import heat_map
from reporting.lines import Marker, Series, lines
from reporting.page import Section, page
from research.backtest import Backtest
from research.engine import Plan
from research.search import Found
from research.sessions import RESULT
from research.source import Bars, Tape
from research.tapes import Floats
from research.walk_forward import Step
from trading.book import RoundTrip
from trading.money import MONEY_UNITS_PER_USD, PRICE_UNITS_PER_USD, usd_text
from trading.strategy import Parameters

TapeOf = Callable[[str, date], Tape]  # bars of a symbol in a session, for a picture
MOST_TAPES = 6  # symbol-days that are drawn with their trades: those with the most round trips


def backtest_page(run: Backtest, on: Plan, brought: Sequence[tuple[str, str]], origin: str, tape_of: TapeOf) -> str:
    """What it brought, equity, drawdown and the busiest symbol-days with their trades."""
    results = run.days[:, RESULT]
    facts = [
        ("prices", origin),
        ("parameters", _text(run.parameters)),
        ("sessions", f"{len(run.dates)}, {run.dates[0]} to {run.dates[-1]}"),
        *brought,
    ]
    parts = [*_curves(run.dates, results / MONEY_UNITS_PER_USD, on), *_trades(run.trips, tape_of)]
    return page("Backtest", facts, parts)


def search_page(found: Found, bars: Bars, on: Plan, worth: Sequence[tuple[str, str]], origin: str) -> str:
    """The best set's equity and a heat map of every two parameters that were varied."""
    best = found.parameters[found.best]
    facts = [("prices", origin), ("best set", _text(best)), ("set in use", _text(found.parameters[0])), *worth]
    results_usd = found.returns[found.best] * on.equity / MONEY_UNITS_PER_USD
    return page("Search: its best set", facts, [*_heat_maps(found), *_curves(bars.dates, results_usd, on)])


def walk_page(steps: Sequence[Step], bars: Bars, on: Plan, origin: str) -> str:
    """Each window's result out of sample, and the equity over all of them."""
    returns = np.concatenate([step.returns for step in steps])
    first = steps[0].window.test_first
    played = [str(bars.dates[step.window.test_first]) for step in steps]
    facts = [
        ("prices", origin),
        ("windows", f"{len(steps)}, {len(returns)} sessions out of sample"),
        ("result", f"{returns.sum():+.3%} of {usd_text(on.equity)} USD"),
    ]
    percent = [float(step.returns.sum()) * 100 for step in steps]
    parts = [
        (
            "Result of each window, percent of the account",
            columns([Bar(*each) for each in zip(played, percent, strict=True)], "%"),
        )
    ]
    parts += _curves(bars.dates[first : first + len(returns)], returns * on.equity / MONEY_UNITS_PER_USD, on)
    return page("Walk-forward", facts, parts)


def _curves(dates: Sequence[object], results_usd: Floats, on: Plan) -> list[Section]:
    """Equity and drawdown after each session, from the account before the first."""
    start = on.equity / MONEY_UNITS_PER_USD
    equity = start + np.concatenate([[0.0], np.cumsum(results_usd)])
    drawdown = (equity / np.maximum.accumulate(equity) - 1) * 100
    xs, labels = range(len(equity)), spaced([f"before {dates[0]}", *(str(day) for day in dates)])
    return [
        ("Equity", lines(xs, [Series("equity", equity.tolist())], labels, "USD")),
        ("Drawdown", lines(xs, [Series("drawdown", drawdown.tolist())], labels, "%", fill=True)),
    ]


def _trades(trips: Sequence[RoundTrip], tape_of: TapeOf) -> list[Section]:
    """The symbol-days with the most round trips: closes, and each entry with its result."""
    by_day = defaultdict[tuple[date, str], list[RoundTrip]](list)
    for trip in trips:
        by_day[new_york_date(utc_from_epoch(trip.opened_s)), trip.symbol].append(trip)
    busiest = sorted(by_day, key=lambda key: (-len(by_day[key]), key))[:MOST_TAPES]
    drawn = []
    for day, symbol in sorted(busiest):
        tape = tape_of(symbol, day)
        seconds, closes = tape.start_s.tolist(), Series("close", (tape.close / PRICE_UNITS_PER_USD).tolist())
        markers = [_marker(trip) for trip in by_day[day, symbol]]
        labels = spaced([_clock(second) for second in seconds])
        drawn.append((f"{symbol} on {day}", lines(seconds, [closes], labels, "USD", markers=markers)))
    return drawn


def _marker(trip: RoundTrip) -> Marker:
    """A round trip where it was bought, with what became of it."""
    price = trip.bought_for / trip.quantity / MONEY_UNITS_PER_USD
    told = f"{_clock(trip.opened_s)} at {price:.2f} until {_clock(trip.closed_s)}, {trip.exit_reason}"
    return Marker(trip.opened_s, price, f"{told}: {usd_text(trip.pnl)} USD", "up" if trip.pnl > 0 else "down")


def _heat_maps(found: Found) -> list[Section]:
    """For every two parameters that were varied: the best Sharpe ratio of each pair of values."""
    columns = np.array(found.parameters, dtype=np.float64)
    varied = [place for place in range(columns.shape[1]) if len(np.unique(columns[:, place])) > 1]
    drawn = []
    for number, down in enumerate(varied):
        for across in varied[number + 1 :]:
            rows, tops = np.unique(columns[:, down]), np.unique(columns[:, across])
            values = np.full((len(rows), len(tops)), np.nan)
            for each, ratio in zip(columns, found.sharpes, strict=True):
                i, j = int(np.searchsorted(rows, each[down])), int(np.searchsorted(tops, each[across]))
                values[i, j] = np.fmax(values[i, j], ratio)
            names = (Parameters._fields[down], Parameters._fields[across])
            picture = heat_map([f"{row:g}" for row in rows], [f"{top:g}" for top in tops], values.tolist(), names)
            drawn.append((f"Sharpe ratio by {names[0]} and {names[1]}", picture))
    return drawn


def _clock(second: int) -> str:
    return f"{utc_from_epoch(second).astimezone(NEW_YORK):%H:%M}"


def _text(parameters: Parameters) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in parameters._asdict().items())
