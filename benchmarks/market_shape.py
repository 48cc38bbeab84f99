"""The shape of a market in a few figures: what is measured alike on recorded and on synthetic minute bars."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ib_simulator.feeds.replay import ReplayFeed
from ib_simulator.feeds.synthetic import SyntheticFeed
from ib_simulator.feeds.tape import SessionTape
from market_hours import TradingCalendar

MINUTES = 390  # of a full session; early closes are left out
HALF_HOUR = 30
LAGS = (1, 5, 15, 60)
FAR = (4, 6, 10)  # standard deviations of a far move
FIVE = 5

Floats = NDArray[np.float64]


class Minutes(NamedTuple):
    """Full sessions side by side. `volume` and the moves have shape (n_sessions, MINUTES)."""

    symbols: list[str]
    days: list[date]
    move: Floats  # log close on the close before, in the first minute on the open
    span: Floats  # log high on low
    volume: Floats


def minutes_of(tapes: Sequence[SessionTape]) -> Minutes:
    """The full sessions among `tapes` whose price moves at all."""
    full = [tape for tape in tapes if len(tape.close) == MINUTES and np.ptp(tape.close) > 0]
    close = np.log([tape.close for tape in full])
    start = np.concatenate([np.log([tape.open[:1] for tape in full]), close[:, :-1]], axis=1)
    span = np.log([tape.high for tape in full]) - np.log([tape.low for tape in full])
    volume = np.array([tape.volume for tape in full], dtype=np.float64)
    return Minutes([tape.symbol for tape in full], [tape.session_date for tape in full], close - start, span, volume)


def shape_of(tapes: Sequence[SessionTape], calendar: TradingCalendar) -> dict[str, float]:
    """Name of a figure -> its value. Figures of minutes are means over symbol-sessions, unless the name says else."""
    minutes = minutes_of(tapes)
    scaled = minutes.move / minutes.move.std(axis=1, keepdims=True)
    season = diurnal_deviation(minutes)
    calm = scaled / season
    calm /= calm.std(axis=1, keepdims=True)
    return {
        **_profile("volume", minutes.volume / minutes.volume.mean(axis=1, keepdims=True)),
        **_profile("variance", scaled**2),
        "kurtosis of minute moves": float(np.mean(np.mean((scaled - scaled.mean(axis=1, keepdims=True)) ** 4, axis=1))),
        "the same without time of day": float(np.median(np.mean(calm**4, axis=1))),
        **{f"minutes beyond {far} sd, per mille": 1e3 * float(np.mean(np.abs(calm) > far)) for far in FAR},
        "span of a minute / sd of its move": float(np.mean(minutes.span.mean(axis=1) / minutes.move.std(axis=1))),
        **{f"autocorrelation of moves, lag {lag}": _autocorrelation(scaled, lag) for lag in (1, 2, 5)},
        **{f"autocorrelation of |moves|, lag {lag}": _autocorrelation(np.abs(calm), lag) for lag in LAGS},
        **_volume_figures(minutes, np.abs(calm)),
        **_common_moves(minutes),
        **_days(tapes, calendar),
        **_moods(minutes),
    }


def diurnal_deviation(minutes: Minutes) -> Floats:
    """Deviation of a minute's move by time of day, mean square one; smoothed over five minutes. Shape (MINUTES,)."""
    scaled = minutes.move / minutes.move.std(axis=1, keepdims=True)
    variance = smoothed(np.mean(np.minimum(scaled**2, 36.0), axis=0))
    return np.asarray(np.sqrt(variance / variance.mean()), dtype=np.float64)


def smoothed(values: Floats) -> Floats:
    """Mean of five neighbours; the first two and the last two values stand."""
    out = values.copy()
    out[2:-2] = np.convolve(values, np.full(FIVE, 1 / FIVE), "valid")
    return out


def _profile(name: str, relative: Floats) -> dict[str, float]:
    mean = relative.mean(axis=0)
    at = {
        "first minute": mean[0],
        "first 5 minutes": mean[:5].mean(),
        "first half hour": mean[:HALF_HOUR].mean(),
        "second half hour": mean[HALF_HOUR : 2 * HALF_HOUR].mean(),
        "11:30-13:30": mean[120:240].mean(),
        "last half hour": mean[-HALF_HOUR:].mean(),
        "last 5 minutes": mean[-5:].mean(),
        "last minute": mean[-1],
    }
    return {f"{name}, {when} / mean minute": float(value) for when, value in at.items()}


def _autocorrelation(rows: Floats, lag: int) -> float:
    """Mean over the rows."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    return float(np.mean((centred[:, lag:] * centred[:, :-lag]).sum(axis=1) / (centred**2).sum(axis=1)))


def _volume_figures(minutes: Minutes, size: Floats) -> dict[str, float]:
    log_volume = np.log(np.maximum(minutes.volume, 1.0))
    calm = log_volume - log_volume.mean(axis=1, keepdims=True)
    calm = calm - calm.mean(axis=0)
    calm = calm - calm.mean(axis=1, keepdims=True)
    pairs = [np.corrcoef(one, other)[0, 1] for one, other in zip(calm, size, strict=True)]
    return {
        "sd of log volume without time of day, median": float(np.median(calm.std(axis=1))),
        **{f"autocorrelation of log volume, lag {lag}": _autocorrelation(calm, lag) for lag in LAGS},
        "correlation of log volume and |move|": float(np.mean(pairs)),
    }


def _common_moves(minutes: Minutes) -> dict[str, float]:
    """Correlations between symbols within a day, over all pairs of all days."""
    at_once: list[float] = []
    in_five: list[float] = []
    sizes: list[float] = []
    for day in dict.fromkeys(minutes.days):
        move = minutes.move[[row for row, other in enumerate(minutes.days) if other == day]]
        if len(move) < FIVE:
            continue
        upper = np.triu_indices(len(move), 1)
        at_once += np.corrcoef(move)[upper].tolist()
        in_five += np.corrcoef(move.reshape(len(move), -1, FIVE).sum(axis=2))[upper].tolist()
        sizes += np.corrcoef(np.abs(move))[upper].tolist()
    return {
        "correlation of minute moves of two symbols": float(np.mean(at_once)),
        "the same, sd over pairs": float(np.std(at_once)),
        "correlation of 5-minute moves of two symbols": float(np.mean(in_five)),
        "correlation of |minute moves| of two symbols": float(np.mean(sizes)),
    }


def _days(tapes: Sequence[SessionTape], calendar: TradingCalendar) -> dict[str, float]:
    """Figures of whole sessions; ranges and gaps need the session before."""
    by_symbol: dict[str, dict[date, SessionTape]] = {}  # symbol -> session date -> tape
    for tape in tapes:
        by_symbol.setdefault(tape.symbol, {})[tape.session_date] = tape
    ranges: list[float] = []
    gaps: list[float] = []
    inside: list[float] = []
    minute_sd: list[float] = []
    for days in by_symbol.values():
        true_ranges = []
        for day in sorted(days):
            before = days.get(calendar.previous_session(day).date)
            if before is None:
                continue
            tape, last = days[day], before.close[-1]
            true_ranges.append((max(tape.high.max(), last) - min(tape.low.min(), last)) / tape.close[-1])
            gaps.append(np.log(tape.open[0] / last))
            inside.append(np.log(tape.close[-1] / tape.open[0]))
        if true_ranges:
            ranges.append(100 * float(np.mean(true_ranges)))
        steps = [np.diff(np.log(tape.close)).std() for tape in days.values()]
        minute_sd.append(1e4 * float(np.mean(steps)))
    low, middle, high = np.quantile(ranges, (0.1, 0.5, 0.9)).tolist()
    return {
        "daily true range, % of price, 10 % of symbols below": low,
        "daily true range, % of price, median symbol": middle,
        "daily true range, % of price, 10 % of symbols above": high,
        "sd of minute moves, 1e-4, median symbol": float(np.median(minute_sd)),
        "mean |overnight gap| / mean |open to close|": _mean_size(gaps) / _mean_size(inside),
    }


def _moods(minutes: Minutes) -> dict[str, float]:
    """How one session of a symbol differs from its others."""
    volatility, volume = (np.log(values) for values in (minutes.move.std(axis=1), minutes.volume.mean(axis=1)))
    shares: list[float] = []
    symbols = np.array(minutes.symbols)
    for symbol in dict.fromkeys(minutes.symbols):
        own = symbols == symbol
        shares.append(float(minutes.volume[own].mean()))
        for values in volatility, volume:
            values[own] -= values[own].mean()
    few, usual, many = np.quantile(shares, (0.1, 0.5, 0.9)).tolist()
    return {
        "sd of log volatility over a symbol's sessions": float(volatility.std()),
        "sd of log volume over a symbol's sessions": float(volume.std()),
        "correlation of the two": float(np.corrcoef(volatility, volume)[0, 1]),
        "shares per minute, 10 % of symbols below": few,
        "shares per minute, median symbol": usual,
        "shares per minute, 10 % of symbols above": many,
    }


def _mean_size(values: Sequence[float]) -> float:
    return float(np.mean(np.abs(values)))


def recorded_tapes(directory: Path, calendar: TradingCalendar, since: date) -> list[SessionTape]:
    """All recorded sessions from `since` to the calendar's end."""
    feed = ReplayFeed(directory, calendar)
    days = [day for day in feed.session_dates() if day >= since]
    return [feed.tape(symbol, feed.require_session(day)) for day in days for symbol in feed.symbols(day)]


def synthetic_tapes(feed: SyntheticFeed, n_sessions: int) -> list[SessionTape]:
    """The last `n_sessions` sessions of all symbols."""
    sessions = [feed.require_session(day) for day in feed.session_dates()[-n_sessions:]]
    return [feed.tape(symbol, session) for session in sessions for symbol in feed.symbols(session.date)]


def table(columns: Mapping[str, Mapping[str, float]]) -> str:
    """Shapes side by side, one line per figure."""
    names = list(dict.fromkeys(itertools.chain.from_iterable(columns.values())))
    width = max(map(len, names))
    lines = [" " * width + "".join(f"{title:>12}" for title in columns)]
    lines += [
        f"{name:<{width}}" + "".join(f"{shape.get(name, float('nan')):>12.3f}" for shape in columns.values())
        for name in names
    ]
    return "\n".join(lines)
