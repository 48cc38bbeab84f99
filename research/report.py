"""A run as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from market_hours import NEW_YORK, utc_from_epoch
from reporting.bars import Bar, columns
from reporting.figure import spaced
from reporting.heat_map import heat_map
from reporting.lines import Marker, Series, lines
from reporting.page import Section, page
from research.engine import Outcome, Plan
from research.search import Found
from research.sessions import CLOSED_S, ENTRY_PRICE, EXIT_REASON, OPENED_S, PNL, RESULT, TRIP_TAPE
from research.source import Bars
from research.tapes import CLOSE, END_BAR, FIRST_BAR, START, Floats
from research.trips import REASONS
from research.walk_forward import Step
from trading.money import MONEY_UNITS_PER_USD, PRICE_UNITS_PER_USD, usd_text
from trading.strategy import Parameters

MOST_TAPES = 6  # symbol-days that are drawn with their trades: those with the most round trips


def backtest_page(outcome: Outcome, on: Plan, origin: str) -> str:
    """Equity, drawdown and the busiest symbol-days with their trades."""
    results = outcome.days[:, RESULT]
    facts = [
        ("prices", origin),
        ("sessions", f"{outcome.bars.dates[0]} to {outcome.bars.dates[-1]}, {len(outcome.bars.dates)}"),
        ("result", f"{usd_text(outcome.pnl)} USD on {usd_text(on.equity)} USD"),
        ("round trips", f"{len(outcome.trips)}"),
    ]
    parts = [*_curves(outcome.bars.dates, results / MONEY_UNITS_PER_USD, on), *_trades(outcome)]
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


def _trades(outcome: Outcome) -> list[Section]:
    """The symbol-days with the most round trips: closes, and each entry with its result."""
    counts = np.bincount(outcome.trips[:, TRIP_TAPE], minlength=outcome.bars.n_tapes)
    busiest = [int(tape) for tape in np.argsort(-counts, kind="stable")[:MOST_TAPES] if counts[tape]]
    drawn = []
    for tape in sorted(busiest):
        first, end = (int(outcome.bars.tapes.tapes[tape, column]) for column in (FIRST_BAR, END_BAR))
        seconds = outcome.bars.tapes.bars[START, first:end].tolist()
        closes = Series("close", (outcome.bars.tapes.bars[CLOSE, first:end] / PRICE_UNITS_PER_USD).tolist())
        markers = []
        for trip in outcome.trips[outcome.trips[:, TRIP_TAPE] == tape].tolist():
            won = usd_text(trip[PNL])
            tone = "up" if trip[PNL] > 0 else "down"
            price = trip[ENTRY_PRICE] / PRICE_UNITS_PER_USD
            until = f"until {_clock(trip[CLOSED_S])}, {REASONS[trip[EXIT_REASON]]}: {won} USD"
            markers.append(Marker(trip[OPENED_S], price, f"{_clock(trip[OPENED_S])} at {price:.2f} {until}", tone))
        day = outcome.bars.dates[outcome.bars.session_of(tape)]
        labels = spaced([_clock(second) for second in seconds])
        picture = lines(seconds, [closes], labels, "USD", markers=markers)
        drawn.append((f"{outcome.bars.symbol_of(tape)} on {day}", picture))
    return drawn


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
