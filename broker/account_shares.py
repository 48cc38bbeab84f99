"""Shares of the account beside the ledger: what nobody's ledger explains, and what the broker does not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from broker.values import FinishedSale
from trading.ledger import Position


class Lacking(NamedTuple):
    """Shares of the ledger that two agreeing reads of the positions do not show.

    `gone`: something told that they are. `unlisted`: no row names the symbol, and nothing tells of a sale. An absent
    row is no evidence: gateways have left rows out of complete answers.
    """

    gone: tuple[str, ...]
    unlisted: tuple[str, ...]


class AccountShares:
    """As of the last two agreeing reads of the positions, moved on by executions that were not ours.

    A sale that is nobody's takes external shares first, then those of this ledger, and those of other bots last.
    """

    def __init__(self) -> None:
        self.external: dict[str, float] = {}  # symbol -> shares at the broker that no ledger of any bot owns
        self.missing: dict[str, int] = {}  # symbol -> shares of the ledger that the broker does not have: never to sell
        self.unlisted: tuple[str, ...] = ()  # symbols of the ledger that no row names: nobody knows, exits stay
        self.are_known = False  # whether positions were read at all
        self._last_row: dict[str, float] = {}  # symbol -> what its last row told, since our last execution in it
        self._told_of: dict[int, int] = {}  # perm_id of an order of somebody else -> shares its executions told

    def on_row(self, symbol: str, quantity: float) -> None:
        """The broker told a net position, in an answer or because it changed; 0 tells that it is closed."""
        self._last_row[symbol] = quantity

    def traded_by_us(self, symbol: str) -> None:
        """Our own execution: rows of before it tell nothing about now."""
        self._last_row.pop(symbol, None)

    def compare(
        self,
        held: Mapping[str, float],
        owned: Mapping[str, Position],
        of_others: Mapping[str, int],
        sales: Iterable[FinishedSale] = (),
    ) -> Lacking:
        """Take note of the account's net positions, and say which shares of the ledger they lack.

        `of_others` are the shares of other bots; `sales` are finished orders that no bot of ours made.
        """
        self.are_known = True
        symbols = {**held, **owned}
        self.external = {
            symbol: held.get(symbol, 0.0)
            - (owned[symbol].quantity if symbol in owned else 0)
            - of_others.get(symbol, 0)
            for symbol in symbols
        }
        for symbol in [*owned, *of_others]:
            self.external[symbol] = max(self.external.get(symbol, 0.0), 0.0)
        untold = self._untold(sales)
        there = {
            symbol: held.get(symbol, self._believed(symbol, position.quantity, untold.get(symbol, 0)))
            for symbol, position in owned.items()
        }
        self.missing = {
            symbol: max(position.quantity - max(int(there[symbol]), 0), 0) for symbol, position in owned.items()
        }
        self.unlisted = tuple(symbol for symbol in owned if symbol not in held and there[symbol] > 0)
        return Lacking(tuple(symbol for symbol, shares in self.missing.items() if shares), self.unlisted)

    def lack(self, held: Mapping[str, float], owned: Mapping[str, Position]) -> bool:
        """Whether net positions, or the last row of a symbol that they leave out, tell of fewer shares than `owned`."""
        return any(
            held.get(symbol, self._believed(symbol, position.quantity, 0)) < position.quantity
            for symbol, position in owned.items()
        )

    def _believed(self, symbol: str, owned: int, sold: int) -> float:
        """Shares of a symbol that no row names: those of the ledger, less what else was told about them."""
        told = max(min(self._last_row.get(symbol, owned), owned), 0.0)
        return max(min(told, owned - sold), 0.0)

    def _untold(self, sales: Iterable[FinishedSale]) -> dict[str, int]:
        """symbol -> shares that finished orders of others sold beyond the executions that were told."""
        untold: dict[str, int] = {}
        for sale in sales:
            shares = max(sale.quantity - self._told_of.get(sale.perm_id, 0), 0)
            untold[sale.symbol] = untold.get(sale.symbol, 0) + shares
        return untold

    def told_of(self, perm_id: int, quantity: int) -> None:
        """An execution of an order that is not ours: its shares need no other explanation."""
        self._told_of[perm_id] = self._told_of.get(perm_id, 0) + quantity

    def bought_by_others(self, symbol: str, quantity: int) -> None:
        self.external[symbol] = self.external.get(symbol, 0.0) + quantity

    def sold_by_others(self, symbol: str, quantity: int) -> int:
        """A sale that none of our orders made takes external shares first; returns what is left over."""
        external = self.external.get(symbol, 0.0)
        from_external = min(max(int(external), 0), quantity)
        self.external[symbol] = external - from_external
        return quantity - from_external
