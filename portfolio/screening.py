"""Which candidates the weekly bot looks at: the first rule that a row breaks names its refusal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from portfolio.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One row of a market screen. None is "the vendor did not say", which no rule takes for a good value."""

    symbol: str
    exchange: str | None
    sector: str | None
    market_cap_usd: float | None
    price_usd: float | None
    volume_shares: float | None  # average of a day
    is_active: bool | None
    is_fund: bool | None
    spread_bps: float | None = None  # of a recent quote; optional evidence, judged only where it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningRules:
    """Bounds of the screen; each is inclusive."""

    min_market_cap_usd: float = 2e9
    min_price_usd: float = 5.0
    max_price_usd: float = 10_000.0
    min_volume_shares: float = 300_000.0
    min_dollar_volume_usd: float = 10e6
    max_spread_bps: float = 50.0
    exchanges: frozenset[str] = frozenset({"NYSE", "NASDAQ", "AMEX"})
    never_trade: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What passed, by symbol, and why each other row did not. Both are sorted, so that input order does not show."""

    passed: tuple[Candidate, ...]
    refused: tuple[Refusal, ...]


Rule = Callable[[Candidate, ScreeningRules], Refusal | None]


def screen(rows: Iterable[Candidate], rules: ScreeningRules) -> Screened:
    """Split candidate rows. Of a symbol that comes twice the row with the larger market cap is judged."""
    passed, refused = [], []
    for row in _one_row_a_symbol(rows):
        refusal = next((found for rule in RULES if (found := rule(row, rules)) is not None), None)
        if refusal is None:
            passed.append(row)
        else:
            refused.append(refusal)
    return Screened(passed=tuple(passed), refused=tuple(refused))


def _one_row_a_symbol(rows: Iterable[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}  # symbol -> its row
    for row in rows:
        known = best.get(row.symbol)
        if known is None or _order(row) > _order(known):
            best[row.symbol] = row
    return [best[symbol] for symbol in sorted(best)]


def _order(row: Candidate) -> tuple[float, str]:
    """Larger market caps last, then anything that is the same whatever the order of the input."""
    cap = row.market_cap_usd
    return (cap if cap is not None and math.isfinite(cap) else -1.0, repr(row))


def check_never_trade(row: Candidate, rules: ScreeningRules) -> Refusal | None:
    """Names of NEVER_TRADE are not even looked at."""
    return Refusal(symbol=row.symbol, rule="never_trade") if row.symbol in rules.never_trade else None


def check_kind(row: Candidate, rules: ScreeningRules) -> Refusal | None:
    """A stock that trades, and no fund. Unknown is refused: a delisted name looks just like it."""
    if row.is_active is not True:
        return Refusal(symbol=row.symbol, rule="active", limit="yes", actual=_told(row.is_active))
    if row.is_fund is not False:
        return Refusal(symbol=row.symbol, rule="no_funds", limit="no", actual=_told(row.is_fund))
    return None


def check_exchange(row: Candidate, rules: ScreeningRules) -> Refusal | None:
    """Listed on one of the exchanges that are wanted."""
    if row.exchange is not None and row.exchange.upper() in rules.exchanges:
        return None
    return Refusal(symbol=row.symbol, rule="exchange", limit=",".join(sorted(rules.exchanges)), actual=row.exchange)


def check_price(row: Candidate, rules: ScreeningRules) -> Refusal | None:
    """Not a penny stock, and not so dear that one share is too much."""
    return _at_least(row.symbol, "min_price_usd", rules.min_price_usd, row.price_usd) or _at_most(
        row.symbol, "max_price_usd", rules.max_price_usd, row.price_usd
    )


def check_market_cap(row: Candidate, rules: ScreeningRules) -> Refusal | None:
    """Large enough."""
    return _at_least(row.symbol, "min_market_cap_usd", rules.min_market_cap_usd, row.market_cap_usd)


def check_liquidity(row: Candidate, rules: ScreeningRules) -> Refusal | None:
    """Enough shares and dollars change hands in a day, and the spread, where it is known, is narrow."""
    refusal = _at_least(row.symbol, "min_volume_shares", rules.min_volume_shares, row.volume_shares)
    if refusal is not None:
        return refusal
    dollars = (row.price_usd or 0.0) * (row.volume_shares or 0.0)
    refusal = _at_least(row.symbol, "min_dollar_volume_usd", rules.min_dollar_volume_usd, dollars)
    if refusal is not None or row.spread_bps is None:
        return refusal
    return _at_most(row.symbol, "max_spread_bps", rules.max_spread_bps, row.spread_bps)


RULES: tuple[Rule, ...] = (
    check_never_trade,
    check_kind,
    check_exchange,
    check_price,
    check_market_cap,
    check_liquidity,
)


def _at_least(symbol: str, rule: str, limit: float, actual: float | None) -> Refusal | None:
    if actual is not None and math.isfinite(actual) and actual >= limit:
        return None
    return Refusal(symbol=symbol, rule=rule, limit=limit, actual=actual)


def _at_most(symbol: str, rule: str, limit: float, actual: float | None) -> Refusal | None:
    if actual is not None and math.isfinite(actual) and actual <= limit:
        return None
    return Refusal(symbol=symbol, rule=rule, limit=limit, actual=actual)


def _told(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[answer]
