"""Fit the numbers of the synthetic market to recorded minute bars: `python benchmarks/fit_synthetic.py DIR`.

Each number is paired with the figure that it moves most; numbers without a figure stay as they are. A round measures
the synthetic market as the recorded one is measured and multiplies each number by a power of what its figure is
short by. Prints the MarketShape for ib_simulator/feeds/synthetic_shape.py and the figures for
benchmarks/recorded_shape.py. Takes a few minutes.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from market_shape import Floats, Minutes, minutes_of, recorded_tapes, shape_of, synthetic_tapes, table

from ib_simulator.feeds.synthetic import SyntheticFeed
from ib_simulator.feeds.synthetic_shape import FITTED, MarketShape, knots
from ib_simulator.feeds.tape import SessionTape
from market_hours import TradingCalendar, new_york_calendar

SEEDS = (101, 102, 103)
N_SYMBOLS = 45
N_SESSIONS = 22
GAIN = 0.6
LARGEST_STEP = 1.5
FAR_MINUTE = 400.0  # squared deviations of a minute's move that count at most

PAIRS: dict[str, tuple[str, float]] = {  # number -> the figure it moves, and the power with which
    "volatility.now": ("the same without time of day", 2.0),
    "volatility.fast": ("autocorrelation of |moves|, lag 1", 0.5),
    "volatility.slow": ("autocorrelation of |moves|, lag 15", 0.5),
    "jumps_per_minute": ("minutes beyond 6 sd, per mille", 1.0),
    "jump_factor": ("minutes beyond 10 sd, per mille", 0.3),
    "bounce": ("autocorrelation of moves, lag 1", 1.0),
    "span": ("span of a minute / sd of its move", 1.5),
    "volume.now": ("sd of log volume without time of day, median", 1.5),
    "volume.fast": ("autocorrelation of log volume, lag 1", 1.0),
    "volume.slow": ("autocorrelation of log volume, lag 15", 0.5),
    "volume_of_move": ("correlation of log volume and |move|", 1.5),
    "own_daily_vol.0": ("daily true range, % of price, 10 % of symbols below", 1.0),
    "own_daily_vol.1": ("daily true range, % of price, 10 % of symbols above", 1.0),
    "market_daily_vol": ("correlation of minute moves of two symbols", 0.5),
    "beta.1": ("the same, sd over pairs", 0.5),
    "overnight_share": ("mean |overnight gap| / mean |open to close|", 1.5),
    "own_mood_sd": ("sd of log volatility over a symbol's sessions", 1.0),
    "day_volume_of_mood": ("correlation of the two", 1.5),
    "day_volume_sd": ("sd of log volume over a symbol's sessions", 1.5),
    "shares_per_minute.0": ("shares per minute, 10 % of symbols below", 1.0),
    "shares_per_minute.1": ("shares per minute, 10 % of symbols above", 1.0),
}
LIMITS = {  # others: not negative
    "own_daily_vol.0": (0.003, np.inf),
    "beta.1": (0.5, 3.0),
    "overnight_share": (0.1, 0.5),
    "jump_factor": (3.0, 12.0),
}


def main() -> int:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("directory", type=Path, help="a directory of recorded bars (minute/SYMBOL.parquet)")
    parser.add_argument("--since", type=date.fromisoformat, default=date(2025, 8, 1), help="first session")
    parser.add_argument("--last", type=date.fromisoformat, default=date(2025, 10, 8), help="last session")
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    calendar = new_york_calendar(given.last)
    recorded = recorded_tapes(given.directory, calendar, given.since)
    wanted = _measured([recorded], calendar)
    shape = FITTED
    for number in range(given.rounds):
        markets = _markets(shape, calendar, given.last)
        shape = _nearer(shape, wanted, _measured(markets, calendar))
        print(f"round {number + 1}", file=sys.stderr)
    found = _measured(_markets(shape, calendar, given.last), calendar)
    print(table({"recorded": wanted[0], "synthetic": found[0]}))
    print(_source(shape))
    print("RECORDED = {", *(f'    "{name}": {_text(value)},' for name, value in wanted[0].items()), "}", sep="\n")
    return 0


Measured = tuple[dict[str, float], Floats, Floats]  # the shape; variance and volume at the knots


def _markets(shape: MarketShape, calendar: TradingCalendar, last: date) -> list[list[SessionTape]]:
    symbols = [f"S{number}" for number in range(N_SYMBOLS)]
    return [synthetic_tapes(SyntheticFeed(seed, symbols, calendar, last, shape), N_SESSIONS) for seed in SEEDS]


def _measured(markets: list[list[SessionTape]], calendar: TradingCalendar) -> Measured:
    """Means over the markets."""
    shapes = [shape_of(tapes, calendar) for tapes in markets]
    minutes = [minutes_of(tapes) for tapes in markets]
    return (
        {name: float(np.mean([shape[name] for shape in shapes])) for name in shapes[0]},
        np.mean([_at_knots(_relative_variance(one)) for one in minutes], axis=0),
        np.mean([_at_knots(_relative_volume(one)) for one in minutes], axis=0),
    )


def _relative_variance(minutes: Minutes) -> Floats:
    squares = (minutes.move / minutes.move.std(axis=1, keepdims=True)) ** 2
    return np.asarray(np.minimum(squares, FAR_MINUTE).mean(axis=0), dtype=np.float64)


def _relative_volume(minutes: Minutes) -> Floats:
    return np.asarray((minutes.volume / minutes.volume.mean(axis=1, keepdims=True)).mean(axis=0), dtype=np.float64)


def _at_knots(profile: Floats) -> Floats:
    """The mean of the minutes nearer to a knot than to any other."""
    at = knots(len(profile))
    nearest = np.abs(np.arange(len(profile))[:, None] - at).argmin(axis=1)
    return np.array([profile[nearest == knot].mean() for knot in range(len(at))])


def _nearer(shape: MarketShape, wanted: Measured, found: Measured) -> MarketShape:
    changes: dict[str, Any] = {}
    for name, (figure, power) in PAIRS.items():
        short = wanted[0][figure] / found[0][figure] if found[0][figure] * wanted[0][figure] > 0 else LARGEST_STEP
        field, _, part = name.partition(".")
        whole = changes.get(field, getattr(shape, field))
        value = _part(whole, part) * float(np.clip(short ** (GAIN * power), 1 / LARGEST_STEP, LARGEST_STEP))
        low, high = LIMITS.get(name, (0.0, np.inf))
        changes[field] = _with_part(whole, part, float(np.clip(value, low, high)))
    for field, index in (("variance_by_time", 1), ("volume_by_time", 2)):
        values = np.array(getattr(shape, field)) * (wanted[index] / found[index]) ** GAIN
        changes[field] = tuple((values / values.mean()).tolist())
    return shape._replace(**changes)


def _part(whole: Any, part: str) -> float:
    if not part:
        return float(whole)
    return float(whole[int(part)] if part.isdecimal() else getattr(whole, part))


def _with_part(whole: Any, part: str, value: float) -> Any:
    if not part:
        return value
    if not part.isdecimal():
        return whole._replace(**{part: value})
    return tuple(value if place == int(part) else other for place, other in enumerate(whole))


def _source(shape: MarketShape) -> str:
    lines = [f"    {name}={_text(value)}," for name, value in shape._asdict().items()]
    return "\n".join(["FITTED = MarketShape(", *lines, ")"])


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", ())
        if fields:
            return f"Clusters({', '.join(f'{name}={_text(part)}' for name, part in zip(fields, value, strict=True))})"
        return f"({', '.join(map(_text, value))})"
    return f"{float(f'{value:.3g}'):_}"


if __name__ == "__main__":
    sys.exit(main())
