"""The pictures of the weekly report: equity beside baselines, drawdown, weights over time, attribution, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from portfolio.calibration import CalibrationRow
from portfolio.curves import BOT, drawdown
from reporting.bars import Bar, rows
from reporting.calibration import Group, calibration
from reporting.figure import spaced
from reporting.lines import Series, lines, stacked
from reporting.page import Section, paragraph
from weekly.digest import CycleDigest, summed
from weekly.simulated_run import SimulatedRun

MOST_LAYERS = 8  # names with a colour of their own; the rest is one layer
MOST_BARS = 24
LONG_SESSIONS = 252  # from here on a month says enough
SOURCE_WORDS = {
    "risk": "risk, without views",
    "factor": "factor score",
    "llm": "language model",
    "constraint": "limits, turnover",
    "execution": "execution and rounding",
}


def run_pictures(run: SimulatedRun) -> list[Section]:
    """Equity and drawdown at each close, the bot first."""
    curves = {BOT: run.curves.bot_usd, **run.curves.others_usd}
    is_long = len(run.sessions) > LONG_SESSIONS
    labels = spaced([f"{day:%Y-%m}" if is_long else day.isoformat() for day in run.sessions])
    xs = range(len(run.sessions))
    equity = [Series(name, curve.tolist()) for name, curve in curves.items()]
    falls = [Series(name, (drawdown(curve) * 100).tolist()) for name, curve in curves.items()]
    return [
        ("Equity of the account", lines(xs, equity, labels, "USD")),
        ("Drawdown from the highest close", lines(xs, falls, labels, "%", fill=True)),
    ]


def account_picture(cycles: Sequence[CycleDigest]) -> list[Section]:
    """Net liquidation after each cycle on record: all that is known of an account between cycles."""
    if len(cycles) < 2:
        return []
    labels = spaced([each.session_date.isoformat() for each in cycles])
    series = [Series("net liquidation", [each.net_liquidation_usd for each in cycles])]
    return [("Account after each cycle", lines(range(len(cycles)), series, labels, "USD"))]


def weights_picture(cycles: Sequence[CycleDigest]) -> list[Section]:
    """Weights after each cycle, the largest names on average first."""
    if len(cycles) < 2:
        return []
    totals = summed([each.weights for each in cycles])
    names = sorted(totals, key=lambda symbol: (-totals[symbol], symbol))
    shown = names[:MOST_LAYERS]
    series = [Series(name, [100 * each.weights.get(name, 0.0) for each in cycles]) for name in shown]
    if rest := names[MOST_LAYERS:]:
        others = [100 * sum(each.weights.get(name, 0.0) for name in rest) for each in cycles]
        series.append(Series(f"{len(rest)} others", others))
    labels = spaced([f"{each.session_date:%Y-%m-%d}" for each in cycles])
    return [("Weights after each cycle", stacked(range(len(cycles)), series, labels, "% of the bot's capital"))]


def attribution_pictures(by_name: Mapping[str, float], by_source: Mapping[str, float], since: str) -> list[Section]:
    """Where the result came from, in USD."""
    if not by_name:
        return []
    ranked = sorted(by_name, key=lambda symbol: (-abs(by_name[symbol]), symbol))
    most = sorted(ranked[:MOST_BARS], key=lambda symbol: -by_name[symbol])
    bars = [Bar(symbol, by_name[symbol]) for symbol in most]
    if rest := ranked[MOST_BARS:]:
        bars.append(Bar(f"{len(rest)} others", sum(by_name[symbol] for symbol in rest)))
    sources = [Bar(SOURCE_WORDS.get(source, source), value) for source, value in by_source.items()]
    return [
        (f"Result by name, {since}", rows(bars, "USD", 0)),
        (f"Result by source, {since}", rows(sources, "USD", 0)),
    ]


def sector_picture(sectors: Mapping[str, float]) -> list[Section]:
    """How much is where."""
    ranked = sorted(sectors, key=lambda sector: -sectors[sector])
    bars = [Bar(sector, 100 * sectors[sector]) for sector in ranked]
    return [("Sectors", rows(bars, "% of the capital", 1, signed=False))] if bars else []


def calibration_picture(table: Sequence[CalibrationRow]) -> str:
    """What models said beside what came; a sentence while there is too little."""
    if not table:
        return paragraph("Too few forecasts of a language model are settled to say how well it is calibrated.")
    return calibration([Group(row.said, row.came, row.came_low, row.came_high, row.forecasts) for row in table])
