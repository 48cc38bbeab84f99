"""A simulated account: cash, positions, margin and profit.

A margin account carries four times its excess liquidity intraday; nothing is asked of it overnight. A cash account
buys with settled cash, and sales settle on the next day. Neither pays interest; pattern day trading is not limited.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from trading.money import notional

INTRADAY_BUYING_POWER = 4  # Regulation T day-trading multiple of excess liquidity
MAINTENANCE_PCT = 25


class AccountKind(StrEnum):
    """Whether an account may borrow."""

    MARGIN = "margin"
    CASH = "cash"


@dataclass(slots=True)
class Holding:
    """A net position in 1e-6 USD; negative quantity is short.

    `cost` contains fees. `realised`, `value_at_start` and `flow` (cash that its fills brought) are those of the day.
    """

    quantity: int = 0
    cost: int = 0
    realised: int = 0
    value_at_start: int = 0
    flow: int = 0

    @property
    def average_cost_usd(self) -> float:
        """Cost per share in USD, fees included, as IB reports it."""
        return self.cost / self.quantity / 1_000_000 if self.quantity else 0.0


@dataclass(slots=True)
class Account:
    """One account. Money in 1e-6 USD. `price_of` gives the current price (1e-4 USD), 0 when unknown."""

    account_id: str
    cash: int
    price_of: Callable[[str], int]
    holdings: dict[str, Holding] = field(default_factory=dict)  # symbol -> net position, flat ones stay
    fees_paid: int = 0
    distributions: int = 0  # cash that came without a trade: dividends, delistings, fractions of a split
    kind: AccountKind = AccountKind.MARGIN
    unsettled: int = 0  # cash from the day's sales
    day_trades_left: int = -1  # as the account reports it; nothing here counts it down
    day: date | None = None

    def execute(self, symbol: str, side: int, quantity: int, price: int, fees: int) -> int | None:
        """Book one fill. Returns realised P&L net of both legs' fees, None where it only opens."""
        holding = self.holdings.setdefault(symbol, Holding())
        signed = side * quantity
        value = notional(price, quantity)
        self.cash -= side * value + fees
        holding.flow -= side * value + fees
        if side < 0:
            self.unsettled += value - fees
        self.fees_paid += fees
        closing = min(abs(holding.quantity), quantity) if holding.quantity * signed < 0 else 0
        if closing == 0:
            holding.quantity += signed
            holding.cost += side * value + fees
            return None
        cost = holding.cost * closing // abs(holding.quantity)
        closing_fees = fees * closing // quantity
        realised = -side * notional(price, closing) - cost - closing_fees
        holding.cost -= cost
        holding.quantity += side * closing
        if quantity > closing:  # the rest opens the other side
            rest = quantity - closing
            holding.quantity += side * rest
            holding.cost += side * notional(price, rest) + fees - closing_fees
        holding.realised += realised
        return realised

    def market_value(self, symbol: str) -> int:
        """Signed value of a holding at the current price, or at cost while there is no price."""
        holding = self.holdings[symbol]
        price = self.price_of(symbol)
        return notional(price, holding.quantity) if price else holding.cost

    def owned(self) -> dict[str, tuple[int, int]]:
        """symbol -> shares and what they cost, of what is held."""
        return {symbol: (each.quantity, each.cost) for symbol, each in self.holdings.items() if each.quantity}

    def net_liquidation(self) -> int:
        """Cash plus the value of all holdings."""
        return self.cash + sum(self.market_value(symbol) for symbol, h in self.holdings.items() if h.quantity)

    def gross_position_value(self) -> int:
        """Absolute value of all holdings."""
        return sum(abs(self.market_value(symbol)) for symbol, h in self.holdings.items() if h.quantity)

    @property
    def is_cash(self) -> bool:
        return self.kind is AccountKind.CASH

    def settled_cash(self) -> int:
        """Cash without the proceeds of the day's sales."""
        return self.cash - self.unsettled

    def margin_of(self, value: int) -> int:
        """Margin that positions of this gross value need: a quarter, or all of it without credit."""
        return value if self.is_cash else value * MAINTENANCE_PCT // 100

    def maintenance_margin(self) -> int:
        return self.margin_of(self.gross_position_value())

    def available_funds(self) -> int:
        """What may carry new positions, before the intraday multiple."""
        return self.settled_cash() if self.is_cash else self.net_liquidation() - self.maintenance_margin()

    def buying_power(self) -> int:
        return max(self.available_funds() * (1 if self.is_cash else INTRADAY_BUYING_POWER), 0)

    def unrealised(self) -> int:
        """Value above cost of all holdings."""
        return sum(self.market_value(symbol) - h.cost for symbol, h in self.holdings.items() if h.quantity)

    def realised(self) -> int:
        """Realised P&L of the day."""
        return sum(holding.realised for holding in self.holdings.values())

    def day_profit(self, symbol: str) -> int:
        """What the day has made of a holding: its value now, less that at the day's start, and what it paid."""
        holding = self.holdings[symbol]
        return self.market_value(symbol) - holding.value_at_start + holding.flow

    def distribute(self, holding: Holding, money: int) -> None:
        """Book cash that a holding brings without a trade."""
        self.cash += money
        self.distributions += money
        holding.flow += money

    def reset(self, cash: int) -> None:
        """An account that never traded."""
        self.cash, self.fees_paid, self.distributions, self.unsettled, self.day = cash, 0, 0, 0, None
        self.holdings.clear()

    def new_session(self, day: date) -> None:
        """Begin a day: forget what was realised before and flat holdings; sales settle. A day begins once."""
        if day == self.day:
            return
        self.day = day
        self.unsettled = 0
        self.holdings = {symbol: holding for symbol, holding in self.holdings.items() if holding.quantity}
        for symbol, holding in self.holdings.items():
            holding.realised = holding.flow = 0
            holding.value_at_start = self.market_value(symbol)
