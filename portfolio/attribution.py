"""Where a cycle's result came from: by name to the cent, by source as far as weights explain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trading.money import notional

SOURCES = ("risk", "factor", "llm", "constraint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One name from cycle to cycle. Prices in 1e-4 USD; `cash_flow` in 1e-6 USD is what its fills brought, net of
    fees (purchases below zero), `dividends` what it paid."""

    symbol: str
    shares_before: int
    price_before: int
    shares_after: int
    price_after: int
    cash_flow: int = 0
    dividends: int = 0

    @property
    def pnl(self) -> int:
        """Result in 1e-6 USD: value after − value before + cash flow + dividends."""
        change = notional(self.price_after, self.shares_after) - notional(self.price_before, self.shares_before)
        return change + self.cash_flow + self.dividends


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Results in 1e-6 USD. `by_source` adds up to `total`: what weights do not explain is `execution`."""

    total: int
    by_name: Mapping[str, int]
    by_source: Mapping[str, int]


def attribution(
    holdings: Mapping[str, Holding], sources: Mapping[str, Mapping[str, float]], capital: int
) -> Attribution:
    """Split results. A source's part is Σ (its part of the weight × the name's price return) × capital.

    `execution` is the rest: whole shares, fees, slippage, what was left undone. Raises `ValueError` for an unknown
    source.
    """
    unknown = set(sources) - set(SOURCES)
    if unknown:
        raise ValueError(f"no such source of weights: {', '.join(sorted(unknown))}")
    by_name = {symbol: holding.pnl for symbol, holding in sorted(holdings.items())}
    total = sum(by_name.values())
    by_source = {source: round(_explained(holdings, sources.get(source, {})) * capital) for source in SOURCES}
    by_source["execution"] = total - sum(by_source.values())
    return Attribution(total=total, by_name=by_name, by_source=by_source)


def _explained(holdings: Mapping[str, Holding], parts: Mapping[str, float]) -> float:
    """The return of a source's part of the weights, as a fraction of the capital."""
    known = ((parts.get(symbol, 0.0), holding) for symbol, holding in holdings.items())
    return sum(part * (each.price_after / each.price_before - 1.0) for part, each in known if each.price_before > 0)
