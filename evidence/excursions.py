"""How far prices went with and against round trips, and what other stops would have made of the same entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evidence.bootstrap import LEVEL, Floats, Interval, bootstrap_interval, means
from evidence.trips import Trip

BAR_S = 60


class PriceBars(NamedTuple):
    """Completed one-minute bars of a symbol and session, in the order of time: starts in epoch s, prices in USD.

    All (n_bars,).
    """

    starts_s: Floats
    highs_usd: Floats
    lows_usd: Floats
    closes_usd: Floats


class Excursion(NamedTuple):
    """Furthest prices of a round trip, percent of the entry price: `adverse_pct` <= 0 <= `favourable_pct`.

    `afterwards_pct` is the highest price between the exit and the end of the bars, None when there are none.
    """

    adverse_pct: float
    favourable_pct: float
    afterwards_pct: float | None


class BracketOutcome(NamedTuple):
    """What a stop and a target would have made of an entry, before costs. `ended_by`: stop, target or end."""

    return_pct: float
    ended_by: str


def excursion(trip: Trip, bars: PriceBars) -> Excursion:
    """MAE and MFE (Sweeney 1996). Of the bars in which the trip began or ended only its own prices are counted:
    nobody knows what came first in a bar, so the excursions may be understated, never overstated.
    """
    entry = trip.entry_price_usd
    opened_s, closed_s = trip.opened_at.timestamp(), trip.closed_at.timestamp()
    inside = (bars.starts_s >= opened_s) & (bars.starts_s + BAR_S <= closed_s)
    after = bars.starts_s >= closed_s
    highest = max(entry, trip.exit_price_usd, float(bars.highs_usd[inside].max(initial=0.0)))
    lowest = min(entry, trip.exit_price_usd, float(bars.lows_usd[inside].min(initial=np.inf)))
    later = float(bars.highs_usd[after].max()) if after.any() else None
    return Excursion(
        100.0 * (lowest / entry - 1.0),
        100.0 * (highest / entry - 1.0),
        None if later is None else 100.0 * (later / entry - 1.0),
    )


def bracket_outcome(
    entry_usd: float, entered_s: float, bars: PriceBars, *, stop_pct: float, target_pct: float
) -> BracketOutcome | None:
    """Stop or target, whichever bar shows first; the stop when one bar shows both; else the last close.

    Only bars that begin after the entry count. None when there is none.
    """
    after = bars.starts_s >= entered_s
    if not after.any():
        return None
    stopped = np.flatnonzero(bars.lows_usd[after] <= entry_usd * (1 - stop_pct / 100))
    reached = np.flatnonzero(bars.highs_usd[after] >= entry_usd * (1 + target_pct / 100))
    never = len(bars.starts_s)
    first_stop = int(stopped[0]) if len(stopped) else never
    first_target = int(reached[0]) if len(reached) else never
    if first_stop == first_target == never:
        return BracketOutcome(100.0 * (float(bars.closes_usd[after][-1]) / entry_usd - 1.0), "end")
    if first_stop <= first_target:
        return BracketOutcome(-stop_pct, "stop")
    return BracketOutcome(target_pct, "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTrial:
    """What another stop would have added to each of `trips` round trips, percent points of the entry price.

    Compared with the present stop on the same bars by the same rule, before costs.
    """

    stop_pct: float
    trips: int
    gain_pct: float
    interval_pct: Interval


def stop_trials(
    trips: Sequence[tuple[Trip, PriceBars]], stops_pct: Sequence[float], *, stop_pct: float, target_pct: float
) -> list[StopTrial]:
    """Each of `stops_pct` against `stop_pct`, on the entries of `trips` with the bars of their symbols.

    The intervals hold 95 % for all stops together: the best one of several is luckier than it is good.
    """
    found = []
    level = 1.0 - (1.0 - LEVEL) / max(len(stops_pct), 1)
    for other_pct in stops_pct:
        gains = []
        for trip, bars in trips:
            entered = trip.entry_price_usd, trip.opened_at.timestamp(), bars
            present = bracket_outcome(*entered, stop_pct=stop_pct, target_pct=target_pct)
            other = bracket_outcome(*entered, stop_pct=other_pct, target_pct=target_pct)
            if present is not None and other is not None:
                gains.append(other.return_pct - present.return_pct)
        if gains:
            differences = np.array(gains)
            interval = bootstrap_interval(differences, means, level=level)
            found.append(
                StopTrial(
                    stop_pct=other_pct, trips=len(gains), gain_pct=float(differences.mean()), interval_pct=interval
                )
            )
    return found
