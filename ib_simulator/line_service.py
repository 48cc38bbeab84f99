"""Subscriptions with one line per request: what real-time bars and tick-by-tick data share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from ib_simulator.client import ClientConnection
from ib_simulator.contracts import StockList
from ib_simulator.market import SymbolMarket
from ib_simulator.market_data_permissions import Permissions
from ib_simulator.pacing import Pacing


class Line(Protocol):
    """One subscription."""

    @property
    def client(self) -> ClientConnection: ...

    @property
    def req_id(self) -> int: ...


class Unfollow(Protocol):
    """A cancel."""

    @property
    def req_id(self) -> int: ...


L = TypeVar("L", bound=Line)


class LineService(Generic[L]):
    """All subscriptions of one kind, in the order in which they began."""

    def __init__(
        self,
        stocks: StockList,
        market_of: Callable[[str], SymbolMarket | None],
        permissions: Permissions,
        pacing: Pacing,
    ) -> None:
        self._stocks = stocks
        self._market_of = market_of
        self._permissions = permissions
        self._pacing = pacing
        self.lines: list[L] = []

    def unfollow(self, client: ClientConnection, request: Unfollow) -> None:
        """End a subscription of this client."""
        kept = [line for line in self.lines if not (line.client is client and line.req_id == request.req_id)]
        if len(kept) == len(self.lines):
            client.error(request.req_id, 300, f"Can't find EId with tickerId:{request.req_id}")
        self.lines = kept

    def forget(self, client: ClientConnection) -> None:
        """Drop all subscriptions of a client that is gone."""
        self.lines = [line for line in self.lines if line.client is not client]

    def _is_taken(self, client: ClientConnection, req_id: int) -> bool:
        return any(line.client is client and line.req_id == req_id for line in self.lines)
