"""Buying power: what the account can still carry, and what was promised of it since it last said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from trading.risk import NO_LIMIT, PPM


class Funds(NamedTuple):
    """The account's own figures. Money in 1e-6 USD.

    `available` is what new positions may bind: settled cash only, in a cash account. `day_trades_left` is -1 where
    the account does not limit them.
    """

    available: int = NO_LIMIT
    net_liquidation: int = NO_LIMIT
    day_trades_left: int = -1


UNREPORTED = Funds()


@dataclass(slots=True)
class BuyingPower:
    """The last report of the account, and what happened since. Pessimistic in between: sales free nothing yet."""

    reported: Funds = UNREPORTED
    margin_ppm: dict[str, int] = field(default_factory=dict)  # symbol -> millionths of its value that an entry binds
    _bought: dict[str, int] = field(default_factory=dict)  # symbol -> money spent since the report
    day_trades_made: int = 0  # since the report

    def on_report(self, funds: Funds) -> None:
        """The account's figures are these now; what happened before is in them."""
        self.reported = funds
        self._bought.clear()
        self.day_trades_made = 0

    def on_bought(self, symbol: str, spent: int) -> None:
        """Shares were bought; the account will say so later."""
        self._bought[symbol] = self._bought.get(symbol, 0) + spent

    def margin_of(self, symbol: str) -> int:
        """Millionths of an entry's value that it binds: all of it until a what-if has told less."""
        return self.margin_ppm.get(symbol, PPM)

    def available(self, pending: Mapping[str, int]) -> int:
        """What may still be bound. `pending` maps symbols to what their entries on the way may cost."""
        bound = sum(spent * self.margin_of(symbol) // PPM for symbol, spent in self._bought.items())
        bound += sum(cost * self.margin_of(symbol) // PPM for symbol, cost in pending.items())
        return self.reported.available - bound
