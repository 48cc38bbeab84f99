"""Cash that a stock brings to its holders without a trade: dividends, and what is left when it is delisted.

Both are booked before the open of their day. A real broker pays a dividend weeks after its ex-date and says so only
in the account's cash; a delisted position disappears without an execution.
"""

from __future__ import annotations

from ib_simulator.account import Account
from ib_simulator.exchange import Exchange

CANCELLED_BY_DELISTING = "Contract is not available for trading"


def pay_dividend(account: Account, symbol: str, per_share: int) -> None:
    """Pay `per_share` (1e-6 USD) on a long position; a short one pays it."""
    holding = account.holdings.get(symbol)
    if holding is not None:
        account.distribute(holding, holding.quantity * per_share)


def delist(account: Account, symbol: str, per_share: int) -> None:
    """Turn a position into `per_share` (1e-6 USD) of cash a share, without an execution."""
    holding = account.holdings.pop(symbol, None)
    if holding is not None:
        account.distribute(holding, holding.quantity * per_share)


def cancel_delisted(exchange: Exchange, symbol: str) -> None:
    """Cancel what rests in a symbol that exists no more."""
    for order in [order for order in exchange.orders.values() if order.symbol == symbol]:
        exchange.cancel(order, CANCELLED_BY_DELISTING)
