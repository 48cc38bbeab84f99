"""A run as one self-contained HTML file."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from html import escape
from pathlib import Path

import numpy as np

from market_hours import NEW_YORK, new_york_date, utc_from_epoch
from research.backtest import Backtest
from research.engine import Plan
from research.pictures import Marker, bands, heat_map, lines
from research.search import Found
from research.sessions import RESULT
from research.source import Bars, Tape
from research.tapes import Floats
from research.walk_forward import Step
from trading.book import RoundTrip
from trading.money import MONEY_UNITS_PER_USD, PRICE_UNITS_PER_USD, usd_text
from trading.strategy import Parameters
from utils import Misconfigured

TapeOf = Callable[[str, date], Tape]  # bars of a symbol in a session, for a picture
MOST_TAPES = 6  # symbol-days that are drawn with their trades: those with the most round trips
STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --soft: #d8dee6; --line: #2563a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --paper: #12161c; --soft: #323a45; --line: #6aa6e8; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 960px; margin: 2rem auto; padding: 0 1rem; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
.line { fill: none; stroke: var(--line); stroke-width: 1.6; } .area { fill: var(--line); opacity: .18; }
.grid { stroke: var(--soft); } .up { fill: #1a8c50; } .down { fill: #be3c32; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; } td { padding: .1rem 1.2rem .1rem 0; }
"""


def backtest_page(run: Backtest, on: Plan, origin: str, tape_of: TapeOf) -> str:
    """Equity, drawdown and the busiest symbol-days with their trades."""
    results = run.days[:, RESULT]
    facts = [
        ("prices", origin),
        ("sessions", f"{run.dates[0]} to {run.dates[-1]}, {len(run.dates)}"),
        ("result", f"{usd_text(run.pnl)} USD on {usd_text(on.equity)} USD"),
        ("round trips", f"{len(run.trips)}"),
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
    parts = [("Result of each window, percent of the account", bands(played, percent))]
    parts += _curves(bars.dates[first : first + len(returns)], returns * on.equity / MONEY_UNITS_PER_USD, on)
    return page("Walk-forward", facts, parts)


def page(title: str, facts: Sequence[tuple[str, str]], parts: Sequence[tuple[str, str]]) -> str:
    """HTML of a title, facts as a table, and pictures under their headings."""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in facts)
    body = "".join(f"<h2>{escape(heading)}</h2>{picture}" for heading, picture in parts)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    style = f"<style>{STYLE}</style>"
    told = f"<h1>{escape(title)}</h1><table>{rows}</table>{body}"
    return f'<!doctype html><html lang="en"><head>{head}{style}</head><body>{told}</body></html>\n'


def write_page(path: Path, html: str) -> None:
    """Replace `path` in one step. Raises Misconfigured when it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(html, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Misconfigured(f"{path}: {error.strerror}") from error


def _curves(dates: Sequence[object], results_usd: Floats, on: Plan) -> list[tuple[str, str]]:
    """Equity and drawdown after each session, from the account before the first."""
    start = on.equity / MONEY_UNITS_PER_USD
    equity = start + np.concatenate([[0.0], np.cumsum(results_usd)])
    drawdown = (equity / np.maximum.accumulate(equity) - 1) * 100
    xs, ends = np.arange(len(equity), dtype=np.float64), (f"before {dates[0]}", str(dates[-1]))
    return [
        ("Equity", lines(xs, equity, ends, "USD")),
        ("Drawdown", lines(xs, drawdown, ends, "%", fill=True)),
    ]


def _trades(trips: Sequence[RoundTrip], tape_of: TapeOf) -> list[tuple[str, str]]:
    """The symbol-days with the most round trips: closes, and each entry with its result."""
    by_day = defaultdict[tuple[date, str], list[RoundTrip]](list)
    for trip in trips:
        by_day[new_york_date(utc_from_epoch(trip.opened_s)), trip.symbol].append(trip)
    busiest = sorted(by_day, key=lambda key: (-len(by_day[key]), key))[:MOST_TAPES]
    drawn = []
    for day, symbol in sorted(busiest):
        tape = tape_of(symbol, day)
        seconds, closes = tape.start_s.astype(np.float64), tape.close / PRICE_UNITS_PER_USD
        markers = [_marker(trip) for trip in by_day[day, symbol]]
        ends = (_clock(int(seconds[0])), _clock(int(seconds[-1])))
        drawn.append((f"{symbol} on {day}", lines(seconds, closes, ends, "USD", markers=markers)))
    return drawn


def _marker(trip: RoundTrip) -> Marker:
    """A round trip where it was bought, with what became of it."""
    price = trip.bought_for / trip.quantity / MONEY_UNITS_PER_USD
    told = f"{_clock(trip.opened_s)} at {price:.2f} until {_clock(trip.closed_s)}"
    colour = "#1a8c50" if trip.pnl > 0 else "#be3c32"
    return Marker(trip.opened_s, price, f"{told}, {trip.exit_reason}: {usd_text(trip.pnl)} USD", colour)


def _heat_maps(found: Found) -> list[tuple[str, str]]:
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
            picture = heat_map([f"{row:g}" for row in rows], [f"{top:g}" for top in tops], values, names)
            drawn.append((f"Sharpe ratio by {names[0]} and {names[1]}", picture))
    return drawn


def _clock(second: int) -> str:
    return f"{utc_from_epoch(second).astimezone(NEW_YORK):%H:%M}"


def _text(parameters: Parameters) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in parameters._asdict().items())
