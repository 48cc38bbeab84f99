"""Shares of the account beside the ledger: what nobody's ledger explains, and what the broker does not have."""

from __future__ import annotations

from collections.abc import Mapping

from trading.ledger import Position


class AccountShares:
    """As of the last two agreeing reads of the positions, moved on by executions that were not ours."""

    def __init__(self) -> None:
        self.external: dict[str, float] = {}  # symbol -> shares at the broker that no ledger of ours owns
        self.missing: dict[str, int] = {}  # symbol -> shares of the ledger that the broker does not have: never to sell

    def compare(self, held: Mapping[str, float], owned: Mapping[str, Position]) -> list[str]:
        """Take note of the account's net positions; returns the symbols of which shares are missing."""
        self.external = {symbol: quantity for symbol, quantity in held.items() if symbol not in owned}
        for symbol, position in owned.items():
            there = held.get(symbol, 0.0)
            self.external[symbol] = max(there - position.quantity, 0.0)
            self.missing[symbol] = max(position.quantity - max(int(there), 0), 0)
        return [symbol for symbol, position in owned.items() if held.get(symbol, 0.0) < position.quantity]

    def bought_by_others(self, symbol: str, quantity: int) -> None:
        self.external[symbol] = self.external.get(symbol, 0.0) + quantity

    def sold_by_others(self, symbol: str, quantity: int) -> int:
        """A sale that none of our orders made takes external shares first; returns what is left over."""
        external = self.external.get(symbol, 0.0)
        from_external = min(max(int(external), 0), quantity)
        self.external[symbol] = external - from_external
        return quantity - from_external
