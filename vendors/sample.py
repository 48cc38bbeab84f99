"""The offline sample: SYNTHETIC fundamentals, invented, so that everything runs without a key. Nothing here is real.

The numbers come from the symbol's checksum. They are plausible in size and mean nothing; their source says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from zlib import crc32

from market_hours import Clock
from vendors.facts import Fundamentals, Need, Opinion
from vendors.failures import SymbolRefused
from vendors.sources import Found

NAME = "offline sample (synthetic)"
SECTORS = {
    "Technology": "AAPL AMD AVGO CRM INTC MSFT MU NVDA PLTR QCOM UBER",
    "Communication Services": "DIS GOOGL META NFLX",
    "Consumer Cyclical": "AMZN F SBUX TSLA",
    "Financial Services": "BAC C COIN GS HOOD JPM PYPL SOFI WFC",
    "Energy": "CVX XOM",
    "Healthcare": "MRNA",
    "Industrials": "BA",
}
SECTOR_OF = {symbol: sector for sector, symbols in SECTORS.items() for symbol in symbols.split()}


class SampleSource:
    """Last in the order: fundamentals and opinions of the default universe, and of nothing else."""

    name = NAME

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.needs: Mapping[Need, Callable[..., Awaitable[Found[Any]]]] = {
            Need.FUNDAMENTALS: self.fundamentals,
            Need.OPINION: self.opinion,
        }

    async def close(self) -> None: ...

    async def fundamentals(self, symbol: str) -> Found[Fundamentals]:
        """Made of the symbol's letters, the same each time. Raises SymbolRefused outside the default universe."""
        seed = _seed(symbol)
        value = Fundamentals(
            symbol=symbol,
            name=f"{symbol} (synthetic)",
            sector=SECTOR_OF[symbol],
            market_cap_usd=float(20 + seed % 800) * 1e9,
            beta=0.6 + seed % 13 / 10,
            price_to_earnings=8.0 + seed % 37,
            price_to_book=1.0 + seed % 11,
            debt_to_equity=seed % 20 / 10,
            return_on_equity=seed % 31 / 100,
            net_profit_margin=seed % 29 / 100,
            revenue_growth=(seed % 41 - 10) / 100,
            eps_growth=(seed % 47 - 15) / 100,
        )
        return Found(value, self._clock.now())

    async def opinion(self, symbol: str) -> Found[Opinion]:
        """Made as the fundamentals are, and as little to be believed. Raises SymbolRefused likewise."""
        seed = _seed(symbol)
        value = Opinion(symbol=symbol, buys=seed % 23, holds=seed % 17, sells=seed % 7)
        return Found(value, self._clock.now())


def _seed(symbol: str) -> int:
    if symbol not in SECTOR_OF:
        raise SymbolRefused(NAME, "sample", f"{symbol} is not part of it")
    return crc32(symbol.encode())
