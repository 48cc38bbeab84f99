"""Someone who buys once and holds: the account beside which a bot is judged, under the same prices, costs and fates."""

from __future__ import annotations

from collections.abc import Sequence

from ib_simulator.account import Account
from ib_simulator.gateway import Gateway
from trading.costs import BUY, fill_fees
from trading.money import notional


def buy_equally(gateway: Gateway, account: Account, symbols: Sequence[str], money: int) -> None:
    """Spend the same part of `money` (1e-6 USD) on each symbol that has a price now, at the ask and with fees."""
    markets = [market for symbol in symbols if (market := gateway.player.market(symbol)) is not None and market.last]
    rates = gateway.exchange.rates
    for market in markets:
        budget = money // len(markets)
        quantity = budget // notional(market.ask, 1)
        while quantity and notional(market.ask, quantity) + fill_fees(BUY, quantity, market.ask, 0, rates) > budget:
            quantity -= 1
        if quantity:
            account.execute(market.symbol, BUY, quantity, market.ask, fill_fees(BUY, quantity, market.ask, 0, rates))
