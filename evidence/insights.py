"""Findings about trading results, each by a fixed rule, with its numbers and perhaps a suggestion.

A suggestion here is a candidate, not a decision: replay under costs judges it. Risk limits are never suggested to be
loosened; they are the user's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evidence.bootstrap import Interval, bootstrap_interval, means
from evidence.excursions import PriceBars, StopTrial, bracket_outcome, excursion, stop_trials
from evidence.metrics import slippage_bps, total_pnl_usd
from evidence.suggestions import BOUNDS, Priority, Suggestion, bounded
from evidence.trips import Trip, grouped

LEAST_TRIPS_OF_AN_HOUR = 5
LEAST_TRIPS_WITH_BARS = 10
LEAST_TRIPS_OF_A_SYMBOL = 3
LEAST_MISSED = 10
COSTLY_SLIPPAGE_BPS = 5.0  # of turnover: a tenth of a percent for a round trip
STOP_LOSS = "stop_loss"
NEVER_MISSED = frozenset({"approved", "position_open", "entry_pending", "no_price", "warming_up", "dry_run"})
PARAMETER_OF_RULE = {"rsi_not_below_cap": ("rsi_cap", 1.0), "atr_not_above_floor": ("atr_floor_pct", -1.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """An entry that was refused when its reason became news: by which rule, when, and what a share would have cost."""

    rule: str
    symbol: str
    at_s: float
    ask_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the rules read. `trips` are of the session, `recent_trips` of the sessions up to it; `bars` are the
    session's by symbol; `present` are the parameters by the names of `BOUNDS`; `judgements` is rule -> refusals.
    """

    trips: Sequence[Trip]
    recent_trips: Sequence[Trip]
    bars: Mapping[str, PriceBars]
    denials: Sequence[Denial]
    judgements: Mapping[str, int]
    present: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """One finding: by which rule, in words, with the numbers behind the words."""

    rule: str
    words: str
    numbers: Mapping[str, Any]
    suggestion: Suggestion | None = None


def insights(material: Material) -> tuple[Insight, ...]:
    """Every rule's findings, in a fixed order. No trade and no refusal: nothing."""
    rules = (worst_hour, stops_too_tight, slippage_by_symbol, missed_entries)
    return tuple(found for rule in rules for found in rule(material))


def worst_hour(material: Material) -> list[Insight]:
    """The hour of entry that lost most over the recent sessions."""
    hours = {
        hour: trips
        for hour, trips in grouped(material.recent_trips, "hour").items()
        if len(trips) >= LEAST_TRIPS_OF_AN_HOUR
    }
    if not hours:
        return []
    hour, trips = min(hours.items(), key=lambda item: total_pnl_usd(item[1]))
    pnl_usd = total_pnl_usd(trips)
    if pnl_usd >= 0:
        return []
    interval = _mean_interval([trip.return_pct for trip in trips])
    numbers = {"hour": hour, "round_trips": len(trips), "pnl_usd": pnl_usd, "return_interval_pct": interval[:2]}
    words = (
        f"entries from {hour}:00 to {int(hour) + 1:02}:00 lost most: {pnl_usd:+,.2f} USD in {len(trips)} round trips, "
        f"{_interval_text(interval)} each"
    )
    priority = Priority.MEDIUM if interval.high < 0 else Priority.LOW
    cap = material.present["rsi_cap"]
    return [
        Insight(
            rule="worst_hour",
            words=words,
            numbers=numbers,
            suggestion=_suggestion(material, "rsi_cap", cap - 2.0, words, priority, numbers),
        )
    ]


def stops_too_tight(material: Material) -> list[Insight]:
    """Round trips that were stopped and then went on to the target, and which stop would have done better."""
    known = [(trip, material.bars[trip.symbol]) for trip in material.trips if trip.symbol in material.bars]
    stopped = [(trip, bars) for trip, bars in known if trip.exit_reason == STOP_LOSS]
    if len(known) < LEAST_TRIPS_WITH_BARS or not stopped:
        return []
    stop_pct, target_pct = material.present["stop_loss_pct"], material.present["profit_target_pct"]
    excursions = [excursion(trip, bars) for trip, bars in known]
    later = [excursion(trip, bars).afterwards_pct for trip, bars in stopped]
    recovered = sum(1 for each in later if each is not None and each >= target_pct)
    trials = stop_trials(known, _other_stops(stop_pct), stop_pct=stop_pct, target_pct=target_pct)
    best = max(trials, key=lambda trial: trial.gain_pct, default=None)
    numbers: dict[str, Any] = {
        "round_trips": len(known),
        "stopped": len(stopped),
        "reached_the_target_later": recovered,
        "median_adverse_pct": float(np.median([each.adverse_pct for each in excursions])),
        "median_favourable_pct": float(np.median([each.favourable_pct for each in excursions])),
        "stop_trials": [_trial_numbers(trial) for trial in trials],
    }
    words = (
        f"{len(stopped)} of {len(known)} round trips were stopped at {stop_pct:g} %; {recovered} of those prices "
        f"reached the target of {target_pct:g} % later that session"
    )
    if best is None or best.gain_pct <= 0:
        return [Insight(rule="stops_too_tight", words=f"{words}; no other stop did better", numbers=numbers)]
    words += (
        f"; a stop of {best.stop_pct:g} % would have brought {best.gain_pct:+.3f} % a round trip before costs "
        f"({_interval_text(best.interval_pct)})"
    )
    priority = Priority.HIGH if best.interval_pct.low > 0 else Priority.LOW
    suggestion = _suggestion(material, "stop_loss_pct", best.stop_pct, words, priority, numbers)
    return [Insight(rule="stops_too_tight", words=words, numbers=numbers, suggestion=suggestion)]


def slippage_by_symbol(material: Material) -> list[Insight]:
    """What fills cost against the prices decided on, and whether the target still carries it."""
    costs = {
        symbol: cost
        for symbol, trips in grouped(material.recent_trips, "symbol").items()
        if len(trips) >= LEAST_TRIPS_OF_A_SYMBOL and (cost := slippage_bps(trips)) is not None
    }
    overall = slippage_bps(material.recent_trips)
    if not costs or overall is None:
        return []
    symbol = max(costs, key=costs.__getitem__)
    numbers = {"slippage_bps": overall, "by_symbol_bps": costs}
    words = f"slippage is {overall:.2f} bps of turnover, most in {symbol}: {costs[symbol]:.2f} bps"
    if overall < COSTLY_SLIPPAGE_BPS:
        return [Insight(rule="slippage_by_symbol", words=words, numbers=numbers)]
    wanted_pct = material.present["profit_target_pct"] + 2 * overall / 100  # both sides' cost on top of the target
    suggestion = _suggestion(material, "profit_target_pct", wanted_pct, words, Priority.MEDIUM, numbers)
    return [Insight(rule="slippage_by_symbol", words=words, numbers=numbers, suggestion=suggestion)]


def missed_entries(material: Material) -> list[Insight]:
    """What refused entries would have brought at the present stop and target, rule by rule, before costs."""
    stop_pct, target_pct = material.present["stop_loss_pct"], material.present["profit_target_pct"]
    outcomes: dict[str, list[float]] = {}  # rule -> percent of each episode
    for denial in material.denials:
        bars = material.bars.get(denial.symbol)
        if bars is None or denial.rule in NEVER_MISSED or denial.ask_usd <= 0:
            continue
        outcome = bracket_outcome(denial.ask_usd, denial.at_s, bars, stop_pct=stop_pct, target_pct=target_pct)
        if outcome is not None:
            outcomes.setdefault(denial.rule, []).append(outcome.return_pct)
    return [
        _missed_by(material, rule, outcomes[rule])
        for rule in sorted(outcomes, key=lambda rule: (-len(outcomes[rule]), rule))
        if len(outcomes[rule]) >= LEAST_MISSED
    ]


def _missed_by(material: Material, rule: str, returns_pct: Sequence[float]) -> Insight:
    interval = _mean_interval(returns_pct)
    average_pct = float(np.mean(returns_pct))
    numbers = {
        "rule": rule,
        "episodes": len(returns_pct),
        "judgements": material.judgements.get(rule, 0),
        "average_pct": average_pct,
        "interval_pct": interval[:2],
    }
    words = (
        f"{rule} refused {len(returns_pct)} episodes; entered at their beginning they would have brought "
        f"{average_pct:+.3f} % each before costs ({_interval_text(interval)})"
    )
    suggestion = None
    if rule in PARAMETER_OF_RULE and average_pct > 0:
        parameter, direction = PARAMETER_OF_RULE[rule]
        wanted = material.present[parameter] + direction * BOUNDS[parameter].step
        priority = Priority.HIGH if interval.low > 0 else Priority.LOW
        suggestion = _suggestion(material, parameter, wanted, words, priority, numbers)
    return Insight(rule="missed_entries", words=words, numbers=numbers, suggestion=suggestion)


def _suggestion(
    material: Material, parameter: str, wanted: float, reason: str, priority: Priority, numbers: Mapping[str, Any]
) -> Suggestion | None:
    value = bounded(parameter, material.present[parameter], wanted)
    if value is None:
        return None
    return Suggestion(
        parameter=parameter, new_value=value, source="rule", reason=reason, priority=priority, evidence=numbers
    )


def _other_stops(stop_pct: float) -> list[float]:
    """Stops that a session's step can reach, in tenths of a percent."""
    low, high, step = BOUNDS["stop_loss_pct"]
    tenths = range(-round(step * 10), round(step * 10) + 1)
    return [other for n in tenths if n and low <= (other := round(stop_pct + n / 10, 6)) <= high]


def _trial_numbers(trial: StopTrial) -> dict[str, Any]:
    return {
        "stop_pct": trial.stop_pct,
        "gain_pct": trial.gain_pct,
        "interval_pct": trial.interval_pct[:2],
        "round_trips": trial.trips,
    }


def _mean_interval(values: Sequence[float]) -> Interval:
    return bootstrap_interval(np.array(values), means)


def _interval_text(interval: Interval) -> str:
    return f"{100 * interval.level:.4g} % between {interval.low:+.3f} % and {interval.high:+.3f} %"
