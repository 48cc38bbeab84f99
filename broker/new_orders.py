"""New stock orders: made quickly, and handed to the library on the quickest way that it has."""

from __future__ import annotations

from broker.client_library import DEFAULT, IB, NAME, Contract, Order, Trade

_BLANK = vars(Order())
_LISTS = tuple(name for name, value in _BLANK.items() if isinstance(value, list))


def plain_order(order_id: int, **fields: str | float) -> Order:
    """An order with these fields (see `library_speed.FILLED_IN`), and all others as the library leaves them."""
    order = Order.__new__(Order)
    order.__dict__ = {**_BLANK, **{name: [] for name in _LISTS}, **fields, "orderId": order_id}
    return order


def place_new(ib: IB, contract: Contract, order: Order) -> Trade:
    """`IB.placeOrder` for an order of `plain_order` that nobody knows yet.

    Raises ConnectionError when the socket is gone.
    """
    if NAME != DEFAULT:
        return ib.placeOrder(contract, order)
    from broker.library_speed import place_new as quickly

    return quickly(ib, contract, order)
