"""What a stock split does overnight to positions and to orders that rest (good till cancelled).

IBKR cancels such orders on a split; the exchanges adjust them. Which of the two happens is an option of the gateway:
a program has to survive both.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ib_simulator.account import Account
from ib_simulator.bar_store import split_price
from ib_simulator.exchange import Exchange
from ib_simulator.orders import SimOrder
from trading.money import MONEY_PER_PRICE_UNIT

CANCELLED_BY_SPLIT = "Corporate action"


def split_position(account: Account, symbol: str, ratio: Fraction) -> None:
    """Multiply a position by `ratio`, at unchanged cost. A fraction of a share is paid out at the current price."""
    holding = account.holdings.get(symbol)
    if holding is None or not holding.quantity:
        return
    exact = holding.quantity * ratio
    whole = int(exact)
    price = account.price_of(symbol)
    if whole != exact and price:
        account.distribute(holding, int((exact - whole) * price * MONEY_PER_PRICE_UNIT))
        holding.cost -= int(holding.cost * (exact - whole) / exact)
    holding.quantity = whole


def split_orders(exchange: Exchange, symbol: str, ratio: Fraction, *, cancels: bool) -> None:
    """Adjust the resting orders of a symbol, prices to the tick and sizes to whole shares, or cancel them.

    An order of which nothing is left is cancelled as well.
    """
    live = [order for order in exchange.orders.values() if order.symbol == symbol]
    parents = {order.parent.perm_id: order.parent for order in live if order.parent is not None}
    for order in live:
        if order.is_done:
            continue  # cancelled with its group
        if cancels or int(order.quantity * ratio) <= int(order.filled * ratio):
            exchange.cancel(order, CANCELLED_BY_SPLIT)
        else:
            _adjust(order, ratio)
    _scale_fills((parent for parent in parents.values() if parent.is_done), ratio)
    for order in live:
        if not order.is_done and order.transmitted:
            exchange.listener.on_order(order)


def _adjust(order: SimOrder, ratio: Fraction) -> None:
    order.quantity = int(order.quantity * ratio)
    for name in ("limit", "stop", "trail", "limit_offset"):
        price = getattr(order, name)
        if price:
            setattr(order, name, split_price(price, ratio))
    _scale_fills([order], ratio)


def _scale_fills(orders: Iterable[SimOrder], ratio: Fraction) -> None:
    """What an order filled before, in the shares of today: its children sell no more than it bought."""
    for order in orders:
        order.filled = int(order.filled * ratio)
