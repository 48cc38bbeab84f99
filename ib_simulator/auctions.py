"""The opening and the closing auction: until when orders for them come and go, and who trades at the cross.

An opening order trades at the first price of its symbol in the session, a closing order at the last one, whole:
auctions are deep, and the tape does not tell their size. A limit order that the cross does not reach is cancelled.
"""

from __future__ import annotations

from ib_simulator.orders import Auction, Refusal, SimOrder
from market_hours import Session

OPENING_CUT_OFF_S = 120  # before the open: 09:28
CLOSING_CUT_OFF_S = 600  # before the close: 15:50, the earlier one of NYSE and Nasdaq


def is_closed_to_orders(auction: Auction, session: Session | None, now_s: int) -> bool:
    """Whether orders for the auction can no longer be entered, changed or cancelled."""
    if session is None:
        return False
    if auction is Auction.OPENING:
        return session.open_s - OPENING_CUT_OFF_S <= now_s < session.open_s
    return auction is Auction.CLOSING and session.close_s - CLOSING_CUT_OFF_S <= now_s < session.close_s


def too_late(auction: Auction) -> Refusal:
    """The refusal of an order that comes after the cut-off."""
    return Refusal(201, f"Order rejected - reason:The cut-off time of the {auction.value} auction has passed")


def not_cancellable(order: SimOrder) -> Refusal:
    """The refusal of a cancel after the cut-off."""
    text = f"Cancel attempted when order is not in a cancellable state.  Order permId = {order.perm_id}"
    return Refusal(161, text)


def trades_at(order: SimOrder, price: int) -> bool:
    """Whether the cross at `price` reaches the order."""
    return order.limit == 0 or order.side * price <= order.side * order.limit
