"""Daily prices of several names, and the returns of those whose history can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt

from portfolio.refusal import Refusal

Floats = npt.NDArray[np.float64]

SPLIT_RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 100.0)
SPLIT_TOLERANCE = 0.03  # a split's day has a market return of its own
SURELY_A_JUMP = 0.4  # log return from which a move is looked at as a split: 1.5-for-1 is 0.405
FROZEN_SESSIONS = 5  # a close that does not move so long is a halt, or a price that is no longer fed


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceHistory:
    """Daily prices in USD, adjusted for splits and dividends, oldest first; NaN where a name did not trade.

    `closes_usd` and `opens_usd` are (n_sessions, n_names) and become read-only. Raises `ValueError` where shapes,
    order of sessions or uniqueness of symbols do not hold.
    """

    symbols: tuple[str, ...]
    sessions: tuple[date, ...]
    closes_usd: Floats
    opens_usd: Floats | None = None

    def __post_init__(self) -> None:
        shape = (len(self.sessions), len(self.symbols))
        for name, prices in (("closes_usd", self.closes_usd), ("opens_usd", self.opens_usd)):
            if prices is None:
                continue
            if prices.shape != shape:
                raise ValueError(f"{name} is {prices.shape}, sessions and symbols say {shape}")
            prices.flags.writeable = False
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("a symbol comes twice in the history")
        if any(late <= early for early, late in zip(self.sessions, self.sessions[1:], strict=False)):
            raise ValueError("sessions of the history are not in order")

    def first(self, sessions: int) -> PriceHistory:
        """The first `sessions` of it: what was known at that close, and no more."""
        opens = None if self.opens_usd is None else self.opens_usd[:sessions]
        return PriceHistory(
            symbols=self.symbols,
            sessions=self.sessions[:sessions],
            closes_usd=self.closes_usd[:sessions],
            opens_usd=opens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """Simple daily returns (n_days, n_names), all finite, on the same days for all names."""

    symbols: tuple[str, ...]
    daily: Floats
    refused: tuple[Refusal, ...] = field(default=())


def believable_returns(history: PriceHistory, *, lookback_days: int = 504, least_days: int = 120) -> Returns:
    """Returns of the names that can be judged, over the last `lookback_days` days that all of them have.

    Refused, with the reason: `no_price` (no positive close on the last session: halted or gone), `frozen_price`,
    `history_days` (too few returns), `unadjusted_split` (a day's move that is a split's ratio and nothing else).
    """
    closes = np.where(history.closes_usd > 0, history.closes_usd, np.nan)[-(lookback_days + 1) :]
    closes = np.where(np.isfinite(closes), closes, np.nan)
    if len(closes) < 2:
        refused = tuple(
            Refusal(symbol=name, rule="history_days", limit=least_days, actual=0) for name in history.symbols
        )
        return Returns(symbols=(), daily=np.empty((0, 0)), refused=refused)
    returns = closes[1:] / closes[:-1] - 1.0
    doubts = [_doubt(name, closes[:, i], returns[:, i], least_days) for i, name in enumerate(history.symbols)]
    kept = [i for i, doubt in enumerate(doubts) if doubt is None]
    daily, short = _common_days([history.symbols[i] for i in kept], returns[:, kept], least_days)
    gone = {refusal.symbol for refusal in short}
    return Returns(
        symbols=tuple(history.symbols[i] for i in kept if history.symbols[i] not in gone),
        daily=daily,
        refused=tuple(doubt for doubt in doubts if doubt is not None) + short,
    )


def _doubt(symbol: str, closes: Floats, returns: Floats, least_days: int) -> Refusal | None:
    if not np.isfinite(closes[-1]):
        return Refusal(symbol=symbol, rule="no_price")
    known = returns[np.isfinite(returns)]
    if len(known) < least_days:
        return Refusal(symbol=symbol, rule="history_days", limit=least_days, actual=len(known))
    if not known[-FROZEN_SESSIONS:].any():
        return Refusal(symbol=symbol, rule="frozen_price", limit=FROZEN_SESSIONS, actual=FROZEN_SESSIONS)
    ratio = split_like_move(known)
    if ratio is not None:
        return Refusal(symbol=symbol, rule="unadjusted_split", actual=ratio)
    return None


def split_like_move(returns: Floats) -> float | None:
    """The price ratio of a day that looks like a split which the history was not adjusted for, or None.

    A crash can look the same. The name is then left out until the day is out of sight: the cheaper mistake.
    """
    moves = np.abs(np.log1p(np.maximum(returns, -0.9999)))
    for day in np.flatnonzero(moves > SURELY_A_JUMP - SPLIT_TOLERANCE):
        if np.abs(moves[day] - np.log(SPLIT_RATIOS)).min() < SPLIT_TOLERANCE:
            return round(float(1.0 + returns[day]), 4)
    return None


def _common_days(symbols: list[str], returns: Floats, least_days: int) -> tuple[Floats, tuple[Refusal, ...]]:
    """Rows in which every name has a return. Names with the most holes go, one by one, until enough rows are left."""
    refused: list[Refusal] = []
    known = np.isfinite(returns)
    kept = list(range(len(symbols)))
    while kept and known[:, kept].all(axis=1).sum() < least_days:
        worst = min(kept, key=lambda i: (int(known[:, i].sum()), symbols[i]))
        kept.remove(worst)
        days = int(known[:, worst].sum())
        refused.append(Refusal(symbol=symbols[worst], rule="common_days", limit=least_days, actual=days))
    rows = known[:, kept].all(axis=1)
    return np.ascontiguousarray(returns[rows][:, kept]), tuple(refused)
