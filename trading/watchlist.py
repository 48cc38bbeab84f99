"""Which symbols to trade: candidates scored from daily bars, ranked, and the list as a value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from trading.bars import Bar
from trading.indicators import ATR_BARS, AtrState, atr_pct, daily_atr
from trading.money import MONEY_UNITS_PER_USD, notional, price_to_usd
from trading.premarket import Evidence, relative_volume, score_parts, today_words

ATR_CALENDAR_DAYS = 45
MIN_SESSIONS = 5
SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,9}([ .][A-Z]{1,2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One symbol as its daily bars show it. `refusal` says why it cannot be on the list, empty when it can."""

    symbol: str
    sessions: int
    close_usd: float
    atr_pct: float
    dollar_volume_usd: float
    score: float
    reasons: tuple[str, ...]
    refusal: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)  # factor of the score -> its value


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistEntry:
    """A symbol to trade, best first. A list written by hand carries symbols only: score 0, no reasons."""

    symbol: str
    score: float = 0.0
    reasons: tuple[str, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)  # factor of the score -> its value


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchlist:
    """The symbols of a session in rank order. `session_date` is None for a list written by hand."""

    session_date: date | None
    source: str
    entries: tuple[WatchlistEntry, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols in rank order."""
        return tuple(entry.symbol for entry in self.entries)


def assess(
    symbol: str,
    bars: Sequence[Bar],
    atr_floor_pct: float,
    min_price_usd: float,
    min_dollar_volume_usd: float,
    *,
    evidence: Evidence | None = None,
    min_relative_volume: float = 0.0,
) -> Candidate:
    """Score one symbol from its daily bars, oldest first. The score is ATR% times the log of turnover:

    a stock must move enough to reach its target within a day, and trade enough to get in and out. Evidence of
    today weighs a little (`premarket.score_parts`).
    """
    if len(bars) < MIN_SESSIONS:
        return refused(symbol, f"only {len(bars)} sessions of history, {MIN_SESSIONS} are needed", len(bars))
    state = daily_atr(list(bars))
    close = bars[-1].close
    close_usd = price_to_usd(close)
    recent = bars[-ATR_BARS:]
    turnover = sum(notional(bar.close, bar.volume) for bar in recent) / len(recent) / MONEY_UNITS_PER_USD
    atr = atr_pct(state, close)
    parts = score_parts(atr, turnover, evidence or Evidence(symbol=symbol))
    volume_ratio = relative_volume(bars)
    reasons = [
        f"ATR(14) is {atr:.2f} % of price",
        f"trades {turnover / 1e6:,.1f} million USD a day",
        f"{len(bars)} sessions of history",
    ]
    if len(bars) < ATR_BARS:
        reasons.append(f"ATR from {len(bars)} sessions, fewer than {ATR_BARS}")
    refusal = ""
    if close_usd < min_price_usd:
        refusal = f"closed at {close_usd:.2f} USD, below {min_price_usd:g}"
    elif turnover < min_dollar_volume_usd:
        refusal = f"trades {turnover / 1e6:,.2f} million USD a day, below {min_dollar_volume_usd / 1e6:g}"
    elif not atr > atr_floor_pct:
        refusal = f"ATR is {atr:.2f} % of price, not above {atr_floor_pct:g}"
    elif volume_ratio < min_relative_volume:
        refusal = f"the last session's volume is {volume_ratio:.2f} of its average, below {min_relative_volume:g}"
    reasons += today_words(evidence, volume_ratio) if evidence is not None else []
    return Candidate(
        symbol=symbol,
        sessions=len(bars),
        close_usd=close_usd,
        atr_pct=atr,
        dollar_volume_usd=turnover,
        score=round(parts["atr_pct"] * parts["log10_turnover"] * parts["gap"] * parts["news"], 6),
        reasons=tuple(reasons),
        refusal=refusal,
        parts={name: round(value, 6) for name, value in parts.items() if math.isfinite(value)},
    )


def by_score(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those that are fit, highest score first, ties by symbol."""
    return sorted((c for c in candidates if not c.refusal), key=lambda c: (-c.score, c.symbol))


def rank(candidates: Iterable[Candidate], size: int) -> tuple[WatchlistEntry, ...]:
    """The best `size` candidates, highest score first, ties by symbol."""
    return entries_of(by_score(candidates)[:size])


def entries_of(candidates: Iterable[Candidate]) -> tuple[WatchlistEntry, ...]:
    """Candidates as entries, in their order."""
    return tuple(WatchlistEntry(symbol=c.symbol, score=c.score, reasons=c.reasons, parts=c.parts) for c in candidates)


def atr_of(bars: Sequence[Bar]) -> AtrState:
    """The daily ATR of the strategy: over the sessions given, unknown when there are fewer than five."""
    return daily_atr(list(bars)) if len(bars) >= MIN_SESSIONS else AtrState()


def leave_out(watchlist: Watchlist, never_trade: Sequence[str], others: Sequence[str]) -> tuple[Watchlist, list[str]]:
    """The list without symbols that are never traded or that another bot holds, and a sentence for each of them."""
    kept, words = [], []
    for entry in watchlist.entries:
        if entry.symbol in never_trade:
            words.append(f"{entry.symbol} is left out: NEVER_TRADE names it")
        elif entry.symbol in others:
            words.append(f"{entry.symbol} is left out: another bot holds it")
        else:
            kept.append(entry)
    return replace(watchlist, entries=tuple(kept)), words


def watchlist_from_json(value: object) -> Watchlist:
    """A list as the program writes it, or as a user does: `{"symbols": ["AAPL", …]}` or plain `["AAPL", …]`.

    Raises ValueError saying what is wrong and where.
    """
    content = {"symbols": value} if isinstance(value, list) else value
    if not isinstance(content, dict) or not isinstance(content.get("symbols"), list):
        raise ValueError('it must be a list of symbols or an object with a list "symbols"')
    entries = [_entry(item, number) for number, item in enumerate(content["symbols"], start=1)]
    if not entries:
        raise ValueError("it names no symbol")
    seen: set[str] = set()
    for entry in entries:
        if entry.symbol in seen:
            raise ValueError(f"{entry.symbol} is named twice")
        seen.add(entry.symbol)
    session = content.get("session_date")
    try:
        session_date = None if session is None else date.fromisoformat(str(session))
    except ValueError:
        raise ValueError(f'"session_date" is {session!r}, not a date like 2026-09-28') from None
    return Watchlist(session_date=session_date, source=str(content.get("source", "file")), entries=tuple(entries))


def _entry(item: object, number: int) -> WatchlistEntry:
    symbol = item.get("symbol") if isinstance(item, dict) else item
    if not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol):
        raise ValueError(f"entry {number} has no symbol such as AAPL: {item!r}"[:120])
    if not isinstance(item, dict):
        return WatchlistEntry(symbol=symbol)
    score, reasons = item.get("score", 0.0), item.get("reasons", [])
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ValueError(f"entry {number} ({symbol}) has a score that is no number: {score!r}")
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        raise ValueError(f"entry {number} ({symbol}) has reasons that are no list of texts")
    return WatchlistEntry(symbol=symbol, score=float(score), reasons=tuple(reasons))


def refused(symbol: str, refusal: str, sessions: int = 0) -> Candidate:
    """A symbol that is left out without a look at its bars, or for want of them."""
    return Candidate(
        symbol=symbol,
        sessions=sessions,
        close_usd=0.0,
        atr_pct=math.nan,
        dollar_volume_usd=0.0,
        score=0.0,
        reasons=(),
        refusal=refusal,
    )
