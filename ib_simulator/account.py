"""The simulated account: cash, positions and the values that a gateway reports about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from trading.money import notional

INTRADAY_BUYING_POWER = 4  # Regulation T day-trading multiple of excess liquidity
MAINTENANCE_PCT = 25


@dataclass(slots=True)
class Holding:
    """A net position. `cost` in 1e-6 USD with fees; negative quantity is short. `realised` since the open."""

    quantity: int = 0
    cost: int = 0
    realised: int = 0

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

    def execute(self, symbol: str, side: int, quantity: int, price: int, fees: int) -> int | None:
        """Book one fill. Returns realised P&L net of both legs' fees, None where it only opens."""
        holding = self.holdings.setdefault(symbol, Holding())
        signed = side * quantity
        value = notional(price, quantity)
        self.cash -= side * value + fees
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

    def net_liquidation(self) -> int:
        """Cash plus the value of all holdings."""
        return self.cash + sum(self.market_value(symbol) for symbol, h in self.holdings.items() if h.quantity)

    def gross_position_value(self) -> int:
        """Absolute value of all holdings."""
        return sum(abs(self.market_value(symbol)) for symbol, h in self.holdings.items() if h.quantity)

    def maintenance_margin(self) -> int:
        return self.gross_position_value() * MAINTENANCE_PCT // 100

    def available_funds(self) -> int:
        """What may carry new positions, before the intraday multiple."""
        return self.net_liquidation() - self.maintenance_margin()

    def buying_power(self) -> int:
        return max(self.available_funds() * INTRADAY_BUYING_POWER, 0)

    def values(self) -> list[tuple[str, str, str]]:
        """(key, value, currency) in the gateway's alphabetical order."""
        net = self.net_liquidation()
        gross = self.gross_position_value()
        margin = self.maintenance_margin()
        available = net - margin
        unrealised = sum(self.market_value(symbol) - h.cost for symbol, h in self.holdings.items() if h.quantity)
        realised = sum(holding.realised for holding in self.holdings.values())
        amounts = {
            "AvailableFunds": available,
            "BuyingPower": max(available * INTRADAY_BUYING_POWER, 0),
            "CashBalance": self.cash,
            "EquityWithLoanValue": net,
            "ExcessLiquidity": available,
            "FullAvailableFunds": available,
            "FullExcessLiquidity": available,
            "FullInitMarginReq": margin,
            "FullMaintMarginReq": margin,
            "GrossPositionValue": gross,
            "InitMarginReq": margin,
            "MaintMarginReq": margin,
            "NetLiquidation": net,
            "NetLiquidationByCurrency": net,
            "RealizedPnL": realised,
            "StockMarketValue": net - self.cash,
            "TotalCashBalance": self.cash,
            "TotalCashValue": self.cash,
            "UnrealizedPnL": unrealised,
        }
        rows = [(key, f"{amount / 1_000_000:.2f}", "USD") for key, amount in amounts.items()]
        rows += [
            ("AccountCode", self.account_id, ""),
            ("AccountReady", "true", ""),
            ("AccountType", "INDIVIDUAL", ""),
            ("Currency", "USD", "USD"),
            ("Cushion", f"{available / net:.6f}" if net else "0", ""),
            ("DayTradesRemaining", "-1", ""),
        ]
        return sorted(rows)

    def new_session(self) -> None:
        """Forget the day's realised P&L and holdings that are flat."""
        self.holdings = {symbol: holding for symbol, holding in self.holdings.items() if holding.quantity}
        for holding in self.holdings.values():
            holding.realised = 0
